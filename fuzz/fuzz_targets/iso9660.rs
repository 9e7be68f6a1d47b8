//! Fuzzes `ironkit_fuzz::iso9660`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::iso9660(data));
