//! Where encoded PUBLISH packets lie, in the order of publishing.
//!
//! The arena is a ring whose packets never wrap: at most two segments are in use, an older one
//! and, once that reached the end of the memory, a newer one from the beginning. Space returns
//! from the front in constant time. Packets in a segment touch each other, so that one slice of
//! them can be written at once.

use core::fmt;

use crate::buffers::shift;
use crate::wire::packet_len;

pub(super) struct Arena<'b> {
    bytes: &'b mut [u8],
    /// Where the segment with the older packets begins and ends; the only one unless there is a
    /// newer.
    start: usize,
    end: usize,
    /// The end of the segment with the newer packets, which begins at 0; 0 if there is none. At
    /// least one byte is free between that end and the older segment, so that an offset says which
    /// one it is in.
    newer: usize,
    /// The next byte to be sent.
    cursor: usize,
    /// The beginning of the packet that holds `cursor`.
    boundary: usize,
}

/// Without the packets, which have the application's payloads.
impl fmt::Debug for Arena<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("newer", &self.newer)
            .field("cursor", &self.cursor)
            .field("boundary", &self.boundary)
            .finish_non_exhaustive()
    }
}

impl<'b> Arena<'b> {
    pub(super) const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            start: 0,
            end: 0,
            newer: 0,
            cursor: 0,
            boundary: 0,
        }
    }

    /// All packets, the older and the newer ones.
    pub(super) fn packets(&self) -> [&[u8]; 2] {
        [self.start..self.end, 0..self.newer]
            .map(|segment| self.bytes.get(segment).unwrap_or_default())
    }

    pub(super) const fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The number of bytes not in use.
    pub(super) const fn free(&self) -> usize {
        self.bytes.len() - (self.end - self.start) - self.newer
    }

    const fn is_newer(&self, offset: usize) -> bool {
        offset < self.start
    }

    /// True if the packet at `a` was published before the one at `b`.
    const fn is_before(&self, a: usize, b: usize) -> bool {
        // What is before the older segment is after it in time.
        a.wrapping_sub(self.start) < b.wrapping_sub(self.start)
    }

    const fn end_of_segment(&self, offset: usize) -> usize {
        if self.is_newer(offset) {
            self.newer
        } else {
            self.end
        }
    }

    const fn end(&self) -> usize {
        if self.newer > 0 { self.newer } else { self.end }
    }

    /// Where the next packet begins if it is `len` bytes long.
    #[inline]
    pub(super) const fn vacancy(&self, len: usize) -> Option<usize> {
        if self.newer == 0 && self.has_room_at_end(len) {
            Some(self.end)
        } else if self.start - self.newer > len {
            Some(self.newer)
        } else {
            None
        }
    }

    /// True if a packet of `len` bytes fits behind the older segment.
    pub(super) const fn has_room_at_end(&self, len: usize) -> bool {
        self.bytes.len() - self.end >= len
    }

    /// The room for a packet; it counts once [`commit`](Self::commit) is called.
    pub(super) fn room(&mut self, offset: usize, len: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(offset..)?.get_mut(..len)
    }

    /// Appends the packet that was written to [`room`](Self::room).
    #[inline]
    pub(super) fn commit(&mut self, offset: usize, len: usize) {
        if offset == self.end {
            self.end += len;
        } else {
            self.newer = offset + len;
            self.skip_end_of_older();
        }
    }

    /// Whoever is at the end of the older segment is at the beginning of the newer one.
    fn skip_end_of_older(&mut self) {
        if self.newer > 0 && self.boundary == self.end {
            self.rewind(0);
        }
    }

    pub(super) fn packet(&self, offset: usize) -> &[u8] {
        let packets = self.bytes.get(offset..).unwrap_or_default();
        packets.get(..packet_len(packets)).unwrap_or_default()
    }

    pub(super) fn packet_mut(&mut self, offset: usize) -> &mut [u8] {
        let len = self.packet(offset).len();
        self.room(offset, len).unwrap_or_default()
    }

    /// True if all of the packet at `offset` was sent.
    pub(super) const fn is_sent(&self, offset: usize) -> bool {
        self.is_before(offset, self.boundary)
    }

    /// True if any of the packet at `offset` was sent.
    pub(super) const fn is_begun(&self, offset: usize) -> bool {
        self.is_before(offset, self.cursor)
    }

    /// True if the packet at `offset` is the next to be sent.
    pub(super) const fn is_next(&self, offset: usize) -> bool {
        self.cursor == offset
    }

    /// True if a packet was sent in part.
    pub(super) const fn is_partial(&self) -> bool {
        self.cursor != self.boundary
    }

    /// What is left of a packet that was sent in part.
    pub(super) fn rest_of_packet(&self) -> &[u8] {
        let sent = self.cursor - self.boundary;
        self.packet(self.boundary).get(sent..).unwrap_or_default()
    }

    /// True if there is something to be sent before the packet at `limit`.
    pub(super) fn has_unsent(&self, limit: Option<usize>) -> bool {
        self.cursor != limit.unwrap_or(self.end())
    }

    /// The next packets to be sent, up to the one at `limit`.
    #[inline]
    pub(super) fn unsent(&self, limit: Option<usize>) -> &[u8] {
        let end = match limit {
            Some(limit) if self.is_newer(limit) == self.is_newer(self.cursor) => limit,
            _ => self.end_of_segment(self.cursor),
        };
        self.bytes.get(self.cursor..end).unwrap_or_default()
    }

    /// Marks `n` bytes as sent.
    #[inline]
    pub(super) fn advance(&mut self, n: usize) {
        let end = self.end_of_segment(self.cursor);
        self.cursor = self.cursor.saturating_add(n).min(end);
        if self.cursor == end {
            self.boundary = end;
        }
        while self.boundary < self.cursor {
            let next = self.boundary + self.packet(self.boundary).len();
            if next > self.cursor {
                break;
            }
            self.boundary = next;
        }
        self.skip_end_of_older();
    }

    /// Marks everything as sent.
    pub(super) const fn advance_to_end(&mut self) {
        self.rewind(self.end());
    }

    /// Marks everything from the packet at `offset` on as not sent.
    pub(super) const fn rewind(&mut self, offset: usize) {
        self.cursor = offset;
        self.boundary = offset;
    }

    /// Takes back the space before everything unsent and before `kept`, the oldest packet still
    /// needed.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn reclaim(&mut self, kept: Option<usize>) {
        let first = match kept {
            Some(kept) if self.is_before(kept, self.boundary) => kept,
            _ => self.boundary,
        };
        if self.is_newer(first) {
            self.end = self.newer;
            self.newer = 0;
        }
        self.start = first;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.rewind(0);
        }
    }

    /// Moves packets together, over the holes between them: to the beginning of the memory or, as
    /// long as there are two segments, towards the beginning of the older one. `packets` gives the
    /// offsets of all packets still needed, in order, and takes the new ones.
    pub(super) fn compact(&mut self, packets: &mut impl Packets) {
        let start = if self.newer > 0 { self.start } else { 0 };
        let (mut to, mut end_of_older) = (start, None);
        let (mut unsent, mut boundary) = (self.boundary, None);
        let mut kept = packets.first();
        loop {
            // After what was sent and is needed follows all that is not sent, needed or not.
            let packet = kept.map(|packet| packets.offset(packet));
            let from = match packet {
                Some(offset) if self.is_sent(offset) => offset,
                _ if unsent == self.end() => break,
                _ => unsent,
            };
            let len = self.packet(from).len();
            if self.bytes.len() - to < len {
                end_of_older = Some(to);
                to = 0;
            }
            shift(self.bytes, from..from + len, to);
            if from == unsent {
                boundary = boundary.or(Some(to));
                unsent += len;
                if unsent == self.end && self.newer > 0 {
                    unsent = 0;
                }
            }
            if let (Some(packet), true) = (kept, packet == Some(from)) {
                packets.set_offset(packet, to);
                kept = packets.next(packet);
            }
            to += len;
        }
        let sent = self.cursor - self.boundary;
        self.boundary = boundary.unwrap_or(to);
        self.cursor = self.boundary + sent;
        self.start = start;
        (self.end, self.newer) = match end_of_older {
            Some(end) => (end, to),
            None => (to, 0),
        };
    }
}

/// The packets in an [`Arena`] that are still needed, in the order of publishing.
pub(super) trait Packets {
    type Packet: Copy;
    fn first(&self) -> Option<Self::Packet>;
    fn next(&self, packet: Self::Packet) -> Option<Self::Packet>;
    fn offset(&self, packet: Self::Packet) -> usize;
    fn set_offset(&mut self, packet: Self::Packet, offset: usize);
}
