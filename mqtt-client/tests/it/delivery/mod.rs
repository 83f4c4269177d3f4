//! A sender and a receiver whose connections end at any time, and what has arrived in the end.

mod link;
mod tap;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use mqtt_client::mqtt_core::wire::{PacketId, ReasonCode};
use mqtt_client::mqtt_core::{self, Client as Core, Resource};
use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, Version};
use testkit::{Direction, End, Faults as Cuts, Proxy, Random};

#[cfg(feature = "embedded")]
pub(crate) use link::Embedded;
pub(crate) use link::{Blocking, Link, Server};
use link::{Party, Turn};
use tap::Faults;
pub(crate) use tap::Taps;

pub(crate) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
pub(crate) const LEVELS: [QoS; 2] = [QoS::AtLeastOnce, QoS::ExactlyOnce];

/// How long anything may take that should take no time.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many messages are in flight at most. Before 5.0, mosquitto drops those beyond without a word.
const IN_FLIGHT: usize = 20;

/// So many at most are sent while there is a connection, to have room for some when there is none.
const ONLINE: usize = 15;

/// So many are published before the first of them has arrived. With more, a server that saves its
/// queues would be busy with that.
const BACKLOG: usize = 50;

const TOPIC: &str = "numbers";

/// How much larger than usual the tests are to be.
pub(crate) fn factor() -> usize {
    let factor = env::var("MQTT_TEST_FACTOR");
    factor.map_or(1, |factor| factor.parse().expect("MQTT_TEST_FACTOR"))
}

/// Memory for the two clients.
pub(crate) struct Memory {
    sender: HeapStorage,
    receiver: HeapStorage,
}

impl Memory {
    /// The receiver has room for more than any server should have in flight: before 5.0 a server
    /// may send as many as it likes, and in 5.0 mosquitto 2.0.11 exceeds the Receive Maximum after
    /// a lost connection. Some messages do not fit the receive buffer, and arrive in pieces.
    pub(crate) fn new() -> Self {
        let in_flight = u16::try_from(IN_FLIGHT).unwrap();
        Self {
            sender: HeapStorage::new(1024, 64 * 1024, in_flight),
            receiver: HeapStorage::new(4096, 64 * 1024, u16::MAX),
        }
    }

    /// A sender and a receiver that have sessions at the server.
    pub(crate) fn parties<'b, L: Link<'b>>(
        &'b mut self,
        version: Version,
        qos: QoS,
        server: &Server,
    ) -> (Sender<L>, Receiver<L>) {
        let Self { sender, receiver } = self;
        let link = |id, storage| L::new(config(version, id), storage, server.clone());
        (
            Sender::new(link("sender", sender), qos),
            Receiver::new(link("receiver", receiver), qos),
        )
    }
}

fn config(version: Version, id: &str) -> Config<'_> {
    Config {
        version,
        clean_start: false,
        session_expiry: u32::MAX,
        ..Config::new(id)
    }
}

/// The payload of a message says its number, and the rest of it follows from that.
pub(crate) fn payload(number: usize) -> Vec<u8> {
    let len = match number % 16 {
        15 => 5000,
        n => 4 + 40 * n,
    };
    let fill = number.to_le_bytes()[0];
    let number = u32::try_from(number).unwrap().to_be_bytes();
    let mut payload = vec![fill; len];
    payload[..4].copy_from_slice(&number);
    payload
}

pub(crate) fn number(received: &[u8]) -> usize {
    let number = received.first_chunk().expect("a number");
    let number = usize::try_from(u32::from_be_bytes(*number)).unwrap();
    assert!(received == payload(number), "message {number} is damaged");
    number
}

/// Runs a client until `is_over`, for no longer than anything may take.
fn until<'b, P: Party>(
    what: &str,
    link: &mut impl Link<'b>,
    party: &mut P,
    mut is_over: impl FnMut(&mut P, &mut Turn<'_, 'b>) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    link.run(party, |party, turn| {
        assert!(Instant::now() < deadline, "still waiting for {what}");
        is_over(party, turn)
    });
}

/// Publishes numbered messages and knows what became of them.
pub(crate) struct Sender<L> {
    link: L,
    sent: Sent,
}

struct Sent {
    qos: QoS,
    /// The messages that `publish` took, by number.
    published: Vec<PacketId>,
    /// The messages of which nothing was heard yet.
    open: BTreeMap<PacketId, usize>,
    lost: BTreeSet<usize>,
    /// How often the server had no session.
    forgotten: usize,
    /// What was in flight whenever the server had forgotten the session.
    in_flight: BTreeSet<usize>,
}

