//! Engines: clients without I/O, with a server at their side that only answers.
//!
//! A wave is what fills a window: that many messages are handed over, their bytes taken, and the
//! server's answers given back until there are none. What is counted is the cost of a message. The
//! server's part is in it, which reads what it is sent and writes answers; it is the same for all,
//! some 20 instructions a packet.
//!
//! Each wave ends with nothing in flight, and shows it: all was acknowledged, the engine says so,
//! and the next wave has the same packet identifiers, which would be taken for repetitions if any
//! were still known.

use std::mem;

use crate::packet::{Ack, Packet, Publish, SHORT_TOPIC, Version, payload, size};
use crate::{Bench, Operation};

#[cfg(feature = "peers")]
mod flowsdk;
mod ours;
#[cfg(feature = "peers")]
mod protocol_core;
#[cfg(feature = "peers")]
mod rumqttc;

/// A client that is online, and does no I/O.
pub trait Engine: 'static {
    /// False if what is sent again does not say so.
    const SETS_DUP: bool = true;

    /// The largest window of messages to be sent with which it comes to an end in a reasonable time.
    const MAX_WINDOW: u16 = u16::MAX;

    /// Takes a message to be published. May give its bytes to the server at once.
    fn publish(&mut self, qos: u8, topic: &str, payload: &[u8], server: &mut Server);

    /// Gives all bytes that are to be sent to the server.
    fn flush(&mut self, server: &mut Server);

    /// Takes what was received, whole packets. May give answers to the server at once.
    fn receive(&mut self, input: &[u8], server: &mut Server) -> Received;

    /// How many messages were handed over that are not through, if it says so.
    fn in_flight(&self) -> Option<usize> {
        None
    }

    /// Loses its connection and sends CONNECT on a new one.
    fn reconnect(&mut self, server: &mut Server);
}

/// What an engine reported of received bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Received {
    /// Messages of the server's.
    pub messages: usize,
    /// Messages of ours that are through.
    pub published: usize,
}

/// A server that counts what it is sent, and has an answer for it.
#[derive(Debug, Default)]
pub struct Server {
    answers: Vec<u8>,
    counts: Counts,
}

/// How many packets of each type a server has received.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counts {
    connects: usize,
    publishes: usize,
    /// Of these, those with DUP.
    repetitions: usize,
    acks: [usize; 4],
}

impl Server {
    /// Reads whole packets.
    ///
    /// # Panics
    ///
    /// If they are not what a client sends.
    pub fn take(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            let mut remaining = 0;
            let mut header = 0;
            loop {
                let byte = rest[header];
                remaining |= usize::from(byte & 0x7F) << (7 * header);
                header += 1;
                if byte < 0x80 {
                    break;
                }
            }
            let (body, rest) = rest[header..].split_at(remaining);
            bytes = rest;
            let (answer, id) = match first >> 4 {
                1 => {
                    self.counts.connects += 1;
                    continue;
                }
                3 => {
                    self.counts.publishes += 1;
                    self.counts.repetitions += usize::from(first >> 3 & 1);
                    let answer = match first >> 1 & 3 {
                        0 => continue,
                        1 => Ack::PubAck,
                        _ => Ack::PubRec,
                    };
                    (
                        answer,
                        2 + usize::from(u16::from_be_bytes([body[0], body[1]])),
                    )
                }
                kind @ 4..=7 => {
                    self.counts.acks[usize::from(kind) - 4] += 1;
                    match kind {
                        5 => (Ack::PubRel, 0),
                        6 => (Ack::PubComp, 0),
                        _ => continue,
                    }
                }
                _ => panic!("a packet that begins with {first:#x}"),
            };
            self.answers
                .extend([answer.first_byte(), 2, body[id], body[id + 1]]);
        }
    }
}

/// No more than this is received at a time.
const READ: usize = 8 << 10;

