//! Connections: how they begin, end, and begin again.

use std::time::Duration;

use mqtt_client::mqtt_core::Durability;
use mqtt_client::mqtt_core::wire::{ConnAck, Disconnect, ReasonCode, Will};
use mqtt_client::tokio::{Backoff, Client, ConfigError, ConnectionError, Options, Status};
use mqtt_client::{Config, Message, QoS, Version};
use tokio::time::{Instant, timeout};

use super::{Net, PATIENCE, in_real_time, until};

const SECOND: Duration = Duration::from_secs(1);

fn quick() -> Options {
    Options {
        backoff: Backoff {
            initial: SECOND,
            max: 8 * SECOND,
        },
        ..Options::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_configuration_is_copied_whole() {
    let mut net = Net::new();
    let client = {
        let id = String::from("thermostat");
        let will = Will::new("gone", b"with the wind");
        let config = Config {
            username: Some("user"),
            password: Some(b"secret"),
            will: Some(will),
            ..Config::new(&id)
        };
        net.client(&config, quick())
    };
    client.start();
    let mut link = net.link(Version::V5).await;
    assert_eq!(link.next().await, "CONNECT thermostat clean");
    link.say(ConnAck::new(false, ReasonCode::Success)).await;
    let mut status = client.status();
    let connected = |status: &Status| matches!(status, Status::Connected(_));
    timeout(PATIENCE, status.wait_for(connected))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn configurations_that_are_refused() {
    let net = Net::new();
    let refused =
        |config: &Config<'_>, options| Client::new(config, [net.server()], options).unwrap_err();
    let config = Config {
        durability: Durability::WriteAhead,
        ..Config::new("x")
    };
    assert_eq!(refused(&config, quick()), ConfigError::Durability);
    let config = Config {
        version: Version::V311,
        clean_start: false,
        ..Config::new("")
    };
    assert!(matches!(refused(&config, quick()), ConfigError::Config(_)));
    let none = Client::new(&Config::new("x"), [], quick()).unwrap_err();
    assert_eq!(none, ConfigError::NoServer);
}

#[tokio::test(start_paused = true)]
async fn connect_says_why_not_and_leaves_it_at_that() {
    let mut net = Net::new();
    net.refuse(1);
    let client = net.client(&Config::new("x"), quick());
    let error = client.connect().await.unwrap_err();
    assert!(matches!(error, ConnectionError::Open(_)), "{error}");
    assert!(matches!(
        &*client.status().borrow(),
        Status::Idle { error: Some(_) }
    ));
    let nobody = timeout(100 * SECOND, net.links.recv()).await;
    assert!(nobody.is_err());

    // The server's refusal is said, too.
    let (result, ()) = tokio::join!(client.connect(), async {
        let mut link = net.link(Version::V5).await;
        link.next().await;
        link.say(ConnAck::new(false, ReasonCode::NotAuthorized))
            .await;
        assert_eq!(link.next().await, "end");
    });
    let error = result.unwrap_err().to_string();
    assert_eq!(error, "the server refuses the connection: not authorized");

    let (result, _link) = tokio::join!(client.connect(), net.accept(false));
    let connected = result.unwrap();
    assert_eq!((&*connected.server, &*connected.client_id), ("broker", "x"));
    assert!(!connected.session_present);
    // There is one: no other is made.
    assert_eq!(client.connect().await.unwrap(), connected);
}

/// Otherwise `connect` would wait for the next connection, and perhaps for ever.
#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_leaves_in_one_breath_has_accepted() {
    let mut net = Net::new();
    let client = net.client(&Config::new("c"), quick());
    let server = async {
        let mut link = net.link(Version::V5).await;
        link.next().await;
        link.say(ConnAck::new(false, ReasonCode::Success)).await;
        link.say(Disconnect::new(ReasonCode::ServerBusy)).await;
        link
    };
    let (result, _link) = tokio::join!(timeout(PATIENCE, client.connect()), server);
    assert!(result.expect("in time").is_ok());
    let mut status = client.status();
    let waiting = status
        .wait_for(|status| matches!(status, Status::Waiting { .. }))
        .await;
    assert!(format!("{:?}", *waiting.unwrap()).contains("ServerBusy"));
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let mut net = Net::new();
    let client = net.client(&Config::new("x"), quick());
    let started = Instant::now();
    let (result, _link) = tokio::join!(client.connect(), net.link(Version::V5));
    let error = result.unwrap_err().to_string();
    assert_eq!(error, "the server did not answer CONNECT in time");
    assert!(started.elapsed() < 13 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn delays_double_and_nothing_skips_them() {
    let mut net = Net::new();
    let (client, link) = net.connected(&Config::new("x"), quick()).await;
    net.refuse(4);
    drop(link);
    let mut status = client.status();
    let mut last = Instant::now();
    // Messages that wait do not hurry it.
    let message = Message::new("t", b"x").qos(QoS::AtLeastOnce);
    let mut shortest = Duration::ZERO;
    for longest in [1, 2, 4, 8, 8].map(|seconds| seconds * SECOND) {
        let delay = loop {
            timeout(PATIENCE, status.changed()).await.unwrap().unwrap();
            if let Status::Waiting { delay, .. } = *status.borrow_and_update() {
                break delay;
            }
        };
        assert!(
            longest / 2 <= delay && delay <= longest,
            "{delay:?} {longest:?}"
        );
        // The one before was waited for.
        assert!(last.elapsed() >= shortest, "{:?}", last.elapsed());
        (last, shortest) = (Instant::now(), delay);
        client.publish(&message).await.unwrap();
    }
    let mut link = net.accept(false).await;
    assert_eq!(link.next().await, "PUBLISH 1 t x qos 1");
}

/// A server that accepts and hangs up at once is not tried again and again without a delay.
#[tokio::test(start_paused = true)]
async fn short_connections_do_not_reset_the_delay() {
    let mut net = Net::new();
    let client = net.client(&Config::new("x"), quick());
    client.start();
    let started = Instant::now();
    for _ in 0..6 {
        drop(net.accept(false).await);
    }
    // 0.5 + 1 + 2 + 4 + 4 seconds at least.
    assert!(started.elapsed() >= 11 * SECOND, "{:?}", started.elapsed());
    // One that lasts does.
    let link = net.accept(false).await;
    tokio::time::sleep(20 * SECOND).await;
    drop(link);
    let started = Instant::now();
    drop(net.accept(false).await);
    assert!(started.elapsed() <= SECOND);
}

#[tokio::test(start_paused = true)]
async fn another_server_stands_in() {
    let (mut one, mut two) = (Net::named("one", 1024), Net::named("two", 1024));
    let servers = [one.server(), two.server()];
    let client = Client::new(&Config::new("x"), servers, quick()).unwrap();
    one.refuse(1);
    let (connected, link) = tokio::join!(client.connect(), two.accept(false));
    assert_eq!(&*connected.unwrap().server, "two");
    // The one that has accepted is tried first, if it has lasted.
    tokio::time::sleep(20 * SECOND).await;
    drop(link);
    let link = two.accept(false).await;
    tokio::time::sleep(20 * SECOND).await;
    two.refuse(1);
    drop(link);
    let link = one.accept(false).await;
    let mut status = client.status();
    let is_one = |status: &Status| matches!(status, Status::Connected(c) if &*c.server == "one");
    timeout(PATIENCE, status.wait_for(is_one))
        .await
        .unwrap()
        .unwrap();
    // One that hangs up at once gives way.
    drop(link);
    let started = Instant::now();
    let _link = two.accept(false).await;
    assert!(started.elapsed() <= 2 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_taken_over_is_left_to_the_other() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&Config::new("x"), quick()).await;
    link.say(Disconnect::new(ReasonCode::SessionTakenOver))
        .await;
    assert_eq!(link.next().await, "end");
    let mut status = client.status();
    let idle = |status: &Status| matches!(status, Status::Idle { .. });
    timeout(PATIENCE, status.wait_for(idle))
        .await
        .unwrap()
        .unwrap();
    assert!(timeout(100 * SECOND, net.links.recv()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn disconnect_waits_for_what_is_on_its_way() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&Config::new("x"), quick()).await;
    let message = Message::new("t", b"x").qos(QoS::AtLeastOnce);
    let publication = client.publish(&message).await.unwrap();
    let (result, ()) = tokio::join!(client.disconnect(5 * SECOND), async {
        assert_eq!(link.next().await, "PUBLISH 1 t x qos 1");
        link.silence().await;
        link.puback(1).await;
        assert_eq!(link.next().await, "DISCONNECT");
        assert_eq!(link.next().await, "end");
    });
    result.unwrap();
    publication.await.unwrap();
    // It can be had again.
    let (result, _link) = tokio::join!(client.connect(), net.accept(false));
    result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn disconnect_does_not_wait_for_ever() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&Config::new("x"), quick()).await;
    let message = Message::new("t", b"x").qos(QoS::AtLeastOnce);
    let publication = client.publish(&message).await.unwrap();
    let (result, ()) = tokio::join!(client.disconnect(5 * SECOND), async {
        assert_eq!(link.next().await, "PUBLISH 1 t x qos 1");
        assert_eq!(link.next().await, "DISCONNECT");
        // The server does not close its side.
        tokio::time::sleep(SECOND * 10).await;
    });
    let error = result.unwrap_err().to_string();
    assert_eq!(error, "disconnected with 1 messages not through");
    // It stays for the next connection; this session was a clean one, so it may be lost.
    drop(link);
    let (result, mut link) = tokio::join!(client.connect(), net.accept(false));
    result.unwrap();
    assert!(publication.await.is_err());
    drop(client);
    assert_eq!(link.next().await, "DISCONNECT");
}

#[tokio::test(start_paused = true)]
async fn disconnect_without_a_connection() {
    let net = Net::new();
    let client = net.client(&Config::new("x"), quick());
    client.disconnect(SECOND).await.unwrap();
    client.publish(&Message::new("t", b"x")).await.unwrap();
    let error = client.disconnect(SECOND).await.unwrap_err().to_string();
    assert_eq!(error, "disconnected with 1 messages not through");
    // Nor while the next attempt is waited for.
    net.refuse(1);
    client.start();
    let mut status = client.status();
    let waiting = |status: &Status| matches!(status, Status::Waiting { .. });
    timeout(PATIENCE, status.wait_for(waiting))
        .await
        .unwrap()
        .unwrap();
    client.disconnect(SECOND).await.unwrap_err();
    let idle = |status: &Status| matches!(status, Status::Idle { .. });
    timeout(PATIENCE, status.wait_for(idle))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_says_goodbye() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&Config::new("x"), quick()).await;
    let mut status = client.status();
    let other = client.clone();
    drop(client);
    other.publish(&Message::new("t", b"x")).await.unwrap();
    drop(other);
    assert_eq!(link.next().await, "PUBLISH t x qos 0");
    assert_eq!(link.next().await, "DISCONNECT");
    assert_eq!(link.next().await, "end");
    drop(link);
    let closed = |status: &Status| matches!(status, Status::Closed);
    timeout(PATIENCE, status.wait_for(closed))
        .await
        .unwrap()
        .unwrap();
}

/// The end of the runtime is the end of the client: nobody waits for ever.
#[test]
fn the_end_of_the_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let mut net = Net::new();
    let client = first.block_on(async { net.client(&Config::new("x"), quick()) });
    let mut publication = None;
    first.block_on(async {
        let (result, _link) = tokio::join!(client.connect(), net.accept(false));
        result.unwrap();
        let message = Message::new("t", b"x").qos(QoS::AtLeastOnce);
        publication = Some(client.publish(&message).await.unwrap());
    });
    drop(first);
    runtime().block_on(async {
        assert!(publication.unwrap().await.is_err());
        assert!(client.publish(&Message::new("t", b"x")).await.is_err());
        assert!(client.subscribe("t", QoS::AtMostOnce).await.is_err());
        assert!(client.connect().await.is_err());
        client.disconnect(SECOND).await.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn keep_alive() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&Config::new("x"), quick()).await;
    let started = Instant::now();
    assert_eq!(timeout(61 * SECOND, link.read()).await.unwrap(), "PINGREQ");
    assert!(started.elapsed() > 59 * SECOND);
    // No answer: the connection is given up, and another one made.
    let _link = net.accept(false).await;
    until("the second connection", || client.stats().connections == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_lie_ends_the_connection_with_its_reason() {
    let mut net = Net::new();
    let (_client, mut link) = net.connected(&Config::new("x"), quick()).await;
    link.puback(7).await;
    assert_eq!(link.next().await, "DISCONNECT ProtocolError");
    assert_eq!(link.next().await, "end");
    drop(link);
    let _link = net.accept(false).await;
}

/// Whoever waits for a connection learns that none is wanted any more.
#[tokio::test(start_paused = true)]
async fn disconnecting_ends_the_wait_for_a_connection() {
    let net = Net::new();
    let client = net.client(&Config::new("x"), quick());
    net.refuse(1);
    client.start();
    let mut status = client.status();
    let waiting = |status: &Status| matches!(status, Status::Waiting { .. });
    timeout(PATIENCE, status.wait_for(waiting))
        .await
        .unwrap()
        .unwrap();
    let started = Instant::now();
    let both = async { tokio::join!(client.connect(), client.disconnect(SECOND)) };
    let (result, ended) = timeout(PATIENCE, both).await.unwrap();
    ended.unwrap();
    assert!(matches!(result, Err(ConnectionError::Requested)));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

/// A connection that is asked for while the last one ends is the next one.
#[tokio::test(start_paused = true)]
async fn connecting_while_disconnecting() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&Config::new("x"), quick()).await;
    let started = Instant::now();
    let (ended, connected, _link) = tokio::join!(
        client.disconnect(SECOND),
        async {
            tokio::task::yield_now().await;
            client.connect().await
        },
        async {
            assert_eq!(link.next().await, "DISCONNECT");
            drop(link);
            net.accept(false).await
        }
    );
    ended.unwrap();
    connected.unwrap();
    assert_eq!(client.stats().connections, 2);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

/// A stream that takes nothing does not keep the task busy, and the end comes in time.
#[test]
fn disconnecting_from_a_server_that_does_not_read() {
    in_real_time(async {
        let mut net = Net::named("broker", 64);
        let (client, _link) = net.connected(&Config::new("x"), quick()).await;
        let message = Message::new("t", &[0; 1000]).qos(QoS::AtLeastOnce);
        client.publish(&message).await.unwrap();
        let started = Instant::now();
        client.disconnect(SECOND).await.unwrap_err();
        assert!(started.elapsed() <= 3 * SECOND, "{:?}", started.elapsed());
    });
}

/// Whoever looks at the status may call the client meanwhile, though the status is to change.
#[test]
fn looking_at_the_status_locks_nothing_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _context = runtime.enter();
        let mut net = Net::new();
        let client = net.client(&Config::new("x"), quick());
        let status = client.status();
        client.start();
        let mut link = runtime.block_on(net.link(Version::V5));
        let seen = status.borrow();
        runtime.block_on(link.say(ConnAck::new(false, ReasonCode::Success)));
        while client.stats().connections == 0 {
            std::thread::yield_now();
        }
        drop(seen);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(PATIENCE).expect("a deadlock");
}

/// The server's last words are heard though nothing can be sent to it any more.
#[tokio::test(start_paused = true)]
async fn what_the_server_said_counts_more_than_that_it_went() {
    let mut net = Net::new();
    let (client, mut link) = net.connected(&Config::new("x"), quick()).await;
    let mut status = client.status();
    link.say(Disconnect::new(ReasonCode::SessionTakenOver))
        .await;
    drop(link);
    client.try_publish(&Message::new("t", b"x")).unwrap();
    timeout(PATIENCE, status.changed()).await.unwrap().unwrap();
    let status = format!("{:?}", *status.borrow());
    assert!(status.contains("SessionTakenOver"), "{status}");
}
