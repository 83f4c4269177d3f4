//! Messages to the server: order, back-pressure, what becomes of them.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use mqtt_client::mqtt_core::UsageError;
use mqtt_client::mqtt_core::wire::{Ack, Packet, PacketId, Property, ReasonCode};
use mqtt_client::tokio::{DeliveryError, Offline, Options, PublishError};
use mqtt_client::{Config, Message, QoS};
use tokio::time::timeout;

use super::{Net, PATIENCE, joined, large, until};

const SESSION: Config<'_> = Config {
    clean_start: false,
    session_expiry: 3600,
    ..Config::new("x")
};

fn loud<'a>(payload: &'a str) -> Message<'a> {
    Message::new("t", payload.as_bytes()).qos(QoS::AtLeastOnce)
}

#[tokio::test(start_paused = true)]
async fn tokens_tell_what_the_server_says() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;

    let plain = client.publish(&Message::new("t", b"0")).await.unwrap();
    assert_eq!(plain.packet_id(), None);
    assert_eq!(plain.await, Ok(ReasonCode::Success));
    let fine = client.publish(&loud("1")).await.unwrap();
    let unheard = client.publish(&loud("2")).await.unwrap();
    let refused = client.publish(&loud("3")).await.unwrap();
    let twice = Message::new("t", b"4").qos(QoS::ExactlyOnce);
    let exact = client.publish(&twice).await.unwrap();
    assert_eq!(exact.packet_id(), PacketId::new(4));
    for expected in [
        "t 0 qos 0",
        "1 t 1 qos 1",
        "2 t 2 qos 1",
        "3 t 3 qos 1",
        "4 t 4 qos 2",
    ] {
        assert_eq!(link.next().await, format!("PUBLISH {expected}"));
    }
    let id = |id| PacketId::new(id).unwrap();
    let ack = |n, code| Ack {
        code,
        ..Ack::new(id(n))
    };
    link.puback(1).await;
    link.say(Packet::PubAck(ack(2, ReasonCode::NoMatchingSubscribers)))
        .await;
    let reason = [Property::ReasonString("too much")];
    let quota = Ack {
        properties: (&reason).into(),
        ..ack(3, ReasonCode::QuotaExceeded)
    };
    link.say(Packet::PubAck(quota)).await;
    link.say(Packet::PubRec(Ack::new(id(4)))).await;
    assert_eq!(link.next().await, "PUBREL 4");
    link.say(Packet::PubComp(Ack::new(id(4)))).await;
    assert_eq!(fine.await, Ok(ReasonCode::Success));
    assert_eq!(unheard.await, Ok(ReasonCode::NoMatchingSubscribers));
    let error = refused.await.unwrap_err().to_string();
    assert_eq!(
        error,
        "the server refuses the message: quota exceeded (too much)"
    );
    assert_eq!(exact.await, Ok(ReasonCode::Success));
    assert_eq!((client.stats().published, client.stats().refused), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn tokens_outlive_connections() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let kept = client.publish(&loud("kept")).await.unwrap();
    assert_eq!(link.next().await, "PUBLISH 1 t kept qos 1");
    drop(link);
    let mut link = net.accept(true).await;
    assert_eq!(link.next().await, "PUBLISH 1 t kept qos 1 again");
    link.puback(1).await;
    assert_eq!(kept.await, Ok(ReasonCode::Success));

    let lost = client.publish(&loud("lost")).await.unwrap();
    assert_eq!(link.next().await, "PUBLISH 2 t lost qos 1");
    drop(link);
    // The server has lost the session.
    let mut link = net.accept(false).await;
    assert_eq!(lost.await, Err(DeliveryError::Lost));
    assert_eq!(client.stats().lost, 1);
    link.silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_window_makes_publishers_wait_in_turn() {
    let mut net = Net::new();
    let options = Options {
        max_in_flight: 2,
        ..Options::default()
    };
    let (client, mut link) = net.connected(&SESSION, options).await;
    let payloads: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    let mut tasks = Vec::new();
    for payload in payloads.clone() {
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            client
                .publish(&loud(&payload))
                .await
                .unwrap()
                .await
                .unwrap();
        }));
        tokio::task::yield_now().await;
    }
    let mut received = Vec::new();
    for _ in 0..10 {
        let packet = link.next().await;
        let mut fields = packet.split(' ');
        let id = fields.nth(1).unwrap().parse().unwrap();
        received.push(fields.nth(1).unwrap().to_owned());
        // No more than two at a time, whoever asks.
        assert_eq!(
            client.try_publish(&loud("no")).unwrap_err(),
            PublishError::Full
        );
        link.puback(id).await;
    }
    assert_eq!(received, payloads);
    for task in tasks {
        timeout(PATIENCE, task).await.unwrap().unwrap();
    }
    client.try_publish(&loud("yes")).unwrap();
    assert_eq!(link.next().await, "PUBLISH 11 t yes qos 1");
}

