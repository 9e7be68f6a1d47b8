//! Fuzzes `ironkit_fuzz::erofs::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::erofs::check(data));
