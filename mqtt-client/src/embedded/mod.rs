//! The client without a heap, for any executor.
//!
//! A [`Client`] holds the session; [`Client::connect`] makes a [`Connection`] of it and of the two
//! halves of a stream, readers and writers of [`embedded_io_async`]. The halves may borrow from a
//! socket that is opened anew for each connection.
//!
//! Reading, writing and time are waited for at once, so that a write that stands still never keeps
//! anything from being read.
//!
//! # Dropping futures
//!
//! Each future here may be dropped at any time, as `select` does with the slower one: nothing is
//! lost and nothing is sent twice, and the same or any other call goes on from there. That is also
//! how to limit the time of a call, or to wait for something else:
//!
//! ```
//! # use embedded_io_async::{Read, Write};
//! # use mqtt_client::{Error, embedded::{Connection, Timer}};
//! # async fn example<R: Read, W: Write<Error = R::Error>>(
//! #     mut connection: Connection<'_, '_, R, W, impl Timer>,
//! #     mut button: tokio::sync::mpsc::Receiver<()>,
//! # ) -> Result<(), Error<R::Error>> {
//! use mqtt_client::Message;
//!
//! loop {
//!     // Or `select` of embassy-futures.
//!     tokio::select! {
//!         event = connection.poll() => if let Some((event, core)) = event? {
//!             // ...
//!         },
//!         Some(()) = button.recv() => {
//!             connection.core().publish(&Message::new("button", b"pressed"))?;
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! The stream has to allow it: a `read`, `write` or `flush` that is dropped before it is done must
//! not have taken or lost any byte, and its two halves are in use at the same time. The streams of
//! embassy-net and of this project do; serial ports with DMA often do not, unless buffered.
//!
//! # Journals
//!
//! With [`Durability::WriteAhead`] the application writes the
//! records of [`mqtt_core::Client::journal`] before each [`poll`](Connection::poll). What depends
//! on them waits.

mod timer;

use core::future::{pending, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use embedded_io_async::{Error as _, ErrorKind, Read, Write};
use mqtt_core::{Buffers, Config, Durability, Event, Instant, RxBuf, UsageError};

#[cfg(feature = "embassy")]
pub use timer::EmbassyTimer;
pub use timer::Timer;

use crate::Error;

/// How long reading pauses for the stream to send what reading has left it to send, and how long a
/// call waits while it may be the application that something waits for.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the last bytes of a failed connection may take, or the server to close its side.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An MQTT client that allocates nothing: its session, without a connection.
#[derive(Debug)]
pub struct Client<'b, T> {
    core: mqtt_core::Client<'b>,
    rx: RxBuf<'b>,
    /// The size of the receive buffer.
    capacity: usize,
    timer: T,
}

impl<'b, T: Timer> Client<'b, T> {
    /// A client that is not connected, in the memory that a storage's `split` lends.
    #[must_use]
    pub fn new(config: Config<'b>, (mut rx, buffers): (RxBuf<'b>, Buffers<'b>), timer: T) -> Self {
        Self {
            core: mqtt_core::Client::new(config, buffers),
            capacity: rx.space().len(),
            rx,
            timer,
        }
    }

    /// The protocol core, for its commands and queries.
    pub const fn core(&mut self) -> &mut mqtt_core::Client<'b> {
        &mut self.core
    }

    /// Begins a connection over the halves of a stream. [`Connection::poll`] brings
    /// [`Event::Connected`] or [`Event::Refused`]. When it is dropped, the session stays here.
    ///
    /// # Errors
    /// Those of [`mqtt_core::Client::connect`].
    pub fn connect<R, W>(
        &mut self,
        reader: R,
        writer: W,
    ) -> Result<Connection<'_, 'b, R, W, T>, mqtt_core::Error>
    where
        R: Read,
        W: Write<Error = R::Error>,
    {
        self.core.connect(self.timer.now())?;
        self.rx.clear();
        Ok(Connection {
            client: self,
            stream: Some((reader, writer)),
            state: State::Open,
            is_answered: false,
            is_drained: false,
            is_unflushed: false,
            pause: None,
        })
    }
}