/// Whoever gives up waiting passes the turn on.
#[tokio::test(start_paused = true)]
async fn giving_up_leaves_the_others_their_turn() {
    let mut net = Net::new();
    let options = Options {
        max_in_flight: 1,
        ..Options::default()
    };
    let (client, mut link) = net.connected(&SESSION, options).await;
    client.publish(&loud("0")).await.unwrap();
    assert_eq!(link.next().await, "PUBLISH 1 t 0 qos 1");
    let publish = |payload: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.publish(&loud(payload)).await.map(drop) })
    };
    let tasks: Vec<_> = ["1", "2", "3", "4"].map(publish).into();
    tokio::task::yield_now().await;
    tasks[0].abort();
    tasks[2].abort();
    link.puback(1).await;
    assert_eq!(link.next().await, "PUBLISH 2 t 2 qos 1");
    link.puback(2).await;
    assert_eq!(link.next().await, "PUBLISH 3 t 4 qos 1");
}

#[tokio::test(start_paused = true)]
async fn many_small_messages_share_one_write() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let payloads: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let messages: Vec<_> = payloads.iter().map(|payload| loud(payload)).collect();
    let all = join_all(messages.iter().map(|message| client.publish(message))).await;
    assert!(all.iter().all(Result::is_ok));
    // In the pipe there is all of it as soon as there is any.
    link.next().await;
    let mut rest = Vec::new();
    for _ in 1..100 {
        rest.push(timeout(Duration::ZERO, link.read()).await.unwrap());
    }
    assert_eq!(rest[98], "PUBLISH 100 t 99 qos 1");
}

