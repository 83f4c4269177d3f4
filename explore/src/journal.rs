//! Stable storage: the journal, and what it says.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mqtt_core::wire::{Packet, PacketId, PacketType, QoS};
use mqtt_core::{Client, Record};

use crate::host;
use crate::rules::{Verdict, require};
use crate::scenario::Scenario;

/// The session as the records give it: a second opinion on [`Client::restore`].
#[derive(Clone, Debug, Default, Hash)]
struct Session {
    /// Messages that wait for their first acknowledgement.
    messages: Vec<PacketId>,
    /// Messages of which the server has sent PUBREC.
    acknowledged: Vec<PacketId>,
    /// Messages whose loss is to be reported.
    lost: Vec<PacketId>,
    /// QoS 2 messages of the server's.
    received: Vec<PacketId>,
}

fn take(ids: &mut Vec<PacketId>, id: PacketId) -> bool {
    let before = ids.len();
    ids.retain(|&other| other != id);
    ids.len() < before
}

fn put(ids: &mut Vec<PacketId>, id: PacketId) -> bool {
    let is_new = !ids.contains(&id);
    ids.push(id);
    ids.sort_unstable();
    is_new
}

/// A record, as bytes.
type Bytes = ([u8; 4], Vec<u8>);

/// Two journals are the same if they say the same: if a client that is given them comes out the
/// same, so that whatever is appended later makes no difference either.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    records: Arc<Vec<Bytes>>,
    session: Session,
    /// The fingerprint of a client that was given the records.
    restored: u64,
}

impl Hash for Journal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.session, self.restored).hash(state);
    }
}

impl Journal {
    /// Writes a record.
    pub(crate) fn append(&mut self, record: &Record<'_>) -> Verdict {
        self.session.apply(record)?;
        let bytes = (record.head(), record.body().to_vec());
        Arc::make_mut(&mut self.records).push(bytes);
        Ok(())
    }

    /// Begins a new journal with what the client says the session is, which must be the same.
    pub(crate) fn compact(&mut self, s: &Scenario, client: &Client<'_>) -> Verdict {
        let mut new = Self::default();
        for record in client.snapshot() {
            new.append(&record)?;
        }
        let is_same = new.session.received == self.session.received && new.live() == self.live();
        require!(
            WriteAhead,
            is_same,
            "{:?} is not {:?}",
            new.session,
            self.session
        );
        new.note(s)?;
        *self = new;
        Ok(())
    }

    /// To be called after records were appended.
    pub(crate) fn note(&mut self, s: &Scenario) -> Verdict {
        self.restored = host::with_client(s, &Self::default(), None, |client| {
            self.restore(client)?;
            Ok(host::fingerprint(client))
        })?;
        Ok(())
    }

    /// Gives it all back to a client that has just been started.
    pub(crate) fn restore(&self, client: &mut Client<'_>) -> Verdict {
        for (head, body) in self.records.iter() {
            let record = Record::from_parts(*head, body);
            let result = record.map(|record| client.restore(&record));
            let is_restored = result == Some(Ok(()));
            require!(
                Protocol,
                is_restored,
                "{record:?} is not restored: {result:?}"
            );
        }
        Ok(())
    }

    /// True if it is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The identifiers in use.
    pub(crate) fn live(&self) -> Vec<PacketId> {
        let Session {
            messages,
            acknowledged,
            lost,
            ..
        } = &self.session;
        let mut live = [&messages[..], acknowledged, lost].concat();
        live.sort_unstable();
        live
    }

    /// What the packet depends on is recorded.
    pub(crate) fn check(&self, packet: &Packet<'_>) -> Verdict {
        let session = &self.session;
        let permits = match packet {
            Packet::Publish(publish) => publish
                .packet_id
                .is_none_or(|id| session.messages.contains(&id)),
            Packet::PubRel(ack) => session.acknowledged.contains(&ack.packet_id),
            Packet::PubRec(ack) => session.received.contains(&ack.packet_id),
            Packet::PubComp(ack) => !session.received.contains(&ack.packet_id),
            _ => true,
        };
        require!(WriteAhead, permits, "{packet:?} is not recorded");
        Ok(())
    }
}

impl Session {
    fn apply(&mut self, record: &Record<'_>) -> Verdict {
        let follows = match *record {
            Record::Connected {
                session_present, ..
            } => {
                if !session_present {
                    self.received.clear();
                    self.lost.append(&mut self.acknowledged);
                    self.lost.sort_unstable();
                }
                true
            }
            Record::Publish { id, packet, .. } => {
                let others = [&self.acknowledged, &self.lost];
                let is_new = others.iter().all(|other| !other.contains(&id));
                packet[0] & 0b110 == 0 || is_new && put(&mut self.messages, id)
            }
            Record::Acknowledged(id) => {
                take(&mut self.messages, id);
                put(&mut self.acknowledged, id)
            }
            Record::Done(id) => {
                let lists = [&mut self.messages, &mut self.acknowledged, &mut self.lost];
                lists.into_iter().any(|ids| take(ids, id))
            }
            Record::Unsent(id) => self.messages.contains(&id),
            Record::Received(id) => put(&mut self.received, id),
            Record::Released(id) => take(&mut self.received, id),
            _ => true,
        };
        require!(
            WriteAhead,
            follows,
            "{record:?} does not follow from {self:?}"
        );
        Ok(())
    }
}

/// True if the packet is one of an exchange that the session keeps.
pub(crate) const fn is_of_session(packet: PacketType, qos: QoS) -> bool {
    match packet {
        PacketType::Publish => !matches!(qos, QoS::AtMostOnce),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => true,
        _ => false,
    }
}
