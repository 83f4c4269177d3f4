//! What is said on streams, for a ledger.

use std::sync::{Arc, Mutex};

use mqtt_client::Version;
use mqtt_client::mqtt_core::wire::{Packet, Property, ReasonCode};
use testkit::Listen;

use crate::ledger::{Ledger, Shared, lock};
use crate::payload::Name;

/// The bytes of one connection that are not whole packets yet.
#[derive(Debug)]
pub(crate) struct Wire {
    version: Version,
    ledger: Shared,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// True if what was received cannot be read.
    is_garbled: bool,
}

impl Wire {
    pub(crate) fn new(version: Version, ledger: &Shared) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            version,
            ledger: Arc::clone(ledger),
            sent: Vec::new(),
            received: Vec::new(),
            is_garbled: false,
        }))
    }
}

impl Listen for Wire {
    fn sent(&mut self, bytes: &[u8]) {
        self.sent.extend(bytes);
        let mut ledger = lock(&self.ledger);
        let mut at = 0;
        loop {
            match Packet::decode(&self.sent[at..], self.version) {
                Ok(Some((packet, len))) => {
                    sent(&mut ledger, &packet);
                    at += len;
                }
                Ok(None) => break,
                Err(error) => {
                    ledger.problem(format!("it sent what is not a packet: {error}"));
                    at = self.sent.len();
                }
            }
        }
        self.sent.drain(..at);
    }

    fn received(&mut self, bytes: &[u8]) {
        if self.is_garbled {
            return;
        }
        self.received.extend(bytes);
        let mut ledger = lock(&self.ledger);
        let mut at = 0;
        loop {
            match Packet::decode(&self.received[at..], self.version) {
                Ok(Some((packet, len))) => {
                    received(&mut ledger, &packet);
                    at += len;
                }
                Ok(None) => break,
                Err(error) => {
                    ledger.note(format!("the broker sent what is not a packet: {error}"));
                    self.is_garbled = true;
                    return;
                }
            }
        }
        self.received.drain(..at);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut ledger = lock(&self.ledger);
        // PUBLISH above QoS 0.
        if self
            .sent
            .first()
            .is_some_and(|first| (0x32..0x3E).contains(first))
        {
            ledger.torn();
        }
        ledger.end("the stream is dropped");
    }
}

fn sent(ledger: &mut Ledger, packet: &Packet<'_>) {
    match packet {
        Packet::Publish(publish) => match Name::of(publish.payload) {
            Some(name) => {
                let dup = if publish.dup { " again" } else { "" };
                ledger.note(format!("> {name}{dup} {:?}", publish.packet_id));
                ledger.sent(name, publish.packet_id, publish.dup);
            }
            None => ledger.problem("it sent a damaged message"),
        },
        Packet::PubAck(ack) => ledger.acknowledged(4, ack.packet_id),
        Packet::PubRec(ack) => ledger.acknowledged(5, ack.packet_id),
        Packet::PubComp(ack) => ledger.acknowledged(7, ack.packet_id),
        Packet::PubRel(ack) => ledger.release_sent(ack.packet_id),
        Packet::Disconnect(disconnect) => {
            ledger.note(format!("> DISCONNECT {:?}", disconnect.code));
        }
        _ => {}
    }
    if !matches!(packet, Packet::Publish(_)) {
        ledger.note(format!("> {}", name(packet)));
    }
}

fn received(ledger: &mut Ledger, packet: &Packet<'_>) {
    match packet {
        Packet::ConnAck(connack) if connack.code == ReasonCode::Success => {
            let maximum = connack
                .properties
                .iter()
                .find_map(|property| match property {
                    Property::ReceiveMaximum(maximum) => Some(maximum),
                    _ => None,
                });
            ledger.note(format!(
                "< CONNACK, session present: {}",
                connack.session_present
            ));
            ledger.accepted(connack.session_present, maximum.unwrap_or(u16::MAX));
        }
        Packet::Publish(publish) => match Name::of(publish.payload) {
            Some(name) => {
                let dup = if publish.dup { " again" } else { "" };
                ledger.note(format!("< {name}{dup} {:?}", publish.packet_id));
                ledger.received(name, publish.packet_id);
            }
            None => ledger.note("< a damaged message"),
        },
        Packet::PubAck(ack) => ledger.acknowledgement(4, ack.packet_id),
        Packet::PubRec(ack) => ledger.acknowledgement(5, ack.packet_id),
        Packet::PubComp(ack) => ledger.acknowledgement(7, ack.packet_id),
        Packet::PubRel(ack) => ledger.release_received(ack.packet_id),
        Packet::SubAck(_) => ledger.subscribed(),
        _ => {}
    }
    if !matches!(packet, Packet::Publish(_) | Packet::ConnAck(_)) {
        ledger.note(format!("< {}", name(packet)));
    }
}

fn name(packet: &Packet<'_>) -> String {
    let (name, id) = match packet {
        Packet::PubAck(ack) => ("PUBACK", Some(ack.packet_id)),
        Packet::PubRec(ack) => ("PUBREC", Some(ack.packet_id)),
        Packet::PubRel(ack) => ("PUBREL", Some(ack.packet_id)),
        Packet::PubComp(ack) => ("PUBCOMP", Some(ack.packet_id)),
        other => return format!("{:?}", other.packet_type()),
    };
    format!("{name} {id:?}")
}