impl<'b, L: Link<'b>> Sender<L> {
    fn new(mut link: L, qos: QoS) -> Self {
        let mut sent = Sent {
            qos,
            published: Vec::new(),
            open: BTreeMap::new(),
            lost: BTreeSet::new(),
            forgotten: 0,
            in_flight: BTreeSet::new(),
        };
        until("the sender's session", &mut link, &mut sent, |_, turn| {
            turn.core.is_connected()
        });
        Self { link, sent }
    }

    /// Notices that there is no server, and publishes for later.
    pub(crate) fn publish_offline(&mut self) {
        let Self { link, sent } = self;
        until("the end of the connection", link, sent, |sent, turn| {
            if !turn.is_open {
                sent.fill(turn.core, sent.published.len());
            }
            !turn.is_open
        });
    }

    /// Publishes one message more, and waits until all are through; its number.
    fn finish(&mut self) -> usize {
        let Self { link, sent } = self;
        let mut is_published = false;
        until("the last acknowledgement", link, sent, |sent, turn| {
            is_published = is_published || sent.publish(turn.core);
            is_published && sent.open.is_empty()
        });
        self.sent.published.len() - 1
    }
}

impl Sent {
    /// Publishes a message if there is room.
    fn publish(&mut self, core: &mut Core<'_>) -> bool {
        let number = self.published.len();
        let payload = payload(number);
        let message = Message::new(TOPIC, &payload).qos(self.qos);
        match core.publish(&message) {
            Ok(id) => {
                let id = id.expect("an identifier");
                let before = self.open.insert(id, number);
                assert_eq!(before, None, "{id} is in use");
                self.published.push(id);
                true
            }
            Err(mqtt_core::Error::Full(
                Resource::Window | Resource::Slots | Resource::Messages,
            )) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Publishes as many messages as there should be after the first `arrived` of them.
    fn fill(&mut self, core: &mut Core<'_>, arrived: usize) {
        let is_online = core.is_connected();
        let limit = if is_online { ONLINE } else { IN_FLIGHT };
        let end = arrived + BACKLOG;
        while self.open.len() < limit && self.published.len() < end && self.publish(core) {}
    }
}

impl Party for Sent {
    fn on(&mut self, event: Event<'_>, taps: &Taps) {
        let Self { open, lost, .. } = self;
        match event {
            Event::Connected(connack) if !connack.session_present => {
                self.forgotten += 1;
                let begun = taps.begun();
                let begun = open.values().filter(|number| **number < begun);
                self.in_flight.extend(begun);
            }
            Event::Published(ack) => {
                assert_eq!(ack.code, ReasonCode::Success);
                let number = open.remove(&ack.packet_id);
                number.unwrap_or_else(|| panic!("{} was not in flight", ack.packet_id));
            }
            Event::Lost(id) => {
                let number = open.remove(&id);
                lost.insert(number.unwrap_or_else(|| panic!("{id} was not in flight")));
            }
            Event::Connected(_) | Event::Disconnected(_) | Event::Writable => {}
            event => panic!("{event:?}"),
        }
    }
}

/// Knows what arrived.
pub(crate) struct Receiver<L> {
    link: L,
    received: Received,
}

struct Received {
    qos: QoS,
    is_subscribed: bool,
    /// The numbers, in the order in which they arrived.
    arrived: Vec<usize>,
    /// One more than the highest of them.
    newest: usize,
    /// The pieces of a message that arrives in pieces.
    pieces: Vec<u8>,
    /// How often the server had no session.
    forgotten: usize,
}

impl<'b, L: Link<'b>> Receiver<L> {
    fn new(link: L, qos: QoS) -> Self {
        let received = Received {
            qos,
            is_subscribed: false,
            arrived: Vec::new(),
            newest: 0,
            pieces: Vec::new(),
            forgotten: 0,
        };
        let mut receiver = Self { link, received };
        receiver.subscribe();
        receiver
    }

    /// Subscribes, on a new connection.
    pub(crate) fn subscribe(&mut self) {
        let Self { link, received } = self;
        until(
            "the end of the old connection",
            link,
            received,
            |_, turn| !turn.is_open,
        );
        received.is_subscribed = false;
        let mut is_asked = false;
        until("the subscription", link, received, |received, turn| {
            if !is_asked && turn.core.is_connected() {
                let filter = Filter::new(TOPIC, received.qos);
                turn.core.subscribe(&[filter]).unwrap();
                is_asked = true;
            }
            received.is_subscribed
        });
    }

    /// Waits for the message that was published last; false if the server has spoilt it. The server
    /// keeps the order, so that nothing else is still to come.
    fn finish(&mut self, last: usize) -> bool {
        let Self { link, received } = self;
        let mut is_spoilt = false;
        until("the last message", link, received, |received, turn| {
            if !turn.is_busy {
                is_spoilt = turn.taps.faults(number).unreleased.contains(&last);
            }
            is_spoilt || received.arrived.contains(&last)
        });
        !is_spoilt
    }
}

impl Received {
    fn arrives(&mut self, number: usize) {
        self.arrived.push(number);
        self.newest = self.newest.max(number + 1);
    }
}

impl Party for Received {
    fn on(&mut self, event: Event<'_>, _: &Taps) {
        match event {
            Event::Publish(publish) => {
                assert_eq!(publish.qos, self.qos);
                self.arrives(number(publish.payload));
            }
            Event::PublishStart { .. } => self.pieces.clear(),
            Event::Payload { offset, data, last } => {
                assert_eq!(offset, self.pieces.len());
                self.pieces.extend(data);
                if last {
                    self.arrives(number(&self.pieces));
                }
            }
            Event::Subscribed(_) => self.is_subscribed = true,
            Event::Connected(connack) => {
                self.forgotten += usize::from(!connack.session_present);
            }
            Event::Disconnected(_) | Event::Aborted => {}
            event => panic!("{event:?}"),
        }
    }
}

/// What one may know while the sender and the receiver are at work.
pub(crate) struct Progress {
    /// One more than the highest number that arrived.
    arrived: AtomicUsize,
    is_over: AtomicBool,
}

impl Progress {
    fn arrived(&self) -> usize {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Waits until so many more messages have arrived.
    pub(crate) fn wait_for_messages(&self, count: usize) {
        let end = self.arrived() + count;
        self.wait_for("messages", || self.arrived() >= end);
    }

    fn wait_for(&self, what: &str, mut check: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !check() {
            assert!(Instant::now() < deadline, "still waiting for {what}");
            assert!(!self.is_over(), "the sender or the receiver has failed");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Ends the storm when it is dropped, so that no panic leaves a thread behind.
struct Over<'a>(&'a Progress);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// Messages go from the sender to the receiver as fast as they can until `disturb` returns.
pub(crate) fn storm<'b, L: Link<'b>>(
    sender: &mut Sender<L>,
    receiver: &mut Receiver<L>,
    disturb: impl FnOnce(&Progress),
) {
    let progress = Progress {
        arrived: receiver.received.newest.into(),
        is_over: false.into(),
    };
    thread::scope(|scope| {
        let progress = &progress;
        let _over = Over(progress);
        scope.spawn(move || {
            let _over = Over(progress);
            sender.link.run(&mut sender.sent, |sent, turn| {
                sent.fill(turn.core, progress.arrived());
                if !turn.is_busy && sent.open.is_empty() {
                    // What has not arrived may be lost in a crash.
                    sent.publish(turn.core);
                }
                progress.is_over()
            });
        });
        scope.spawn(move || {
            let _over = Over(progress);
            receiver.link.run(&mut receiver.received, |received, _| {
                progress.arrived.store(received.newest, Ordering::Relaxed);
                progress.is_over()
            });
        });
        disturb(progress);
    });
}

/// A proxy that ends each connection after a random number of bytes in either direction.
pub(crate) fn cutting_proxy(server: SocketAddr) -> Proxy {
    let mut random = Random::from_env();
    Proxy::with(server, move |_| Cuts {
        up: cut(&mut random),
        down: cut(&mut random),
    })
}

/// From a part of the first packet to some hundred packets, every order of magnitude as often.
fn cut(random: &mut Random) -> Direction {
    let magnitude = random.below(14);
    Direction {
        end: Some((1 + random.below(16 << magnitude), End::Close)),
        ..Direction::default()
    }
}

/// Sends messages both ways through a proxy that cuts connections to a server on this machine.
pub(crate) fn through_cuts<'b, L: Link<'b>>(
    memory: &'b mut Memory,
    server: &Server,
    version: Version,
    qos: QoS,
) -> Outcome {
    let (mut sender, mut receiver) = memory.parties::<L>(version, qos, server);
    let address = (Ipv4Addr::LOCALHOST, server.endpoint.port);
    let proxy = cutting_proxy(address.into());
    sender.link.go(proxy.address().port());
    receiver.link.go(proxy.address().port());
    storm(&mut sender, &mut receiver, |progress| {
        progress.wait_for("cuts", || proxy.cuts() >= 100 * factor());
    });
    proxy.plan(|_| Cuts::default());
    finish(&mut sender, &mut receiver)
}

/// Waits until everything has arrived that will.
pub(crate) fn finish<'b, L: Link<'b>>(
    sender: &mut Sender<L>,
    receiver: &mut Receiver<L>,
) -> Outcome {
    while !receiver.finish(sender.finish()) {}
    Outcome::of(sender, receiver)
}

/// What became of the messages.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Those that never arrived and were not reported as lost.
    missing: BTreeSet<usize>,
    lost: BTreeSet<usize>,
    /// True if what arrived did so in the order in which it was published.
    is_in_order: bool,
    /// How often the server had no session, for the sender and for the receiver.
    forgotten: [usize; 2],
    /// What the server had before the end of a connection. If it crashed then, it may have
    /// forgotten that.
    acknowledged: BTreeSet<usize>,
    faults: Faults,
}

impl Outcome {
    /// The outcome, after the last message. It checks what no server is an excuse for.
    fn of<'b, L: Link<'b>>(sender: &Sender<L>, receiver: &Receiver<L>) -> Self {
        let (sent_taps, received_taps) = (sender.link.taps(), receiver.link.taps());
        let (sent, received) = (&sender.sent, &receiver.received);
        assert_eq!(sent.lost, sent.in_flight, "reported, and in flight");
        let (begun, published) = (sent_taps.begun(), sent.published.len());
        assert_eq!(begun, published, "all of them, and without DUP only once");
        let faults = received_taps.faults(number);
        let mut seen = BTreeSet::new();
        let (first, repeated): (Vec<usize>, Vec<_>) = received
            .arrived
            .iter()
            .partition(|number| seen.insert(**number));
        if received.qos == QoS::ExactlyOnce {
            let mut excused = [&*faults.repeated, &*faults.renamed].concat();
            for number in &repeated {
                let excuse = excused.iter().position(|excused| excused == number);
                let excuse = excuse.unwrap_or_else(|| panic!("{repeated:?} {faults:?}"));
                excused.swap_remove(excuse);
            }
        }
        let is_missing = |n: &usize| !seen.contains(n) && !sent.lost.contains(n);
        let acknowledged = sent_taps.acknowledged();
        let is_acknowledged = |n: &usize| acknowledged.contains(&sent.published[*n]);
        let numbers = 0..published;
        Self {
            missing: numbers.clone().filter(is_missing).collect(),
            lost: sent.lost.clone(),
            is_in_order: first.is_sorted(),
            forgotten: [sent.forgotten, received.forgotten],
            acknowledged: numbers.filter(is_acknowledged).collect(),
            faults,
        }
    }

    /// The server kept what it has acknowledged: everything has arrived, in order.
    pub(crate) fn check_complete(&self) {
        assert!(self.missing.is_empty(), "{self:?}");
        assert!(self.lost.is_empty(), "{self:?}");
        assert_eq!(self.forgotten, [1, 1], "{self:?}");
        self.check_order();
    }

    /// The server has crashed and may have forgotten something: the rest has arrived.
    pub(crate) fn check_after_crashes(&self) {
        assert!(self.lost.is_empty(), "{self:?}");
        assert_eq!(self.forgotten, [1, 1], "{self:?}");
        self.check_rest();
    }

    /// The server has forgotten everything several times: what was in flight was reported as lost,
    /// and the rest has arrived, in order.
    pub(crate) fn check_after_losses(&self, times: usize) {
        assert!(!self.lost.is_empty(), "{self:?}");
        assert_eq!(self.forgotten, [1 + times; 2], "{self:?}");
        self.check_rest();
        self.check_order();
    }

    fn check_rest(&self) {
        let excused = &self.acknowledged | &self.faults.unreleased;
        assert!(self.missing.is_subset(&excused), "{self:?}");
    }

    fn check_order(&self) {
        assert!(self.is_in_order, "{self:?}");
        assert!(self.faults.renamed.is_empty(), "{self:?}");
        assert!(self.faults.unreleased.is_empty(), "{self:?}");
    }
}
