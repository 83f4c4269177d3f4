//! What a server has queued for a session. mosquitto 2.0.11 sends all of it, of which it should send as
//! many as the client has room for.

use std::time::Duration;

use mqtt_client::blocking;
use mqtt_client::tokio::{Client, Options, Server, SubscribeOptions};
use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, Version};
use testkit::Mosquitto;
use tokio::time::timeout;
use transport_tcp::TcpStream;

use super::delivery::{LEVELS, VERSIONS};

/// How long anything may take that should take no time.
const PATIENCE: Duration = Duration::from_secs(60);

/// As many as mosquitto queues by itself, but for some.
const MESSAGES: u32 = 900;

const TOPIC: &str = "backlog";

fn config(id: &str, version: Version) -> Config<'_> {
    Config {
        version,
        clean_start: false,
        session_expiry: u32::MAX,
        ..Config::new(id)
    }
}

fn connect(broker: &Mosquitto) -> TcpStream {
    TcpStream::connect_to(&[broker.address()], &transport_tcp::Options::default()).unwrap()
}

/// Polls until an event is the one.
fn until(client: &mut blocking::Client<'_, TcpStream>, is_it: impl Fn(&Event<'_>) -> bool) {
    while !matches!(client.poll(Some(PATIENCE)).unwrap(), Some((event, _)) if is_it(&event)) {}
}

/// Has the server queue numbers for the client `receiver`.
fn queue(version: Version, qos: QoS, broker: &Mosquitto) {
    let mut storage = HeapStorage::new(1024, 1024, 20);
    let mut receiver = blocking::Client::new(config("receiver", version), storage.split());
    receiver.connect(connect(broker)).unwrap();
    until(&mut receiver, |event| matches!(event, Event::Connected(_)));
    receiver
        .core()
        .subscribe(&[Filter::new(TOPIC, qos)])
        .unwrap();
    until(&mut receiver, |event| matches!(event, Event::Subscribed(_)));
    receiver.disconnect(PATIENCE).unwrap();

    let mut storage = HeapStorage::new(1024, 4096, 20);
    let mut sender = blocking::Client::new(config("sender", version), storage.split());
    sender.connect(connect(broker)).unwrap();
    until(&mut sender, |event| matches!(event, Event::Connected(_)));
    for n in 0..MESSAGES {
        let payload = n.to_string();
        let message = Message::new(TOPIC, payload.as_bytes()).qos(qos);
        sender.core().publish(&message).unwrap();
        if sender.core().send_quota() == 0 {
            until(&mut sender, |event| matches!(event, Event::Published(_)));
        }
    }
    while sender.core().in_flight() > 0 {
        until(&mut sender, |event| matches!(event, Event::Published(_)));
    }
    sender.disconnect(PATIENCE).unwrap();
}

/// Runs a test for each version and QoS.
fn everywhere(test: impl Fn(Version, QoS, &Mosquitto)) {
    for version in VERSIONS {
        for qos in LEVELS {
            let Some(broker) = Mosquitto::start(|_| "allow_anonymous true\n".to_owned()) else {
                return;
            };
            queue(version, qos, &broker);
            test(version, qos, &broker);
        }
    }
}

async fn arrives(version: Version, qos: QoS, broker: &Mosquitto) {
    let address = broker.address();
    let server = Server::new("mosquitto", move || tokio::net::TcpStream::connect(address));
    let receiver = Client::new(&config("receiver", version), [server], Options::default()).unwrap();
    let mut messages = receiver
        .listen(&[Filter::new(TOPIC, qos)], SubscribeOptions::default())
        .unwrap();
    receiver.connect().await.unwrap();
    for n in 0..MESSAGES {
        let message = messages.recv().await.unwrap().unwrap();
        assert_eq!(&*message.payload, n.to_string().as_bytes());
        if n % 200 == 0 {
            // The answer is behind messages that are not to be taken before it.
            let message = Message::new("progress", b"").qos(QoS::AtLeastOnce);
            let publication = receiver.publish(&message).await.unwrap();
            publication.await.unwrap();
        }
    }
    assert_eq!(receiver.stats().connections, 1, "{version:?} {qos:?}");
}

#[test]
fn on_tokio_a_backlog_arrives_over_one_connection() {
    everywhere(|version, qos, broker| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let arrives = async { timeout(PATIENCE, arrives(version, qos, broker)).await };
        let result = runtime.block_on(arrives);
        result.unwrap_or_else(|_| panic!("{version:?} {qos:?} takes too long"));
    });
}

/// Memory that does not grow is enough at QoS 1. At QoS 2 a connection ends when there is none for an
/// identifier, and some messages are through by then.
#[test]
fn with_little_memory_each_connection_gets_some_of_a_backlog_through() {
    const ROOM: u16 = 100;
    everywhere(|version, qos, broker| {
        let mut storage = HeapStorage::new(1024, 4096, ROOM);
        let mut receiver = blocking::Client::new(config("receiver", version), storage.split());
        let (mut arrived, mut connections) = (0, 0);
        while arrived < MESSAGES {
            receiver.connect(connect(broker)).unwrap();
            connections += 1;
            // On some only what was acknowledged on the one before is released.
            let enough = match qos {
                QoS::ExactlyOnce => 3 * MESSAGES / u32::from(ROOM),
                _ => 1,
            };
            assert!(
                connections <= enough,
                "{version:?} {qos:?}, {arrived} have arrived"
            );
            while arrived < MESSAGES {
                match receiver.poll(Some(PATIENCE)) {
                    Ok(Some((Event::Publish(publish), _))) => {
                        assert_eq!(publish.payload, arrived.to_string().as_bytes());
                        arrived += 1;
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        }
    });
}
