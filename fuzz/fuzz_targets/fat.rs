//! Fuzzes `ironkit_fuzz::fat`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::fat(data));
