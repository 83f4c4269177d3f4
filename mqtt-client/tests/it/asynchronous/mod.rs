//! The client for tokio, against a server that says what the test has it say.

mod batches;
mod cancel;
mod connect;
mod cuts;
mod overflow;
mod publish;
mod secrets;
mod subscribe;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt_client::mqtt_core::wire::{
    Ack, ConnAck, Packet, PacketId, Properties, Publish, ReasonCode, SubAck, UnsubAck,
};
use mqtt_client::tokio::{Client, Options, Server};
use mqtt_client::{Config, QoS, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long anything may take that should take no time. Where time is not real, that is free.
const PATIENCE: Duration = Duration::from_secs(30);

/// The network: opens what the client asks for, and gives the other end to the test.
struct Net {
    name: &'static str,
    links: mpsc::UnboundedReceiver<DuplexStream>,
    opener: mpsc::UnboundedSender<DuplexStream>,
    refusals: Arc<Mutex<usize>>,
    /// How many bytes fit between the two ends.
    room: usize,
}

impl Net {
    fn new() -> Self {
        Self::named("broker", 1024 * 1024)
    }

    fn named(name: &'static str, room: usize) -> Self {
        let (opener, links) = mpsc::unbounded_channel();
        Self {
            name,
            links,
            opener,
            refusals: Arc::default(),
            room,
        }
    }

    fn server(&self) -> Server {
        let opener = self.opener.clone();
        let refusals = Arc::clone(&self.refusals);
        let room = self.room;
        Server::new(self.name, move || {
            let opener = opener.clone();
            let refusals = Arc::clone(&refusals);
            async move {
                let mut refusals = refusals.lock().unwrap();
                if *refusals > 0 {
                    *refusals -= 1;
                    return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
                }
                let (ours, theirs) = duplex(room);
                opener.send(theirs).map_err(io::Error::other)?;
                Ok(ours)
            }
        })
    }

    /// The next `n` attempts fail.
    fn refuse(&self, n: usize) {
        *self.refusals.lock().unwrap() = n;
    }

    fn client(&self, config: &Config<'_>, options: Options) -> Client {
        Client::new(config, [self.server()], options).unwrap()
    }

    /// A client that is connected, and the other end.
    async fn connected(&mut self, config: &Config<'_>, options: Options) -> (Client, Link) {
        let client = self.client(config, options);
        let (result, link) = tokio::join!(client.connect(), self.accept(false));
        result.unwrap();
        (client, link)
    }

    /// The other end of the next connection.
    async fn link(&mut self, version: Version) -> Link {
        let stream = timeout(PATIENCE, self.links.recv()).await;
        Link {
            stream: stream.expect("nobody connects").unwrap(),
            version,
            received: Vec::new(),
        }
    }

    /// The next connection, accepted.
    async fn accept(&mut self, session_present: bool) -> Link {
        let mut link = self.link(Version::V5).await;
        let connect = link.next().await;
        assert!(connect.starts_with("CONNECT"), "{connect}");
        link.say(ConnAck::new(session_present, ReasonCode::Success))
            .await;
        link
    }
}

/// The server's end of a connection.
struct Link {
    stream: DuplexStream,
    version: Version,
    received: Vec<u8>,
}

impl Link {
    /// What the client sends next, in words.
    async fn next(&mut self) -> String {
        timeout(PATIENCE, self.read())
            .await
            .expect("nothing is sent")
    }

    /// Nothing more is sent within a time that is not real.
    async fn silence(&mut self) {
        let said = timeout(Duration::from_millis(50), self.read()).await;
        assert_eq!(said.ok(), None);
    }

    async fn read(&mut self) -> String {
        loop {
            if let Some((packet, n)) = Packet::decode(&self.received, self.version).unwrap() {
                let words = words(&packet);
                self.received.drain(..n);
                return words;
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes).await {
                Ok(n @ 1..) => self.received.extend_from_slice(&bytes[..n]),
                _ => return "end".to_owned(),
            }
        }
    }

    async fn say<'a>(&mut self, packet: impl Into<Packet<'a>>) {
        let packet = packet.into();
        let mut bytes = vec![0; packet.encoded_len(self.version).unwrap()];
        packet.encode(self.version, &mut bytes).unwrap();
        timeout(PATIENCE, self.stream.write_all(&bytes))
            .await
            .expect("nothing is received")
            .unwrap();
    }

    async fn puback(&mut self, id: u16) {
        self.say(Packet::PubAck(Ack::new(PacketId::new(id).unwrap())))
            .await;
    }

    async fn suback(&mut self, id: u16, codes: &[ReasonCode]) {
        self.say(SubAck {
            packet_id: PacketId::new(id).unwrap(),
            properties: Properties::EMPTY,
            codes: codes.into(),
        })
        .await;
    }

    async fn unsuback(&mut self, id: u16) {
        self.say(UnsubAck {
            packet_id: PacketId::new(id).unwrap(),
            properties: Properties::EMPTY,
            codes: [ReasonCode::Success][..].into(),
        })
        .await;
    }

    /// Sends a message, above QoS 0 if there is an identifier.
    async fn publish(&mut self, topic: &str, payload: &str, id: u16) {
        self.say(Publish {
            qos: if id == 0 {
                QoS::AtMostOnce
            } else {
                QoS::AtLeastOnce
            },
            packet_id: PacketId::new(id),
            ..Publish::new(topic, payload.as_bytes())
        })
        .await;
    }
}

