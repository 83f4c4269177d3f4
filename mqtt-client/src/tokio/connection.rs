//! One connection, from CONNECT to the end of the stream.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use ::tokio::time::{Sleep, sleep, timeout};
use bytes::{Buf, Bytes, BytesMut};
use mqtt_core::wire::{FixedHeader, PacketId, Publish, QoS, ReasonCode, Version};
use mqtt_core::{Error, Event, Instant, OwnedPublish, Step};

use super::error::{ConnectionError, DeliveryError, Reason};
use super::inbox::{Epochs, Inbox, Pushed};
use super::routes::Request;
use super::server::Stream;
use super::shared::{Phase, Shared, State, Wanted};
use super::status::{Connected, Status};
use super::subscription::{Due, Gap, Receipt, Received};
use crate::auth::Exchange;

/// How much is read at once: as much as came the last time, within these.
const READ: core::ops::RangeInclusive<usize> = 4 * 1024..=64 * 1024;

/// Memory for more than this is not used again.
const LARGE: usize = 4 * *READ.end();

/// How long reception waits for somebody to take messages from a full queue.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the last bytes may take, and the server to close its side.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often to go round before other tasks get their turn.
const ROUNDS: usize = 32;

pub(super) struct Connection<'t> {
    shared: &'t Arc<Shared>,
    server: Arc<str>,
    version: Version,
    max_packet: usize,
    stream: Box<dyn Stream>,
    exchange: Option<Exchange>,
    /// What was received and is not whole yet.
    received: BytesMut,
    /// Whole packets that the core has not taken yet.
    whole: Bytes,
    /// How much to read at once.
    chunk: usize,
    /// Messages that found a queue full, and until when to wait.
    blocked: VecDeque<(Arc<Inbox>, Received)>,
    pause: Instant,
    /// True if reception has paused and the stream was not looked at since.
    is_behind: bool,
    /// The message that is skipped for its size.
    skipped: Option<Skipped>,
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

