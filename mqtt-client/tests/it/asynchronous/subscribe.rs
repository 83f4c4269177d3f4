//! Messages from the server: subscriptions, acknowledgements.

use std::time::Duration;

use futures::StreamExt;
use mqtt_client::mqtt_core::Acknowledgement;
use mqtt_client::mqtt_core::wire::{Packet, PacketId, Properties, Property, Publish, ReasonCode};
use mqtt_client::tokio::{Client, Gap, Options, SubscribeError, SubscribeOptions, Subscription};
use mqtt_client::{Config, Filter, Message, QoS, Version};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{Link, Net, PATIENCE, until};

const SESSION: Config<'_> = Config {
    clean_start: false,
    session_expiry: 3600,
    ..Config::new("x")
};

/// The payload of the next message.
async fn next(subscription: &mut Subscription) -> String {
    let item = timeout(PATIENCE, subscription.recv())
        .await
        .expect("no message");
    match item {
        Some(Ok(message)) => String::from_utf8(message.payload.to_vec()).unwrap(),
        Some(Err(gap)) => format!("{gap:?}"),
        None => "end".to_owned(),
    }
}

async fn granting(link: &mut Link, expected: &str, codes: &[ReasonCode]) {
    let packet = link.next().await;
    assert_eq!(packet, expected);
    let id = packet.split(' ').nth(1).unwrap().parse().unwrap();
    link.suback(id, codes).await;
}

/// A subscription that is granted as asked for.
async fn granted(client: &Client, link: &mut Link, filter: &str, qos: QoS) -> Subscription {
    let code = ReasonCode::from_u8(qos as u8).unwrap();
    let answering = async {
        let packet = link.next().await;
        let words: Vec<_> = packet.split(' ').collect();
        assert_eq!(
            (words[0], words[2..].join(" ").as_str()),
            ("SUBSCRIBE", filter)
        );
        link.suback(words[1].parse().unwrap(), &[code]).await;
    };
    let (subscription, ()) = tokio::join!(client.subscribe(filter, qos), answering);
    subscription.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_granted_is_told() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let filters = ["a", "b", "c"].map(|topic| Filter::new(topic, QoS::ExactlyOnce));
    let (subscription, ()) = tokio::join!(
        client.subscribe_with(&filters, SubscribeOptions::default()),
        granting(
            &mut link,
            "SUBSCRIBE 1 a b c",
            &[
                ReasonCode::GrantedQoS1,
                ReasonCode::NotAuthorized,
                ReasonCode::GrantedQoS2
            ]
        )
    );
    let subscription = subscription.unwrap();
    let expected = [
        Ok(QoS::AtLeastOnce),
        Err(ReasonCode::NotAuthorized),
        Ok(QoS::ExactlyOnce),
    ];
    assert_eq!(subscription.granted(), expected);

    let (refused, ()) = tokio::join!(
        client.subscribe("d", QoS::AtMostOnce),
        granting(&mut link, "SUBSCRIBE 2 d", &[ReasonCode::QuotaExceeded])
    );
    let refused = refused.unwrap_err();
    assert_eq!(
        refused,
        SubscribeError::Refused([ReasonCode::QuotaExceeded].into())
    );
    assert_eq!(
        refused.to_string(),
        "the server refuses the subscription: quota exceeded"
    );
    let wrong = client
        .subscribe("a/#/b", QoS::AtMostOnce)
        .await
        .unwrap_err();
    assert!(matches!(wrong, SubscribeError::Usage(_)));
    // What was refused does not have to be ended.
    link.silence().await;
    drop(subscription);
    assert_eq!(link.next().await, "UNSUBSCRIBE 3 a b c");
}

#[tokio::test(start_paused = true)]
async fn acknowledged_when_taken() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let mut subscription = granted(&client, &mut link, "t", QoS::AtLeastOnce).await;
    for (payload, id) in [("a", 1), ("b", 0), ("c", 2), ("d", 3)] {
        link.publish("t", payload, id).await;
    }
    link.silence().await;
    assert_eq!(next(&mut subscription).await, "a");
    assert_eq!(link.next().await, "PUBACK 1");
    link.silence().await;
    assert_eq!(next(&mut subscription).await, "b");
    let message = subscription.next().await.unwrap().unwrap();
    assert_eq!((message.topic(), message.qos), ("t", QoS::AtLeastOnce));
    assert_eq!(link.next().await, "PUBACK 2");
    // Nobody is going to take the last one; it must not count for ever.
    drop(subscription);
    assert_eq!(link.next().await, "PUBACK 3");
    assert_eq!(link.next().await, "UNSUBSCRIBE 2 t");
    // What comes all the same is counted.
    link.publish("t", "late", 4).await;
    assert_eq!(link.next().await, "PUBACK 4");
    assert_eq!(client.stats().unclaimed, 1);
    assert_eq!(client.stats().received, 5);
}

