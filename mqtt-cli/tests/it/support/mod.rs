//! What the tests need: the command, other commands, brokers.

pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod command;

pub(crate) use testkit::machine::{PATIENCE, TempDir, program, unique, wait_for};
