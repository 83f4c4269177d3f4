//! TCP byte streams behind the [`embedded_io`] traits.
//!
//! [`TcpStream`] blocks, on [`std::net`], and every read and write can have a deadline. With the
//! feature `tokio` there is an asynchronous one beside it, `transport_tcp::tokio::TcpStream`. Both
//! connect in the same way: all addresses of a name are tried, both families in turn, within one
//! time-out.
//!
//! This crate carries bytes and knows nothing about what they mean. It does no TLS, keeps no pool,
//! buffers nothing and never reconnects: a failed stream is dropped and another one connected.
//!
//! # Blocking
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//!
//! use embedded_io::{Read, Write};
//! use transport_tcp::{Options, TcpStream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut stream = TcpStream::connect("example.com", 7, &Options::default())?;
//! stream.set_deadline(Some(Instant::now() + Duration::from_secs(5)));
//! stream.write_all(b"hello")?;
//!
//! let mut buf = [0; 512];
//! match stream.read(&mut buf) {
//!     Ok(0) => println!("closed by the peer"),
//!     Ok(n) => println!("{n} bytes"),
//!     Err(error) if error.kind() == std::io::ErrorKind::TimedOut => println!("nothing yet"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Asynchronous
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # mod example {
//! use std::time::Duration;
//!
//! use embedded_io_async::{Read, Write};
//! use transport_tcp::{Options, tokio::TcpStream};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut stream = TcpStream::connect("example.com", 7, &Options::default()).await?;
//! stream.write_all(b"hello").await?;
//!
//! let mut buf = [0; 512];
//! match tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buf)).await {
//!     Ok(Ok(0)) => println!("closed by the peer"),
//!     Ok(Ok(n)) => println!("{n} bytes"),
//!     Ok(Err(error)) => return Err(error.into()),
//!     Err(_) => println!("nothing yet"), // No byte is lost: reads are cancel-safe.
//! }
//! # Ok(())
//! # }
//! # }
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! - `tokio`: the asynchronous stream, with the [`embedded-io-async`] traits. Off by default.
//!
//! [`embedded-io-async`]: https://docs.rs/embedded-io-async

mod blocking;
mod connect;
mod error;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use blocking::TcpStream;
pub use connect::Options;
pub use error::ConnectError;
