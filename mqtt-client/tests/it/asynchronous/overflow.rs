//! Full queues.

use std::time::Duration;

use mqtt_client::mqtt_core::wire::{
    Ack, Packet, PacketId, Properties, Publish, ReasonCode, SubAck,
};
use mqtt_client::tokio::{Client, Gap, Options, Overflow, SubscribeOptions, Subscription};
use mqtt_client::{Config, Filter, Message, QoS, Version};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::{Link, Net, PATIENCE, in_real_time, until};

/// A client with a subscription that queues two messages.
async fn subscribed(net: &mut Net, overflow: Overflow) -> (Client, Subscription, Link) {
    let config = Config {
        keep_alive: 10,
        ..Config::new("x")
    };
    let (client, mut link) = net.connected(&config, Options::default()).await;
    let filters = [Filter::new("t", QoS::AtMostOnce)];
    let options = SubscribeOptions {
        capacity: 2,
        overflow,
    };
    let (subscription, ()) = tokio::join!(client.subscribe_with(&filters, options), async {
        link.next().await;
        link.suback(1, &[ReasonCode::Success]).await;
    });
    (client, subscription.unwrap(), link)
}

/// What is there: payloads, and how many are missing where.
async fn taken(subscription: &mut Subscription) -> String {
    let mut all = Vec::new();
    while let Ok(Some(item)) = timeout(Duration::from_millis(10), subscription.recv()).await {
        all.push(match item {
            Ok(message) => String::from_utf8(message.payload.to_vec()).unwrap(),
            Err(Gap::Missed(n)) => format!("-{n}"),
            Err(gap) => panic!("{gap}"),
        });
    }
    all.join(" ")
}

#[tokio::test(start_paused = true)]
async fn newest_or_oldest_are_left_out() {
    for (overflow, expected) in [
        (Overflow::DropNewest, "0 1 -3"),
        (Overflow::DropOldest, "-3 3 4"),
    ] {
        let mut net = Net::new();
        let (client, mut subscription, mut link) = subscribed(&mut net, overflow).await;
        for n in 0..5 {
            link.publish("t", &n.to_string(), 0).await;
        }
        until("all to arrive", || client.stats().received == 5).await;
        assert_eq!(taken(&mut subscription).await, expected);
        assert_eq!(client.stats().missed, 3);
        link.publish("t", "5", 0).await;
        assert_eq!(taken(&mut subscription).await, "5");
    }
}

/// A consumer that is only slow loses nothing: the server has to wait.
#[tokio::test(start_paused = true)]
async fn the_server_waits_for_a_slow_consumer() {
    let mut net = Net::named("broker", 64);
    let (client, mut subscription, mut link) = subscribed(&mut net, Overflow::Wait).await;
    let sending = tokio::spawn(async move {
        for n in 0..100 {
            link.publish("t", &n.to_string(), 0).await;
        }
        link
    });
    for n in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            client.stats().received <= n + 16,
            "{n} {}",
            client.stats().received
        );
        let message = subscription.recv().await.unwrap().unwrap();
        assert_eq!(message.payload, n.to_string().as_bytes());
    }
    assert_eq!(client.stats().missed, 0);
    sending.await.unwrap();
}

