//! Messages on their way from the server: which wait for an acknowledgement, and which QoS 2
//! identifiers were received.

#[cfg(feature = "durability")]
mod journal;

use crate::wire::{PacketId, PacketType, QoS, ReasonCode};

/// Bookkeeping for one received QoS 1 or 2 message; 8 bytes.
///
/// Opaque: provide as many as the server may have in flight. In 5.0 this is announced as the
/// Receive Maximum; before, a server sends as many as it likes. Of more, those that wait to be
/// acknowledged hold back what comes behind them, and a QoS 2 message whose identifier cannot be
/// noted ends the connection.
#[derive(Clone, Copy, Debug)]
pub struct Inbound {
    /// A cell of the set of received QoS 2 identifiers; 0 is empty.
    received: u16,
    /// A cell of the queue of QoS 2 messages to be completed.
    released: u16,
    /// A cell of the queue of messages to be acknowledged.
    unacknowledged: Unacknowledged,
}

#[derive(Clone, Copy, Debug)]
struct Unacknowledged {
    id: u16,
    code: ReasonCode,
    flags: u8,
}

impl Unacknowledged {
    const EXACTLY_ONCE: u8 = 1;
    /// It was dealt with.
    const ACCEPTED: u8 = 2;
    /// That it was is on stable storage.
    const RECORDED: u8 = 4;
    /// It came with an earlier connection. On this one it will be sent again.
    const EARLIER: u8 = 8;
    /// Not of this message, but of the identifier in the set's cell: it came with an earlier
    /// connection, and was not heard of on this one.
    const OLD: u8 = 16;
    /// Not of this message, but of the identifier in the set's cell: its message is in the queue.
    const QUEUED: u8 = 32;
    /// Those flags that are of the identifier in the set's cell.
    const OF_SET: u8 = Self::OLD | Self::QUEUED;

    /// Takes the place of a message, but not of what is not its own.
    const fn put(&mut self, message: Self) {
        let of_set = self.flags & Self::OF_SET;
        *self = message;
        self.flags = self.flags & !Self::OF_SET | of_set;
    }

    const fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    const fn qos(self) -> QoS {
        if self.is(Self::EXACTLY_ONCE) {
            QoS::ExactlyOnce
        } else {
            QoS::AtLeastOnce
        }
    }

    /// True if a record of it is due before its acknowledgement.
    const fn wants_record(self) -> bool {
        self.flags & (Self::EXACTLY_ONCE | Self::ACCEPTED | Self::RECORDED)
            == Self::EXACTLY_ONCE | Self::ACCEPTED
            && !self.code.is_error()
    }
}

impl Inbound {
    /// A cell that is not in use.
    pub const EMPTY: Self = Self {
        received: 0,
        released: 0,
        unacknowledged: Unacknowledged {
            id: 0,
            code: ReasonCode::Success,
            flags: 0,
        },
    };
}

impl Default for Inbound {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// What to do with a received QoS 1 or 2 message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Delivery {
    /// It is new.
    New,
    /// It was delivered before and is to be acknowledged again `[MQTT-4.3.3-10]`.
    Repeated,
    /// It was delivered before and waits for its turn to be acknowledged.
    Queued,
}

#[derive(Debug)]
pub(crate) struct Inbox<'b> {
    cells: &'b mut [Inbound],
    /// What the server is told: how many cells there were at first.
    receive_maximum: u16,
    /// How long the queue may be.
    max_len: u16,
    /// Where the queue begins.
    front: u16,
    /// The length of the queue.
    len: u16,
    /// The number of received QoS 2 identifiers.
    received: u16,
    /// How many of them are not in their home cell.
    displaced: u16,
    /// The queue of QoS 2 messages to be completed: where it begins, how long it is, and how many
    /// at its front are recorded.
    released: Released,
    /// How many messages at the front of the queue have been dealt with and want no record.
    recorded: u16,
    /// True if changes count once they are on stable storage.
    durable: bool,
}

