//! The drivers through their public API.

mod auth;
mod blocking;
mod cuts;
mod delivery;
#[cfg(feature = "journal")]
mod journal;
mod mosquitto;
mod payload;
mod restart;
#[cfg(feature = "scram")]
mod scram;
