//! See `targets::framer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::framer(data));
