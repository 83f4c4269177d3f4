//! The client on the calling thread.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use embedded_io::{Error as _, ErrorKind};
use mqtt_core::wire::ReasonCode;
use mqtt_core::{Buffers, Clock, Config, Event, RxBuf, UsageError};

pub use crate::Error;
use crate::Stream;
use crate::auth::{Authenticator, Exchange};
#[cfg(feature = "journal")]
use crate::journal::{self, FileJournal};

/// How long a write may stand still before what was received is looked at. Both directions may
/// be full at once, and then the server waits for us to read.
const STALLED_WRITE: Duration = Duration::from_millis(20);

/// How long the last bytes of a failed connection may take, and the server to close its side.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An MQTT client that waits on the calling thread.
///
/// [`core`](Self::core) gives the commands: publish, subscribe and so on. They return at once,
/// and what they queue leaves with the next [`poll`](Self::poll) or [`flush`](Self::flush). When
/// a connection ends the session stays: give the next stream to [`connect`](Self::connect).
#[derive(Debug)]
pub struct Client<'b, S> {
    core: mqtt_core::Client<'b>,
    rx: RxBuf<'b>,
    /// The size of the receive buffer.
    capacity: usize,
    clock: Clock,
    pace: Pace,
    stream: Option<S>,
    #[cfg(feature = "journal")]
    journal: Option<FileJournal>,
    /// True if anything was received on this connection.
    is_answered: bool,
    /// True if the core has nothing more to say of what was received.
    is_drained: bool,
    /// True if the last write stood still and the last read did not: reading goes first.
    is_reading: bool,
    /// True if the last write of a payload stood still.
    is_payload_stalled: bool,
    /// True if the stream may hold bytes that it has not sent.
    is_unflushed: bool,
    /// True if nothing can be sent any more, but something was received.
    is_broken: bool,
    /// Answers AUTH on this connection, if it is not left to the application.
    exchange: Option<Exchange>,
}

impl<'b, S: Stream> Client<'b, S> {
    /// A client that is not connected, in the memory that a storage's `split` lends.
    #[must_use]
    pub fn new(config: Config<'b>, (mut rx, buffers): (RxBuf<'b>, Buffers<'b>)) -> Self {
        Self {
            core: mqtt_core::Client::new(config, buffers),
            capacity: rx.space().len(),
            rx,
            clock: Clock::new(),
            pace: Pace::default(),
            stream: None,
            #[cfg(feature = "journal")]
            journal: None,
            is_answered: false,
            is_drained: false,
            is_reading: false,
            is_payload_stalled: false,
            is_broken: false,
            is_unflushed: false,
            exchange: None,
        }
    }

    /// The client with the session that the journal holds. From here on it is saved there before
    /// anything is sent that depends on it.
    ///
    /// # Errors
    /// Those of [`FileJournal::restore`].
    #[cfg(feature = "journal")]
    pub fn with_journal(mut self, mut journal: FileJournal) -> Result<Self, journal::Error> {
        journal.restore(&mut self.core)?;
        self.journal = Some(journal);
        Ok(self)
    }

    /// Saves in the [journal](Self::with_journal) what was handed over, with a connection or
    /// without; [`poll`](Self::poll) and [`flush`](Self::flush) do the same before they send.
    ///
    /// # Errors
    /// The journal has failed, which has ended the connection. Drop the client and begin again
    /// with what the journal holds.
    pub fn save(&mut self) -> Result<(), Error<S::Error>> {
        #[cfg(feature = "journal")]
        if let Some(journal) = &mut self.journal {
            if let Err(error) = journal.save(&mut self.core) {
                self.end();
                return Err(Error::Journal(error));
            }
        }
        Ok(())
    }

    /// When to save again though the core has nothing to record.
    fn save_deadline(&self) -> Option<Instant> {
        #[cfg(feature = "journal")]
        return self.journal.as_ref().and_then(FileJournal::deadline);
        #[cfg(not(feature = "journal"))]
        None
    }

