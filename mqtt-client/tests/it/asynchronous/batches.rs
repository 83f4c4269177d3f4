//! How much leaves in one write. A write costs more than all else that is done for a small message.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use mqtt_client::mqtt_core::wire::{Ack, ConnAck, Packet, PacketId, Publish, ReasonCode};
use mqtt_client::tokio::{Client, Options, Server};
use mqtt_client::{Config, Message, QoS, Version};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::time::timeout;

use super::{Link, PATIENCE};

/// A stream that counts how often it is written to.
struct Counted {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
    is_vectored: bool,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(self.is_vectored || bufs.len() == 1, "pieces of one write");
        let bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A client that is connected, the other end, and the count of its writes.
async fn connected(options: Options, is_vectored: bool) -> (Client, Link, Arc<AtomicUsize>) {
    let (opener, mut links) = tokio::sync::mpsc::unbounded_channel();
    let writes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&writes);
    let server = Server::new("broker", move || {
        let (stream, theirs) = duplex(1024 * 1024);
        let writes = Arc::clone(&counter);
        let result = opener.send(theirs).map_err(io::Error::other);
        let counted = Counted {
            stream,
            writes,
            is_vectored,
        };
        async move { result.map(|()| counted) }
    });
    let client = Client::new(&Config::new("x"), [server], options).unwrap();
    let (result, link) = tokio::join!(client.connect(), async {
        let mut link = Link {
            stream: links.recv().await.unwrap(),
            version: Version::V5,
            received: Vec::new(),
        };
        assert!(link.next().await.starts_with("CONNECT"));
        link.say(ConnAck::new(false, ReasonCode::Success)).await;
        link
    });
    result.unwrap();
    writes.store(0, Ordering::Relaxed);
    (client, link, writes)
}

/// Acknowledges each read at once, until so many messages have come; returns their payloads.
async fn acknowledge(mut link: Link, messages: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let mut chunk = vec![0; 1024 * 1024];
    while payloads.len() < messages {
        let n = timeout(PATIENCE, link.stream.read(&mut chunk)).await;
        link.received
            .extend_from_slice(&chunk[..n.unwrap().unwrap()]);
        let mut acks = Vec::new();
        let mut at = 0;
        while let Some((packet, n)) = Packet::decode(&link.received[at..], Version::V5).unwrap() {
            let Packet::Publish(publish) = packet else {
                panic!("{packet:?}");
            };
            payloads.push(publish.payload.to_vec());
            if let Some(id) = publish.packet_id {
                acks.extend(encoded(&Packet::PubAck(Ack::new(id))));
            }
            at += n;
        }
        link.received.drain(..at);
        link.stream.write_all(&acks).await.unwrap();
    }
    payloads
}

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(Version::V5).unwrap()];
    packet.encode(Version::V5, &mut bytes).unwrap();
    bytes
}

/// Who has published all that there is room for has more: it leaves with that, and the buffer need
/// not be as large as the writes.
#[tokio::test(start_paused = true)]
async fn writes_are_larger_than_the_buffer() {
    const MESSAGES: usize = 10_000;

    let (client, link, writes) = connected(Options::default(), true).await;
    let server = tokio::spawn(acknowledge(link, MESSAGES));
    let message = Message::new("t", &[b'x'; 64]);
    for _ in 0..MESSAGES {
        client.publish(&message).await.unwrap();
    }
    timeout(PATIENCE, server).await.unwrap().unwrap();
    // 12 KiB of the buffer are for messages.
    let least = MESSAGES * 69 / (12 * 1024);
    let writes = writes.load(Ordering::Relaxed);
    assert!(writes * 4 <= least, "{writes} writes");
}

/// No message waits for others either: the server has each window before anything is awaited.
#[tokio::test(start_paused = true)]
async fn a_window_of_messages_leaves_in_one_write() {
    for (qos, messages) in [(QoS::AtMostOnce, 10_000), (QoS::AtLeastOnce, 10_000)] {
        let options = Options {
            max_in_flight: 100,
            ..Options::default()
        };
        let (client, link, writes) = connected(options, true).await;
        let server = tokio::spawn(acknowledge(link, messages));
        let message = Message::new("t", &[b'x'; 64]).qos(qos);
        for _ in 0..messages {
            client.publish(&message).await.unwrap();
        }
        timeout(PATIENCE, server).await.unwrap().unwrap();
        let writes = writes.load(Ordering::Relaxed);
        assert!(writes * 50 <= messages, "{qos:?}: {writes} writes");
    }
}

/// A task that awaits the end of each message, with a hundred of its kind.
#[tokio::test(start_paused = true)]
async fn tasks_share_writes() {
    let (client, link, writes) = connected(Options::default(), true).await;
    let server = tokio::spawn(acknowledge(link, 10_000));
    let publish = |client: Client| async move {
        let message = Message::new("t", &[b'x'; 64]).qos(QoS::AtLeastOnce);
        for _ in 0..100 {
            client.publish(&message).await.unwrap().await.unwrap();
        }
    };
    let tasks: Vec<_> = (0..100)
        .map(|_| tokio::spawn(publish(client.clone())))
        .collect();
    for task in tasks {
        timeout(PATIENCE, task).await.unwrap().unwrap();
    }
    timeout(PATIENCE, server).await.unwrap().unwrap();
    let writes = writes.load(Ordering::Relaxed);
    assert!(writes <= 200, "{writes} writes");
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_of_what_was_read_leave_in_one_write() {
    let (client, mut link, writes) = connected(Options::default(), true).await;
    let (subscription, ()) = tokio::join!(client.subscribe("t", QoS::AtLeastOnce), async {
        assert!(link.next().await.starts_with("SUBSCRIBE"));
        link.suback(1, &[ReasonCode::GrantedQoS1]).await;
    });
    let mut subscription = subscription.unwrap();
    writes.store(0, Ordering::Relaxed);
    for _ in 0..10 {
        let mut window = Vec::new();
        for id in 1..=100 {
            window.extend(encoded(&Packet::Publish(Publish {
                qos: QoS::AtLeastOnce,
                packet_id: PacketId::new(id),
                ..Publish::new("t", &[b'x'; 64])
            })));
        }
        link.stream.write_all(&window).await.unwrap();
        for _ in 0..100 {
            timeout(PATIENCE, subscription.recv()).await.unwrap();
        }
        for id in 1..=100 {
            assert_eq!(link.next().await, format!("PUBACK {id}"));
        }
    }
    let writes = writes.load(Ordering::Relaxed);
    assert!(writes <= 20, "{writes} writes");
}

/// Payloads that are not copied share writes, too, whatever the stream can do.
#[tokio::test(start_paused = true)]
async fn large_payloads_share_writes() {
    for is_vectored in [true, false] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let (client, link, writes) = connected(Options::default(), is_vectored).await;
            let server = tokio::spawn(acknowledge(link, 200));
            let payloads: Vec<_> = (0..200).map(|n| vec![n; 4096]).collect();
            for payload in &payloads {
                let message = Message::new("t", payload).qos(qos);
                client.publish(&message).await.unwrap();
            }
            let received = timeout(PATIENCE, server).await.unwrap().unwrap();
            assert_eq!(received, payloads);
            let writes = writes.load(Ordering::Relaxed);
            assert!(writes <= 20, "{qos:?}: {writes} writes");
        }
    }
}
