//! A sender and a receiver whose connections end at any time, and what has arrived in the end.

mod tap;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use mqtt_client::blocking::{Client, Error};
use mqtt_client::mqtt_core::wire::{PacketId, ReasonCode};
use mqtt_client::mqtt_core::{self, Resource};
use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, Version};
use testkit::{Direction, End, Faults as Cuts, Proxy, Random};
use transport_tcp::{Options, TcpStream};

use tap::{Faults, Tap, Taps};

pub(crate) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
pub(crate) const LEVELS: [QoS; 2] = [QoS::AtLeastOnce, QoS::ExactlyOnce];

/// How long anything may take that should take no time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one look at a connection takes if nothing happens on it.
const TURN: Duration = Duration::from_millis(20);

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
    pub(crate) fn parties(
        &mut self,
        version: Version,
        qos: QoS,
        address: SocketAddr,
    ) -> (Sender<'_>, Receiver<'_>) {
        let Self { sender, receiver } = self;
        let link = |id, storage| Link::new(config(version, id), storage, address);
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
fn payload(number: usize) -> Vec<u8> {
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

fn number(received: &[u8]) -> usize {
    let number = received.first_chunk().expect("a number");
    let number = usize::try_from(u32::from_be_bytes(*number)).unwrap();
    assert!(received == payload(number), "message {number} is damaged");
    number
}

/// A client that connects whenever it has no connection.
struct Link<'b> {
    client: Client<'b, Tap>,
    address: SocketAddr,
    is_open: bool,
    taps: Taps,
    /// How often the server had no session.
    forgotten: usize,
}

impl<'b> Link<'b> {
    fn new(config: Config<'b>, storage: &'b mut HeapStorage, address: SocketAddr) -> Self {
        Self {
            client: Client::new(config, storage.split()),
            address,
            is_open: false,
            taps: Taps::new(config.version),
            forgotten: 0,
        }
    }

    /// Connects if need be, and polls once; true if something happened. An error may only be the
    /// end of the connection.
    fn turn(&mut self, on_event: impl FnOnce(Event<'_>, &Taps)) -> bool {
        if !self.is_open {
            let options = Options::default();
            let Ok(stream) = TcpStream::connect_to(&[self.address], &options) else {
                // There is no server at the moment.
                thread::sleep(Duration::from_millis(1));
                return false;
            };
            self.client.connect(self.taps.tap(stream)).unwrap();
            self.is_open = true;
        }
        match self.client.poll(Some(TURN)) {
            Ok(Some((event, _))) => {
                if let Event::Connected(connack) = &event {
                    self.forgotten += usize::from(!connack.session_present);
                }
                on_event(event, &self.taps);
                return true;
            }
            Ok(None) => {}
            Err(Error::Unanswered | Error::Closed | Error::Stream(_)) => self.is_open = false,
            Err(error) => panic!("{error}"),
        }
        false
    }

    /// Continues the session at another address.
    fn go(&mut self, address: SocketAddr) {
        self.client.disconnect(PATIENCE).unwrap();
        self.is_open = false;
        self.address = address;
    }
}

/// Publishes numbered messages and knows what became of them.
pub(crate) struct Sender<'b> {
    link: Link<'b>,
    qos: QoS,
    /// The messages that `publish` took, by number.
    published: Vec<PacketId>,
    /// The messages of which nothing was heard yet.
    open: BTreeMap<PacketId, usize>,
    lost: BTreeSet<usize>,
    /// What was in flight whenever the server had forgotten the session.
    in_flight: BTreeSet<usize>,
}

impl<'b> Sender<'b> {
    fn new(link: Link<'b>, qos: QoS) -> Self {
        let mut sender = Self {
            link,
            qos,
            published: Vec::new(),
            open: BTreeMap::new(),
            lost: BTreeSet::new(),
            in_flight: BTreeSet::new(),
        };
        until("the sender's session", || {
            sender.turn();
            sender.link.client.core().is_connected()
        });
        sender
    }

    /// Notices that there is no server, and publishes for later.
    pub(crate) fn publish_offline(&mut self) {
        until("the end of the connection", || {
            self.turn();
            !self.link.is_open
        });
        self.fill(self.published.len());
    }

    /// Publishes a message if there is room.
    fn publish(&mut self) -> bool {
        let number = self.published.len();
        let payload = payload(number);
        let message = Message::new(TOPIC, &payload).qos(self.qos);
        match self.link.client.core().publish(&message) {
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
    fn fill(&mut self, arrived: usize) {
        let is_online = self.link.client.core().is_connected();
        let limit = if is_online { ONLINE } else { IN_FLIGHT };
        let end = arrived + BACKLOG;
        while self.open.len() < limit && self.published.len() < end && self.publish() {}
    }

    fn turn(&mut self) -> bool {
        let Self {
            link,
            open,
            lost,
            in_flight,
            ..
        } = self;
        link.turn(|event, taps| match event {
            Event::Connected(connack) if !connack.session_present => {
                let begun = taps.begun();
                in_flight.extend(open.values().filter(|number| **number < begun));
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
        })
    }

    /// Publishes one message more, and waits until all are through; its number.
    fn finish(&mut self) -> usize {
        until("room for the last message", || {
            self.turn();
            self.publish()
        });
        until("the last acknowledgement", || {
            self.turn();
            self.open.is_empty()
        });
        self.published.len() - 1
    }
}

/// Knows what arrived.
pub(crate) struct Receiver<'b> {
    link: Link<'b>,
    qos: QoS,
    is_subscribed: bool,
    /// The numbers, in the order in which they arrived.
    arrived: Vec<usize>,
    /// One more than the highest of them.
    newest: usize,
    /// The pieces of a message that arrives in pieces.
    pieces: Vec<u8>,
}

impl<'b> Receiver<'b> {
    fn new(link: Link<'b>, qos: QoS) -> Self {
        let mut receiver = Self {
            link,
            qos,
            is_subscribed: false,
            arrived: Vec::new(),
            newest: 0,
            pieces: Vec::new(),
        };
        receiver.subscribe();
        receiver
    }

    /// Subscribes, on a new connection.
    pub(crate) fn subscribe(&mut self) {
        until("the end of the old connection", || {
            let is_open = self.link.is_open;
            if is_open {
                self.turn();
            }
            !is_open
        });
        until("a connection of the receiver", || {
            self.turn();
            self.link.client.core().is_connected()
        });
        let filter = Filter::new(TOPIC, self.qos);
        self.link.client.core().subscribe(&[filter]).unwrap();
        self.is_subscribed = false;
        until("the subscription", || {
            self.turn();
            self.is_subscribed
        });
    }

    fn turn(&mut self) -> bool {
        let Self {
            link,
            qos,
            is_subscribed,
            arrived,
            newest,
            pieces,
        } = self;
        let is_news = link.turn(|event, _| match event {
            Event::Publish(publish) => {
                assert_eq!(publish.qos, *qos);
                arrived.push(number(publish.payload));
            }
            Event::PublishStart { .. } => pieces.clear(),
            Event::Payload { offset, data, last } => {
                assert_eq!(offset, pieces.len());
                pieces.extend(data);
                if last {
                    arrived.push(number(pieces));
                }
            }
            Event::Subscribed(_) => *is_subscribed = true,
            Event::Connected(_) | Event::Disconnected(_) | Event::Aborted => {}
            event => panic!("{event:?}"),
        });
        if let Some(last) = arrived.last() {
            *newest = (*newest).max(last + 1);
        }
        is_news
    }

    /// Waits for the message that was published last; false if the server has spoilt it. The server
    /// keeps the order, so that nothing else is still to come.
    fn finish(&mut self, last: usize) -> bool {
        let mut is_spoilt = false;
        until("the last message", || {
            if !self.turn() {
                is_spoilt = self.link.taps.faults(number).unreleased.contains(&last);
            }
            is_spoilt || self.arrived.contains(&last)
        });
        !is_spoilt
    }
}

fn until(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < deadline, "still waiting for {what}");
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
        until(what, || {
            assert!(!self.is_over(), "the sender or the receiver has failed");
            thread::sleep(Duration::from_millis(1));
            check()
        });
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
pub(crate) fn storm(
    sender: &mut Sender<'_>,
    receiver: &mut Receiver<'_>,
    disturb: impl FnOnce(&Progress),
) {
    let progress = Progress {
        arrived: receiver.newest.into(),
        is_over: false.into(),
    };
    thread::scope(|scope| {
        let progress = &progress;
        let _over = Over(progress);
        scope.spawn(move || {
            let _over = Over(progress);
            while !progress.is_over() {
                sender.fill(progress.arrived());
                let is_idle = !sender.turn() && sender.open.is_empty();
                if is_idle {
                    // What has not arrived may be lost in a crash.
                    sender.publish();
                }
            }
        });
        scope.spawn(move || {
            let _over = Over(progress);
            while !progress.is_over() {
                receiver.turn();
                progress.arrived.store(receiver.newest, Ordering::Relaxed);
            }
        });
        disturb(progress);
    });
}

/// A proxy that ends each connection after a random number of bytes in either direction.
fn cutting_proxy(server: SocketAddr) -> Proxy {
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

/// Sends messages both ways through a proxy that cuts connections.
pub(crate) fn through_cuts(server: SocketAddr, version: Version, qos: QoS) -> Outcome {
    let mut memory = Memory::new();
    let (mut sender, mut receiver) = memory.parties(version, qos, server);
    let proxy = cutting_proxy(server);
    sender.link.go(proxy.address());
    receiver.link.go(proxy.address());
    storm(&mut sender, &mut receiver, |progress| {
        progress.wait_for("cuts", || proxy.cuts() >= 100 * factor());
    });
    proxy.plan(|_| Cuts::default());
    finish(&mut sender, &mut receiver)
}

/// Waits until everything has arrived that will.
pub(crate) fn finish(sender: &mut Sender<'_>, receiver: &mut Receiver<'_>) -> Outcome {
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
    fn of(sender: &Sender<'_>, receiver: &Receiver<'_>) -> Self {
        assert_eq!(sender.lost, sender.in_flight, "reported, and in flight");
        let (begun, published) = (sender.link.taps.begun(), sender.published.len());
        assert_eq!(begun, published, "all of them, and without DUP only once");
        let faults = receiver.link.taps.faults(number);
        let mut seen = BTreeSet::new();
        let (first, repeated): (Vec<usize>, Vec<_>) = receiver
            .arrived
            .iter()
            .partition(|number| seen.insert(**number));
        if receiver.qos == QoS::ExactlyOnce {
            let mut excused = [&*faults.repeated, &*faults.renamed].concat();
            for number in &repeated {
                let excuse = excused.iter().position(|excused| excused == number);
                let excuse = excuse.unwrap_or_else(|| panic!("{repeated:?} {faults:?}"));
                excused.swap_remove(excuse);
            }
        }
        let is_missing = |n: &usize| !seen.contains(n) && !sender.lost.contains(n);
        let acknowledged = sender.link.taps.acknowledged();
        let is_acknowledged = |n: &usize| acknowledged.contains(&sender.published[*n]);
        let numbers = 0..published;
        Self {
            missing: numbers.clone().filter(is_missing).collect(),
            lost: sender.lost.clone(),
            is_in_order: first.is_sorted(),
            forgotten: [sender.link.forgotten, receiver.link.forgotten],
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
