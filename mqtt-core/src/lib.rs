//! placeholder
#![no_std]
#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod buffers;
mod client;
mod config;
mod error;
mod event;
mod link;
mod message;
mod rx;
mod session;
mod time;
pub mod wire;

#[cfg(feature = "alloc")]
pub use buffers::HeapStorage;
pub use buffers::{Buffers, Storage};
pub use client::{Client, Step};
pub use config::{Acknowledgement, Config};
pub use error::{Error, PeerError, Resource, Timeout, UsageError};
pub use event::Event;
pub use message::Message;
pub use rx::RxBuf;
pub use session::{Inbound, Slot};
#[cfg(feature = "std")]
pub use time::Clock;
pub use time::Instant;
