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
