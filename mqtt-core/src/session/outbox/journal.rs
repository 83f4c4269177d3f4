//! What survives a loss of power.

use super::{DUP, Outbox, Stored};
use crate::error::{Error, UsageError};
use crate::session::Record;
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

    fn ids(&self, state: State) -> impl Iterator<Item = PacketId> {
        self.slots
            .iter(state)
            .filter_map(|index| self.slots.id(index))
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

    /// The journal takes what waits for messages that may have been sent; those that were not are
    /// to be recorded as such.
    pub(crate) fn note_unsent(&mut self) {
        let mut at = self.slots.first(State::Waiting);
        while let Some(index) = at {
            at = self.slots.next(index);
            if self.flags(index) & DUP == 0 {
                self.slots.set_unsent(index, true);
            }
        }
    }

    /// Messages that the journal takes for such that may have been sent, and that were not.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = Record<'_>> {
        let unsent = self.slots.iter(State::Waiting);
        let unsent = unsent.filter(|&index| self.slots.unsent(index));
        unsent
            .filter_map(|index| self.slots.id(index))
            .map(Record::Unsent)
    }

    /// The first `n` of [`unsent`](Self::unsent) are on stable storage. Returns how many of `n` are
    /// left.
    pub(crate) fn unsent_journaled(&mut self, n: usize) -> usize {
        let mut left = n;
        let mut at = self.slots.first(State::Waiting);
        while let (Some(index), 1..) = (at, left) {
            at = self.slots.next(index);
            if self.slots.unsent(index) {
                self.slots.set_unsent(index, false);
                left -= 1;
            }
        }
        left
    }

    /// The recorded messages as records, the lost ones not among them.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record<'_>> {
        let acknowledged = [State::Released, State::Releasing, State::Acknowledged];
        let acknowledged = acknowledged.into_iter().flat_map(|state| self.ids(state));
        let stored = self.slots.iter(State::Stored);
        let messages = stored.chain(self.slots.iter(State::Waiting));
        let messages = messages.filter_map(|index| self.record(index));
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
        let is_cut_off = !is_whole && !publish.payload.is_empty();
        if publish.packet_id != Some(id) || is_cut_off || self.slots.find(id).is_some() {
            return Err(UsageError::Record.into());
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
            self.set_dup(index, true);
            self.slots.set_expiry(index, 0);
        }
        Ok(())
    }

    /// What was in the buffer before fits, wherever it was: all free space is in one piece.
    fn write_restored(&mut self, packet: &dyn Body) -> Result<(usize, usize), Error> {
        let len = encoded_len(packet, self.version)?;
        if !self.arena.has_room_at_end(len) {
            self.arena.compact(&mut Stored(&mut self.slots));
        }
        let written = self.write(packet, usize::MAX);
        written.map_err(|_| UsageError::BufferTooSmall.into())
    }

    /// Takes back that the server has received a message.
    pub(crate) fn restore_acknowledged(&mut self, id: PacketId) -> Result<(), Error> {
        if let Some(index) = self.slots.find(id) {
            self.leave_hole();
            self.slots.set_state(index, State::Released);
            self.reclaim();
        } else {
            let index = self.slots.vacancy_for(id);
            let index = index.ok_or(UsageError::BufferTooSmall)?;
            self.slots
                .occupy(index, id, State::Released, 0, QoS::ExactlyOnce);
        }
        Ok(())
    }

    /// Takes back that a message is through.
    pub(crate) fn restore_done(&mut self, id: PacketId) {
        if let Some(index) = self.slots.find(id) {
            self.leave_hole();
            self.slots.release(index);
            self.reclaim();
        }
    }

    /// Takes back that a message was not sent.
    pub(crate) fn restore_unsent(&mut self, id: PacketId) {
        let index = self.slots.find(id);
        if let Some(index) = index.filter(|&i| self.slots.state(i) == State::Waiting) {
            self.set_dup(index, false);
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
                self.set_dup(index, true);
                self.slots.set_expiry(index, 0);
            }
        }
        self.reclaim();
    }
}
