//! See `targets::differential_v311`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::differential_v311(data));