/// A message that waits to be dealt with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unaccepted {
    n: usize,
    pub(crate) qos: QoS,
    /// True if its acknowledgement would be the next to leave, at once.
    pub(crate) is_next: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Released {
    front: u16,
    len: u16,
    recorded: u16,
    /// True if the last one is given up, and the server is not told.
    is_given_up: bool,
}

/// What is due for the message at the front of the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// An acknowledgement.
    Acknowledge(PacketType, PacketId, ReasonCode),
    /// Nothing: the server sends the message again, and that one is acknowledged.
    Nothing,
}

impl<'b> Inbox<'b> {
    pub(crate) fn new(cells: &'b mut [Inbound], durable: bool) -> Self {
        let len = cells.len().min(usize::from(u16::MAX));
        let cells = cells.get_mut(..len).unwrap_or_default();
        cells.fill(Inbound::EMPTY);
        Self {
            receive_maximum: narrow(cells.len()),
            max_len: narrow(cells.len()),
            cells,
            front: 0,
            len: 0,
            received: 0,
            displaced: 0,
            released: Released::default(),
            recorded: 0,
            durable,
        }
    }

    /// Moves to these cells, if they are more.
    pub(crate) fn extend(&mut self, cells: &'b mut [Inbound]) {
        let mut to = Self {
            receive_maximum: self.receive_maximum,
            max_len: self.max_len,
            ..Self::new(cells, self.durable)
        };
        if to.capacity() <= self.capacity() {
            return;
        }
        for index in 0..self.cells.len() {
            if let Some(id) = PacketId::new(self.received_at(index)) {
                to.insert(id);
                if let Some((at, true)) = to.search(id) {
                    to.set(at, id.get(), self.flags(index));
                }
            }
        }
        for n in 0..self.len.into() {
            if let (Some(&message), Some(place)) = (self.queued(n), to.queued_mut(n)) {
                place.put(message);
            }
        }
        for n in 0..self.released.len.into() {
            if let Some(cell) = to.cells.get_mut(n) {
                cell.released = self.released_at(n);
            }
        }
        (to.len, to.recorded, to.released) = (self.len, self.recorded, self.released);
        to.released.front = 0;
        *self = to;
    }

    pub(crate) const fn receive_maximum(&self) -> u16 {
        self.receive_maximum
    }

    pub(crate) fn set_max_len(&mut self, len: u16) {
        self.max_len = len.min(self.capacity());
    }

    /// The length of the queue.
    pub(crate) const fn len(&self) -> u16 {
        self.len
    }

    /// The number of received QoS 2 identifiers.
    pub(crate) const fn received(&self) -> u16 {
        self.received
    }

    pub(crate) const fn configure(&mut self, durable: bool) {
        self.durable = durable;
    }

    const fn is_durable(&self) -> bool {
        cfg!(feature = "durability") && self.durable
    }

