//! Fuzzes `ironkit_fuzz::label`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::label(data));
