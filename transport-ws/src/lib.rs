//! WebSocket byte streams for MQTT.
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
pub mod blocking;
#[cfg(feature = "std")]
mod connection;
#[cfg(feature = "embedded")]
pub mod embedded;
mod engine;
mod error;
mod frame;
mod handshake;
#[cfg(feature = "std")]
mod options;
#[cfg(any(feature = "std", feature = "embedded"))]
mod outbox;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(any(feature = "std", feature = "embedded"))]
mod unframe;

pub use engine::{Closed, Engine, Event, MAX_CONTROL_FRAME, MAX_FRAME, Received};
pub use error::{Error, FrameError, RequestError, ResponseError};
pub use handshake::{Handshake, Request};
#[cfg(feature = "std")]
pub use options::Options;
