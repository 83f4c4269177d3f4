//! Stable storage: the journal as it is on disk, and what it says.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_core::wire::{PacketId, PacketType, QoS};
use mqtt_core::{Client, Record};

use super::heads::Head;

/// The session as the records give it: a second opinion on [`Client::restore`].
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// PUBLISH packets by identifier.
    messages: BTreeMap<PacketId, Vec<u8>>,
    /// Messages of which the server has sent PUBREC.
    acknowledged: BTreeSet<PacketId>,
    /// Messages whose loss is to be reported.
    lost: BTreeSet<PacketId>,
    /// QoS 2 messages of the server's.
    received: BTreeSet<PacketId>,
}

impl Session {
    fn apply(&mut self, record: &Record<'_>) {
        match *record {
            Record::Connected {
                session_present: false,
                ..
            } => {
                self.received.clear();
                self.lost.append(&mut self.acknowledged);
            }
            Record::Publish { id, packet, .. } => {
                assert!(!self.is_live(id), "{record:?}: in use");
                if packet[0] & 0b110 != 0 {
                    self.messages.insert(id, packet.to_vec());
                }
            }
            Record::Acknowledged(id) => {
                self.messages.remove(&id);
                assert!(self.acknowledged.insert(id), "{record:?} again");
            }
            Record::Done(id) => {
                self.messages.remove(&id);
                self.acknowledged.remove(&id);
                self.lost.remove(&id);
            }
            Record::Unsent(id) => assert!(self.messages.contains_key(&id), "{record:?} of what?"),
            Record::Received(id) => assert!(self.received.insert(id), "{record:?} again"),
            Record::Released(id) => assert!(self.received.remove(&id), "{record:?} of what?"),
            _ => {}
        }
    }

    /// True if the identifier is taken when the records are restored.
    pub(super) fn is_live(&self, id: PacketId) -> bool {
        self.messages.contains_key(&id)
            || self.acknowledged.contains(&id)
            || self.lost.contains(&id)
    }

    /// The identifiers in use.
    pub(super) fn live(&self) -> BTreeSet<PacketId> {
        let messages = self.messages.keys();
        let others = self.acknowledged.union(&self.lost);
        messages.chain(others).copied().collect()
    }

    /// True if the packet may be on the wire: what it depends on is recorded.
    fn permits(&self, head: &Head) -> bool {
        let Some(id) = head.id else {
            return true;
        };
        match head.packet {
            PacketType::Publish if head.qos == QoS::AtMostOnce => true,
            PacketType::Publish => self.messages.contains_key(&id),
            PacketType::PubRel => self.acknowledged.contains(&id),
            PacketType::PubRec => self.received.contains(&id) != head.is_error,
            PacketType::PubComp => !self.received.contains(&id),
            _ => true,
        }
    }

    /// Another way to say the same. Whatever is lost is not told as a message any more, and lost
    /// requests may be among it.
    fn assert_same(&self, other: &Self) {
        assert_eq!(self.received, other.received, "received");
        for (id, packet) in &other.messages {
            let before = self.messages.get(id).expect("a message of the journal");
            assert_eq!(before.len(), packet.len());
            // The byte with DUP, the seconds of the Message Expiry Interval.
            let changed = before.iter().zip(packet).filter(|(a, b)| a != b);
            assert!(changed.count() <= 1 + 4, "{before:?} {packet:?}");
        }
        for id in self.live() {
            assert!(other.is_live(id), "{id} is not in the snapshot");
        }
        for id in other.live() {
            assert!(
                self.is_live(id) || other.lost.contains(&id),
                "{id} is in the snapshot only"
            );
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Storage {
    records: Vec<([u8; 4], Vec<u8>)>,
    pub(super) session: Session,
}

impl Storage {
    pub(super) fn append(&mut self, record: &Record<'_>) {
        self.session.apply(record);
        self.records.push((record.head(), record.body().to_vec()));
    }

    /// Begins a new journal with what the client says the session is.
    pub(super) fn compact(&mut self, client: &Client<'_>) {
        let mut new = Self::default();
        for record in client.snapshot() {
            new.append(&record);
        }
        self.session.assert_same(&new.session);
        *self = new;
    }

    /// Gives it all back to a client that has just been started.
    pub(super) fn restore(&self, client: &mut Client<'_>) {
        for (head, body) in &self.records {
            let record = Record::from_parts(*head, body).expect("a record");
            let result = client.restore(&record);
            assert_eq!(result, Ok(()), "{record:?}");
        }
    }

    /// Nothing is sent, not even in part, before what it depends on is on stable storage.
    pub(super) fn check(&self, head: &Head) {
        assert!(self.session.permits(head), "{head:?} is not recorded");
    }
}
