//! Messages on their way to the server.

use super::arena::{Arena, Packets};
use super::slots::{Index, Slot, Slots, State};
use crate::error::{Error, Resource, UsageError};
use crate::wire::{PacketId, Publish, QoS, Version, encode};

#[derive(Debug)]
pub(crate) struct Outbox<'b> {
    arena: Arena<'b>,
    slots: Slots<'b>,
    /// True if the arena may have holes between packets that are still needed.
    holes: bool,
}

/// What an acknowledgement did.
pub(crate) enum Settled {
    /// It ended the delivery or answered the request.
    Done,
    /// It is one step; PUBREL follows.
    Released,
    /// The identifier is in use for something else.
    Unexpected,
    /// The identifier is not in use.
    Unknown,
}

/// All messages in the arena, in the order of publishing.
struct Stored<'s, 'b>(&'s mut Slots<'b>);

impl Packets for Stored<'_, '_> {
    type Packet = Index;

    fn first(&self) -> Option<Index> {
        self.0
            .first(State::Stored)
            .or_else(|| self.0.first(State::Waiting))
    }

    fn last(&self) -> Option<Index> {
        self.0
            .last(State::Waiting)
            .or_else(|| self.0.last(State::Stored))
    }

    fn next(&self, packet: Index) -> Option<Index> {
        self.0.next(packet).or_else(|| match self.0.state(packet) {
            State::Stored => self.0.first(State::Waiting),
            _ => None,
        })
    }

    fn prev(&self, packet: Index) -> Option<Index> {
        self.0.prev(packet).or_else(|| match self.0.state(packet) {
            State::Waiting => self.0.last(State::Stored),
            _ => None,
        })
    }

    fn offset(&self, packet: Index) -> usize {
        self.0.value(packet) as usize
    }

    fn set_offset(&mut self, packet: Index, offset: usize) {
        // The arena is no longer than u32 can say.
        self.0
            .set_value(packet, u32::try_from(offset).unwrap_or(u32::MAX));
    }
}

const DUP: u8 = 0b1000;

impl<'b> Outbox<'b> {
    pub(crate) fn new(arena: &'b mut [u8], slots: &'b mut [Slot]) -> Self {
        let len = arena.len().min(u32::MAX as usize);
        let arena = arena
            .split_at_mut_checked(len)
            .map_or_else(Default::default, |(a, _)| a);
        Self {
            arena: Arena::new(arena),
            slots: Slots::new(slots),
            holes: false,
        }
    }

    /// The number of messages that count against the send quota `[MQTT-4.9.0-2]`.
    pub(crate) fn in_flight(&self) -> u16 {
        self.count(State::Stored) + self.count(State::Releasing) + self.count(State::Released)
    }

    pub(crate) const fn count(&self, state: State) -> u16 {
        self.slots.count(state)
    }

    /// Encodes a message into the arena. Those above QoS 0 take an identifier and the state
    /// `state`.
    pub(crate) fn publish(
        &mut self,
        publish: &Publish<'_>,
        version: Version,
        max_packet: usize,
        state: State,
    ) -> Result<Option<PacketId>, Error> {
        let vacancy = match publish.qos {
            QoS::AtMostOnce => None,
            _ => Some(self.slots.vacancy().ok_or(Resource::Slots)?),
        };
        let publish = Publish {
            packet_id: vacancy.map(|(_, id)| id),
            ..*publish
        };
        let mut offset = 0;
        let len = encode(&publish, version, |len| {
            if len > max_packet {
                return Err(UsageError::MaximumPacketSize.into());
            }
            offset = self.make_room(len)?;
            self.arena
                .room(offset, len)
                .ok_or(Error::Full(Resource::Messages))
        })?;
        self.arena.commit(offset, len);
        let Some((index, id)) = vacancy else {
            self.holes |= self.oldest().is_some();
            return Ok(None);
        };
        self.slots
            .occupy(index, id, state, u32::try_from(offset).unwrap_or(u32::MAX));
        Ok(Some(id))
    }

    fn make_room(&mut self, len: usize) -> Result<usize, Error> {
        if let Some(offset) = self.arena.vacancy(len) {
            return Ok(offset);
        }
        if len > self.arena.capacity() {
            return Err(UsageError::BufferTooSmall.into());
        }
        if self.holes {
            // What is not sent yet may be QoS 0, and leave a hole later.
            self.holes = !self.arena.unsent(None).is_empty();
            self.arena.compact(&mut Stored(&mut self.slots));
        }
        self.arena
            .vacancy(len)
            .ok_or(Error::Full(Resource::Messages))
    }

