//! See `targets::client_commands`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::client_commands(data));
