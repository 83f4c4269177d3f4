//! The drivers through their public API.

mod auth;
mod blocking;
mod cuts;
mod delivery;
#[cfg(feature = "journal")]
mod journal;
#[allow(dead_code, reason = "each crate, and each feature, needs a part of it")]
mod machine;
#[allow(dead_code, reason = "each crate, and each feature, needs a part of it")]
mod mosquitto;
mod payload;
mod restart;
#[cfg(feature = "scram")]
mod scram;
#[cfg(feature = "net")]
mod uri;
