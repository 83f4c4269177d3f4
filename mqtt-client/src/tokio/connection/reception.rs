//! What a connection receives, and to whom it goes.

use core::pin::pin;

use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::tokio::io::AsyncReadExt;
use bytes::{Buf, Bytes, BytesMut};
use mqtt_core::wire::{PacketId, Publish, QoS, ReasonCode};
use mqtt_core::{Instant, OwnedPublish};

use super::super::error::ConnectionError;
use super::super::inbox::{Inbox, Item, Pushed};
use super::super::shared::State;
use super::super::subscription::{Due, Gap, Receipt, Received};
use super::{Connection, stream_error};

/// How much is read at once: as much as came the last time, within these.
pub(super) const READ: core::ops::RangeInclusive<usize> = 2 * 1024..=64 * 1024;

/// Memory for more than this is not used again.
const LARGE: usize = 4 * *READ.end();

/// How long reception waits for somebody to take messages from a full queue.
const PAUSE: Duration = Duration::from_secs(1);

/// How many messages to hand over at once, under one lock, unless a subscription wants fewer.
const BATCH: usize = 64;

/// A message that is left out for its size.
pub(super) struct Skipped {
    inboxes: Vec<Arc<Inbox>>,
    message: Option<PacketId>,
    gap: Gap,
}