    /// True if there is nothing that is remembered for the server, between connections.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0 && self.received == 0
    }

    /// True if nothing waits to be acknowledged or completed.
    pub(crate) const fn is_idle(&self) -> bool {
        self.len == 0 && (!cfg!(feature = "durability") || self.released.len == 0)
    }

    pub(crate) fn capacity(&self) -> u16 {
        u16::try_from(self.cells.len()).unwrap_or(u16::MAX)
    }

    /// The cell `n` after `from`, around the ring.
    fn at(&self, from: u16, n: usize) -> usize {
        let index = usize::from(from) + n;
        index.checked_sub(self.cells.len()).unwrap_or(index)
    }

    // The set: open addressing by identifier. Servers count identifiers up, so that neighbours
    // in time are neighbours here and the first look finds its cell.

    /// The next cell, around the ring.
    fn after(&self, index: usize) -> usize {
        let next = index + 1;
        if next == self.cells.len() { 0 } else { next }
    }

    fn home(&self, id: PacketId) -> usize {
        let number = usize::from(id.get() - 1);
        number.checked_rem(self.cells.len()).unwrap_or(0)
    }

    fn received_at(&self, index: usize) -> u16 {
        self.cells.get(index).map_or(0, |cell| cell.received)
    }

    /// The cell of `id`, or the empty one where it would go.
    fn search(&self, id: PacketId) -> Option<(usize, bool)> {
        let mut index = self.home(id);
        for _ in 0..self.cells.len() {
            match self.received_at(index) {
                0 => return Some((index, false)),
                found if found == id.get() => return Some((index, true)),
                _ => index = self.after(index),
            }
        }
        None
    }

    /// True if the QoS 2 message `id` was received and not released yet.
    pub(crate) fn is_received(&self, id: PacketId) -> bool {
        matches!(self.search(id), Some((_, true)))
    }

    /// PUBREL: the identifier is new again `[MQTT-4.3.3-12]`. False if it was not known.
    pub(crate) fn remove(&mut self, id: PacketId) -> bool {
        let Some((mut hole, true)) = self.search(id) else {
            return false;
        };
        self.received -= 1;
        self.displaced -= u16::from(hole != self.home(id));
        // Whatever comes after the hole moves up, unless its home lies behind the hole.
        let mut index = hole;
        for _ in 1..self.cells.len() {
            if self.displaced == 0 {
                break;
            }
            index = self.after(index);
            let Some(moving) = PacketId::new(self.received_at(index)) else {
                break;
            };
            let home = self.home(moving);
            let stays = if hole < index {
                hole < home && home <= index
            } else {
                hole < home || home <= index
            };
            if !stays {
                self.set(hole, moving.get(), self.flags(index));
                self.displaced -= u16::from(hole == home);
                hole = index;
            }
        }
        self.set(hole, 0, 0);
        true
    }

    /// Puts an identifier into a cell of the set, with its flags.
    fn set(&mut self, index: usize, id: u16, flags: u8) {
        if let Some(cell) = self.cells.get_mut(index) {
            cell.received = id;
            let all = &mut cell.unacknowledged.flags;
            *all = *all & !Unacknowledged::OF_SET | flags & Unacknowledged::OF_SET;
        }
    }

    fn flags(&self, index: usize) -> u8 {
        let cell = self.cells.get(index);
        cell.map_or(0, |cell| cell.unacknowledged.flags)
    }

    fn has(&self, index: usize, flag: u8) -> bool {
        self.flags(index) & flag != 0
    }

    /// Notes that the message of a received identifier is in the queue, or not.
    fn set_queued(&mut self, id: PacketId, is_queued: bool) {
        if let Some((index, true)) = self.search(id) {
            let flags = self.flags(index) & !Unacknowledged::QUEUED;
            let queued = u8::from(is_queued) * Unacknowledged::QUEUED;
            self.set(index, id.get(), flags | queued);
        }
    }

    /// Makes room in the set for an identifier: forgets one of an earlier connection that was not
    /// heard of on this one. A server that has the session sends such again before anything new;
    /// this one has another session, and its CONNACK was lost. With a journal that is recorded first.
    pub(crate) fn give_up(&mut self, new: PacketId) {
        // Where the new ones begin, as they count up, those before them are given up already.
        let home = narrow(self.home(new));
        let mut indices = (0..self.cells.len()).map(|n| self.at(home, n));
        let old = indices
            .find(|&index| self.flags(index) & Unacknowledged::OF_SET == Unacknowledged::OLD);
        match old.and_then(|index| PacketId::new(self.received_at(index))) {
            Some(id) if self.is_durable() => self.released.is_given_up = self.release(id),
            Some(id) => {
                self.remove(id);
            }
            None => {}
        }
    }

    // The queue.

    fn queued(&self, n: usize) -> Option<&Unacknowledged> {
        if n >= usize::from(self.len) {
            return None;
        }
        Some(&self.cells.get(self.at(self.front, n))?.unacknowledged)
    }

    fn queued_mut(&mut self, n: usize) -> Option<&mut Unacknowledged> {
        let index = self.at(self.front, n);
        Some(&mut self.cells.get_mut(index)?.unacknowledged)
    }

    fn last_mut(&mut self) -> Option<&mut Unacknowledged> {
        self.queued_mut(usize::from(self.len).checked_sub(1)?)
    }

    /// True if no further message can be queued.
    pub(crate) const fn is_full(&self) -> bool {
        self.len >= self.max_len
    }

    /// True if no further QoS 2 identifier can be noted.
    pub(crate) fn is_set_full(&self) -> bool {
        self.received >= self.capacity()
    }

    /// True if an identifier is new again once that is recorded.
    pub(crate) const fn is_releasing(&self) -> bool {
        self.is_durable() && self.released.recorded < self.released.len
    }

    /// Whether a message is new.
    #[inline]
    pub(crate) fn delivery(&self, id: PacketId, qos: QoS) -> Delivery {
        if qos != QoS::ExactlyOnce || !self.is_received(id) {
            return Delivery::New;
        }
        if self.is_queued(id) {
            Delivery::Queued
        } else {
            Delivery::Repeated
        }
    }

    /// The place in the queue of a message whose flags, of those in the `mask`, are these.
    fn position(&self, id: PacketId, flags: u8, mask: u8) -> Option<usize> {
        let is_it = |m: &Unacknowledged| m.id == id.get() && m.flags & mask == flags;
        let is_there = |&n: &usize| self.queued(n).is_some_and(is_it);
        // Servers count identifiers up, without 0. It is there or, by as many as were left out,
        // before.
        let front = self.queued(0)?.id;
        let ahead = id.get().wrapping_sub(front);
        let ahead = ahead - u16::from(id.get() < front);
        let guess = usize::from(ahead.min(self.len - 1));
        let before = (0..=guess).rev();
        before.chain(guess + 1..self.len.into()).find(is_there)
    }

    /// True if the QoS 2 message `id` has not had its PUBREC.
    pub(crate) fn is_queued(&self, id: PacketId) -> bool {
        matches!(self.search(id), Some((index, true)) if self.has(index, Unacknowledged::QUEUED))
    }

    /// Notes the identifier of a new QoS 2 message; false if there is no room.
    pub(crate) fn insert(&mut self, id: PacketId) -> bool {
        match self.search(id) {
            Some((index, false)) => {
                self.set(index, id.get(), 0);
                self.received += 1;
                self.displaced += u16::from(index != self.home(id));
                true
            }
            found => found.is_some(),
        }
    }

    /// Queues a message that was delivered, to be acknowledged in its turn.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn push(&mut self, id: PacketId, qos: QoS) {
        if self.is_full() {
            return;
        }
        self.len += 1;
        if qos == QoS::ExactlyOnce {
            self.set_queued(id, true);
        }
        if let Some(last) = self.last_mut() {
            last.put(Unacknowledged {
                id: id.get(),
                code: ReasonCode::Success,
                flags: u8::from(qos == QoS::ExactlyOnce) * Unacknowledged::EXACTLY_ONCE,
            });
        }
    }

    /// The server has sent a message again.
    pub(crate) fn repeated(&mut self, id: PacketId) {
        if let Some((index, true)) = self.search(id) {
            self.set(index, id.get(), self.flags(index) & !Unacknowledged::OLD);
        }
        let flag = Unacknowledged::EXACTLY_ONCE;
        if let Some(message) = self
            .position(id, flag, flag)
            .and_then(|n| self.queued_mut(n))
        {
            message.flags &= !Unacknowledged::EARLIER;
        }
    }

    /// Finds a message that waits to be dealt with.
    pub(crate) fn unaccepted(&self, id: PacketId) -> Option<Unaccepted> {
        let n = self.position(id, 0, Unacknowledged::ACCEPTED)?;
        let message = self.queued(n)?;
        Some(Unaccepted {
            n,
            qos: message.qos(),
            is_next: n == 0 && !message.is(Unacknowledged::EARLIER),
        })
    }

    /// Marks a message as dealt with.
    pub(crate) fn accept(&mut self, message: Unaccepted, code: ReasonCode) {
        if let Some(message) = self.queued_mut(message.n) {
            message.code = code;
            message.flags |= Unacknowledged::ACCEPTED;
        }
    }

    /// Marks the newest message as dealt with.
    pub(crate) fn accept_last(&mut self) {
        if let Some(last) = self.last_mut() {
            last.flags |= Unacknowledged::ACCEPTED;
        }
    }

    /// Takes the message at the front from the queue, if something is due for it: those before it
    /// had their acknowledgements `[MQTT-4.6.0-2]`, `[MQTT-4.6.0-3]`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn take_due(&mut self) -> Option<Due> {
        let message = self.queued(0).copied()?;
        if !message.is(Unacknowledged::ACCEPTED) || self.is_durable() && message.wants_record() {
            return None;
        }
        self.pop();
        if message.is(Unacknowledged::EARLIER) {
            return Some(Due::Nothing);
        }
        let packet = match message.qos() {
            QoS::ExactlyOnce => PacketType::PubRec,
            _ => PacketType::PubAck,
        };
        let id = PacketId::new(message.id)?;
        Some(Due::Acknowledge(packet, id, message.code))
    }

    /// Takes the message at the front from the queue. A QoS 2 message that was turned down ends
    /// with that.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn pop(&mut self) {
        let Some(&front) = self.queued(0) else {
            return;
        };
        self.front = narrow(self.at(self.front, 1));
        self.len -= 1;
        self.recorded = self.recorded.saturating_sub(1);
        match (front.qos(), PacketId::new(front.id)) {
            (QoS::ExactlyOnce, Some(id)) if front.code.is_error() => {
                self.remove(id);
            }
            (QoS::ExactlyOnce, Some(id)) => self.set_queued(id, false),
            _ => {}
        }
    }

    /// PUBREL: the identifier is new again, once that is recorded. False if there is no room to
    /// note that.
    pub(crate) fn release(&mut self, id: PacketId) -> bool {
        if self.released.len == self.capacity() {
            return false;
        }
        let index = self.at(self.released.front, self.released.len.into());
        if let Some(cell) = self.cells.get_mut(index) {
            cell.released = id.get();
        }
        self.released.len += 1;
        true
    }

    fn released_at(&self, n: usize) -> u16 {
        let index = self.at(self.released.front, n);
        self.cells.get(index).map_or(0, |cell| cell.released)
    }

    /// The next message whose PUBCOMP is due.
    pub(crate) fn completing(&self) -> Option<PacketId> {
        if !self.is_durable() || self.released.recorded == 0 {
            return None;
        }
        PacketId::new(self.released_at(0))
    }

    /// Notes that the PUBCOMP of [`completing`](Self::completing) is on its way.
    pub(crate) fn completed(&mut self) {
        self.released.front = narrow(self.at(self.released.front, 1));
        self.released.len -= 1;
        self.released.recorded -= 1;
    }

    /// The connection is lost. The server sends again what was not acknowledged: QoS 1 as if it
    /// were new, QoS 2 to be recognised. QoS 2 messages that the application acknowledges itself
    /// (`keep`), or whose record is due, keep their place.
    pub(crate) fn connection_lost(&mut self, keep: bool) {
        for cell in self.cells.iter_mut().filter(|cell| cell.received != 0) {
            cell.unacknowledged.flags |= Unacknowledged::OLD;
        }
        self.released = Released::default();
        self.recorded = 0;
        if !keep {
            self.accept_last();
        }
        for _ in 0..self.len {
            let Some(&message) = self.queued(0) else {
                break;
            };
            self.pop();
            let keep = keep || self.is_durable() && message.wants_record();
            let is_error = message.code.is_error();
            if keep && message.is(Unacknowledged::EXACTLY_ONCE) && !is_error {
                self.len += 1;
                if let Some(last) = self.last_mut() {
                    last.put(message);
                    last.flags |= Unacknowledged::EARLIER;
                }
                if let Some(id) = PacketId::new(message.id) {
                    self.set_queued(id, true);
                }
            }
        }
    }

    /// The session is gone.
    pub(crate) fn clear(&mut self) {
        self.cells.fill(Inbound::EMPTY);
        (self.front, self.len) = (0, 0);
        self.released = Released::default();
        (self.received, self.displaced, self.recorded) = (0, 0, 0);
    }
}

