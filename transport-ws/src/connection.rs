//! What the streams with a heap have in common: everything but reading, writing and waiting.

use core::convert::Infallible;
use core::fmt;
use std::collections::VecDeque;

use embedded_io::Read as _;

use crate::engine::MAX_CONTROL_FRAME;
use crate::frame::MAX_SENT_HEADER;
use crate::outbox::Outbox;
use crate::unframe::unframe;
use crate::{Engine, Error, FrameError, Handshake, Options, ResponseError};

/// How much data goes into one frame, and so how much is kept at most until it is sent.
const MAX_SENT: usize = 64 * 1024;

/// How long the response to the handshake may be.
const MAX_RESPONSE: usize = 8 * 1024;

/// A handshake that goes on.
pub(crate) struct Opening {
    handshake: Handshake,
    pub(crate) request: Outbox<Vec<u8>>,
    response: Vec<u8>,
    filled: usize,
    max_frame: u64,
    random: Random,
}

impl Opening {
    pub(crate) fn new<E>(authority: &str, options: &Options) -> Result<Self, Error<E>> {
        let mut random = Random::new();
        let handshake = Handshake::new(random.bytes()?);
        let request = options.request(authority, &handshake)?.into_bytes();
        let len = request.len();
        Ok(Self {
            handshake,
            request: Outbox::new(request, len),
            response: vec![0; MAX_RESPONSE],
            filled: 0,
            max_frame: options.max_frame,
            random,
        })
    }

    /// Where what is read is to be put; never empty.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.response[self.filled..]
    }

    /// Takes note of `n` bytes that were read, and returns the length of the response when it is
    /// complete.
    pub(crate) fn received(&mut self, n: usize) -> Result<Option<usize>, ResponseError> {
        if n == 0 {
            return Err(ResponseError::Ended);
        }
        self.filled += n;
        let len = self
            .handshake
            .read_response(&self.response[..self.filled])?;
        if len.is_none() && self.filled == self.response.len() {
            return Err(ResponseError::TooLong);
        }
        Ok(len)
    }

    /// Goes over to frames after a response of `len` bytes.
    pub(crate) fn done(self, len: usize) -> Connection {
        Connection {
            engine: Engine::new(self.max_frame),
            outbox: Outbox::new(Vec::new(), 0),
            random: self.random,
            early: self.response[len..self.filled].to_vec().into(),
        }
    }
}

/// A connection after the handshake.
pub(crate) struct Connection {
    pub(crate) engine: Engine,
    pub(crate) outbox: Outbox<Vec<u8>>,
    random: Random,
    /// What came together with the response.
    early: VecDeque<u8>,
}

impl Connection {
    /// Takes up what it can of `payload`, as one frame, and returns how much.
    ///
    /// Everything before it has to be sent.
    pub(crate) fn data<E>(&mut self, payload: &[u8]) -> Result<usize, Error<E>> {
        let mask = self.random.bytes()?;
        self.outbox
            .grow(payload.len().min(MAX_SENT) + MAX_SENT_HEADER);
        let payload = &payload[..payload.len().min(MAX_SENT)];
        self.outbox
            .data(&mut self.engine, payload, mask)
            .map_err(|_| Error::Closed)
    }

    /// Takes up a control frame that waits, if there is room, and returns what is to be sent.
    pub(crate) fn pending<E>(&mut self) -> Result<&[u8], Error<E>> {
        if self.engine.has_control() {
            self.outbox.grow(MAX_CONTROL_FRAME);
            if self.outbox.fits_control() {
                let mask = self.random.bytes()?;
                self.outbox.control(&mut self.engine, mask);
            }
        }
        Ok(self.outbox.pending())
    }

    /// Whether there is something left that came together with the response.
    pub(crate) fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// Reads what came together with the response.
    pub(crate) fn early(&mut self, buf: &mut [u8]) -> usize {
        self.early.read(buf).unwrap_or_else(|never| match never {})
    }

    /// Moves the data in `buf` to its beginning, as [`unframe`] does.
    pub(crate) fn unframe(&mut self, buf: &mut [u8]) -> (usize, bool) {
        let Self {
            engine,
            outbox,
            random,
            ..
        } = self;
        unframe(engine, buf, |engine| {
            // While there is room for it, each ping gets its answer.
            outbox.grow(MAX_ANSWERS);
            if outbox.fits_control() {
                // Without random bytes it stays where it is, and whoever sends it fails.
                if let Ok(mask) = random.bytes::<4, Infallible>() {
                    outbox.control(engine, mask);
                }
            }
        })
    }

    /// Takes note of the end of the stream below.
    pub(crate) fn end_of_input(&mut self) -> Result<(), FrameError> {
        self.engine.end_of_input()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt(f)
    }
}

/// How many bytes of answers to pings are kept at least.
const MAX_ANSWERS: usize = 1024;

/// Random bytes of the system, fetched in stock since it takes a system call.
struct Random {
    stock: [u8; 256],
    left: usize,
}

impl Random {
    fn new() -> Self {
        Self {
            stock: [0; 256],
            left: 0,
        }
    }

    fn bytes<const N: usize, E>(&mut self) -> Result<[u8; N], Error<E>> {
        if self.left < N {
            getrandom::fill(&mut self.stock).map_err(|_| Error::Random)?;
            self.left = self.stock.len();
        }
        let mut bytes = [0; N];
        self.left -= N;
        bytes.copy_from_slice(&self.stock[self.left..][..N]);
        Ok(bytes)
    }
}
