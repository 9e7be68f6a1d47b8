//! Fuzzes `ironkit_fuzz::partition`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::partition(data));
