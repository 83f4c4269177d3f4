//! A client and the two ends of a wire, all in memory, on a clock that the test turns.
//!
//! A scenario is a function over a [`Pair`] that reads as a transcript: what the application
//! asks for, what the client sends ([`Pair::sends`]), what the server sends
//! ([`Pair::server`]), what the client reports ([`Pair::reports`]). [`each`] runs it in several
//! versions of the protocol and with the wire cut in many ways, which must make no difference.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::mem;

use mqtt_core::wire::{Filter, Packet, PacketId, Publish, Version};
use mqtt_core::{
    Acknowledgement, Buffers, Client, Config, Durability, Error, Event, Inbound, Instant, Message,
    Record, RxBuf, Slot,
};

use super::text;

/// How much memory a client has, and how it is configured.
#[derive(Clone, Copy)]
pub(super) struct Setup {
    pub(super) config: Config<'static>,
    pub(super) rx: usize,
    pub(super) tx: usize,
    pub(super) slots: usize,
    pub(super) inbound: usize,
    pub(super) aliases: usize,
}

impl Setup {
    /// Resumes sessions, never pings, and has plenty of everything.
    pub(super) const fn new() -> Self {
        let mut config = Config::new("c");
        config.clean_start = false;
        config.keep_alive = 0;
        Self {
            config,
            rx: 256,
            tx: 1024,
            slots: 8,
            inbound: 8,
            aliases: 0,
        }
    }

    /// Bytes for the topics of aliases, each way.
    pub(super) const fn aliases(mut self, len: usize) -> Self {
        self.aliases = len;
        self
    }

    pub(super) const fn durable(mut self) -> Self {
        self.config.durability = Durability::WriteAhead;
        self
    }

    pub(super) const fn manual(mut self) -> Self {
        self.config.acknowledgement = Acknowledgement::Manual;
        self
    }

    pub(super) const fn clean(mut self) -> Self {
        self.config.clean_start = true;
        self
    }

    pub(super) const fn keep_alive(mut self, seconds: u16) -> Self {
        self.config.keep_alive = seconds;
        self
    }

    pub(super) const fn config(mut self, config: Config<'static>) -> Self {
        self.config = config;
        self
    }

    pub(super) const fn rx(mut self, len: usize) -> Self {
        self.rx = len;
        self
    }

    pub(super) const fn tx(mut self, len: usize) -> Self {
        self.tx = len;
        self
    }

    pub(super) const fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    pub(super) const fn inbound(mut self, inbound: usize) -> Self {
        self.inbound = inbound;
        self
    }
}

/// A small generator of pseudo-random numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// How the wire is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Bytes,
    Random(Rng),
}

impl Cut {
    /// How much of `len` bytes goes at once.
    fn take(&mut self, len: usize) -> usize {
        match self {
            Self::Whole => len,
            Self::Bytes => len.min(1),
            Self::Random(rng) => (1 + rng.below(12)).min(len),
        }
    }
}

/// How bytes get to the client.
#[derive(Clone, Copy, Debug)]
enum Through {
    RxBuf,
    /// [`Client::process`] with all that is there.
    Process,
}

pub(super) struct Pair<'b> {
    pub(super) client: Client<'b>,
    pub(super) version: Version,
    pub(super) now: u64,
    setup: Setup,
    cut: Cut,
    through: Through,
    rx: RxBuf<'b>,
    /// On the wire to the client.
    to_client: Vec<u8>,
    /// Shown to [`Client::process`] and not consumed.
    shown: Vec<u8>,
    /// Sent by the client and not a whole packet yet.
    from_client: Vec<u8>,
    /// Nothing is taken from the client for now.
    stalled: bool,
    sent: Vec<String>,
    reported: Vec<String>,
    /// A message that arrives in pieces.
    streamed: Option<(String, usize, Vec<u8>)>,
    /// Payloads that stay with the application.
    lent: BTreeMap<PacketId, Vec<u8>>,
    /// The journal: heads and bodies of records.
    pub(super) disk: Vec<([u8; 4], Vec<u8>)>,
    log: Vec<String>,
}

