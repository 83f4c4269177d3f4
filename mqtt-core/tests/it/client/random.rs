//! Random commands, answers, cuts and reconnects in little memory, against the model broker.

use std::collections::BTreeMap;

use mqtt_core::wire::{Filter, PacketId, QoS, Version};
use mqtt_core::{
    Acknowledgement, Buffers, Client, Config, Error, Event, Inbound, Instant, Message, RxBuf, Slot,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::broker::{Broker, Note};
use super::pair::{Rng, V311};
use super::text::qos;

#[derive(Clone, Copy, Debug)]
struct World {
    version: Version,
    manual: bool,
    rx: usize,
    tx: usize,
    slots: usize,
    inbound: usize,
    /// False if the server forgets the session now and then.
    always_kept: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish {
        qos: u8,
        len: usize,
    },
    Subscribe,
    Unsubscribe,
    /// So many bytes reach the broker.
    Send(usize),
    /// So many bytes reach the client.
    Receive(usize),
    Tick(u64),
    Acknowledge(usize),
    Answer {
        which: usize,
        refuse: bool,
    },
    BrokerPublish {
        qos: u8,
        len: usize,
    },
    Reconnect {
        keep: bool,
        receive_maximum: u16,
        rest: bool,
    },
    Disconnect,
}

fn world() -> impl Strategy<Value = World> {
    let version = prop_oneof![Just(Version::V311), Just(Version::V5)];
    let sizes = (30..120usize, 64..600usize, 1..9usize, 1..6usize);
    (version, any::<bool>(), sizes, any::<bool>()).prop_map(
        |(version, manual, (rx, tx, slots, inbound), always_kept)| World {
            version,
            manual,
            rx,
            tx,
            slots,
            inbound,
            always_kept,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let n = || prop_oneof![1..10usize, 1..400usize];
    let which = || prop_oneof![Just(0), 0..8usize];
    prop_oneof![
        8 => (0..3u8, 0..120usize).prop_map(|(qos, len)| Step::Publish { qos, len }),
        1 => Just(Step::Subscribe),
        1 => Just(Step::Unsubscribe),
        9 => n().prop_map(Step::Send),
        9 => n().prop_map(Step::Receive),
        1 => (0..6_000u64).prop_map(Step::Tick),
        4 => which().prop_map(Step::Acknowledge),
        9 => (which(), prop::bool::weighted(0.1))
            .prop_map(|(which, refuse)| Step::Answer { which, refuse }),
        5 => (0..3u8, 0..120usize).prop_map(|(qos, len)| Step::BrokerPublish { qos, len }),
        1 => (prop::bool::weighted(0.7), 1..9u16, any::<bool>()).prop_map(
            |(keep, receive_maximum, rest)| Step::Reconnect { keep, receive_maximum, rest }
        ),
        1 => prop::bool::weighted(0.1).prop_map(|now| {
            if now { Step::Disconnect } else { Step::Send(1000) }
        }),
    ]
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Published,
    Refused,
    Lost,
}

struct Sim<'b> {
    world: World,
    client: Client<'b>,
    rx: RxBuf<'b>,
    broker: Broker,
    now: u64,
    number: u32,
    // What the application has handed over.
    in_flight: BTreeMap<PacketId, Option<(Note, QoS)>>,
    ended: BTreeMap<Note, (QoS, End)>,
    // What it has received.
    unacknowledged: Vec<(PacketId, QoS)>,
    received: BTreeMap<Note, (QoS, usize)>,
    first: Option<Note>,
    streamed: Option<(Note, QoS, Option<PacketId>, Vec<u8>)>,
}

impl Sim<'_> {
    fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn note(&mut self, len: usize) -> Note {
        self.number += 1;
        Note {
            number: self.number,
            len,
        }
    }

    fn take_id(&mut self, id: PacketId, what: Option<(Note, QoS)>) {
        assert_eq!(
            self.in_flight.insert(id, what),
            None,
            "identifier {id} is in use"
        );
    }

    /// Runs a command that, if it fails, must not have changed anything.
    fn command<T>(
        &mut self,
        command: impl FnOnce(&mut Client<'_>) -> Result<T, Error>,
    ) -> Option<T> {
        let state = |client: &Client<'_>| {
            (
                client.transmit().to_vec(),
                client.in_flight(),
                client.poll_timeout(),
            )
        };
        let before = state(&self.client);
        match command(&mut self.client) {
            Ok(result) => Some(result),
            Err(Error::Full(_) | Error::Usage(_)) => {
                assert_eq!(
                    before,
                    state(&self.client),
                    "a failed command changed something"
                );
                None
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish { qos: level, len } => {
                let note = self.note(len);
                let (topic, payload) = (note.topic(), note.payload());
                let message = Message::new(&topic, &payload).qos(qos(level));
                if let Some(Some(id)) = self.command(|client| client.publish(&message)) {
                    self.take_id(id, Some((note, qos(level))));
                }
            }
            Step::Subscribe => {
                let filter = [Filter::new("t", qos(0))];
                if let Some(id) = self.command(|client| client.subscribe(&filter)) {
                    self.take_id(id, None);
                }
            }
            Step::Unsubscribe => {
                if let Some(id) = self.command(|client| client.unsubscribe(&["t"])) {
                    self.take_id(id, None);
                }
            }
            Step::Send(n) => self.send(n),
            Step::Receive(n) => self.receive(n),
            Step::Tick(millis) => {
                self.now += millis;
                self.poll();
            }
            Step::Acknowledge(which) => {
                if !self.unacknowledged.is_empty() {
                    let which = which % self.unacknowledged.len();
                    let (id, _) = self.unacknowledged.remove(which);
                    self.client.acknowledge(id).unwrap();
                }
            }
            Step::Answer { which, refuse } => self.broker.answer(which, refuse),
            Step::BrokerPublish { qos: level, len } => {
                let note = self.note(len);
                self.broker.publish(note, qos(level));
            }
            Step::Reconnect {
                keep,
                receive_maximum,
                rest,
            } => {
                if rest {
                    self.send(usize::MAX);
                }
                self.reconnect(keep || self.world.always_kept, receive_maximum);
            }
            Step::Disconnect => {
                if self.command(|client| client.disconnect()).is_some() {
                    self.send(usize::MAX);
                    assert!(self.client.is_closed());
                    self.reconnect(true, u16::MAX);
                }
            }
        }
        let messages = self
            .in_flight
            .values()
            .filter(|what| what.is_some())
            .count();
        assert!(
            usize::from(self.client.in_flight()) <= messages,
            "in flight"
        );
    }

    fn reconnect(&mut self, keep: bool, receive_maximum: u16) {
        self.client.connection_lost();
        self.broker.connection_lost();
        self.rx.clear();
        // Of these the server sends a new copy.
        self.unacknowledged
            .retain(|&(_, qos)| qos == QoS::ExactlyOnce);
        self.broker.keep_session = keep;
        self.broker.receive_maximum = receive_maximum;
        self.client.connect(self.now()).unwrap();
    }

    fn send(&mut self, n: usize) {
        let mut left = n;
        while left > 0 && !self.client.transmit().is_empty() {
            let bytes = self.client.transmit();
            let n = left.min(bytes.len());
            self.broker.receive(&bytes[..n]);
            self.client.transmitted(n, Instant::from_millis(self.now));
            left -= n;
        }
    }

    fn receive(&mut self, n: usize) {
        let space = self.rx.space();
        let n = n.min(space.len()).min(self.broker.output.len());
        space[..n].copy_from_slice(&self.broker.output[..n]);
        self.rx.filled(n);
        drop(self.broker.output.drain(..n));
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            let now = Instant::from_millis(self.now);
            match self.rx.poll(&mut self.client, now) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    // The fields that an event concerns, but not what it borrows.
                    let mut app = App {
                        in_flight: &mut self.in_flight,
                        ended: &mut self.ended,
                        unacknowledged: &mut self.unacknowledged,
                        received: &mut self.received,
                        first: &mut self.first,
                        streamed: &mut self.streamed,
                        has_session: &mut self.broker.has_session,
                        world: self.world,
                    };
                    app.event(&event);
                }
                Err(Error::Timeout(_)) => return self.reconnect(true, u16::MAX),
                Err(error) => panic!("{error:?}"),
            }
        }
        if self.client.transmit().is_empty() {
            assert!(
                self.client
                    .poll_timeout()
                    .is_none_or(|deadline| deadline > self.now())
            );
        }
    }

    /// A last connection on which everything ends well.
    fn finish(&mut self) {
        self.reconnect(true, u16::MAX);
        for round in 0.. {
            assert!(round < 10_000, "it does not end");
            self.send(usize::MAX);
            self.broker.answer(0, false);
            self.receive(usize::MAX);
            while !self.unacknowledged.is_empty() {
                self.step(Step::Acknowledge(0));
            }
            if self.client.transmit().is_empty() && self.broker.is_idle() {
                self.poll();
                if self.client.transmit().is_empty() && self.client.in_flight() == 0 {
                    break;
                }
            }
        }
        assert!(self.in_flight.is_empty(), "{:?}", self.in_flight);
        for (note, &(level, end)) in &self.ended {
            let copies = self.broker.copies.get(note).copied().unwrap_or(0);
            let context = format!("{note:?} {level:?} {end:?}");
            match end {
                End::Published => assert!(copies >= 1, "{context}"),
                End::Refused => {}
                End::Lost => assert!(!self.world.always_kept, "{context}"),
            }
            assert!(level == QoS::AtLeastOnce || copies <= 1, "{context}");
        }
        for (note, &(level, copies)) in &self.received {
            assert!(
                level == QoS::AtLeastOnce || copies == 1,
                "{note:?} {level:?} {copies}"
            );
        }
    }
}

