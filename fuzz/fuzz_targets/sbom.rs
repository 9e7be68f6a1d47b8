//! Fuzzes `ironkit_fuzz::sbom`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironkit_fuzz::sbom(data));
