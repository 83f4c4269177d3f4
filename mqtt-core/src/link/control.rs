use core::fmt;

use crate::buffers::{copy, shift};
use crate::error::{Error, Resource, UsageError};
use crate::wire::{self, Body, PacketId, ReasonCode, Version, packet_len};

/// Packets other than PUBLISH, encoded, in the order in which they are to be sent.
pub(crate) struct Control<'b> {
    bytes: &'b mut [u8],
    /// The next byte to be sent.
    start: usize,
    end: usize,
    /// How much is left of a packet that was sent in part.
    partial: usize,
}

/// The length of an acknowledgement with a reason code but no properties.
pub(crate) const ACK_LEN: usize = 5;

/// Kept free of other packets, so that PINGREQ (2 bytes) and a DISCONNECT with a reason (3) can
/// always be queued.
const RESERVE: usize = 5;

/// Without the packets: CONNECT has a password, AUTH a proof of it.
impl fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("partial", &self.partial)
            .finish_non_exhaustive()
    }
}

impl<'b> Control<'b> {
    pub(crate) const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            start: 0,
            end: 0,
            partial: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end, self.partial) = (0, 0, 0);
    }

    /// Forgets all packets but one that was sent in part.
    pub(crate) fn keep_partial(&mut self) {
        self.end = self.start + self.partial;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) const fn is_partial(&self) -> bool {
        self.partial != 0
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// What is left of a packet that was sent in part.
    pub(crate) fn rest_of_packet(&self) -> &[u8] {
        self.unsent().get(..self.partial).unwrap_or_default()
    }

    /// Marks `n` bytes as sent.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        let n = n.min(self.end - self.start);
        self.start += n;
        if self.start == self.end {
            return self.clear();
        }
        if n < self.partial {
            self.partial -= n;
            return;
        }
        let mut rest = n - self.partial;
        self.partial = 0;
        while rest > 0 {
            let packet = self.start - rest;
            let len = packet_len(self.bytes.get(packet..self.end).unwrap_or_default());
            if len > rest {
                self.partial = len - rest;
                return;
            }
            rest -= len;
        }
    }

    /// True if one more acknowledgement fits.
    pub(crate) const fn has_room(&self) -> bool {
        self.bytes.len() - (self.end - self.start) >= ACK_LEN + RESERVE
    }

    /// True if a packet of `len` bytes can ever be queued.
    pub(crate) const fn can_hold(&self, len: usize) -> bool {
        Self::capacity_for(len) <= self.bytes.len()
    }

    /// The length of the memory in which a packet of `len` bytes can be queued.
    pub(crate) const fn capacity_for(len: usize) -> usize {
        len + RESERVE
    }

    /// Queues a packet.
    pub(crate) fn push(
        &mut self,
        packet: &dyn Body,
        version: Version,
        max_packet: usize,
    ) -> Result<(), Error> {
        let len = wire::encoded_len(packet, version)?;
        if len > max_packet {
            return Err(UsageError::MaximumPacketSize.into());
        }
        wire::write(packet, version, self.place(len, RESERVE)?);
        Ok(())
    }

    /// Queues an acknowledgement, if there [is room](Self::has_room).
    #[inline]
    pub(crate) fn push_ack(&mut self, first: u8, id: PacketId, code: ReasonCode) {
        let [high, low] = id.get().to_be_bytes();
        let has_code = code != ReasonCode::Success;
        let len = ACK_LEN - 1 + usize::from(has_code);
        let Ok(place) = self.place(len, 0) else {
            return debug_assert!(false);
        };
        if let Some((head, rest)) = place.split_first_chunk_mut() {
            *head = [first, 2 + u8::from(has_code), high, low];
            if let Some(last) = rest.first_mut() {
                *last = code as u8;
            }
        }
    }

    /// Queues the bytes of a packet for which room is reserved: PINGREQ, or the DISCONNECT after an
    /// error.
    pub(crate) fn push_bytes(&mut self, packet: &[u8]) {
        if let Ok(place) = self.place(packet.len(), 0) {
            copy(place, packet);
        } else {
            debug_assert!(self.bytes.len() < RESERVE);
        }
    }

    /// The place of a packet that is queued.
    #[inline]
    fn place(&mut self, len: usize, reserve: usize) -> Result<&mut [u8], Error> {
        let room = self.bytes.len().saturating_sub(reserve);
        if len > room {
            return Err(UsageError::BufferTooSmall.into());
        }
        if len > room.saturating_sub(self.end - self.start) {
            return Err(Error::Full(Resource::Control));
        }
        if len > self.bytes.len() - self.end {
            self.move_to_front();
        }
        let start = self.end;
        self.end += len;
        let place = self.bytes.get_mut(start..self.end);
        place.ok_or(Error::Full(Resource::Control))
    }

    fn move_to_front(&mut self) {
        shift(self.bytes, self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }

    /// Gives away `len` bytes of the memory, if a packet of `kept` bytes can be queued in the rest.
    pub(crate) fn split_off(&mut self, len: usize, kept: usize) -> Option<&'b mut [u8]> {
        let rest = self.bytes.len().checked_sub(len)?;
        if rest < Self::capacity_for(kept) || rest < self.end - self.start + RESERVE {
            return None;
        }
        self.move_to_front();
        let (bytes, split) = core::mem::take(&mut self.bytes).split_at_mut_checked(rest)?;
        self.bytes = bytes;
        Some(split)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{PacketType, Publish};
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    #[derive(Clone, Debug)]
    enum Step {
        /// Some packet, of one length or another, if it is no longer than `max_packet`.
        Push {
            payload: usize,
            max_packet: usize,
        },
        Ack {
            id: u16,
            is_error: bool,
        },
        /// What may use the reserve.
        Ping,
        Advance(usize),
        KeepPartial,
        SplitOff {
            len: usize,
            kept: usize,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        let max_packet = prop_oneof![3 => Just(usize::MAX), 1 => 5..30usize];
        prop_oneof![
            3 => (0..20usize, max_packet)
                .prop_map(|(payload, max_packet)| Step::Push { payload, max_packet }),
            3 => (1..=u16::MAX, any::<bool>()).prop_map(|(id, is_error)| Step::Ack { id, is_error }),
            2 => Just(Step::Ping),
            6 => prop_oneof![0..9usize, 0..60usize].prop_map(Step::Advance),
            1 => Just(Step::KeepPartial),
            1 => (0..12usize, 0..40usize).prop_map(|(len, kept)| Step::SplitOff { len, kept }),
        ]
    }

    #[test]
    fn how_much_is_queued_is_shown_and_not_what() {
        let mut bytes = [0; 20];
        let mut control = Control::new(&mut bytes);
        let id = PacketId::new(u16::MAX).unwrap();
        control.push_ack(0x40, id, ReasonCode::Success);
        control.advance(1);
        let shown = std::format!("{control:?}");
        assert!(shown.contains("start: 1, end: 4, partial: 3"), "{shown}");
        assert!(!shown.contains("255"), "{shown}");
    }

    proptest! {
        /// Against a list of packets: they leave whole and in order, as much of them as there is
        /// room for.
        #[test]
        fn packets_leave_in_order(
            mut capacity in 5..60usize,
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let mut bytes = vec![0; capacity];
            let mut control = Control::new(&mut bytes);
            // What is left of each packet; of the first one a part may have been sent.
            let mut packets: Vec<Vec<u8>> = Vec::new();
            let mut is_partial = false;
            for step in steps {
                let used: usize = packets.iter().map(Vec::len).sum();
                let fits = |len| used + len <= capacity;
                match step {
                    Step::Push { payload, max_packet } => {
                        let payload = vec![7; payload];
                        let publish = Publish::new("t", &payload);
                        let expected = if payload.len() + 5 > max_packet {
                            Err(UsageError::MaximumPacketSize.into())
                        } else if payload.len() + 5 + RESERVE > capacity {
                            Err(UsageError::BufferTooSmall.into())
                        } else if !fits(payload.len() + 5 + RESERVE) {
                            Err(Error::Full(Resource::Control))
                        } else {
                            let mut packet = vec![0x30, 3 + u8::try_from(payload.len()).unwrap(), 0, 1, b't'];
                            packet.extend(payload.iter());
                            packets.push(packet);
                            Ok(())
                        };
                        prop_assert_eq!(control.push(&publish, Version::V311, max_packet), expected);
                        prop_assert_eq!(
                            control.can_hold(payload.len()),
                            payload.len() + RESERVE <= capacity
                        );
                    }
                    Step::Ack { id, is_error } => {
                        prop_assert_eq!(control.has_room(), fits(ACK_LEN + RESERVE));
                        if !control.has_room() {
                            continue;
                        }
                        let [high, low] = id.to_be_bytes();
                        let id = PacketId::new(id).unwrap();
                        if is_error {
                            control.push_ack(0x40, id, ReasonCode::QuotaExceeded);
                            packets.push(vec![0x40, 3, high, low, 0x97]);
                        } else {
                            control.push_ack(0x40, id, ReasonCode::Success);
                            packets.push(vec![0x40, 2, high, low]);
                        }
                    }
                    Step::Ping if fits(2) => {
                        let ping = [PacketType::PingReq.first_byte(), 0];
                        control.push_bytes(&ping);
                        packets.push(ping.to_vec());
                    }
                    Step::Ping => {}
                    Step::Advance(n) => {
                        control.advance(n);
                        let mut n = n.min(used);
                        while let Some(first) = packets.first_mut().filter(|_| n > 0) {
                            is_partial = n < first.len();
                            if is_partial {
                                first.drain(..n);
                                break;
                            }
                            n -= first.len();
                            packets.remove(0);
                        }
                    }
                    Step::KeepPartial => {
                        control.keep_partial();
                        packets.truncate(usize::from(is_partial));
                    }
                    Step::SplitOff { len, kept } => {
                        let rest = capacity.checked_sub(len);
                        let rest = rest.filter(|rest| (kept.max(used) + RESERVE) <= *rest);
                        let split = control.split_off(len, kept);
                        prop_assert_eq!(split.map(|split| split.len()), rest.map(|_| len));
                        capacity = rest.unwrap_or(capacity);
                    }
                }
                prop_assert_eq!(control.unsent(), packets.concat());
                prop_assert_eq!(control.is_empty(), packets.is_empty());
                prop_assert_eq!(control.is_partial(), is_partial);
                let rest = packets.first().filter(|_| is_partial);
                prop_assert_eq!(control.rest_of_packet(), rest.map_or(&[][..], |rest| rest));
            }
        }
    }
}
