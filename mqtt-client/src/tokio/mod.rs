//! The client for tokio.
//!
//! A [`Client`] is a handle: clone it, send it to other tasks, call it from wherever messages are
//! handled. It keeps connected, subscribes again where the server has forgotten, and tells what
//! became of each message.
//!
//! ```no_run
//! use mqtt_client::tokio::{Client, Options, Server};
//! use mqtt_client::{Config, Message, QoS};
//! use tokio::net::TcpStream;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new("localhost", || TcpStream::connect(("localhost", 1883)));
//! let client = Client::new(&Config::new("thermostat"), [server], Options::default())?;
//! client.connect().await?;
//!
//! let mut windows = client.subscribe("room/+/window", QoS::AtLeastOnce).await?;
//! while let Some(Ok(window)) = windows.recv().await {
//!     if window.payload == "open" {
//!         let message = Message::new("heating", b"off").qos(QoS::ExactlyOnce);
//!         let publication = client.publish(&message).await?; // It is on its way,
//!         publication.await?; // and the server has it.
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! With feature `net` a server is a URI: `Server::from_uri("mqtts://broker.example")?`.
//!
//! # What is bounded
//!
//! All memory. Messages to be sent wait in the transmit buffer, and whoever publishes more waits,
//! too; without a connection they wait in a queue of a policy that you choose
//! ([`Options::offline`]). Received messages wait in the bounded queues of their subscriptions,
//! with a rule for what is too much ([`Overflow`]). What is left out is reported where it is
//! missing, and counted ([`Client::stats`]).
//!
//! # Dropping futures
//!
//! No future here loses anything when it is dropped before it is ready. The methods say what that
//! means for each.

mod client;
mod connection;
mod deliveries;
mod error;
mod ids;
mod inbox;
mod offline;
mod options;
mod outgoing;
mod owned;
mod publication;
mod routes;
mod server;
mod shared;
mod status;
mod subscription;
mod task;
mod waiters;

pub use client::{Client, SubscribeOptions};
pub use error::{
    ConfigError, ConnectionError, DeliveryError, DisconnectError, PublishError, Reason,
    SubscribeError,
};
pub use inbox::Overflow;
pub use options::{Backoff, MakeAuthenticator, Offline, Options};
pub use publication::Publication;
pub use server::{Server, Stream};
pub use status::{Connected, Stats, Status};
pub use subscription::{Gap, Received, Subscription};
