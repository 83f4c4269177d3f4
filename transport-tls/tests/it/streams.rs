//! Streams that misbehave as they may.

use std::cell::Cell;
use std::io::ErrorKind;
use std::rc::Rc;

use embedded_io::{ErrorType, Read, Write};

/// Moves one byte at a time, and times out now and then instead, once it has to.
#[derive(Debug)]
pub(crate) struct Fussy<S> {
    inner: S,
    state: u32,
    pub(crate) is_fussy: Rc<Cell<bool>>,
    /// Whether writes find the connection closed.
    pub(crate) is_broken: bool,
    pub(crate) timeouts: u32,
}

impl<S> Fussy<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self::with(inner, Rc::default())
    }

    pub(crate) fn with(inner: S, is_fussy: Rc<Cell<bool>>) -> Self {
        Self {
            inner,
            state: 1,
            is_fussy,
            is_broken: false,
            timeouts: 0,
        }
    }

    fn is_in_the_mood(&mut self) -> bool {
        self.state = self
            .state
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let refuses = self.is_fussy.get() && self.state >> 24 < 32;
        self.timeouts += u32::from(refuses);
        !refuses
    }
}

impl<S: ErrorType<Error = std::io::Error>> ErrorType for Fussy<S> {
    type Error = std::io::Error;
}

impl<S: Read<Error = std::io::Error>> Read for Fussy<S> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if !self.is_in_the_mood() {
            return Err(ErrorKind::TimedOut.into());
        }
        let n = buf.len().min(1);
        self.inner.read(&mut buf[..n])
    }
}

impl<S: Write<Error = std::io::Error>> Write for Fussy<S> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if self.is_broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if !self.is_in_the_mood() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.inner.write(&buf[..buf.len().min(1)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// A half of a tokio stream, with the other traits.
#[cfg(all(feature = "tokio", feature = "embedded"))]
#[derive(Debug)]
pub(crate) struct Half<T>(pub(crate) T);

#[cfg(all(feature = "tokio", feature = "embedded"))]
impl<T> ErrorType for Half<T> {
    type Error = std::io::Error;
}

#[cfg(all(feature = "tokio", feature = "embedded"))]
impl<T: tokio::io::AsyncRead + Unpin> embedded_io_async::Read for Half<T> {
    async fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        tokio::io::AsyncReadExt::read(&mut self.0, buf).await
    }
}

#[cfg(all(feature = "tokio", feature = "embedded"))]
impl<T: tokio::io::AsyncWrite + Unpin> embedded_io_async::Write for Half<T> {
    async fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        tokio::io::AsyncWriteExt::write(&mut self.0, buf).await
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        tokio::io::AsyncWriteExt::flush(&mut self.0).await
    }
}

#[cfg(all(feature = "tokio", feature = "embedded"))]
impl<S: embedded_io_async::Read<Error = std::io::Error>> embedded_io_async::Read for Fussy<S> {
    async fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if !self.is_in_the_mood() {
            return Err(ErrorKind::TimedOut.into());
        }
        let n = buf.len().min(1);
        self.inner.read(&mut buf[..n]).await
    }
}

#[cfg(all(feature = "tokio", feature = "embedded"))]
impl<S: embedded_io_async::Write<Error = std::io::Error>> embedded_io_async::Write for Fussy<S> {
    async fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if !self.is_in_the_mood() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.inner.write(&buf[..buf.len().min(1)]).await
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush().await
    }
}