/// Given answers until there are none.
fn converse<E: Engine>(engine: &mut E, server: &mut Server, input: &mut Vec<u8>) -> Received {
    let mut all = Received::default();
    loop {
        input.clear();
        mem::swap(input, &mut server.answers);
        if input.is_empty() {
            return all;
        }
        // Each is of 4 bytes.
        for piece in input.chunks(READ) {
            let received = engine.receive(piece, server);
            all.messages += received.messages;
            all.published += received.published;
            engine.flush(server);
        }
    }
}

/// What a wave of `n` messages at this level leaves at the server.
fn acks(n: usize, qos: u8, is_received: bool) -> [usize; 4] {
    match (qos, is_received) {
        (1, true) => [n, 0, 0, 0],
        (2, true) => [0, n, 0, n],
        (2, false) => [0, 0, n, 0],
        _ => [0; 4],
    }
}

fn publishing<E: Engine>(mut engine: E, qos: u8, len: usize, window: usize) -> Operation {
    let mut server = Server::default();
    let mut input = Vec::new();
    let payload = payload(len);
    let expected = Counts {
        publishes: window,
        acks: acks(window, qos, false),
        ..Counts::default()
    };
    let mut wave = move || {
        server.counts = Counts::default();
        for _ in 0..window {
            engine.publish(qos, SHORT_TOPIC, payload, &mut server);
        }
        engine.flush(&mut server);
        let received = converse(&mut engine, &mut server, &mut input);
        assert_eq!(server.counts, expected);
        assert_eq!(received.published, window);
        assert_eq!(engine.in_flight().unwrap_or_default(), 0);
    };
    wave();
    Operation::new(wave)
}

fn receiving<E: Engine>(
    mut engine: E,
    version: Version,
    qos: u8,
    len: usize,
    window: usize,
) -> Operation {
    let mut server = Server::default();
    let mut input = Vec::new();
    let messages: Vec<_> = (1..=window)
        .map(|id| {
            let publish = Publish {
                qos,
                id: u16::try_from(id).expect("a window"),
                topic: SHORT_TOPIC,
                properties: None,
                payload: payload(len),
            };
            Packet::Publish(publish).wire(version)
        })
        .collect();
    let per_read = (READ / messages[0].len()).max(1);
    let reads: Vec<_> = messages.chunks(per_read).map(<[_]>::concat).collect();
    let expected = Counts {
        acks: acks(window, qos, true),
        ..Counts::default()
    };
    let mut wave = move || {
        server.counts = Counts::default();
        let mut messages = 0;
        for read in &reads {
            messages += engine.receive(read, &mut server).messages;
            engine.flush(&mut server);
        }
        let rest = converse(&mut engine, &mut server, &mut input);
        assert_eq!((messages, rest.messages), (window, 0));
        assert_eq!(server.counts, expected);
    };
    wave();
    Operation::new(wave)
}

/// The session is present: a full window is sent again.
fn resuming<E: Engine>(mut engine: E, version: Version, len: usize, window: usize) -> Operation {
    let mut server = Server::default();
    let mut input = Vec::new();
    let connack = connack(version, true);
    let expected = Counts {
        connects: 1,
        publishes: window,
        repetitions: if E::SETS_DUP { window } else { 0 },
        acks: [0; 4],
    };
    let fill = |engine: &mut E, server: &mut Server| {
        for _ in 0..window {
            engine.publish(1, SHORT_TOPIC, payload(len), server);
        }
        engine.flush(server);
        server.answers.clear();
    };
    let resume = move |engine: &mut E, server: &mut Server| {
        server.counts = Counts::default();
        server.answers.clear();
        engine.reconnect(server);
        engine.receive(connack, server);
        engine.flush(server);
        assert_eq!(server.counts, expected);
    };
    fill(&mut engine, &mut server);
    resume(&mut engine, &mut server);
    // What was sent again is acknowledged as anything else is.
    let received = converse(&mut engine, &mut server, &mut input);
    assert_eq!(received.published, window);
    assert_eq!(engine.in_flight().unwrap_or_default(), 0);
    fill(&mut engine, &mut server);
    Operation::new(move || resume(&mut engine, &mut server))
}

