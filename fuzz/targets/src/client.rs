//! The whole client, and a server that says anything.

use arbitrary::{Arbitrary, Result, Unstructured};
use mqtt_core::wire::{
    Ack, Auth, Filter, List, Packet, PacketId, Property, QoS, ReasonCode, Version,
};
use mqtt_core::{
    Acknowledgement, Buffers, Client, Config, Durability, Error, Event, Inbound, Instant, Message,
    Record, RxBuf, Slot,
};

use crate::framer::Side;
use crate::input::{Cuts, head, packet, version};

/// The memory of a client.
struct Memory {
    rx: Vec<u8>,
    tx: Vec<u8>,
    slots: Vec<Slot>,
    inbound: Vec<Inbound>,
    aliases_in: Vec<u8>,
    aliases_out: Vec<u8>,
}

impl Memory {
    fn new(rx: usize, tx: usize, slots: usize, inbound: usize) -> Self {
        Self {
            rx: vec![0; rx],
            tx: vec![0; tx],
            slots: vec![Slot::EMPTY; slots],
            inbound: vec![Inbound::EMPTY; inbound],
            aliases_in: vec![0; 64],
            aliases_out: vec![0; 64],
        }
    }

    fn split(&mut self) -> (&mut [u8], Buffers<'_>) {
        let Self {
            rx,
            tx,
            slots,
            inbound,
            aliases_in,
            aliases_out,
        } = self;
        let buffers = Buffers {
            tx,
            slots,
            inbound,
            aliases_in,
            aliases_out,
        };
        (rx, buffers)
    }
}

/// What a client makes of a server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Outcome {
    events: Vec<String>,
    /// The packets sent, in an order that does not depend on when they were.
    sent: Vec<Vec<u8>>,
    error: Option<Error>,
    is_over: bool,
    /// What the application holds of a message that comes in pieces.
    streamed: Vec<u8>,
    in_flight: u16,
    quota: u16,
}

/// Version, options, a seed for cuts, then what is received.
pub(crate) fn bytes(data: &[u8]) {
    let ([level, options, seed], stream) = head(data);
    let version = version(level);
    let whole = hear(version, options, stream, Cuts::Whole);
    for cuts in Cuts::all(seed) {
        assert_same(&hear(version, options, stream, cuts.clone()), &whole);
        // The same in a receive buffer, which moves what it holds.
        assert_same(&hear_buffered(version, options, stream, cuts), &whole);
    }
}

/// All but acknowledgements that were due when the connection ended: they are not sent any more, and
/// whether they were before depends on when that was.
fn assert_same(cut: &Outcome, whole: &Outcome) {
    let sent = |outcome: &Outcome| {
        let is_due = |packet: &&Vec<u8>| !whole.is_over || !matches!(packet[0] >> 4, 4..=7);
        outcome
            .sent
            .iter()
            .filter(is_due)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(sent(cut), sent(whole));
    let rest = |outcome: &Outcome| Outcome {
        sent: Vec::new(),
        ..outcome.clone()
    };
    assert_eq!(rest(cut), rest(whole));
}

const NOW: Instant = Instant::from_millis(1_000);
const RX: usize = 96;

fn config(version: Version, options: u8) -> Config<'static> {
    Config {
        version,
        clean_start: options & 1 == 0,
        session_expiry: if version == Version::V5 { 60 } else { 0 },
        topic_alias_maximum: if version == Version::V5 && options & 2 != 0 {
            3
        } else {
            0
        },
        acknowledgement: if options & 4 == 0 {
            Acknowledgement::Automatic
        } else {
            Acknowledgement::Manual
        },
        properties: if version == Version::V5 && options & 8 != 0 {
            &[Property::AuthenticationMethod("m")]
        } else {
            &[]
        },
        max_whole: RX,
        ..Config::new("c")
    }
}

/// An application, and all that was sent for it.
struct Host {
    outcome: Outcome,
    output: Vec<u8>,
    manual: bool,
    is_lent: bool,
}

impl Host {
    fn new(options: u8) -> Self {
        Self {
            outcome: Outcome::default(),
            output: Vec::new(),
            manual: options & 4 != 0,
            is_lent: options & 16 != 0,
        }
    }