    fn oldest(&mut self) -> Option<Index> {
        Stored(&mut self.slots).first()
    }

    fn reclaim(&mut self) {
        let kept = self.oldest().map(|index| self.slots.value(index) as usize);
        self.arena.reclaim(kept);
    }

    /// Queues a SUBSCRIBE or UNSUBSCRIBE of `filters` filters with `push`, and notes it under the
    /// identifier that `push` is given.
    pub(crate) fn request(
        &mut self,
        state: State,
        filters: usize,
        push: impl FnOnce(PacketId) -> Result<(), Error>,
    ) -> Result<PacketId, Error> {
        let (index, id) = self.slots.vacancy().ok_or(Resource::Slots)?;
        push(id)?;
        let filters = u32::try_from(filters).unwrap_or(u32::MAX);
        self.slots.occupy(index, id, state, filters);
        Ok(id)
    }

    /// The number of filters of a request that waits for its answer.
    pub(crate) fn filters(&self, id: PacketId, state: State) -> Option<u32> {
        let index = self.slots.find(id)?;
        (self.slots.state(index) == state).then(|| self.slots.value(index))
    }

    /// Ends a request.
    pub(crate) fn answered(&mut self, id: PacketId) {
        if let Some(index) = self.slots.find(id) {
            self.slots.release(index);
        }
    }

    /// Lets waiting messages be sent, up to `quota` in flight.
    pub(crate) fn admit(&mut self, quota: u16) {
        while self.in_flight() < quota {
            let Some(index) = self.slots.first(State::Waiting) else {
                break;
            };
            self.slots.set_state(index, State::Stored);
        }
    }

    /// The message of this identifier, if it was sent at this QoS and waits for its first
    /// acknowledgement.
    fn sent(&self, id: PacketId, qos: QoS) -> Option<Index> {
        let index = self.slots.find(id)?;
        if self.slots.state(index) != State::Stored {
            return None;
        }
        let offset = self.slots.value(index) as usize;
        let flags = self.arena.packet(offset).first()?;
        (flags >> 1 & 0b11 == qos as u8 && self.arena.is_sent(offset)).then_some(index)
    }

    fn free(&mut self, index: Index) {
        self.holes |= self.oldest() != Some(index);
        self.slots.release(index);
        self.reclaim();
    }

    pub(crate) fn puback(&mut self, id: PacketId) -> Settled {
        match self.sent(id, QoS::AtLeastOnce) {
            Some(index) => {
                self.free(index);
                Settled::Done
            }
            None => Settled::Unknown,
        }
    }

    pub(crate) fn pubrec(&mut self, id: PacketId, is_error: bool) -> Settled {
        if let Some(index) = self.sent(id, QoS::ExactlyOnce) {
            if is_error {
                self.free(index);
                return Settled::Done;
            }
            // From here on the identifier is all that is needed.
            self.holes |= self.oldest() != Some(index);
            self.slots.set_state(index, State::Releasing);
            self.reclaim();
            return Settled::Released;
        }
        match self.slots.find(id) {
            Some(index)
                if matches!(self.slots.state(index), State::Releasing | State::Released) =>
            {
                self.slots.set_state(index, State::Releasing);
                Settled::Released
            }
            _ => Settled::Unknown,
        }
    }

    pub(crate) fn pubcomp(&mut self, id: PacketId) -> Settled {
        match self.slots.find(id) {
            Some(index) if self.slots.state(index) == State::Released => {
                self.slots.release(index);
                Settled::Done
            }
            Some(_) => Settled::Unexpected,
            None => Settled::Unknown,
        }
    }

    /// The next message whose PUBREL is to be sent.
    pub(crate) fn releasing(&self) -> Option<PacketId> {
        self.slots.id(self.slots.first(State::Releasing)?)
    }

    /// Notes that the PUBREL of [`releasing`](Self::releasing) is on its way.
    pub(crate) fn released(&mut self) {
        if let Some(index) = self.slots.first(State::Releasing) {
            self.slots.set_state(index, State::Released);
        }
    }

    /// Where the messages begin that may not be sent yet.
    fn limit(&self) -> Option<usize> {
        Some(self.slots.value(self.slots.first(State::Waiting)?) as usize)
    }

    /// The number of bytes not in use, but for holes.
    pub(crate) fn room(&self) -> usize {
        self.arena.free()
    }

    /// True if there may be more room between messages.
    pub(crate) const fn has_holes(&self) -> bool {
        self.holes
    }

    /// The messages to be sent next.
    pub(crate) fn transmit(&self) -> &[u8] {
        self.arena.unsent(self.limit())
    }