/// One that has stopped does not stop the others, nor the connection.
#[tokio::test(start_paused = true)]
async fn waiting_has_an_end() {
    let mut net = Net::new();
    let (client, mut subscription, mut link) = subscribed(&mut net, Overflow::Wait).await;
    let started = Instant::now();
    for n in 0..10 {
        link.publish("t", &n.to_string(), 0).await;
    }
    until("all to arrive", || client.stats().received == 10).await;
    let waited = started.elapsed();
    assert!((1000..1500).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(taken(&mut subscription).await, "0 1 -8");
    link.publish("t", "10", 0).await;
    assert_eq!(taken(&mut subscription).await, "10");
}

/// A consumer that waits for the server's answer gets it, though it lies behind messages that its
/// own queue has no room for.
#[tokio::test(start_paused = true)]
async fn a_consumer_that_waits_for_an_answer_gets_it() {
    let mut net = Net::new();
    let (client, mut subscription, mut link) = subscribed(&mut net, Overflow::Wait).await;
    for n in 0..10 {
        link.publish("t", &n.to_string(), 0).await;
    }
    until("the queue to be full", || client.stats().received >= 3).await;
    let message = Message::new("u", b"x").qos(QoS::AtLeastOnce);
    let publication = client.publish(&message).await.unwrap();
    let started = Instant::now();
    let (result, ()) = tokio::join!(publication, async {
        assert!(link.next().await.starts_with("PUBLISH 2 u x"));
        link.puback(2).await;
    });
    result.unwrap();
    assert!(started.elapsed() < Duration::from_millis(500));
    assert_eq!(taken(&mut subscription).await, "0 1 -8");

    // It is the same with the answers to requests.
    for n in 0..10 {
        link.publish("t", &n.to_string(), 0).await;
    }
    until("the queue to be full", || client.stats().received >= 13).await;
    let started = Instant::now();
    let (other, ()) = tokio::join!(client.subscribe("v", QoS::AtMostOnce), async {
        assert!(link.next().await.starts_with("SUBSCRIBE 3 v"));
        link.suback(3, &[ReasonCode::Success]).await;
    });
    let other = other.unwrap();
    assert!(started.elapsed() < Duration::from_millis(500));
    assert_eq!(taken(&mut subscription).await, "0 1 -8");
    for n in 0..10 {
        link.publish("t", &n.to_string(), 0).await;
    }
    until("the queue to be full", || client.stats().received >= 23).await;
    let (ended, ()) = tokio::join!(other.unsubscribe(), async {
        assert!(link.next().await.starts_with("UNSUBSCRIBE 4 v"));
        link.unsuback(4).await;
    });
    ended.unwrap();
    assert!(started.elapsed() < Duration::from_millis(500));
}

/// Above QoS 0 nothing is left out: what is not taken is not acknowledged.
#[tokio::test(start_paused = true)]
async fn acknowledged_messages_always_find_room() {
    for overflow in [Overflow::Wait, Overflow::DropNewest, Overflow::DropOldest] {
        let mut net = Net::new();
        let (client, mut subscription, mut link) = subscribed(&mut net, overflow).await;
        for id in 1..=20 {
            link.publish("t", &id.to_string(), id).await;
        }
        until("all to arrive", || client.stats().received == 20).await;
        link.silence().await;
        for id in 1..=20_u16 {
            let message = timeout(PATIENCE, subscription.recv()).await.unwrap();
            assert_eq!(message.unwrap().unwrap().payload, id.to_string().as_bytes());
            assert_eq!(link.next().await, format!("PUBACK {id}"));
        }
        assert_eq!(client.stats().missed, 0);
    }
}

/// While reception waits nothing else keeps the task busy, though PINGREQ is due.
#[test]
fn waiting_is_idle() {
    in_real_time(async {
        let mut net = Net::new();
        let (_client, mut subscription, mut link) = subscribed(&mut net, Overflow::Wait).await;
        tokio::time::sleep(Duration::from_millis(9500)).await;
        for n in 0..3 {
            link.publish("t", &n.to_string(), 0).await;
        }
        assert_eq!(link.next().await, "PINGREQ");
        assert_eq!(taken(&mut subscription).await, "0 1 -1");
    });
}

/// While reception waits for a slow consumer, an answer that nobody has read is not silence.
#[tokio::test(start_paused = true)]
async fn a_slow_consumer_keeps_the_connection() {
    let mut net = Net::new();
    let config = Config {
        keep_alive: 5,
        ping_timeout: Duration::from_secs(5),
        ..Config::new("x")
    };
    let (client, mut link) = net.connected(&config, Options::default()).await;
    let filters = [Filter::new("t", QoS::AtMostOnce)];
    let options = SubscribeOptions {
        capacity: 1,
        overflow: Overflow::Wait,
    };
    let (subscription, ()) = tokio::join!(client.subscribe_with(&filters, options), async {
        link.next().await;
        link.suback(1, &[ReasonCode::Success]).await;
    });
    let mut subscription = subscription.unwrap();
    let server = tokio::spawn(async move {
        // All in one read, and the answers behind.
        let mut packets = Vec::new();
        for n in 0..60 {
            let payload = n.to_string();
            append(&mut packets, Publish::new("t", payload.as_bytes()));
        }
        link.stream.write_all(&packets).await.unwrap();
        let mut pings = 0;
        loop {
            match link.read().await.as_str() {
                "PINGREQ" => link.say(Packet::PingResp).await,
                other => return (pings, other.to_owned()),
            }
            pings += 1;
        }
    });
    for n in 0..60 {
        let message = timeout(PATIENCE, subscription.recv()).await.unwrap();
        assert_eq!(message.unwrap().unwrap().payload, n.to_string().as_bytes());
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    assert_eq!(client.stats().missed, 0);
    client.disconnect(PATIENCE).await.unwrap();
    let (pings, last) = timeout(PATIENCE, server).await.unwrap().unwrap();
    assert_eq!(last, "DISCONNECT");
    assert!(pings > 0);
}

/// Messages right behind the answer to SUBSCRIBE find room, or wait for it: whoever asked waits no
/// longer, though nobody has told them yet.
#[tokio::test(start_paused = true)]
async fn what_follows_the_answer_is_not_left_out() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&Config::new("x"), Options::default()).await;
    let filters = [Filter::new("t", QoS::AtMostOnce)];
    let options = SubscribeOptions {
        capacity: 2,
        overflow: Overflow::Wait,
    };
    let (subscription, ()) = tokio::join!(client.subscribe_with(&filters, options), async {
        link.next().await;
        // All in one read.
        let mut packets = Vec::new();
        let suback = SubAck {
            packet_id: PacketId::new(1).unwrap(),
            properties: Properties::EMPTY,
            codes: [ReasonCode::Success][..].into(),
        };
        append(&mut packets, suback);
        for n in 0..10 {
            append(&mut packets, Publish::new("t", n.to_string().as_bytes()));
        }
        link.stream.write_all(&packets).await.unwrap();
    });
    let mut subscription = subscription.unwrap();
    assert_eq!(taken(&mut subscription).await, "0 1 2 3 4 5 6 7 8 9");

    // It is the same with the acknowledgement of a message.
    let message = Message::new("u", b"x").qos(QoS::AtLeastOnce);
    let publication = client.publish(&message).await.unwrap();
    let (result, ()) = tokio::join!(publication, async {
        link.next().await;
        let mut packets = Vec::new();
        append(
            &mut packets,
            Packet::PubAck(Ack::new(PacketId::new(2).unwrap())),
        );
        for n in 0..10 {
            append(&mut packets, Publish::new("t", n.to_string().as_bytes()));
        }
        link.stream.write_all(&packets).await.unwrap();
    });
    result.unwrap();
    assert_eq!(taken(&mut subscription).await, "0 1 2 3 4 5 6 7 8 9");
    assert_eq!(client.stats().missed, 0);
}

