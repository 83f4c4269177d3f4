//! Over tokio's TCP to mosquitto, with futures that are dropped all the time.

use mqtt_client::embedded::{Client, Timer};
use mqtt_client::mqtt_core::Instant;
use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, Version};
use testkit::Mosquitto;
use testkit::machine::{PATIENCE, unique};
use tokio::runtime::Builder;
use transport_tcp::tokio::TcpStream;

/// The time on tokio.
struct TokioTimer(tokio::time::Instant);

impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        Instant::default() + self.0.elapsed()
    }

    async fn wait_until(&mut self, at: Instant) {
        tokio::time::sleep(at.saturating_since(self.now())).await;
    }
}

/// Polls a future a few times at most.
macro_rules! briefly {
    ($future:expr) => {
        tokio::select! {
            biased;
            output = $future => Some(output.unwrap()),
            () = async {
                tokio::task::yield_now().await;
                tokio::time::sleep(std::time::Duration::from_micros(50)).await;
            } => None,
        }
    };
}

async fn echo(stream: &mut TcpStream, version: Version, qos: QoS) {
    const COUNT: usize = 200;
    /// Larger than the receive buffer, and sent without a copy.
    const LARGE: usize = 10_000;

    let id = unique("dropped");
    let config = Config {
        version,
        ..Config::new(&id)
    };
    let mut storage = HeapStorage::new(1024, 4096, 20);
    let timer = TokioTimer(tokio::time::Instant::now());
    let mut client = Client::new(config, storage.split(), timer);
    let (reader, writer) = stream.split();
    let mut connection = client.connect(reader, writer).unwrap();
    let large: Vec<_> = (0..LARGE).map(|n| n.to_le_bytes()[0]).collect();
    let mut is_subscribed = false;
    let (mut sent, mut received) = (0, 0);
    let mut payload = Vec::new();
    while received < COUNT || payload.len() < LARGE {
        if let Some(Some((event, core))) = briefly!(connection.poll()) {
            match event {
                Event::Connected(_) => {
                    core.subscribe(&[Filter::new(&id, qos)]).unwrap();
                }
                Event::Subscribed(_) => is_subscribed = true,
                Event::Publish(publish) => {
                    assert_eq!(publish.payload, received.to_string().as_bytes());
                    received += 1;
                }
                Event::Payload { data, .. } => payload.extend_from_slice(data),
                _ => {}
            }
        }
        while is_subscribed && sent <= COUNT {
            let message = Message::new(&id, b"").qos(qos);
            let text = sent.to_string();
            let is_taken = if sent == COUNT {
                connection.core().publish_lent(&message, LARGE).is_ok()
            } else {
                let payload = text.as_bytes();
                let message = Message { payload, ..message };
                connection.core().publish(&message).is_ok()
            };
            if !is_taken {
                break;
            }
            sent += 1;
        }
        if let Some(lent) = connection.core().payload() {
            briefly!(connection.send_payload(&large[lent.offset..]));
        } else {
            briefly!(connection.flush());
        }
    }
    assert_eq!(payload, large);
    while briefly!(connection.disconnect(PATIENCE)).is_none() {}
}

#[test]
fn mosquitto_notices_nothing_of_dropped_futures() {
    let Some(broker) = Mosquitto::start(|_| "allow_anonymous true\n".to_owned()) else {
        return;
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for version in [Version::V311, Version::V5] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let addresses = [broker.address()];
                let stream = TcpStream::connect_to(&addresses, &Default::default()).await;
                let mut stream = stream.unwrap();
                let echo = echo(&mut stream, version, qos);
                tokio::time::timeout(PATIENCE, echo).await.unwrap();
            }
        }
    });
    assert!(!broker.log().contains("protocol error"));
}