#[tokio::test(start_paused = true)]
async fn acknowledged_by_hand() {
    let mut net = Net::new();
    let config = Config {
        acknowledgement: Acknowledgement::Manual,
        ..SESSION
    };
    let (client, mut link) = net.connected(&config, Options::default()).await;
    let mut subscription = granted(&client, &mut link, "#", QoS::AtLeastOnce).await;
    for id in 1..=3 {
        link.publish("t", "x", id).await;
    }
    let mut messages = Vec::new();
    for _ in 0..3 {
        messages.push(subscription.recv().await.unwrap().unwrap());
    }
    link.silence().await;
    client.acknowledge_with(&mut messages[0], ReasonCode::QuotaExceeded);
    assert_eq!(link.next().await, "PUBACK 1 QuotaExceeded");
    client.acknowledge(&mut messages[1]);
    client.acknowledge(&mut messages[1]);
    assert_eq!(link.next().await, "PUBACK 2");
    link.silence().await;

    // After the connection the identifier belongs to another message.
    drop(link);
    let mut link = net.accept(true).await;
    link.publish("t", "other", 3).await;
    client.acknowledge(&mut messages[2]);
    link.silence().await;
    let mut other = subscription.recv().await.unwrap().unwrap();
    client.acknowledge(&mut other);
    assert_eq!(link.next().await, "PUBACK 3");
}

/// A QoS 2 message that waits to be taken when the connection is lost comes once, and its
/// acknowledgement leaves when the server has sent it again.
#[tokio::test(start_paused = true)]
async fn exactly_once_over_connections() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let mut subscription = granted(&client, &mut link, "t", QoS::ExactlyOnce).await;
    let message = |dup| Publish {
        dup,
        qos: QoS::ExactlyOnce,
        packet_id: PacketId::new(9),
        ..Publish::new("t", b"once")
    };
    link.say(message(false)).await;
    link.silence().await;
    drop(link);
    let mut link = net.accept(true).await;
    link.say(message(true)).await;
    link.silence().await;
    assert_eq!(next(&mut subscription).await, "once");
    assert_eq!(link.next().await, "PUBREC 9");
    let more = timeout(Duration::from_secs(1), subscription.recv()).await;
    assert!(more.is_err());
}

#[tokio::test(start_paused = true)]
async fn subscribed_again_where_the_server_has_forgotten() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let (one, ()) = tokio::join!(
        client.subscribe("one", QoS::AtMostOnce),
        granting(&mut link, "SUBSCRIBE 1 one", &[ReasonCode::Success])
    );
    let (two, ()) = tokio::join!(
        client.subscribe("two", QoS::AtMostOnce),
        granting(&mut link, "SUBSCRIBE 2 two", &[ReasonCode::Success])
    );
    let (mut one, mut two) = (one.unwrap(), two.unwrap());
    drop(link);
    // With the session the subscriptions are there.
    let mut link = net.accept(true).await;
    link.silence().await;
    link.publish("one", "1", 0).await;
    assert_eq!(next(&mut one).await, "1");
    drop(link);
    let mut link = net.accept(false).await;
    granting(&mut link, "SUBSCRIBE 3 one", &[ReasonCode::Success]).await;
    granting(&mut link, "SUBSCRIBE 4 two", &[ReasonCode::NotAuthorized]).await;
    link.publish("one", "2", 0).await;
    assert_eq!(next(&mut one).await, "2");
    let refused = Gap::Refused([("two".into(), ReasonCode::NotAuthorized)].into());
    assert_eq!(two.recv().await.unwrap().unwrap_err(), refused);
    assert_eq!(
        refused.to_string(),
        "the server refuses to renew the subscription: two (not authorized)"
    );
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_connection_wait_for_one() {
    let mut net = Net::new();
    let client = net.client(&SESSION, Options::default());
    let subscribing = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe("t", QoS::AtMostOnce).await }
    });
    tokio::task::yield_now().await;
    client.start();
    let mut link = net.accept(false).await;
    assert_eq!(link.next().await, "SUBSCRIBE 1 t");
    // The answer gets lost: the question is asked again.
    drop(link);
    let mut link = net.accept(true).await;
    granting(&mut link, "SUBSCRIBE 2 t", &[ReasonCode::Success]).await;
    let subscription = timeout(PATIENCE, subscribing)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let (result, ()) = tokio::join!(subscription.unsubscribe(), async {
        assert_eq!(link.next().await, "UNSUBSCRIBE 3 t");
        link.unsuback(3).await;
    });
    result.unwrap();
}