/// CONNACK of success, without properties.
fn connack(version: Version, is_present: bool) -> &'static [u8] {
    match (version, is_present) {
        (Version::V311, false) => &[0x20, 2, 0, 0],
        (Version::V311, true) => &[0x20, 2, 1, 0],
        (Version::V5, false) => &[0x20, 3, 0, 0, 0],
        (Version::V5, true) => &[0x20, 3, 1, 0, 0],
    }
}

/// What an engine is built for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The protocol.
    pub version: Version,
    /// The messages in flight each way.
    pub window: u16,
    /// The length of a PUBLISH.
    pub packet_len: usize,
    /// Whether the session is to outlive the connection. Ours is kept in any case.
    pub is_kept: bool,
}

/// The windows that are compared.
const WINDOWS: [u16; 4] = [1, 16, 1024, u16::MAX];

#[derive(Clone, Copy, PartialEq)]
enum Task {
    Publish,
    Receive,
    Resume,
}

/// All operations of all engines.
#[must_use]
pub fn benches() -> Vec<Bench> {
    let mut all = Vec::new();
    for task in [Task::Publish, Task::Receive, Task::Resume] {
        let levels: &[u8] = match task {
            Task::Publish => &[1, 2],
            Task::Receive => &[0, 1, 2],
            Task::Resume => &[1],
        };
        for &qos in levels {
            for version in Version::ALL {
                for window in WINDOWS {
                    add(&mut all, task, qos, version, 64, window);
                }
                if task != Task::Resume && qos == 1 {
                    add(&mut all, task, qos, version, 4 << 10, 16);
                }
            }
        }
    }
    all
}

fn add(all: &mut Vec<Bench>, task: Task, qos: u8, version: Version, len: usize, window: u16) {
    let name = match task {
        Task::Publish => "publish",
        Task::Receive => "receive",
        Task::Resume => "resume",
    };
    let row = Row {
        case: format!(
            "{name} QoS {qos}, {version}, {}, window {}",
            size(len),
            match window {
                0..1000 => window.to_string(),
                _ => format!("{},{:03}", window / 1000, window % 1000),
            }
        ),
        task,
        qos,
        len,
        setup: Setup {
            version,
            window,
            packet_len: 5 + 2 + SHORT_TOPIC.len() + 2 + 1 + len,
            is_kept: task == Task::Resume,
        },
    };
    row.add(all, crate::OURS, ours::Ours::new);
    #[cfg(feature = "peers")]
    {
        use crate::peer;

        row.add(
            all,
            peer!("mqtt-protocol-core"),
            protocol_core::ProtocolCore::new,
        );
        row.add(all, peer!("flowsdk"), flowsdk::Flowsdk::new);
        match version {
            Version::V311 => row.add(all, peer!("rumqttc"), rumqttc::v4::Peer::new),
            Version::V5 => row.add(all, peer!("rumqttc"), rumqttc::v5::Peer::new),
        }
    }
}

/// One case, for all engines.
struct Row {
    case: String,
    task: Task,
    qos: u8,
    len: usize,
    setup: Setup,
}

impl Row {
    /// Adds it for one engine.
    fn add<E: Engine>(&self, all: &mut Vec<Bench>, client: &'static str, new: fn(Setup) -> E) {
        let Self {
            task,
            qos,
            len,
            setup,
            ..
        } = *self;
        if task != Task::Receive && setup.window > E::MAX_WINDOW {
            return;
        }
        let window = usize::from(setup.window);
        all.push(Bench {
            table: "engine",
            case: self.case.clone(),
            version: setup.version,
            client,
            weight: 1000,
            per_run: setup.window.into(),
            build: Box::new(move || {
                let engine = new(setup);
                match task {
                    Task::Publish => publishing(engine, qos, len, window),
                    Task::Receive => receiving(engine, setup.version, qos, len, window),
                    Task::Resume => resuming(engine, setup.version, len, window),
                }
            }),
        });
    }
}
