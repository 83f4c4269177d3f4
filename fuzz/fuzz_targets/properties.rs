//! See `targets::properties`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::properties(data));
