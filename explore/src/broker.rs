//! A broker that keeps to the standard, answers late and out of order, and checks that the client
//! keeps to it as well. It tells the ledger what it has seen.

use std::mem;

use mqtt_core::wire::{
    Ack, ConnAck, Connect, List, Packet, PacketId, Property, Publish, QoS, ReasonCode,
};

use crate::host;
use crate::ledger::{Ledger, Note};
use crate::rules::{Verdict, require};
use crate::scenario::Scenario;

/// A message on its way to the client.
#[derive(Clone, Copy, Debug, Hash)]
struct Outgoing {
    note: Note,
    qos: QoS,
    id: PacketId,
    /// PUBREC was received.
    released: bool,
}

/// PUBACK and so on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Answer {
    Ack(PacketId),
    Rec(PacketId),
    Rel(PacketId),
    Comp(PacketId),
}

#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Broker {
    // The session.
    /// True once the client knows of it: a session that ends without the client's learning of
    /// that can keep none of its promises, which is a hole of the protocol.
    pub(crate) has_session: bool,
    /// Messages that wait for PUBREL.
    received: Vec<(PacketId, Note)>,
    outgoing: Vec<Outgoing>,
    /// How many of its messages it has sent.
    sent: u8,
    last_id: u16,
    /// The messages whose PUBREL it has had, one bit each.
    released: u8,
    // The connection.
    connected: bool,
    /// The session has begun with it.
    is_new: bool,
    /// In any order: each may be the next to be sent.
    answers: Vec<Answer>,
    /// What the client has in flight.
    window: Vec<(PacketId, Note)>,
    /// The last message on this connection.
    last: Option<Note>,
    /// What the client has to acknowledge, in order, at QoS 1 and 2.
    due: [Vec<PacketId>; 2],
}

/// The topic and the payload of a message.
pub(crate) const fn payload(note: Note) -> [u8; 1] {
    [b'0' + note]
}

pub(crate) const TOPIC: &str = "t";

/// Reads a message back.
pub(crate) fn note(publish: &Publish<'_>) -> Verdict<Note> {
    let note = match *publish.payload {
        [byte @ b'0'..=b'9'] if publish.topic == TOPIC => Some(byte - b'0'),
        _ => None,
    };
    require!(Protocol, note.is_some(), "{publish:?} is not what was sent");
    Ok(note.unwrap_or_default())
}

fn send<'a>(s: &Scenario, packet: impl Into<Packet<'a>>, output: &mut Vec<u8>) {
    let packet = packet.into();
    let start = output.len();
    let len = packet.encoded_len(s.version).expect("a valid packet");
    output.resize(start + len, 0);
    let written = packet.encode(s.version, &mut output[start..]);
    debug_assert_eq!(written, Ok(len));
}

impl Broker {
    pub(crate) fn connection_lost(&mut self) {
        (self.connected, self.is_new) = (false, false);
        self.answers.clear();
        self.window.clear();
        self.last = None;
        self.due = [Vec::new(), Vec::new()];
    }

    /// The number of answers that are due.
    pub(crate) const fn answers(&self) -> usize {
        self.answers.len()
    }

    /// True if it owes the client nothing, nor the client to it.
    pub(crate) const fn is_idle(&self) -> bool {
        self.answers.is_empty() && self.outgoing.is_empty() && self.received.is_empty()
    }

    /// True if it may send its next message now.
    pub(crate) fn may_publish(&self, s: &Scenario) -> bool {
        let qos = s.incoming.get(usize::from(self.sent));
        let has_room = s.greedy || self.outgoing.len() < s.inbound;
        self.connected && qos.is_some_and(|&qos| qos == QoS::AtMostOnce || has_room)
    }

    /// Sends its next message.
    pub(crate) fn publish(&mut self, s: &Scenario, ledger: &mut Ledger, output: &mut Vec<u8>) {
        let note = self.sent;
        self.sent += 1;
        ledger.sent(note);
        let qos = s.incoming[usize::from(note)];
        if qos == QoS::AtMostOnce {
            let payload = payload(note);
            return send(s, Publish::new(TOPIC, &payload), output);
        }
        // As few identifiers as can be, so that they come again soon.
        let at_a_time = if s.greedy {
            s.incoming.len()
        } else {
            s.inbound
        };
        let count = u16::try_from(at_a_time).unwrap_or(u16::MAX);
        let id = loop {
            self.last_id = self.last_id % count + 1;
            let id = PacketId::new(self.last_id).expect("not zero");
            if self.outgoing.iter().all(|out| out.id != id) {
                break id;
            }
        };
        let out = Outgoing {
            note,
            qos,
            id,
            released: false,
        };
        self.outgoing.push(out);
        self.send_message(s, out, false, output);
    }

