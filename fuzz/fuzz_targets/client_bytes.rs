//! See `targets::client_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::client_bytes(data));
