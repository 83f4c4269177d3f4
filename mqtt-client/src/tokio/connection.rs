//! One connection, from CONNECT to the end of the stream.

mod reception;
#[cfg(test)]
mod tests;

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use ::tokio::task::yield_now;
use ::tokio::time::{Sleep, sleep, timeout};
use bytes::{Bytes, BytesMut};
use mqtt_core::wire::ReasonCode;
use mqtt_core::{Error, Event, Instant, Step};

use self::reception::{READ, Skipped, push};
use super::error::{ConnectionError, DeliveryError, Reason};
use super::inbox::{Epochs, Inbox, Item};
use super::outgoing::Outgoing;
use super::routes::Request;
use super::server::Stream;
use super::shared::{Phase, Shared, State, Wanted};
use super::status::{Connected, Status};
use crate::auth::Exchange;

/// How long the last bytes may take, and the server to close its side.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often to go round before other tasks get their turn.
const ROUNDS: usize = 32;

pub(super) struct Connection<'t> {
    shared: &'t Arc<Shared>,
    server: Arc<str>,
    max_packet: usize,
    stream: Box<dyn Stream>,
    exchange: Option<Exchange>,
    /// What was received and is not whole yet.
    received: BytesMut,
    /// Whole packets that the core has not taken yet.
    whole: Bytes,
    /// How much to read at once.
    chunk: usize,
    /// Messages that are handed over together, and to whom.
    batch: VecDeque<Item>,
    batch_for: Option<Arc<Inbox>>,
    /// Messages that found a queue full, and until when to wait.
    blocked: VecDeque<(Arc<Inbox>, VecDeque<Item>)>,
    pause: Instant,
    /// True if reception has paused and the stream was not looked at since.
    is_behind: bool,
    /// The message that is skipped for its size.
    skipped: Option<Skipped>,
    /// What has left the core and not the stream.
    outgoing: Outgoing,
    /// True if the next write is put off until those who found no room have had their turn.
    is_gathering: bool,
    /// True if the stream may hold bytes back.
    is_unflushed: bool,
    sleep: Pin<Box<Sleep>>,
    is_accepted: bool,
    /// True if anything was received.
    is_answered: bool,
    /// True if nobody knows of that yet.
    is_news: bool,
    /// Why the connection is over, and how long what is left may take.
    ending: Option<(ConnectionError, Instant)>,
}

/// How a connection ended.
pub(super) struct Ended {
    /// True if the server had accepted it.
    pub(super) was_accepted: bool,
    pub(super) error: ConnectionError,
}

impl<'t> Connection<'t> {
    pub(super) fn new(
        shared: &'t Arc<Shared>,
        server: Arc<str>,
        stream: Box<dyn Stream>,
        max_packet: usize,
    ) -> Self {
        Self {
            shared,
            server,
            max_packet,
            stream,
            exchange: None,
            received: BytesMut::new(),
            whole: Bytes::new(),
            chunk: *READ.start(),
            batch: VecDeque::new(),
            batch_for: None,
            blocked: VecDeque::new(),
            pause: Instant::default(),
            is_behind: false,
            skipped: None,
            outgoing: Outgoing::default(),
            is_gathering: false,
            is_unflushed: false,
            sleep: Box::pin(sleep(Duration::ZERO)),
            is_accepted: false,
            is_answered: false,
            is_news: false,
            ending: None,
        }
    }

    /// Goes on until the connection is over, and leaves the session for the next one.
    pub(super) async fn run(mut self, exchange: Option<(Exchange, Vec<u8>)>) -> Ended {
        let error = match self.begin(exchange) {
            Ok(()) => poll_fn(|cx| self.poll(cx)).await,
            Err(error) => ConnectionError::Protocol(error),
        };
        if self.is_news {
            // The server has accepted and left in one breath.
            self.announce();
        }
        // An orderly end, and DISCONNECT with a reason, are to arrive: closing with received
        // bytes not read would reset the connection. What goes wrong now does not matter.
        let is_said = matches!(
            error,
            ConnectionError::Requested | ConnectionError::Protocol(Error::Peer(_))
        );
        let _ = timeout(LAST_WORDS, async {
            self.stream.shutdown().await?;
            // On the heap, or each client would have room for it all the time.
            let mut rest = vec![0; 1024];
            while is_said && self.stream.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(())
        })
        .await;
        self.finish();
        Ended {
            was_accepted: self.is_accepted,
            error,
        }
    }

