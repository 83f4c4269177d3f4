//! The stream that blocks, over any stream with the [`embedded_io`] traits.

use core::fmt;
use std::io::{self, Read as _, Write as _};

use embedded_io::{Error as _, ErrorKind, ErrorType, Read, Write};
use rustls::ClientConnection;

use crate::{Connector, Error, TlsError};

impl Connector {
    /// Makes a TLS connection over `stream`, to the server called `host`: a name, or an IP address,
    /// in brackets or not.
    ///
    /// Limit the time that it may take by the deadline of `stream`.
    ///
    /// # Errors
    ///
    /// Fails when the stream below does, its deadline included, and when the server is not to be
    /// trusted or does not want to talk to us: see [`TlsError`].
    pub fn connect<S: Read + Write>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<TlsStream<S>, Error<S::Error>> {
        let mut stream = TlsStream {
            connection: self.begin(host).map_err(Error::Tls)?,
            inner: stream,
            has_certificate: self.has_certificate(),
            closed: false,
            failed: None,
        };
        while stream.connection.is_handshaking() {
            stream.flush()?;
            match stream.receive() {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // The server should hear why. If it does not, that is no news.
                    let _ = stream.flush();
                    return Err(error);
                }
            }
        }
        stream.flush()?;
        Ok(stream)
    }
}

/// A TLS stream whose reads and writes block, as long as those of the stream below do.
///
/// Written bytes are gathered, up to 64 KiB, until [`flush`](Write::flush) sends them. When the
/// stream below gives up ([`TimedOut`](ErrorKind::TimedOut)), nothing is lost: a write has taken as
/// many bytes as it says, and any call may be repeated.
///
/// A read that finds nothing for the caller but has to answer something (refuse a renegotiation of
/// TLS 1.2) fails with [`Error::Flush`], whose kind is [`Interrupted`](ErrorKind::Interrupted). It does not
/// write by itself, since both directions may be full at once.
///
/// The end of the stream is the server's `close_notify`. If the stream below ends without one,
/// reads fail with [`TlsError::Truncated`]: this crate does not know whether what is in the stream
/// has an end of its own, as MQTT has. A host that does may take it for the end.
///
/// Dropping the stream sends nothing; see [`close`](Self::close).
pub struct TlsStream<S> {
    connection: ClientConnection,
    inner: S,
    has_certificate: bool,
    closed: bool,
    /// What every further read and write fails with.
    failed: Option<TlsError>,
}

impl<S: Read + Write> TlsStream<S> {
    /// Ends sending: flushes and tells the server that nothing more follows (`close_notify`).
    ///
    /// What the server still sends can be read. Repeat it after a time-out.
    ///
    /// # Errors
    ///
    /// Fails when the stream below does.
    pub fn close(&mut self) -> Result<(), Error<S::Error>> {
        self.connection.send_close_notify();
        self.closed = true;
        self.flush()
    }

    /// Sends what there is to send.
    fn push(&mut self) -> Result<(), Error<S::Error>> {
        while self.connection.wants_write() {
            let mut below = Below::new(&mut self.inner);
            match self.connection.write_tls(&mut below) {
                Ok(_) => {}
                Err(error) => {
                    let error = below.error(&error);
                    return Err(self.explained(error));
                }
            }
        }
        Ok(())
    }

