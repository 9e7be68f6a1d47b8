//! Fuzzes `ironkit_fuzz::executable`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::executable(data));
