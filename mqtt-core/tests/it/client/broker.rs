//! A model of a broker that keeps to the standard, answers late and out of order, and checks
//! everything that the client sends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_core::wire::{
    Ack, ConnAck, List, Packet, PacketId, Property, Publish, QoS, ReasonCode, SubAck, UnsubAck,
    Version,
};

/// A message is known by its number. Topic and payload follow from number and length, so that
/// a byte out of place shows.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Note {
    pub(super) number: u32,
    pub(super) len: usize,
}

impl Note {
    pub(super) fn topic(self) -> String {
        format!("{}/{}", self.number, self.len)
    }

    pub(super) fn payload(self) -> Vec<u8> {
        let mut state = self.number.wrapping_mul(2_654_435_761);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..self.len).map(|_| next()).collect()
    }

    pub(super) fn parse(topic: &str) -> Self {
        let (number, len) = topic.split_once('/').expect("a topic of the model");
        Self {
            number: number.parse().unwrap(),
            len: len.parse().unwrap(),
        }
    }

    /// Reads and checks a message.
    pub(super) fn read(publish: &Publish<'_>) -> Self {
        let note = Self::parse(publish.topic);
        assert_eq!(publish.payload, note.payload(), "payload of {note:?}");
        note
    }
}

/// A message on its way to the client.
#[derive(Clone, Copy, Debug)]
struct Outgoing {
    note: Note,
    qos: QoS,
    id: Option<PacketId>,
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
    pub(super) ordered_pubrecs: bool,
    // The session.
    /// True once the client knows of it: a session that ends without the client's learning of
    /// that can keep none of its promises.
    pub(super) has_session: bool,
    received: BTreeSet<PacketId>,
    outgoing: VecDeque<Outgoing>,
    last_id: u16,
    // What the client has sent, ever.
    /// First arrivals, in order.
    pub(super) delivered: Vec<(Note, QoS)>,
    /// How often each message was delivered on to subscribers.
    pub(super) copies: BTreeMap<Note, usize>,
    seen: BTreeSet<Note>,
    released: BTreeSet<Note>,
    // The connection.
    /// What the next CONNACK says.
    pub(super) keep_session: bool,
    pub(super) receive_maximum: u16,
    connected: bool,
    input: Vec<u8>,
    pub(super) output: Vec<u8>,
    answers: Vec<Answer>,
    /// What the client has in flight, by identifier.
    window: BTreeMap<PacketId, Note>,
    /// The last message on this connection.
    last: Option<Note>,
    to_acknowledge: [VecDeque<PacketId>; 2],
}

impl Broker {
    pub(super) fn new(version: Version, client_maximum: usize) -> Self {
        Self {
            version,
            client_maximum,
            ordered_pubrecs: true,
            has_session: false,
            received: BTreeSet::new(),
            outgoing: VecDeque::new(),
            last_id: 0,
            delivered: Vec::new(),
            copies: BTreeMap::new(),
            seen: BTreeSet::new(),
            released: BTreeSet::new(),
            keep_session: true,
            receive_maximum: u16::MAX,
            connected: false,
            input: Vec::new(),
            output: Vec::new(),
            answers: Vec::new(),
            window: BTreeMap::new(),
            last: None,
            to_acknowledge: Default::default(),
        }
    }

    pub(super) fn connection_lost(&mut self) {
        self.connected = false;
        self.input.clear();
        self.output.clear();
        self.answers.clear();
        self.window.clear();
        self.last = None;
        self.to_acknowledge.iter_mut().for_each(VecDeque::clear);
        // A message of QoS 0 is sent once or never.
        self.outgoing.retain(|out| out.id.is_some());
    }

    /// True if nothing is owed to the client, nor by it.
    pub(super) fn is_idle(&self) -> bool {
        self.answers.is_empty() && self.outgoing.is_empty() && self.output.is_empty()
    }

