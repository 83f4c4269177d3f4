//! Futures that are dropped before they are ready, at each point where they wait.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use mqtt_client::mqtt_core::wire::ReasonCode;
use mqtt_client::tokio::{Backoff, Client, Options, SubscribeOptions, Subscription};
use mqtt_client::{Config, Filter, Message, QoS};
use tokio::time::timeout;

use super::{Link, Net, PATIENCE, large};

const SESSION: Config<'_> = Config {
    clean_start: false,
    session_expiry: 3600,
    ..Config::new("x")
};

/// Polls a future `n` times, letting everything else happen in between, and then drops it. `None`
/// if it was not ready by then.
async fn given_up<F: Future>(future: F, n: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..n {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
    None
}

/// A server that answers everything as it should, until it has seen a message to `end`. Returns
/// the payloads of all messages that it was sent, in order.
async fn honest(mut link: Link) -> Vec<String> {
    let mut payloads = Vec::new();
    loop {
        let packet = link.next().await;
        let words: Vec<_> = packet.split(' ').collect();
        match *words.as_slice() {
            ["PUBLISH", id, topic, payload, "qos", "1", ..] => {
                link.puback(id.parse().unwrap()).await;
                payloads.push(payload.to_owned());
                if topic == "end" {
                    return payloads;
                }
            }
            ["SUBSCRIBE", id, ..] => {
                link.suback(id.parse().unwrap(), &[ReasonCode::GrantedQoS1])
                    .await;
            }
            ["UNSUBSCRIBE", id, ..] => link.unsuback(id.parse().unwrap()).await,
            ["PUBACK", ..] => {}
            _ => panic!("{packet}"),
        }
    }
}

fn options() -> Options {
    Options {
        max_in_flight: 2,
        transmit_buffer: 4096,
        backoff: Backoff {
            initial: Duration::from_millis(1),
            max: Duration::from_millis(1),
        },
        ..Options::default()
    }
}

/// Connects, over a pipe through which few bytes go at a time.
async fn connected() -> (Client, Net, Link) {
    let mut net = Net::named("broker", 16);
    let (client, link) = net.connected(&SESSION, options()).await;
    (client, net, link)
}

async fn end(client: &Client) {
    let message = Message::new("end", b"end").qos(QoS::AtLeastOnce);
    let publication = timeout(PATIENCE, client.publish(&message))
        .await
        .unwrap()
        .unwrap();
    timeout(PATIENCE, publication).await.unwrap().unwrap();
}

/// A message whose publishing is given up was either sent whole or not at all.
#[tokio::test(start_paused = true)]
async fn publishing() {
    let large = large(3000);
    for payload in ["small", &large] {
        let mut outcomes = [0, 0];
        for polls in 0..40 {
            let (client, _net, link) = connected().await;
            let server = tokio::spawn(honest(link));
            let message = Message::new("t", payload.as_bytes()).qos(QoS::AtLeastOnce);
            let mut expected = Vec::new();
            for n in 0..4 {
                // Each one is given up a little later than the one before.
                let bytes = Bytes::copy_from_slice(payload.as_bytes());
                let empty = Message::new("t", b"").qos(QoS::AtLeastOnce);
                let taken = if n % 2 == 0 {
                    given_up(client.publish(&message), polls + n).await
                } else {
                    given_up(client.publish_bytes(&empty, bytes), polls + n).await
                };
                if let Some(publication) = taken {
                    expected.push(match payload.len() {
                        0..=20 => payload.to_owned(),
                        len => format!("({len})"),
                    });
                    given_up(publication.unwrap(), polls).await;
                }
            }
            outcomes[usize::from(expected.len() == 4)] += 1;
            end(&client).await;
            expected.push("end".to_owned());
            assert_eq!(
                timeout(PATIENCE, server).await.unwrap().unwrap(),
                expected,
                "{polls}"
            );
        }
        assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}");
    }
}

/// A request that is given up leaves nothing behind, and the next one is answered.
#[tokio::test(start_paused = true)]
async fn subscribing_and_unsubscribing() {
    for polls in 0..20 {
        let (client, _net, link) = connected().await;
        let server = tokio::spawn(honest(link));
        let filters = [Filter::new("t", QoS::AtLeastOnce)];
        for n in 0..3 {
            let subscribing = client.subscribe_with(&filters, SubscribeOptions::default());
            if let Some(subscription) = given_up(subscribing, polls + n).await {
                given_up(subscription.unwrap().unsubscribe(), polls).await;
            }
        }
        let subscription = timeout(PATIENCE, client.subscribe("t", QoS::AtLeastOnce)).await;
        timeout(PATIENCE, subscription.unwrap().unwrap().unsubscribe())
            .await
            .unwrap()
            .unwrap();
        end(&client).await;
        assert_eq!(timeout(PATIENCE, server).await.unwrap().unwrap(), ["end"]);
    }
}

/// Each message is received once, however often waiting for it is given up.
#[tokio::test(start_paused = true)]
async fn receiving() {
    for polls in 1..6 {
        let (client, _net, mut link) = connected().await;
        let (subscription, ()) = tokio::join!(client.subscribe("t", QoS::AtLeastOnce), async {
            link.next().await;
            link.suback(1, &[ReasonCode::GrantedQoS1]).await;
        });
        let mut subscription = subscription.unwrap();
        let server = tokio::spawn(async move {
            for id in 1..=20_u16 {
                link.publish("t", &id.to_string(), id).await;
            }
            for id in 1..=20 {
                assert_eq!(link.next().await, format!("PUBACK {id}"));
            }
        });
        let mut received = Vec::new();
        while received.len() < 20 {
            if let Some(item) = given_up(subscription.recv(), polls).await {
                let message = item.unwrap().unwrap();
                received.push(String::from_utf8(message.payload.to_vec()).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let expected: Vec<_> = (1..=20).map(|id| id.to_string()).collect();
        assert_eq!(received, expected);
        assert!(given_up(more(&mut subscription), polls).await.is_none());
        timeout(PATIENCE, server).await.unwrap().unwrap();
    }
}

async fn more(subscription: &mut Subscription) {
    subscription.recv().await;
}

/// Connecting and disconnecting go on without whoever waits for them.
#[tokio::test(start_paused = true)]
async fn connecting_and_disconnecting() {
    for polls in 1..20 {
        let mut net = Net::named("broker", 16);
        let client = net.client(&SESSION, options());
        let server = tokio::spawn(async move {
            let mut link = net.accept(false).await;
            assert_eq!(link.next().await, "DISCONNECT");
            assert_eq!(link.next().await, "end");
            net
        });
        given_up(client.connect(), polls).await;
        timeout(PATIENCE, client.connect()).await.unwrap().unwrap();
        given_up(client.disconnect(PATIENCE), polls).await;
        let mut net = timeout(PATIENCE, server).await.unwrap().unwrap();
        // And back again.
        let (result, link) = tokio::join!(client.connect(), net.accept(true));
        result.unwrap();
        let server = tokio::spawn(honest(link));
        end(&client).await;
        assert_eq!(timeout(PATIENCE, server).await.unwrap().unwrap(), ["end"]);
    }
}
