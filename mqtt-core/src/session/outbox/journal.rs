//! What survives a loss of power.

use super::{DUP, Outbox};
use crate::error::{Error, UsageError};
use crate::session::Record;
use crate::session::outbox::Stored;
use crate::session::slots::{Index, State};
use crate::wire::{Body, Envelope, PacketId, QoS, decode_head, encoded_len};

impl Outbox<'_> {
    fn record(&self, index: Index) -> Option<Record<'_>> {
        Some(Record::Publish {
            id: self.slots.id(index)?,
            version: self.version,
            packet: self.head(index),
        })
    }

    /// The changes that are to be on stable storage next, in order.
    pub(crate) fn journal(&self) -> impl Iterator<Item = Record<'_>> {
        let done = self.ids(State::Settled).map(Record::Done);
        let acknowledged = self.ids(State::Acknowledged).map(Record::Acknowledged);
        let accepted = self.slots.iter(State::Accepted);
        let accepted = accepted.filter_map(|index| self.record(index));
        // Lost messages have given away their room, but not in the journal.
        let accepted = accepted.take_while(|_| self.count(State::Lost) == 0);
        done.chain(acknowledged).chain(accepted)
    }

    /// The first change of [`journal`](Self::journal) is on stable storage. False if there is
    /// none.
    pub(crate) fn journaled(&mut self, online: bool) -> bool {
        if let Some(index) = self.slots.first(State::Settled) {
            self.slots.release(index);
        } else if let Some(index) = self.slots.first(State::Acknowledged) {
            let state = if online {
                State::Releasing
            } else {
                State::Released
            };
            self.slots.set_state(index, state);
        } else if let (Some(index), 0) =
            (self.slots.first(State::Accepted), self.count(State::Lost))
        {
            self.slots.set_state(index, State::Waiting);
        } else {
            return false;
        }
        true
    }

    /// The server has begun a new session, and the messages that are left were never sent. The
    /// journal does not know that of those which were there during an earlier connection.
    pub(super) fn record_again(&mut self) {
        self.misjudged = false;
        while let Some(index) = self.slots.last(State::Waiting) {
            self.slots.set_state_first(index, State::Accepted);
        }
    }

    /// The messages as records, the lost ones not among them.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record<'_>> {
        let acknowledged = [State::Released, State::Releasing, State::Acknowledged];
        let acknowledged = acknowledged.into_iter().flat_map(|state| self.ids(state));
        let messages = self.stored().filter_map(|index| self.record(index));
        acknowledged.map(Record::Acknowledged).chain(messages)
    }

    /// The identifiers whose loss was not reported yet.
    pub(crate) fn lost(&self) -> impl Iterator<Item = PacketId> {
        self.ids(State::Lost)
    }

    /// Takes back a message, sent before if it `may_be_begun`.
    pub(crate) fn restore(
        &mut self,
        id: PacketId,
        packet: &[u8],
        may_be_begun: bool,
        now: u32,
    ) -> Result<(), Error> {
        let (publish, payload_len) = decode_head(packet, self.version).ok_or(UsageError::Record)?;
        if publish.qos == QoS::AtMostOnce {
            // Its payload was with the application; nobody has promised anything.
            return Ok(());
        }
        let is_whole = publish.payload.len() == payload_len;
        if publish.packet_id != Some(id) || !is_whole && !publish.payload.is_empty() {
            return Err(UsageError::Record.into());
        }
        if let Some(index) = self.slots.find(id) {
            // It is recorded again for a new session.
            if !matches!(self.slots.state(index), State::Waiting | State::Lost) {
                return Err(UsageError::Record.into());
            }
            self.restore_done(id);
        }
        let index = self.slots.vacancy_for(id);
        let index = index.ok_or(UsageError::BufferTooSmall)?;
        let (offset, len) = if is_whole {
            self.write_restored(&publish)
        } else {
            self.write_restored(&Envelope {
                publish,
                payload_len,
                alias_of: None,
            })
        }?;
        self.arena.commit(offset, len);
        // Between connections nothing is to be sent, and what is not needed any more can go.
        self.arena.advance_to_end();
        self.keep((index, id), offset, State::Waiting, &publish, now);
        if may_be_begun || publish.dup {
            self.set_dup(index);
            self.slots.set_expiry(index, 0);
        }
        Ok(())
    }

    /// What was in the buffer before fits, wherever it was.
    fn write_restored(&mut self, packet: &impl Body) -> Result<(usize, usize), Error> {
        let len = encoded_len(packet, self.version)?;
        if self.arena.vacancy(len).is_none() {
            self.arena.unwind(&mut Stored(&mut self.slots));
        }
        let written = self.write(packet, usize::MAX);
        written.map_err(|_| UsageError::BufferTooSmall.into())
    }

    /// Takes back that the server has received a message.
    pub(crate) fn restore_acknowledged(&mut self, id: PacketId) -> Result<(), Error> {
        if let Some(index) = self.slots.find(id) {
            self.holes = true;
            self.slots.set_state(index, State::Released);
            self.reclaim();
        } else {
            let index = self.slots.vacancy_for(id);
            let index = index.ok_or(UsageError::BufferTooSmall)?;
            self.slots.occupy(index, id, State::Released, 0);
        }
        Ok(())
    }

    /// Takes back that a message is through.
    pub(crate) fn restore_done(&mut self, id: PacketId) {
        if let Some(index) = self.slots.find(id) {
            self.holes = true;
            self.slots.release(index);
            self.reclaim();
        }
    }

    /// Takes back that a connection was accepted.
    pub(crate) fn restore_connected(&mut self, session_present: bool) {
        if !session_present {
            self.slots.set_state_all(State::Released, State::Lost);
        }
        let mut at = self.slots.first(State::Waiting);
        while let Some(index) = at {
            at = self.slots.next(index);
            if !session_present && self.flags(index) & DUP != 0 {
                self.lose(index);
            } else {
                self.set_dup(index);
                self.slots.set_expiry(index, 0);
            }
        }
        self.reclaim();
    }
}
