//! The stream without a heap, on the [`embedded_io_async`] traits.
//!
//! Reads, writes and flushes are cancel-safe: when the future is dropped before it is done, no
//! byte has been lost or doubled, if that is so for the stream below. (`read_exact` and `write_all`
//! are not, in any implementation.)

use core::cell::RefCell;
use core::fmt;

use embedded_io_async::{Error as _, ErrorKind, ErrorType, Read, Write};

use crate::outbox::Outbox;
use crate::unframe::{ROUNDS, unframe};
use crate::{Engine, Error, Handshake, MAX_FRAME, Request, ResponseError};

/// A WebSocket over a reader and a writer, in buffers of the caller's.
///
/// [`split`](Self::split) lends two halves, which can be used at the same time in one task.
pub struct WsStream<'b, R, W, F> {
    reader: R,
    writer: W,
    random: F,
    engine: RefCell<Engine>,
    /// What came together with the response.
    early: &'b [u8],
    outbox: Outbox<&'b mut [u8]>,
}

impl<'b, R, W, F> WsStream<'b, R, W, F>
where
    R: Read,
    W: Write<Error = R::Error>,
    F: FnMut(&mut [u8]),
{
    /// Agrees with the server on a WebSocket with the sub-protocol `mqtt`.
    ///
    /// The response has to fit into `rx`: 512 bytes are enough for most servers. Whole frames are
    /// made in `tx`, so it should be some bytes longer than what is written at once, and the
    /// request has to fit into it. Reading needs no buffer.
    ///
    /// `random` fills a slice with random bytes. They have to come from a source that nobody can
    /// predict, such as the hardware's, since they keep others from choosing what is on the wire.
    ///
    /// # Errors
    ///
    /// Fails when the request is not valid or too long, when the server does not agree, and when
    /// the stream below fails.
    pub async fn connect(
        mut reader: R,
        mut writer: W,
        request: &Request<'_>,
        rx: &'b mut [u8],
        tx: &'b mut [u8],
        mut random: F,
    ) -> Result<Self, Error<R::Error>> {
        let mut nonce = [0; 16];
        random(&mut nonce);
        let mut handshake = Handshake::new(nonce);
        let len = handshake.write_request(request, tx)?;
        let mut outbox = Outbox::new(tx, len);
        while !outbox.is_empty() {
            match writer.write(outbox.pending()).await.map_err(Error::Io)? {
                0 => return Err(Error::WriteZero),
                n => outbox.sent(n),
            }
        }
        writer.flush().await.map_err(Error::Io)?;

        let mut filled = 0;
        let len = loop {
            if filled == rx.len() {
                return Err(ResponseError::TooLong.into());
            }
            match reader.read(&mut rx[filled..]).await {
                Ok(0) => return Err(ResponseError::Ended.into()),
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    writer.flush().await.map_err(Error::Io)?;
                }
                Err(error) => return Err(Error::Io(error)),
            }
            if let Some(len) = handshake.read_response(&rx[..filled])? {
                break len;
            }
        };
        Ok(Self {
            reader,
            writer,
            random,
            engine: RefCell::new(Engine::new(MAX_FRAME)),
            early: &rx[len..filled],
            outbox,
        })
    }
}

impl<'b, R, W, F> WsStream<'b, R, W, F> {
    /// Lends a half for reading and one for writing.
    ///
    /// They may be dropped at any time and lent again.
    pub fn split(&mut self) -> (Reader<'_, 'b, R>, Writer<'_, 'b, W, F>) {
        (
            Reader {
                inner: &mut self.reader,
                engine: &self.engine,
                early: &mut self.early,
            },
            Writer {
                inner: &mut self.writer,
                engine: &self.engine,
                outbox: &mut self.outbox,
                random: &mut self.random,
            },
        )
    }

    /// Returns the status with which the server has closed the connection, if it gave one.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        self.engine.borrow().close_code()
    }

    /// Returns the reader and the writer below.
    #[must_use]
    pub fn into_inner(self) -> (R, W) {
        (self.reader, self.writer)
    }
}

