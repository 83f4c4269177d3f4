//! Drivers for [`mqtt_core`]: an MQTT 3.1.1 and 5.0 client over any byte stream.
//!
//! [`blocking::Client`] runs the core on the calling thread, over anything that implements
//! [`Stream`]: `embedded-io`'s reading and writing, and a deadline. With feature `tcp` (default)
//! [`transport_tcp::TcpStream`] does.
//!
//! ```no_run
//! use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, blocking::Client};
//! use transport_tcp::TcpStream;
//!
//! let mut storage = HeapStorage::new(64 * 1024, 64 * 1024, 100);
//! let mut client = Client::new(Config::new("thermostat"), storage.split());
//! client.connect(TcpStream::connect("localhost", 1883, &Default::default())?)?;
//! loop {
//!     match client.poll(None)? {
//!         Some((Event::Connected(_), core)) => {
//!             core.subscribe(&[Filter::new("room/+/temperature", QoS::AtLeastOnce)])?;
//!         }
//!         Some((Event::Publish(reading), core)) if reading.payload == b"cold" => {
//!             core.publish(&Message::new("heating", b"on").qos(QoS::ExactlyOnce))?;
//!         }
//!         _ => {}
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # On tokio
//!
//! `tokio::Client`, with feature `tokio`, is a handle for any number of tasks. It keeps connected,
//! tells what became of each message, and has a stream for each subscription. With feature `net` a
//! server is a URI: see the module `tokio`.
//!
//! # Without a heap
//!
//! [`embedded::Client`], with feature `embedded`, is asynchronous and allocates nothing, on any
//! executor, over readers and writers of `embedded-io-async`. Without the default features it is all
//! there is here, and builds for bare metal.
//!
//! ```
//! # #[cfg(feature = "embedded")]
//! # mod example {
//! use embedded_io_async::{Read, Write};
//! use mqtt_client::embedded::{Client, Timer};
//! use mqtt_client::{Config, Error, Event, Filter, Message, QoS, Storage};
//!
//! async fn thermostat<R: Read, W: Write<Error = R::Error>>(
//!     reader: R, // `TcpSocket::split` of embassy-net gives both, for instance,
//!     writer: W,
//!     timer: impl Timer, // and `EmbassyTimer` is the timer that goes with it.
//! ) -> Result<(), Error<R::Error>> {
//!     let mut storage = Storage::<512, 1024, 4>::new(); // bytes in, bytes out, messages in flight
//!     let mut client = Client::new(Config::new("thermostat"), storage.split(), timer);
//!     let mut connection = client.connect(reader, writer)?;
//!     loop {
//!         match connection.poll().await? {
//!             Some((Event::Connected(_), core)) => {
//!                 core.subscribe(&[Filter::new("room/+/temperature", QoS::AtLeastOnce)])?;
//!             }
//!             Some((Event::Publish(reading), core)) if reading.payload == b"cold" => {
//!                 core.publish(&Message::new("heating", b"on").qos(QoS::ExactlyOnce))?;
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! # Extended authentication
//!
//! In 5.0 a connection may begin with an exchange of AUTH packets. With
//! [`connect_with`](blocking::Client::connect_with) an [`Authenticator`](auth::Authenticator) speaks
//! for the application, and the server has to pass its check. Feature `scram` has SCRAM-SHA-256, in
//! which both sides prove that they know the password.
//!
//! ```no_run
//! # #[cfg(feature = "scram")]
//! # fn example() -> Result<(), Box<dyn core::error::Error>> {
//! use mqtt_client::auth::Scram;
//! use mqtt_client::mqtt_core::wire::Property;
//! use mqtt_client::{Config, Event, HeapStorage, blocking::Client};
//! use transport_tcp::TcpStream;
//!
//! let config = Config {
//!     properties: &[Property::AuthenticationMethod(Scram::METHOD)],
//!     ..Config::new("thermostat")
//! };
//! let mut storage = HeapStorage::new(64 * 1024, 64 * 1024, 100);
//! let mut client = Client::new(config, storage.split());
//! let scram = Scram::new("user", "pencil")?;
//! client.connect_with(TcpStream::connect("localhost", 1883, &Default::default())?, scram)?;
//! loop {
//!     match client.poll(None)? {
//!         Some((Event::Connected(_), _)) => {} // The server knows the password, too.
//!         Some((Event::Refused(connack), _)) => return Err(connack.code.to_string().into()),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! # Sessions that survive
//!
//! With feature `journal` a session may live in a file: what was handed over and what was received
//! survive the process and a loss of power. [`Config::durability`] has the core wait for it, and
//! [`with_journal`](blocking::Client::with_journal) has the driver keep it. See the module
//! `journal` for an example.
//!
//! # Features
//! - `std` (default): the standard library, for everything but `embedded`.
//! - `tcp` (default): [`Stream`] for [`transport_tcp::TcpStream`].
//! - `tls`, `ws`: [`Stream`] for the blocking streams of `transport-tls` and `transport-ws`.
//! - `net`: URIs, in `uri`, and connecting to what they name, in `net`; with `tls` and `ws`, also to
//!   `mqtts`, `ws` and `wss`.
//! - `proxy`: connecting through HTTP and SOCKS5 proxies, in `net`.
//! - `tokio`: `tokio::Client`, a handle that keeps connected; in `net`, connecting on tokio.
//! - `embedded`: `embedded::Client`, asynchronous and without a heap; does without `std`.
//! - `embassy`: `embedded::EmbassyTimer`, for `embedded` with embassy-time.
//! - `journal`: `journal::FileJournal`, for sessions that survive the process and the power.
//! - `scram`: `auth::Scram`, the method SCRAM-SHA-256.

#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
pub mod auth;
#[cfg(feature = "std")]
pub mod blocking;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
#[cfg(feature = "journal")]
pub mod journal;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "std")]
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "net")]
pub mod uri;

pub use error::Error;
pub use mqtt_core;
#[cfg(feature = "std")]
pub use mqtt_core::HeapStorage;
pub use mqtt_core::wire::{Filter, QoS, Version};
pub use mqtt_core::{Config, Event, Message, Storage};
#[cfg(feature = "std")]
pub use stream::Stream;

/// The examples of the README compile, too.
#[cfg(all(doctest, feature = "tokio", feature = "net", feature = "embedded"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// And that of the journal's recipe does what it says.
#[cfg(doctest)]
#[doc = include_str!("../../docs/JOURNAL.md")]
struct Journal;

/// And that of the guide to porting.
#[cfg(doctest)]
#[doc = include_str!("../../docs/PLATFORM.md")]
struct Platform;
