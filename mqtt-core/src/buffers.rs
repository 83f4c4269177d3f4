use core::fmt;
use core::ops::Range;

use crate::rx::RxBuf;
use crate::session::{Inbound, Slot};

/// The memory that a [`Client`](crate::Client) works in.
///
/// Any sizes do; what does not fit is refused, never lost. Besides the bytes themselves, a
/// message or request in flight takes a [`Slot`], a received QoS 1 or 2 message an [`Inbound`].
pub struct Buffers<'b> {
    /// Packets to be sent. A quarter, but no more than [`MAX_CONTROL`](Self::MAX_CONTROL) and no
    /// less than CONNECT needs, holds all packets but PUBLISH. The rest holds messages: QoS 0 until they are sent, QoS 1
    /// until PUBACK, QoS 2 until PUBREC.
    pub tx: &'b mut [u8],
    /// One for each message from QoS 1 up or with a lent payload, and each request in flight, at
    /// most 65,535.
    pub slots: &'b mut [Slot],
    /// One for each received message from QoS 1 up that is in flight, at most 65,535. With
    /// none, only QoS 0 can be received. In 5.0 the server is told; before, provide as many as it
    /// may have in flight: a QoS 2 message beyond ends the connection.
    pub inbound: &'b mut [Inbound],
    /// The topics that the server's topic aliases stand for, each with 4 bytes more; empty unless
    /// [`Config::topic_alias_maximum`](crate::Config::topic_alias_maximum) allows any. A topic
    /// that does not fit ends the connection.
    pub aliases_in: &'b mut [u8],
    /// The topics that our topic aliases stand for, each with 4 bytes more; empty without aliases.
    pub aliases_out: &'b mut [u8],
}

impl<'b> Buffers<'b> {
    /// Buffers without room for topic aliases.
    #[must_use]
    pub const fn new(tx: &'b mut [u8], slots: &'b mut [Slot], inbound: &'b mut [Inbound]) -> Self {
        Self {
            tx,
            slots,
            inbound,
            aliases_in: &mut [],
            aliases_out: &mut [],
        }
    }

    /// The most of [`tx`](Self::tx) that packets other than PUBLISH ever get, in bytes; room for a
    /// SUBSCRIBE with the longest filter there can be.
    pub const MAX_CONTROL: usize = 128 * 1024;
}

/// Without what is in it, which may be a password or a payload.
impl fmt::Debug for Buffers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("tx", &self.tx.len())
            .field("slots", &self.slots.len())
            .field("inbound", &self.inbound.len())
            .field("aliases_in", &self.aliases_in.len())
            .field("aliases_out", &self.aliases_out.len())
            .finish_non_exhaustive()
    }
}

/// [`Buffers`] and an [`RxBuf`] of fixed sizes, for a static or the stack: `RX` bytes to receive,
/// `TX` bytes to send, `N` messages in flight each way.
///
/// ```
/// use mqtt_core::{Client, Config, Storage};
///
/// let mut storage = Storage::<1024, 2048, 8>::new();
/// let (rx, buffers) = storage.split();
/// let client = Client::new(Config::new("sensor-7"), buffers);
/// ```
pub struct Storage<const RX: usize, const TX: usize, const N: usize> {
    rx: [u8; RX],
    tx: [u8; TX],
    slots: [Slot; N],
    inbound: [Inbound; N],
}

impl<const RX: usize, const TX: usize, const N: usize> Storage<RX, TX, N> {
    /// Memory not in use.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            rx: [0; RX],
            tx: [0; TX],
            slots: [Slot::EMPTY; N],
            inbound: [Inbound::EMPTY; N],
        }
    }

    /// Lends the memory, empty, to a receive buffer and a client.
    pub const fn split(&mut self) -> (RxBuf<'_>, Buffers<'_>) {
        let Self {
            rx,
            tx,
            slots,
            inbound,
        } = self;
        (RxBuf::new(rx), Buffers::new(tx, slots, inbound))
    }
}

impl<const RX: usize, const TX: usize, const N: usize> Default for Storage<RX, TX, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Without what is in it, which may be a password or a payload.
impl<const RX: usize, const TX: usize, const N: usize> fmt::Debug for Storage<RX, TX, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("rx", &self.rx.len())
            .field("tx", &self.tx.len())
            .field("slots", &self.slots.len())
            .field("inbound", &self.inbound.len())
            .finish_non_exhaustive()
    }
}

/// [`Storage`] on the heap, of sizes chosen at run time.
#[cfg(feature = "alloc")]
pub struct HeapStorage {
    rx: alloc::boxed::Box<[u8]>,
    tx: alloc::boxed::Box<[u8]>,
    slots: alloc::boxed::Box<[Slot]>,
    inbound: alloc::boxed::Box<[Inbound]>,
}

/// Without what is in it, which may be a password or a payload.
#[cfg(feature = "alloc")]
impl fmt::Debug for HeapStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapStorage")
            .field("rx", &self.rx.len())
            .field("tx", &self.tx.len())
            .field("slots", &self.slots.len())
            .field("inbound", &self.inbound.len())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "alloc")]
impl HeapStorage {
    /// Allocates `rx` bytes to receive, `tx` bytes to send, and room for `in_flight` messages in
    /// flight each way.
    #[must_use]
    pub fn new(rx: usize, tx: usize, in_flight: u16) -> Self {
        use alloc::vec;
        let in_flight = usize::from(in_flight);
        Self {
            rx: vec![0; rx].into(),
            tx: vec![0; tx].into(),
            slots: vec![Slot::EMPTY; in_flight].into(),
            inbound: vec![Inbound::EMPTY; in_flight].into(),
        }
    }

    /// Lends the memory, empty, to a receive buffer and a client.
    pub fn split(&mut self) -> (RxBuf<'_>, Buffers<'_>) {
        let Self {
            rx,
            tx,
            slots,
            inbound,
        } = self;
        (RxBuf::new(rx), Buffers::new(tx, slots, inbound))
    }
}

/// Moves bytes within `bytes`, if both places are in there. The compiler sees from the conditions,
/// as they are written, that `copy_within` does not panic; firmware is linked to prove that.
#[inline(never)]
pub(crate) fn shift(bytes: &mut [u8], from: Range<usize>, to: usize) {
    let len = from.end.saturating_sub(from.start);
    if let Some(last) = bytes.len().checked_sub(len) {
        if from.start <= last && to <= last {
            bytes.copy_within(from.start..from.start + len, to);
        }
    }
}

/// Copies `bytes` to `room`, which is as long: a condition as that of [`shift`].
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn copy(room: &mut [u8], bytes: &[u8]) {
    if room.len() == bytes.len() {
        room.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;

    /// What the documentation says of sizes.
    #[test]
    fn sizes() {
        assert_eq!(size_of::<Slot>(), 16);
        assert_eq!(size_of::<Inbound>(), 8);
        // A sensor: a client of 624 bytes with 64-bit pointers (400 with 32 bits, without a journal), in
        // 1,728 bytes of memory.
        assert_eq!(
            size_of::<Storage<512, 1024, 8>>(),
            512 + 1024 + 8 * (16 + 8)
        );
        assert!(
            size_of::<Client<'_>>() <= 624,
            "{}",
            size_of::<Client<'_>>()
        );
    }
}
