//! What the background task does for a client: how its connections begin, go on and end.

use mqtt_core::wire::{PacketId, ReasonCode};
use mqtt_core::{Event as CoreEvent, Instant};

use core::time::Duration;

use super::{Client, Context, Lent, Next, State};
use crate::config::CONNECT_TIME;
use crate::error::{Failure, Text};
use crate::events::Event;
use crate::ffi::Token;
use crate::incoming::{Held, Incoming};
use crate::memory::Core;
use crate::port::{self, Level, Stream};
use crate::wait::For;

/// How long the server may take to close its side after DISCONNECT.
const LINGER_TIME: u64 = 1_000;
/// When to try again what the event task, or the heap, had no room for.
const RETRY_TIME: u64 = 20;
/// How often the stream is looked at before other clients have their turn.
const ROUNDS: usize = 16;

impl Client {
    /// Does what can be done now.
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>) -> Next {
        self.post();
        if let Some(failure) = self.verdict.take() {
            self.end(failure, cx);
        }
        if self.state == State::Aborting {
            self.end(Failure::ENDED, cx);
        }
        let is_due = self.state == State::Pausing && self.deadline <= cx.now;
        if is_due && self.events.has_room() {
            self.start(cx.now);
        }
        if self.state == State::Starting {
            match Stream::open(self.target) {
                Ok(stream) => {
                    self.stream = Some(stream);
                    self.state = State::Opening;
                }
                Err(error) => self.end(Failure::stream(error), cx),
            }
        }
        if let (State::Opening, Some(stream)) = (self.state, self.stream) {
            if self.deadline > cx.now {
                return Next::Step(stream);
            }
            self.end(Failure::LATE, cx);
        }
        self.go_on(cx)
    }

    /// Goes on after a step of the stream.
    pub(crate) fn stepped(&mut self, result: i32, cx: &mut Context<'_>) -> Next {
        if self.state == State::Aborting {
            self.end(Failure::ENDED, cx);
        } else if result < 0 {
            self.end(Failure::stream(result), cx);
        } else if result > 0 && self.state == State::Opening {
            if let Err(failure) = self.opened(cx.now) {
                self.end(failure, cx);
            }
        } else {
            return Next::At(Some(self.deadline));
        }
        self.go_on(cx)
    }

    pub(super) fn start(&mut self, now: Instant) {
        if self.is_spoilt {
            self.renew_session();
        }
        self.state = State::Starting;
        self.deadline = now + Duration::from_millis(CONNECT_TIME.into());
        self.is_asked = false;
        self.is_wanted = false;
    }

    /// The stream is open.
    fn opened(&mut self, now: Instant) -> Result<(), Failure> {
        self.rx.clear();
        self.broken = None;
        match &mut self.socket {
            Some(socket) => {
                socket.begin(
                    &self.kept.endpoint,
                    self.kept.origin.str().unwrap_or_default(),
                )?;
                self.state = State::Upgrading;
                Ok(())
            }
            None => self.greet(now),
        }
    }

    fn greet(&mut self, now: Instant) -> Result<(), Failure> {
        self.state = State::Greeting;
        self.core.connect(now).map_err(Failure::core)
    }

    /// Sends and receives, and says when to come back.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Next {
        let mut soon = false;
        if let Some(stream) = self.stream {
            match self.pump(stream, cx) {
                Ok(is_busy) => soon = is_busy,
                Err(failure) => self.end(failure, cx),
            }
        }
        self.post();
        if soon || matches!(self.state, State::Starting | State::Aborting) {
            return Next::At(Some(cx.now));
        }
        let own = match self.state {
            State::Idle | State::Online => None,
            _ => Some(self.deadline),
        };
        // What is not read does not count as silence.
        let core = self.stream.filter(|_| !self.is_held_up);
        let core = core.and_then(|_| self.core.poll_timeout());
        let retry = cx.now + Duration::from_millis(RETRY_TIME);
        let is_waiting = self.is_held_up || !self.events.is_empty();
        let at = [own, core, is_waiting.then_some(retry)];
        let at = at.into_iter().flatten().min();
        // What was due and could not be done is tried again, but not at once.
        Next::At(at.map(|at| if at <= cx.now { retry } else { at }))
    }

    fn post(&mut self) {
        let core = &mut self.core;
        self.events.post(|id| {
            // Of another connection, it is sent again.
            let _ = core.acknowledge(id);
        });
    }

    /// Looks after the stream until there is nothing left to do, or others are to have their
    /// turn: then it is true.
    fn pump(&mut self, stream: Stream, cx: &mut Context<'_>) -> Result<bool, Failure> {
        for _ in 0..ROUNDS {
            let mut is_progress = self.take_in(cx)?;
            self.close_if_due(cx)?;
            self.save()?;
            is_progress |= self.send(stream, cx)?;
            is_progress |= self.receive(stream)?;
            if !is_progress {
                return match self.broken {
                    Some(failure) => Err(failure),
                    None => Ok(false),
                };
            }
        }
        Ok(true)
    }

    /// Has the core look at what was received, and at the time.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let mut is_progress = false;
        self.is_held_up = false;
        if self.state == State::Upgrading {
            let Some(socket) = &mut self.socket else {
                return Ok(false);
            };
            if !socket.answer(&mut self.rx)? {
                return Ok(false);
            }
            self.greet(cx.now)?;
            is_progress = true;
        }
        let (limits, client) = (self.limits(), Token(self.handle.client));
        loop {
            if self.state == State::Lingering {
                self.rx.clear();
                return Ok(is_progress);
            }
            self.post();
            let (rx, events) = (&mut self.rx, &mut self.events);
            self.is_held_up =
                !self.incoming.is_ready(rx, events, limits, client) || !events.has_room();
            if self.is_held_up {
                return Ok(is_progress);
            }
            let input = self.rx.input();
            let shown = input.len().min(self.incoming.limit(limits));
            let input = input.get(..shown).unwrap_or(input);
            let step = match self.core.process(input, cx.now) {
                Ok(step) => step,
                Err(error) => return Err(Failure::core(error)),
            };
            let mut consumed = step.consumed;
            match step.event {
                None if consumed == 0 => return Ok(is_progress),
                Some(CoreEvent::Publish(publish)) => {
                    self.incoming = Incoming::Held(Held::new(&publish, None, &self.rx, consumed));
                    consumed = 0;
                }
                Some(CoreEvent::PublishStart { publish, total }) => {
                    let held = Held::new(&publish, Some(total), &self.rx, consumed);
                    self.incoming = Incoming::Held(held);
                    consumed = 0;
                }
                Some(CoreEvent::Payload { data, last, .. }) => {
                    let events = &mut self.events;
                    let discarded = self.incoming.payload(data, last, events, client, limits);
                    if let Some(id) = discarded {
                        let _ = self.core.acknowledge(id);
                    }
                    if last && discarded.is_some() {
                        self.trouble.set(Failure::DISCARDED, None);
                        self.log("message lost", Some(Failure::DISCARDED));
                    }
                }
                Some(event) => {
                    let news = News::of(&event);
                    self.hear(&news, cx)?;
                }
                None => {}
            }
            self.rx.consume(consumed);
            is_progress = true;
        }
    }

    /// What the core reports besides messages.
    fn hear(&mut self, news: &News, cx: &mut Context<'_>) -> Result<(), Failure> {
        match *news {
            News::Connected => {
                if self.state == State::Greeting {
                    self.state = State::Online;
                }
                self.is_up = true;
                self.is_automatic = self.kept.shape.auto_reconnect;
                self.up_since = cx.now;
                // With room for its end, too, or neither is told.
                self.is_told = self.events.has_room_for(2) && self.tell(Event::Connected);
                self.log("connected", None);
                cx.waiters.complete(self.id, For::Connection, 0);
            }
            News::Over(failure) => return Err(failure),
            News::TakenOver => {
                // Two that take it back would do that for ever.
                self.is_automatic = false;
                return Err(Failure::disconnected(ReasonCode::SessionTakenOver));
            }
            News::Answer(id, failure) => {
                let result = match failure {
                    Some(failure) => {
                        self.trouble.set(failure, None);
                        failure.code().0
                    }
                    None => id.get().into(),
                };
                cx.waiters.complete(self.id, For::Answer(id), result);
            }
            News::Published(id) => {
                self.take_back(id);
                self.tell(Event::Published(id));
                let result = id.get().into();
                cx.waiters.complete(self.id, For::Answer(id), result);
                cx.waiters.complete(self.id, For::Room, 0);
            }
            News::Lost(id) => {
                self.take_back(id);
                if cx.waiters.has(self.id, For::Answer(id)) {
                    cx.waiters
                        .complete(self.id, For::Answer(id), Failure::CUT.code().0);
                } else if self.abandoned != Some(id) && self.kept.shape.extended {
                    self.tell(Event::Unsent(id));
                }
                cx.waiters.complete(self.id, For::Room, 0);
            }
            News::Aborted => {}
            News::Room => cx.waiters.complete(self.id, For::Room, 0),
        }
        Ok(())
    }

    /// Moves an end that was asked for along.
    fn close_if_due(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        if self.state == State::Draining {
            let is_through = self.core.in_flight() == 0 && self.lent.iter().all(Option::is_none);
            if is_through || self.deadline <= cx.now {
                // Without room for it now, there is later, or the time is over.
                match self.core.disconnect() {
                    Ok(()) => {
                        self.state = State::Closing;
                        self.deadline = cx.now + Duration::from_millis(LINGER_TIME);
                    }
                    Err(_) if self.deadline + Duration::from_millis(LINGER_TIME) <= cx.now => {
                        return Err(Failure::ENDED);
                    }
                    Err(_) => {}
                }
            }
        }
        if self.state == State::Closing && self.core.is_closed() {
            let is_sent = match &mut self.socket {
                Some(socket) => {
                    socket.close();
                    socket.pending().is_empty()
                }
                None => true,
            };
            if is_sent {
                self.state = State::Lingering;
                self.deadline = cx.now + Duration::from_millis(LINGER_TIME);
            }
        }
        let is_late = self.deadline <= cx.now;
        match self.state {
            State::Closing | State::Lingering if is_late => Err(Failure::ENDED),
            State::Upgrading | State::Greeting if is_late => Err(Failure::LATE),
            _ => Ok(()),
        }
    }

    /// Writes what is to be sent.
    fn send(&mut self, stream: Stream, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let mut is_progress = false;
        while self.broken.is_none() {
            let written = match &mut self.socket {
                None => {
                    let Some(bytes) = next_bytes(self.core, &self.lent)? else {
                        break;
                    };
                    let result = stream.write(bytes);
                    if let Ok(n) = result {
                        self.sent(n, cx);
                    }
                    result
                }
                Some(_) => self.send_frames(stream, cx)?,
            };
            match written {
                Ok(0) => break,
                Ok(_) => {
                    is_progress = true;
                    // The core says so, too, but not while it is held up.
                    cx.waiters.complete(self.id, For::Room, 0);
                }
                Err(error) => self.broken = Some(Failure::stream(error)),
            }
        }
        Ok(is_progress)
    }

    /// [`send`](Self::send) for WebSocket: the frames first, and then others in their place.
    fn send_frames(
        &mut self,
        stream: Stream,
        cx: &mut Context<'_>,
    ) -> Result<Result<usize, i32>, Failure> {
        if let Some(socket) = &mut self.socket {
            if socket.pending().is_empty() {
                if let Some(bytes) = next_bytes(self.core, &self.lent)? {
                    let taken = socket.data(bytes);
                    self.sent(taken, cx);
                }
            }
        }
        let Some(socket) = &mut self.socket else {
            return Ok(Ok(0));
        };
        let pending = socket.pending();
        if pending.is_empty() {
            return Ok(Ok(0));
        }
        let written = stream.write(pending);
        if let Ok(n) = written {
            socket.sent(n);
        }
        Ok(written)
    }

    /// Notes what was sent of what [`next_bytes`] gave.
    fn sent(&mut self, n: usize, cx: &mut Context<'_>) {
        if n == 0 {
            return;
        }
        let before = self.core.payload();
        let is_payload = self.core.transmit().is_empty();
        self.core.transmitted(n, cx.now);
        if let (Some(lent), true) = (before, is_payload) {
            cx.waiters.prolong(self.id, For::Answer(lent.id));
            let is_once = |place: &Option<Lent>| {
                place
                    .as_ref()
                    .is_some_and(|place| place.id == lent.id && place.is_sent_once)
            };
            if n >= lent.left && self.lent.iter().any(is_once) {
                self.take_back(lent.id);
                cx.waiters.complete(self.id, For::Answer(lent.id), 0);
            }
        }
    }

    /// Reads once.
    fn receive(&mut self, stream: Stream) -> Result<bool, Failure> {
        if self.is_held_up {
            return Ok(false);
        }
        let space = self.rx.space();
        if space.is_empty() {
            return Ok(false);
        }
        let n = match stream.read(space) {
            Ok(0) => return Ok(false),
            Ok(n) => n,
            Err(_) if self.state == State::Lingering => return Err(Failure::ENDED),
            Err(error) => return Err(self.broken.unwrap_or_else(|| Failure::stream(error))),
        };
        let data = match &mut self.socket {
            Some(socket) if self.state != State::Upgrading => {
                let space = self.rx.space();
                let received = space.get_mut(..n).unwrap_or_default();
                let data = socket.unframe(received)?;
                if let (0, Some(failure)) = (data, socket.ended()) {
                    return Err(failure);
                }
                data
            }
            _ => n,
        };
        self.rx.filled(data);
        Ok(true)
    }

    /// The connection, or the attempt, is over.
    fn end(&mut self, failure: Failure, cx: &mut Context<'_>) {
        let is_orderly = self.is_asked;
        let failure = if is_orderly { Failure::ENDED } else { failure };
        let reason = self.stream.filter(|_| !is_orderly).and_then(Stream::reason);
        if !is_orderly {
            let reason = reason.as_ref().map(Text::as_bytes);
            self.trouble.set(failure, reason);
            self.log("connection failed", Some(failure));
        }
        self.close_stream(cx);
        let client = Token(self.handle.client);
        self.incoming.abort(&mut self.events, client);
        self.core.connection_lost();
        // What the core gives up with the connection.
        while let Ok(step) = self.core.process(&[], cx.now) {
            let Some(event) = step.event else {
                break;
            };
            let _ = self.hear(&News::of(&event), cx);
        }
        self.abandoned = None;
        let reconnects = self.is_wanted || self.is_automatic && !is_orderly;
        self.abandon_all(reconnects, cx.waiters);
        let was_up = core::mem::take(&mut self.is_up);
        if core::mem::take(&mut self.is_told) {
            self.tell(if is_orderly {
                Event::Disconnected
            } else {
                Event::Lost(client)
            });
        }
        let code = failure.code().0;
        cx.waiters.complete(self.id, For::Connection, code);
        cx.waiters.complete(self.id, For::Room, 0);
        cx.waiters.complete(self.id, For::End, 0);
        self.is_asked = false;
        self.verdict = None;
        if core::mem::take(&mut self.is_wanted) {
            self.start(cx.now);
        } else if self.is_automatic && !is_orderly {
            // A server that accepts and hangs up is not tried without end.
            let lasted = cx.now.saturating_since(self.up_since);
            if was_up && lasted > self.waited {
                self.failures = 0;
            }
            self.pause(cx.now);
        } else {
            self.state = State::Idle;
        }
    }

    /// Says the last words, if they go out at once, and closes.
    fn close_stream(&mut self, cx: &mut Context<'_>) {
        let Some(stream) = self.stream.take() else {
            return;
        };
        if self.broken.is_none() {
            let _ = self.send(stream, cx);
            if let Some(socket) = &mut self.socket {
                socket.close();
                let pending = socket.pending();
                if !pending.is_empty() {
                    let _ = stream.write(pending);
                }
            }
        }
        if let Some(socket) = &mut self.socket {
            socket.reset();
        }
        stream.close();
        self.rx.clear();
        self.broken = None;
        self.is_held_up = false;
    }

    /// Waits before the next attempt: each time twice as long, less a random part, so that not all
    /// come back at once.
    fn pause(&mut self, now: Instant) {
        let shape = &self.kept.shape;
        let least = u64::from(shape.reconnect_min) * 1000;
        let most = u64::from(shape.reconnect_max.max(shape.reconnect_min)) * 1000;
        let wait = (least << self.failures.min(16)).min(most);
        let random = u64::from(u16::from_ne_bytes(port::random()));
        let less = (wait / 4 * random) >> 16;
        self.failures = self.failures.saturating_add(1);
        self.state = State::Pausing;
        self.waited = Duration::from_millis(wait - less);
        self.deadline = now + self.waited;
    }

    /// Tells the application; false if there is no room, which only calls that connect over and over
    /// while the event task stands still bring about. The place for the end of a connection is kept.
    fn tell(&mut self, event: Event) -> bool {
        let is_end = matches!(event, Event::Disconnected | Event::Lost(_));
        let is_told =
            self.events.has_room_for(if is_end { 1 } else { 2 }) && self.events.push(event);
        if !is_told {
            self.log("an event is lost: the queue is full", None);
        }
        is_told
    }

    fn log(&self, what: &str, failure: Option<Failure>) {
        let level = match failure {
            Some(_) => Level::Error,
            None if self.kept.debug => Level::Info,
            None => return,
        };
        let mut text = Text::EMPTY;
        text.push(b"mqtt ");
        text.push_number(self.id);
        text.push(b": ");
        text.push(what.as_bytes());
        if failure.is_some() {
            text.push(b": ");
            text.push(self.trouble.text.as_bytes());
        }
        port::log(level, &text);
    }
}