/// A dropped request is withdrawn: before it is sent without a word, later with UNSUBSCRIBE.
#[tokio::test(start_paused = true)]
async fn subscribing_can_be_given_up() {
    let mut net = Net::new();
    let client = net.client(&SESSION, Options::default());
    let given_up = timeout(
        Duration::from_millis(1),
        client.subscribe("a", QoS::AtMostOnce),
    );
    assert!(given_up.await.is_err());
    let (result, mut link) = tokio::join!(client.connect(), net.accept(false));
    result.unwrap();
    link.silence().await;
    let given_up = timeout(
        Duration::from_millis(1),
        client.subscribe("b", QoS::AtMostOnce),
    );
    assert!(given_up.await.is_err());
    assert_eq!(link.next().await, "SUBSCRIBE 1 b");
    assert_eq!(link.next().await, "UNSUBSCRIBE 2 b");
    link.suback(1, &[ReasonCode::Success]).await;
    link.unsuback(2).await;
    link.silence().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_filter_twice() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let (one, ()) = tokio::join!(
        client.subscribe("t", QoS::AtLeastOnce),
        granting(&mut link, "SUBSCRIBE 1 t", &[ReasonCode::GrantedQoS1])
    );
    let (two, ()) = tokio::join!(
        client.subscribe("t", QoS::AtLeastOnce),
        granting(&mut link, "SUBSCRIBE 2 t", &[ReasonCode::GrantedQoS1])
    );
    let (mut one, mut two) = (one.unwrap(), two.unwrap());
    link.publish("t", "both", 7).await;
    assert_eq!(next(&mut two).await, "both");
    // The last one to take it acknowledges.
    link.silence().await;
    assert_eq!(next(&mut one).await, "both");
    assert_eq!(link.next().await, "PUBACK 7");
    // The server ends it for both, so not before the second is gone.
    drop(two);
    link.silence().await;
    link.publish("t", "one", 8).await;
    assert_eq!(next(&mut one).await, "one");
    assert_eq!(link.next().await, "PUBACK 8");
    drop(one);
    assert_eq!(link.next().await, "UNSUBSCRIBE 3 t");
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_kept_session_are_listened_for() {
    let mut net = Net::new();
    let client = net.client(&SESSION, Options::default());
    let filters = [Filter::new("a/#", QoS::AtMostOnce)];
    let mut kept = client
        .listen(&filters, SubscribeOptions::default())
        .unwrap();
    let (result, mut link) = tokio::join!(client.connect(), net.accept(true));
    assert!(result.unwrap().session_present);
    link.publish("a/b", "kept", 1).await;
    assert_eq!(next(&mut kept).await, "kept");
    assert_eq!(link.next().await, "PUBACK 1");
    // The server has not been asked, and is not.
    drop(kept);
    link.silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_is_skipped_and_reported() {
    let mut net = Net::new();
    let options = Options {
        max_packet: 1000,
        ..Options::default()
    };
    let (client, mut link) = net.connected(&SESSION, options).await;
    let mut subscription = granted(&client, &mut link, "t", QoS::AtLeastOnce).await;
    link.publish("t", &"x".repeat(5000), 1).await;
    link.publish("t", "small", 2).await;
    let gap = subscription.recv().await.unwrap().unwrap_err();
    assert_eq!(gap.to_string(), "a message of 5000 bytes to t is too large");
    assert_eq!(link.next().await, "PUBACK 1");
    assert_eq!(next(&mut subscription).await, "small");
    assert_eq!(client.stats().too_large, 1);
}

/// What looks like a packet in the midst of a message that is skipped is none.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_may_look_like_others() {
    let mut net = Net::named("broker", 1 << 20);
    let options = Options {
        max_packet: 1000,
        ..Options::default()
    };
    let (client, mut link) = net.connected(&SESSION, options).await;
    let mut subscription = granted(&client, &mut link, "t", QoS::AtLeastOnce).await;
    // PUBLISH, 48 bytes. The next message begins within, and does not end there.
    let packet = Packet::from(Publish::new("t", &[b'0'; 2000]));
    let mut bytes = vec![0; packet.encoded_len(Version::V5).unwrap() - 10];
    let mut whole = [0; 3000];
    let n = packet.encode(Version::V5, &mut whole).unwrap();
    bytes.copy_from_slice(&whole[..n - 10]);
    link.stream.write_all(&bytes).await.unwrap();
    link.silence().await;
    let small = Packet::from(Publish::new("t", &[b'x'; 100]));
    let m = small.encode(Version::V5, &mut whole[n..]).unwrap();
    link.stream.write_all(&whole[n - 10..n + 60]).await.unwrap();
    link.silence().await;
    link.stream.write_all(&whole[n + 60..n + m]).await.unwrap();
    assert_eq!(
        next(&mut subscription).await,
        "TooLarge { topic: \"t\", len: 2000 }"
    );
    assert_eq!(next(&mut subscription).await, "x".repeat(100));
}

/// Whoever handles messages may call the client, and wait for its answers.
#[tokio::test(start_paused = true)]
async fn handlers_may_publish_and_subscribe() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let mut subscription = granted(&client, &mut link, "t", QoS::AtLeastOnce).await;
    let handler = tokio::spawn(async move {
        for n in 0..50 {
            subscription.recv().await.unwrap().unwrap();
            let payload = n.to_string();
            let message = Message::new("u", payload.as_bytes()).qos(QoS::AtLeastOnce);
            client.publish(&message).await.unwrap().await.unwrap();
        }
        client.subscribe("v", QoS::AtMostOnce).await.unwrap();
    });
    for id in 1..=50 {
        link.publish("t", "x", id).await;
    }
    let mut answers = 0;
    loop {
        let packet = link.next().await;
        let id = packet.split(' ').nth(1).unwrap().parse().unwrap();
        match packet.split(' ').next().unwrap() {
            "PUBLISH" => link.puback(id).await,
            "PUBACK" => answers += 1,
            "SUBSCRIBE" => {
                link.suback(id, &[ReasonCode::Success]).await;
                break;
            }
            other => panic!("{other}"),
        }
    }
    until("the handler", || handler.is_finished()).await;
    handler.await.unwrap();
    assert_eq!(answers, 50);
}

