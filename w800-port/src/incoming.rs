//! Received messages, from the receive buffer to the C heap.

use core::ops::Range;

use mqtt_core::wire::{PacketId, Publish, QoS};

use crate::events::{About, Data, Event, Events, Part};
use crate::ffi::Token;
use crate::memory;
use crate::port::Heap;
use crate::socket::Rx;

/// The message that is being received.
pub(crate) enum Incoming {
    None,
    /// There was no memory for it. It is in the receive buffer still.
    Held(Held),
    /// Its payload is on its way.
    Whole {
        data: Data,
        filled: usize,
    },
    Parts(Parts),
    /// Nobody wants one as long as this.
    Discarded(Option<PacketId>),
}

/// What of it is where.
pub(crate) struct Held {
    about: About,
    topic: Range<usize>,
    payload: Range<usize>,
    /// The length of the payload, if it follows.
    total: Option<usize>,
    /// So much of the input it takes.
    consumed: usize,
}

/// A message that is handed on in parts.
pub(crate) struct Parts {
    about: About,
    topic: Option<Heap>,
    total: usize,
    /// How much of it was handed on.
    offset: usize,
    part: Option<Heap>,
    filled: usize,
}

/// How long messages, and parts, may be.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) message: usize,
    pub(crate) part: usize,
}

impl Held {
    pub(crate) fn new(
        publish: &Publish<'_>,
        total: Option<usize>,
        rx: &Rx,
        consumed: usize,
    ) -> Self {
        Self {
            about: About {
                packet_id: publish.packet_id,
                qos: publish.qos,
                // QoS 2 is never delivered twice.
                dup: publish.dup && publish.qos == QoS::AtLeastOnce,
                retained: publish.retain,
            },
            topic: rx.range(publish.topic.as_bytes()),
            payload: rx.range(publish.payload),
            total,
            consumed,
        }
    }

    fn begin(&self, rx: &Rx, limits: Limits, client: Token) -> Option<Incoming> {
        let topic = rx.bytes().get(self.topic.clone()).unwrap_or_default();
        let payload = rx.bytes().get(self.payload.clone()).unwrap_or_default();
        let total = self.total.unwrap_or(payload.len());
        if self.total.is_some() && total > limits.message {
            if limits.part == 0 {
                return Some(Incoming::Discarded(self.about.packet_id));
            }
            return Some(Incoming::Parts(Parts {
                about: self.about,
                topic: Some(copy(topic)?),
                total,
                offset: 0,
                part: None,
                filled: 0,
            }));
        }
        let mut data = Data {
            topic: copy(topic)?,
            // A topic has no more, and a payload has fewer than the limits.
            topic_len: u16::try_from(topic.len()).unwrap_or(u16::MAX),
            payload: None,
            payload_len: u16::try_from(total).unwrap_or(u16::MAX),
            about: self.about,
            client,
        };
        if total > 0 {
            data.payload = Some(match self.total {
                Some(total) => Heap::new(total.checked_add(1)?)?,
                None => copy(payload)?,
            });
        }
        Some(Incoming::Whole {
            data,
            filled: payload.len(),
        })
    }
}

/// The bytes on the heap, with a NUL behind them.
fn copy(bytes: &[u8]) -> Option<Heap> {
    let mut heap = Heap::new(bytes.len().checked_add(1)?)?;
    memory::copy(heap.bytes(), bytes);
    Some(heap)
}

impl Incoming {
    /// Takes up what waits for memory. False if there still is none.
    pub(crate) fn is_ready(
        &mut self,
        rx: &mut Rx,
        events: &mut Events,
        limits: Limits,
        client: Token,
    ) -> bool {
        if let Self::Held(held) = self {
            let Some(begun) = held.begin(rx, limits, client) else {
                return false;
            };
            rx.consume(held.consumed);
            let is_whole = held.total.is_none();
            *self = begun;
            if is_whole {
                self.finish(events);
            }
        }
        if let Self::Parts(parts) = self {
            if parts.part.is_none() {
                let len = limits.part.min(parts.total.saturating_sub(parts.offset));
                parts.part = Heap::new(len.saturating_add(1));
                return parts.part.is_some();
            }
        }
        true
    }

    /// How much of the input may be looked at: no more of a payload than goes into its part.
    pub(crate) fn limit(&self, limits: Limits) -> usize {
        match self {
            Self::Parts(parts) => limits.part.saturating_sub(parts.filled).max(1),
            _ => usize::MAX,
        }
    }

    fn finish(&mut self, events: &mut Events) {
        if let Self::Whole { data, .. } = core::mem::replace(self, Self::None) {
            events.push(Event::Data(data));
        }
    }

    /// Takes a piece of the payload. Returns the identifier of a message that was discarded with
    /// its last piece.
    pub(crate) fn payload(
        &mut self,
        piece: &[u8],
        last: bool,
        events: &mut Events,
        client: Token,
        limits: Limits,
    ) -> Option<PacketId> {
        match self {
            Self::Whole { data, filled } => {
                let end = filled.saturating_add(piece.len());
                let place = data.payload.as_mut().map(Heap::bytes);
                if let Some(place) = place.and_then(|place| place.get_mut(*filled..end)) {
                    memory::copy(place, piece);
                }
                *filled = end;
                if last {
                    self.finish(events);
                }
                None
            }
            Self::Parts(parts) => {
                parts.take(piece);
                if last || parts.filled >= limits.part {
                    events.push(parts.event(client));
                }
                if last {
                    *self = Self::None;
                }
                None
            }
            Self::Discarded(id) if last => {
                let id = *id;
                *self = Self::None;
                id
            }
            _ => None,
        }
    }

    /// The connection is over, and with it this message. The server sends it again, or not.
    pub(crate) fn abort(&mut self, events: &mut Events, client: Token) {
        if let Self::Parts(parts) = self {
            if parts.offset > 0 {
                parts.part = None;
                events.push(parts.event(client));
            }
        }
        *self = Self::None;
    }
}

impl Parts {
    fn take(&mut self, piece: &[u8]) {
        let end = self.filled.saturating_add(piece.len());
        let place = self.part.as_mut().map(Heap::bytes);
        if let Some(place) = place.and_then(|place| place.get_mut(self.filled..end)) {
            memory::copy(place, piece);
            self.filled = end;
        }
    }

    /// What there is of it, as an event.
    fn event(&mut self, client: Token) -> Event {
        let offset = self.offset;
        let len = core::mem::take(&mut self.filled);
        self.offset = offset.saturating_add(len);
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Event::Part(Part {
            topic: self.topic.take(),
            payload: self.part.take(),
            payload_len: u16::try_from(len).unwrap_or(u16::MAX),
            about: self.about,
            offset: number(offset),
            total: number(self.total),
            client,
        })
    }
}
