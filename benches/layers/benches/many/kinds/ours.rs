//! This project's.

use std::io;
use std::time::Duration;

use mqtt_client::tokio::{Backoff, Client as Handle, Options, Server};
use mqtt_client::{Config, Event, HeapStorage, Message, QoS, Stream, blocking};
use tokio::net::TcpStream;

use super::{Client, HOST, PAYLOAD, TOPIC, id};
use crate::Outcome;
use crate::state::State;

const MESSAGE: Message<'_> = Message::new(TOPIC, PAYLOAD).qos(QoS::AtLeastOnce);

/// Enough for one small message after the other.
const SMALL: usize = 1024;
const FEW: u16 = 4;

const AT_ONCE: Backoff = Backoff {
    initial: Duration::ZERO,
    max: Duration::from_millis(1),
};

async fn start(port: u16, id: String, options: Options) -> Outcome<Handle> {
    let server = Server::new(HOST, move || TcpStream::connect((HOST, port)));
    let client = Handle::new(&Config::new(&id), [server], options)?;
    client.connect().await?;
    Ok(client)
}

async fn publish(client: &Handle) -> Outcome<()> {
    client.publish(&MESSAGE).await?.await?;
    Ok(())
}

/// With its defaults but for the delays.
pub(super) struct Tokio(Handle);

impl Client for Tokio {
    async fn start(port: u16, id: String) -> Outcome<Self> {
        let options = Options {
            backoff: AT_ONCE,
            ..Options::default()
        };
        start(port, id, options).await.map(Self)
    }

    async fn publish(&self) -> Outcome<()> {
        publish(&self.0).await
    }
}

/// What there is besides the buffers shows when they are small.
pub(super) struct Smallest(Handle);

impl Client for Smallest {
    async fn start(port: u16, id: String) -> Outcome<Self> {
        let options = Options {
            backoff: AT_ONCE,
            transmit_buffer: SMALL,
            max_in_flight: FEW,
            receive_maximum: FEW,
            ..Options::default()
        };
        start(port, id, options).await.map(Self)
    }

    async fn publish(&self) -> Outcome<()> {
        publish(&self.0).await
    }
}

/// With its defaults.
pub(super) struct Patient(Handle);

impl Client for Patient {
    async fn start(port: u16, id: String) -> Outcome<Self> {
        start(port, id, Options::default()).await.map(Self)
    }

    async fn publish(&self) -> Outcome<()> {
        publish(&self.0).await
    }
}

type Blocking = blocking::Client<'static, transport_tcp::TcpStream>;

/// Blocking clients, one after the other on one thread.
pub(super) fn blocking(port: u16, count: usize) -> Outcome<()> {
    let mut clients = Vec::<Blocking>::new();
    State::say()?;
    for order in io::stdin().lines() {
        match order?.as_str() {
            "connect" => {
                // The clients themselves are counted, too.
                clients.reserve_exact(count);
                for number in 0..count {
                    let id = Box::leak(id(number).into_boxed_str());
                    let storage = HeapStorage::new(SMALL, SMALL, FEW);
                    let buffers = Box::leak(Box::new(storage)).split();
                    let mut client = Blocking::new(Config::new(id), buffers);
                    let options = transport_tcp::Options::default();
                    client.connect(transport_tcp::TcpStream::connect(HOST, port, &options)?)?;
                    until(&mut client, |event| matches!(event, Event::Connected(_)))?;
                    clients.push(client);
                }
            }
            "publish" => {
                for client in &mut clients {
                    client.core().publish(&MESSAGE)?;
                    until(client, |event| matches!(event, Event::Published(_)))?;
                }
            }
            "state" => State::say()?,
            other => return Err(format!("{other}?").into()),
        }
    }
    Ok(())
}

/// Waits for an event.
fn until<S: Stream<Error: Send + Sync + 'static>>(
    client: &mut blocking::Client<'_, S>,
    is_it: impl Fn(&Event<'_>) -> bool,
) -> Outcome<()> {
    loop {
        if let Some((event, _)) = client.poll(None)?
            && is_it(&event)
        {
            return Ok(());
        }
    }
}