pub(super) const V31: Version = Version::V31;
pub(super) const V311: Version = Version::V311;
pub(super) const V5: Version = Version::V5;

/// Runs a scenario in 3.1.1 and 5.0.
#[track_caller]
pub(super) fn each(setup: Setup, scenario: impl Fn(&mut Pair<'_>)) {
    run(&[V311, V5], setup, scenario);
}

/// Runs a scenario in these versions, with the wire cut in many ways.
#[track_caller]
#[expect(clippy::print_stdout, reason = "only shown when the test fails")]
pub(super) fn run(versions: &[Version], setup: Setup, scenario: impl Fn(&mut Pair<'_>)) {
    let random = (1..=6).map(|seed| Cut::Random(Rng(seed)));
    let cuts: Vec<_> = [Cut::Whole, Cut::Bytes].into_iter().chain(random).collect();
    for &version in versions {
        let mut first: Option<Vec<String>> = None;
        for &cut in &cuts {
            for through in [Through::RxBuf, Through::Process] {
                // Shown by the test harness when the scenario panics.
                println!("-- MQTT {version}, {cut:?}, {through:?}");
                let log = once(version, setup, cut, through, &scenario);
                let first = first.get_or_insert_with(|| log.clone());
                assert_eq!(*first, log, "another cut, another result");
            }
        }
    }
}

/// Runs a scenario once, with the wire not cut.
#[track_caller]
pub(super) fn whole(version: Version, setup: Setup, scenario: impl Fn(&mut Pair<'_>)) {
    once(version, setup, Cut::Whole, Through::Process, scenario);
}

fn once(
    version: Version,
    setup: Setup,
    cut: Cut,
    through: Through,
    scenario: impl Fn(&mut Pair<'_>),
) -> Vec<String> {
    let mut rx = vec![0; setup.rx];
    let mut tx = vec![0; setup.tx];
    let mut slots = vec![Slot::EMPTY; setup.slots];
    let mut inbound = vec![Inbound::EMPTY; setup.inbound];
    let mut aliases_in = vec![0; setup.aliases];
    let mut aliases_out = vec![0; setup.aliases];
    let config = Config {
        version,
        max_whole: setup.rx,
        ..setup.config
    };
    let buffers = Buffers {
        tx: &mut tx,
        slots: &mut slots,
        inbound: &mut inbound,
        aliases_in: &mut aliases_in,
        aliases_out: &mut aliases_out,
    };
    let mut pair = Pair {
        client: Client::new(config, buffers),
        version,
        now: 1_000_000,
        setup: Setup { config, ..setup },
        cut,
        through,
        rx: RxBuf::new(&mut rx),
        to_client: Vec::new(),
        shown: Vec::new(),
        from_client: Vec::new(),
        stalled: false,
        sent: Vec::new(),
        reported: Vec::new(),
        streamed: None,
        lent: BTreeMap::new(),
        disk: Vec::new(),
        log: Vec::new(),
    };
    scenario(&mut pair);
    pair.stalled = false;
    pair.sends(&[]);
    pair.reports(&[]);
    assert!(
        pair.from_client.is_empty(),
        "the client's last packet is not whole"
    );
    pair.log
}

impl Pair<'_> {
    pub(super) fn is_v5(&self) -> bool {
        self.version == V5
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    pub(super) fn config(&self) -> Config<'static> {
        self.setup.config
    }

    // What the application does.

    /// Opens a connection up to the server's answer.
    #[track_caller]
    pub(super) fn connect(&mut self) {
        self.client.connect(self.now()).unwrap();
        self.flush();
        let connect = self.sent.pop().unwrap();
        assert!(connect.starts_with("CONNECT"), "{connect}");
    }

    /// Opens a connection; the server has nothing to say of itself.
    #[track_caller]
    pub(super) fn online(&mut self) {
        self.connect();
        self.server(connack());
        self.reports(&["Connected"]);
    }

    /// Opens a connection to a server that knows the session.
    #[track_caller]
    pub(super) fn resume(&mut self) {
        self.connect();
        if self.version == V31 {
            // Its handshake has no flag for this.
            self.server(connack());
            self.reports(&["Connected"]);
        } else {
            self.server(session());
            self.reports(&["Connected session"]);
        }
    }

    /// Publishes and checks the identifier, 0 for none.
    #[track_caller]
    pub(super) fn publish(&mut self, qos: u8, topic: &str, payload: &str, id: u16) {
        let message = Message::new(topic, payload.as_bytes()).qos(text::qos(qos));
        let got = self.client.publish(&message).expect("publish");
        assert_eq!(got.map_or(0, PacketId::get), id);
    }

    #[track_caller]
    pub(super) fn subscribe(&mut self, topic: &str, qos: u8, id: u16) {
        let got = self
            .client
            .subscribe(&[Filter::new(topic, text::qos(qos))])
            .expect("subscribe");
        assert_eq!(got.get(), id);
    }

    #[track_caller]
    pub(super) fn acknowledge(&mut self, id: u16) {
        self.client
            .acknowledge(PacketId::new(id).unwrap())
            .expect("acknowledge");
    }

    /// Publishes a message whose payload stays here, and checks its identifier.
    #[track_caller]
    pub(super) fn publish_lent(&mut self, qos: u8, topic: &str, payload: &str, id: u16) {
        let message = Message::new(topic, b"").qos(text::qos(qos));
        let got = self.client.publish_lent(&message, payload.len());
        let got = got.expect("publish_lent");
        assert_eq!(got.get(), id);
        self.lent.insert(got, payload.into());
    }

    /// Checks the records that are due and writes them to the journal.
    #[track_caller]
    pub(super) fn journals(&mut self, expected: &[&str]) {
        self.run();
        let records: Vec<_> = self.client.journal().collect();
        let texts: Vec<_> = records.iter().map(text::record).collect();
        assert_eq!(texts, expected, "records");
        let parts = records.iter().map(|r| (r.head(), r.body().to_vec()));
        let parts: Vec<_> = parts.collect();
        self.client.journaled(parts.len());
        self.disk.extend(parts);
        self.log.extend(texts);
    }

    /// Replaces the journal by a snapshot.
    pub(super) fn compact(&mut self) {
        let snapshot = self.client.snapshot();
        self.disk = snapshot.map(|r| (r.head(), r.body().to_vec())).collect();
    }

    /// The power fails. What begins again has the journal, and nothing else.
    pub(super) fn power_cut(&mut self) {
        self.lose();
        self.reported.clear();
        let setup = self.setup;
        let buffers = Buffers {
            tx: vec![0; setup.tx].leak(),
            slots: vec![Slot::EMPTY; setup.slots].leak(),
            inbound: vec![Inbound::EMPTY; setup.inbound].leak(),
            aliases_in: vec![0; setup.aliases].leak(),
            aliases_out: vec![0; setup.aliases].leak(),
        };
        self.client = Client::new(setup.config, buffers);
        for (head, body) in &self.disk {
            let record = Record::from_parts(*head, body).expect("a record");
            self.client.restore(&record).expect("restore");
        }
        // Another clock.
        self.now = 7_000;
        self.log.push("(power cut)".into());
    }

    /// The connection breaks: what is on the wire is gone.
    pub(super) fn lose(&mut self) {
        self.client.connection_lost();
        self.rx.clear();
        self.shown.clear();
        self.to_client.clear();
        self.from_client.clear();
        self.streamed = None;
        self.log.push("(lost)".into());
    }

    /// Turns the clock.
    pub(super) fn wait(&mut self, millis: u64) {
        self.now += millis;
    }

    /// Turns the clock to the client's deadline and returns how long that took.
    #[track_caller]
    pub(super) fn wait_for_deadline(&mut self) -> u64 {
        let before = self.now;
        let deadline = self.client.poll_timeout().expect("a deadline");
        self.now = before.max(deadline.as_millis());
        self.now - before
    }

    // What the server does.

    /// The server sends this packet.
    #[track_caller]
    pub(super) fn server<'a>(&mut self, packet: impl Into<Packet<'a>>) {
        let bytes = self.encode(packet);
        self.bytes(&bytes);
    }

    #[track_caller]
    pub(super) fn encode<'a>(&self, packet: impl Into<Packet<'a>>) -> Vec<u8> {
        let packet = packet.into();
        let mut bytes = vec![0; packet.encoded_len(self.version).expect("encodable")];
        packet.encode(self.version, &mut bytes).unwrap();
        bytes
    }

    /// The server sends these bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.to_client.extend_from_slice(bytes);
    }

    // The wire.

    /// The wire to the server takes nothing, or again all.
    pub(super) fn stall(&mut self, stalled: bool) {
        self.stalled = stalled;
    }

    /// The next `n` bytes reach the server.
    #[track_caller]
    pub(super) fn take(&mut self, n: usize) {
        let mut left = n;
        while left > 0 {
            let bytes = self.client.transmit();
            let n = self.cut.take(bytes.len().min(left));
            assert_ne!(n, 0, "no more to send");
            self.from_client.extend_from_slice(&bytes[..n]);
            self.client.transmitted(n, Instant::from_millis(self.now));
            left -= n;
        }
        self.sent
            .extend(text::packets(&mut self.from_client, self.version));
    }

    /// All that is to be sent reaches the server, unless the wire is stalled. True if that was
    /// anything.
    fn flush(&mut self) -> bool {
        let mut moved = false;
        while !self.stalled {
            let n = self.cut.take(self.client.transmit().len());
            if n > 0 {
                self.take(n);
            } else if !self.flush_payload() {
                break;
            }
            moved = true;
        }
        moved
    }

    /// The application sends payloads that it has lent, unless the wire is stalled.
    fn flush_payload(&mut self) -> bool {
        let Some(lent) = self.client.payload().filter(|_| !self.stalled) else {
            return false;
        };
        assert_eq!(self.client.transmit(), b"");
        let n = self.cut.take(lent.left);
        let payload = &self.lent[&lent.id];
        assert_eq!(lent.offset + lent.left, payload.len());
        let piece = &payload[lent.offset..lent.offset + n];
        self.from_client.extend_from_slice(piece);
        self.client.transmitted(n, Instant::from_millis(self.now));
        let sent = text::packets(&mut self.from_client, self.version);
        self.sent.extend(sent);
        true
    }

    /// Moves the wire to the client by one cut; false if nothing could be moved.
    fn feed(&mut self) -> bool {
        let n = match self.through {
            Through::RxBuf => {
                let space = self.rx.space();
                let n = self.cut.take(self.to_client.len().min(space.len()));
                space[..n].copy_from_slice(&self.to_client[..n]);
                self.rx.filled(n);
                n
            }
            Through::Process => {
                let n = self.cut.take(self.to_client.len());
                self.shown.extend_from_slice(&self.to_client[..n]);
                n
            }
        };
        drop(self.to_client.drain(..n));
        n > 0
    }

    /// Calls the client once; false if that made no progress.
    pub(super) fn step(&mut self) -> bool {
        let now = self.now();
        let (progress, report) = match self.through {
            Through::RxBuf => {
                let before = self.rx.space().len();
                match self.rx.poll(&mut self.client, now) {
                    Ok(Some(event)) => (
                        true,
                        Some(Ok(note(&mut self.streamed, &self.client, &event))),
                    ),
                    Ok(None) => (self.rx.space().len() > before, None),
                    Err(error) => (true, Some(Err(error))),
                }
            }
            Through::Process => match self.client.process(&self.shown, now) {
                Ok(step) => {
                    let client = &self.client;
                    let event = step.event.map(|e| Ok(note(&mut self.streamed, client, &e)));
                    let consumed = step.consumed;
                    let progress = consumed > 0 || event.is_some();
                    drop(self.shown.drain(..consumed));
                    (progress, event)
                }
                Err(error) => (true, Some(Err(error))),
            },
        };
        self.reported.extend(match report {
            Some(Ok(text)) => text,
            Some(Err(error)) => Some(format!("! {error:?}")),
            None => None,
        });
        progress
    }

    /// Shows the client what is on the wire until it reports something, and sends nothing.
    #[track_caller]
    pub(super) fn next_report(&mut self) -> String {
        while self.reported.is_empty() {
            assert!(self.step() || self.feed(), "no event");
        }
        assert_eq!(self.reported.len(), 1);
        self.reported.remove(0)
    }

    /// Moves everything both ways until nothing moves.
    pub(super) fn run(&mut self) {
        loop {
            let mut moved = self.flush() | self.feed();
            while self.step() {
                moved = true;
                self.flush();
            }
            if !self.flush() && !moved {
                break;
            }
        }
    }

    /// Runs, and checks the packets that the client has sent since the last time.
    #[track_caller]
    pub(super) fn sends(&mut self, expected: &[&str]) {
        self.run();
        let sent = mem::take(&mut self.sent);
        assert_eq!(sent, expected, "packets sent");
        self.log.extend(sent);
    }

    /// Runs, and checks the events since the last time.
    #[track_caller]
    pub(super) fn reports(&mut self, expected: &[&str]) {
        self.run();
        let reported = mem::take(&mut self.reported);
        assert_eq!(reported, expected, "events");
        self.log.extend(reported);
    }

    /// Takes the packets sent without checking them.
    pub(super) fn take_sent(&mut self) -> Vec<String> {
        mem::take(&mut self.sent)
    }

    /// Takes the events without checking them.
    pub(super) fn take_reported(&mut self) -> Vec<String> {
        mem::take(&mut self.reported)
    }

    /// Checks that the client ends the connection with this error. In 5.0 it says why.
    #[track_caller]
    pub(super) fn fails(&mut self, error: impl Into<Error>, code: u8) {
        let error = error.into();
        self.reports(&[&format!("! {error:?}")]);
        let disconnect = format!("DISCONNECT {code:#04x}");
        let expected: &[&str] = if self.is_v5() { &[&disconnect] } else { &[] };
        self.sends(expected);
        assert!(self.client.is_closed());
        assert!(!self.client.is_connected());
        assert_eq!(self.client.poll_timeout(), None);
        self.lose();
    }

    /// Checks that a command fails like this and changes nothing.
    #[track_caller]
    pub(super) fn refuses<T: Debug>(
        &mut self,
        error: impl Into<Error>,
        command: impl FnOnce(&mut Client<'_>) -> Result<T, Error>,
    ) {
        let state = |client: &Client<'_>| {
            let flags = (client.is_connected(), client.is_closed());
            (
                client.transmit().to_vec(),
                client.in_flight(),
                client.poll_timeout(),
                flags,
            )
        };
        let before = state(&self.client);
        assert_eq!(
            command(&mut self.client).expect_err("an error"),
            error.into()
        );
        assert_eq!(
            state(&self.client),
            before,
            "a failed command changed something"
        );
    }
}

