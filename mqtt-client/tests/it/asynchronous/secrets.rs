//! What `Debug` of a client does not show.

use mqtt_client::tokio::{Offline, Options};
use mqtt_client::{Config, Message, QoS};

use super::Net;

/// Neither as text nor as a list of numbers.
#[track_caller]
fn assert_hidden(shown: &str, secret: &[u8]) {
    let numbers: Vec<_> = secret.iter().map(u8::to_string).collect();
    for secret in [std::str::from_utf8(secret).unwrap(), &numbers.join(", ")] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn passwords_and_messages_on_their_way() {
    let mut net = Net::new();
    let config = Config {
        username: Some("user"),
        password: Some(b"pencil"),
        ..Config::new("x")
    };
    let options = Options {
        offline: Offline::Queue(1000),
        ..Options::default()
    };
    let client = net.client(&config, options);
    let message = Message::new("a", b"dearest").qos(QoS::AtLeastOnce);
    let waiting = client.publish(&message).await.unwrap();
    let shown = format!("{client:?} {waiting:?}");
    assert!(shown.contains("Idle"), "{shown}");
    assert_hidden(&shown, b"dearest");

    let (result, mut link) = tokio::join!(client.connect(), net.accept(false));
    result.unwrap();
    assert_eq!(link.next().await, "PUBLISH 1 a dearest qos 1");
    let (subscription, ()) = tokio::join!(client.subscribe("b", QoS::AtMostOnce), async {
        assert_eq!(link.next().await, "SUBSCRIBE 2 b");
        link.suback(2, &[mqtt_client::mqtt_core::wire::ReasonCode::Success])
            .await;
        link.publish("b", "darling", 0).await;
        link.puback(1).await;
    });
    let mut subscription = subscription.unwrap();
    waiting.await.unwrap();
    let shown = format!("{client:?} {subscription:?}");
    assert!(shown.contains("len: 1"), "{shown}");
    for secret in [&b"pencil"[..], b"dearest", b"darling"] {
        assert_hidden(&shown, secret);
    }
    assert_eq!(
        &subscription.recv().await.unwrap().unwrap().payload[..],
        b"darling"
    );
}
