//! The `mqtt` command as its users meet it, and the libraries below it against real brokers.

#![allow(clippy::print_stderr, reason = "tests say why they are skipped")]

mod arguments;
mod bench;
#[cfg(feature = "demo")]
mod demo;
mod formats;
mod interop;
mod journal;
mod matrix;
mod scripted;
mod session;
mod shell;
mod support;
mod transports;
