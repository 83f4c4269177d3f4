//! See `targets::arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::arguments(data));
