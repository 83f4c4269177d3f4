//! MQTT over WebSocket (RFC 6455): the client's end, as a byte stream over any other byte stream.
//!
//! [`Engine`] and [`Handshake`] are the protocol: bytes in, bytes out, without a heap, a clock or
//! randomness of their own. Three streams put them to use: `transport_ws::blocking::WsStream` over the
//! [`embedded_io`] traits, `transport_ws::tokio::WsStream` over tokio's, and
//! `transport_ws::embedded::WsStream` without a heap over the [`embedded-io-async`] traits.
//!
//! The sub-protocol `mqtt` is asked for and has to be agreed to, data travels in binary frames only
//! (`[MQTT-6.0.0-1]` to `[MQTT-6.0.0-4]`), and where frames begin and end means nothing. Extensions
//! are not offered. Redirections are not followed, and nothing here connects, does TLS or
//! reconnects.
//!
//! # What the streams have in common
//!
//! - Data is read straight into the caller's buffer. Where headers or control frames stood before
//!   it, it is moved within the buffer. What a header claims is never taken for granted.
//! - A write makes one frame of what it is given, as far as its buffer goes: 64 KiB, or the
//!   caller's. It has taken what it says, which may still be inside the stream: flushing pushes it
//!   down.
//! - Pings are answered, and so is the server's close. A read that found nothing for the caller but
//!   has left an answer to be sent returns [`Interrupted`](Error::Interrupted): flush, then read
//!   again. It does not wait for the answer to leave, since both directions may be full at once.
//!   Only tokio's stream tries to send it by itself.
//! - A read of 0 bytes is the end: the server has closed, or ended the connection between two
//!   messages. A violation of the protocol is an error, after a close frame that says so was left
//!   to be flushed.
//!
//! # Blocking
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//!
//! use embedded_io::{Error, ErrorKind, Read, Write};
//! use transport_tcp::TcpStream;
//! use transport_ws::{Options, blocking::WsStream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut tcp = TcpStream::connect("broker.example", 80, &Default::default())?;
//! tcp.set_deadline(Some(Instant::now() + Duration::from_secs(10)));
//! let mut stream = WsStream::connect(tcp, "broker.example", &Options::default())?;
//!
//! stream.write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")?; // CONNECT
//! stream.flush()?;
//! let mut buf = [0; 1024];
//! loop {
//!     match stream.read(&mut buf) {
//!         Ok(0) => break println!("closed, status {:?}", stream.close_code()),
//!         Ok(n) => println!("{n} bytes"),
//!         Err(error) if error.kind() == ErrorKind::Interrupted => stream.flush()?,
//!         Err(error) if error.kind() == ErrorKind::TimedOut => break stream.close()?,
//!         Err(error) => return Err(error.into()),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # tokio
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # mod example {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use transport_ws::{Options, tokio::WsStream};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tcp = tokio::net::TcpStream::connect(("broker.example", 80)).await?;
//! let mut stream = WsStream::connect(tcp, "broker.example", &Options::default()).await?;
//!
//! stream.write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00").await?; // CONNECT
//! stream.flush().await?;
//! let mut buf = [0; 1024];
//! let n = stream.read(&mut buf).await?;
//! println!("{n} bytes");
//! stream.shutdown().await?;
//! # Ok(())
//! # }
//! # }
//! # fn main() {}
//! ```
//!
//! # Without a heap
//!
//! ```
//! # #[cfg(feature = "embedded")]
//! # mod example {
//! use embedded_io_async::{Read, Write};
//! use transport_ws::{Error, Request, embedded::WsStream};
//!
//! # async fn example<R: Read, W: Write<Error = R::Error>>(
//! #     reader: R,
//! #     writer: W,
//! #     random: impl FnMut(&mut [u8]),
//! # ) -> Result<(), Error<R::Error>> {
//! let request = Request {
//!     authority: "broker.example",
//!     path: "/mqtt",
//!     credentials: None,
//!     headers: &[],
//! };
//! let (mut rx, mut tx) = ([0; 512], [0; 1024]);
//! let mut stream =
//!     WsStream::connect(reader, writer, &request, &mut rx, &mut tx, random).await?;
//!
//! let (mut reader, mut writer) = stream.split();
//! writer.write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00").await?; // CONNECT
//! writer.flush().await?;
//! let mut buf = [0; 1024];
//! match reader.read(&mut buf).await {
//!     Ok(n) => { /* n bytes, or the end */ }
//!     Err(Error::Interrupted) => writer.flush().await?,
//!     Err(error) => return Err(error),
//! }
//! # Ok(())
//! # }
//! # }
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! - `std`: the blocking stream, and `Options`. On by default.
//! - `tokio`: the stream for tokio. Needs `std`.
//! - `embedded`: the stream without a heap.
//!
//! [`embedded-io-async`]: https://docs.rs/embedded-io-async

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
mod response;
mod sha1;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(any(feature = "std", feature = "embedded"))]
mod unframe;

pub use engine::{Closed, Engine, Event, MAX_CONTROL_FRAME, MAX_FRAME, Received};
pub use error::{Error, FrameError, RequestError, ResponseError};
pub use handshake::{Handshake, Request};
#[cfg(feature = "std")]
pub use options::Options;
