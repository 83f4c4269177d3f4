//! Where encoded PUBLISH packets lie, in the order of publishing.
//!
//! The arena is a ring whose packets never wrap: at most two segments are in use, an older one
//! and, once that reached the end of the memory, a newer one from the beginning. Space returns
//! from the front in constant time. Packets in a segment touch each other, so that one slice of
//! them can be written at once.

use core::ops::Range;

use crate::wire::packet_len;

#[derive(Debug)]
pub(super) struct Arena<'b> {
    bytes: &'b mut [u8],
    /// The segment with the older packets; the only one unless there is a newer.
    older: Range<usize>,
    /// The end of the segment with the newer packets, which begins at 0. At least one byte is
    /// free between that end and the older segment, so that an offset says which one it is in.
    newer: Option<usize>,
    /// The next byte to be sent.
    cursor: usize,
    /// The beginning of the packet that holds `cursor`.
    boundary: usize,
}

impl<'b> Arena<'b> {
    pub(super) const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            older: 0..0,
            newer: None,
            cursor: 0,
            boundary: 0,
        }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The number of bytes not in use.
    pub(super) fn free(&self) -> usize {
        self.bytes.len() - self.older.len() - self.newer.unwrap_or(0)
    }

    fn is_newer(&self, offset: usize) -> bool {
        self.newer.is_some() && offset < self.older.start
    }

    /// True if the packet at `a` was published before the one at `b`.
    fn is_before(&self, a: usize, b: usize) -> bool {
        (self.is_newer(a), a) < (self.is_newer(b), b)
    }

    fn end_of_segment(&self, offset: usize) -> usize {
        match self.newer {
            Some(end) if self.is_newer(offset) => end,
            _ => self.older.end,
        }
    }

    /// Where the next packet begins if it is `len` bytes long.
    pub(super) fn vacancy(&self, len: usize) -> Option<usize> {
        match self.newer {
            Some(end) => (self.older.start - end > len).then_some(end),
            None if self.bytes.len() - self.older.end >= len => Some(self.older.end),
            None => (self.older.start > len).then_some(0),
        }
    }

    /// The room for a packet; it counts once [`commit`](Self::commit) is called.
    pub(super) fn room(&mut self, offset: usize, len: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(offset..)?.get_mut(..len)
    }

    /// Appends the packet that was written to [`room`](Self::room).
    pub(super) fn commit(&mut self, offset: usize, len: usize) {
        if self.newer.is_none() && offset == self.older.end {
            self.older.end += len;
        } else {
            self.newer = Some(offset + len);
            self.skip_end_of_older();
        }
    }

    /// Whoever is at the end of the older segment is at the beginning of the newer one.
    fn skip_end_of_older(&mut self) {
        if self.newer.is_some() {
            for position in [&mut self.cursor, &mut self.boundary] {
                if *position == self.older.end {
                    *position = 0;
                }
            }
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
    pub(super) fn is_sent(&self, offset: usize) -> bool {
        self.is_before(offset, self.boundary)
    }

    /// True if any of the packet at `offset` was sent.
    pub(super) fn is_begun(&self, offset: usize) -> bool {
        self.is_before(offset, self.cursor)
    }

    /// True if the packet at `offset` is the next to be sent.
    pub(super) fn is_next(&self, offset: usize) -> bool {
        self.cursor == offset && self.boundary == offset
    }

    /// True if a packet was sent in part.
    pub(super) fn is_partial(&self) -> bool {
        self.cursor != self.boundary
    }

    /// What is left of a packet that was sent in part.
    pub(super) fn rest_of_packet(&self) -> &[u8] {
        let sent = self.cursor - self.boundary;
        self.packet(self.boundary).get(sent..).unwrap_or_default()
    }

    /// The next packets to be sent, up to the one at `limit`.
    pub(super) fn unsent(&self, limit: Option<usize>) -> &[u8] {
        let end = match limit {
            Some(limit) if self.is_newer(limit) == self.is_newer(self.cursor) => limit,
            _ => self.end_of_segment(self.cursor),
        };
        self.bytes.get(self.cursor..end).unwrap_or_default()
    }

    /// Marks `n` bytes as sent.
    pub(super) fn advance(&mut self, n: usize) {
        let end = self.end_of_segment(self.cursor);
        self.cursor = self.cursor.saturating_add(n).min(end);
        if self.cursor == end {
            self.boundary = end;
        } else {
            self.boundary = boundary(self.bytes, self.boundary, self.cursor);
        }
        self.skip_end_of_older();
    }

    /// Marks everything as sent.
    pub(super) fn advance_to_end(&mut self) {
        self.cursor = self.newer.unwrap_or(self.older.end);
        self.boundary = self.cursor;
    }

    /// Marks everything from the packet at `offset` on as not sent.
    pub(super) fn rewind(&mut self, offset: usize) {
        self.cursor = offset;
        self.boundary = offset;
    }

    /// Takes back the space before everything unsent and before `kept`, the oldest packet still
    /// needed.
    pub(super) fn reclaim(&mut self, kept: Option<usize>) {
        let first = match kept {
            Some(kept) if self.is_before(kept, self.boundary) => kept,
            _ => self.boundary,
        };
        match self.newer {
            Some(end) if first < self.older.start => {
                self.older = first..end;
                self.newer = None;
            }
            _ => self.older.start = first,
        }
        if self.older.is_empty() {
            self.older = 0..0;
            self.rewind(0);
        }
    }

    /// Moves packets together so that the free space is in one piece. `packets` gives the
    /// offsets of all packets still needed, in order from both ends, and takes the new ones.
    pub(super) fn compact(&mut self, packets: &mut impl Packets) {
        let whole = self.older.clone();
        if let Some(end) = self.newer {
            self.compact_right(packets);
            self.newer = Some(self.compact_left(packets, 0..end, |offset| offset < whole.start));
            self.skip_end_of_older();
        } else {
            let end = self.compact_left(packets, whole, |_| true);
            self.older = 0..end;
        }
    }

    /// Moves packets into one segment, with all free space behind it: the last byte can be used.
    /// Only for when everything counts as sent.
    pub(super) fn unwind(&mut self, packets: &mut impl Packets) {
        self.compact(packets);
        if let Some(end) = self.newer.take() {
            let start = self.older.start;
            let len = self.bytes.len() - start;
            self.bytes.rotate_left(start);
            let mut at = packets.first();
            while let Some(packet) = at {
                let offset = packets.offset(packet);
                let offset = offset.checked_sub(start).unwrap_or(offset + len);
                packets.set_offset(packet, offset);
                at = packets.next(packet);
            }
            self.older = 0..len + end;
            self.advance_to_end();
        }
    }

    /// Moves the packets of the segment to the beginning of the memory and returns their end.
    fn compact_left(
        &mut self,
        packets: &mut impl Packets,
        segment: Range<usize>,
        is_inside: impl Fn(usize) -> bool,
    ) -> usize {
        let mut to = 0;
        let mut at = packets.first();
        while let Some(packet) = at {
            let offset = packets.offset(packet);
            if is_inside(offset) {
                if !self.is_sent(offset) {
                    break;
                }
                let len = self.packet(offset).len();
                self.copy(offset..offset + len, to);
                packets.set_offset(packet, to);
                to += len;
            }
            at = packets.next(packet);
        }
        // All that is not sent moves as one block, with packets that nobody asks for again.
        let unsent = if is_inside(self.boundary) {
            self.boundary
        } else {
            segment.start
        }..segment.end;
        let end = to + unsent.len();
        self.copy(unsent.clone(), to);
        while let Some(packet) = at {
            let offset = packets.offset(packet);
            if is_inside(offset) {
                packets.set_offset(packet, offset - unsent.start + to);
            }
            at = packets.next(packet);
        }
        if is_inside(self.boundary) {
            self.cursor = self.cursor - unsent.start + to;
            self.boundary = to;
        }
        end
    }

    /// Moves the packets of the older of two segments to the end of the memory.
    fn compact_right(&mut self, packets: &mut impl Packets) {
        let Range { start, end } = self.older;
        let by = self.bytes.len() - end;
        let unsent = if self.is_newer(self.boundary) {
            end
        } else {
            self.boundary
        };
        self.copy(unsent..end, unsent + by);
        if !self.is_newer(self.boundary) {
            self.cursor += by;
            self.boundary += by;
        }
        let mut to = unsent + by;
        let mut at = packets.last();
        while let Some(packet) = at {
            let offset = packets.offset(packet);
            if offset >= unsent {
                packets.set_offset(packet, offset + by);
            } else if offset >= start {
                let len = self.packet(offset).len();
                to -= len;
                self.copy(offset..offset + len, to);
                packets.set_offset(packet, to);
            }
            at = packets.prev(packet);
        }
        self.older = to..self.bytes.len();
    }

    fn copy(&mut self, from: Range<usize>, to: usize) {
        if from.start != to && from.end <= self.bytes.len() && to + from.len() <= self.bytes.len() {
            self.bytes.copy_within(from, to);
        }
    }
}

/// The packets in an [`Arena`] that are still needed, in the order of publishing.
pub(super) trait Packets {
    type Packet: Copy;
    fn first(&self) -> Option<Self::Packet>;
    fn last(&self) -> Option<Self::Packet>;
    fn next(&self, packet: Self::Packet) -> Option<Self::Packet>;
    fn prev(&self, packet: Self::Packet) -> Option<Self::Packet>;
    fn offset(&self, packet: Self::Packet) -> usize;
    fn set_offset(&mut self, packet: Self::Packet, offset: usize);
}

/// The beginning of the packet that holds `cursor`, where a packet begins at `from`.
fn boundary(bytes: &[u8], from: usize, cursor: usize) -> usize {
    let mut boundary = from;
    while boundary < cursor {
        let end = boundary + packet_len(bytes.get(boundary..).unwrap_or_default());
        if end > cursor {
            break;
        }
        boundary = end;
    }
    boundary
}
