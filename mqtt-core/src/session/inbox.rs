//! Messages on their way from the server: which wait for an acknowledgement, and which QoS 2
//! identifiers were received.

use crate::wire::{PacketId, QoS};

/// Bookkeeping for one received QoS 1 or 2 message; 6 bytes.
///
/// Opaque: provide as many as the server may have in flight. In 5.0 this is announced as the
/// Receive Maximum; before, a server sends as many as it likes.
#[derive(Clone, Copy, Debug)]
pub struct Inbound {
    /// A cell of the set of received QoS 2 identifiers; 0 is empty.
    received: u16,
    /// A cell of the queue of messages to be acknowledged.
    unacknowledged: Unacknowledged,
}

#[derive(Clone, Copy, Debug)]
struct Unacknowledged {
    id: u16,
    qos: QoS,
    accepted: bool,
}

impl Inbound {
    /// A cell that is not in use.
    pub const EMPTY: Self = Self {
        received: 0,
        unacknowledged: Unacknowledged {
            id: 0,
            qos: QoS::AtMostOnce,
            accepted: false,
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
    /// Where the queue begins.
    front: usize,
    /// The length of the queue.
    len: usize,
    /// The number of received QoS 2 identifiers.
    received: usize,
    /// How many of them are not in their home cell.
    displaced: usize,
    /// The number of QoS 1 messages in the queue.
    at_least_once: usize,
}

impl<'b> Inbox<'b> {
    pub(crate) fn new(cells: &'b mut [Inbound]) -> Self {
        let len = cells.len().min(usize::from(u16::MAX));
        let cells = cells
            .split_at_mut_checked(len)
            .map_or_else(Default::default, |(c, _)| c);
        cells.fill(Inbound::EMPTY);
        Self {
            cells,
            front: 0,
            len: 0,
            received: 0,
            displaced: 0,
            at_least_once: 0,
        }
    }

    pub(crate) fn capacity(&self) -> u16 {
        u16::try_from(self.cells.len()).unwrap_or(u16::MAX)
    }

    /// The cell `n` after `from`, around the ring.
    fn at(&self, from: usize, n: usize) -> usize {
        let index = from + n;
        if index >= self.cells.len() {
            index - self.cells.len()
        } else {
            index
        }
    }

    // The set: open addressing by identifier. Servers count identifiers up, so that neighbours
    // in time are neighbours here and the first look finds its cell.

    fn home(&self, id: PacketId) -> usize {
        usize::from(id.get() - 1)
            .checked_rem(self.cells.len())
            .unwrap_or(0)
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
                _ => index = self.at(index, 1),
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
        self.displaced -= usize::from(hole != self.home(id));
        // Whatever comes after the hole moves up, unless its home lies behind the hole.
        let mut index = hole;
        for _ in 1..self.cells.len() {
            if self.displaced == 0 {
                break;
            }
            index = self.at(index, 1);
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
                self.set(hole, moving.get());
                self.displaced -= usize::from(hole == home);
                hole = index;
            }
        }
        self.set(hole, 0);
        true
    }

    fn set(&mut self, index: usize, id: u16) {
        if let Some(cell) = self.cells.get_mut(index) {
            cell.received = id;
        }
    }

    // The queue.

    fn queued(&self, n: usize) -> Option<&Unacknowledged> {
        if n >= self.len {
            return None;
        }
        Some(&self.cells.get(self.at(self.front, n))?.unacknowledged)
    }

    fn queued_mut(&mut self, n: usize) -> Option<&mut Unacknowledged> {
        let index = self.at(self.front, n);
        Some(&mut self.cells.get_mut(index)?.unacknowledged)
    }

    /// True if no further message can be queued.
    pub(crate) fn is_full(&self) -> bool {
        self.len == self.cells.len()
    }

    /// True if no further QoS 2 identifier can be noted.
    pub(crate) fn is_set_full(&self) -> bool {
        self.received >= self.cells.len()
    }

    /// True if the server has as many messages in flight as it may `[MQTT-3.3.4-9]`.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.received + self.at_least_once >= self.cells.len()
    }

    /// Whether a message is new.
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

    /// True if the QoS 2 message `id` has not had its PUBREC.
    pub(crate) fn is_queued(&self, id: PacketId) -> bool {
        (0..self.len)
            .filter_map(|n| self.queued(n))
            .any(|message| message.id == id.get() && message.qos == QoS::ExactlyOnce)
    }

    /// Notes the identifier of a new QoS 2 message.
    pub(crate) fn insert(&mut self, id: PacketId) {
        if let Some((index, false)) = self.search(id) {
            self.set(index, id.get());
            self.received += 1;
            self.displaced += usize::from(index != self.home(id));
        }
    }

    /// Queues a message that was delivered, to be acknowledged in its turn.
    pub(crate) fn push(&mut self, id: PacketId, qos: QoS) {
        if self.is_full() {
            return;
        }
        self.len += 1;
        self.at_least_once += usize::from(qos == QoS::AtLeastOnce);
        if let Some(last) = self.queued_mut(self.len - 1) {
            *last = Unacknowledged {
                id: id.get(),
                qos,
                accepted: false,
            };
        }
    }

