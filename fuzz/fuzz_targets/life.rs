//! See `targets::life`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::life(data));