    /// Sends all there is.
    fn flush(&mut self, client: &mut Client<'_>) {
        loop {
            let bytes = client.transmit();
            let mut n = bytes.len();
            self.output.extend_from_slice(bytes);
            if n == 0 {
                let Some(lent) = client.payload() else {
                    break;
                };
                n = lent.left;
                self.output.resize(self.output.len() + n, 7);
            }
            client.transmitted(n, NOW);
        }
    }

    fn event(&mut self, client: &mut Client<'_>, event: &Event<'_>) {
        match *event {
            // Where the payload is cut is not promised.
            Event::Payload { offset, data, last } => {
                assert_eq!(offset, self.outcome.streamed.len());
                self.outcome.streamed.extend_from_slice(data);
                if last {
                    let payload = std::mem::take(&mut self.outcome.streamed);
                    self.outcome.events.push(format!("{payload:?}"));
                }
                return;
            }
            Event::Connected(_) => {
                // One request of each kind waits for its answer.
                let message = Message::new("a", b"1");
                for level in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    let _ = client.publish(&message.qos(level));
                }
                if self.is_lent {
                    let _ = client.publish_lent(&message.qos(QoS::AtLeastOnce), 40);
                }
                let _ = client.subscribe(&[Filter::new("b", QoS::AtLeastOnce)]);
                let _ = client.unsubscribe(&["c", "d"]);
            }
            Event::Publish(publish) => {
                let topic = client.topic(&publish);
                assert!(!topic.is_empty());
                self.outcome.events.push(topic.into());
                if let Some(id) = publish.packet_id.filter(|_| self.manual) {
                    client.acknowledge(id).unwrap();
                }
            }
            Event::PublishStart { publish, total } => {
                assert!(publish.payload.is_empty() && total > 0);
                assert!(!client.topic(&publish).is_empty());
            }
            Event::Auth(auth) if auth.code == ReasonCode::ContinueAuthentication => {
                let properties = [Property::AuthenticationMethod("m")];
                let answer = Auth {
                    code: ReasonCode::ContinueAuthentication,
                    properties: List::from(&properties),
                };
                let _ = client.authenticate(&answer);
            }
            _ => {}
        }
        self.outcome.events.push(format!("{event:?}"));
    }

    /// The end: everything that was said and is held.
    fn finish(mut self, client: &mut Client<'_>, version: Version, received: usize) -> Outcome {
        self.flush(client);
        assert!(self.outcome.error.is_none() || client.is_closed());
        // Beside what the application said, no more than an answer for each packet.
        assert!(self.output.len() <= 400 + 4 * received);
        assert!(self.outcome.events.len() <= 16 + 2 * received);
        self.outcome.sent = packets(&self.output, version);
        self.outcome.sent.sort();
        self.outcome.is_over = client.is_closed();
        self.outcome.in_flight = client.in_flight();
        self.outcome.quota = client.send_quota();
        self.outcome
    }
}

/// What was sent are whole packets of a client, the first of them CONNECT.
fn packets(mut bytes: &[u8], version: Version) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some((packet, len)) = Packet::decode(bytes, version).expect("what we sent") {
        let is_first = packets.is_empty();
        assert_eq!(matches!(packet, Packet::Connect(_)), is_first);
        assert!(
            Side::Client
                .packets(version)
                .contains(&packet.packet_type())
        );
        packets.push(bytes[..len].to_vec());
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty(), "a packet that is not whole");
    packets
}

/// Shows the client what there is, more and more of it.
fn hear(version: Version, options: u8, stream: &[u8], mut cuts: Cuts) -> Outcome {
    let mut memory = Memory::new(0, 1024, 8, 4);
    let (_, buffers) = memory.split();
    let mut client = Client::new(config(version, options), buffers);
    let mut host = Host::new(options);
    client.connect(NOW).unwrap();
    host.flush(&mut client);
    let (mut from, mut to) = (0, 0);
    let mut idle = 0;
    'all: while to < stream.len() {
        to += cuts.next(stream.len() - to);
        loop {
            match client.process(&stream[from..to], NOW) {
                Ok(step) => {
                    assert!(step.consumed <= to - from);
                    from += step.consumed;
                    if let Some(event) = &step.event {
                        host.event(&mut client, event);
                    }
                    host.flush(&mut client);
                    if !step.is_progress() {
                        idle += 1;
                        break;
                    }
                }
                Err(error) => {
                    assert!(error.is_fatal());
                    host.outcome.error = Some(error);
                    break 'all;
                }
            }
        }
        assert!(idle <= stream.len());
    }
    host.finish(&mut client, version, stream.len())
}