    /// Marks a message as dealt with. False if it does not wait for that.
    pub(crate) fn accept(&mut self, id: PacketId) -> bool {
        let waits = |m: &Unacknowledged| m.id == id.get() && !m.accepted;
        let n = (0..self.len).find(|&n| self.queued(n).is_some_and(waits));
        match n.and_then(|n| self.queued_mut(n)) {
            Some(message) => {
                message.accepted = true;
                true
            }
            None => false,
        }
    }

    /// Marks the newest message as dealt with.
    pub(crate) fn accept_last(&mut self) {
        if let Some(last) = self.len.checked_sub(1).and_then(|n| self.queued_mut(n)) {
            last.accepted = true;
        }
    }

    /// The next message whose acknowledgement is due: those before it have theirs
    /// `[MQTT-4.6.0-2]`, `[MQTT-4.6.0-3]`.
    pub(crate) fn due(&self) -> Option<(PacketId, QoS)> {
        let message = self.queued(0).filter(|message| message.accepted)?;
        Some((PacketId::new(message.id)?, message.qos))
    }

    /// Takes the message of [`due`](Self::due) from the queue.
    pub(crate) fn pop(&mut self) {
        if let Some(front) = self.queued(0) {
            self.at_least_once -= usize::from(front.qos == QoS::AtLeastOnce);
            self.front = self.at(self.front, 1);
            self.len -= 1;
        }
    }

    /// The connection is lost. The server sends again what was not acknowledged: QoS 1 as if it
    /// were new, QoS 2 to be recognised. QoS 2 messages that the application acknowledges itself
    /// (`keep`) keep their place.
    pub(crate) fn connection_lost(&mut self, keep: bool) {
        for _ in 0..self.len {
            let Some(&message) = self.queued(0) else {
                break;
            };
            self.pop();
            if keep && message.qos == QoS::ExactlyOnce && self.len < self.cells.len() {
                self.len += 1;
                if let Some(last) = self.queued_mut(self.len - 1) {
                    *last = message;
                }
            }
        }
    }

    /// The session is gone.
    pub(crate) fn clear(&mut self) {
        self.cells.fill(Inbound::EMPTY);
        (self.front, self.len, self.at_least_once) = (0, 0, 0);
        (self.received, self.displaced) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec;

    fn id(id: u16) -> PacketId {
        PacketId::new(id).unwrap()
    }

    proptest! {
        /// The set against the standard library's, with identifiers that collide.
        #[test]
        fn received_identifiers(
            capacity in 1..8usize,
            steps in proptest::collection::vec((any::<bool>(), 1..20u16), 0..100),
        ) {
            let mut cells = vec![Inbound::EMPTY; capacity];
            let mut inbox = Inbox::new(&mut cells);
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
                prop_assert_eq!(inbox.is_exhausted(), model.len() == capacity);
            }
        }
    }

    #[test]
    fn acknowledgements_leave_in_order_of_arrival() {
        let mut cells = [Inbound::EMPTY; 3];
        let mut inbox = Inbox::new(&mut cells);
        for round in 0..5 {
            for n in 1..=3 {
                inbox.push(id(round * 3 + n), QoS::AtLeastOnce);
            }
            assert!(inbox.is_full());
            assert!(inbox.accept(id(round * 3 + 3)));
            assert!(!inbox.accept(id(round * 3 + 3)));
            assert_eq!(inbox.due(), None);
            assert!(inbox.accept(id(round * 3 + 1)));
            assert_eq!(inbox.due(), Some((id(round * 3 + 1), QoS::AtLeastOnce)));
            inbox.pop();
            assert_eq!(inbox.due(), None);
            assert!(inbox.accept(id(round * 3 + 2)));
            inbox.pop();
            assert_eq!(inbox.due(), Some((id(round * 3 + 3), QoS::AtLeastOnce)));
            inbox.pop();
            assert_eq!(inbox.due(), None);
        }
    }

    #[test]
    fn a_lost_connection_forgets_qos_1_and_keeps_qos_2() {
        let mut cells = [Inbound::EMPTY; 4];
        let mut inbox = Inbox::new(&mut cells);
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
        assert!(inbox.accept(id(3)));
        inbox.connection_lost(true);
        assert!(!inbox.accept(id(1)));
        assert_eq!(inbox.delivery(id(1), QoS::AtLeastOnce), Delivery::New);
        assert_eq!(inbox.delivery(id(2), QoS::ExactlyOnce), Delivery::Queued);
        assert_eq!(inbox.delivery(id(3), QoS::ExactlyOnce), Delivery::Queued);
        assert!(inbox.accept(id(2)));
        for number in [2, 3] {
            assert_eq!(inbox.due(), Some((id(number), QoS::ExactlyOnce)));
            inbox.pop();
            let delivery = inbox.delivery(id(number), QoS::ExactlyOnce);
            assert_eq!(delivery, Delivery::Repeated);
        }
    }
}