impl Connection<'_> {
    /// Reads once. True if that brought anything.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Result<bool, ConnectionError> {
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
            Poll::Pending => {
                if self.received.is_empty() && self.chunk == *READ.start() {
                    // Little comes, and who waits for it need not have memory for it; but what is
                    // shared with messages that are kept will be so with the next ones.
                    if self.received.try_reclaim(*READ.start()) {
                        self.received = BytesMut::new();
                    }
                    self.batch = VecDeque::new();
                }
                Ok(false)
            }
        }
    }

    /// Shows the core what was received, and does what it means. True if anything happened.
    pub(super) fn digest(&mut self, state: &mut State, now: Instant) -> bool {
        let mut is_progress = false;
        while self.ending.is_none() && self.unblock(state, now) {
            if self.whole.is_empty() {
                let len = self.whole_packets();
                if self.is_behind && len == 0 {
                    // The core would take what nobody has read for silence.
                    return true;
                }
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
            let consumed = if self.whole.is_empty() {
                let part = core::mem::take(&mut self.received);
                let consumed = self.read(state, &part, &Bytes::new(), now);
                self.received = part;
                self.received.advance(consumed.unwrap_or(0));
                consumed
            } else {
                let whole = core::mem::take(&mut self.whole);
                let consumed = self.read(state, &whole, &whole, now);
                self.whole = whole;
                self.whole.advance(consumed.unwrap_or(0));
                consumed
            };
            self.hand_out(state, now);
            self.batch_for = None;
            if consumed.is_none() {
                break;
            }
            is_progress = true;
        }
        is_progress
    }

    /// Has the core read `bytes`, which may lie in `input`, until it makes no progress or something
    /// is in the way. Returns how much it has consumed, if it has made any.
    fn read(
        &mut self,
        state: &mut State,
        bytes: &[u8],
        input: &Bytes,
        now: Instant,
    ) -> Option<usize> {
        let mut is_progress = false;
        let mut consumed = 0;
        while self.ending.is_none() && self.blocked.is_empty() {
            let rest = bytes.get(consumed..).unwrap_or_default();
            match state.core.process(rest, now) {
                Ok(step) if step.is_progress() => {
                    if let Some(event) = &step.event {
                        self.handle(state, event, input, now);
                    }
                    consumed += step.consumed;
                    is_progress = true;
                }
                Ok(_) => {
                    if rest.is_empty() || !self.may_go_on(state) {
                        break;
                    }
                }
                Err(error) => {
                    self.fail(ConnectionError::Protocol(error), now);
                    is_progress = true;
                }
            }
            if !bytes.is_empty() && consumed == bytes.len() {
                break;
            }
        }
        is_progress.then_some(consumed)
    }

    /// True if there is more room for a server that has more in flight than it was told. It waits
    /// until messages are acknowledged, unless what somebody waits for may be behind them.
    fn may_go_on(&self, state: &mut State) -> bool {
        if !state.core.is_full() {
            return false;
        }
        // Before looking whether anybody waits: whoever begins to looks at this after saying so.
        self.shared.is_paused.store(true, Ordering::SeqCst);
        self.shared.is_awaited() && state.core.take_more()
    }

    /// How many of the received bytes are whole packets.
    fn whole_packets(&self) -> usize {
        if self.skipped.is_some() {
            // Not at the beginning of one.
            return 0;
        }
        let mut len = 0;
        while let Some(rest) = self.received.get(len..) {
            match packet_len(rest) {
                Some(packet) if packet <= self.max_packet && packet <= rest.len() => len += packet,
                _ => break,
            }
        }
        len
    }

    /// Tries again what found a queue full. True if nothing is in the way any more.
    fn unblock(&mut self, state: &mut State, now: Instant) -> bool {
        while let Some((inbox, messages)) = self.blocked.front_mut() {
            let may_wait = now < self.pause && state.closing.is_none() && !self.shared.is_awaited();
            push(state, inbox, messages, may_wait);
            if !messages.is_empty() {
                self.is_behind = true;
                return false;
            }
            self.blocked.pop_front();
        }
        if self.shared.is_paused.load(Ordering::Relaxed) {
            self.shared.is_paused.store(false, Ordering::SeqCst);
        }
        true
    }

    /// Gives a message to the subscriptions that it is for.
    pub(super) fn deliver(
        &mut self,
        state: &mut State,
        publish: &Publish<'_>,
        input: &Bytes,
        now: Instant,
    ) {
        state.stats.received += 1;
        let (topic, aliased);
        let publish = if publish.topic.is_empty() {
            topic = state.core.with(|core| core.topic(publish).to_owned());
            aliased = Publish {
                topic: &topic,
                ..*publish
            };
            &aliased
        } else {
            publish
        };
        let epoch = match publish.qos {
            QoS::ExactlyOnce => state.session,
            _ => state.connection,
        };
        let due = publish.packet_id.map(|id| Due { id, epoch });
        let mut found = state.routes.find(publish.topic, publish);
        match (found.next(), found.next()) {
            (None, _) => {
                drop(found);
                state.stats.unclaimed += 1;
                if let Some(id) = publish.packet_id {
                    state.accept(id, ReasonCode::Success);
                }
            }
            (Some(inbox), None) => {
                let is_same = |other| Arc::ptr_eq(inbox, other);
                let is_other = !self.batch_for.as_ref().is_some_and(is_same);
                let other = is_other.then(|| Arc::clone(inbox));
                drop(found);
                if other.is_some() {
                    self.hand_out(state, now);
                    self.batch_for = other;
                }
                let owned = OwnedPublish::new(publish, input);
                let message = Received::new(owned, Receipt::of(due));
                if self.batch.capacity() == 0 {
                    self.batch.reserve(BATCH);
                }
                self.batch.push_back(Ok(message));
                let capacity = self.batch_for.as_ref().map(|inbox| inbox.capacity());
                if self.batch.len() >= BATCH.min(capacity.unwrap_or(BATCH)) {
                    self.hand_out(state, now);
                }
            }
            (Some(first), Some(second)) => {
                let inboxes = [first, second].into_iter().chain(found);
                let inboxes: Vec<_> = inboxes.map(Arc::clone).collect();
                self.hand_out(state, now);
                let owned = OwnedPublish::new(publish, input);
                let receipts = Receipt::split(due, inboxes.len());
                for (inbox, receipt) in inboxes.into_iter().zip(receipts) {
                    self.batch_for = Some(inbox);
                    let message = Received::new(owned.clone(), receipt);
                    self.batch.push_back(Ok(message));
                    self.hand_out(state, now);
                }
            }
        }
    }

    /// Hands over the messages that were gathered.
    pub(super) fn hand_out(&mut self, state: &mut State, now: Instant) {
        let Some(inbox) = self.batch_for.as_ref().filter(|_| !self.batch.is_empty()) else {
            return;
        };
        push(state, inbox, &mut self.batch, true);
        if self.batch.is_empty() {
            return;
        }
        if self.blocked.is_empty() {
            self.pause = now + PAUSE;
            // Before looking whether anybody waits for an answer: whoever begins to looks at
            // this after saying so.
            self.shared.is_paused.store(true, Ordering::SeqCst);
        }
        let messages = core::mem::take(&mut self.batch);
        self.blocked.push_back((Arc::clone(inbox), messages));
    }

    /// Begins to leave out a message that is too large.
    pub(super) fn skip(&mut self, state: &mut State, publish: &Publish<'_>, total: usize) {
        state.stats.received += 1;
        state.stats.too_large += 1;
        let topic = state.core.with(|core| core.topic(publish).to_owned());
        let publish = Publish {
            topic: &topic,
            ..*publish
        };
        self.skipped = Some(Skipped {
            inboxes: state
                .routes
                .find(publish.topic, &publish)
                .map(Arc::clone)
                .collect(),
            message: publish.packet_id,
            gap: Gap::TooLarge {
                topic: topic.as_str().into(),
                len: total,
            },
        });
    }

    pub(super) fn skipped(&mut self, state: &mut State) {
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
}

/// The length of the packet at the beginning of `bytes`. Whether it is one is for the core to say.
fn packet_len(bytes: &[u8]) -> Option<usize> {
    let mut remaining = 0;
    for (at, &byte) in (1..=4).zip(bytes.get(1..)?) {
        remaining |= usize::from(byte & 0x7F) << (7 * (at - 1));
        if byte < 0x80 {
            return Some(1 + at + remaining);
        }
    }
    None
}

/// Gives messages to a subscription; those that have to wait remain.
pub(super) fn push(
    state: &mut State,
    inbox: &Inbox,
    messages: &mut VecDeque<Item>,
    may_wait: bool,
) {
    match inbox.push(messages, may_wait) {
        Pushed::Open { missed } => state.stats.missed += missed,
        // It is about to be dropped.
        Pushed::Closed => {
            let messages = messages.drain(..).flatten();
            let messages = messages.filter(|message| message.packet_id.is_some());
            state.discarded.extend(messages);
        }
    }
}
