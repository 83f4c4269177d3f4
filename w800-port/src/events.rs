//! Events on their way to the event task.

use mqtt_core::wire::{PacketId, QoS};

use crate::ffi::Token;
use crate::port::{self, Heap};

/// One of `enum wm_event_mqtt_client`, with what it owns.
pub(crate) enum Event {
    Connected,
    /// A connection was ended by a call.
    Disconnected,
    /// A connection was lost.
    Lost(Token),
    Data(Data),
    Part(Part),
    Published(PacketId),
    Unsent(PacketId),
}

/// What is known of a received message but for topic and payload.
#[derive(Clone, Copy)]
pub(crate) struct About {
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) qos: QoS,
    pub(crate) dup: bool,
    pub(crate) retained: bool,
}

impl About {
    pub(crate) fn id(&self) -> i32 {
        self.packet_id.map_or(0, |id| id.get().into())
    }
}

/// A received message.
pub(crate) struct Data {
    /// With a NUL behind it, as the payload has.
    pub(crate) topic: Heap,
    pub(crate) topic_len: u16,
    /// `None` if it is empty.
    pub(crate) payload: Option<Heap>,
    pub(crate) payload_len: u16,
    pub(crate) about: About,
    pub(crate) client: Token,
}

/// A part of a received message.
pub(crate) struct Part {
    /// With the first part only.
    pub(crate) topic: Option<Heap>,
    /// `None` says that nothing else follows, though it should.
    pub(crate) payload: Option<Heap>,
    pub(crate) payload_len: u16,
    pub(crate) about: About,
    pub(crate) offset: u32,
    pub(crate) total: u32,
    pub(crate) client: Token,
}

impl Event {
    /// The message that may be acknowledged once this event is in the queue.
    const fn acknowledges(&self) -> Option<PacketId> {
        match self {
            Self::Data(data) => data.about.packet_id,
            Self::Part(part) if part.payload.is_some() => {
                if part.offset.saturating_add(part.payload_len as u32) == part.total {
                    part.about.packet_id
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

/// A queue in front of the event task's, for when that is full.
pub(crate) struct Events {
    ring: &'static mut [Option<Event>],
    first: usize,
    len: usize,
}

impl Events {
    /// So many more than for received messages are for the connection's own events.
    pub(crate) const SPARE: usize = 4;

    pub(crate) const fn new(ring: &'static mut [Option<Event>]) -> Self {
        Self {
            ring,
            first: 0,
            len: 0,
        }
    }

    /// True if what is received may become another event.
    pub(crate) const fn has_room(&self) -> bool {
        self.len + Self::SPARE < self.ring.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True if there is room for so many.
    pub(crate) const fn has_room_for(&self, n: usize) -> bool {
        self.len + n <= self.ring.len()
    }

    /// Adds an event; false, and it is gone, if there is no room at all.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let mut at = self.first + self.len;
        if at >= self.ring.len() {
            at -= self.ring.len();
        }
        if self.len >= self.ring.len() {
            return false;
        }
        if let Some(place) = self.ring.get_mut(at) {
            *place = Some(event);
            self.len += 1;
        }
        true
    }

    fn pop(&mut self) -> Option<Event> {
        if self.len == 0 {
            return None;
        }
        let event = self.ring.get_mut(self.first)?.take();
        self.first += 1;
        if self.first >= self.ring.len() {
            self.first = 0;
        }
        self.len -= 1;
        event
    }

    fn put_back(&mut self, event: Event) {
        self.first = self
            .first
            .checked_sub(1)
            .unwrap_or(self.ring.len().saturating_sub(1));
        if let Some(place) = self.ring.get_mut(self.first) {
            *place = Some(event);
            self.len += 1;
        }
    }

    /// Hands on what the event task takes. `taken` learns which messages are with it.
    pub(crate) fn post(&mut self, mut taken: impl FnMut(PacketId)) {
        while let Some(event) = self.pop() {
            let acknowledges = event.acknowledges();
            if let Err(event) = port::post(event) {
                return self.put_back(event);
            }
            if let Some(id) = acknowledges {
                taken(id);
            }
        }
    }

    /// Drops what is not the connection's own, and returns how many ends of connections are left
    /// whose beginnings were told.
    pub(crate) fn forget_messages(&mut self) -> usize {
        let (mut begun, mut ended) = (0, 0);
        for _ in 0..self.len {
            match self.pop() {
                Some(event @ (Event::Disconnected | Event::Lost(_))) => {
                    ended += 1;
                    self.push(event);
                }
                Some(event @ Event::Connected) => {
                    begun += 1;
                    self.push(event);
                }
                _ => {}
            }
        }
        usize::saturating_sub(ended, begun)
    }
}
