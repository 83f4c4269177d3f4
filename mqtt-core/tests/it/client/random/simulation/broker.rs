//! A model of a broker that keeps to the standard, answers late and out of order, and checks that
//! the client keeps to it as well. What becomes of messages is not its concern: it only says what
//! it has [seen](Broker::seen).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_core::wire::{
    Ack, ConnAck, Connect, Disconnect, List, Packet, PacketId, Property, Publish, QoS, ReasonCode,
    SubAck, UnsubAck, Version,
};

use super::note::Note;

/// What the broker says of itself on the next connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// False if it has forgotten the session.
    pub(crate) keep: bool,
    /// False to turn the client away.
    pub(crate) accept: bool,
    // 5.0 only.
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_packet_size: u32,
    pub(crate) maximum_qos: QoS,
    pub(crate) topic_alias_maximum: u16,
}

impl Terms {
    pub(crate) const BEST: Self = Self {
        keep: true,
        accept: true,
        receive_maximum: u16::MAX,
        maximum_packet_size: u32::MAX,
        maximum_qos: QoS::ExactlyOnce,
        topic_alias_maximum: 0,
    };

    /// True if a message of this QoS, in a packet of this length, is taken.
    pub(super) fn take(&self, qos: QoS, len: usize) -> bool {
        qos <= self.maximum_qos && len <= self.maximum_packet_size as usize
    }
}

/// What the broker has noticed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    /// All of a PUBLISH has arrived.
    Arrived(Note, Arrival),
    /// A message was passed on to the subscribers.
    PassedOn(Note),
    /// That was taken back: the message was turned down.
    TurnedDown(Note),
    /// The client has acknowledged a message, or, if not `true`, turned it down.
    Acknowledged(Note, bool),
    /// A message to the client will not be sent again: its session is gone.
    Dropped(Note),
}

/// What a PUBLISH says beside its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) qos: QoS,
    /// Its Message Expiry Interval.
    pub(super) interval: Option<u32>,
    /// It has a topic alias, which later messages may rely on.
    pub(super) with_alias: bool,
}

/// A message on its way to the client.
#[derive(Clone, Copy, Debug)]
struct Outgoing {
    note: Note,
    qos: QoS,
    id: Option<PacketId>,
    with_alias: bool,
    sent_before: bool,
    /// PUBREC was received.
    released: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    PubAck(PacketId),
    PubRec(PacketId),
    PubComp(PacketId),
    SubAck(PacketId),
    UnsubAck(PacketId),
    PingResp,
}

pub(super) struct Broker {
    version: Version,
    /// How many messages the client takes at a time.
    client_maximum: usize,
    /// True if each PUBREC comes in the order of PUBLISH.
    ordered_pubrecs: bool,
    // The session.
    /// True once the client knows of it: a session that ends without the client's learning of
    /// that can keep none of its promises.
    pub(super) has_session: bool,
    /// It ends with the connection: a clean session of 3.1.1.
    is_passing: bool,
    /// The name it gave to a client without one.
    assigned: Option<String>,
    /// Messages that wait for PUBREL, with the lengths of their repeats.
    received: BTreeMap<PacketId, (Note, usize)>,
    /// Those among them that a connection did not take. A client can neither repeat nor release
    /// them, which is a hole of the protocol: it can only use the identifier for another.
    given_up: BTreeSet<Note>,
    outgoing: VecDeque<Outgoing>,
    last_id: u16,
    // What the client has sent, ever.
    released: BTreeSet<Note>,
    assignments: u32,
    pub(super) seen: Vec<Seen>,
    // The connection.
    pub(super) terms: Terms,
    connected: bool,
    /// It has said goodbye, and nothing comes after.
    is_silent: bool,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    answers: Vec<Answer>,
    /// What the client has in flight, by identifier.
    window: BTreeMap<PacketId, Note>,
    /// The last message on this connection.
    last: Option<Note>,
    to_acknowledge: [VecDeque<PacketId>; 2],
    /// The topics of the client's aliases, and how many it may have.
    aliases: BTreeMap<u16, String>,
    own_aliases: BTreeMap<u16, String>,
    own_alias_maximum: u16,
}

impl Broker {
    pub(super) fn new(version: Version, client_maximum: usize, ordered_pubrecs: bool) -> Self {
        Self {
            version,
            client_maximum,
            ordered_pubrecs,
            has_session: false,
            is_passing: false,
            assigned: None,
            received: BTreeMap::new(),
            given_up: BTreeSet::new(),
            outgoing: VecDeque::new(),
            last_id: 0,
            released: BTreeSet::new(),
            assignments: 0,
            seen: Vec::new(),
            terms: Terms::BEST,
            connected: false,
            is_silent: false,
            input: Vec::new(),
            output: Vec::new(),
            answers: Vec::new(),
            window: BTreeMap::new(),
            last: None,
            to_acknowledge: Default::default(),
            aliases: BTreeMap::new(),
            own_aliases: BTreeMap::new(),
            own_alias_maximum: 0,
        }
    }

