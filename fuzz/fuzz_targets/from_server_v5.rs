//! See `targets::from_server_v5`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::from_server_v5(data));
