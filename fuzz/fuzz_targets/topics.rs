//! See `targets::topics`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::topics(data));
