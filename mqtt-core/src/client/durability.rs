//! What survives a loss of power.

use core::{iter, mem};

use super::Client;
use crate::error::{Error, Resource, UsageError};
use crate::link::{Payload, Phase, Reading};
use crate::session::{Record, State};
use crate::wire::QoS;

impl Client<'_> {
    /// The changes that are to be written to stable storage next, in order; none with
    /// [`Durability::Ram`](crate::Durability::Ram). Say with [`journaled`](Self::journaled) how many were, before any other
    /// call.
    ///
    /// What depends on them is held back until then: a message, until it is recorded; PUBREL, PUBREC
    /// and PUBCOMP, until it is recorded that they are due; after CONNACK, everything. So look here
    /// whenever [`process`](Self::process) has no more events, and before
    /// [`transmit`](Self::transmit). All records that are there may be written at once.
    ///
    /// A QoS 2 message is recorded as received once it was dealt with. An application whose own
    /// data are to change exactly once writes them together with that record. In the same way the
    /// end of a message is recorded after [`Event::Published`](crate::Event::Published) or
    /// [`Event::Lost`](crate::Event::Lost): after a loss of power between the two, the message is
    /// still there, and so must be a payload that was [lent](Self::publish_lent).
    pub fn journal(&self) -> impl Iterator<Item = Record<'_>> {
        let connected = self.connected.map(|present| self.connected_record(present));
        let disconnected = self.disconnected.then_some(Record::Disconnected);
        // They count if a new session has begun.
        let is_new = self.connected == Some(false);
        let unsent = is_new.then(|| self.outbox.unsent());
        let unsent = unsent.into_iter().flatten();
        unsent
            .chain(connected)
            .chain(disconnected)
            .chain(self.outbox.journal())
            .chain(self.inbox.journal())
    }

    /// Notes that the first `n` records of [`journal`](Self::journal) are on stable storage.
    pub fn journaled(&mut self, n: usize) {
        let mut left = n;
        if self.connected == Some(false) {
            left = self.outbox.unsent_journaled(left);
        }
        if left > 0 && self.connected.take().is_some() {
            self.is_recorded = !self.disconnected;
            if self.disconnected {
                // That connection is over already, and on it nothing was sent.
                self.outbox.note_unsent();
            }
            left -= 1;
        }
        if left > 0 && mem::take(&mut self.disconnected) {
            left -= 1;
        }
        let vacancies = self.outbox.vacancies();
        while left > 0 && self.outbox.journaled(self.phase == Phase::Online) {
            left -= 1;
        }
        if self.outbox.vacancies() > vacancies {
            self.room_returned(Resource::Slots.bit());
        }
        self.inbox.journaled(left);
        self.admit();
        self.settle();
    }

    /// Takes back a record, in the order in which [`journal`](Self::journal) gave them, before the
    /// first [`connect`](Self::connect).
    ///
    /// # Errors
    /// [`UsageError::AlreadyConnected`], [`UsageError::InFlight`] if messages are written in another
    /// version than the configured one, [`UsageError::BufferTooSmall`] if the record does not fit
    /// the buffers, and [`UsageError::Record`] if it does not follow from those before.
    pub fn restore(&mut self, record: &Record<'_>) -> Result<(), Error> {
        if self.phase != Phase::Offline {
            return Err(UsageError::AlreadyConnected.into());
        }
        match *record {
            Record::Connected {
                session_present,
                assigned_client_id,
            } => {
                if !self.assign(assigned_client_id) {
                    return Err(UsageError::BufferTooSmall.into());
                }
                self.outbox.restore_connected(session_present);
                if !session_present {
                    self.inbox.clear();
                }
                self.restored_online = true;
                // The power has ended it, and what is handed over from now on was not sent.
                self.disconnected = self.is_durable();
            }
            Record::Disconnected => {
                self.restored_online = false;
                self.disconnected = false;
            }
            Record::Publish {
                id,
                version,
                packet,
            } => {
                if version != self.config.version {
                    return Err(UsageError::InFlight.into());
                }
                let now = self.timers.seconds();
                self.outbox.restore(id, packet, self.restored_online, now)?;
            }
            Record::Unsent(id) => self.outbox.restore_unsent(id),
            Record::Acknowledged(id) => self.outbox.restore_acknowledged(id)?,
            Record::Done(id) => self.outbox.restore_done(id),
            Record::Received(id) => {
                if !self.inbox.insert(id) {
                    return Err(UsageError::BufferTooSmall.into());
                }
            }
            Record::Released(id) => {
                self.inbox.remove(id);
            }
        }
        Ok(())
    }

    /// The whole session as records that [`restore`](Self::restore) to the same state, to begin a
    /// new journal with. Complete only when [`journal`](Self::journal) has nothing.
    pub fn snapshot(&self) -> impl Iterator<Item = Record<'_>> {
        let is_lost = self.outbox.lost().next().is_some();
        let is_online = match self.phase {
            Phase::Online | Phase::Closing => true,
            // A connection that was refused has sent nothing.
            Phase::Closed => self.outbox.count(State::Stored) > 0,
            Phase::Offline | Phase::Connecting => false,
        };
        // A message of which only the beginning was received.
        let partial = match self.reading {
            Reading::Payload(Payload {
                message: Some((id, QoS::ExactlyOnce)),
                is_new: true,
                ..
            }) => Some(Record::Released(id)),
            _ => None,
        };
        self.outbox
            .lost()
            .map(Record::Acknowledged)
            .chain(iter::once(self.connected_record(!is_lost)))
            .chain(iter::once(Record::Disconnected))
            .chain(self.inbox.snapshot())
            .chain(partial)
            .chain(self.outbox.snapshot())
            .chain(is_online.then(|| self.connected_record(true)))
    }

    fn connected_record(&self, session_present: bool) -> Record<'_> {
        Record::Connected {
            session_present,
            assigned_client_id: core::str::from_utf8(self.assigned()).unwrap_or_default(),
        }
    }
}
