//! See `targets::differential_v5`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::differential_v5(data));
