//! The blocking stream, on the [`embedded_io`] traits.

use embedded_io::{Error as _, ErrorKind, Read, Write};

use crate::connection::{Connection, Opening};
use crate::unframe::ROUNDS;
use crate::{Error, Options};

/// A WebSocket as a byte stream, over a stream that blocks.
///
/// Time limits are those of the stream below: its [`TimedOut`](ErrorKind::TimedOut) is passed on,
/// no byte is lost, and the call may be repeated. See the [crate's documentation](crate) for what
/// reading and writing mean.
#[derive(Debug)]
pub struct WsStream<S> {
    inner: S,
    connection: Connection,
}

impl<S: Read + Write> WsStream<S> {
    /// Agrees with the server on a WebSocket with the sub-protocol `mqtt`.
    ///
    /// `authority` is what the request names as its host: `broker.example`, with the port unless
    /// it is the scheme's own.
    ///
    /// # Errors
    ///
    /// Fails when the options are not valid, when the server does not agree, and when the stream
    /// fails or times out.
    pub fn connect(
        mut inner: S,
        authority: &str,
        options: &Options,
    ) -> Result<Self, Error<S::Error>> {
        let mut opening = Opening::new(authority, options)?;
        while !opening.request.is_empty() {
            match inner.write(opening.request.pending()).map_err(Error::Io)? {
                0 => return Err(Error::WriteZero),
                n => opening.request.sent(n),
            }
        }
        inner.flush().map_err(Error::Io)?;
        loop {
            let n = match inner.read(opening.room()) {
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    inner.flush().map_err(Error::Io)?;
                    continue;
                }
                Err(error) => return Err(Error::Io(error)),
            };
            if let Some(len) = opening.received(n)? {
                return Ok(Self {
                    inner,
                    connection: opening.done(len),
                });
            }
        }
    }

    /// Closes this side in order: a close frame follows what was written, and is flushed.
    ///
    /// Nothing can be written after it. Reading goes on until the server closes its side too, and
    /// a call that has timed out may be repeated.
    ///
    /// # Errors
    ///
    /// Fails when the stream below does.
    pub fn close(&mut self) -> Result<(), Error<S::Error>> {
        self.connection.engine.close();
        self.flush()
    }

    /// Sends everything that waits.
    fn push(&mut self) -> Result<(), Error<S::Error>> {
        loop {
            let pending = self.connection.pending()?;
            if pending.is_empty() {
                return Ok(());
            }
            match self.inner.write(pending).map_err(Error::Io)? {
                0 => return Err(Error::WriteZero),
                n => self.connection.outbox.sent(n),
            }
        }
    }
}

impl<S> WsStream<S> {
    /// Returns the status with which the server has closed the connection, if it gave one.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        self.connection.engine.close_code()
    }

    /// Returns the stream below. What is read from it and written to it is not for this one.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Returns the stream below, by reference: to set its deadline, for instance.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the stream below, by shared reference.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: Read + Write> embedded_io::ErrorType for WsStream<S> {
    type Error = Error<S::Error>;
}

/// One read of the stream below, straight into the caller's buffer, unless only headers came.
impl<S: Read + Write> Read for WsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        for _ in 0..ROUNDS {
            if let Some(end) = self.connection.engine.ended() {
                return Ok(end.map(|()| 0)?);
            }
            let n = if self.connection.has_early() {
                self.connection.early(buf)
            } else {
                self.inner.read(buf).map_err(Error::Io)?
            };
            if n == 0 {
                self.connection.end_of_input()?;
                return Ok(0);
            }
            match self.connection.unframe(&mut buf[..n]) {
                (0, false) => {}
                (0, true) => break,
                (data, _) => return Ok(data),
            }
        }
        Err(Error::Interrupted)
    }
}

/// A write makes one frame, of 64 KiB at most, and sends it with one write where that is possible.
impl<S: Read + Write> Write for WsStream<S> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.push()?;
        let n = self.connection.data(buf)?;
        match self.push() {
            // They are taken; what is left of them goes on with the next call.
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                Ok(n)
            }
            result => result.map(|()| n),
        }
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.push()?;
        self.inner.flush().map_err(Error::Io)
    }
}
