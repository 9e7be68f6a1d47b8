//! Fuzzes `ironkit_fuzz::manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::manifest(data));
