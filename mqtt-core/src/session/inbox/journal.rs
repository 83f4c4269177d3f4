//! What survives a loss of power.

use super::{Inbox, Unacknowledged};
use crate::session::Record;
use crate::wire::PacketId;

impl Inbox<'_> {
    /// The messages that were dealt with, as far as the order of acknowledging goes, but for those
    /// at the front that are recorded.
    fn accepted(&self) -> impl Iterator<Item = &Unacknowledged> {
        let queued = (usize::from(self.recorded)..self.len.into()).filter_map(|n| self.queued(n));
        queued.take_while(|message| message.is(Unacknowledged::ACCEPTED))
    }

    /// The changes that are to be on stable storage next, in order.
    pub(crate) fn journal(&self) -> impl Iterator<Item = Record<'_>> {
        let received = self.accepted().filter(|message| message.wants_record());
        let received = received.filter_map(|message| PacketId::new(message.id));
        let released = self.released.recorded..self.released.len;
        let released = released.filter_map(|n| PacketId::new(self.released_at(n.into())));
        received
            .map(Record::Received)
            .chain(released.map(Record::Released))
            .take_while(|_| self.is_durable())
    }

    /// The first `n` changes of [`journal`](Self::journal) are on stable storage.
    pub(crate) fn journaled(&mut self, n: usize) {
        let mut left = n;
        while self.accepted().next().is_some() {
            let message = self.queued_mut(self.recorded.into());
            if let Some(message) = message.filter(|message| message.wants_record()) {
                if left == 0 {
                    return;
                }
                message.flags |= Unacknowledged::RECORDED;
                left -= 1;
            }
            self.recorded += 1;
        }
        while left > 0 && self.released.recorded < self.released.len {
            if let Some(id) = PacketId::new(self.released_at(self.released.recorded.into())) {
                self.remove(id);
            }
            self.released.recorded += 1;
            left -= 1;
        }
        let released = &mut self.released;
        if released.is_given_up && released.recorded == released.len {
            released.is_given_up = false;
            released.recorded -= 1;
            released.len -= 1;
        }
    }

    /// The received QoS 2 identifiers as records: all, less those that were not dealt with.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record<'_>> {
        let received = self.cells.iter().map(|cell| cell.received);
        let flags = Unacknowledged::EXACTLY_ONCE;
        let queued = (0..self.len.into()).filter_map(|n| self.queued(n));
        let unrecorded =
            queued.filter(move |m| m.flags & (flags | Unacknowledged::RECORDED) == flags);
        let unrecorded = unrecorded.map(|message| message.id);
        received
            .filter_map(PacketId::new)
            .map(Record::Received)
            .chain(unrecorded.filter_map(PacketId::new).map(Record::Released))
    }
}