    /// True if a message was sent in part.
    pub(crate) fn is_partial(&self) -> bool {
        self.arena.is_partial()
    }

    /// What is left of the message that was sent in part.
    pub(crate) fn rest_of_packet(&self) -> &[u8] {
        self.arena.rest_of_packet()
    }

    /// Notes that `n` bytes of [`transmit`](Self::transmit) were sent.
    pub(crate) fn transmitted(&mut self, n: usize) {
        self.arena.advance(n);
        self.reclaim();
    }

    /// The connection is lost: nothing may be sent before the next one, QoS 0 messages not sent
    /// are gone, what was sent is marked as a repeat, requests will not be answered.
    pub(crate) fn connection_lost(&mut self) {
        let mut at = self.slots.first(State::Stored);
        while let Some(index) = at {
            let offset = self.slots.value(index) as usize;
            if self.arena.is_begun(offset) {
                if let Some(flags) = self.arena.first_byte_mut(offset) {
                    *flags |= DUP;
                }
            }
            at = self.slots.next(index);
        }
        while let Some(index) = self.slots.last(State::Stored) {
            self.slots.set_state_first(index, State::Waiting);
        }
        self.slots.set_state_all(State::Releasing, State::Released);
        self.slots.set_state_all(State::Subscribe, State::Lost);
        self.slots.set_state_all(State::Unsubscribe, State::Lost);
        self.arena.advance_to_end();
        self.holes = true;
        self.reclaim();
    }

    /// The server has kept the session, or not: makes ready to send again what it needs. What it
    /// does not take any more (`takes`: first byte and length of a packet) is lost.
    pub(crate) fn resume(&mut self, session_present: bool, takes: impl Fn(u8, usize) -> bool) {
        if session_present {
            self.slots.set_state_all(State::Released, State::Releasing);
        } else {
            self.slots.set_state_all(State::Released, State::Lost);
        }
        let mut at = self.slots.first(State::Waiting);
        while let Some(index) = at {
            at = self.slots.next(index);
            let packet = self.arena.packet(self.slots.value(index) as usize);
            let flags = packet.first().copied().unwrap_or_default();
            // What was sent belonged to the session that is gone; what was not is as good as new.
            if flags & DUP != 0 && !session_present || !takes(flags, packet.len()) {
                self.slots.set_state(index, State::Lost);
            }
        }
        self.arena.advance_to_end();
        self.arena.compact(&mut Stored(&mut self.slots));
        self.holes = false;
        if let Some(first) = self.slots.first(State::Waiting) {
            self.arena.rewind(self.slots.value(first) as usize);
        }
        self.reclaim();
    }

    /// Takes the next identifier whose loss is to be reported.
    pub(crate) fn take_lost(&mut self) -> Option<PacketId> {
        let index = self.slots.first(State::Lost)?;
        let id = self.slots.id(index);
        self.slots.release(index);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Packet;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::vec;
    use std::vec::Vec;

    const VERSION: Version = Version::V311;

    #[derive(Clone, Debug)]
    enum Step {
        Publish {
            qos: u8,
            len: usize,
        },
        /// Sends a part of what may be sent.
        Transmit(usize),
        /// Acknowledges one of the messages that were sent, not always the oldest.
        Acknowledge(usize),
        /// Loses the connection, and gets another with the session kept or not, and this quota.
        Reconnect {
            kept: bool,
            quota: u16,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3u8, 0..60usize).prop_map(|(qos, len)| Step::Publish { qos, len }),
            4 => (1..200usize).prop_map(Step::Transmit),
            3 => prop_oneof![3 => Just(0usize), 1 => 0..8usize].prop_map(Step::Acknowledge),
            1 => (any::<bool>(), 1..6u16).prop_map(|(kept, quota)| Step::Reconnect { kept, quota }),
        ]
    }

    /// A message, as the model knows it.
    #[derive(Clone, Debug, PartialEq)]
    struct Sent {
        id: Option<u16>,
        qos: QoS,
        number: u32,
        dup: bool,
    }

    fn payload(number: u32, len: usize) -> Vec<u8> {
        number
            .to_le_bytes()
            .into_iter()
            .cycle()
            .take(len + 4)
            .collect()
    }