/// There are no more than 65,535 cells.
#[expect(clippy::cast_possible_truncation, reason = "an index of a cell")]
const fn narrow(index: usize) -> u16 {
    index as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec;
    use std::vec::Vec;

    const OK: ReasonCode = ReasonCode::Success;

    fn id(id: u16) -> PacketId {
        PacketId::new(id).unwrap()
    }

    fn accept(inbox: &mut Inbox<'_>, id: PacketId) -> bool {
        let message = inbox.unaccepted(id);
        if let Some(message) = message {
            inbox.accept(message, OK);
        }
        message.is_some()
    }

    fn puback(number: u16) -> Due {
        Due::Acknowledge(PacketType::PubAck, id(number), OK)
    }

    proptest! {
        /// The set against the standard library's, with identifiers that collide.
        #[test]
        fn received_identifiers(
            capacity in 1..8usize,
            steps in proptest::collection::vec((any::<bool>(), 1..20u16), 0..100),
        ) {
            let mut cells = vec![Inbound::EMPTY; capacity];
            let mut inbox = Inbox::new(&mut cells, false);
            let mut model = BTreeSet::new();
            for (add, number) in steps {
                if add && model.len() < capacity {
                    let new = inbox.delivery(id(number), QoS::ExactlyOnce) == Delivery::New;
                    prop_assert_eq!(new, model.insert(number));
                    inbox.insert(id(number));
                } else if !add {
                    prop_assert_eq!(inbox.remove(id(number)), model.remove(&number));
                }
                for number in 1..20 {
                    prop_assert_eq!(inbox.is_received(id(number)), model.contains(&number));
                }
                prop_assert_eq!(inbox.is_set_full(), model.len() == capacity);
            }
        }
    }

    /// Does something with a message, or nothing if that is not its turn.
    fn step(inbox: &mut Inbox<'_>, what: u8, number: u16, has_room: bool) -> Option<Due> {
        let id = id(number);
        let is_new = inbox.delivery(id, QoS::ExactlyOnce) == Delivery::New;
        match what {
            0 if has_room => inbox.push(id, QoS::AtLeastOnce),
            1 if has_room && is_new => {
                inbox.insert(id);
                inbox.push(id, QoS::ExactlyOnce);
            }
            2 => drop(accept(inbox, id)),
            3 if has_room && !is_new => {
                inbox.release(id);
                inbox.released.recorded = inbox.released.len;
                inbox.recorded = inbox.len / 2;
            }
            4 if inbox.completing().is_some() => inbox.completed(),
            5 if number == 1 => inbox.connection_lost(true),
            _ => return inbox.take_due(),
        }
        None
    }

    /// All that can be seen of it.
    fn seen(inbox: &Inbox<'_>) -> (Vec<(Delivery, u8)>, [u16; 3], Option<PacketId>) {
        let of = |number| {
            let flags = match inbox.search(id(number)) {
                Some((at, true)) => inbox.flags(at) & Unacknowledged::OF_SET,
                _ => 0,
            };
            (inbox.delivery(id(number), QoS::ExactlyOnce), flags)
        };
        let counts = [inbox.len(), inbox.received(), inbox.recorded];
        ((1..12).map(of).collect(), counts, inbox.completing())
    }

    proptest! {
        /// With more cells at any moment it goes on as one that had as many from the beginning.
        #[test]
        fn moved_to_more_cells(
            fewer in 1..8usize,
            steps in proptest::collection::vec((0..6u8, 1..12u16), 0..60),
            when in 0..60usize,
        ) {
            let (mut few, mut many) = (vec![Inbound::EMPTY; fewer], [Inbound::EMPTY; 8]);
            let (mut moved, mut other) = (Inbox::new(&mut few, true), Inbox::new(&mut many, true));
            let mut more = [Inbound::EMPTY; 8];
            let mut more = Some(&mut more[..]);
            for (n, (what, number)) in steps.into_iter().enumerate() {
                if n == when {
                    let is_full = moved.is_full();
                    moved.extend(more.take().unwrap());
                    prop_assert_eq!(moved.is_full(), is_full);
                    prop_assert_eq!(moved.capacity(), 8);
                    moved.set_max_len(u16::MAX);
                }
                let has_room = !moved.is_full()
                    && !moved.is_set_full()
                    && moved.released.len < moved.capacity();
                let due = [&mut moved, &mut other].map(|inbox| step(inbox, what, number, has_room));
                prop_assert_eq!(due[0], due[1]);
                prop_assert_eq!(seen(&moved), seen(&other));
            }
            prop_assert_eq!(usize::from(moved.receive_maximum()), fewer);
        }
    }

    #[test]
    fn acknowledgements_leave_in_order_of_arrival() {
        let mut cells = [Inbound::EMPTY; 3];
        let mut inbox = Inbox::new(&mut cells, false);
        for round in 0..5 {
            for n in 1..=3 {
                inbox.push(id(round * 3 + n), QoS::AtLeastOnce);
            }
            assert!(inbox.is_full());
            assert!(accept(&mut inbox, id(round * 3 + 3)));
            assert!(!accept(&mut inbox, id(round * 3 + 3)));
            assert_eq!(inbox.take_due(), None);
            assert!(accept(&mut inbox, id(round * 3 + 1)));
            assert_eq!(inbox.take_due(), Some(puback(round * 3 + 1)));
            assert_eq!(inbox.take_due(), None);
            assert!(accept(&mut inbox, id(round * 3 + 2)));
            assert_eq!(inbox.take_due(), Some(puback(round * 3 + 2)));
            assert_eq!(inbox.take_due(), Some(puback(round * 3 + 3)));
            assert_eq!(inbox.take_due(), None);
        }
    }

    #[test]
    fn a_lost_connection_forgets_qos_1_and_keeps_qos_2() {
        let mut cells = [Inbound::EMPTY; 4];
        let mut inbox = Inbox::new(&mut cells, false);
        for (number, qos) in [
            (1, QoS::AtLeastOnce),
            (2, QoS::ExactlyOnce),
            (3, QoS::ExactlyOnce),
        ] {
            assert_eq!(inbox.delivery(id(number), qos), Delivery::New);
            if qos == QoS::ExactlyOnce {
                inbox.insert(id(number));
            }
            inbox.push(id(number), qos);
        }
        assert!(accept(&mut inbox, id(3)));
        inbox.connection_lost(true);
        assert!(!accept(&mut inbox, id(1)));
        assert_eq!(inbox.delivery(id(1), QoS::AtLeastOnce), Delivery::New);
        assert_eq!(inbox.delivery(id(2), QoS::ExactlyOnce), Delivery::Queued);
        assert_eq!(inbox.delivery(id(3), QoS::ExactlyOnce), Delivery::Queued);
        assert!(accept(&mut inbox, id(2)));
        // 2 has come again, 3 has not.
        inbox.repeated(id(2));
        let pubrec = Due::Acknowledge(PacketType::PubRec, id(2), OK);
        for (number, due) in [(2, pubrec), (3, Due::Nothing)] {
            assert_eq!(inbox.take_due(), Some(due));
            let delivery = inbox.delivery(id(number), QoS::ExactlyOnce);
            assert_eq!(delivery, Delivery::Repeated);
        }
    }
}
