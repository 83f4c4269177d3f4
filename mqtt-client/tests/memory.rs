//! How much memory the client for tokio takes, besides the buffers that its user has chosen.
//!
//! A binary of its own, whose allocator counts, with one test at a time.

use std::alloc::System;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cap::Cap;
use mqtt_client::mqtt_core::wire::{ConnAck, Packet, PacketId, Publish, ReasonCode, SubAck};
use mqtt_client::mqtt_core::{Inbound, Slot};
use mqtt_client::tokio::{Client, Options, Server, Subscription};
use mqtt_client::{Config, Message, QoS, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const PATIENCE: Duration = Duration::from_secs(30);

/// How many bytes are allocated.
fn live() -> usize {
    HEAP.allocated()
}

fn run(test: impl Future<Output = ()>) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test);
}

/// What the options set aside.
fn chosen(options: &Options) -> usize {
    options.transmit_buffer
        + usize::from(options.max_in_flight) * size_of::<Slot>()
        + usize::from(options.receive_maximum) * size_of::<Inbound>()
}

fn client(id: &str, stream: DuplexStream) -> Client {
    let stream = Mutex::new(Some(stream));
    let server = Server::new("broker", move || {
        let stream = stream.lock().unwrap().take();
        async move { stream.ok_or(io::Error::from(io::ErrorKind::ConnectionRefused)) }
    });
    Client::new(&Config::new(id), [server], Options::default()).unwrap()
}

fn encoded<'a>(packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let packet = packet.into();
    let mut bytes = vec![0; packet.encoded_len(Version::V5).unwrap()];
    packet.encode(Version::V5, &mut bytes).unwrap();
    bytes
}

/// Takes one packet, and says what answers it.
async fn answer<'a>(link: &mut DuplexStream, packet: impl Into<Packet<'a>>) {
    let mut request = [0; 256];
    assert!(
        timeout(PATIENCE, link.read(&mut request))
            .await
            .unwrap()
            .unwrap()
            > 0
    );
    link.write_all(&encoded(packet)).await.unwrap();
}

async fn connected(id: &str, stream: DuplexStream, link: &mut DuplexStream) -> Client {
    let client = client(id, stream);
    let connack = ConnAck::new(false, ReasonCode::Success);
    tokio::join!(client.connect(), answer(link, connack))
        .0
        .unwrap();
    client
}

async fn subscribed(client: &Client, link: &mut DuplexStream, qos: QoS) -> Subscription {
    let suback = SubAck {
        packet_id: PacketId::new(1).unwrap(),
        properties: Default::default(),
        codes: [ReasonCode::GrantedQoS1][..].into(),
    };
    tokio::join!(client.subscribe("t", qos), answer(link, suback))
        .0
        .unwrap()
}

#[test]
fn an_idle_client_is_small() {
    run(async {
        let mut streams: Vec<_> = (0..100).map(|_| duplex(1024)).collect();
        let (mut clients, mut links) = (Vec::with_capacity(100), Vec::with_capacity(100));
        let before = live();
        for (n, (stream, mut link)) in streams.drain(..).enumerate() {
            clients.push(connected(&n.to_string(), stream, &mut link).await);
            links.push(link);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let each = (live() - before) / clients.len();
        let chosen = chosen(&Options::default());
        assert!(each - chosen < 8 * 1024, "{} bytes", each - chosen);
        assert!(each * 1000 < 32 * 1024 * 1024, "{each} bytes");

        // Having done something makes no difference.
        let mut subscriptions = Vec::new();
        for (client, link) in clients.iter().zip(&mut links) {
            subscriptions.push(subscribed(client, link, QoS::AtLeastOnce).await);
            client.publish(&Message::new("u", b"x")).await.unwrap();
            link.write_all(&encoded(Publish::new("t", b"x")))
                .await
                .unwrap();
        }
        for subscription in &mut subscriptions {
            timeout(PATIENCE, subscription.recv()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let each = (live() - before) / clients.len();
        assert!(each - chosen < 8 * 1024, "{} bytes", each - chosen);
    });
}

/// An application that takes no messages has the server wait, and when that has lasted too long,
/// messages are left out: in no case do they become more and more.
#[test]
fn an_application_that_is_too_slow_costs_no_more_memory() {
    const KIB: usize = 1024;

    run(async {
        let (stream, mut link) = duplex(64 * KIB);
        let client = connected("x", stream, &mut link).await;
        let mut subscription = subscribed(&client, &mut link, QoS::AtMostOnce).await;
        let before = live();
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let server = tokio::spawn(async move {
            let message = encoded(Publish::new("t", &[b'x'; KIB]));
            for _ in 0..64 * KIB {
                link.write_all(&message).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
            link
        });

        // As long as reception pauses, the server waits, too.
        tokio::time::sleep(Duration::from_millis(900)).await;
        let waiting = sent.load(Ordering::Relaxed);
        assert!((1024..1024 + 256).contains(&waiting), "{waiting} messages");
        let most = live() - before;
        assert!(most < 2 * KIB * KIB, "{most} bytes");

        // Then it goes on, without memory for it.
        let mut most = 0;
        while !server.is_finished() {
            most = most.max(live() - before);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(most < 2 * KIB * KIB, "{most} bytes");
        assert!(subscription.recv().await.unwrap().is_ok());
        let missed = client.stats().missed;
        assert!(missed > 60_000, "{missed} messages");
    });
}