/// The text of an event, with the pieces of a payload joined.
fn note(
    streamed: &mut Option<(String, usize, Vec<u8>)>,
    client: &Client<'_>,
    event: &Event<'_>,
) -> Option<String> {
    match *event {
        Event::Publish(publish) => {
            let topic = client.topic(&publish);
            Some(text::event(&Event::Publish(Publish { topic, ..publish })))
        }
        Event::PublishStart { publish, total } => {
            assert!(streamed.is_none(), "a message within a message");
            assert_eq!(publish.payload, b"");
            *streamed = Some((text::event(event), total, Vec::new()));
            None
        }
        Event::Payload { offset, data, last } => {
            let (_, total, bytes) = streamed.as_mut().expect("the beginning of a message");
            assert_eq!(offset, bytes.len());
            bytes.extend_from_slice(data);
            assert_eq!(last, bytes.len() == *total);
            let (head, _, bytes) = if last { streamed.take()? } else { return None };
            Some(text::message(&head, &bytes))
        }
        _ => Some(text::event(event)),
    }
}

// What a server says.

pub(super) const fn id(id: u16) -> PacketId {
    match PacketId::new(id) {
        Some(id) => id,
        None => panic!("zero"),
    }
}

pub(super) mod say {
    //! Packets of a server.

    use mqtt_core::wire::{
        Ack, ConnAck, Disconnect, List, Packet, Property, Publish, ReasonCode, SubAck, UnsubAck,
    };