/// A payload of this length, no two parts of which are alike.
fn large(len: usize) -> String {
    let mut text: String = (0..=len / 2).map(|n| format!("{n} ")).collect();
    text.truncate(len);
    text
}

/// A packet in a few words.
fn words(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Connect(connect) => {
            let clean = if connect.clean_start { " clean" } else { "" };
            format!("CONNECT {}{clean}", connect.client_id)
        }
        Packet::Publish(publish) => {
            let id = publish
                .packet_id
                .map_or(String::new(), |id| format!(" {}", id.get()));
            let dup = if publish.dup { " again" } else { "" };
            let payload = String::from_utf8_lossy(publish.payload);
            let payload = match payload.len() {
                0..=20 => payload.into_owned(),
                len if payload == large(len) => format!("({len})"),
                len => format!("({len}, damaged)"),
            };
            let qos = publish.qos as u8;
            format!("PUBLISH{id} {} {payload} qos {qos}{dup}", publish.topic)
        }
        Packet::Subscribe(subscribe) => {
            let filters = subscribe
                .filters
                .iter()
                .map(|filter| filter.topic.to_owned());
            let filters: Vec<_> = filters.collect();
            format!(
                "SUBSCRIBE {} {}",
                subscribe.packet_id.get(),
                filters.join(" ")
            )
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<_> = unsubscribe.filters.iter().collect();
            format!(
                "UNSUBSCRIBE {} {}",
                unsubscribe.packet_id.get(),
                filters.join(" ")
            )
        }
        Packet::PubAck(ack) => format!("PUBACK {}{}", ack.packet_id.get(), code(ack.code)),
        Packet::PubRec(ack) => format!("PUBREC {}{}", ack.packet_id.get(), code(ack.code)),
        Packet::PubRel(ack) => format!("PUBREL {}", ack.packet_id.get()),
        Packet::PubComp(ack) => format!("PUBCOMP {}", ack.packet_id.get()),
        Packet::Disconnect(packet) => format!("DISCONNECT{}", code(packet.code)),
        Packet::PingReq => "PINGREQ".to_owned(),
        other => format!("{other:?}"),
    }
}

fn code(code: ReasonCode) -> String {
    match code {
        ReasonCode::Success => String::new(),
        code => format!(" {code:?}"),
    }
}

/// Runs a test whose time is not real, but not without end: a task that is never idle would stop
/// that time.
fn in_real_time(test: impl Future<Output = ()> + Send + 'static) {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(test);
        done.send(()).unwrap();
    });
    is_done
        .recv_timeout(PATIENCE)
        .expect("failed, or a task without rest");
}

/// Waits for a condition, in time that is not real.
async fn until(what: &str, mut check: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still waiting for {what}");
}

/// What a queue of packets says in one string.
fn joined(words: impl IntoIterator<Item = String>) -> String {
    words
        .into_iter()
        .collect::<VecDeque<_>>()
        .make_contiguous()
        .join(", ")
}
