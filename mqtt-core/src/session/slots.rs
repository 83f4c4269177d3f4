//! The table of packet identifiers in use, and the order among them.
//!
//! - The identifier alone says which slot it has: no search, however large the table.
//! - A slot is in the list of its state, be it that of those that are free. Lists keep order and
//!   count themselves; there is no other counter that could drift from them.
//! - Identifiers count up. Where a few in a row are taken, the slot that has been free for longest is
//!   next, with the next of its identifiers: no search either, however many are taken.

use core::num::NonZeroU16;

use crate::wire::{PacketId, QoS};

/// Bookkeeping for one packet identifier in use; 16 bytes.
///
/// Opaque: provide as many as there should be messages and requests in flight.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Of a message: where its packet begins. Of a request: what it is.
    value: u32,
    /// When a message that was never sent is not to be sent any more; 0 is never.
    expiry: u32,
    /// The identifier or, while the slot is free, the one that it had last; 0 is none.
    id: u16,
    prev: Option<Index>,
    next: Option<Index>,
    state: State,
    /// The QoS of a message, where the first byte of its packet has it, and [`UNSENT`].
    flags: u8,
}

/// The bits of the QoS in the first byte of a PUBLISH.
const QOS: u8 = 0b110;
/// It is to be recorded that the message was not sent.
const UNSENT: u8 = 1;

impl Slot {
    /// A slot that is not in use.
    // All zero, so that memory in a static takes no room in flash.
    pub const EMPTY: Self = Self {
        value: 0,
        expiry: 0,
        id: 0,
        prev: None,
        next: None,
        state: State::Free,
        flags: 0,
    };
}

impl Slot {
    pub(super) const fn state(&self) -> State {
        self.state
    }

    pub(super) const fn value(&self) -> u32 {
        self.value
    }

    pub(super) fn qos(&self) -> QoS {
        QoS::from_u8((self.flags & QOS) >> 1).unwrap_or_default()
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// What an identifier is in use for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum State {
    /// Nothing.
    Free,
    /// A message that may not be sent yet.
    Waiting,
    /// A message that may be sent, or was, and waits for PUBACK or PUBREC.
    Stored,
    /// A QoS 2 message after PUBREC, whose PUBREL is to be sent.
    Releasing,
    /// A QoS 2 message that waits for PUBCOMP.
    Released,
    /// A SUBSCRIBE or UNSUBSCRIBE that waits for its answer.
    Requested,
    /// Whatever it was, it is lost, and the application has not been told yet.
    Lost,
    /// A message whose record is not on stable storage yet.
    Accepted,
    /// A QoS 2 message after PUBREC, whose record is not on stable storage yet.
    Acknowledged,
    /// A message that is through, whose record is not on stable storage yet.
    Settled,
}

/// The number of states that have a list. The last ones are those of records.
const LISTS: usize = if cfg!(feature = "durability") { 10 } else { 7 };

#[derive(Clone, Copy, Debug)]
struct List {
    first: Option<Index>,
    last: Option<Index>,
    len: u16,
}

impl List {
    const EMPTY: Self = Self {
        first: None,
        last: None,
        len: 0,
    };
}

/// The number of a slot, from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Index(NonZeroU16);

#[derive(Debug)]
pub(super) struct Slots<'b> {
    table: &'b mut [Slot],
    lists: [List; LISTS],
    last_id: u16,
}

/// How many identifiers in a row are looked at.
const LOOKS: usize = 8;

impl<'b> Slots<'b> {
    pub(super) fn new(table: &'b mut [Slot]) -> Self {
        // Beyond this there are no identifiers.
        let len = table.len().min(usize::from(u16::MAX));
        let table = table.get_mut(..len).unwrap_or_default();
        table.fill(Slot::EMPTY);
        let mut slots = Self {
            table,
            lists: [List::EMPTY; LISTS],
            last_id: 0,
        };
        for number in 1..=slots.capacity() {
            if let Some(number) = NonZeroU16::new(number) {
                slots.push_back(Index(number), State::Free);
            }
        }
        slots
    }

    /// The number of slots, free or not.
    pub(super) fn capacity(&self) -> u16 {
        u16::try_from(self.table.len()).unwrap_or(u16::MAX)
    }

    pub(super) fn slot(&self, Index(number): Index) -> &Slot {
        let slot = self.table.get(usize::from(number.get()) - 1);
        slot.unwrap_or(&Slot::EMPTY)
    }

    fn slot_mut(&mut self, Index(number): Index) -> Option<&mut Slot> {
        self.table.get_mut(usize::from(number.get()) - 1)
    }

    fn list(&self, state: State) -> List {
        let list = self.lists.get(state as usize);
        list.copied().unwrap_or(List::EMPTY)
    }

    fn list_mut(&mut self, state: State) -> Option<&mut List> {
        self.lists.get_mut(state as usize)
    }

    pub(super) fn count(&self, state: State) -> u16 {
        self.list(state).len
    }

    pub(super) fn value(&self, index: Index) -> u32 {
        self.slot(index).value
    }

