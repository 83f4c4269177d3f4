//! What was said on the wire, and what a server is to blame for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use mqtt_client::mqtt_core::wire::{Packet, PacketId};
use mqtt_client::{QoS, Version};
use testkit::Listen;

use super::number;

/// All bytes of a connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Listen for Wire {
    fn sent(&mut self, bytes: &[u8]) {
        self.sent.extend(bytes);
    }

    fn received(&mut self, bytes: &[u8]) {
        self.received.extend(bytes);
    }
}

/// All connections of a client.
#[derive(Debug)]
pub(crate) struct Taps {
    version: Version,
    connections: Vec<Arc<Mutex<Wire>>>,
}

impl Taps {
    pub(crate) const fn new(version: Version) -> Self {
        Self {
            version,
            connections: Vec::new(),
        }
    }

    /// Takes down what is written there about a new connection.
    pub(crate) fn wire(&mut self) -> Arc<Mutex<Wire>> {
        let wire = Arc::default();
        self.connections.push(Arc::clone(&wire));
        wire
    }

    /// How many messages were begun to be sent without DUP, on connections that begin with CONNECT.
    /// Checks that they left in the order of their numbers, each once.
    pub(crate) fn begun(&self) -> usize {
        let mut begun = 0;
        let mut next = 0;
        for wire in &self.connections {
            let wire = wire.lock().unwrap();
            let mut bytes = wire.sent.as_slice();
            assert!(
                matches!(bytes.first(), None | Some(0x10)),
                "CONNECT is first"
            );
            while let Some(first) = bytes.first() {
                // PUBLISH above QoS 0 and without DUP; of the last one there may be this byte alone.
                begun += usize::from((0x32..0x38).contains(first));
                let packet = Packet::decode(bytes, self.version).unwrap();
                if let Some((Packet::Publish(publish), _)) = packet {
                    let number = number(publish.payload);
                    assert!(publish.dup || number >= next, "{number} once more");
                    next = next.max(number + 1);
                }
                bytes = packet.map_or(&[], |(_, len)| &bytes[len..]);
            }
        }
        begun
    }

    /// Which identifiers were acknowledged (PUBACK, PUBREC) on a connection that ended later.
    pub(crate) fn acknowledged(&self) -> BTreeSet<PacketId> {
        let mut acknowledged = BTreeSet::new();
        let (_, ended) = self.connections.split_last().expect("a connection");
        for wire in ended {
            self.received(wire, |packet| match packet {
                Packet::PubAck(ack) | Packet::PubRec(ack) => {
                    acknowledged.insert(ack.packet_id);
                }
                _ => {}
            });
        }
        acknowledged
    }

    /// What the server did with the identifiers of its QoS 2 messages.
    pub(crate) fn faults(&self, number: fn(&[u8]) -> usize) -> Faults {
        let mut faults = Faults::default();
        let mut held = BTreeMap::new();
        let mut sent = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for wire in &self.connections {
            self.received(wire, |packet| match packet {
                Packet::Publish(publish) if publish.qos == QoS::ExactlyOnce => {
                    let id = publish.packet_id.unwrap();
                    let number = number(publish.payload);
                    match held.insert(id, number) {
                        None if !sent.insert((id, number)) => faults.repeated.push(number),
                        None if !numbers.insert(number) => faults.renamed.push(number),
                        Some(before) if before != number => {
                            faults.unreleased.insert(number);
                            held.insert(id, before);
                        }
                        _ => {}
                    }
                }
                Packet::PubRel(ack) => {
                    held.remove(&ack.packet_id);
                }
                Packet::ConnAck(connack) if !connack.session_present => {
                    held.clear();
                    sent.clear();
                }
                _ => {}
            });
        }
        faults
    }

    fn received(&self, wire: &Mutex<Wire>, mut on_packet: impl FnMut(Packet<'_>)) {
        let wire = wire.lock().unwrap();
        let mut bytes = wire.received.as_slice();
        while let Some((packet, len)) = Packet::decode(bytes, self.version).unwrap() {
            on_packet(packet);
            bytes = &bytes[len..];
        }
    }
}

/// Why a QoS 2 message does not arrive exactly once although the client does as it should.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Messages that were sent once more after their PUBREL `[MQTT-4.3.3-6]`.
    pub(crate) repeated: Vec<usize>,
    /// Messages that were sent once more under another identifier.
    pub(crate) renamed: Vec<usize>,
    /// Messages under an identifier that still was another's and had had no PUBREL.
    pub(crate) unreleased: BTreeSet<usize>,
}