    /// What the server got of the bytes so far: whole packets leave `wire`.
    fn receive(wire: &mut Vec<u8>) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some((packet, n)) = Packet::decode(wire, VERSION).unwrap() {
            let Packet::Publish(publish) = packet else {
                panic!("{packet:?}")
            };
            let number = u32::from_le_bytes(publish.payload[..4].try_into().unwrap());
            assert_eq!(publish.payload, payload(number, publish.payload.len() - 4));
            let id = publish.packet_id.map(PacketId::get);
            sent.push(Sent {
                id,
                qos: publish.qos,
                number,
                dup: publish.dup,
            });
            wire.drain(..n);
        }
        sent
    }

    proptest! {
        /// The server gets every message whole, unchanged, in order, at the right time.
        #[test]
        fn messages_survive_everything(
            capacity in 60..400usize,
            slots in 1..9usize,
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let mut arena = vec![0; capacity];
            let mut table = vec![Slot::EMPTY; slots];
            let mut outbox = Outbox::new(&mut arena, &mut table);
            let mut quota = 6;
            let mut number = 0;
            // What the server is to get next, what it has got and not acknowledged.
            let mut expected: VecDeque<Sent> = VecDeque::new();
            let mut unacknowledged: Vec<Sent> = Vec::new();
            let mut wire = Vec::new();
            for step in steps {
                match step {
                    Step::Publish { qos, len } => {
                        let qos = QoS::from_u8(qos).unwrap();
                        if qos != QoS::AtMostOnce
                            && outbox.in_flight() + outbox.count(State::Waiting) >= quota
                        {
                            continue;
                        }
                        number += 1;
                        let payload = payload(number, len);
                        let publish = Publish { qos, ..Publish::new("t", &payload) };
                        match outbox.publish(&publish, VERSION, usize::MAX, State::Stored) {
                            Ok(id) => {
                                let id = id.map(PacketId::get);
                                expected.push_back(Sent { id, qos, number, dup: false });
                            }
                            Err(Error::Full(_)) => {}
                            Err(error) => prop_assert_eq!(error, UsageError::BufferTooSmall.into()),
                        }
                    }
                    Step::Transmit(n) => {
                        let n = n.min(outbox.transmit().len());
                        if outbox.is_partial() {
                            prop_assert!(outbox.transmit().starts_with(outbox.rest_of_packet()));
                        }
                        wire.extend_from_slice(&outbox.transmit()[..n]);
                        if n > 0 {
                            outbox.transmitted(n);
                        }
                        prop_assert_eq!(outbox.is_partial(), {
                            let mut rest = &wire[..];
                            while let Some((_, n)) = Packet::decode(rest, VERSION).unwrap() {
                                rest = &rest[n..];
                            }
                            !rest.is_empty()
                        });
                        for got in receive(&mut wire) {
                            let next = expected.pop_front().unwrap();
                            prop_assert_eq!(&got, &next);
                            if got.qos != QoS::AtMostOnce {
                                unacknowledged.push(got);
                            }
                        }
                    }
                    Step::Acknowledge(which) => {
                        if unacknowledged.is_empty() {
                            continue;
                        }
                        let sent = unacknowledged.remove(which % unacknowledged.len());
                        let id = PacketId::new(sent.id.unwrap()).unwrap();
                        if sent.qos == QoS::AtLeastOnce {
                            prop_assert!(matches!(outbox.puback(id), Settled::Done));
                        } else {
                            prop_assert!(matches!(outbox.pubrec(id, false), Settled::Released));
                            prop_assert_eq!(outbox.releasing(), Some(id));
                            outbox.released();
                            prop_assert!(matches!(outbox.pubcomp(id), Settled::Done));
                        }
                        outbox.admit(quota);
                    }
                    Step::Reconnect { kept, quota: next } => {
                        let begun = !wire.is_empty();
                        wire.clear();
                        outbox.connection_lost();
                        outbox.resume(kept, |_, _| true);
                        outbox.admit(next);
                        quota = next;
                        if let (true, Some(first)) = (begun, expected.front_mut()) {
                            first.dup = true;
                        }
                        expected.retain(|sent| sent.qos != QoS::AtMostOnce);
                        for mut sent in unacknowledged.drain(..).rev() {
                            sent.dup = true;
                            expected.push_front(sent);
                        }
                        if !kept {
                            let mut lost = Vec::new();
                            while let Some(id) = outbox.take_lost() {
                                lost.push(id.get());
                            }
                            let gone = expected.iter().filter(|sent| sent.dup);
                            prop_assert!(lost.into_iter().eq(gone.filter_map(|sent| sent.id)));
                            expected.retain(|sent| !sent.dup);
                        }
                    }
                }
                let kept = unacknowledged.len()
                    + expected.iter().filter(|sent| sent.qos != QoS::AtMostOnce).count();
                let counted = outbox.in_flight() + outbox.count(State::Waiting);
                prop_assert_eq!(usize::from(counted), kept);
            }
        }
    }
}
