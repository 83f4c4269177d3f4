//! TLS over byte streams.
//!
//! Three streams, each over any stream of its kind, connected already:
//!
//! | | over | by |
//! | --- | --- | --- |
//! | `blocking::TlsStream` | [`embedded_io`] | rustls, TLS 1.2 and 1.3 |
//! | `tokio::TlsStream` | tokio's traits | the same |
//! | `embedded::TlsStream` | `embedded-io-async` | embedded-tls, TLS 1.3, without a heap |
//!
//! The first two are made by a `Connector`, and that by `Options`: which authorities are trusted,
//! the client's own certificate, pins, application protocols. Errors say what is wrong with which
//! certificate, or what else the matter is, in one sentence: `the server's certificate (subject
//! CN=broker, issuer CN=Example) has expired on 2020-01-02`.
//!
//! This crate has no cryptography of its own, opens no connections and reads no streams but the one
//! that it is given.
//!
//! # Blocking
//!
//! ```no_run
//! # #[cfg(feature = "ring")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::{Duration, Instant};
//!
//! use embedded_io::{Read, Write};
//! use transport_tcp::TcpStream;
//! use transport_tls::{Connector, Options};
//!
//! let connector = Connector::new(&Options::default())?;
//! let mut tcp = TcpStream::connect("example.com", 443, &transport_tcp::Options::default())?;
//! tcp.set_deadline(Some(Instant::now() + Duration::from_secs(10)));
//! let mut stream = connector.connect("example.com", tcp)?;
//!
//! stream.write_all(b"hello")?;
//! stream.flush()?;
//! let mut buf = [0; 512];
//! let n = stream.read(&mut buf)?;
//! println!("{n} bytes");
//! stream.close()?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "ring"))]
//! # fn main() {}
//! ```
//!
//! # On tokio
//!
//! ```no_run
//! # #[cfg(all(feature = "ring", feature = "tokio"))]
//! # mod example {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//! use transport_tls::{Connector, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connector = Connector::new(&Options::default())?;
//! let tcp = TcpStream::connect("example.com:443").await?;
//! let mut stream = connector.connect_tokio("example.com", tcp).await?;
//!
//! stream.write_all(b"hello").await?;
//! stream.flush().await?;
//! let mut buf = [0; 512];
//! let n = stream.read(&mut buf).await?;
//! println!("{n} bytes");
//! stream.shutdown().await?;
//! # Ok(())
//! # }
//! # }
//! # fn main() {}
//! ```
//!
//! # Mutual TLS, with an authority of one's own
//!
//! ```no_run
//! # #[cfg(feature = "ring")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use transport_tls::{Connector, Identity, Options, Roots, Source};
//!
//! let connector = Connector::new(&Options {
//!     roots: Roots::Only(vec![Source::File("ca.crt".into())]),
//!     identity: Some(Identity {
//!         certificate: Source::File("client.crt".into()),
//!         key: Source::File("client.key".into()),
//!     }),
//!     ..Options::default()
//! })?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "ring"))]
//! # fn main() {}
//! ```
//!
//! # Pinning
//!
//! A pin on top of the other checks, and a self-signed certificate that nothing but its pin speaks
//! for:
//!
//! ```no_run
//! # #[cfg(feature = "ring")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use transport_tls::{Connector, Options, Verification};
//!
//! let pinned = Options {
//!     pins: vec!["sha256/YLh1dUR9y6Kja30RrAn7JKnbQG/uEtLMkBgFF2Fuihg=".parse()?],
//!     ..Options::default()
//! };
//! let connector = Connector::new(&pinned)?;
//!
//! let connector = Connector::new(&Options {
//!     verification: Verification::DangerouslySkipAll,
//!     ..pinned
//! })?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "ring"))]
//! # fn main() {}
//! ```
//!
//! # Without a heap
//!
//! ```no_run
//! # #[cfg(feature = "embedded")]
//! # mod example {
//! use embedded_io_async::{Read, Write};
//! use transport_tls::embedded::{Config, CryptoRngCore, Error, Link};
//!
//! /// `reader` and `writer` are halves of a connected socket.
//! async fn hello(
//!     reader: impl Read,
//!     writer: impl Write,
//!     rng: impl CryptoRngCore,
//!     authority: &[u8],
//!     now: u64,
//! ) -> Result<(), Error> {
//!     let mut read_buffer = [0; 16_640];
//!     let mut write_buffer = [0; 4_096];
//!     let mut link = Link::new(reader, writer, &mut read_buffer, &mut write_buffer);
//!
//!     let authorities = [authority];
//!     let config = Config {
//!         time: Some(now),
//!         ..Config::new("broker.example", &authorities)
//!     };
//!     let mut stream = link.connect(&config, rng).await?;
//!
//!     let (mut reader, mut writer) = stream.split();
//!     writer.write_all(b"hello").await?;
//!     writer.flush().await?;
//!     let mut buf = [0; 512];
//!     let n = reader.read(&mut buf).await?;
//!     // ...
//! #   let _ = n;
//!     stream.close().await
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! - `std`, on by default: the blocking stream.
//! - `ring`, on by default, and `aws-lc-rs`: where rustls has its cryptography from. With both it is
//!   ring, so that a crate which enables the other changes nothing for anyone;
//!   `Options::provider` chooses. Nothing is installed for the whole process. With neither, a
//!   provider has to be given.
//! - `tokio`: the asynchronous stream.
//! - `embedded`: the stream without a heap.

#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
pub mod blocking;
#[cfg(feature = "std")]
mod connector;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod options;
mod pin;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "std")]
mod verify;

#[cfg(feature = "std")]
pub use connector::Connector;
#[cfg(feature = "std")]
pub use error::{CertificateError, CertificateProblem, ConfigError, Error, Origin, TlsError};
#[cfg(feature = "std")]
pub use options::{Identity, Options, Roots, Source, Verification};
pub use pin::Pin;
#[cfg(feature = "std")]
pub use pin::PinError;
/// The TLS library, for what is beyond [`Options`].
#[cfg(feature = "std")]
pub use rustls;