impl<R, W, F> fmt::Debug for WsStream<'_, R, W, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsStream")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// The half of a [`WsStream`] for reading.
///
/// When it comes upon a ping or the server's close, it returns [`Error::Interrupted`]: flush the
/// writer, which sends the answer, then read again.
pub struct Reader<'a, 'b, R> {
    inner: &'a mut R,
    engine: &'a RefCell<Engine>,
    early: &'a mut &'b [u8],
}

impl<R> fmt::Debug for Reader<'_, '_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl<R: Read> ErrorType for Reader<'_, '_, R> {
    type Error = Error<R::Error>;
}

impl<R: Read> Read for Reader<'_, '_, R> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        for _ in 0..ROUNDS {
            // The engine is never borrowed while waiting, since the writer uses it too.
            let ended = self.engine.borrow().ended();
            if let Some(end) = ended {
                return Ok(end.map(|()| 0)?);
            }
            let n = if self.early.is_empty() {
                self.inner.read(buf).await.map_err(Error::Io)?
            } else {
                let n = buf.len().min(self.early.len());
                let (early, rest) = self.early.split_at(n);
                buf[..n].copy_from_slice(early);
                *self.early = rest;
                n
            };
            let engine = &mut *self.engine.borrow_mut();
            if n == 0 {
                engine.end_of_input()?;
                return Ok(0);
            }
            match unframe(engine, &mut buf[..n], |_| {}) {
                (0, false) => {}
                (0, true) => break,
                (data, _) => return Ok(data),
            }
        }
        Err(Error::Interrupted)
    }
}

/// The half of a [`WsStream`] for writing.
///
/// A write makes one frame of what fits into the buffer and does not send it, so that dropping its
/// future cannot leave it half done; flushing does. It waits only for room. Frames that are
/// written before a flush leave together.
pub struct Writer<'a, 'b, W, F> {
    inner: &'a mut W,
    engine: &'a RefCell<Engine>,
    outbox: &'a mut Outbox<&'b mut [u8]>,
    random: &'a mut F,
}

impl<W: Write, F: FnMut(&mut [u8])> Writer<'_, '_, W, F> {
    /// Closes this side in order: a close frame follows what was written, and is flushed.
    ///
    /// Nothing can be written after it. Reading goes on until the server closes its side too.
    ///
    /// # Errors
    ///
    /// Fails when the stream below does.
    pub async fn close(&mut self) -> Result<(), Error<W::Error>> {
        self.engine.borrow_mut().close();
        self.flush().await
    }

    /// Sends everything that waits.
    async fn push(&mut self) -> Result<(), Error<W::Error>> {
        loop {
            if self.engine.borrow().has_control() && self.outbox.fits_control() {
                let mask = self.mask();
                self.outbox.control(&mut self.engine.borrow_mut(), mask);
            }
            if self.outbox.is_empty() {
                return Ok(());
            }
            match self.inner.write(self.outbox.pending()).await {
                Ok(0) => return Err(Error::WriteZero),
                Ok(n) => self.outbox.sent(n),
                Err(error) => return Err(Error::Io(error)),
            }
        }
    }

    fn mask(&mut self) -> [u8; 4] {
        let mut mask = [0; 4];
        (self.random)(&mut mask);
        mask
    }
}

impl<W, F> fmt::Debug for Writer<'_, '_, W, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl<W: Write, F> ErrorType for Writer<'_, '_, W, F> {
    type Error = Error<W::Error>;
}

impl<W: Write, F: FnMut(&mut [u8])> Write for Writer<'_, '_, W, F> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        if !self.outbox.fits(buf.len()) {
            self.push().await?;
        }
        let mask = self.mask();
        let engine = &mut self.engine.borrow_mut();
        self.outbox
            .data(engine, buf, mask)
            .map_err(|_| Error::Closed)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.push().await?;
        self.inner.flush().await.map_err(Error::Io)
    }
}
