//! A stream that somebody listens to.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use embedded_io::ErrorType;
use mqtt_client::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Who is told what is said on a [`Tap`].
pub trait Listen {
    /// These bytes were sent.
    fn sent(&mut self, bytes: &[u8]);

    /// These bytes were received.
    fn received(&mut self, bytes: &[u8]);
}

/// A stream, or a half of one, of which somebody is told all bytes: of the interface of `embedded-io`,
/// blocking or asynchronous, or of tokio's.
#[derive(Debug)]
pub struct Tap<S, L> {
    stream: S,
    listener: Arc<Mutex<L>>,
}

impl<S, L: Listen> Tap<S, L> {
    /// What goes through this stream is told to this listener.
    pub const fn new(stream: S, listener: Arc<Mutex<L>>) -> Self {
        Self { stream, listener }
    }

    fn sent(&self, bytes: &[u8]) {
        self.listener.lock().unwrap().sent(bytes);
    }

    fn received(&self, bytes: &[u8]) {
        self.listener.lock().unwrap().received(bytes);
    }
}

impl<S: ErrorType, L> ErrorType for Tap<S, L> {
    type Error = S::Error;
}

impl<S: embedded_io::Read, L: Listen> embedded_io::Read for Tap<S, L> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        let n = self.stream.read(buf)?;
        self.received(&buf[..n]);
        Ok(n)
    }
}

impl<S: embedded_io::Write, L: Listen> embedded_io::Write for Tap<S, L> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, S::Error> {
        let n = self.stream.write(buf)?;
        self.sent(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), S::Error> {
        self.stream.flush()
    }
}

impl<S: Stream, L: Listen> Stream for Tap<S, L> {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> Result<(), S::Error> {
        self.stream.set_deadline(deadline)
    }

    fn close(&mut self) -> Result<(), S::Error> {
        self.stream.close()
    }
}

impl<S: embedded_io_async::Read, L: Listen> embedded_io_async::Read for Tap<S, L> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        let n = self.stream.read(buf).await?;
        self.received(&buf[..n]);
        Ok(n)
    }
}

impl<S: embedded_io_async::Write, L: Listen> embedded_io_async::Write for Tap<S, L> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, S::Error> {
        let n = self.stream.write(buf).await?;
        self.sent(&buf[..n]);
        Ok(n)
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.stream.flush().await
    }
}

impl<S: AsyncRead + Unpin, L: Listen> AsyncRead for Tap<S, L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.received(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, L: Listen> AsyncWrite for Tap<S, L> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.sent(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
