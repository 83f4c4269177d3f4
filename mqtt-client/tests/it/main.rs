//! The drivers through their public API.

mod auth;
mod blocking;
#[cfg(feature = "scram")]
mod mosquitto;
#[cfg(feature = "scram")]
mod scram;