fn append<'a>(bytes: &mut Vec<u8>, packet: impl Into<Packet<'a>>) {
    let packet = packet.into();
    let start = bytes.len();
    bytes.resize(start + packet.encoded_len(Version::V5).unwrap(), 0);
    packet.encode(Version::V5, &mut bytes[start..]).unwrap();
}

/// A server that has more in flight than it was told has to wait, but not who waits for its answer.
#[tokio::test(start_paused = true)]
async fn more_in_flight_than_the_server_was_told() {
    let mut net = Net::new();
    let options = Options {
        receive_maximum: 2,
        ..Options::default()
    };
    let (client, mut link) = net.connected(&Config::new("x"), options).await;
    let (subscription, ()) = tokio::join!(client.subscribe("t", QoS::AtLeastOnce), async {
        link.next().await;
        link.suback(1, &[ReasonCode::GrantedQoS1]).await;
    });
    let mut subscription = subscription.unwrap();
    for n in 1..=5 {
        link.publish("t", &n.to_string(), n).await;
    }
    until("some to arrive", || client.stats().received == 2).await;
    link.silence().await;
    assert_eq!(client.stats().received, 2);

    let (other, ()) = tokio::join!(client.subscribe("other", QoS::AtMostOnce), async {
        link.next().await;
        link.suback(2, &[ReasonCode::Success]).await;
    });
    other.unwrap();
    assert_eq!(client.stats().received, 5);
    assert_eq!(taken(&mut subscription).await, "1 2 3 4 5");
    for n in 1..=5 {
        assert_eq!(link.next().await, format!("PUBACK {n}"));
    }
}