    /// The protocol core, for its commands and queries.
    pub const fn core(&mut self) -> &mut mqtt_core::Client<'b> {
        &mut self.core
    }

    /// Begins a connection over `stream`. [`poll`](Self::poll) brings [`Event::Connected`] or
    /// [`Event::Refused`].
    ///
    /// # Errors
    /// Those of [`mqtt_core::Client::connect`].
    pub fn connect(&mut self, stream: S) -> Result<(), Error<S::Error>> {
        self.core.connect(self.clock.now())?;
        self.begin(stream, None);
        Ok(())
    }

    /// [`connect`](Self::connect) with an extended authentication, for this connection; 5.0 only.
    /// Its method is to be in [`Config::properties`], too.
    ///
    /// The authenticator then answers [`Event::Auth`]. The application sees only the one that ends
    /// a [re-authentication](Self::reauthenticate), and [`Event::Connected`] only if the server
    /// has passed the authenticator's check. If not, the server gets nothing more but DISCONNECT
    /// with Unspecified error (0x80), and `poll` fails with [`Error::Authentication`].
    ///
    /// # Errors
    /// [`auth::Error::Method`](crate::auth::Error::Method), what [`Authenticator::start`] says, and
    /// those of [`mqtt_core::Client::connect_with`].
    pub fn connect_with(
        &mut self,
        stream: S,
        authenticator: impl Authenticator + 'static,
    ) -> Result<(), Error<S::Error>> {
        let (exchange, data) = Exchange::begin(Box::new(authenticator), &self.core)?;
        if data.is_empty() {
            self.core.connect(self.clock.now())?;
        } else {
            self.core.connect_with(&data, self.clock.now())?;
        }
        self.begin(stream, Some(exchange));
        Ok(())
    }

    fn begin(&mut self, stream: S, exchange: Option<Exchange>) {
        self.rx.clear();
        self.stream = Some(stream);
        self.is_answered = false;
        self.is_drained = false;
        self.is_reading = false;
        self.is_payload_stalled = false;
        self.is_unflushed = false;
        self.is_broken = false;
        self.exchange = exchange;
    }

    /// Authenticates once more, with the authenticator of [`connect_with`](Self::connect_with).
    /// [`Event::Auth`] with success reports the end; a server that refuses ends the connection.
    ///
    /// # Errors
    /// [`UsageError::NotConnected`]; [`UsageError::Authentication`] if there is no authenticator,
    /// or it is still at work; what [`Authenticator::start`] says; and those of
    /// [`mqtt_core::Client::authenticate`] but [`mqtt_core::Error::Full`]. The connection stays.
    pub fn reauthenticate(&mut self) -> Result<(), Error<S::Error>> {
        if !self.core.is_connected() {
            return Err(UsageError::NotConnected.into());
        }
        let Some(exchange) = &mut self.exchange else {
            return Err(UsageError::Authentication.into());
        };
        if !exchange.begin_again()? {
            return Err(UsageError::Authentication.into());
        }
        let result = exchange.queue(&mut self.core);
        if result.is_err() {
            exchange.break_off();
        }
        Ok(result?)
    }

    /// Sends what is queued, receives, and returns what happened; `None` if nothing did. Waits no
    /// longer than `timeout`, but may return before without an event: call it in a loop. After an
    /// error of the server's, telling it so may take two seconds.
    ///
    /// How exactly `timeout` is kept is up to the stream. Over TCP the operating system rounds it up
    /// to ticks of its clock, which makes a short one some milliseconds longer (at 250 ticks a
    /// second up to eight). Only one of zero does not wait at all.
    ///
    /// With the event comes the core, so that it can be answered while it is still borrowed.
    ///
    /// # Errors
    /// Any error but [`UsageError::NotConnected`] has ended the connection.
    pub fn poll(
        &mut self,
        timeout: Option<Duration>,
    ) -> Result<Option<(Event<'_>, &mut mqtt_core::Client<'b>)>, Error<S::Error>> {
        if self.is_drained {
            self.pace.left = 0;
            self.answer()?;
            let may_make_room =
                !self.core.transmit().is_empty() && self.rx.space().len() < self.capacity;
            let is_held_back = may_make_room || self.core.journal().next().is_some();
            let patience = if self.is_reading {
                Duration::ZERO
            } else {
                STALLED_WRITE
            };
            self.save()?;
            let sent = if self.is_broken {
                Ok(())
            } else {
                self.try_send(timeout.unwrap_or(patience).min(patience))
            };
            // What was received and held back, for room or for the journal, is looked at next, and a
            // payload that the application has to send is not to be waited for.
            let is_hurried = is_held_back || self.core.payload().is_some();
            let received = if is_hurried || self.is_broken || sent.is_err() {
                self.try_receive(Some(Duration::ZERO))
            } else {
                self.try_receive(timeout)
            };
            match (sent, received) {
                // Nothing more can be sent, but the server may have said why.
                (Err(_), Ok(true)) => self.is_broken = true,
                (Err(error), _) | (Ok(()), Err(error)) => return Err(self.failed(error)),
                (Ok(()), Ok(false)) if self.is_broken => return Err(self.failed(Error::Closed)),
                (Ok(()), Ok(_)) => {}
            }
        }
        let Self {
            core,
            rx,
            stream,
            clock,
            pace,
            is_drained,
            is_unflushed,
            exchange,
            ..
        } = self;
        let mut event = None;
        let error = match rx.poll_into(core, pace.now(clock), &mut event) {
            Ok(()) => {
                *is_drained = event.is_none();
                let observed = match (exchange, &event) {
                    (Some(exchange), Some(event)) => exchange.observe(event),
                    _ => Ok(true),
                };
                match observed {
                    Ok(true) => {
                        let Some(event) = event else {
                            return Ok(None);
                        };
                        return Ok(Some((event, core)));
                    }
                    Ok(false) => return Ok(None),
                    Err(error) => {
                        // Fails only if nothing more can be said.
                        let _ = core.abort(ReasonCode::UnspecifiedError);
                        Error::Authentication(error)
                    }
                }
            }
            Err(error) => Error::Protocol(error),
        };
        if let Some(mut stream) = stream.take() {
            say_last_words(core, &mut stream, clock, is_unflushed);
        }
        core.connection_lost();
        *is_drained = false;
        Err(error)
    }

    /// Sends all that may be sent now, without looking at what is received, and waits for it no
    /// longer than `timeout`. True if nothing is left to send.
    ///
    /// # Errors
    /// Any error but [`UsageError::NotConnected`] has ended the connection.
    pub fn flush(&mut self, timeout: Duration) -> Result<bool, Error<S::Error>> {
        self.send(timeout)?;
        Ok(self.core.transmit().is_empty() && !self.is_unflushed)
    }

    /// Sends a part of the payload that [`payload`](mqtt_core::Client::payload) asks for, for no
    /// longer than `timeout`, and returns how many bytes of it: none if the server does not take
    /// any now. Then [`poll`](Self::poll) may have to read first. `bytes` are the payload from the
    /// offset on that it says, or the beginning of that.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use mqtt_client::{Message, blocking::{Client, Error}};
    /// # use transport_tcp::TcpStream;
    /// fn send_file(client: &mut Client<'_, TcpStream>, file: &[u8])
    ///     -> Result<(), Error<std::io::Error>>
    /// {
    ///     let message = Message::new("firmware", b"");
    ///     let id = client.core().publish_lent(&message, file.len())?;
    ///     loop {
    ///         client.poll(None)?; // looks at events, of course
    ///         while let Some(lent) = client.core().payload().filter(|lent| lent.id == id) {
    ///             match client.send_payload(&file[lent.offset..], Duration::from_secs(1))? {
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
    pub fn send_payload(
        &mut self,
        bytes: &[u8],
        timeout: Duration,
    ) -> Result<usize, Error<S::Error>> {
        self.send(timeout)?;
        let Some(stream) = &mut self.stream else {
            return Err(UsageError::NotConnected.into());
        };
        let Some(lent) = self.core.payload() else {
            return Ok(0);
        };
        let bytes = bytes.get(..lent.left).unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(0);
        }
        let timeout = if self.is_reading {
            Duration::ZERO
        } else {
            timeout
        };
        let result = write_payload(&mut self.core, stream, &self.clock, bytes, timeout);
        self.is_payload_stalled = matches!(result, Ok(0));
        if matches!(result, Ok(1..)) {
            self.is_unflushed = true;
            self.is_drained = false;
        }
        if result.is_err() {
            self.end();
        }
        result
    }

    /// Sends what is queued and then DISCONNECT, for no longer than `timeout`, and closes the
    /// stream, for which the server has another second. The session stays.
    ///
    /// # Errors
    /// The connection is closed, but not in order.
    pub fn disconnect(&mut self, timeout: Duration) -> Result<(), Error<S::Error>> {
        let result = self.core.disconnect().map_err(Error::Protocol);
        let result = result.and_then(|()| self.send(timeout));
        let is_sent = self.core.is_closed() && !self.is_unflushed;
        if let (Some(stream), true) = (&mut self.stream, is_sent) {
            linger(stream);
        }
        self.end();
        match result {
            Ok(()) if !is_sent => Err(Error::Unsent),
            result => result,
        }
    }

    /// Queues what the authenticator has to say.
    fn answer(&mut self) -> Result<(), Error<S::Error>> {
        let exchange = self.exchange.as_mut();
        let result = exchange.map_or(Ok(()), |exchange| exchange.queue(&mut self.core));
        if result.is_err() {
            self.end();
        }
        Ok(result?)
    }

    fn send(&mut self, timeout: Duration) -> Result<(), Error<S::Error>> {
        self.save()?;
        self.try_send(timeout).map_err(|error| self.failed(error))
    }

    fn try_send(&mut self, timeout: Duration) -> Result<(), Error<S::Error>> {
        let Self {
            core,
            stream,
            clock,
            is_drained,
            is_unflushed,
            ..
        } = self;
        let Some(stream) = stream else {
            return Err(UsageError::NotConnected.into());
        };
        if !core.transmit().is_empty() {
            // What was received may wait for the room that this makes.
            *is_drained = false;
        } else if !*is_unflushed {
            return Ok(());
        }
        write(core, stream, clock, is_unflushed, timeout)
    }

    /// Reads once; true if that brought anything.
    fn try_receive(&mut self, timeout: Option<Duration>) -> Result<bool, Error<S::Error>> {
        let save = self.save_deadline();
        let Self {
            core,
            rx,
            stream,
            clock,
            ..
        } = self;
        let Some(stream) = stream else {
            return Err(UsageError::NotConnected.into());
        };
        if core.is_closed() {
            return Err(Error::Disconnected);
        }
        let is_stalled =
            !core.transmit().is_empty() || self.is_payload_stalled || self.is_unflushed;
        let timeouts = [timeout, is_stalled.then_some(STALLED_WRITE)];
        let deadlines = [
            core.poll_timeout().and_then(|at| clock.to_std(at)),
            timeouts.into_iter().flatten().min().and_then(after),
            save,
        ];
        let deadline = deadlines.into_iter().flatten().min();
        let space = rx.space();
        if space.is_empty() {
            // Only the server or the application can help, by taking or by acknowledging.
            self.is_reading = false;
            if !is_stalled {
                let now = Instant::now();
                let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
                thread::sleep(left.unwrap_or(STALLED_WRITE).min(STALLED_WRITE));
            }
            return Ok(false);
        }
        stream.set_deadline(deadline).map_err(Error::Stream)?;
        match stream.read(space) {
            Ok(0) => Err(Error::Closed),
            Ok(n) => {
                rx.filled(n);
                self.is_answered = true;
                self.is_reading = is_stalled;
                // The stream may have something to answer.
                self.is_unflushed = true;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                self.is_reading = false;
                Ok(false)
            }
            // It has, and nothing for us.
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.is_reading = false;
                self.is_unflushed = true;
                Ok(false)
            }
            Err(error) => Err(Error::Stream(error)),
        }
    }

    fn failed(&mut self, error: Error<S::Error>) -> Error<S::Error> {
        self.end();
        if self.is_answered {
            error
        } else {
            error.unanswered()
        }
    }

    fn end(&mut self) {
        self.stream = None;
        self.core.connection_lost();
        // The core may have losses to report.
        self.is_drained = false;
    }
}

