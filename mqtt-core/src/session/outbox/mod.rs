//! Messages on their way to the server.

#[cfg(feature = "durability")]
mod journal;

use super::arena::{Arena, Packets};
use super::slots::{Index, Slot, Slots, State};
use crate::V5;
use crate::error::{Error, Resource, UsageError};
use crate::wire::{
    self, Body, Envelope, PacketId, PacketType, PropertyId, Publish, QoS, Version, decode_stored,
    expiry_at, has_alias, head, head_start, is_enveloped, packet_len, remove_alias,
};

#[derive(Debug)]
pub(crate) struct Outbox<'b> {
    arena: Arena<'b>,
    slots: Slots<'b>,
    /// The protocol in which all packets are written.
    version: Version,
    /// True if changes count once they are on stable storage.
    durable: bool,
    /// How many holes there are at most between packets that are still needed.
    holes: u16,
    /// How many QoS 0 messages behind such packets will leave one when they are sent.
    passing: u16,
    /// The message that is being sent on its own, out of its envelope.
    single: Option<Single>,
    /// How many of the messages are of QoS 0: payloads that are with the application.
    at_most_once: u16,
    /// When the first of the messages that wait expires, or earlier; in seconds, 0 is never.
    expiry: u32,
}

/// A message that is being sent on its own: its payload is with the application, or it has a topic
/// alias.
#[derive(Clone, Copy, Debug)]
struct Single {
    index: Index,
    qos: QoS,
    /// How many bytes were sent.
    sent: usize,
}