/// What was not taken at QoS 1 when the connection ends comes again, and does not pile up.
#[tokio::test(start_paused = true)]
async fn what_the_server_sends_again_comes_once() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let filters = [Filter::new("t", QoS::AtLeastOnce)];
    let options = SubscribeOptions {
        capacity: 2,
        ..SubscribeOptions::default()
    };
    let (subscription, ()) = tokio::join!(
        client.subscribe_with(&filters, options),
        granting(&mut link, "SUBSCRIBE 1 t", &[ReasonCode::GrantedQoS1])
    );
    let mut subscription = subscription.unwrap();
    for _ in 0..3 {
        for (payload, id) in [("a", 1), ("b", 2), ("c", 3)] {
            link.publish("t", payload, id).await;
        }
        link.silence().await;
        drop(link);
        link = net.accept(true).await;
    }
    link.publish("t", "a", 1).await;
    link.silence().await;
    assert_eq!(next(&mut subscription).await, "a");
    assert_eq!(link.next().await, "PUBACK 1");

    // What the server has forgotten stays, as far as there is room.
    for (payload, id) in [("b", 2), ("c", 3), ("d", 4)] {
        link.publish("t", payload, id).await;
    }
    link.silence().await;
    drop(link);
    let mut link = net.accept(false).await;
    assert!(link.next().await.starts_with("SUBSCRIBE"));
    link.publish("t", "e", 1).await;
    link.silence().await;
    for expected in ["b", "c", "Missed(1)", "e"] {
        assert_eq!(next(&mut subscription).await, expected);
    }
    assert_eq!(link.next().await, "PUBACK 1");
    assert_eq!(client.stats().missed, 1);
}

/// Messages that nobody has seen when the whole client goes stay with the server.
#[tokio::test(start_paused = true)]
async fn the_last_handle_acknowledges_nothing() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let mut subscription = granted(&client, &mut link, "t", QoS::AtLeastOnce).await;
    for (payload, id) in [("a", 1), ("b", 2), ("c", 3)] {
        link.publish("t", payload, id).await;
    }
    assert_eq!(next(&mut subscription).await, "a");
    drop(subscription);
    drop(client);
    assert_eq!(link.next().await, "PUBACK 1");
    assert_eq!(link.next().await, "UNSUBSCRIBE 2 t");
    assert_eq!(link.next().await, "DISCONNECT");
}

