use crate::engine::MAX_CONTROL_FRAME;
use crate::{Closed, Engine};

/// Frames on their way out, in the order in which they were made.
#[derive(Debug)]
pub(crate) struct Outbox<B> {
    buf: B,
    start: usize,
    end: usize,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Outbox<B> {
    /// Begins with the first `len` bytes of `buf` to be sent.
    pub(crate) fn new(buf: B, len: usize) -> Self {
        Self {
            buf,
            start: 0,
            end: len,
        }
    }

    /// What is to be sent next.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.buf.as_ref()[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets the first `n` bytes, which were sent.
    pub(crate) fn sent(&mut self, n: usize) {
        self.start += n;
        debug_assert!(self.start <= self.end);
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    #[cfg(feature = "embedded")]
    /// Whether a frame of `len` bytes of data fits whole behind what is there.
    pub(crate) fn fits(&self, len: usize) -> bool {
        let room = self.buf.as_ref().len() - self.end;
        room.checked_sub(crate::frame::MAX_SENT_HEADER)
            .is_some_and(|room| room >= len)
    }

    /// Whether any control frame fits behind what is there.
    pub(crate) fn fits_control(&self) -> bool {
        self.buf.as_ref().len() - self.end >= MAX_CONTROL_FRAME
    }

    /// Takes up what it can of `payload`, as one frame, and returns how much.
    pub(crate) fn data(
        &mut self,
        engine: &mut Engine,
        payload: &[u8],
        mask: [u8; 4],
    ) -> Result<usize, Closed> {
        let room = &mut self.buf.as_mut()[self.end..];
        let (taken, written) = engine.write_data(payload, mask, room)?;
        self.end += written;
        Ok(taken)
    }

    /// Takes up a control frame that waits, if there is room.
    pub(crate) fn control(&mut self, engine: &mut Engine, mask: [u8; 4]) {
        self.end += engine.write_control(mask, &mut self.buf.as_mut()[self.end..]);
    }
}

#[cfg(feature = "std")]
impl Outbox<Vec<u8>> {
    /// Has at least `len` bytes.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.buf.len() < len {
            self.buf.resize(len, 0);
        }
    }
}