struct Skipped {
    inboxes: Vec<Arc<Inbox>>,
    message: Option<PacketId>,
    gap: Gap,
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
        version: Version,
        max_packet: usize,
    ) -> Self {
        Self {
            shared,
            server,
            version,
            max_packet,
            stream,
            exchange: None,
            received: BytesMut::new(),
            whole: Bytes::new(),
            chunk: *READ.start(),
            blocked: VecDeque::new(),
            pause: Instant::default(),
            is_behind: false,
            skipped: None,
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
            let mut rest = [0; 1024];
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
        for (inbox, message) in self.blocked.drain(..) {
            push(&mut state, &inbox, message, false);
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
                let is_closed = state.core.with(|core| core.is_closed()) && !self.is_unflushed;
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

    /// Shows the core what was received, and does what it means. True if anything happened.
    fn digest(&mut self, state: &mut State, now: Instant) -> bool {
        let mut is_progress = false;
        loop {
            if self.ending.is_some() || !self.unblock(state, now) {
                return is_progress;
            }
            if self.whole.is_empty() {
                if self.is_behind && self.whole_packets() == 0 {
                    // The core would take what nobody has read for silence.
                    return true;
                }
                let len = self.whole_packets();
                // Without a handle the memory can be used again.
                self.whole = Bytes::new();
                if len > 0 {
                    self.whole = self.received.split_to(len).freeze();
                }
                if len > LARGE {
                    // Memory that was taken for large messages goes with them.
                    self.received = BytesMut::from(&*self.received);
                }
            }
            let is_whole = !self.whole.is_empty();
            // A handle on the bytes, so that events may borrow them while all else changes.
            let input = self.whole.clone();
            let part = core::mem::take(&mut self.received);
            let bytes = if is_whole { &*input } else { &*part };
            let step = state.core.with(|core| core.process(bytes, now));
            let step = match step {
                Ok(step) => step,
                Err(error) => {
                    self.fail(ConnectionError::Protocol(error), now);
                    return true;
                }
            };
            if let Some(event) = &step.event {
                self.handle(state, event, &input, now);
            }
            let consumed = step.consumed;
            let is_step = step.is_progress();
            self.received = part;
            if is_whole {
                self.whole.advance(consumed);
            } else {
                self.received.advance(consumed);
            }
            if !is_step {
                return is_progress;
            }
            is_progress = true;
        }
    }

    /// How many of the received bytes are whole packets.
    fn whole_packets(&self) -> usize {
        if self.skipped.is_some() {
            // Not at the beginning of one.
            return 0;
        }
        let mut len = 0;
        while let Some(rest) = self.received.get(len..) {
            let Ok(Some(header)) = FixedHeader::decode(rest, self.version) else {
                break;
            };
            let packet = header.packet_len();
            if packet > self.max_packet || packet > rest.len() {
                break;
            }
            len += packet;
        }
        len
    }

    /// Tries again what found a queue full. True if nothing is in the way any more.
    fn unblock(&mut self, state: &mut State, now: Instant) -> bool {
        while let Some((inbox, message)) = self.blocked.pop_front() {
            let may_wait = now < self.pause && state.closing.is_none() && !self.shared.is_awaited();
            if let Some(message) = push(state, &inbox, message, may_wait) {
                self.blocked.push_front((inbox, message));
                self.is_behind = true;
                return false;
            }
        }
        if self.shared.is_paused.load(Ordering::Relaxed) {
            self.shared.is_paused.store(false, Ordering::SeqCst);
        }
        true
    }

    fn fail(&mut self, error: ConnectionError, now: Instant) {
        self.ending.get_or_insert((error, now + LAST_WORDS));
    }

    fn handle(&mut self, state: &mut State, event: &Event<'_>, input: &Bytes, now: Instant) {
        let observed = self
            .exchange
            .as_mut()
            .map(|exchange| exchange.observe(event));
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

    /// Gives a message to the subscriptions that it is for.
    fn deliver(&mut self, state: &mut State, publish: &Publish<'_>, input: &Bytes, now: Instant) {
        state.stats.received += 1;
        let alias;
        let mut publish = *publish;
        if publish.topic.is_empty() {
            alias = state.core.with(|core| core.topic(&publish).to_owned());
            publish.topic = &alias;
        }
        let inboxes = inboxes(state, &publish);
        if inboxes.is_empty() {
            state.stats.unclaimed += 1;
            if let Some(id) = publish.packet_id {
                state.accept(id, ReasonCode::Success);
            }
            return;
        }
        let epoch = match publish.qos {
            QoS::ExactlyOnce => state.session,
            _ => state.connection,
        };
        let due = publish.packet_id.map(|id| Due { id, epoch });
        let owned = OwnedPublish::new(&publish, input);
        let receipts = Receipt::split(due, inboxes.len());
        for (inbox, receipt) in inboxes.into_iter().zip(receipts) {
            let message = Received::new(owned.clone(), receipt);
            let Some(message) = push(state, &inbox, message, true) else {
                continue;
            };
            if self.blocked.is_empty() {
                self.pause = now + PAUSE;
                // Before looking whether anybody waits for an answer: whoever begins to looks at
                // this after saying so.
                self.shared.is_paused.store(true, Ordering::SeqCst);
            }
            self.blocked.push_back((inbox, message));
        }
    }

    /// Begins to leave out a message that is too large.
    fn skip(&mut self, state: &mut State, publish: &Publish<'_>, total: usize) {
        state.stats.received += 1;
        state.stats.too_large += 1;
        let topic = state.core.with(|core| core.topic(publish).to_owned());
        let publish = Publish {
            topic: &topic,
            ..*publish
        };
        self.skipped = Some(Skipped {
            inboxes: inboxes(state, &publish),
            message: publish.packet_id,
            gap: Gap::TooLarge {
                topic: topic.as_str().into(),
                len: total,
            },
        });
    }

    fn skipped(&mut self, state: &mut State) {
        let Some(skipped) = self.skipped.take() else {
            return;
        };
        if let Some(id) = skipped.message {
            state.accept(id, ReasonCode::Success);
        }
        for inbox in skipped.inboxes {
            inbox.push_gap(skipped.gap.clone());
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
            state.hand_over_queue(now);
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
            let stream = &mut self.stream;
            let mut write = |bytes: &[u8]| match Pin::new(&mut *stream).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) => Err(ConnectionError::Closed),
                Poll::Ready(Ok(n)) => Ok(n),
                Poll::Ready(Err(error)) => Err(stream_error(error)),
                Poll::Pending => Ok(0),
            };
            let n = state.core.with(|core| {
                if core.transmit().is_empty() {
                    return Ok(None);
                }
                let n = write(core.transmit())?;
                core.transmitted(n, now);
                Ok(Some(n))
            })?;
            let n = match (n, state.payload()) {
                (Some(n), _) => n,
                (None, Some(payload)) => {
                    let n = write(&payload)?;
                    state.payload_sent(n, now);
                    n
                }
                (None, None) => break,
            };
            if n == 0 {
                break;
            }
            is_progress = true;
            self.is_unflushed = true;
        }
        if self.is_unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_unflushed = false,
                Poll::Ready(Err(error)) => return Err(stream_error(error)),
                Poll::Pending => {}
            }
        }
        Ok(is_progress)
    }

    /// Reads once. True if that brought anything.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Result<bool, ConnectionError> {
        if !self.blocked.is_empty() || !self.whole.is_empty() || self.ending.is_some() {
            return Ok(false);
        }
        self.is_behind = false;
        // Small messages share one block of memory, or each that is kept would keep one. It grows as
        // bytes arrive, whatever a header has announced.
        if self.received.capacity() - self.received.len() < self.chunk / 4 {
            self.received.reserve(self.chunk.max(self.received.len()));
        }
        let room = self.received.capacity() - self.received.len();
        let read = pin!(self.stream.read_buf(&mut self.received));
        match read.poll(cx) {
            Poll::Ready(Ok(0)) => Err(ConnectionError::Closed),
            Poll::Ready(Ok(n)) => {
                self.is_answered = true;
                if n == room && room >= self.chunk {
                    self.chunk = (self.chunk * 2).min(*READ.end());
                } else if n < self.chunk / 4 {
                    self.chunk = (self.chunk / 2).max(*READ.start());
                }
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(stream_error(error)),
            Poll::Pending => Ok(false),
        }
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

fn inboxes(state: &State, publish: &Publish<'_>) -> Vec<Arc<Inbox>> {
    let mut inboxes = Vec::new();
    state.routes.find(publish.topic, publish, |inbox| {
        inboxes.push(Arc::clone(inbox));
    });
    inboxes
}

/// Gives a message to a subscription; returns it if it has to wait.
fn push(state: &mut State, inbox: &Inbox, message: Received, may_wait: bool) -> Option<Received> {
    match inbox.push(message, may_wait) {
        Pushed::Taken => None,
        Pushed::Missed => {
            state.stats.missed += 1;
            None
        }
        Pushed::Blocked(message) => Some(message),
    }
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
                state.resolve(ack.packet_id, outcome);
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
                state.lost(*id);
                state.waiters.wake();
            }
            Event::Writable => state.waiters.wake(),
            _ => {}
        }
    }
}