    fn send<'a>(&mut self, packet: impl Into<Packet<'a>>) {
        let packet = packet.into();
        let mut bytes = vec![0; packet.encoded_len(self.version).unwrap()];
        packet.encode(self.version, &mut bytes).unwrap();
        self.output.extend_from_slice(&bytes);
    }

    /// Queues a message for the client; false if it has too many in flight.
    pub(super) fn publish(&mut self, note: Note, qos: QoS) -> bool {
        let in_flight = self.outgoing.iter().filter(|out| out.id.is_some()).count();
        if !self.connected || qos != QoS::AtMostOnce && in_flight >= self.client_maximum {
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
        let (topic, payload) = (out.note.topic(), out.note.payload());
        self.send(Publish {
            dup: out.sent_before,
            qos: out.qos,
            packet_id: out.id,
            ..Publish::new(&topic, &payload)
        });
    }

    /// Sends one of the answers that are due.
    pub(super) fn answer(&mut self, which: usize, refuse: bool) {
        if self.answers.is_empty() {
            return;
        }
        let answer = self.answers.remove(which % self.answers.len());
        let refuse = refuse && self.version == Version::V5;
        let ack = |id| Ack {
            code: if refuse {
                ReasonCode::QuotaExceeded
            } else {
                ReasonCode::Success
            },
            ..Ack::new(id)
        };
        match answer {
            Answer::PubAck(id) => {
                self.window.remove(&id);
                self.send(Packet::PubAck(ack(id)));
            }
            Answer::PubRec(id) => {
                if refuse && self.received.remove(&id) {
                    // It has not been delivered after all.
                    let note = self.window.remove(&id).expect("a message in flight");
                    self.copies.entry(note).and_modify(|copies| *copies -= 1);
                    self.send(Packet::PubRec(ack(id)));
                } else {
                    self.send(Packet::PubRec(Ack::new(id)));
                }
            }
            Answer::PubComp(id) => {
                self.window.remove(&id);
                self.send(Packet::PubComp(Ack::new(id)));
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
            self.packet(&packet);
            at += len;
        }
        drop(input.drain(..at));
        self.input = input;
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        assert_eq!(
            self.connected,
            !matches!(packet, Packet::Connect(_)),
            "{packet:?}"
        );
        match *packet {
            Packet::Connect(connect) => self.connect(connect.clean_start),
            Packet::Publish(publish) => self.take_message(&publish),
            Packet::PubAck(ack) => {
                assert_eq!(self.to_acknowledge[0].pop_front(), Some(ack.packet_id));
                self.settle(ack.packet_id, QoS::AtLeastOnce);
            }
            Packet::PubRec(ack) => self.pubrec(ack.packet_id),
            Packet::PubRel(ack) => {
                self.received.remove(&ack.packet_id);
                if let Some(&note) = self.window.get(&ack.packet_id) {
                    self.released.insert(note);
                }
                self.answers.push(Answer::PubComp(ack.packet_id));
            }
            Packet::PubComp(ack) => self.settle(ack.packet_id, QoS::ExactlyOnce),
            Packet::Subscribe(packet) => self.answers.push(Answer::SubAck(packet.packet_id)),
            Packet::Unsubscribe(packet) => self.answers.push(Answer::UnsubAck(packet.packet_id)),
            Packet::PingReq => self.answers.push(Answer::PingResp),
            Packet::Disconnect(_) => self.connected = false,
            _ => panic!("{packet:?}"),
        }
    }

    fn connect(&mut self, clean_start: bool) {
        self.connected = true;
        let session_present = self.has_session && self.keep_session && !clean_start;
        if !session_present {
            self.has_session = false;
            self.received.clear();
            self.outgoing.clear();
        }
        let maximum = [Property::ReceiveMaximum(self.receive_maximum)];
        let properties = if self.version == Version::V5 {
            (&maximum).into()
        } else {
            List::EMPTY
        };
        self.send(ConnAck {
            properties,
            ..ConnAck::new(session_present, ReasonCode::Success)
        });
        for out in self.outgoing.clone() {
            match out.id {
                Some(id) if out.released => self.send(Packet::PubRel(Ack::new(id))),
                _ => self.send_message(&out),
            }
        }
    }

    fn take_message(&mut self, publish: &Publish<'_>) {
        let note = Note::read(publish);
        // [MQTT-4.6.0-1], and that nothing is sent twice on one connection [MQTT-4.4.0-1].
        assert!(self.last < Some(note), "{note:?} after {:?}", self.last);
        self.last = Some(note);
        // [MQTT-3.3.1-1].
        let is_new = self.seen.insert(note);
        assert!(is_new || publish.dup, "{note:?} again without DUP");
        if is_new {
            let last = self.delivered.last();
            assert!(
                last.is_none_or(|&(last, _)| last < note),
                "{note:?} after {last:?}"
            );
            self.delivered.push((note, publish.qos));
        }
        let Some(id) = publish.packet_id else {
            *self.copies.entry(note).or_default() += 1;
            return;
        };
        // [MQTT-4.3.3-6].
        assert!(!self.released.contains(&note), "{note:?} after PUBREL");
        // [MQTT-2.2.1-3], [MQTT-3.3.4-7].
        let other = self.window.insert(id, note);
        assert_eq!(other, None, "identifier {id} is in use");
        if self.version == Version::V5 {
            assert!(
                self.window.len() <= self.receive_maximum.into(),
                "receive maximum"
            );
        }
        if publish.qos == QoS::AtLeastOnce {
            *self.copies.entry(note).or_default() += 1;
            self.answers.push(Answer::PubAck(id));
        } else {
            if self.received.insert(id) {
                *self.copies.entry(note).or_default() += 1;
            }
            self.answers.push(Answer::PubRec(id));
        }
    }

    fn settle(&mut self, id: PacketId, qos: QoS) {
        self.outgoing
            .retain(|out| out.id != Some(id) || out.qos != qos);
    }

    fn pubrec(&mut self, id: PacketId) {
        let waiting = &mut self.to_acknowledge[1];
        if self.ordered_pubrecs {
            assert_eq!(waiting.pop_front(), Some(id));
        } else {
            waiting.retain(|&waiting| waiting != id);
        }
        for out in &mut self.outgoing {
            out.released |= out.id == Some(id);
        }
        self.send(Packet::PubRel(Ack::new(id)));
    }
}