/// The payload to be sent next of a message that
/// [`Client::publish_lent`](crate::Client::publish_lent) took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Lent {
    /// What `publish_lent` returned for the message.
    pub id: PacketId,
    /// How many bytes of the payload were sent on this connection.
    pub offset: usize,
    /// How many bytes follow from there.
    pub left: usize,
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
            .or_else(|| self.0.first(State::Accepted))
    }

    fn next(&self, packet: Index) -> Option<Index> {
        self.0.next(packet).or_else(|| match self.0.state(packet) {
            State::Stored => self
                .0
                .first(State::Waiting)
                .or_else(|| self.0.first(State::Accepted)),
            State::Waiting => self.0.first(State::Accepted),
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

/// Messages are moved together once there is one hole for so many of them: each that is taken pays
/// for the move of no more.
const SHARE: u16 = 16;

impl<'b> Outbox<'b> {
    pub(crate) fn new(
        arena: &'b mut [u8],
        slots: &'b mut [Slot],
        version: Version,
        durable: bool,
    ) -> Self {
        let len = arena.len().min(u32::MAX as usize);
        let arena = arena
            .split_at_mut_checked(len)
            .map_or_else(Default::default, |(a, _)| a);
        Self {
            arena: Arena::new(arena),
            slots: Slots::new(slots),
            version,
            durable,
            holes: 0,
            passing: 0,
            single: None,
            at_most_once: 0,
            expiry: 0,
        }
    }

    /// All messages as they were encoded, the older and the newer ones.
    pub(crate) fn packets(&self) -> [&[u8]; 2] {
        self.arena.packets()
    }

    /// For an outbox that [is empty](Self::is_empty).
    pub(crate) const fn configure(&mut self, version: Version, durable: bool) {
        self.version = version;
        self.durable = durable;
    }

    const fn is_durable(&self) -> bool {
        cfg!(feature = "durability") && self.durable
    }

    /// True if there is no message that is sent again or recorded later.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.vacancies() == self.slots.capacity()
    }

    /// The number of messages that were let through and are not through. While others are let
    /// through they all count against the send quota `[MQTT-4.9.0-2]`: none is of QoS 0, as a lent
    /// payload is sent on its own.
    fn admitted(&self) -> u16 {
        self.count(State::Stored)
            + self.count(State::Acknowledged)
            + self.count(State::Releasing)
            + self.count(State::Released)
    }

    /// The number of messages above QoS 0 that are not through, in flight or not.
    pub(crate) fn kept(&self) -> u16 {
        self.admitted() + self.waiting() - self.at_most_once
    }

    /// The number of messages that are not in flight yet.
    pub(crate) fn waiting(&self) -> u16 {
        self.count(State::Waiting) + self.count(State::Accepted)
    }

    pub(crate) fn count(&self, state: State) -> u16 {
        self.slots.count(state)
    }

    pub(crate) fn vacancies(&self) -> u16 {
        self.slots.vacancies()
    }

    /// Encodes a message into the arena. Those above QoS 0 take an identifier; they can be sent
    /// at once if they `may_pass`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn publish(
        &mut self,
        mut publish: Publish<'_>,
        max_packet: usize,
        now: u32,
        may_pass: bool,
    ) -> Result<Option<PacketId>, Error> {
        let vacancy = match publish.qos {
            QoS::AtMostOnce => None,
            _ => Some(self.slots.vacancy().ok_or(Resource::Slots)?),
        };
        publish.packet_id = vacancy.map(|(_, id)| id);
        let (offset, len) = self.write(wire::encodable(&publish), max_packet)?;
        self.arena.commit(offset, len);
        let Some(vacancy) = vacancy else {
            let is_behind = self.oldest().is_some();
            self.passing = self.passing.saturating_add(is_behind.into());
            return Ok(None);
        };
        let state = if self.is_durable() {
            State::Accepted
        } else if may_pass && self.waiting() == 0 && self.single.is_none() {
            State::Stored
        } else {
            State::Waiting
        };
        Ok(Some(self.keep(vacancy, offset, state, &publish, now)))
    }

    /// Encodes a message into the arena of which something is kept that is not sent, or the
    /// reverse: a payload of `payload_len` bytes is with the application, or its topic alias stands
    /// for a topic. It takes an identifier at QoS 0, too, though not for the wire.
    pub(crate) fn publish_enveloped(
        &mut self,
        publish: &Publish<'_>,
        payload_len: usize,
        alias_of: Option<&str>,
        max_packet: usize,
        now: u32,
    ) -> Result<PacketId, Error> {
        let vacancy = self.slots.vacancy().ok_or(Resource::Slots)?;
        let packet_id = (publish.qos != QoS::AtMostOnce).then_some(vacancy.1);
        let envelope = Envelope {
            publish: Publish {
                packet_id,
                ..*publish
            },
            payload_len,
            alias_of,
        };
        let (offset, len) = self.write(wire::encodable(&envelope), usize::MAX)?;
        let stored = self.arena.room(offset, len).unwrap_or_default();
        if packet_len(head(stored)) > max_packet {
            return Err(UsageError::MaximumPacketSize.into());
        }
        self.arena.commit(offset, len);
        self.at_most_once += u16::from(publish.qos == QoS::AtMostOnce);
        let state = if self.is_durable() {
            State::Accepted
        } else {
            State::Waiting
        };
        Ok(self.keep(vacancy, offset, state, publish, now))
    }

    /// Encodes a packet into the arena and returns its place and length. It counts once it is
    /// committed.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn write(
        &mut self,
        packet: &(impl Body + ?Sized),
        max_packet: usize,
    ) -> Result<(usize, usize), Error> {
        let len = wire::encoded_len(packet, self.version)?;
        if len > max_packet {
            return Err(UsageError::MaximumPacketSize.into());
        }
        let offset = self.make_room(len)?;
        let place = self.arena.room(offset, len);
        let place = place.ok_or(Error::Full(Resource::Messages))?;
        wire::write(packet, self.version, place);
        Ok((offset, len))
    }

    /// Notes the message at `offset`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn keep(
        &mut self,
        (index, id): (Index, PacketId),
        offset: usize,
        state: State,
        publish: &Publish<'_>,
        now: u32,
    ) -> PacketId {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.slots.occupy(index, id, state, offset, publish.qos);
        self.note_expiry(index, publish, now);
        id
    }

    /// When the message expires, if it has not been sent by then; 0 is never, and before 5.0.
    fn expiry_of(&self, index: Index) -> u32 {
        if V5 { self.slots.expiry(index) } else { 0 }
    }

    #[inline]
    fn note_expiry(&mut self, index: Index, publish: &Publish<'_>, now: u32) {
        if !V5 {
            return;
        }
        if let Some(interval) = publish
            .properties
            .get::<u32>(PropertyId::MessageExpiryInterval)
        {
            // Both seconds are rounded down: this one is surely over.
            let expiry = now.saturating_add(interval).saturating_add(1);
            self.slots.set_expiry(index, expiry);
            self.expires_at(expiry);
        }
    }

    fn expires_at(&mut self, expiry: u32) {
        let first = self.expiry().unwrap_or(expiry);
        self.expiry = first.min(expiry);
    }

    #[inline]
    fn make_room(&mut self, len: usize) -> Result<usize, Error> {
        if len > self.arena.capacity() {
            return Err(UsageError::BufferTooSmall.into());
        }
        if let Some(offset) = self.arena.vacancy(len) {
            return Ok(offset);
        }
        if self.holes > (self.count(State::Stored) + self.waiting()) / SHARE {
            self.holes = 0;
            // Two segments may become one that is not at the beginning of the memory yet.
            for _ in 0..2 {
                self.arena.compact(&mut Stored(&mut self.slots));
                if self.arena.vacancy(len).is_some() {
                    break;
                }
            }
        }
        self.arena
            .vacancy(len)
            .ok_or(Error::Full(Resource::Messages))
    }

    /// A packet that others may follow is not needed any more.
    fn leave_hole(&mut self) {
        self.holes = self.holes.saturating_add(1);
    }

    fn oldest(&mut self) -> Option<Index> {
        Stored(&mut self.slots).first()
    }

    fn offset(&self, index: Index) -> usize {
        self.slots.value(index) as usize
    }

    /// The packet of a message; without the payload if that is with the application.
    fn head(&self, index: Index) -> &[u8] {
        head(self.arena.packet(self.offset(index)))
    }

    /// The first byte of the packet of a message.
    fn flags(&self, index: Index) -> u8 {
        self.head(index).first().copied().unwrap_or_default()
    }

    fn set_dup(&mut self, index: Index, dup: bool) {
        let packet = self.arena.packet_mut(self.offset(index));
        let start = head_start(packet);
        if let Some(flags) = packet.get_mut(start) {
            *flags = if dup { *flags | DUP } else { *flags & !DUP };
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn reclaim(&mut self) {
        let kept = self.oldest().map(|index| self.offset(index));
        self.arena.reclaim(kept);
    }

    /// Queues a SUBSCRIBE or UNSUBSCRIBE of `filters` filters with `push`, and notes it under the
    /// identifier that `push` is given.
    pub(crate) fn request(
        &mut self,
        packet: PacketType,
        filters: usize,
        push: impl FnOnce(PacketId) -> Result<(), Error>,
    ) -> Result<PacketId, Error> {
        let (index, id) = self.slots.vacancy().ok_or(Resource::Slots)?;
        push(id)?;
        // There is no packet of 2^28 bytes, nor filters.
        let filters = u32::try_from(filters).unwrap_or(u32::MAX);
        let request = filters << 4 | packet as u32;
        self.slots
            .occupy(index, id, State::Requested, request, QoS::AtMostOnce);
        Ok(id)
    }

    /// The number of filters of a request that waits for its answer.
    pub(crate) fn filters(&self, id: PacketId, packet: PacketType) -> Option<u32> {
        let index = self.slots.find(id)?;
        let request = self.slots.value(index);
        let is_it = self.slots.state(index) == State::Requested && request & 0xF == packet as u32;
        is_it.then_some(request >> 4)
    }

    /// Ends a request.
    pub(crate) fn answered(&mut self, id: PacketId) {
        if let Some(index) = self.slots.find(id) {
            self.slots.release(index);
        }
    }

    /// Lets waiting messages be sent, up to `quota` in flight. One that stands in an envelope, or
    /// has expired, has to come to the front first.
    pub(crate) fn admit(&mut self, quota: u16, now: u32) {
        while let (Some(index), None) = (self.slots.first(State::Waiting), self.single) {
            let offset = self.offset(index);
            let packet = self.arena.packet(offset);
            let single = is_enveloped(packet);
            let expiry = self.expiry_of(index);
            // Messages that follow may rely on its topic alias.
            let expired = expiry > 0 && expiry <= now && !has_alias(packet);
            if (single || expired) && !self.arena.is_next(offset) {
                break;
            }
            if expired {
                let len = packet.len();
                self.arena.advance(len);
                self.lose(index);
                self.reclaim();
                continue;
            }
            let qos = self.slots.qos(index);
            if qos != QoS::AtMostOnce && self.admitted() >= quota {
                break;
            }
            if expiry > 0 {
                self.reduce_expiry(index, expiry.saturating_sub(now.saturating_add(1)).max(1));
            }
            if single {
                self.single = Some(Single {
                    index,
                    qos,
                    sent: 0,
                });
            }
            self.slots.set_state(index, State::Stored);
        }
    }

    /// The message leaves with what is left of its time.
    fn reduce_expiry(&mut self, index: Index, seconds: u32) {
        let packet = self.arena.packet_mut(self.offset(index));
        let start = head_start(packet);
        let packet = packet.get_mut(start..).unwrap_or_default();
        let field = expiry_at(packet).and_then(|at| packet.get_mut(at..)?.first_chunk_mut());
        if let Some(field) = field {
            *field = seconds.min(u32::from_be_bytes(*field)).to_be_bytes();
        }
    }

    /// The application is to be told that a message is not sent (again).
    fn lose(&mut self, index: Index) {
        self.leave_hole();
        self.at_most_once -= u16::from(self.slots.qos(index) == QoS::AtMostOnce);
        self.slots.set_expiry(index, 0);
        self.slots.set_state(index, State::Lost);
    }

    /// When to look for [expired](Self::expire) messages, in seconds.
    pub(crate) const fn expiry(&self) -> Option<u32> {
        if V5 && self.expiry > 0 {
            Some(self.expiry)
        } else {
            None
        }
    }

    /// Loses the messages that wait and have expired, between connections.
    pub(crate) fn expire(&mut self, now: u32) {
        if self.expiry().is_none_or(|expiry| expiry > now) {
            return;
        }
        self.expiry = 0;
        // Nothing is sent before `resume` says what.
        self.arena.advance_to_end();
        let mut at = self.oldest();
        while let Some(index) = at {
            at = Stored(&mut self.slots).next(index);
            match self.expiry_of(index) {
                0 => {}
                expiry if expiry <= now => self.lose(index),
                expiry => self.expires_at(expiry),
            }
        }
        self.reclaim();
    }

    /// A message is through.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn settle(&mut self, index: Index) {
        if self.is_durable() {
            self.slots.set_state(index, State::Settled);
        } else {
            self.slots.release(index);
        }
    }

    /// PUBACK, PUBREC or PUBCOMP.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn acknowledged(
        &mut self,
        packet: PacketType,
        id: PacketId,
        is_error: bool,
    ) -> Settled {
        let Some(index) = self.slots.find(id) else {
            return Settled::Unknown;
        };
        let slot = self.slots.slot(index);
        let (state, qos) = (slot.state(), slot.qos());
        let is_first = match packet {
            PacketType::PubAck => qos == QoS::AtLeastOnce,
            PacketType::PubRec => qos == QoS::ExactlyOnce,
            _ => false,
        };
        if state == State::Stored && is_first && self.arena.is_sent(slot.value() as usize) {
            if self.slots.first(State::Stored) != Some(index) {
                self.leave_hole();
            }
            let settled = if packet == PacketType::PubAck || is_error {
                self.settle(index);
                Settled::Done
            } else {
                // From here on the identifier is all that is needed.
                let state = if self.is_durable() {
                    State::Acknowledged
                } else {
                    State::Releasing
                };
                self.slots.set_state(index, state);
                Settled::Released
            };
            self.reclaim();
            return settled;
        }
        match (packet, state) {
            (PacketType::PubRec, State::Acknowledged) => Settled::Released,
            (PacketType::PubRec, State::Releasing | State::Released) => {
                self.slots.set_state(index, State::Releasing);
                Settled::Released
            }
            (PacketType::PubComp, State::Released) => {
                self.settle(index);
                Settled::Done
            }
            // Of these the server may know more than we do, from before.
            (_, State::Accepted | State::Waiting | State::Settled | State::Lost) => {
                Settled::Unknown
            }
            _ => Settled::Unexpected,
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
    #[inline]
    fn limit(&self) -> Option<usize> {
        let first = self.slots.first(State::Waiting);
        let first = first.or_else(|| self.slots.first(State::Accepted));
        Some(self.offset(first?))
    }

    /// The number of bytes not in use, but for holes.
    pub(crate) fn room(&self) -> usize {
        self.arena.free()
    }

    /// True if there may be more room between messages.
    pub(crate) const fn has_holes(&self) -> bool {
        self.holes > 0
    }

    /// True if there is something to be sent, be it a [payload](Self::lent).
    #[inline]
    pub(crate) fn has_unsent(&self) -> bool {
        self.single.is_some() || self.arena.has_unsent(self.limit())
    }

    /// The messages to be sent next.
    #[inline]
    pub(crate) fn transmit(&self) -> &[u8] {
        match self.single {
            None => self.arena.unsent(self.limit()),
            Some(single) => self
                .head(single.index)
                .get(single.sent..)
                .unwrap_or_default(),
        }
    }

    /// The payload to be sent next.
    pub(crate) fn lent(&self) -> Option<Lent> {
        let single = self.single?;
        let (head, total) = self.lengths(single.index);
        Some(Lent {
            id: self.slots.id(single.index)?,
            offset: single.sent.checked_sub(head)?,
            left: total - single.sent,
        })
    }

    /// True if a message was sent in part.
    pub(crate) fn is_partial(&self) -> bool {
        self.arena.is_partial() || self.single.is_some_and(|single| single.sent > 0)
    }

    /// True if a message was sent in part whose payload is with the application.
    pub(crate) fn is_payload_due(&self) -> bool {
        self.single.is_some_and(|single| {
            let (head, total) = self.lengths(single.index);
            single.sent > 0 && total > head
        })
    }

    /// How many bytes the core has of a message, and how many there are with the payload.
    fn lengths(&self, index: Index) -> (usize, usize) {
        let head = self.head(index);
        (head.len(), packet_len(head))
    }

    /// What is left of the message that was sent in part.
    pub(crate) fn rest_of_packet(&self) -> &[u8] {
        if self.single.is_some() {
            self.transmit()
        } else {
            self.arena.rest_of_packet()
        }
    }

    /// Notes that `n` bytes of [`transmit`](Self::transmit), or of [`lent`](Self::lent), were
    /// sent. True if that made a slot free.
    #[inline]
    pub(crate) fn transmitted(&mut self, n: usize) -> bool {
        let Some(single) = self.single else {
            self.arena.advance(n);
            if self.passing > 0 {
                self.holes = self.holes.saturating_add(self.passing);
                if !self.arena.has_unsent(None) {
                    self.passing = 0;
                }
            }
            self.reclaim();
            return false;
        };
        let Single { index, qos, sent } = single;
        let (head, total) = self.lengths(index);
        let end = if sent < head { head } else { total };
        let sent = sent.saturating_add(n).min(end);
        self.single = (sent < total).then_some(Single { sent, ..single });
        if self.single.is_some() {
            return false;
        }
        let len = self.arena.packet(self.offset(index)).len();
        self.arena.advance(len);
        let is_through = qos == QoS::AtMostOnce;
        if is_through {
            if self.oldest() != Some(index) {
                self.leave_hole();
            }
            self.slots.release(index);
            self.at_most_once -= 1;
        }
        self.reclaim();
        is_through
    }

    /// The connection is lost: nothing may be sent before the next one, QoS 0 messages not sent
    /// are gone, what was sent is marked as a repeat, requests will not be answered. The journal may
    /// know of the connection (`is_recorded`).
    pub(crate) fn connection_lost(&mut self, is_recorded: bool) {
        let begun = self.single.take().filter(|single| single.sent > 0);
        let mut at = self.oldest();
        while let Some(index) = at {
            at = Stored(&mut self.slots).next(index);
            if self.slots.qos(index) == QoS::AtMostOnce {
                // Its payload was with the application: at this QoS no other has a slot.
                self.lose(index);
                continue;
            }
            let is_begun = begun.is_some_and(|single| single.index == index);
            if self.slots.state(index) == State::Stored
                && (is_begun || self.arena.is_begun(self.offset(index)))
            {
                self.set_dup(index, true);
                self.slots.set_expiry(index, 0);
            }
            if is_recorded
                && self.slots.state(index) != State::Accepted
                && self.flags(index) & DUP == 0
            {
                // The journal takes it for one that may have been sent.
                self.slots.set_unsent(index, true);
            }
            self.remove_alias(index);
        }
        // Before those that wait already.
        self.slots.set_state_all(State::Waiting, State::Stored);
        self.slots.set_state_all(State::Stored, State::Waiting);
        self.slots.set_state_all(State::Releasing, State::Released);
        self.slots.set_state_all(State::Requested, State::Lost);
        self.arena.advance_to_end();
        (self.holes, self.passing) = (u16::MAX, 0);
        self.reclaim();
    }

    /// A topic alias means nothing on another connection.
    fn remove_alias(&mut self, index: Index) {
        if !V5 {
            return;
        }
        let offset = self.offset(index);
        let stored = self.arena.packet_mut(offset);
        if has_alias(stored) {
            let begin = remove_alias(stored);
            debug_assert!(begin.is_some());
            let offset = offset + begin.unwrap_or_default();
            Stored(&mut self.slots).set_offset(index, offset);
        }
    }

    /// The server has kept the session, or not: makes ready to send again what it needs. What it
    /// does not take any more (`takes`: first byte and length of a packet) is lost.
    pub(crate) fn resume(&mut self, session_present: bool, takes: impl Fn(u8, usize) -> bool) {
        let released = if session_present {
            State::Releasing
        } else {
            self.slots.set_state_all(State::Acknowledged, State::Lost);
            State::Lost
        };
        self.slots.set_state_all(State::Released, released);
        let mut at = self.oldest();
        while let Some(index) = at {
            at = Stored(&mut self.slots).next(index);
            let packet = self.head(index);
            let flags = packet.first().copied().unwrap_or_default();
            // What was sent belonged to the session that is gone; what was not is as good as new.
            if flags & DUP != 0 && !session_present || !takes(flags, packet_len(packet)) {
                self.lose(index);
            }
        }
        self.arena.advance_to_end();
        self.arena.compact(&mut Stored(&mut self.slots));
        self.holes = 0;
        if let Some(first) = self.oldest() {
            self.arena.rewind(self.offset(first));
        }
        self.reclaim();
    }

    /// Takes the next identifier whose loss is to be reported.
    pub(crate) fn take_lost(&mut self) -> Option<PacketId> {
        let index = self.slots.first(State::Lost)?;
        let id = self.slots.id(index);
        self.settle(index);
        id
    }

    /// The messages that are kept until the server has them, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Publish<'_>> {
        self.stored()
            .filter_map(|index| decode_stored(self.arena.packet(self.offset(index)), self.version))
            .filter(|publish| publish.qos != QoS::AtMostOnce)
    }

    fn stored(&self) -> impl Iterator<Item = Index> {
        let states = [State::Stored, State::Waiting, State::Accepted];
        states.into_iter().flat_map(|state| self.slots.iter(state))
    }
}

#[cfg(test)]
mod tests;