#[tokio::test(start_paused = true)]
async fn size_is_no_limit() {
    let mut net = Net::named("broker", 1000);
    let options = Options {
        transmit_buffer: 4096,
        large_payloads: 100_000,
        ..Options::default()
    };
    let (client, mut link) = net.connected(&SESSION, options).await;
    let large = large(80_000);
    let message = loud(&large);
    let first = client.publish(&message).await.unwrap();
    // The second one is beyond what may be in flight, and waits.
    let payload = Bytes::from(large.clone());
    let second = tokio::spawn({
        let client = client.clone();
        async move {
            let message = Message::new("u", b"");
            client.publish_bytes(&message, payload).await.unwrap().await
        }
    });
    assert_eq!(link.next().await, "PUBLISH 1 t (80000) qos 1");
    link.silence().await;
    assert!(!second.is_finished());
    link.puback(1).await;
    first.await.unwrap();
    assert_eq!(link.next().await, "PUBLISH u (80000) qos 0");
    assert_eq!(second.await.unwrap(), Ok(ReasonCode::Success));
    // And it is sent again, too.
    let again = client.publish(&message).await.unwrap();
    assert!(link.next().await.ends_with("t (80000) qos 1"));
    drop(link);
    let mut link = net.accept(true).await;
    let packet = link.next().await;
    assert!(packet.ends_with("t (80000) qos 1 again"), "{packet}");
    let id = again.packet_id().unwrap().get();
    link.puback(id).await;
    again.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn offline_messages_wait_in_order() {
    let mut net = Net::new();
    let client = net.client(&SESSION, Options::default());
    let one = client.publish(&loud("1")).await.unwrap();
    let two = client.publish(&Message::new("t", b"2")).await.unwrap();
    let three = client.publish(&loud("3")).await.unwrap();
    client.start();
    let mut link = net.accept(false).await;
    assert_eq!(link.next().await, "PUBLISH 1 t 1 qos 1");
    assert_eq!(link.next().await, "PUBLISH t 2 qos 0");
    assert_eq!(link.next().await, "PUBLISH 2 t 3 qos 1");
    assert_eq!(two.await, Ok(ReasonCode::Success));
    link.puback(2).await;
    link.puback(1).await;
    one.await.unwrap();
    three.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn offline_policies() {
    // A head takes 8 bytes.
    for (offline, results, sent) in [
        (Offline::Reject, "Offline, Offline, Offline", ""),
        (Offline::Queue(18), "ok, ok, QueueFull", "0 1"),
        (Offline::DropOldest(18), "ok, ok, ok", "1 2"),
    ] {
        let mut net = Net::new();
        let options = Options {
            offline,
            ..Options::default()
        };
        let client = net.client(&SESSION, options);
        let mut said = Vec::new();
        let mut publications = Vec::new();
        for payload in ["0", "1", "2"] {
            match client.publish(&loud(payload)).await {
                Ok(publication) => {
                    publications.push(publication);
                    said.push("ok".to_owned());
                }
                Err(error) => said.push(format!("{error:?}")),
            }
        }
        assert_eq!(joined(said), results, "{offline:?}");
        if let Offline::DropOldest(_) = offline {
            assert_eq!(publications.remove(0).await, Err(DeliveryError::Dropped));
            assert_eq!(client.stats().dropped, 1);
        }
        client.start();
        let mut link = net.accept(false).await;
        for payload in sent.split_terminator(' ') {
            let packet = link.next().await;
            assert!(packet.ends_with(&format!("t {payload} qos 1")), "{packet}");
        }
        link.silence().await;
    }
}

/// Whoever waits for room when the connection ends is not forgotten.
#[tokio::test(start_paused = true)]
async fn waiting_publishers_meet_the_policy_when_the_connection_ends() {
    let mut net = Net::new();
    let options = Options {
        max_in_flight: 1,
        offline: Offline::Reject,
        ..Options::default()
    };
    let (client, mut link) = net.connected(&SESSION, options).await;
    client.publish(&loud("0")).await.unwrap();
    link.next().await;
    let payloads = ["1", "2", "3"];
    let waiting = payloads.map(|payload| {
        let client = client.clone();
        tokio::spawn(async move { client.publish(&loud(payload)).await.map(drop) })
    });
    tokio::task::yield_now().await;
    drop(link);
    for task in waiting {
        let result = timeout(PATIENCE, task).await.unwrap().unwrap();
        assert_eq!(result, Err(PublishError::Offline));
    }
}

#[tokio::test(start_paused = true)]
async fn mistakes_are_told_at_once() {
    let mut net = Net::new();
    let client = net.client(&SESSION, Options::default());
    for _ in 0..2 {
        let wildcard = Message::new("a/+", b"").qos(QoS::AtLeastOnce);
        let error = client.publish(&wildcard).await.unwrap_err();
        assert!(
            matches!(error, PublishError::Usage(UsageError::Encode(_))),
            "{error}"
        );
        let two = client
            .publish_bytes(&loud("x"), Bytes::from_static(b"y"))
            .await;
        assert_eq!(two.unwrap_err(), PublishError::Usage(UsageError::Payload));
        if client.stats().connections == 0 {
            // Once more with a connection.
            let (result, _link) = tokio::join!(client.connect(), net.accept(false));
            result.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_expire_in_the_queue() {
    let mut net = Net::new();
    let client = net.client(&SESSION, Options::default());
    let properties = [Property::MessageExpiryInterval(10)];
    let short = client
        .publish(&loud("short").properties(&properties))
        .await
        .unwrap();
    client.publish(&loud("long")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    client.start();
    let mut link = net.accept(false).await;
    assert_eq!(link.next().await, "PUBLISH 1 t long qos 1");
    assert_eq!(short.await, Err(DeliveryError::Lost));
    until("the loss to be counted", || client.stats().lost == 1).await;
}
