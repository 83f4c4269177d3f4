//! The stream for tokio.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use embedded_io::Error as _;

use crate::connection::{Connection, Opening};
use crate::unframe::ROUNDS;
use crate::{Error, Options};

/// A WebSocket as a byte stream, over one of tokio's.
///
/// Answers to the server are sent by reading and by writing alike, whichever comes first, and
/// reading never waits for that. The two may be in different tasks
/// (`tokio::io::split`). As with tokio's buffered streams, what was written is on its
/// way for certain only when it was flushed. Shutting down closes in order: a close frame, and
/// then the end of the stream below.
#[derive(Debug)]
pub struct WsStream<S> {
    inner: S,
    connection: Connection,
    /// Something came up while reading that is to be sent.
    answering: bool,
    wakers: Arc<Wakers>,
}

/// Who does the writing below, or sends answers: the one that polls last must not take the other's
/// place in the stream below.
#[derive(Debug, Default)]
struct Wakers(Mutex<[Option<Waker>; 2]>);

#[derive(Clone, Copy)]
enum Side {
    Read,
    Write,
}

impl Wakers {
    /// Has `side` woken, and returns the waker for the stream below.
    fn waker(self: &Arc<Self>, side: Side, waker: &Waker) -> Waker {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut wakers[side as usize] {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Waker::from(self.clone())
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        let wakers = core::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WsStream<S> {
    /// Agrees with the server on a WebSocket with the sub-protocol `mqtt`.
    ///
    /// `authority` is what the request names as its host: `broker.example`, with the port unless
    /// it is the scheme's own. Dropping the future gives up.
    ///
    /// # Errors
    ///
    /// Fails when the options are not valid, when the server does not agree, and when the stream
    /// fails.
    pub async fn connect(
        mut inner: S,
        authority: &str,
        options: &Options,
    ) -> Result<Self, Error<io::Error>> {
        let mut opening = Opening::new(authority, options)?;
        while !opening.request.is_empty() {
            let pending = opening.request.pending();
            let write = poll_fn(|cx| Pin::new(&mut inner).poll_write(cx, pending));
            match write.await.map_err(Error::Io)? {
                0 => return Err(Error::WriteZero),
                n => opening.request.sent(n),
            }
        }
        let flush = poll_fn(|cx| Pin::new(&mut inner).poll_flush(cx));
        flush.await.map_err(Error::Io)?;
        loop {
            let mut room = ReadBuf::new(opening.room());
            let read = poll_fn(|cx| Pin::new(&mut inner).poll_read(cx, &mut room));
            read.await.map_err(Error::Io)?;
            let n = room.filled().len();
            if let Some(len) = opening.received(n)? {
                return Ok(Self {
                    inner,
                    connection: opening.done(len),
                    answering: false,
                    wakers: Arc::default(),
                });
            }
        }
    }

    /// Sends everything that waits, for the task of `cx`, which does `side`.
    fn poll_push(&mut self, side: Side, cx: &Context<'_>) -> Poll<Result<(), Error<io::Error>>> {
        loop {
            let pending = self.connection.pending()?;
            if pending.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let waker = self.wakers.waker(side, cx.waker());
            let cx = &mut Context::from_waker(&waker);
            match ready!(Pin::new(&mut self.inner).poll_write(cx, pending)).map_err(Error::Io)? {
                0 => return Poll::Ready(Err(Error::WriteZero)),
                n => self.connection.outbox.sent(n),
            }
        }
    }

    fn poll_push_and_flush(
        &mut self,
        side: Side,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error<io::Error>>> {
        ready!(self.poll_push(side, cx))?;
        let waker = self.wakers.waker(side, cx.waker());
        let cx = &mut Context::from_waker(&waker);
        Pin::new(&mut self.inner).poll_flush(cx).map_err(Error::Io)
    }

    /// Sends answers, as far as that is possible without waiting.
    fn answer(&mut self, cx: &Context<'_>) {
        // Failures show when the application writes; there may still be something to read.
        if self.answering && self.poll_push_and_flush(Side::Read, cx).is_ready() {
            self.answering = false;
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

    /// Returns the stream below, by reference.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the stream below, by shared reference.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

/// Into what tokio's traits can say: the stream's own errors as they are, others inside of one.
fn into_io(error: Error<io::Error>) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(error.kind().into(), error),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let start = buf.filled().len();
        for _ in 0..ROUNDS {
            this.answer(cx);
            if let Some(end) = this.connection.engine.ended() {
                return Poll::Ready(end.map_err(|error| into_io(error.into())));
            }
            if this.connection.has_early() {
                let n = this.connection.early(buf.initialize_unfilled());
                buf.advance(n);
            } else {
                ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            }
            if buf.filled().len() == start {
                let end = this.connection.end_of_input();
                return Poll::Ready(end.map_err(|error| into_io(error.into())));
            }
            let (data, news) = this.connection.unframe(&mut buf.filled_mut()[start..]);
            buf.set_filled(start + data);
            this.answering |= news;
            if data > 0 {
                this.answer(cx);
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(this.poll_push(Side::Write, cx)).map_err(into_io)?;
        let n = this.connection.data(buf).map_err(into_io)?;
        // They are taken; what is left of them goes on with the next call.
        match this.poll_push(Side::Write, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(into_io(error))),
            _ => Poll::Ready(Ok(n)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_push_and_flush(Side::Write, cx).map_err(into_io)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.engine.close();
        ready!(this.poll_push_and_flush(Side::Write, cx)).map_err(into_io)?;
        let waker = this.wakers.waker(Side::Write, cx.waker());
        let cx = &mut Context::from_waker(&waker);
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}