/// An end that the server cannot confirm any more is one all the same.
#[tokio::test(start_paused = true)]
async fn unsubscribing_does_not_wait_for_another_connection() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let (subscription, ()) = tokio::join!(
        client.subscribe("t", QoS::AtLeastOnce),
        granting(&mut link, "SUBSCRIBE 1 t", &[ReasonCode::GrantedQoS1])
    );
    net.refuse(usize::MAX);
    let (result, ()) = tokio::join!(
        timeout(PATIENCE, subscription.unwrap().unsubscribe()),
        async {
            assert_eq!(link.next().await, "UNSUBSCRIBE 2 t");
            drop(link);
        }
    );
    result.unwrap().unwrap();
    net.refuse(0);
    let mut link = net.accept(true).await;
    assert_eq!(link.next().await, "UNSUBSCRIBE 3 t");
}

/// What the server has kept for a subscription of an earlier process carries its identifier.
#[tokio::test(start_paused = true)]
async fn identifiers_of_an_earlier_process_mean_nothing() {
    let mut net = Net::new();
    let client = net.client(&SESSION, Options::default());
    let subscribe = |filter| {
        let client = client.clone();
        tokio::spawn(async move { client.subscribe(filter, QoS::AtMostOnce).await })
    };
    let (one, two) = (subscribe("one"), subscribe("two"));
    tokio::task::yield_now().await;
    let (result, mut link) = tokio::join!(client.connect(), net.accept(true));
    result.unwrap();
    for (topic, identifier) in [("one", 1), ("two", 2), ("one", 3), ("two", 0xFFF_FFFF)] {
        let properties = [Property::SubscriptionIdentifier(identifier)];
        link.say(Publish {
            properties: Properties::from(&properties),
            ..Publish::new(topic, identifier.to_string().as_bytes())
        })
        .await;
    }
    for _ in 0..2 {
        let packet = link.next().await;
        let id = packet.split(' ').nth(1).unwrap().parse().unwrap();
        link.suback(id, &[ReasonCode::Success]).await;
    }
    let (mut one, mut two) = (one.await.unwrap().unwrap(), two.await.unwrap().unwrap());
    assert_eq!([next(&mut one).await, next(&mut one).await], ["1", "3"]);
    assert_eq!(
        [next(&mut two).await, next(&mut two).await],
        ["2", "268435455"]
    );
}

/// What was subscribed to again is not ended by an UNSUBSCRIBE that is sent again.
#[tokio::test(start_paused = true)]
async fn an_end_that_is_out_of_date_is_not_said_again() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let (first, ()) = tokio::join!(
        client.subscribe("t", QoS::AtMostOnce),
        granting(&mut link, "SUBSCRIBE 1 t", &[ReasonCode::Success])
    );
    drop(first);
    assert_eq!(link.next().await, "UNSUBSCRIBE 2 t");
    let (second, ()) = tokio::join!(
        client.subscribe("t", QoS::AtMostOnce),
        granting(&mut link, "SUBSCRIBE 3 t", &[ReasonCode::Success])
    );
    let _second = second.unwrap();
    drop(link);
    let mut link = net.accept(true).await;
    link.silence().await;
}

/// A small message that is kept does not keep much more than itself.
#[tokio::test(start_paused = true)]
async fn small_messages_share_memory_and_large_ones_leave_none() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&SESSION, Options::default()).await;
    let mut subscription = granted(&client, &mut link, "t", QoS::AtMostOnce).await;
    let mut payloads = Vec::new();
    for n in 0..10 {
        link.publish("t", &n.to_string(), 0).await;
        payloads.push(
            subscription
                .recv()
                .await
                .unwrap()
                .unwrap()
                .into_publish()
                .payload,
        );
    }
    let (first, last) = (payloads[0].as_ptr() as usize, payloads[9].as_ptr() as usize);
    assert!(first.abs_diff(last) < 1000, "in one block");

    link.publish("t", &"x".repeat(5_000_000), 0).await;
    assert_eq!(next(&mut subscription).await.len(), 5_000_000);
    link.publish("t", "small", 0).await;
    let small = subscription
        .recv()
        .await
        .unwrap()
        .unwrap()
        .into_publish()
        .payload;
    drop((client, subscription));
    while link.next().await != "end" {}
    drop(link);
    until("the end of the connection", || small.is_unique()).await;
    let block = small.try_into_mut().unwrap();
    assert!(block.capacity() < 300_000, "{}", block.capacity());
}
