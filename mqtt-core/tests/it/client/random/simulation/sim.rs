//! The state machine: client, wire, stable storage and broker, and a clock.

use std::collections::BTreeSet;

use mqtt_core::wire::{
    Ack, Filter, List, Packet, PacketId, PacketType, Property, Publish, QoS, Version,
};
use mqtt_core::{
    Acknowledgement, Buffers, Client, Config, Durability, Error, Inbound, Instant, Message, Record,
    Resource, RxBuf, Slot, UsageError,
};

use super::app::{App, refusal};
use super::broker::{Broker, Seen, Terms};
use super::heads::heads;
use super::model::{Model, Outbound};
use super::note::{MAX_TOPIC, Note};
use super::storage::Storage;
use super::{Step, World, qos};

/// What a client works in; it comes back zeroed after a loss of power.
struct Memory {
    rx: Vec<u8>,
    tx: Vec<u8>,
    slots: Vec<Slot>,
    inbound: Vec<Inbound>,
    aliases_in: Vec<u8>,
    aliases_out: Vec<u8>,
}

impl Memory {
    fn new(world: World) -> Self {
        Self {
            rx: vec![0; world.rx],
            tx: vec![0; world.tx],
            slots: vec![Slot::EMPTY; world.slots],
            inbound: vec![Inbound::EMPTY; world.inbound],
            aliases_in: vec![0; usize::from(world.aliases_in) * (4 + MAX_TOPIC)],
            aliases_out: vec![0; world.aliases_out],
        }
    }
}

fn config(world: World, clean_start: bool) -> Config<'static> {
    Config {
        version: world.version,
        clean_start,
        session_expiry: if world.is_v5() { u32::MAX } else { 0 },
        keep_alive: 10,
        topic_alias_maximum: world.aliases_in,
        automatic_topic_aliases: world.automatic_aliases,
        acknowledgement: if world.manual {
            Acknowledgement::Manual
        } else {
            Acknowledgement::Automatic
        },
        durability: if world.durable {
            Durability::WriteAhead
        } else {
            Durability::Ram
        },
        ..Config::new(if world.assigned { "" } else { "c" })
    }
}

/// The room for messages, at least.
fn arena(world: World) -> usize {
    world.tx - (world.tx / 4).max(40)
}

/// What a loss of power leaves.
struct State {
    world: World,
    broker: Broker,
    model: Model,
    app: App,
    storage: Storage,
    now: u64,
    /// When the client was started.
    started: u64,
    number: u32,
    /// The client has forgotten its session, and asks the server to do so as well.
    clean: bool,
}

impl State {
    fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    /// The time as the client counts it.
    fn seconds(&self) -> u32 {
        u32::try_from((self.now - self.started) / 1000).unwrap()
    }

    fn note(&mut self, len: usize) -> Note {
        self.number += 1;
        Note {
            number: self.number,
            len,
        }
    }

    /// Tells the model what the broker has seen.
    fn observe(&mut self) {
        let now = self.seconds();
        for seen in self.broker.seen.drain(..) {
            match seen {
                Seen::Arrived(note, arrival) => self.model.arrived(note, &arrival, now),
                Seen::PassedOn(note) => self.model.passed_on(note),
                Seen::TurnedDown(note) => self.model.turned_down(note),
                Seen::Acknowledged(note, accepted) => self.model.acknowledged(note, accepted),
                Seen::Dropped(note) => self.model.dropped(note),
            }
        }
    }

    /// A record is on stable storage.
    fn record(&mut self, record: &Record<'_>) {
        self.storage.append(record);
        match *record {
            Record::Connected {
                session_present, ..
            } => {
                self.model.connection_recorded(session_present);
                (self.app.unrecorded_loss, self.app.unrecorded_connection) = (false, false);
            }
            Record::Publish { id, packet, .. } => {
                self.model.recorded(id, qos(packet[0] >> 1 & 0b11));
            }
            Record::Disconnected => self.model.disconnection_recorded(),
            Record::Unsent(id) => self.model.unsent_recorded(id),
            Record::Done(id) => self.model.done(id),
            Record::Received(id) => self.model.took_effect(self.app.received[&id]),
            _ => {}
        }
    }

