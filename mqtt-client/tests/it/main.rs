//! The drivers through their public API.

#[cfg(feature = "tokio")]
mod asynchronous;
mod auth;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod backlog;
mod blocking;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod cuts;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod delivery;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod drivers;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod faults;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod frames;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod full;
#[cfg(feature = "journal")]
mod journal;
mod layers;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod limits;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod matrix;
#[cfg(feature = "net")]
mod net;
mod payload;
#[cfg(all(feature = "net", feature = "tls", feature = "ws"))]
mod restart;
#[cfg(feature = "scram")]
mod scram;
#[cfg(feature = "net")]
mod uri;