/// The same through [`RxBuf`].
fn hear_buffered(version: Version, options: u8, mut stream: &[u8], mut cuts: Cuts) -> Outcome {
    let received = stream.len();
    let mut memory = Memory::new(RX, 1024, 8, 4);
    let (rx, buffers) = memory.split();
    let mut rx = RxBuf::new(rx);
    let mut client = Client::new(config(version, options), buffers);
    let mut host = Host::new(options);
    client.connect(NOW).unwrap();
    host.flush(&mut client);
    'all: while !stream.is_empty() {
        let space = rx.space();
        let n = cuts.next(stream.len()).min(space.len());
        space[..n].copy_from_slice(&stream[..n]);
        rx.filled(n);
        stream = &stream[n..];
        loop {
            match rx.poll(&mut client, NOW) {
                Ok(Some(event)) => {
                    host.event(&mut client, &event);
                    host.flush(&mut client);
                }
                Ok(None) => {
                    let is_idle = client.transmit().is_empty() && client.payload().is_none();
                    host.flush(&mut client);
                    if is_idle {
                        break;
                    }
                }
                Err(error) => {
                    host.outcome.error = Some(error);
                    break 'all;
                }
            }
        }
        // A server that is not heard any more is one that the protocol allows to wait.
        if n == 0 && rx.space().is_empty() {
            break;
        }
    }
    host.finish(&mut client, version, received)
}