    fn is_v5(&self) -> bool {
        self.version == Version::V5
    }

    /// The connection is over; the next one will be on these terms.
    pub(super) fn connection_lost(&mut self, terms: Terms) {
        let Terms { keep, accept, .. } = terms;
        self.terms = if self.is_v5() {
            terms
        } else {
            Terms {
                keep,
                accept,
                ..Terms::BEST
            }
        };
        (self.connected, self.is_silent) = (false, false);
        self.has_session &= !self.is_passing;
        self.input.clear();
        self.output.clear();
        self.answers.clear();
        self.window.clear();
        self.last = None;
        self.to_acknowledge.iter_mut().for_each(VecDeque::clear);
        self.aliases.clear();
        self.own_aliases.clear();
        // A message of QoS 0 is sent once or never.
        self.outgoing.retain(|out| out.id.is_some());
    }

    /// True if nothing is owed to the client, nor by it.
    pub(super) fn is_idle(&self) -> bool {
        self.answers.is_empty() && self.outgoing.is_empty() && self.output.is_empty()
    }

    fn send<'a>(&mut self, packet: impl Into<Packet<'a>>) {
        if self.is_silent {
            return;
        }
        let packet = packet.into();
        let mut bytes = vec![0; packet.encoded_len(self.version).unwrap()];
        packet.encode(self.version, &mut bytes).unwrap();
        self.output.extend_from_slice(&bytes);
    }

    /// Sends a message to the client; false if it has too many in flight.
    pub(super) fn publish(&mut self, note: Note, qos: QoS, with_alias: bool) -> bool {
        let in_flight = self.outgoing.iter().filter(|out| out.id.is_some()).count();
        // Before 5.0 the broker knows of no limit at QoS 1; for QoS 2 it has to be configured.
        let maximum = if !self.is_v5() && qos == QoS::AtLeastOnce {
            self.client_maximum + 8
        } else {
            self.client_maximum
        };
        if !self.connected || self.is_silent || qos != QoS::AtMostOnce && in_flight >= maximum {
            return false;
        }
        let id = (qos != QoS::AtMostOnce).then(|| {
            loop {
                self.last_id = self.last_id % 40 + 1;
                let id = PacketId::new(self.last_id);
                if self.outgoing.iter().all(|out| out.id != id) {
                    break id.unwrap();
                }
            }
        });
        let out = Outgoing {
            note,
            qos,
            id,
            with_alias,
            sent_before: false,
            released: false,
        };
        self.send_message(&out);
        if id.is_some() {
            self.outgoing.push_back(Outgoing {
                sent_before: true,
                ..out
            });
        }
        true
    }

    fn send_message(&mut self, out: &Outgoing) {
        if let Some(id) = out.id {
            self.to_acknowledge[usize::from(out.qos == QoS::ExactlyOnce)].push_back(id);
        }
        let (full, payload) = (out.note.topic(), out.note.payload());
        let mut topic = full.as_str();
        let mut properties = Vec::new();
        if out.with_alias && self.own_alias_maximum > 0 {
            let alias = u16::try_from(out.note.number).unwrap() % self.own_alias_maximum + 1;
            properties.push(Property::TopicAlias(alias));
            if self.own_aliases.insert(alias, full.clone()).as_ref() == Some(&full) {
                topic = "";
            }
        }
        self.send(Publish {
            dup: out.sent_before,
            qos: out.qos,
            packet_id: out.id,
            properties: List::from(&properties[..]),
            ..Publish::new(topic, &payload)
        });
    }

    /// Says goodbye; 5.0 only.
    pub(super) fn disconnect(&mut self) {
        if self.connected && self.is_v5() {
            self.send(Disconnect::new(ReasonCode::ServerShuttingDown));
            self.is_silent = true;
        }
    }

    /// Sends one of the answers that are due.
    pub(super) fn answer(&mut self, which: usize, refuse: bool) {
        if self.answers.is_empty() || self.is_silent {
            return;
        }
        let answer = self.answers.remove(which % self.answers.len());
        let refuse = refuse && self.is_v5();
        let ack = |id, code| Ack {
            code,
            ..Ack::new(id)
        };
        let refusal = ReasonCode::QuotaExceeded;
        match answer {
            Answer::PubAck(id) => {
                let note = self.window.remove(&id).expect("a message in flight");
                if refuse {
                    self.seen.push(Seen::TurnedDown(note));
                    self.send(Packet::PubAck(ack(id, refusal)));
                } else {
                    self.send(Packet::PubAck(Ack::new(id)));
                }
            }
            Answer::PubRec(id) => {
                if refuse && self.received.remove(&id).is_some() {
                    let note = self.window.remove(&id).expect("a message in flight");
                    self.seen.push(Seen::TurnedDown(note));
                    self.send(Packet::PubRec(ack(id, refusal)));
                } else {
                    self.send(Packet::PubRec(Ack::new(id)));
                }
            }
            Answer::PubComp(id) => {
                self.window.remove(&id);
                let known = self.received.remove(&id).is_some() || !self.is_v5();
                let code = if known {
                    ReasonCode::Success
                } else {
                    ReasonCode::PacketIdentifierNotFound
                };
                self.send(Packet::PubComp(ack(id, code)));
            }
            Answer::SubAck(packet_id) => self.send(SubAck {
                packet_id,
                properties: List::EMPTY,
                codes: (&[ReasonCode::Success]).into(),
            }),
            Answer::UnsubAck(packet_id) => self.send(UnsubAck {
                packet_id,
                properties: List::EMPTY,
                codes: if self.version == Version::V5 {
                    (&[ReasonCode::Success]).into()
                } else {
                    List::EMPTY
                },
            }),
            Answer::PingResp => self.send(Packet::PingResp),
        }
    }

    /// Bytes from the client.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((packet, len)) = Packet::decode(&input[at..], self.version).unwrap() {
            // [MQTT-3.2.2-15].
            if self.connected && self.is_v5() {
                assert!(len <= self.terms.maximum_packet_size as usize, "{packet:?}");
            }
            self.packet(&packet);
            at += len;
        }
        drop(input.drain(..at));
        self.input = input;
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        if let Packet::Connect(connect) = packet {
            return self.connect(connect);
        }
        assert!(self.connected, "{packet:?}");
        match *packet {
            Packet::Publish(publish) => self.take_message(&publish),
            Packet::PubAck(ack) => {
                assert_eq!(self.to_acknowledge[0].pop_front(), Some(ack.packet_id));
                self.settle(ack.packet_id, QoS::AtLeastOnce, Some(!ack.code.is_error()));
            }
            Packet::PubRec(ack) => self.pubrec(&ack),
            Packet::PubRel(ack) => {
                assert_eq!(ack.code, ReasonCode::Success);
                if let Some(&note) = self.window.get(&ack.packet_id) {
                    self.released.insert(note);
                }
                self.answers.push(Answer::PubComp(ack.packet_id));
            }
            Packet::PubComp(ack) => self.settle(ack.packet_id, QoS::ExactlyOnce, None),
            Packet::Subscribe(packet) => self.answers.push(Answer::SubAck(packet.packet_id)),
            Packet::Unsubscribe(packet) => self.answers.push(Answer::UnsubAck(packet.packet_id)),
            Packet::PingReq => self.answers.push(Answer::PingResp),
            Packet::Disconnect(_) => self.connected = false,
            _ => panic!("{packet:?}"),
        }
    }

    fn connect(&mut self, connect: &Connect<'_>) {
        assert!(!self.connected, "CONNECT again");
        if !self.terms.accept {
            let code = ReasonCode::ServerUnavailable;
            return self.send(ConnAck::new(false, code));
        }
        self.connected = true;
        self.is_passing = connect.clean_start && !self.is_v5();
        self.own_alias_maximum = 0;
        for property in connect.properties {
            match property {
                Property::ReceiveMaximum(n) => assert_eq!(usize::from(n), self.client_maximum),
                Property::TopicAliasMaximum(n) => self.own_alias_maximum = n,
                _ => {}
            }
        }
        let is_stranger = connect.client_id.is_empty()
            || self
                .assigned
                .as_deref()
                .is_some_and(|id| id != connect.client_id);
        let session_present =
            self.has_session && self.terms.keep && !connect.clean_start && !is_stranger;
        if !session_present {
            self.has_session = false;
            self.last_id = 0;
            self.received.clear();
            let dropped = self.outgoing.drain(..).map(|out| Seen::Dropped(out.note));
            self.seen.extend(dropped);
        }
        for &(note, len) in self.received.values() {
            if !self.terms.take(QoS::ExactlyOnce, len) {
                self.given_up.insert(note);
            }
        }
        let mut properties = Vec::new();
        let assigned;
        if self.is_v5() {
            let Terms {
                receive_maximum,
                maximum_packet_size,
                maximum_qos,
                topic_alias_maximum,
                ..
            } = self.terms;
            properties.push(Property::ReceiveMaximum(receive_maximum));
            properties.push(Property::TopicAliasMaximum(topic_alias_maximum));
            if maximum_packet_size < u32::MAX {
                properties.push(Property::MaximumPacketSize(maximum_packet_size));
            }
            if maximum_qos < QoS::ExactlyOnce {
                properties.push(Property::MaximumQoS(maximum_qos));
            }
            if connect.client_id.is_empty() {
                self.assignments += 1;
                assigned = format!("auto-{}", self.assignments);
                self.assigned = Some(assigned.clone());
                properties.push(Property::AssignedClientIdentifier(&assigned));
            }
        }
        self.send(ConnAck {
            properties: List::from(&properties[..]),
            ..ConnAck::new(session_present, ReasonCode::Success)
        });
        for out in self.outgoing.clone() {
            match out.id {
                Some(id) if out.released => self.send(Packet::PubRel(Ack::new(id))),
                _ => self.send_message(&out),
            }
        }
    }

    /// The topic, which an alias may stand for.
    fn topic(&mut self, publish: &Publish<'_>) -> String {
        let alias = publish
            .properties
            .iter()
            .find_map(|property| match property {
                Property::TopicAlias(alias) => Some(alias),
                _ => None,
            });
        let Some(alias) = alias else {
            return publish.topic.into();
        };
        // [MQTT-3.3.2-9].
        assert!((1..=self.terms.topic_alias_maximum).contains(&alias));
        if !publish.topic.is_empty() {
            self.aliases.insert(alias, publish.topic.into());
        }
        self.aliases.get(&alias).expect("a known alias").clone()
    }

    fn take_message(&mut self, publish: &Publish<'_>) {
        let topic = self.topic(publish);
        let note = Note::read(&topic, publish.payload);
        // [MQTT-4.6.0-1], and that nothing is sent twice on one connection [MQTT-4.4.0-1].
        assert!(self.last < Some(note), "{note:?} after {:?}", self.last);
        self.last = Some(note);
        let interval = publish
            .properties
            .iter()
            .find_map(|property| match property {
                Property::MessageExpiryInterval(seconds) => Some(seconds),
                _ => None,
            });
        let is_alias = |property| matches!(property, Property::TopicAlias(_));
        let arrival = Arrival {
            qos: publish.qos,
            interval,
            with_alias: publish.properties.iter().any(is_alias),
        };
        self.seen.push(Seen::Arrived(note, arrival));
        let Some(id) = publish.packet_id else {
            return self.seen.push(Seen::PassedOn(note));
        };
        // [MQTT-4.3.3-6].
        assert!(!self.released.contains(&note), "{note:?} after PUBREL");
        // [MQTT-2.2.1-3], [MQTT-3.3.4-7].
        let other = self.window.insert(id, note);
        assert_eq!(other, None, "identifier {id} is in use");
        if self.is_v5() {
            let maximum = self.terms.receive_maximum.into();
            assert!(self.window.len() <= maximum, "receive maximum");
            assert!(publish.qos <= self.terms.maximum_qos, "maximum QoS");
        }
        if publish.qos == QoS::AtLeastOnce {
            self.seen.push(Seen::PassedOn(note));
            self.answers.push(Answer::PubAck(id));
        } else {
            // That of a repeat, which has no alias.
            let lasting: Vec<_> = interval
                .map(Property::MessageExpiryInterval)
                .into_iter()
                .collect();
            let repeat = Packet::from(Publish {
                topic: &topic,
                properties: List::from(&lasting[..]),
                ..*publish
            });
            let len = repeat.encoded_len(self.version).unwrap();
            let before = self.received.insert(id, (note, len));
            if before.is_none_or(|(other, _)| other != note && self.given_up.contains(&other)) {
                self.seen.push(Seen::PassedOn(note));
            }
            self.answers.push(Answer::PubRec(id));
        }
    }

    /// A message to the client is through, or, without a `result`, was before.
    fn settle(&mut self, id: PacketId, qos: QoS, result: Option<bool>) {
        let is_it = |out: &Outgoing| out.id == Some(id) && out.qos == qos;
        if let Some(at) = self.outgoing.iter().position(is_it) {
            let out = self.outgoing.remove(at).unwrap();
            let result = result.map(|accepted| Seen::Acknowledged(out.note, accepted));
            self.seen.extend(result);
        }
    }

    fn pubrec(&mut self, ack: &Ack<'_>) {
        let id = ack.packet_id;
        let waiting = &mut self.to_acknowledge[1];
        if self.ordered_pubrecs {
            assert_eq!(waiting.pop_front(), Some(id));
        } else {
            waiting.retain(|&waiting| waiting != id);
        }
        if ack.code.is_error() {
            return self.settle(id, QoS::ExactlyOnce, Some(false));
        }
        for out in &mut self.outgoing {
            if out.id == Some(id) {
                out.released = true;
                self.seen.push(Seen::Acknowledged(out.note, true));
            }
        }
        self.send(Packet::PubRel(Ack::new(id)));
    }
}
