//! What has left the core and not the stream.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};

use super::server::Stream;

/// Packets with large payloads, gathered so that many of them leave in one write though they lie
/// apart. Payloads are not copied, unless the stream takes one piece at a time.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pieces: VecDeque<Bytes>,
    /// The last piece, to which more may be added.
    last: BytesMut,
    len: usize,
}

impl Outgoing {
    /// How many bytes are gathered.
    pub(super) const LIMIT: usize = 64 * 1024;

    /// How many pieces.
    const PIECES: usize = 64;

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes there is room for.
    pub(super) fn room(&self) -> usize {
        if self.pieces.len() + 2 > Self::PIECES {
            return 0;
        }
        Self::LIMIT.saturating_sub(self.len)
    }

    /// Adds a copy of these bytes.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.last.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Adds these bytes.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.close_last();
        self.len += bytes.len();
        self.pieces.push_back(bytes);
    }

    fn close_last(&mut self) {
        if !self.last.is_empty() {
            self.pieces.push_back(self.last.split().freeze());
        }
    }

    /// Writes once.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut dyn Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.close_last();
        let mut slices = [IoSlice::new(&[]); Self::PIECES];
        let mut len = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            len += 1;
        }
        let slices = slices.get(..len).unwrap_or_default();
        let written = Pin::new(stream).poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(n)) = written {
            self.advance(n);
        }
        written
    }

    fn advance(&mut self, mut n: usize) {
        self.len = self.len.saturating_sub(n);
        while let Some(piece) = self.pieces.front_mut().filter(|_| n > 0) {
            if n < piece.len() {
                piece.advance(n);
                break;
            }
            n -= piece.len();
            self.pieces.pop_front();
        }
        if self.is_empty() {
            *self = Self::default();
        }
    }
}