    fn send_message(&mut self, s: &Scenario, out: Outgoing, dup: bool, output: &mut Vec<u8>) {
        self.due[usize::from(out.qos == QoS::ExactlyOnce)].push(out.id);
        let payload = payload(out.note);
        let publish = Publish {
            dup,
            qos: out.qos,
            packet_id: Some(out.id),
            ..Publish::new(TOPIC, &payload)
        };
        send(s, publish, output);
    }

    /// Sends one of the answers that are due.
    pub(crate) fn answer(&mut self, s: &Scenario, which: usize, output: &mut Vec<u8>) {
        match self.answers.remove(which) {
            Answer::Ack(id) => {
                self.window.retain(|&(other, _)| other != id);
                send(s, Packet::PubAck(Ack::new(id)), output);
            }
            Answer::Rec(id) => send(s, Packet::PubRec(Ack::new(id)), output),
            Answer::Rel(id) => send(s, Packet::PubRel(Ack::new(id)), output),
            Answer::Comp(id) => {
                self.window.retain(|&(other, _)| other != id);
                let before = self.received.len();
                self.received.retain(|&(other, _)| other != id);
                let is_known = self.received.len() < before;
                let ack = if is_known || !s.is_v5() {
                    Ack::new(id)
                } else {
                    Ack {
                        code: ReasonCode::PacketIdentifierNotFound,
                        ..Ack::new(id)
                    }
                };
                send(s, Packet::PubComp(ack), output);
            }
        }
    }

    /// True if the answer that is due could turn the message down.
    pub(crate) fn may_refuse(&self, which: usize) -> bool {
        match self.answers[which] {
            Answer::Ack(_) => true,
            // What was passed on on an earlier connection stays so.
            Answer::Rec(id) => self.window.iter().any(|&(other, _)| other == id),
            _ => false,
        }
    }

    /// Turns a message down.
    pub(crate) fn refuse(
        &mut self,
        s: &Scenario,
        which: usize,
        ledger: &mut Ledger,
        output: &mut Vec<u8>,
    ) {
        let (id, packet): (_, fn(_) -> _) = match self.answers.remove(which) {
            Answer::Ack(id) => (id, Packet::PubAck),
            Answer::Rec(id) | Answer::Rel(id) | Answer::Comp(id) => (id, Packet::PubRec),
        };
        if let Some(at) = self.window.iter().position(|&(other, _)| other == id) {
            ledger.turned_down(self.window.remove(at).1);
        }
        self.received.retain(|&(other, _)| other != id);
        send(s, packet(host::refusal(id)), output);
    }

    fn owe(&mut self, answer: Answer) {
        self.answers.push(answer);
        self.answers.sort_unstable();
    }

    /// A packet from the client. If it is CONNECT, the session may be kept, or forgotten.
    pub(crate) fn receive(
        &mut self,
        s: &Scenario,
        packet: &Packet<'_>,
        keep: bool,
        ledger: &mut Ledger,
        output: &mut Vec<u8>,
    ) -> Verdict {
        if let Packet::Connect(connect) = packet {
            return self.connect(s, connect, keep, ledger, output);
        }
        require!(Protocol, self.connected, "{packet:?} before CONNECT");
        match *packet {
            Packet::Publish(publish) => self.take(s, &publish, ledger),
            Packet::PubAck(ack) => {
                let id = ack.packet_id;
                let is_next = self.due[0].first() == Some(&id);
                require!(Order, is_next, "{ack:?}, and {:?} is due", self.due);
                self.due[0].remove(0);
                let out = self.settle(id, QoS::AtLeastOnce);
                require!(Protocol, out.is_some(), "{ack:?} of what?");
                let accepted = !ack.code.is_error();
                out.map_or(Ok(()), |out| ledger.acknowledged(out.note, accepted))
            }
            Packet::PubRec(ack) => self.pubrec(s, &ack, ledger),
            Packet::PubRel(ack) => {
                let is_ok = ack.code == ReasonCode::Success;
                require!(Protocol, is_ok, "{ack:?}: this exchange is known");
                if let Some(&(_, note)) = self.window.iter().find(|w| w.0 == ack.packet_id) {
                    self.released |= 1 << note;
                }
                let is_known = self.received.iter().any(|r| r.0 == ack.packet_id);
                let is_due = is_known || !self.is_new;
                require!(Protocol, is_due, "{ack:?} of another session");
                let again = self.answers.contains(&Answer::Comp(ack.packet_id));
                require!(Protocol, !again, "{ack:?} twice");
                self.owe(Answer::Comp(ack.packet_id));
                Ok(())
            }
            Packet::PubComp(ack) => {
                // After one that was lost with its connection it may come for nothing.
                self.settle(ack.packet_id, QoS::ExactlyOnce);
                Ok(())
            }
            Packet::Disconnect(_) => {
                self.connection_lost();
                Ok(())
            }
            _ => {
                require!(Protocol, false, "{packet:?}");
                Ok(())
            }
        }
    }