/// A connection of a [`Client`]. Dropping it ends it, without a DISCONNECT.
#[derive(Debug)]
pub struct Connection<'c, 'b, R, W, T> {
    client: &'c mut Client<'b, T>,
    stream: Option<(R, W)>,
    state: State,
    /// True if anything was received.
    is_answered: bool,
    /// True if the core has nothing more to say of what was received.
    is_drained: bool,
    /// True if the stream may hold bytes that it has not sent.
    is_unflushed: bool,
    /// Until when a read does not help, unless the stream is flushed before.
    pause: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// DISCONNECT is queued or sent. What is still received is not looked at: the server sends it
    /// again.
    Leaving,
    /// The server is being told of this error, until this moment.
    Failed(mqtt_core::Error, Instant),
}

/// What became of a turn.
#[derive(Default)]
struct Turn {
    /// How many bytes were written.
    written: usize,
    is_flushed: bool,
    is_received: bool,
}

impl Turn {
    const fn has_sent(&self) -> bool {
        self.written > 0 || self.is_flushed
    }
}

impl<'b, R, W, T> Connection<'_, 'b, R, W, T>
where
    R: Read,
    W: Write<Error = R::Error>,
    T: Timer,
{
    /// The protocol core, for its commands and queries.
    pub const fn core(&mut self) -> &mut mqtt_core::Client<'b> {
        &mut self.client.core
    }

    /// Sends what is queued, receives, and returns what happened: `None` if that was no event, but
    /// for instance something sent. So call it in a loop, and look for a
    /// [`payload`](mqtt_core::Client::payload) to send after each call. It waits until there is
    /// something to do; after an error of the server's, for up to a second to tell it so.
    ///
    /// With the event comes the core, so that it can be answered while it is still borrowed.
    ///
    /// Dropped before it is done, it has taken no event, and what it has sent and received counts.
    ///
    /// # Errors
    /// Any error but [`UsageError::NotConnected`] has ended the connection. Call it again until
    /// that one to see what was lost, or see it with the next connection.
    pub async fn poll(
        &mut self,
    ) -> Result<Option<(Event<'_>, &mut mqtt_core::Client<'b>)>, Error<R::Error>> {
        if let State::Failed(error, end) = self.state {
            self.say_last_words(end).await;
            return Err(error.into());
        }
        let is_leaving = matches!(self.state, State::Leaving);
        if is_leaving || self.is_drained {
            if self.client.core.is_closed() && !self.is_unflushed {
                self.end();
                return Err(Error::Disconnected);
            }
            self.turn(&[], None).await?;
        }
        if is_leaving {
            return Ok(None);
        }
        let Client {
            core, rx, timer, ..
        } = &mut *self.client;
        let now = timer.now();
        match rx.poll(core, now) {
            Ok(Some(event)) => {
                self.is_drained = false;
                Ok(Some((event, core)))
            }
            Ok(None) => {
                self.is_drained = true;
                Ok(None)
            }
            Err(error) => {
                let has_words = !core.transmit().is_empty();
                let end = if has_words { now + LAST_WORDS } else { now };
                self.state = State::Failed(error, end);
                Ok(None)
            }
        }
    }

    /// Sends all that may be sent now. True if nothing is left to send, false if
    /// [`poll`](Self::poll) is to be called first, for what was received or for the time.
    ///
    /// Dropped before it is done, it has sent a part.
    ///
    /// # Errors
    /// Any error but [`UsageError::NotConnected`] has ended the connection.
    pub async fn flush(&mut self) -> Result<bool, Error<R::Error>> {
        let mut may_wait = self.is_drained;
        while !self.is_sent() {
            let turn = self.turn(&[], at_once_unless(may_wait)).await?;
            if !turn.has_sent() {
                return Ok(false);
            }
            may_wait &= !turn.is_received;
        }
        Ok(true)
    }

    /// Sends a part of the payload that [`payload`](mqtt_core::Client::payload) asks for, and
    /// returns how many bytes of it; 0 if [`poll`](Self::poll) is to be called first, for what was
    /// received or for the time. `bytes` are the payload from the offset on that it says, or the
    /// beginning of that.
    ///
    /// Dropped before it is done, it has sent nothing of the payload.
    ///
    /// ```
    /// # use embedded_io_async::{Read, Write};
    /// # use mqtt_client::{Error, Message, embedded::{Connection, Timer}};
    /// async fn send_image<R: Read, W: Write<Error = R::Error>>(
    ///     connection: &mut Connection<'_, '_, R, W, impl Timer>,
    ///     image: &[u8],
    /// ) -> Result<(), Error<R::Error>> {
    ///     let message = Message::new("camera", b"");
    ///     let id = connection.core().publish_lent(&message, image.len())?;
    ///     loop {
    ///         connection.poll().await?; // looks at events, of course
    ///         while let Some(lent) = connection.core().payload().filter(|lent| lent.id == id) {
    ///             match connection.send_payload(&image[lent.offset..]).await? {
    ///                 0 => break,
    ///                 n if n == lent.left => return Ok(()),
    ///                 _ => {}
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Any error but [`UsageError::NotConnected`] has ended the connection.
    pub async fn send_payload(&mut self, bytes: &[u8]) -> Result<usize, Error<R::Error>> {
        let at = at_once_unless(self.is_drained);
        while !self.client.core.transmit().is_empty() {
            if self.turn(&[], at).await?.written == 0 {
                return Ok(0);
            }
        }
        let left = self.client.core.payload().map_or(0, |lent| lent.left);
        let bytes = bytes.get(..left).unwrap_or(bytes);
        if bytes.is_empty() && self.stream.is_some() {
            return Ok(0);
        }
        Ok(self.turn(bytes, at).await?.written)
    }

    /// Sends what is queued and then DISCONNECT, for no longer than `timeout`, waits up to a second
    /// for the server to close its side, and ends the connection. The session stays. What is
    /// received meanwhile is not looked at: the server will send it again.
    ///
    /// Dropped before it is done, it may be called again and goes on; so does
    /// [`poll`](Self::poll), until [`Error::Disconnected`].
    ///
    /// # Errors
    /// The connection is ended, but not in order.
    pub async fn disconnect(&mut self, timeout: Duration) -> Result<(), Error<R::Error>> {
        let end = self.client.timer.now() + timeout;
        while !matches!(self.state, State::Leaving) {
            if let State::Failed(error, end) = self.state {
                self.say_last_words(end).await;
                return Err(error.into());
            }
            match self.client.core.disconnect() {
                Ok(()) => self.state = State::Leaving,
                // There is room for it when something has been sent.
                Err(mqtt_core::Error::Full(_)) if self.client.timer.now() < end => {
                    self.turn(&[], Some(end)).await?;
                }
                Err(error) => {
                    self.end();
                    return Err(error.into());
                }
            }
        }
        let is_sent = self.send_all(end).await?;
        if is_sent {
            self.linger(self.client.timer.now() + LAST_WORDS).await;
        }
        self.end();
        if is_sent { Ok(()) } else { Err(Error::Unsent) }
    }

    /// Sends the DISCONNECT that says what was wrong, if there is one, and ends the connection.
    async fn say_last_words(&mut self, end: Instant) {
        // The error that is reported is the first one.
        if self.send_all(end).await.is_ok() {
            self.linger(end).await;
        }
        self.end();
    }

    /// Sends all that may be sent now, and waits for it until `end`. True if DISCONNECT is sent.
    async fn send_all(&mut self, end: Instant) -> Result<bool, Error<R::Error>> {
        while !self.is_sent() {
            let is_written = self.client.core.is_closed();
            match self.turn(&[], Some(end)).await {
                Ok(turn) if turn.has_sent() || self.client.timer.now() < end => {}
                Ok(_) => return Ok(false),
                // The server has it, and has closed its side.
                Err(Error::Closed) if is_written => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(self.client.core.is_closed())
    }

    /// Waits until `end` for the server to close its side after DISCONNECT. Closing at once, with
    /// received bytes not read, would reset the connection, and the server might lose what was sent
    /// last.
    async fn linger(&mut self, end: Instant) {
        while self.client.timer.now() < end && self.turn(&[], Some(end)).await.is_ok() {}
    }

    fn is_sent(&self) -> bool {
        self.client.core.transmit().is_empty() && !self.is_unflushed
    }

    fn end(&mut self) {
        self.stream = None;
        self.state = State::Open;
        self.is_unflushed = false;
        // The core may have losses to report.
        self.is_drained = false;
        self.client.core.connection_lost();
    }

    /// Waits until something was sent or received, for what the core waits for, or until `at`.
    /// Sends from `payload` if the core has nothing to send before.
    async fn turn(&mut self, payload: &[u8], at: Option<Instant>) -> Result<Turn, Error<R::Error>> {
        if self.stream.is_none() {
            return Err(UsageError::NotConnected.into());
        }
        let result = self.try_turn(payload, at).await;
        result.map_err(|error| {
            self.end();
            if self.is_answered {
                error
            } else {
                error.unanswered()
            }
        })
    }

    /// The only place that waits, and it does so once. What has happened is noted right after, so
    /// a future that is dropped while it waits has nothing to lose.
    async fn try_turn(
        &mut self,
        payload: &[u8],
        at: Option<Instant>,
    ) -> Result<Turn, Error<R::Error>> {
        let Client {
            core,
            rx,
            capacity,
            timer,
        } = &mut *self.client;
        let Some((reader, writer)) = &mut self.stream else {
            return Err(UsageError::NotConnected.into());
        };
        if !matches!(self.state, State::Open) {
            rx.clear();
        }
        let now = timer.now();
        self.pause = self.pause.filter(|pause| now < *pause);
        let space = rx.space();
        let is_full = space.is_empty();
        let is_reading = !is_full && self.pause.is_none();
        let transmit = core.transmit();
        let bytes = if transmit.is_empty() {
            payload
        } else {
            transmit
        };
        let is_writing = !bytes.is_empty();
        let is_flushing = self.is_unflushed;
        // The application may have to acknowledge or to write records first, and then nothing else
        // tells that what was received can be looked at.
        let is_durable = core.durability() == Durability::WriteAhead;
        let pause = if is_full || is_durable && space.len() < *capacity {
            Some(now + PAUSE)
        } else {
            self.pause
        };
        let deadline = [core.poll_timeout(), at, pause].into_iter().flatten().min();
        let is_due = deadline.is_some_and(|deadline| deadline <= now);

        let (sent, received) = {
            let mut send = pin!(async {
                if is_writing {
                    writer.write(bytes).await
                } else if is_flushing {
                    writer.flush().await.map(|()| 0)
                } else {
                    pending().await
                }
            });
            let mut receive = pin!(async {
                if is_reading {
                    reader.read(space).await
                } else {
                    pending().await
                }
            });
            let mut wait = pin!(async {
                match deadline {
                    Some(deadline) => timer.wait_until(deadline).await,
                    None => pending().await,
                }
            });
            poll_fn(|cx| {
                let sent = send.as_mut().poll(cx);
                let received = receive.as_mut().poll(cx);
                let is_over = sent.is_ready()
                    || received.is_ready()
                    || is_due
                    || wait.as_mut().poll(cx).is_ready();
                if is_over {
                    Poll::Ready((sent, received))
                } else {
                    Poll::Pending
                }
            })
            .await
        };

        let now = timer.now();
        let mut turn = Turn::default();
        let mut failure = None;
        match sent {
            Poll::Ready(Ok(0)) if is_writing => failure = Some(Error::Closed),
            Poll::Ready(Ok(n)) => {
                core.transmitted(n, now);
                turn.written = n;
                turn.is_flushed = !is_writing;
                self.is_unflushed = is_writing;
                if turn.is_flushed {
                    self.pause = None;
                }
            }
            Poll::Ready(Err(error)) => failure = Some(Error::Stream(error)),
            Poll::Pending => {}
        }
        match received {
            Poll::Ready(Ok(0)) => return Err(Error::Closed),
            Poll::Ready(Ok(n)) => {
                rx.filled(n);
                self.is_answered = true;
                turn.is_received = true;
                // The stream may have something to answer, as long as that matters.
                self.is_unflushed |= matches!(self.state, State::Open);
                // What the server says last says more than the write that fails meanwhile, and will
                // fail again.
                failure = None;
            }
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {
                self.is_unflushed = true;
                self.pause = Some(now + PAUSE);
            }
            Poll::Ready(Err(error)) => return Err(Error::Stream(error)),
            Poll::Pending => {}
        }
        if turn.written > 0 || turn.is_received {
            self.is_drained = false;
        }
        failure.map_or(Ok(turn), Err)
    }
}

impl<R, W, T> Drop for Connection<'_, '_, R, W, T> {
    fn drop(&mut self) {
        self.client.core.connection_lost();
    }
}

/// A moment that has passed, unless there is time to wait.
fn at_once_unless(may_wait: bool) -> Option<Instant> {
    (!may_wait).then_some(Instant::default())
}