    fn begin(&mut self, exchange: Option<(Exchange, Vec<u8>)>) -> Result<(), Error> {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        match exchange {
            Some((exchange, data)) if !data.is_empty() => {
                self.exchange = Some(exchange);
                state.core.with(|core| core.connect_with(&data, now))
            }
            exchange => {
                self.exchange = exchange.map(|(exchange, _)| exchange);
                state.core.with(|core| core.connect(now))
            }
        }
    }

    /// Leaves the session as it is without a connection.
    fn finish(&mut self) {
        self.shared.is_paused.store(false, Ordering::SeqCst);
        let now = self.shared.now();
        let mut state = self.shared.lock();
        for (inbox, mut messages) in self.blocked.drain(..) {
            push(&mut state, &inbox, &mut messages, false);
        }
        state.core.with(|core| core.connection_lost());
        state.connection += 1;
        if state.phase == Phase::Online {
            state.phase = Phase::Offline;
        }
        while let Ok(Step {
            event: Some(event), ..
        }) = state.core.with(|core| core.process(&[], now))
        {
            self.shared.occurred(&mut state, &event);
        }
        state.routes.disconnected();
        state.discard();
        state.waiters.wake();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionError> {
        for _ in 0..ROUNDS {
            let mut is_progress;
            let deadline;
            {
                let mut state = self.shared.lock();
                state.waker = Some(cx.waker().clone());
                let now = self.shared.now();
                is_progress = self.digest(&mut state, now);
                self.feed(&mut state, now);
                match self.poll_send(&mut state, now, cx) {
                    Ok(sent) => is_progress |= sent,
                    Err(error) => {
                        drop(state);
                        return Poll::Ready(self.hear_out(error, cx));
                    }
                }
                let is_sent = self.outgoing.is_empty() && !self.is_unflushed;
                let is_closed = is_sent && state.core.with(|core| core.is_closed());
                match self.ending.take() {
                    Some((error, until)) if is_closed || until <= now => {
                        return Poll::Ready(error);
                    }
                    ending => self.ending = ending,
                }
                if is_closed && state.closing.is_some() {
                    return Poll::Ready(ConnectionError::Requested);
                }
                deadline = self.deadline(&mut state, now);
            }
            if core::mem::take(&mut self.is_news) {
                self.announce();
            }
            // Behind all that is ready to run, or this would have the next turn.
            if core::mem::take(&mut self.is_gathering) && pin!(yield_now()).poll(cx).is_pending() {
                return Poll::Pending;
            }
            match self.poll_receive(cx) {
                Ok(received) => is_progress |= received,
                Err(error) => return Poll::Ready(self.end(error)),
            }
            if !is_progress && self.poll_sleep(deadline, cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Nothing more can be sent, but before the server closed it may have said why.
    fn hear_out(&mut self, error: ConnectionError, cx: &mut Context<'_>) -> ConnectionError {
        for _ in 0..ROUNDS {
            if !matches!(self.poll_receive(cx), Ok(true)) {
                break;
            }
            let now = self.shared.now();
            self.digest(&mut self.shared.lock(), now);
        }
        self.end(error)
    }

    /// The first of two errors.
    fn end(&mut self, error: ConnectionError) -> ConnectionError {
        match self.ending.take() {
            Some((error, _)) => error,
            None if self.is_answered => error,
            None => error.unanswered(),
        }
    }

    fn fail(&mut self, error: ConnectionError, now: Instant) {
        self.ending.get_or_insert((error, now + LAST_WORDS));
    }

    fn handle(&mut self, state: &mut State, event: &Event<'_>, input: &Bytes, now: Instant) {
        let observed = self
            .exchange
            .as_mut()
            .map(|exchange| exchange.observe(event));
        if !matches!(event, Event::Publish(_) | Event::Published(_)) {
            // What it has queues told is behind the messages.
            self.hand_out(state, now);
        }
        match observed.unwrap_or(Ok(true)) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // Fails only if nothing more can be said.
                let _ = state
                    .core
                    .with(|core| core.abort(ReasonCode::UnspecifiedError));
                return self.fail(ConnectionError::Authentication(error), now);
            }
        }
        match event {
            Event::Connected(connack) => self.accepted(state, connack.session_present),
            Event::Refused(connack) => {
                let reason = Reason::new(connack.code, &connack.properties);
                self.fail(ConnectionError::Refused(reason), now);
            }
            Event::Disconnected(packet) => {
                let reason = Reason::new(packet.code, &packet.properties);
                self.fail(ConnectionError::Disconnected(reason), now);
            }
            Event::Publish(publish) => self.deliver(state, publish, input, now),
            Event::PublishStart { publish, total } => self.skip(state, publish, *total),
            Event::Payload { last: true, .. } => self.skipped(state),
            event => self.shared.occurred(state, event),
        }
    }

    fn accepted(&mut self, state: &mut State, session_present: bool) {
        self.is_accepted = true;
        state.phase = Phase::Online;
        if state.wanted == Wanted::Once {
            state.wanted = Wanted::Always;
        }
        state.stats.connections += 1;
        if !session_present {
            state.session += 1;
            state.session_since = state.connection;
            state.routes.forgotten();
        }
        let missed = state.routes.reconnected(Epochs {
            connection: state.session_since,
            session: state.session,
        });
        state.stats.missed += missed;
        let connected = Connected {
            server: Arc::clone(&self.server),
            session_present,
            client_id: state.core.with(|core| core.client_id().into()),
        };
        state.connected = Some(connected);
        self.is_news = true;
        state.waiters.wake();
    }

    /// Says that there is a connection.
    fn announce(&self) {
        let (connected, connecting) = {
            let mut state = self.shared.lock();
            (state.connected.clone(), state.take_connecting())
        };
        if let Some(connected) = connected {
            self.shared.set_status(Status::Connected(connected.clone()));
            connecting.answer(&Ok(connected));
        }
    }

    /// Gives the core what waits for a connection, and what ends it.
    fn feed(&mut self, state: &mut State, now: Instant) {
        if let Some(exchange) = &mut self.exchange {
            if let Err(error) = state.core.with(|core| exchange.queue(core)) {
                self.ending
                    .get_or_insert((ConnectionError::Protocol(error), now));
            }
        }
        if state.phase == Phase::Online {
            state.discard();
            state.hand_over_queue(self.shared, now);
            state.request();
        }
        let Some(closing) = &state.closing else {
            return;
        };
        if state.phase != Phase::Online {
            self.ending
                .get_or_insert((ConnectionError::Requested, now))
                .1 = now;
            return;
        }
        let (deadline, is_patient, is_said) =
            (closing.deadline, closing.is_patient, closing.is_said);
        if !is_said && (!is_patient || now >= deadline || state.unfinished() == 0) {
            // Without room for it there will be some later.
            let is_said = state.core.with(|core| core.disconnect()).is_ok();
            if let Some(closing) = &mut state.closing {
                closing.is_said = is_said;
            }
        }
        if now >= deadline + LAST_WORDS {
            self.ending.get_or_insert((ConnectionError::Requested, now));
        }
    }

    /// Sends all that the stream takes now. True if that was anything.
    fn poll_send(
        &mut self,
        state: &mut State,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<bool, ConnectionError> {
        let mut is_progress = false;
        loop {
            let is_vectored = self.stream.is_write_vectored();
            if let Some(len) = self.crowd(state) {
                state.is_crowded = false;
                state.gather(self.shared, &mut self.outgoing, is_vectored, now);
                // Whoever waits for the room is woken.
                self.digest(state, now);
                if self.outgoing.room() >= len {
                    self.is_gathering = true;
                    break;
                }
            }
            if self.outgoing.is_empty() && state.has_large() {
                state.gather(self.shared, &mut self.outgoing, is_vectored, now);
            }
            let written = if self.outgoing.is_empty() {
                state.core.with(|core| {
                    let bytes = core.transmit();
                    if bytes.is_empty() {
                        return None;
                    }
                    let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
                    if let Poll::Ready(Ok(n)) = written {
                        core.transmitted(n, now);
                    }
                    Some(written)
                })
            } else {
                Some(self.outgoing.poll_write(&mut *self.stream, cx))
            };
            match written {
                None | Some(Poll::Pending) => break,
                Some(Poll::Ready(Ok(0))) => return Err(ConnectionError::Closed),
                Some(Poll::Ready(Ok(_))) => {}
                Some(Poll::Ready(Err(error))) => return Err(stream_error(error)),
            }
            is_progress = true;
            self.is_unflushed = true;
        }
        if self.is_unflushed && self.outgoing.is_empty() {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_unflushed = false,
                Poll::Ready(Err(error)) => return Err(stream_error(error)),
                Poll::Pending => {}
            }
        }
        Ok(is_progress)
    }

    /// How much is queued, if messages of QoS 0 wait for its room and it can be gathered for a larger
    /// write. Those who wait get their turn before that.
    fn crowd(&self, state: &mut State) -> Option<usize> {
        if !state.is_crowded {
            return None;
        }
        let len = state.core.with(|core| core.transmit().len());
        let max = self.outgoing.room().min(Outgoing::LIMIT / 2);
        (1..=max).contains(&len).then_some(len)
    }

    /// When to look again though nothing happens: only at what will then be done, or there would
    /// be no end of looking.
    fn deadline(&self, state: &mut State, now: Instant) -> Option<Instant> {
        if let Some((_, until)) = self.ending {
            return Some(until);
        }
        let closing = state.closing.as_ref().map(|closing| {
            if closing.is_said || closing.deadline <= now {
                closing.deadline + LAST_WORDS
            } else {
                closing.deadline
            }
        });
        let core_or_pause = if self.blocked.is_empty() {
            state.core.with(|core| core.poll_timeout())
        } else {
            Some(self.pause)
        };
        closing.into_iter().chain(core_or_pause).min()
    }

    /// Waits for a moment. A timer that fires too early is cheaper than one that is always reset.
    fn poll_sleep(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let deadline = self.shared.tokio_instant(deadline);
        let is_due = deadline <= ::tokio::time::Instant::now();
        if is_due {
            return Poll::Ready(());
        }
        loop {
            if self.sleep.deadline() > deadline || self.sleep.is_elapsed() {
                self.sleep.as_mut().reset(deadline);
            }
            core::task::ready!(self.sleep.as_mut().poll(cx));
            if self.sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}

fn stream_error(error: io::Error) -> ConnectionError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return ConnectionError::Closed;
    }
    ConnectionError::Stream(Arc::new(error))
}

impl Shared {
    /// What became of requests and messages of ours.
    pub(super) fn occurred(&self, state: &mut State, event: &Event<'_>) {
        match event {
            Event::Published(ack) => {
                let outcome = if ack.code.is_error() {
                    Err(DeliveryError::Refused(Reason::new(
                        ack.code,
                        &ack.properties,
                    )))
                } else {
                    Ok(ack.code)
                };
                state.resolve(self, ack.packet_id, outcome);
                state.waiters.wake();
            }
            Event::Subscribed(suback) => {
                if let Some(Request::Subscribe(key)) = state.answered(suback.packet_id) {
                    state.routes.subscribed(key, suback);
                }
            }
            Event::Unsubscribed(unsuback) => {
                if let Some(Request::Unsubscribe(leaving)) = state.answered(unsuback.packet_id) {
                    leaving.answered(unsuback);
                }
            }
            Event::Lost(id) => {
                state.lost(self, *id);
                state.waiters.wake();
            }
            Event::Writable => state.waiters.wake(),
            _ => {}
        }
    }
}
