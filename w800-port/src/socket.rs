//! The WebSocket part of a connection.

use mqtt_core::wire::MAX_REMAINING_LENGTH;
use transport_ws::{Engine, Event, Handshake, Request};

use crate::error::Failure;
use crate::memory::shift;
use crate::port;
use crate::uri::Endpoint;

/// A WebSocket in a buffer for frames on their way out; one connection after the other.
pub(crate) struct Socket {
    phase: Phase,
    out: &'static mut [u8],
    start: usize,
    end: usize,
}

enum Phase {
    Closed,
    Handshake(Handshake),
    Open(Engine),
}

/// Received bytes.
pub(crate) struct Rx {
    bytes: &'static mut [u8],
    start: usize,
    end: usize,
}

impl Rx {
    pub(crate) const fn new(bytes: &'static mut [u8]) -> Self {
        Self {
            bytes,
            start: 0,
            end: 0,
        }
    }

    /// The whole buffer, in which [`range`](Self::range) counts.
    pub(crate) const fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// What was received and is not dealt with.
    pub(crate) fn input(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where a part of the input lies in the buffer.
    pub(crate) fn range(&self, part: &[u8]) -> core::ops::Range<usize> {
        let start = (part.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        start..start.wrapping_add(part.len())
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
    }

    /// Where more is received, behind what is there. Moves that.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 && self.start <= self.end && self.end <= self.bytes.len() {
            shift(self.bytes, self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    pub(crate) fn filled(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.bytes.len());
    }

    pub(crate) const fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

impl Socket {
    pub(crate) const fn new(out: &'static mut [u8]) -> Self {
        Self {
            phase: Phase::Closed,
            out,
            start: 0,
            end: 0,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.phase = Phase::Closed;
        (self.start, self.end) = (0, 0);
    }

    /// Writes the request.
    pub(crate) fn begin(&mut self, endpoint: &Endpoint<'_>, origin: &str) -> Result<(), Failure> {
        let handshake = Handshake::new(port::random());
        let request = Request {
            authority: endpoint.authority,
            path: endpoint.path,
            credentials: None,
            headers: &[("Origin", origin)],
        };
        self.end = handshake
            .write_request(&request, self.out)
            .map_err(Failure::request)?;
        self.start = 0;
        self.phase = Phase::Handshake(handshake);
        Ok(())
    }

    /// Reads the response; true if it was there and the WebSocket is open. Data may be left.
    pub(crate) fn answer(&mut self, rx: &mut Rx) -> Result<bool, Failure> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Ok(true);
        };
        let Some(len) = handshake
            .read_response(rx.input())
            .map_err(Failure::response)?
        else {
            if rx.space().is_empty() {
                return Err(Failure::response(transport_ws::ResponseError::TooLong));
            }
            return Ok(false);
        };
        self.phase = Phase::Open(Engine::new(MAX_REMAINING_LENGTH.into()));
        rx.consume(len);
        // Frames may have come with it.
        let early = rx.input().len();
        rx.space();
        rx.clear();
        let data = match rx.space().get_mut(..early) {
            Some(early) => self.unframe(early)?,
            None => 0,
        };
        rx.filled(data);
        Ok(true)
    }

    /// Moves the data in `buf`, which was received, to its beginning, and returns its length.
    pub(crate) fn unframe(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        let Phase::Open(engine) = &mut self.phase else {
            return Ok(buf.len());
        };
        let mut from = 0;
        let mut to = 0;
        while let Some(rest) = buf.get(from..).filter(|rest| !rest.is_empty()) {
            let received = match engine.receive(rest) {
                Ok(received) => received,
                // What came before it counts; the error stays until then.
                Err(_) if to > 0 => return Ok(to),
                Err(error) => return Err(Failure::frame(error)),
            };
            if let Some(Event::Data(range)) = received.event {
                let start = from.saturating_add(range.start);
                let end = from.saturating_add(range.end);
                shift(buf, start..end, to);
                to = to.saturating_add(end.saturating_sub(start));
            }
            if received.consumed == 0 {
                break;
            }
            from = from.saturating_add(received.consumed);
        }
        Ok(to)
    }

    /// Whether nothing more will be received, in order or not.
    pub(crate) fn ended(&self) -> Option<Failure> {
        let Phase::Open(engine) = &self.phase else {
            return None;
        };
        engine.ended().map(|ended| match ended {
            Ok(()) => Failure::CLOSED,
            Err(error) => Failure::frame(error),
        })
    }

    /// Makes a frame of as much data as there is room for, and returns how much that was.
    pub(crate) fn data(&mut self, data: &[u8]) -> usize {
        let Phase::Open(engine) = &mut self.phase else {
            return 0;
        };
        let room = self.out.get_mut(self.end..).unwrap_or_default();
        match engine.write_data(data, port::random(), room) {
            Ok((taken, written)) => {
                self.end += written;
                taken
            }
            Err(_) => 0,
        }
    }

    /// What is to be sent next.
    pub(crate) fn pending(&mut self) -> &[u8] {
        if let Phase::Open(engine) = &mut self.phase {
            if engine.has_control() {
                let room = self.out.get_mut(self.end..).unwrap_or_default();
                self.end += engine.write_control(port::random(), room);
            }
        }
        self.out.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn sent(&mut self, n: usize) {
        self.start += n;
        if self.start >= self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Says that no more data will follow.
    pub(crate) fn close(&mut self) {
        if let Phase::Open(engine) = &mut self.phase {
            engine.close();
        }
    }
}