/// The part of the application that deals with events.
struct App<'a> {
    in_flight: &'a mut BTreeMap<PacketId, Option<(Note, QoS)>>,
    ended: &'a mut BTreeMap<Note, (QoS, End)>,
    unacknowledged: &'a mut Vec<(PacketId, QoS)>,
    received: &'a mut BTreeMap<Note, (QoS, usize)>,
    first: &'a mut Option<Note>,
    streamed: &'a mut Option<(Note, QoS, Option<PacketId>, Vec<u8>)>,
    /// What the broker may rely on the client to know.
    has_session: &'a mut bool,
    world: World,
}

impl App<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Connected(connack) => {
                *self.has_session = true;
                if !connack.session_present {
                    self.unacknowledged.clear();
                }
            }
            Event::Publish(publish) => {
                self.message(Note::read(&publish), publish.qos, publish.packet_id);
            }
            Event::PublishStart { publish, total } => {
                let note = Note::parse(publish.topic);
                assert_eq!(note.len, total);
                assert!(self.streamed.is_none());
                *self.streamed = Some((note, publish.qos, publish.packet_id, Vec::new()));
            }
            Event::Payload { offset, data, last } => {
                let (note, qos, id, bytes) = self.streamed.as_mut().unwrap();
                assert_eq!(offset, bytes.len());
                bytes.extend_from_slice(data);
                assert_eq!(last, bytes.len() == note.len);
                if last {
                    assert_eq!(*bytes, note.payload());
                    let (note, qos, id) = (*note, *qos, *id);
                    *self.streamed = None;
                    self.message(note, qos, id);
                }
            }
            Event::Aborted => assert!(self.streamed.take().is_some()),
            Event::Published(ack) => {
                let what = self
                    .in_flight
                    .remove(&ack.packet_id)
                    .expect("a known identifier");
                let (note, qos) = what.expect("a message");
                let end = if ack.code.is_error() {
                    End::Refused
                } else {
                    End::Published
                };
                assert_eq!(self.ended.insert(note, (qos, end)), None);
            }
            Event::Lost(id) => {
                if let Some((note, qos)) = self.in_flight.remove(&id).expect("a known identifier") {
                    assert_eq!(self.ended.insert(note, (qos, End::Lost)), None);
                }
            }
            Event::Subscribed(ack) => {
                assert_eq!(self.in_flight.remove(&ack.packet_id), Some(None));
            }
            Event::Unsubscribed(ack) => {
                assert_eq!(self.in_flight.remove(&ack.packet_id), Some(None));
            }
            Event::Writable => {}
            _ => panic!("{event:?}"),
        }
    }

    fn message(&mut self, note: Note, qos: QoS, id: Option<PacketId>) {
        let (_, copies) = self.received.entry(note).or_insert((qos, 0));
        *copies += 1;
        if *copies == 1 {
            // [MQTT-4.6.0-5]: in order, but for repetitions.
            assert!(*self.first < Some(note), "{note:?} after {:?}", self.first);
            *self.first = Some(note);
        }
        if let (Some(id), true) = (id, self.world.manual) {
            self.unacknowledged.push((id, qos));
        }
    }
}

