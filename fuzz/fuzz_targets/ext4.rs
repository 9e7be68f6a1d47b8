//! Fuzzes `ironkit_fuzz::ext4::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::ext4::check(data));
