//! What mosquitto has queued for a session, for an application that takes its time.

use mqtt_client::tokio::{Client, Options, Server, SubscribeOptions};
use mqtt_client::{Config, Filter, Message, QoS, Version};
use testkit::Mosquitto;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;
use crate::delivery::{LEVELS, VERSIONS};

/// As many as mosquitto queues by itself, but for some.
const MESSAGES: u32 = 900;

fn client(id: &str, version: Version, broker: &Mosquitto) -> Client {
    let config = Config {
        version,
        clean_start: false,
        session_expiry: u32::MAX,
        ..Config::new(id)
    };
    let address = broker.address();
    let server = Server::new("mosquitto", move || TcpStream::connect(address));
    Client::new(&config, [server], Options::default()).unwrap()
}

/// Each once and in order, over one connection. mosquitto 2.0.11 sends all that it has queued, of
/// which it should send as many as the client has room for.
async fn arrives(version: Version, qos: QoS, broker: &Mosquitto) {
    let filters = [Filter::new("backlog", qos)];
    let receiver = client("receiver", version, broker);
    receiver.connect().await.unwrap();
    let messages = receiver
        .subscribe_with(&filters, SubscribeOptions::default())
        .await
        .unwrap();
    receiver.disconnect(PATIENCE).await.unwrap();
    drop(messages);

    let sender = client("sender", version, broker);
    sender.connect().await.unwrap();
    for n in 0..MESSAGES {
        let payload = n.to_string();
        let message = Message::new("backlog", payload.as_bytes()).qos(qos);
        let publication = sender.publish(&message).await.unwrap();
        publication.await.unwrap();
    }

    let receiver = client("receiver", version, broker);
    let mut messages = receiver
        .listen(&filters, SubscribeOptions::default())
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

#[tokio::test]
async fn a_backlog_arrives_over_one_connection() {
    for version in VERSIONS {
        for qos in LEVELS {
            let Some(broker) = Mosquitto::start(|_| "allow_anonymous true\n".to_owned()) else {
                return;
            };
            timeout(PATIENCE, arrives(version, qos, &broker))
                .await
                .unwrap_or_else(|_| panic!("{version:?} {qos:?} takes too long"));
        }
    }
}