fn simulate(world: World, steps: impl IntoIterator<Item = Step>) {
    let mut rx = vec![0; world.rx];
    let mut tx = vec![0; world.tx];
    let mut slots = vec![Slot::EMPTY; world.slots];
    let mut inbound = vec![Inbound::EMPTY; world.inbound];
    let config = Config {
        version: world.version,
        clean_start: false,
        session_expiry: if world.version == V311 { 0 } else { u32::MAX },
        keep_alive: 10,
        acknowledgement: if world.manual {
            Acknowledgement::Manual
        } else {
            Acknowledgement::Automatic
        },
        ..Config::new("c")
    };
    let buffers = Buffers {
        tx: &mut tx,
        slots: &mut slots,
        inbound: &mut inbound,
        aliases_in: &mut [],
        aliases_out: &mut [],
    };
    let mut broker = Broker::new(world.version, world.inbound);
    broker.ordered_pubrecs = !world.manual;
    let mut sim = Sim {
        world,
        client: Client::new(config, buffers),
        rx: RxBuf::new(&mut rx),
        broker,
        now: 0,
        number: 0,
        in_flight: BTreeMap::new(),
        ended: BTreeMap::new(),
        unacknowledged: Vec::new(),
        received: BTreeMap::new(),
        first: None,
        streamed: None,
    };
    sim.client.connect(sim.now()).unwrap();
    for step in steps {
        sim.step(step);
    }
    sim.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: every message arrives as often as its QoS says, unchanged, in order, and
    /// the application is told once what became of it.
    #[test]
    fn every_message_is_accounted_for(world in world(), steps in vec(step(), 0..300)) {
        simulate(world, steps);
    }
}

/// A long life of publishing and acknowledging out of order, through arenas of all sizes.
#[test]
#[expect(clippy::print_stdout, reason = "only shown when the test fails")]
fn a_long_life() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut rng = Rng(seed);
        let world = World {
            version: [Version::V311, Version::V5][rng.below(2)],
            manual: false,
            rx: 64,
            tx: 64 + rng.below(600),
            slots: 1 + rng.below(20),
            inbound: 1,
            always_kept: true,
        };
        let steps = (0..2_000).map(|_| match rng.below(6) {
            0 | 1 => {
                let qos = u8::try_from(rng.below(3)).unwrap();
                Step::Publish {
                    qos,
                    len: rng.below(120),
                }
            }
            2 => Step::Send(1 + rng.below(200)),
            3 => Step::Receive(100),
            _ => {
                let which = if rng.one_in(2) { 0 } else { rng.below(20) };
                Step::Answer {
                    which,
                    refuse: rng.one_in(20),
                }
            }
        });
        simulate(world, steps.collect::<Vec<_>>());
    }
}
