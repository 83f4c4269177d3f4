//! The stream on tokio, over any stream with tokio's traits.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use rustls::ClientConnection;
use tokio_rustls::TlsConnector;

use crate::connector::server_name;
use crate::{Connector, Error, TlsError};

impl Connector {
    /// Makes a TLS connection over `stream`, to the server called `host`: a name, or an IP address,
    /// in brackets or not.
    ///
    /// Dropping the future gives up; `tokio::time::timeout` limits the time.
    ///
    /// # Errors
    ///
    /// Fails when the stream below does, and when the server is not to be trusted or does not want
    /// to talk to us: see [`TlsError`].
    pub async fn connect_tokio<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<TlsStream<S>, Error<io::Error>> {
        let name = server_name(host).map_err(Error::Tls)?;
        let has_certificate = self.has_certificate();
        let below = Below {
            inner: stream,
            begin: [0; 6],
            known: 0,
        };
        match TlsConnector::from(self.config().clone())
            .connect(name, below)
            .into_fallible()
            .await
        {
            Ok(inner) => Ok(TlsStream {
                inner,
                has_certificate,
                has_answer: false,
            }),
            Err((error, below)) => Err(if error.kind() == io::ErrorKind::UnexpectedEof {
                Error::Tls(TlsError::ClosedInHandshake)
            } else {
                match tls_error(error, below.is_agreed(), has_certificate) {
                    Ok(error) => Error::Tls(error),
                    Err(error) => Error::Stream(error),
                }
            }),
        }
    }
}

/// Returns what rustls said, or the error of the stream below.
fn tls_error(
    error: io::Error,
    is_agreed: bool,
    has_certificate: bool,
) -> Result<TlsError, io::Error> {
    let error: rustls::Error = error.downcast()?;
    Ok(TlsError::of(error, is_agreed, has_certificate))
}

/// A TLS stream with tokio's traits.
///
/// Reads and writes are cancel-safe: when the future of one is dropped before it is done, no byte
/// has been taken from the stream or put into it. Written bytes may stay here until a flush.
///
/// A failure of TLS is an [`io::Error`] around a [`TlsError`], which
/// [`downcast_ref`](io::Error::get_ref) finds. The end of the stream is the server's `close_notify`;
/// if the stream below ends without one, reads fail with [`TlsError::Truncated`], whose kind is
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
///
/// Shutting down sends a `close_notify` and shuts down the stream below. Dropping the stream sends
/// nothing.
pub struct TlsStream<S> {
    inner: tokio_rustls::client::TlsStream<Below<S>>,
    has_certificate: bool,
    /// A read had to answer something, which is still to be sent.
    has_answer: bool,
}

impl<S> TlsStream<S> {
    /// Returns rustls' connection: the version, the cipher suite, the application protocol, the
    /// server's certificates, and whether a session was resumed.
    #[must_use]
    pub fn connection(&self) -> &ClientConnection {
        self.inner.get_ref().1
    }

    /// Returns the stream below, which must not be read or written.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner.get_ref().0.inner
    }

    /// Returns the stream below, which must not be read or written.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner.get_mut().0.inner
    }

    /// Returns the stream below. What has not been flushed, or not been read, is gone.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner.into_inner().0.inner
    }

    fn failure(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return TlsError::Truncated.into();
        }
        tls_error(error, true, self.has_certificate).map_or_else(|error| error, Into::into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Returns the reason for a write's `error` that the server has given, if it has.
    ///
    /// A server that refuses a client certificate under TLS 1.3 says so and closes the connection.
    /// A write may come upon the closed connection first.
    fn explained(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

        if matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset
        ) {
            // What arrived is kept for reads.
            if let Poll::Ready(Err(reason)) = Pin::new(&mut self.inner).poll_fill_buf(cx) {
                if let Ok(reason) = tls_error(reason, true, self.has_certificate) {
                    return reason.into();
                }
            }
        }
        self.failure(error)
    }
}

impl<S: fmt::Debug> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("inner", self.get_ref())
            .field("version", &self.connection().protocol_version())
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let was_quiet = !self.connection().wants_write();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        // An answer to what was read (no renegotiation in TLS 1.2) leaves here, or nobody would send it
        // before the next write. Where there was something to send before, a writer waits already,
        // and must stay the one that is woken.
        self.has_answer |= was_quiet && self.connection().wants_write();
        if self.has_answer && !matches!(&result, Poll::Ready(Err(_))) {
            // An error will show in the next read or write.
            self.has_answer = Pin::new(&mut self.inner).poll_flush(cx).is_pending();
        }
        result.map_err(|error| self.failure(error))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.has_answer = false;
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        result.map_err(|error| self.explained(cx, error))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.has_answer = false;
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        result.map_err(|error| self.explained(cx, error))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.has_answer = false;
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        result.map_err(|error| self.explained(cx, error))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.has_answer = false;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The stream below, which remembers how the server began: of a handshake that failed,
/// `tokio-rustls` gives back nothing else that could tell a server that does not agree to anything
/// from one that demands a certificate.
struct Below<S> {
    inner: S,
    begin: [u8; 6],
    known: usize,
}

impl<S> Below<S> {
    /// Whether the server began with a `ServerHello`: record type 22, message type 2.
    fn is_agreed(&self) -> bool {
        self.known == self.begin.len() && self.begin[0] == 22 && self.begin[5] == 2
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Below<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        let this = &mut *self;
        for (to, from) in this.begin[this.known..]
            .iter_mut()
            .zip(&buf.filled()[before..])
        {
            *to = *from;
            this.known += 1;
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Below<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
