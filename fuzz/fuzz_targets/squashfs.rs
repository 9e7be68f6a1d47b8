//! Fuzzes `ironkit_fuzz::squashfs::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::squashfs::check(data));
