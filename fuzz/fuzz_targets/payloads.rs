//! See `targets::payloads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::payloads(data));
