//! Fuzzes `ironkit_fuzz::document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::document(data));