    use super::super::text::qos as level;
    use super::{Version, id};

    pub(in super::super) fn connack() -> ConnAck<'static> {
        ConnAck::new(false, ReasonCode::Success)
    }

    /// CONNACK with session present.
    pub(in super::super) fn session() -> ConnAck<'static> {
        ConnAck::new(true, ReasonCode::Success)
    }

    /// CONNACK with properties; 5.0 only.
    pub(in super::super) fn connack_with<'a>(properties: &'a [Property<'a>]) -> ConnAck<'a> {
        ConnAck {
            properties: List::from(properties),
            ..connack()
        }
    }

    /// CONNACK with session present and properties; 5.0 only.
    pub(in super::super) fn session_with<'a>(properties: &'a [Property<'a>]) -> ConnAck<'a> {
        ConnAck {
            session_present: true,
            ..connack_with(properties)
        }
    }

    /// PUBLISH; an identifier of 0 is none.
    pub(in super::super) fn publish<'a>(
        qos: u8,
        number: u16,
        topic: &'a str,
        payload: &'a str,
    ) -> Publish<'a> {
        Publish {
            qos: level(qos),
            packet_id: (number > 0).then(|| id(number)),
            ..Publish::new(topic, payload.as_bytes())
        }
    }

    /// The same PUBLISH again.
    pub(in super::super) fn dup(publish: Publish<'_>) -> Publish<'_> {
        Publish {
            dup: true,
            ..publish
        }
    }

    pub(in super::super) fn puback(number: u16) -> Packet<'static> {
        Packet::PubAck(Ack::new(id(number)))
    }

    pub(in super::super) fn pubrec(number: u16) -> Packet<'static> {
        Packet::PubRec(Ack::new(id(number)))
    }

    pub(in super::super) fn pubrel(number: u16) -> Packet<'static> {
        Packet::PubRel(Ack::new(id(number)))
    }

    pub(in super::super) fn pubcomp(number: u16) -> Packet<'static> {
        Packet::PubComp(Ack::new(id(number)))
    }

    pub(in super::super) fn ack(number: u16, code: ReasonCode) -> Ack<'static> {
        Ack {
            code,
            ..Ack::new(id(number))
        }
    }

    pub(in super::super) fn suback(number: u16, codes: &[ReasonCode]) -> SubAck<'_> {
        SubAck {
            packet_id: id(number),
            properties: List::EMPTY,
            codes: List::from(codes),
        }
    }

    /// UNSUBACK; before 5.0 without the codes.
    pub(in super::super) fn unsuback(
        number: u16,
        version: Version,
        codes: &[ReasonCode],
    ) -> UnsubAck<'_> {
        let codes = if version == Version::V5 {
            List::from(codes)
        } else {
            List::EMPTY
        };
        UnsubAck {
            packet_id: id(number),
            properties: List::EMPTY,
            codes,
        }
    }

    pub(in super::super) fn disconnect(code: ReasonCode) -> Disconnect<'static> {
        Disconnect::new(code)
    }
}

use say::{connack, session};