    fn power_cut(&mut self, terms: Terms) {
        if self.app.unrecorded_loss {
            // Nobody knows any more that the session of before is gone. The next one that the
            // server opens tells.
            self.broker.has_session = false;
        }
        self.broker.connection_lost(terms);
        let live = if self.world.durable {
            self.storage.session.live()
        } else {
            self.clean = true;
            BTreeSet::new()
        };
        self.model.power_cut(&live);
        self.app.power_cut();
        self.started = self.now;
    }
}

struct Sim<'b, 's> {
    client: Client<'b>,
    rx: RxBuf<'b>,
    s: &'s mut State,
}

impl Sim<'_, '_> {
    /// Runs a command that, if it fails, must not have changed anything.
    fn command<T>(
        &mut self,
        command: impl FnOnce(&mut Client<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let state = |client: &Client<'_>| {
            (
                client.transmit().is_empty(),
                client.payload(),
                client.journal().count(),
                client.messages().count(),
                client.send_quota(),
                client.in_flight(),
                client.poll_timeout(),
            )
        };
        let before = state(&self.client);
        let bytes = self.client.transmit().to_vec();
        let result = command(&mut self.client);
        if let Err(error) = result {
            assert!(!error.is_fatal(), "{error:?}");
            let after = state(&self.client);
            assert_eq!(before, after, "a failed command changed something");
            // Where they lie may change, and with that how many of them one slice can lend.
            let now = self.client.transmit();
            let n = bytes.len().min(now.len());
            assert_eq!(
                bytes[..n],
                now[..n],
                "a failed command changed what is sent"
            );
            self.s.app.wants_room |= matches!(error, Error::Full(_));
        }
        result
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish {
                qos: level,
                len,
                lent,
                interval,
                alias,
            } => self.publish(qos(level), len, lent, interval, alias),
            Step::Subscribe => {
                let filter = [Filter::new("t", qos(0))];
                if let Ok(id) = self.command(|client| client.subscribe(&filter)) {
                    self.s.model.requested(id);
                }
            }
            Step::Unsubscribe => {
                if let Ok(id) = self.command(|client| client.unsubscribe(&["t"])) {
                    self.s.model.requested(id);
                }
            }
            Step::Send(n) if self.s.app.is_over => {
                self.send(usize::MAX);
                assert!(self.client.is_closed());
                self.reconnect(Terms::BEST, n % 2 == 0);
            }
            Step::Send(n) => self.send(n),
            Step::Receive(n, times) => self.receive(n, times),
            Step::Tick(millis) => {
                self.s.now += millis;
                self.poll(usize::MAX);
            }
            Step::Acknowledge {
                which,
                refuse,
                with_reason,
            } => self.acknowledge(which, refuse, with_reason),
            Step::Answer { which, refuse } => self.s.broker.answer(which, refuse),
            Step::BrokerPublish {
                qos: level,
                len,
                with_alias,
            } => {
                let note = self.s.note(len);
                if self.s.broker.publish(note, qos(level), with_alias) {
                    self.s.model.sent(note, qos(level));
                } else {
                    self.s.number -= 1;
                }
            }
            Step::Journal(n) => self.journal(n),
            Step::Compact => {
                if self.s.world.durable && self.client.journal().next().is_none() {
                    self.s.storage.compact(&self.client);
                }
            }
            Step::Reconnect { terms, rest, later } => {
                if rest {
                    self.send(usize::MAX);
                }
                self.reconnect(terms, later);
            }
            Step::Disconnect(terms) => {
                if self.command(|client| client.disconnect()).is_ok() {
                    self.send(usize::MAX);
                    assert!(self.client.is_closed());
                    self.reconnect(terms, false);
                }
            }
            Step::BrokerDisconnect => self.s.broker.disconnect(),
            Step::Run(rounds) => (0..rounds).for_each(|_| self.round()),
            Step::PowerCut { .. } => unreachable!("the end of this client"),
        }
        self.s.observe();
        self.check();
    }

    /// What is true at any time.
    fn check(&mut self) {
        let in_flight = usize::from(self.client.in_flight());
        assert!(in_flight <= self.s.model.in_flight(), "in flight");
        let mut last = None;
        for publish in self.client.messages() {
            let note = self.s.model.note(publish.packet_id.unwrap());
            assert!(last < Some(note), "{note:?} after {last:?}");
            last = Some(note);
        }
        if !self.s.world.durable {
            assert_eq!(self.client.journal().next(), None);
        }
    }

    fn publish(&mut self, level: QoS, len: usize, lent: bool, interval: Option<u32>, alias: u16) {
        let World {
            version,
            automatic_aliases,
            ..
        } = self.s.world;
        let note = self.s.note(len);
        let (full, payload) = (note.topic(), note.payload());
        let mut topic = full.as_str();
        let mut properties = Vec::new();
        let interval = interval.filter(|_| version == Version::V5);
        properties.extend(interval.map(Property::MessageExpiryInterval));
        if version == Version::V5 && alias > 0 {
            properties.push(Property::TopicAlias(alias));
            // What the client does by itself may give the alias another meaning.
            if self.s.app.aliases.get(&alias) == Some(&full) && !automatic_aliases {
                topic = "";
            }
        }
        let packet_id = PacketId::new(1).filter(|_| level != QoS::AtMostOnce);
        let packet = Packet::from(Publish {
            qos: level,
            packet_id,
            properties: List::from(&properties[..]),
            ..Publish::new(topic, &payload)
        });
        let packet_len = packet.encoded_len(version).unwrap();
        // What it becomes when it is sent again.
        let lasting: Vec<_> = interval
            .map(Property::MessageExpiryInterval)
            .into_iter()
            .collect();
        let whole = Packet::from(Publish {
            qos: level,
            packet_id,
            properties: List::from(&lasting[..]),
            ..Publish::new(&full, &payload)
        });
        let whole_len = whole.encoded_len(version).unwrap();
        let quota = self.client.send_quota();
        let message = Message {
            topic,
            payload: if lent { &[] } else { &payload },
            qos: level,
            retain: false,
            properties: &properties,
        };
        let result = if lent {
            self.command(|client| client.publish_lent(&message, len).map(Some))
        } else {
            self.command(|client| client.publish(&message))
        };
        let is_kept = level != QoS::AtMostOnce;
        match result {
            Ok(id) => {
                assert_eq!(id.is_some(), is_kept || lent);
                assert!(quota > 0 || !is_kept, "beyond the quota");
                let since = self.s.seconds();
                let what = Outbound {
                    qos: level,
                    lent,
                    len: whole_len,
                    interval,
                    since,
                    connection: self.s.model.connection(),
                };
                if let Some(id) = id.filter(|_| self.s.world.durable) {
                    let is_live = self.s.storage.session.is_live(id);
                    assert!(!is_live, "identifier {id} is in the journal");
                }
                self.s.model.accepted(note, id, what);
                if version == Version::V5 && alias > 0 {
                    self.s.app.aliases.insert(alias, full);
                }
            }
            Err(error) => {
                self.s.number -= 1;
                let terms = &self.s.broker.terms;
                let has_terms = version == Version::V5;
                // Without what stays with us, and with what the client notes beside it.
                let notes = 10 + if alias > 0 { full.len() } else { 0 };
                let stored = packet_len + notes - if lent { len } else { 0 };
                let is_justified = match error {
                    Error::Full(Resource::Window) => quota == 0 && is_kept,
                    Error::Full(Resource::Slots) => quota == 0,
                    Error::Full(Resource::Messages) => true,
                    Error::Usage(UsageError::NotConnected) => !is_kept && !self.s.app.is_online,
                    Error::Usage(UsageError::MaximumQoS) => has_terms && level > terms.maximum_qos,
                    Error::Usage(UsageError::MaximumPacketSize) => {
                        has_terms && packet_len > terms.maximum_packet_size as usize
                    }
                    Error::Usage(UsageError::TopicAlias) => alias > 0,
                    Error::Usage(UsageError::BufferTooSmall) => stored > arena(self.s.world),
                    _ => false,
                };
                assert!(is_justified, "{error:?}: {note:?} {level:?}, quota {quota}");
            }
        }
    }

    fn acknowledge(&mut self, which: usize, refuse: bool, with_reason: bool) {
        let World {
            version, manual, ..
        } = self.s.world;
        let waiting = &self.s.app.unacknowledged;
        if waiting.is_empty() || !manual {
            return;
        }
        let which = which % waiting.len();
        let received = waiting[which];
        let is_v5 = version == Version::V5;
        let refuse = refuse && is_v5;
        let properties = [Property::ReasonString("because")];
        let ack = Ack {
            properties: if with_reason && is_v5 {
                List::from(&properties)
            } else {
                List::EMPTY
            },
            ..if refuse {
                refusal(received.id)
            } else {
                Ack::new(received.id)
            }
        };
        match self.command(|client| client.acknowledge_with(&ack)) {
            Ok(()) => {
                self.s.app.unacknowledged.remove(which);
                if refuse {
                    self.s.model.refused(received.note);
                } else {
                    self.s.model.dealt_with(received.note);
                }
            }
            // It is not acknowledged, then.
            Err(error) => assert!(!ack.properties.is_empty(), "{error:?} for {received:?}"),
        }
    }

    fn journal(&mut self, n: usize) {
        // It is to be looked at when there are no more events.
        self.poll(usize::MAX);
        let n = self.write(n);
        self.client.journaled(n);
    }

    /// Writes records to stable storage; the client does not know yet.
    fn write(&mut self, n: usize) -> usize {
        let mut written = 0;
        for record in self.client.journal().take(n) {
            self.s.record(&record);
            written += 1;
        }
        written
    }

    fn reconnect(&mut self, mut terms: Terms, later: bool) {
        terms.keep |= !self.s.world.forgetful;
        self.client.connection_lost();
        self.s.broker.connection_lost(terms);
        self.s.model.connection_lost();
        self.rx.clear();
        if self.s.app.was_online && self.s.clean {
            let config = config(self.s.world, false);
            let result = self.client.reconfigure(config);
            // A name that the server has given begins to count only now: another session.
            let is_named = self.s.world.assigned && result == Err(UsageError::InFlight.into());
            assert!(result.is_ok() || is_named, "{result:?}");
            self.s.clean = result.is_err();
        }
        self.s.app.connection_lost();
        if !later {
            self.client.connect(self.s.instant()).unwrap();
        }
    }

    fn send(&mut self, n: usize) {
        let mut left = n;
        while left > 0 {
            let bytes = self.client.transmit();
            let n;
            if !bytes.is_empty() {
                n = left.min(bytes.len());
                self.s.offered(bytes, n);
                self.s.broker.receive(&bytes[..n]);
            } else if let Some(lent) = self.client.payload() {
                n = left.min(lent.left);
                let note = self.s.model.lent(lent.id);
                assert_eq!(lent.offset + lent.left, note.len);
                let payload = note.payload();
                self.s.broker.receive(&payload[lent.offset..][..n]);
            } else {
                break;
            }
            assert!(n > 0, "a payload without end");
            let now = self.s.instant();
            self.client.transmitted(n, now);
            left -= n;
            self.s.observe();
        }
    }

    fn receive(&mut self, n: usize, times: usize) {
        let space = self.rx.space();
        let output = &mut self.s.broker.output;
        let n = n.min(space.len()).min(output.len());
        space[..n].copy_from_slice(&output[..n]);
        self.rx.filled(n);
        drop(output.drain(..n));
        self.poll(times);
    }

    /// Takes so many events.
    fn poll(&mut self, times: usize) {
        let (instant, now) = (self.s.instant(), self.s.seconds());
        for _ in 0..times {
            let State {
                app, model, broker, ..
            } = &mut *self.s;
            app.before_poll(model);
            match self.rx.poll(&mut self.client, instant) {
                Ok(Some(event)) => app.event(&event, &mut self.client, model, broker, now),
                Ok(None) => return self.check_idle(),
                Err(Error::Timeout(_)) => return self.reconnect(Terms::BEST, false),
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// What is true if there is nothing more to report.
    fn check_idle(&self) {
        if self.client.transmit().is_empty() {
            let deadline = self.client.poll_timeout();
            assert!(deadline.is_none_or(|deadline| deadline > self.s.instant()));
        }
        if !self.s.app.is_online && !self.s.app.is_over {
            self.s.model.assert_none_expired(self.s.seconds());
        }
    }

    /// A last connection on which everything ends well.
    fn finish(&mut self) {
        let World {
            slots,
            durable,
            inbound,
            ..
        } = self.s.world;
        self.reconnect(Terms::BEST, false);
        self.settle();
        // Whatever was, everything can be used again.
        for n in 0..=slots {
            let publish = |qos, lent| Step::Publish {
                qos,
                len: n % 3,
                lent,
                interval: None,
                alias: 0,
            };
            self.step(publish(u8::try_from(1 + n % 2).unwrap(), n % 3 == 0));
            self.step(publish(0, n == slots));
        }
        let is_small = usize::from(self.client.in_flight()) < slots;
        assert!(!is_small || arena(self.s.world) < slots * 24 + 24);
        for n in 0..=inbound {
            self.step(Step::BrokerPublish {
                qos: u8::try_from(n % 3).unwrap(),
                len: 10 * n,
                with_alias: true,
            });
        }
        self.settle();
        self.s.model.assert_all_ended();
        assert!(!self.s.app.wants_room, "there is room, and nobody says so");
        if durable {
            self.s.storage.compact(&self.client);
            assert_eq!(self.s.storage.session.live(), BTreeSet::new());
        }
    }

    /// Everybody does what is due.
    fn round(&mut self) {
        self.journal(usize::MAX);
        self.send(usize::MAX);
        self.s.broker.answer(0, false);
        self.s.observe();
        self.receive(usize::MAX, usize::MAX);
    }

    /// Has everything come to its end.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 1_000, "it does not end");
            self.round();
            while self.s.world.manual && !self.s.app.unacknowledged.is_empty() {
                self.acknowledge(0, false, false);
            }
            let is_quiet = self.client.transmit().is_empty()
                && self.client.payload().is_none()
                && self.client.journal().next().is_none();
            if is_quiet && self.s.broker.is_idle() && self.client.in_flight() == 0 {
                self.poll(usize::MAX);
                if self.client.transmit().is_empty() && self.client.journal().next().is_none() {
                    break;
                }
            }
        }
        self.s.observe();
        self.check();
        let quota = usize::from(self.client.send_quota());
        assert_eq!(quota, self.s.world.slots, "a slot is not free");
        assert_eq!(self.client.messages().next(), None);
    }
}

