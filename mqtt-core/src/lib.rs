//! An MQTT 3.1.1 and 5.0 client that does no input or output.
//!
//! Bytes that were received go in; bytes to send, events and a deadline come out. There are no
//! sockets, no clock, no heap and no `unsafe` in here, so the same client runs on a thread, in an
//! async task, in interrupt-driven firmware, and in a test without network or time.
//!
//! What it does: both versions (and the handshake of 3.1), all QoS levels with their
//! retransmission after a reconnect or, with a journal, after a loss of power, keep-alive and
//! time-outs, automatic or manual acknowledgement, flow control, messages larger than its buffers
//! in both directions, topic aliases, message expiry, extended authentication, and every property
//! of 5.0. What it leaves to its host: opening and closing the transport, and when to try again.
//! [`mqtt-client`](https://docs.rs/mqtt-client) has ready-made hosts.
//!
//! # The loop
//!
//! ```
//! use mqtt_core::wire::{Filter, QoS};
//! use mqtt_core::{Client, Config, Event, Message, Storage};
//! # use std::io::{Read, Write};
//! # // A server that has said all it will ever say: CONNACK, SUBACK, a PUBLISH.
//! # struct Transport(&'static [u8]);
//! # impl Transport {
//! #     fn read(&mut self, space: &mut [u8], _: Option<mqtt_core::Instant>) -> std::io::Result<usize> {
//! #         self.0.read(space)
//! #     }
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { Ok(bytes.len().min(3)) }
//! # }
//! # let mut transport = Transport(
//! #     b"\x20\x03\x00\x00\x00\x90\x04\x00\x01\x00\x01\x32\x0b\x00\x04echo\x00\x07\x00hi");
//!
//! # let start = std::time::Instant::now();
//! # let now = || mqtt_core::Instant::default() + start.elapsed();
//! let mut storage = Storage::<1024, 2048, 8>::new(); // bytes in, bytes out, messages in flight
//! let (mut rx, buffers) = storage.split();
//! let mut client = Client::new(Config::new("sensor-7"), buffers);
//!
//! client.connect(now())?; // once the transport is open; `now()` is any monotonic clock
//! loop {
//!     // What has happened?
//!     while let Some(event) = rx.poll(&mut client, now())? {
//!         match event {
//!             Event::Connected(_) => {
//!                 client.subscribe(&[Filter::new("echo", QoS::AtLeastOnce)])?;
//!             }
//!             Event::Publish(message) => {
//!                 client.publish(&Message::new("reply", message.payload).qos(QoS::AtLeastOnce))?;
//!             }
//!             _ => {}
//!         }
//!     }
//!     // Send, then look again.
//!     if !client.transmit().is_empty() {
//!         let n = transport.write(client.transmit())?;
//!         client.transmitted(n, now());
//!         continue;
//!     }
//!     // Receive, but wait no longer than until `poll_timeout`.
//!     match transport.read(rx.space(), client.poll_timeout())? {
//!         0 => break client.connection_lost(), // open another transport, `connect` again
//!         n => rx.filled(n),
//!     }
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! The event borrows the receive buffer and not the client, which is why the reply above needs no
//! copy of the payload. Hosts that cannot use [`RxBuf`] call [`Client::process`] with whatever
//! slice holds the received bytes; any split of the same bytes gives the same events, but for how
//! the payload of a streamed message is cut.
//!
//! # Errors
//!
//! [`Error`] says whose fault it is. [`Error::Peer`] and [`Error::Timeout`] end the connection:
//! send what [`Client::transmit`] still holds, close the transport, call
//! [`Client::connection_lost`]. [`Error::Usage`] and [`Error::Full`] have changed nothing; after
//! `Full`, [`Event::Writable`] tells when to try again. Nothing to do is `None`, never an error.
//!
//! # Messages in flight
//!
//! A message above QoS 0 that [`Client::publish`] took is kept until the server has it, over any
//! number of connections, as long as [`Config`] has the server keep its part of the session:
//! `clean_start: false` and, in 5.0, a `session_expiry`. [`Event::Published`] reports that it is through. If the server has not
//! kept the session, what had been sent before is reported as [`Event::Lost`], once each, and
//! what had not is sent. Received messages are acknowledged by the call to [`Client::process`]
//! (or [`RxBuf::poll`]) that follows their event, or by [`Client::acknowledge`].
//!
//! With [`Durability::WriteAhead`] they also survive a loss of power: [`Client::journal`] gives
//! the records that are to be on stable storage before anything is sent that depends on them, and
//! [`Client::restore`] takes them back.
//!
//! ```
//! # use mqtt_core::{Client, Config, Durability, Message, Record, Storage};
//! # use mqtt_core::wire::QoS;
//! # let mut storage = Storage::<256, 512, 4>::new();
//! # let mut again = Storage::<256, 512, 4>::new();
//! # let mut flash: Vec<([u8; 4], Vec<u8>)> = Vec::new();
//! let config = Config {
//!     clean_start: false,
//!     session_expiry: u32::MAX,
//!     durability: Durability::WriteAhead,
//!     ..Config::new("meter-12")
//! };
//! let mut client = Client::new(config, storage.split().1);
//! client.publish(&Message::new("energy", b"17.3").qos(QoS::ExactlyOnce))?;
//!
//! // In the loop, before `transmit`: write what is due, then say how much that was.
//! let mut n = 0;
//! for record in client.journal() {
//!     flash.push((record.head(), record.body().to_vec()));
//!     n += 1;
//! }
//! client.journaled(n);
//!
//! // After a loss of power, before the first `connect`:
//! let mut client = Client::new(config, again.split().1);
//! for (head, body) in &flash {
//!     client.restore(&Record::from_parts(*head, body).ok_or("a damaged record")?)?;
//! }
//! assert_eq!(client.in_flight(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Memory
//!
//! All of it is given by the caller: [`Storage`] in a static or on the stack,
//! `HeapStorage` with feature `alloc`, or any slices as [`Buffers`] and [`RxBuf`]. A sensor does
//! with about 2 KB, a gateway may keep 65,535 messages in flight; what is acknowledged in order
//! costs the same with few or with many.
//!
//! A PUBLISH that is larger than the receive buffer arrives as [`Event::PublishStart`] and
//! [`Event::Payload`]. A payload that is not to lie in the transmit buffer, for its size or because
//! it is elsewhere already, is published with [`Client::publish_lent`]: [`Client::payload`] asks
//! for it, piece by piece, when it is to be sent, and again when it is to be sent again.
//!
//! # Time
//!
//! [`Instant`] is milliseconds on any monotonic clock. [`Client::poll_timeout`] is when to call
//! [`RxBuf::poll`] even if nothing arrived; calling it earlier, later or more often does no harm.
//!
//! # Features
//!
//! `v5` and `durability` are on by default, and none changes what the others do.
//!
//! - `v5`: MQTT 5.0. Without it there is no `Version::V5`, [`Config::new`] speaks 3.1.1, and what
//!   only 5.0 has is not compiled: for firmware that has no room for it.
//! - `durability`: [`Durability::WriteAhead`] and [`Record`], sessions that survive a loss of power.
//! - `alloc`: `HeapStorage`, buffers of sizes chosen at run time.
//! - `std`: `alloc`, and `Clock`, the standard library's clock.
//! - `bytes`: `alloc`, and `OwnedPublish`, received messages that own their bytes without copying.
//! - `defmt`: `defmt::Format` for the public types.