    pub(super) fn set_value(&mut self, index: Index, value: u32) {
        if let Some(slot) = self.slot_mut(index) {
            slot.value = value;
        }
    }

    pub(super) fn expiry(&self, index: Index) -> u32 {
        self.slot(index).expiry
    }

    pub(super) fn set_expiry(&mut self, index: Index, expiry: u32) {
        if let Some(slot) = self.slot_mut(index) {
            slot.expiry = expiry;
        }
    }

    /// The QoS of a message.
    pub(super) fn qos(&self, index: Index) -> QoS {
        self.slot(index).qos()
    }

    #[cfg(feature = "durability")]
    pub(super) fn unsent(&self, index: Index) -> bool {
        self.slot(index).flags & UNSENT != 0
    }

    pub(super) fn set_unsent(&mut self, index: Index, unsent: bool) {
        if let Some(slot) = self.slot_mut(index) {
            slot.flags = if unsent {
                slot.flags | UNSENT
            } else {
                slot.flags & !UNSENT
            };
        }
    }

    pub(super) fn state(&self, index: Index) -> State {
        self.slot(index).state
    }

    pub(super) fn id(&self, index: Index) -> Option<PacketId> {
        PacketId::new(self.slot(index).id)
    }

    pub(super) fn first(&self, state: State) -> Option<Index> {
        self.list(state).first
    }

    pub(super) fn next(&self, index: Index) -> Option<Index> {
        self.slot(index).next
    }

    fn home(&self, id: PacketId) -> Option<Index> {
        let number = (id.get() - 1).checked_rem(self.capacity())? + 1;
        NonZeroU16::new(number).map(Index)
    }

    /// The slot of an identifier in use.
    #[inline]
    pub(super) fn find(&self, id: PacketId) -> Option<Index> {
        let index = self.home(id)?;
        let slot = self.slot(index);
        (slot.id == id.get() && slot.state != State::Free).then_some(index)
    }