impl State {
    /// The client would send these bytes, and the first `n` of them are sent now.
    fn offered(&mut self, bytes: &[u8], n: usize) {
        let mut all = self.broker.input.clone();
        let start = all.len();
        all.extend_from_slice(bytes);
        for head in heads(&all, self.world.version) {
            if head.start < start {
                continue;
            }
            if self.world.durable {
                self.storage.check(&head);
                let depends = matches!(
                    head.packet,
                    PacketType::Publish
                        | PacketType::PubAck
                        | PacketType::PubRec
                        | PacketType::PubRel
                        | PacketType::PubComp
                );
                assert!(!depends || !self.app.unrecorded_connection, "{head:?}");
            }
            if let (PacketType::Publish, Some(id)) = (head.packet, head.id) {
                if head.start < start + n {
                    self.model.begun(id, head.dup);
                }
            }
        }
    }
}

/// Lives through the steps, with one client after the other.
pub(crate) fn simulate(world: World, steps: impl IntoIterator<Item = Step>) {
    let mut steps = steps.into_iter();
    let mut state = State {
        world,
        broker: Broker::new(world.version, world.inbound, !world.manual),
        model: Model::new(world.durable),
        app: App::new(world),
        storage: Storage::default(),
        now: 1_000_000,
        started: 1_000_000,
        number: 0,
        clean: false,
    };
    let mut later = false;
    loop {
        let mut memory = Memory::new(world);
        let buffers = Buffers {
            tx: &mut memory.tx,
            slots: &mut memory.slots,
            inbound: &mut memory.inbound,
            aliases_in: &mut memory.aliases_in,
            aliases_out: &mut memory.aliases_out,
        };
        let mut client = Client::new(config(world, state.clean), buffers);
        state.storage.restore(&mut client);
        let mut sim = Sim {
            client,
            rx: RxBuf::new(&mut memory.rx),
            s: &mut state,
        };
        sim.poll(usize::MAX);
        if !later {
            sim.client.connect(sim.s.instant()).unwrap();
        }
        let cut = steps.by_ref().find_map(|step| match step {
            Step::PowerCut {
                written,
                terms,
                later,
            } => Some((written, terms, later)),
            step => {
                sim.step(step);
                None
            }
        });
        let Some((written, mut terms, is_later)) = cut else {
            return sim.finish();
        };
        if written > 0 {
            sim.poll(usize::MAX);
            sim.write(written);
        }
        terms.keep |= !world.forgetful;
        later = is_later;
        state.power_cut(terms);
        state.observe();
    }
}