    /// Returns the reason for `error` that the server has given, if it has.
    ///
    /// A server that refuses a client certificate under TLS 1.3 says so and closes the connection.
    /// A write may come upon the closed connection first.
    fn explained(&mut self, error: Error<S::Error>) -> Error<S::Error> {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

        if !matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset
        ) {
            return error;
        }
        // There is nothing to wait for. What has arrived is kept for reads.
        while self.failed.is_none()
            && (self.connection.is_handshaking() || self.connection.wants_read())
        {
            match self.receive() {
                Ok(0) | Err(Error::Stream(_) | Error::Flush) => break,
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        error
    }

    /// Receives once, waiting for it, and digests what has come.
    fn receive(&mut self) -> Result<usize, Error<S::Error>> {
        let was_handshaking = self.connection.is_handshaking();
        let mut below = Below::new(&mut self.inner);
        let received = match self.connection.read_tls(&mut below) {
            Ok(n) => n,
            Err(error) => return Err(below.error(&error)),
        };
        let result = self.connection.process_new_packets();
        let failure = match result {
            Err(error) => {
                // The version is known as soon as the server's first message has been accepted.
                let is_agreed = self.connection.protocol_version().is_some();
                TlsError::of(error, is_agreed, self.has_certificate)
            }
            Ok(_) if received == 0 && was_handshaking => TlsError::ClosedInHandshake,
            Ok(_) => return Ok(received),
        };
        self.failed = Some(failure.clone());
        Err(Error::Tls(failure))
    }
}

impl<S> TlsStream<S> {
    /// Returns rustls' connection: the version, the cipher suite, the application protocol, the
    /// server's certificates, and whether a session was resumed.
    #[must_use]
    pub fn connection(&self) -> &ClientConnection {
        &self.connection
    }

    /// Returns the stream below, which must not be read or written.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the stream below, which must not be read or written; to set a deadline, for
    /// instance.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the stream below. What has not been flushed, or not been read, is gone.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: fmt::Debug> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("inner", &self.inner)
            .field("version", &self.connection.protocol_version())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl<S: ErrorType> ErrorType for TlsStream<S> {
    type Error = Error<S::Error>;
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut has_answer = false;
        loop {
            match self.connection.reader().read(buf) {
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Error::Tls(TlsError::Truncated)),
            }
            if let Some(failure) = &self.failed {
                return Err(Error::Tls(failure.clone()));
            }
            if has_answer {
                return Err(Error::Flush);
            }
            // What was to be sent before is no answer, and the caller knows of it.
            let was_quiet = !self.connection.wants_write();
            self.receive()?;
            has_answer = was_quiet && self.connection.wants_write();
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        if let Some(failure) = &self.failed {
            return Err(Error::Tls(failure.clone()));
        }
        if self.closed {
            return Err(Error::Tls(TlsError::Closed));
        }
        loop {
            // It goes to memory, and does not fail.
            let taken = self.connection.writer().write(buf).unwrap_or(0);
            if taken > 0 || buf.is_empty() {
                return Ok(taken);
            }
            let Err(error) = self.push() else { continue };
            // Some of it may have left, and made room.
            return match self.connection.writer().write(buf).unwrap_or(0) {
                0 => Err(error),
                taken => Ok(taken),
            };
        }
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.push()?;
        self.inner.flush().map_err(Error::Stream)
    }
}

/// The stream below as rustls wants it, which keeps the error that the standard library's has no
/// room for.
struct Below<'a, S: ErrorType> {
    inner: &'a mut S,
    error: Option<S::Error>,
}

impl<'a, S: ErrorType> Below<'a, S> {
    fn new(inner: &'a mut S) -> Self {
        Self { inner, error: None }
    }

    fn keep<T>(&mut self, result: Result<T, S::Error>) -> io::Result<T> {
        result.map_err(|error| {
            self.error = Some(error);
            io::ErrorKind::Other.into()
        })
    }

    /// Returns the stream's error, or what rustls itself has to say.
    fn error(self, error: &io::Error) -> Error<S::Error> {
        match self.error {
            Some(error) => Error::Stream(error),
            // A stream that takes nothing, against the rules, is as good as gone.
            None if error.kind() == io::ErrorKind::WriteZero => Error::Tls(TlsError::Truncated),
            None => Error::Tls(TlsError::Other(rustls::Error::General(error.to_string()))),
        }
    }
}

impl<S: Read> io::Read for Below<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buf);
        self.keep(result)
    }
}

impl<S: Write> io::Write for Below<'_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(buf);
        match self.keep(result)? {
            0 if !buf.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            n => Ok(n),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