/// What an application, a network and a server do.
#[derive(Arbitrary, Clone, Debug)]
enum Command<'a> {
    Connect,
    Publish {
        level: u8,
        len: u8,
        topic: u8,
        alias: u8,
    },
    Lend {
        level: u8,
        len: u8,
    },
    Subscribe(&'a str),
    Unsubscribe(&'a str),
    Acknowledge {
        id: u8,
        refuse: bool,
        with_reason: bool,
    },
    Authenticate(u8),
    Disconnect,
    Abort(u8),
    Lost,
    Wait(u16),
    Send(u8),
    /// Bytes of the server's.
    Receive(&'a [u8]),
    /// A packet of the server's that is well-formed as far as its header.
    Packet(u8, &'a [u8]),
    /// An acknowledgement of the server's.
    Answer(u8, u8, u8),
    /// A message of the server's, and PUBREL for it.
    Deliver {
        level: u8,
        id: u8,
        len: u8,
        alias: u8,
    },
    Release(u8),
    /// CONNACK, with a Receive Maximum and a Maximum Packet Size.
    Accept {
        present: bool,
        receive: u8,
        size: u8,
    },
    Journal(u8),
    PowerCut,
}

/// Whatever [`arbitrary`] makes of the input: options, then commands.
pub(crate) fn commands(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let _ = live(&mut u);
}

fn live(u: &mut Unstructured<'_>) -> Result<()> {
    let level = u8::arbitrary(u)?;
    let options = u8::arbitrary(u)?;
    let (rx, tx, slots, inbound) = (
        u.int_in_range(8..=128)?,
        u.int_in_range(0..=300)?,
        u.int_in_range(0..=5)?,
        u.int_in_range(0..=3)?,
    );
    let version = version(level);
    let durable = options & 32 != 0;
    let config = Config {
        durability: if durable {
            Durability::WriteAhead
        } else {
            Durability::Ram
        },
        automatic_topic_aliases: options & 64 != 0,
        keep_alive: 5,
        ..config(version, options)
    };
    let mut journal: Vec<([u8; 4], Vec<u8>)> = Vec::new();
    let mut now = 10_000;
    let mut steps = 0;
    loop {
        let mut memory = Memory::new(rx, tx, slots, inbound);
        let (rx, buffers) = memory.split();
        let mut client = Client::new(config, buffers);
        for (head, body) in &journal {
            let record = Record::from_parts(*head, body).expect("a record of ours");
            client.restore(&record).expect("room as before");
        }
        let mut life = Life {
            client,
            rx: RxBuf::new(rx),
            version,
            slots,
            output: Vec::new(),
            journal: &mut journal,
            now: &mut now,
        };
        loop {
            steps += 1;
            if steps > 200 || u.is_empty() {
                return Ok(());
            }
            match Command::arbitrary(u)? {
                Command::PowerCut if durable => break,
                command => life.run(&command),
            }
        }
    }
}

struct Life<'b, 'j> {
    client: Client<'b>,
    rx: RxBuf<'b>,
    version: Version,
    slots: usize,
    /// What was sent on this connection and is not looked at yet.
    output: Vec<u8>,
    journal: &'j mut Vec<([u8; 4], Vec<u8>)>,
    now: &'j mut u64,
}

impl Life<'_, '_> {
    fn run(&mut self, command: &Command<'_>) {
        match *command {
            Command::Connect => {
                let now = self.instant();
                let _ = self.attempt(|client| client.connect(now));
            }
            Command::Publish {
                level,
                len,
                topic,
                alias,
            } => {
                let topic = ["a", "b/c", "", "a/+", "d/e/f/g"][usize::from(topic % 5)];
                let payload = vec![level; usize::from(len)];
                let alias = [Property::TopicAlias(alias.into())];
                let mut message = Message::new(topic, &payload).qos(qos(level));
                if alias != [Property::TopicAlias(0)] {
                    message.properties = &alias;
                }
                let _ = self.attempt(|client| client.publish(&message));
            }
            Command::Lend { level, len } => {
                let message = Message::new("lent", &[]).qos(qos(level));
                let _ = self.attempt(|client| client.publish_lent(&message, len.into()));
            }
            Command::Subscribe(filter) => {
                let filter = [Filter::new(filter, QoS::ExactlyOnce)];
                let _ = self.attempt(|client| client.subscribe(&filter));
            }
            Command::Unsubscribe(filter) => {
                let _ = self.attempt(|client| client.unsubscribe(&[filter]));
            }
            Command::Acknowledge {
                id,
                refuse,
                with_reason,
            } => {
                let reason = [Property::ReasonString("no")];
                let Some(id) = PacketId::new(id.into()) else {
                    return;
                };
                let ack = Ack {
                    packet_id: id,
                    code: if refuse {
                        ReasonCode::QuotaExceeded
                    } else {
                        ReasonCode::Success
                    },
                    properties: if with_reason {
                        List::from(&reason)
                    } else {
                        List::EMPTY
                    },
                };
                let _ = self.attempt(|client| client.acknowledge_with(&ack));
            }
            Command::Authenticate(code) => {
                let properties = [Property::AuthenticationMethod("m")];
                let auth = Auth {
                    code: ReasonCode::from_u8(code).unwrap_or(ReasonCode::ReAuthenticate),
                    properties: List::from(&properties),
                };
                let _ = self.attempt(|client| client.authenticate(&auth));
            }
            Command::Disconnect => {
                let _ = self.attempt(|client| client.disconnect());
            }
            Command::Abort(code) => {
                let code = ReasonCode::from_u8(code).unwrap_or(ReasonCode::UnspecifiedError);
                let _ = self.attempt(|client| client.abort(code));
            }
            Command::Lost => self.lost(),
            Command::Wait(millis) => {
                *self.now += u64::from(millis);
                self.poll();
            }
            Command::Send(n) => self.send(n.into()),
            Command::Receive(bytes) => self.receive(bytes),
            Command::Packet(first, body) => {
                let first = Side::Server.first_byte(self.version, first);
                self.receive(&packet(first, body));
            }
            Command::Answer(kind, id, code) => {
                let first = [0x40, 0x50, 0x62, 0x70, 0x90, 0xB0][usize::from(kind % 6)];
                let body = match (self.version, first) {
                    (Version::V5, 0x90 | 0xB0) => vec![0, id, 0, code],
                    (Version::V5, _) if code > 0 => vec![0, id, code],
                    (_, 0x90) => vec![0, id, code],
                    _ => vec![0, id],
                };
                self.receive(&packet(first, &body));
            }
            Command::Deliver {
                level,
                id,
                len,
                alias,
            } => {
                let level = level % 3;
                let mut body = b"\0\x01t".to_vec();
                if alias > 3 && self.version == Version::V5 {
                    body = vec![0, 0];
                }
                if level > 0 {
                    body.extend([0, id]);
                }
                if self.version == Version::V5 {
                    match alias {
                        0 => body.push(0),
                        alias => body.extend([3, 35, 0, alias % 4]),
                    }
                }
                body.resize(body.len() + usize::from(len), 7);
                self.receive(&packet(0x30 | level << 1, &body));
            }
            Command::Release(id) => self.receive(&[0x62, 2, 0, id]),
            Command::Accept {
                present,
                receive,
                size,
            } => {
                let present = u8::from(present);
                if self.version == Version::V5 {
                    let body = [present, 0, 8, 33, 0, receive, 39, 0, 0, size, 255];
                    self.receive(&packet(0x20, &body));
                } else {
                    self.receive(&packet(0x20, &[present, 0]));
                }
            }
            Command::Journal(n) => {
                let mut written = 0;
                for record in self.client.journal().take(n.into()) {
                    self.journal.push((record.head(), record.body().to_vec()));
                    written += 1;
                }
                self.client.journaled(written);
            }
            Command::PowerCut => {}
        }
        self.check();
    }

    fn instant(&self) -> Instant {
        Instant::from_millis(*self.now)
    }

    /// A command that fails has changed nothing.
    fn attempt<T>(
        &mut self,
        command: impl FnOnce(&mut Client<'_>) -> std::result::Result<T, Error>,
    ) -> std::result::Result<T, Error> {
        let state = |client: &Client<'_>| {
            (
                client.is_connected(),
                client.is_closed(),
                client.send_quota(),
                client.in_flight(),
                client.poll_timeout(),
                client.payload(),
                client.journal().count(),
                client.messages().count(),
            )
        };
        let before = state(&self.client);
        let result = command(&mut self.client);
        if let Err(error) = &result {
            assert!(!error.is_fatal(), "{error:?}");
            assert_eq!(state(&self.client), before, "{error:?}");
        }
        result
    }

    fn lost(&mut self) {
        self.client.connection_lost();
        self.rx.clear();
        self.output.clear();
    }

    fn send(&mut self, mut left: usize) {
        while left > 0 {
            let bytes = self.client.transmit();
            let n = if bytes.is_empty() {
                let Some(lent) = self.client.payload() else {
                    break;
                };
                let n = left.min(lent.left);
                self.output.resize(self.output.len() + n, 7);
                n
            } else {
                let n = left.min(bytes.len());
                self.output.extend_from_slice(&bytes[..n]);
                n
            };
            assert!(n > 0);
            let now = self.instant();
            self.client.transmitted(n, now);
            left -= n;
            self.look_at_output();
        }
    }

    /// Whole packets of a client, and nothing else.
    fn look_at_output(&mut self) {
        let mut at = 0;
        while let Some((packet, len)) =
            Packet::decode(&self.output[at..], self.version).expect("what we send")
        {
            let sent = Side::Client.packets(self.version);
            assert!(sent.contains(&packet.packet_type()), "{packet:?}");
            at += len;
        }
        drop(self.output.drain(..at));
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.rx.space();
            let n = space.len().min(bytes.len());
            space[..n].copy_from_slice(&bytes[..n]);
            self.rx.filled(n);
            bytes = &bytes[n..];
            if self.poll() || n == 0 {
                return;
            }
        }
    }

    /// Takes all events; true if the connection is over.
    fn poll(&mut self) -> bool {
        let now = self.instant();
        let mut count = 0;
        loop {
            match self.rx.poll(&mut self.client, now) {
                Ok(Some(event)) => {
                    count += 1;
                    assert!(count < 1_000, "{event:?} without end");
                    if let Event::Publish(publish) = event {
                        assert!(!self.client.topic(&publish).is_empty());
                    }
                }
                Ok(None) => return false,
                Err(error) => {
                    assert!(error.is_fatal(), "{error:?}");
                    // The last words are whole, too.
                    self.send(usize::MAX);
                    assert!(self.client.is_closed());
                    self.lost();
                    return true;
                }
            }
        }
    }

    fn check(&mut self) {
        let in_flight = usize::from(self.client.in_flight());
        assert!(in_flight <= self.slots);
        assert!(usize::from(self.client.send_quota()) <= self.slots - in_flight);
        assert!(self.client.messages().count() <= in_flight);
        assert!(!(self.client.is_connected() && self.client.is_closed()));
        if let Some(deadline) = self.client.poll_timeout() {
            // Asking again does not put it off.
            assert_eq!(self.client.poll_timeout(), Some(deadline));
        }
    }
}

fn qos(level: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(level % 3)]
}
