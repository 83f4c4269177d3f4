//! The integration tests, as one binary.

mod client;
mod ledger;
mod secrets;
mod wire;