    fn connect(
        &mut self,
        s: &Scenario,
        connect: &Connect<'_>,
        keep: bool,
        ledger: &mut Ledger,
        output: &mut Vec<u8>,
    ) -> Verdict {
        require!(Protocol, !self.connected, "CONNECT again");
        require!(Protocol, !connect.clean_start, "a clean start");
        self.connected = true;
        for property in connect.properties {
            if let Property::ReceiveMaximum(n) = property {
                require!(Window, usize::from(n) == s.inbound, "{property:?}");
            }
        }
        let session_present = self.has_session && keep;
        self.is_new = !session_present;
        if !session_present {
            self.has_session = false;
            self.last_id = 0;
            self.received.clear();
            for out in mem::take(&mut self.outgoing) {
                ledger.dropped(out.note);
            }
        }
        let properties = [Property::ReceiveMaximum(s.window)];
        let properties = if s.is_v5() { &properties[..] } else { &[] };
        let connack = ConnAck {
            properties: List::from(properties),
            ..ConnAck::new(session_present, ReasonCode::Success)
        };
        send(s, connack, output);
        for out in self.outgoing.clone() {
            if out.released {
                send(s, Packet::PubRel(Ack::new(out.id)), output);
            } else {
                self.send_message(s, out, true, output);
            }
        }
        Ok(())
    }

    fn take(&mut self, s: &Scenario, publish: &Publish<'_>, ledger: &mut Ledger) -> Verdict {
        let note = note(publish)?;
        // [MQTT-4.6.0-1], and that nothing is sent twice on one connection [MQTT-4.4.0-1].
        let last = self.last;
        require!(Order, last < Some(note), "{note} is sent after {last:?}");
        self.last = Some(note);
        ledger.arrived(s, note, publish.qos)?;
        let Some(id) = publish.packet_id else {
            return ledger.passed_on(s, note);
        };
        // [MQTT-4.3.3-6].
        let is_released = self.released & 1 << note != 0;
        require!(ExactlyOnce, !is_released, "{note} is sent after its PUBREL");
        // [MQTT-2.2.1-3].
        let other = self.window.iter().find(|&&(other, _)| other == id);
        require!(
            Identifier,
            other.is_none(),
            "{note} has the identifier of {other:?}"
        );
        // [MQTT-3.3.4-7].
        self.window.push((id, note));
        let count = self.window.len();
        require!(Window, count <= s.server_window(), "{count} in flight");
        if publish.qos == QoS::AtLeastOnce {
            self.owe(Answer::Ack(id));
            return ledger.passed_on(s, note);
        }
        match self.received.iter().find(|&&(other, _)| other == id) {
            None => {
                self.received.push((id, note));
                self.received.sort_unstable();
                ledger.passed_on(s, note)?;
            }
            Some(&(_, other)) => {
                let is_same = other == note;
                require!(Identifier, is_same, "{note} has the identifier of {other}");
            }
        }
        self.owe(Answer::Rec(id));
        Ok(())
    }

    /// A message to the client is through.
    fn settle(&mut self, id: PacketId, qos: QoS) -> Option<Outgoing> {
        let is_it = |out: &Outgoing| out.id == id && out.qos == qos;
        let at = self.outgoing.iter().position(is_it)?;
        Some(self.outgoing.remove(at))
    }

    fn pubrec(&mut self, s: &Scenario, ack: &Ack<'_>, ledger: &Ledger) -> Verdict {
        let id = ack.packet_id;
        let due = &mut self.due[1];
        if s.manual {
            // Of a repeat it is not the application that says when.
            due.retain(|&other| other != id);
        } else {
            let is_next = due.first() == Some(&id);
            require!(Order, is_next, "{ack:?}, and {due:?} is due");
            due.remove(0);
        }
        if ack.code.is_error() {
            let out = self.settle(id, QoS::ExactlyOnce);
            return out.map_or(Ok(()), |out| ledger.acknowledged(out.note, false));
        }
        for out in self.outgoing.iter_mut().filter(|out| out.id == id) {
            out.released = true;
            ledger.acknowledged(out.note, true)?;
        }
        if !self.answers.contains(&Answer::Rel(id)) {
            self.owe(Answer::Rel(id));
        }
        Ok(())
    }
}