#![no_std]
#![cfg_attr(
    not(test),
    warn(
        clippy::alloc_instead_of_core,
        clippy::std_instead_of_alloc,
        clippy::std_instead_of_core
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

/// Lengths of packets, up to 28 bits, are counted in `usize`.
const _: () = assert!(usize::BITS >= 32, "pointers of 16 bits are not supported");

/// What only 5.0 has is not compiled without its feature: it stands behind this or, where 3.1.1 does
/// otherwise, behind [`Version::is_v5`](wire::Version).
const V5: bool = cfg!(feature = "v5");

mod buffers;
mod client;
mod config;
mod error;
mod event;
mod hidden;
mod link;
mod message;
#[cfg(feature = "bytes")]
mod owned;
mod rx;
mod session;
mod time;
pub mod wire;

#[cfg(feature = "alloc")]
pub use buffers::HeapStorage;
pub use buffers::{Buffers, Storage};
pub use client::{Client, Step};
pub use config::{Acknowledgement, Config, Durability};
pub use error::{Error, PeerError, Resource, Timeout, UsageError};
pub use event::Event;
pub use message::{Message, Response};
#[cfg(feature = "bytes")]
pub use owned::OwnedPublish;
pub use rx::RxBuf;
#[cfg(feature = "durability")]
pub use session::Record;
pub use session::{Inbound, Lent, Slot};
#[cfg(feature = "std")]
pub use time::Clock;
pub use time::Instant;
