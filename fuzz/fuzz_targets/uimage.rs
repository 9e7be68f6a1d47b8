//! Fuzzes `ironkit_fuzz::uimage`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::uimage(data));
