//! What the tests need: the command, other commands, brokers.

pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod command;

#[allow(dead_code, reason = "each crate needs a part of it")]
#[path = "../../../../mqtt-client/tests/it/machine.rs"]
mod machine;
#[allow(dead_code, reason = "each crate needs a part of it")]
#[path = "../../../../mqtt-client/tests/it/mosquitto.rs"]
mod mosquitto;

pub(crate) use machine::{PATIENCE, TempDir, program, unique, wait_for};
