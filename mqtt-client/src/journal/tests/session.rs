//! A session whose every state can be told from any other.

use std::collections::VecDeque;

use mqtt_core::wire::{PacketId, Version};
use mqtt_core::{Record, UsageError};

use super::super::log::Session;

/// How many records led here, and the messages that they leave.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    pub(super) records: usize,
    pub(super) messages: Vec<(PacketId, Vec<u8>)>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Publish(PacketId, Vec<u8>),
    Done(PacketId),
}

impl Change {
    fn record(&self) -> Record<'_> {
        match self {
            Self::Publish(id, packet) => Record::Publish {
                id: *id,
                version: Version::V5,
                packet,
            },
            Self::Done(id) => Record::Done(*id),
        }
    }
}

impl State {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Publish(id, packet) => self.messages.push((*id, packet.clone())),
            Change::Done(id) => self.messages.retain(|(other, _)| other != id),
        }
        self.records += 1;
    }
}

/// The session of one process.
#[derive(Debug, Default)]
pub(super) struct Fake {
    /// As confirmed.
    pub(super) state: State,
    pub(super) pending: VecDeque<Change>,
    /// The number of records, as text that a record can carry.
    text: String,
}

impl Session for Fake {
    fn journal(&self) -> impl Iterator<Item = Record<'_>> {
        // What comes later may depend on what is confirmed.
        self.pending.iter().map(Change::record).take(5)
    }

    fn journaled(&mut self, n: usize) {
        for change in self.pending.drain(..n) {
            self.state.apply(&change);
        }
        self.text = self.state.records.to_string();
    }

    fn restore(&mut self, record: &Record<'_>) -> Result<(), mqtt_core::Error> {
        match *record {
            Record::Publish { id, packet, .. } => {
                self.state.apply(&Change::Publish(id, packet.to_vec()));
            }
            Record::Done(id) => self.state.apply(&Change::Done(id)),
            // The end of a snapshot.
            Record::Connected {
                assigned_client_id, ..
            } => self.state.records = assigned_client_id.parse().unwrap(),
            _ => return Err(UsageError::Record.into()),
        }
        self.text = self.state.records.to_string();
        Ok(())
    }

    fn snapshot(&self) -> impl Iterator<Item = Record<'_>> {
        assert!(self.pending.is_empty(), "a snapshot would not be complete");
        let messages = self.state.messages.iter();
        let messages = messages.map(|(id, packet)| Record::Publish {
            id: *id,
            version: Version::V5,
            packet,
        });
        messages.chain([Record::Connected {
            session_present: true,
            assigned_client_id: if self.text.is_empty() {
                "0"
            } else {
                &self.text
            },
        }])
    }
}