    /// The next identifier, with its slot.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn vacancy(&self) -> Option<(Index, PacketId)> {
        let longest_free = self.first(State::Free)?;
        let mut id = self.last_id;
        for _ in 0..LOOKS {
            id = id.checked_add(1).unwrap_or(1);
            let id = PacketId::new(id)?;
            let index = self.home(id)?;
            if self.state(index) == State::Free {
                return Some((index, id));
            }
        }
        let next = match self.slot(longest_free).id {
            0 => None,
            last => last.checked_add(self.capacity()).and_then(PacketId::new),
        };
        Some((longest_free, next.unwrap_or(longest_free.0.into())))
    }

    /// The slot for this identifier, if it is free.
    #[cfg(feature = "durability")]
    pub(super) fn vacancy_for(&self, id: PacketId) -> Option<Index> {
        let index = self.home(id)?;
        (self.state(index) == State::Free).then_some(index)
    }

    /// The number of slots that are free.
    pub(super) fn vacancies(&self) -> u16 {
        self.count(State::Free)
    }

    /// The slots of one state, in order.
    pub(super) fn iter(&self, state: State) -> impl Iterator<Item = Index> {
        core::iter::successors(self.first(state), |&index| self.next(index))
    }

    /// Takes what [`vacancy`](Self::vacancy) found.
    #[inline]
    pub(super) fn occupy(
        &mut self,
        index: Index,
        id: PacketId,
        state: State,
        value: u32,
        qos: QoS,
    ) {
        self.set_state(index, state);
        if let Some(slot) = self.slot_mut(index) {
            slot.value = value;
            slot.expiry = 0;
            slot.id = id.get();
            slot.flags = (qos as u8) << 1;
        }
        self.last_id = id.get();
    }

    /// Moves a slot to the end of the list of `state`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn set_state(&mut self, index: Index, state: State) {
        self.unlink(index);
        self.push_back(index, state);
    }

    /// Makes the slot and its identifier free.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn release(&mut self, index: Index) {
        self.set_state(index, State::Free);
    }

    /// Moves all slots of one state to the end of the list of another.
    pub(super) fn set_state_all(&mut self, from: State, to: State) {
        while let Some(index) = self.first(from) {
            self.set_state(index, to);
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn push_back(&mut self, index: Index, state: State) {
        let Some(list) = self.list_mut(state) else {
            return;
        };
        let last = list.last.replace(index);
        list.first = list.first.or(Some(index));
        list.len += 1;
        if let Some(last) = last.and_then(|last| self.slot_mut(last)) {
            last.next = Some(index);
        }
        if let Some(slot) = self.slot_mut(index) {
            (slot.prev, slot.next, slot.state) = (last, None, state);
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn unlink(&mut self, index: Index) {
        let &Slot {
            prev, next, state, ..
        } = self.slot(index);
        if let Some(prev) = prev.and_then(|prev| self.slot_mut(prev)) {
            prev.next = next;
        }
        if let Some(next) = next.and_then(|next| self.slot_mut(next)) {
            next.prev = prev;
        }
        if let Some(list) = self.list_mut(state) {
            list.len -= 1;
            if prev.is_none() {
                list.first = next;
            }
            if next.is_none() {
                list.last = prev;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn ids(slots: &Slots<'_>, state: State) -> Vec<u16> {
        let mut ids = Vec::new();
        let mut at = slots.first(state);
        let mut before = None;
        while let Some(index) = at {
            assert_eq!(slots.slot(index).prev, before);
            assert_eq!(slots.state(index), state);
            ids.push(slots.id(index).unwrap().get());
            (before, at) = (at, slots.next(index));
        }
        assert_eq!(slots.list(state).last, before);
        assert_eq!(usize::from(slots.count(state)), ids.len());
        ids
    }

    fn take(slots: &mut Slots<'_>) -> Option<u16> {
        let (index, id) = slots.vacancy()?;
        slots.occupy(index, id, State::Stored, 0, QoS::AtLeastOnce);
        Some(id.get())
    }

    #[test]
    fn identifiers_count_up_and_wrap_without_zero() {
        let mut table = [Slot::EMPTY; 3];
        let mut slots = Slots::new(&mut table);
        for expected in (1..=u16::MAX).chain([1, 2]) {
            assert_eq!(take(&mut slots), Some(expected));
            let index = slots.find(PacketId::new(expected).unwrap()).unwrap();
            slots.release(index);
        }
    }

    #[test]
    fn an_identifier_whose_slot_is_taken_is_passed_over() {
        let mut table = [Slot::EMPTY; 3];
        let mut slots = Slots::new(&mut table);
        assert_eq!([take(&mut slots), take(&mut slots)], [Some(1), Some(2)]);
        let second = slots.find(PacketId::new(2).unwrap()).unwrap();
        slots.release(second);
        assert_eq!(take(&mut slots), Some(3));
        // 4 would have the slot of 1.
        assert_eq!(take(&mut slots), Some(5));
        assert_eq!(take(&mut slots), None);
        assert_eq!(slots.find(PacketId::new(4).unwrap()), None);
        assert_eq!(ids(&slots, State::Stored), [1, 3, 5]);
    }

    /// Nobody goes through the table for the one slot that is free.
    #[test]
    fn beyond_a_row_of_taken_ones_the_slot_that_is_free_for_longest_is_taken() {
        const SLOTS: u16 = 64;
        let mut table = [Slot::EMPTY; SLOTS as usize];
        let mut slots = Slots::new(&mut table);
        for expected in 1..=SLOTS {
            assert_eq!(take(&mut slots), Some(expected));
        }
        for round in 1..2000 {
            for number in [50, 7, 22] {
                let mut id = ids(&slots, State::Stored).into_iter();
                let id = id.find(|id| id % SLOTS == number).unwrap();
                let index = slots.find(PacketId::new(id).unwrap()).unwrap();
                slots.release(index);
                assert_eq!(slots.find(PacketId::new(id).unwrap()), None);
                let next = u32::from(number) + round % 1024 * u32::from(SLOTS);
                assert_eq!(take(&mut slots).map(u32::from), Some(next));
            }
        }
    }

    #[test]
    fn all_identifiers_can_be_in_use() {
        let mut table = std::vec![Slot::EMPTY; 70_000];
        let mut slots = Slots::new(&mut table);
        for expected in 1..=u16::MAX {
            assert_eq!(take(&mut slots), Some(expected));
        }
        assert_eq!(take(&mut slots), None);
    }

    #[test]
    fn no_slots_no_identifiers() {
        let mut slots = Slots::new(&mut []);
        assert_eq!(take(&mut slots), None);
        assert_eq!(slots.find(PacketId::new(1).unwrap()), None);
    }

    proptest! {
        /// The lists against vectors.
        #[test]
        fn lists_keep_order(
            capacity in 1..9usize,
            steps in proptest::collection::vec((0..4u8, 0..8u16), 0..200),
        ) {
            let states = [State::Waiting, State::Stored, State::Released];
            let mut table = std::vec![Slot::EMPTY; capacity];
            let mut slots = Slots::new(&mut table);
            let mut model: [Vec<u16>; 3] = Default::default();
            for (what, which) in steps {
                let all: Vec<_> = model.iter().flatten().copied().collect();
                if what == 0 {
                    let id = take(&mut slots);
                    prop_assert_eq!(id.is_some(), all.len() < capacity);
                    model[1].extend(id);
                } else if let Some(&id) = all.get(usize::from(which)) {
                    prop_assert!(all.iter().filter(|&&other| other == id).count() == 1);
                    let index = slots.find(PacketId::new(id).unwrap()).unwrap();
                    model.iter_mut().for_each(|list| list.retain(|&other| other != id));
                    match what {
                        1 => slots.release(index),
                        2 => { slots.set_state(index, State::Released); model[2].push(id); }
                        _ => { slots.set_state(index, State::Waiting); model[0].push(id); }
                    }
                }
                for (state, list) in states.into_iter().zip(&model) {
                    prop_assert_eq!(&ids(&slots, state), list);
                }
            }
        }
    }
}
