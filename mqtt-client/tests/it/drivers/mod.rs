//! Each driver, doing the same: publishing numbered messages to itself.

mod blocking;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(feature = "tokio")]
mod tokio;

use std::time::Duration;

use mqtt_client::mqtt_core::wire::ReasonCode;
use mqtt_client::mqtt_core::{self, Client as Core, Resource};
use mqtt_client::net::Options;
use mqtt_client::uri::Endpoint;
use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, Version};
use testkit::Certificates;
use testkit::machine::unique;
use transport_tls::{Connector, Identity, Roots, Source};

pub(crate) use blocking::run as blocking;
#[cfg(feature = "embedded")]
pub(crate) use embedded::{TokioTimer, run as embedded};
#[cfg(feature = "tokio")]
pub(crate) use tokio::run as tokio;

/// What a driver is to do.
pub(crate) struct Job<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) certificates: &'a Certificates,
    pub(crate) version: Version,
    pub(crate) qos: QoS,
    /// How many messages there are.
    pub(crate) count: usize,
    /// How long each of them is.
    pub(crate) len: fn(usize) -> usize,
    /// How many of them may be on their way to the server.
    pub(crate) window: usize,
    /// How long it may take.
    pub(crate) patience: Duration,
}

/// Does a job and returns the numbers of the messages that have arrived, in their order.
pub(crate) type Driver = fn(&Job<'_>) -> Vec<usize>;

/// Trusts the authority, and has the client's certificate for whoever asks.
pub(crate) fn options(certificates: &Certificates) -> Options {
    let Certificates { ca, client, .. } = certificates;
    let tls = transport_tls::Options {
        roots: Roots::Only(vec![Source::Pem(ca.certificate.clone().into())]),
        identity: Some(Identity {
            certificate: Source::Pem(client.certificate.clone().into()),
            key: Source::Pem(client.key.clone().into()),
        }),
        ..transport_tls::Options::default()
    };
    Options {
        tls: Some(Connector::new(&tls).unwrap()),
        ..Options::default()
    }
}

impl Job<'_> {
    /// The payload of a message says its number, and the rest of it follows from that.
    fn payload(&self, number: usize) -> Vec<u8> {
        let mut payload = vec![number.to_le_bytes()[0]; (self.len)(number).max(4)];
        payload[..4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
        payload
    }

    fn number(&self, received: &[u8]) -> usize {
        let number = received.first_chunk().expect("a number");
        let number = usize::try_from(u32::from_be_bytes(*number)).unwrap();
        assert!(
            received == self.payload(number),
            "message {number} is damaged"
        );
        number
    }

    /// A message as large as the largest, or somewhat less, arrives in pieces.
    fn storage(&self) -> HeapStorage {
        let largest = (0..self.count.min(100)).map(self.len).max().unwrap_or(0);
        // More may be in flight in the other direction: before 5.0, as many as the server likes.
        HeapStorage::new(largest.max(1024), (largest + 100) * self.window, u16::MAX)
    }

    fn config<'a>(&'a self, client_id: &'a str) -> Config<'a> {
        Config {
            version: self.version,
            ..self.endpoint.config(client_id)
        }
    }
}

/// How far a job is done by a driver that lends the core.
struct Course<'j> {
    job: &'j Job<'j>,
    topic: String,
    is_subscribed: bool,
    published: usize,
    acknowledged: usize,
    received: Vec<usize>,
    /// Of a message that arrives in pieces.
    pieces: Vec<u8>,
}

impl<'j> Course<'j> {
    fn new(job: &'j Job<'j>) -> Self {
        Self {
            job,
            topic: unique("numbers"),
            is_subscribed: false,
            published: 0,
            acknowledged: 0,
            received: Vec::new(),
            pieces: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.acknowledged == self.job.count && self.received.len() >= self.job.count
    }

    fn on(&mut self, event: Event<'_>, core: &mut Core<'_>) {
        match event {
            Event::Connected(_) => {
                let filter = Filter::new(&self.topic, self.job.qos);
                core.subscribe(&[filter]).unwrap();
            }
            Event::Subscribed(suback) => {
                let codes: Vec<_> = suback.codes.iter().map(|code| code as u8).collect();
                assert_eq!(codes, [self.job.qos as u8]);
                self.is_subscribed = true;
            }
            Event::Publish(publish) => {
                assert_eq!(publish.topic, self.topic);
                assert_eq!(publish.qos, self.job.qos);
                self.received.push(self.job.number(publish.payload));
            }
            Event::PublishStart { .. } => self.pieces.clear(),
            Event::Payload { offset, data, last } => {
                assert_eq!(offset, self.pieces.len());
                self.pieces.extend(data);
                if last {
                    self.received.push(self.job.number(&self.pieces));
                }
            }
            Event::Published(ack) => {
                assert_eq!(ack.code, ReasonCode::Success);
                self.acknowledged += 1;
            }
            Event::Writable => {}
            event => panic!("{event:?}"),
        }
    }

    /// Publishes what there is room for.
    fn publish(&mut self, core: &mut Core<'_>) {
        while self.is_subscribed
            && self.published < self.job.count
            && self.published - self.acknowledged < self.job.window
        {
            let payload = self.job.payload(self.published);
            let message = Message::new(&self.topic, &payload).qos(self.job.qos);
            match core.publish(&message) {
                Ok(id) => {
                    // At QoS 0 there is nothing more to come.
                    self.acknowledged += usize::from(id.is_none());
                    self.published += 1;
                }
                Err(mqtt_core::Error::Full(
                    Resource::Window | Resource::Slots | Resource::Messages,
                )) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn progress(&self) -> String {
        format!(
            "{} published, {} acknowledged, {} received",
            self.published,
            self.acknowledged,
            self.received.len()
        )
    }
}
