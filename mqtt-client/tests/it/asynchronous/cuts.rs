//! Sessions outlive connections that are cut at any byte.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use mqtt_client::mqtt_core::wire::ReasonCode;
use mqtt_client::tokio::{Backoff, Client, Options, Publication, Server, Subscription};
use mqtt_client::{Config, Message, QoS, Version};
use testkit::{Faults, Mosquitto, Tap};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;
use crate::delivery::{LEVELS, Taps, VERSIONS, cutting_proxy, factor, number, payload};

/// So many are published before the first of them has arrived.
const BACKLOG: usize = 50;

/// Before 5.0, mosquitto drops what is beyond without a word.
const IN_FLIGHT: u16 = 20;

/// A client that has a session at the server, and what is said on its connections.
fn party(
    id: &str,
    version: Version,
    address: SocketAddr,
    options: Options,
) -> (Client, Arc<Mutex<Taps>>) {
    let config = Config {
        version,
        clean_start: false,
        session_expiry: u32::MAX,
        ..Config::new(id)
    };
    let taps = Arc::new(Mutex::new(Taps::new(version)));
    let server = Server::new("proxy", {
        let taps = Arc::clone(&taps);
        move || {
            let taps = Arc::clone(&taps);
            async move {
                let stream = TcpStream::connect(address).await?;
                let wire = taps.lock().unwrap().wire();
                Ok::<_, io::Error>(Tap::new(stream, wire))
            }
        }
    });
    let client = Client::new(&config, [server], options).unwrap();
    client.start();
    (client, taps)
}

fn options() -> Options {
    Options {
        backoff: Backoff {
            initial: Duration::from_millis(2),
            max: Duration::from_millis(2),
        },
        ..Options::default()
    }
}

/// Publishes numbers, and keeps what is to become of them.
struct Sender {
    client: Client,
    qos: QoS,
    published: usize,
    open: FuturesUnordered<Publication>,
}

impl Sender {
    async fn publish(&mut self) {
        let payload = payload(self.published);
        let message = Message::new("numbers", &payload).qos(self.qos);
        self.open.push(self.client.publish(&message).await.unwrap());
        self.published += 1;
    }

    /// Publishes as long as the connections are cut.
    async fn storm(&mut self, arrived: &AtomicUsize, is_over: impl Fn() -> bool) {
        while !is_over() {
            if self.published < arrived.load(Ordering::Relaxed) + BACKLOG {
                self.publish().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            while let Some(Some(outcome)) = futures::FutureExt::now_or_never(self.open.next()) {
                assert_eq!(outcome, Ok(ReasonCode::Success));
            }
        }
    }

    /// All are through.
    async fn finish(&mut self) {
        while let Some(outcome) = self.open.next().await {
            assert_eq!(outcome, Ok(ReasonCode::Success));
        }
    }
}

/// The numbers in the order in which they arrive, up to and with the last one.
async fn receive(
    messages: &mut Subscription,
    qos: QoS,
    progress: &AtomicUsize,
    last: &AtomicUsize,
) -> Vec<usize> {
    let mut arrived = Vec::new();
    while !arrived.contains(&last.load(Ordering::Relaxed)) {
        let message = messages.recv().await.unwrap().unwrap();
        assert_eq!(message.qos, qos);
        arrived.push(number(&message.payload));
        progress.fetch_max(number(&message.payload) + 1, Ordering::Relaxed);
        if number(&message.payload) % 8 == 0 {
            // Connections end while messages wait to be taken.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    arrived
}

async fn through_cuts(broker: SocketAddr, version: Version, qos: QoS) {
    let proxy = cutting_proxy(broker);
    let sending = Options {
        max_in_flight: IN_FLIGHT,
        ..options()
    };
    let (client, sent) = party("sender", version, proxy.address(), sending);
    let (receiver, received) = party("receiver", version, proxy.address(), options());
    let mut messages = receiver.subscribe("numbers", qos).await.unwrap();
    let mut sender = Sender {
        client,
        qos,
        published: 0,
        open: FuturesUnordered::new(),
    };
    let (progress, last) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let (arrived, ()) = tokio::join!(receive(&mut messages, qos, &progress, &last), async {
        let cuts = 200 * factor();
        sender.storm(&progress, || proxy.cuts() >= cuts).await;
        proxy.plan(|_| Faults::default());
        sender.publish().await;
        last.store(sender.published - 1, Ordering::Relaxed);
        sender.finish().await;
    });
    let mut seen = BTreeSet::new();
    let (first, repeated): (Vec<_>, Vec<_>) =
        arrived.into_iter().partition(|number| seen.insert(*number));
    let all: Vec<_> = (0..sender.published).collect();
    assert_eq!(first, all, "all of them, in order");
    if qos == QoS::ExactlyOnce {
        let mut excused = received.lock().unwrap().faults(number).repeated;
        for number in &repeated {
            let excuse = excused.iter().position(|excused| excused == number);
            excused.swap_remove(excuse.unwrap_or_else(|| panic!("{repeated:?} {excused:?}")));
        }
    }
    // What was gathered for one write counts as sent, though the connection may have ended before:
    // such a message leaves with DUP alone.
    assert!(sent.lock().unwrap().begun() <= sender.published);
    assert_eq!(sender.client.stats().lost, 0);
    assert!(sender.client.stats().connections > 1);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled() {
    let lines = "persistence false\nallow_anonymous true\nmax_queued_messages 0\n";
    for version in VERSIONS {
        for qos in LEVELS {
            let Some(broker) = Mosquitto::start(|_| lines.to_owned()) else {
                return;
            };
            timeout(2 * PATIENCE, through_cuts(broker.address(), version, qos))
                .await
                .unwrap_or_else(|_| panic!("{version:?} {qos:?} takes too long"));
        }
    }
}