/// The time, of which events that quickly follow one another do not ask the clock each: that would
/// cost as much as a small message.
#[derive(Debug, Default)]
struct Pace {
    /// What the clock said last.
    last: mqtt_core::Instant,
    /// How many may still be told that; none after waiting.
    left: u8,
    /// How many were told what it said before.
    stride: u8,
}

impl Pace {
    /// The most events that are told the same time. It bounds how late the core learns that they
    /// have become slow.
    const MAX: u8 = 16;

    fn now(&mut self, clock: &Clock) -> mqtt_core::Instant {
        if self.left == 0 {
            self.ask(clock.now());
        }
        self.left -= 1;
        self.last
    }

    fn ask(&mut self, now: mqtt_core::Instant) {
        let is_quick = now == self.last;
        self.stride = if is_quick {
            (self.stride * 2).clamp(1, Self::MAX)
        } else {
            1
        };
        self.left = self.stride;
        self.last = now;
    }
}

/// When `timeout` is over, to more than the milliseconds of the core's clock: what is shorter would
/// be no wait. `None` if the system has no name for that moment.
fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// Writes until there is nothing left, or `timeout` has passed, and flushes.
fn write<S: Stream>(
    core: &mut mqtt_core::Client<'_>,
    stream: &mut S,
    clock: &Clock,
    is_unflushed: &mut bool,
    timeout: Duration,
) -> Result<(), Error<S::Error>> {
    stream.set_deadline(after(timeout)).map_err(Error::Stream)?;
    while !core.transmit().is_empty() {
        match stream.write(core.transmit()) {
            Ok(0) => return Err(Error::Closed),
            Ok(n) => {
                core.transmitted(n, clock.now());
                *is_unflushed = true;
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(()),
            Err(error) => return Err(Error::Stream(error)),
        }
    }
    match stream.flush() {
        Ok(()) => *is_unflushed = false,
        Err(error) if error.kind() == ErrorKind::TimedOut => {}
        Err(error) => return Err(Error::Stream(error)),
    }
    Ok(())
}

/// Writes once, and no longer than until `timeout` has passed.
fn write_payload<S: Stream>(
    core: &mut mqtt_core::Client<'_>,
    stream: &mut S,
    clock: &Clock,
    bytes: &[u8],
    timeout: Duration,
) -> Result<usize, Error<S::Error>> {
    stream.set_deadline(after(timeout)).map_err(Error::Stream)?;
    match stream.write(bytes) {
        Ok(0) => Err(Error::Closed),
        Ok(n) => {
            core.transmitted(n, clock.now());
            Ok(n)
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(0),
        Err(error) => Err(Error::Stream(error)),
    }
}

/// Sends the DISCONNECT that says what was wrong, if there is one and that is still possible.
fn say_last_words<S: Stream>(
    core: &mut mqtt_core::Client<'_>,
    stream: &mut S,
    clock: &Clock,
    is_unflushed: &mut bool,
) {
    // The error that is reported is the first one.
    let is_silent = core.transmit().is_empty();
    if !is_silent && write(core, stream, clock, is_unflushed, LAST_WORDS).is_ok() {
        linger(stream);
    }
}

/// Closes our side after DISCONNECT and waits for the server to close its own. Closing at once, with received bytes
/// not read, would reset the connection, and the server might lose what was sent last.
fn linger<S: Stream>(stream: &mut S) {
    let end = after(LAST_WORDS);
    if stream.set_deadline(end).is_ok() {
        // Whether the server has heard that, too, makes no difference any more.
        let _ = stream.close();
        while end.is_some_and(|end| Instant::now() < end) {
            match stream.read(&mut [0; 1024]) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    if stream.flush().is_err() {
                        break;
                    }
                }
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the next events are told the time that it is now.
    fn told(pace: &mut Pace, millis: u64) -> u8 {
        pace.ask(mqtt_core::Instant::from_millis(millis));
        pace.left
    }

    #[test]
    fn quick_events_share_the_time() {
        let mut pace = Pace::default();
        let quick = [5, 5, 5, 5, 5, 5, 5].map(|millis| told(&mut pace, millis));
        assert_eq!(quick, [1, 2, 4, 8, 16, 16, 16]);
        // One that was slow is noticed, and then each is told.
        assert_eq!(
            [6, 7, 8, 8].map(|millis| told(&mut pace, millis)),
            [1, 1, 1, 2]
        );
    }
}