/// What is to be sent next: packets, or a payload that lies with the application.
fn next_bytes<'a>(core: &'a Core, lent: &'a [Option<Lent>]) -> Result<Option<&'a [u8]>, Failure> {
    let bytes = core.transmit();
    if !bytes.is_empty() {
        return Ok(Some(bytes));
    }
    let Some(wanted) = core.payload() else {
        return Ok(None);
    };
    let lent = lent.iter().flatten().find(|lent| lent.id == wanted.id);
    let end = wanted.offset.saturating_add(wanted.left);
    // A call has taken it back: the packet cannot be finished.
    let bytes = lent.and_then(|lent| lent.bytes.bytes().get(wanted.offset..end));
    bytes.map(Some).ok_or(Failure::TAKEN_BACK)
}

/// An event of the core's without what it borrows.
enum News {
    Connected,
    /// The server does not go on.
    Over(Failure),
    /// Another client of the same name has come.
    TakenOver,
    Answer(PacketId, Option<Failure>),
    Published(PacketId),
    Lost(PacketId),
    Aborted,
    Room,
}

impl News {
    fn of(event: &CoreEvent<'_>) -> Self {
        match event {
            CoreEvent::Connected(_) => Self::Connected,
            CoreEvent::Refused(connack) => Self::Over(Failure::refused(connack.code)),
            CoreEvent::Disconnected(packet) if packet.code == ReasonCode::SessionTakenOver => {
                Self::TakenOver
            }
            CoreEvent::Disconnected(packet) => Self::Over(Failure::disconnected(packet.code)),
            CoreEvent::Published(ack) if ack.code.is_error() => Self::Lost(ack.packet_id),
            CoreEvent::Published(ack) => Self::Published(ack.packet_id),
            CoreEvent::Subscribed(ack) => {
                let code = ack
                    .codes
                    .iter()
                    .next()
                    .unwrap_or(ReasonCode::UnspecifiedError);
                Self::Answer(
                    ack.packet_id,
                    code.is_error().then(|| Failure::not_granted(code)),
                )
            }
            CoreEvent::Unsubscribed(ack) => {
                let code = ack.codes.iter().next().unwrap_or(ReasonCode::Success);
                Self::Answer(
                    ack.packet_id,
                    code.is_error().then(|| Failure::not_ended(code)),
                )
            }
            CoreEvent::Lost(id) => Self::Lost(*id),
            CoreEvent::Writable => Self::Room,
            _ => Self::Aborted,
        }
    }
}
