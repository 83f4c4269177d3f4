//! The drivers through their public API.

mod auth;
mod blocking;
#[cfg(feature = "journal")]
mod journal;
#[cfg(feature = "scram")]
mod mosquitto;
mod payload;
#[cfg(feature = "scram")]
mod scram;
