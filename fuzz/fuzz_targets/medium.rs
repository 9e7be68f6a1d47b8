//! Fuzzes `ironkit_fuzz::medium`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::medium(data));
