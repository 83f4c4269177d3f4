//! What the handles and the task have in common.
//!
//! The core stands behind a mutex, and commands go right to it: a small message costs its encoding
//! and no allocation, and all that was published until the task gets its turn leaves in one
//! write. Nobody waits while they hold the lock.

use core::fmt;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Poll, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::tokio::sync::{oneshot, watch};
use bytes::Bytes;
use mqtt_core::wire::{Ack, EncodeError, Filter, PacketId, QoS, ReasonCode, TopicFilter, Version};
use mqtt_core::{Error, Instant, Message, UsageError};

use super::SubscribeError;
use super::deliveries::{Deliveries, Key};
use super::error::{ConnectionError, DeliveryError, DisconnectError, PublishError};
use super::ids::IdMap;
use super::inbox::Inbox;
use super::offline::Queue;
use super::options::Options;
use super::outgoing::Outgoing;
use super::owned::Core;
use super::publication::{Outcome, Publication};
use super::routes::{Request, Routes, SubscribeAnswer, UnsubscribeAnswer};
use super::status::{Connected, Stats, Status};
use super::subscription::Received;
use super::waiters::Waiters;

pub(super) struct Shared {
    state: Mutex<State>,
    /// What becomes of messages; this lock is taken last.
    pub(super) deliveries: Deliveries,
    /// How many wait for the server to answer a request or to take something.
    awaited: AtomicUsize,
    /// True while nothing is received because a subscription's queue is full, or too many messages
    /// wait to be acknowledged.
    pub(super) is_paused: AtomicBool,
    pub(super) status: watch::Sender<Status>,
    /// When the core's clock showed zero.
    zero: ::tokio::time::Instant,
}

/// Without what waits to be sent, which are payloads.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) core: Core,
    pub(super) phase: Phase,
    pub(super) wanted: Wanted,
    /// Wakes the task; taken by whoever does.
    pub(super) waker: Option<Waker>,
    pub(super) routes: Routes,
    pub(super) stats: Stats,
    /// An orderly end that was asked for.
    pub(super) closing: Option<Closing>,
    /// Who waits for the first connection.
    connecting: Connecting,
    /// The connection that the server has accepted last.
    pub(super) connected: Option<Connected>,
    /// Messages above QoS 0, and large ones, on their way.
    publications: IdMap<Key>,
    requests: IdMap<Request>,
    /// Payloads that the core has not copied.
    lent: IdMap<Large>,
    lent_len: usize,
    /// How many bytes of that are of QoS 0, and so wait to be sent.
    plain_len: usize,
    max_lent: usize,
    /// From which length on a payload is not copied.
    large: usize,
    version: Version,
    queue: Queue,
    /// Who waits to publish.
    pub(super) waiters: Waiters,
    /// True if there was no room for a message of QoS 0, which sending others makes.
    pub(super) is_crowded: bool,
    /// Counts connections and sessions, so that acknowledgements for earlier ones are known.
    pub(super) connection: u64,
    pub(super) session: u64,
    /// The first connection of the session.
    pub(super) session_since: u64,
    /// Messages of dropped subscriptions, to be acknowledged unless the client is dropped, too.
    pub(super) discarded: Vec<Received>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// There is no connection.
    Offline,
    Online,
    /// There will be none any more.
    Closed,
}

/// Whether there is to be a connection, from less to more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Wanted {
    No,
    /// If one of the servers accepts at the first attempt.
    Once,
    Always,
    /// Never again: there are no handles.
    Never,
}

/// Those who wait for a connection.
#[derive(Debug, Default)]
pub(super) struct Connecting(Vec<oneshot::Sender<Result<Connected, ConnectionError>>>);

impl Connecting {
    /// Tells them. Not under the lock of the state, so that the status can be set before.
    pub(super) fn answer(self, result: &Result<Connected, ConnectionError>) {
        for answer in self.0 {
            let _ = answer.send(result.clone());
        }
    }
}

#[derive(Debug)]
pub(super) struct Closing {
    pub(super) deadline: Instant,
    /// True if messages that are not through are waited for until then.
    pub(super) is_patient: bool,
    /// True once DISCONNECT is queued.
    pub(super) is_said: bool,
    pub(super) answers: Vec<oneshot::Sender<Result<(), DisconnectError>>>,
}

#[derive(Debug)]
struct Large {
    payload: Bytes,
    /// True at QoS 0.
    is_plain: bool,
}

/// Somebody who waits for the server to answer or to take something. Meanwhile reception does not
/// pause for a full queue.
#[derive(Debug)]
pub(super) struct Awaited(Arc<Shared>);

impl Awaited {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.awaited.fetch_add(1, Ordering::SeqCst);
        shared.awaits();
        Self(Arc::clone(shared))
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.awaited.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The way to somebody who waits for the server's answer to a request, and who does so no longer
/// once it is here.
#[derive(Debug)]
pub(super) struct Answer<T> {
    to: oneshot::Sender<T>,
    _awaited: Option<Awaited>,
}

impl<T> Answer<T> {
    /// Not under the lock of the state.
    pub(super) fn new(shared: &Arc<Shared>) -> (Self, oneshot::Receiver<T>) {
        let (to, answer) = oneshot::channel();
        let _awaited = Some(Awaited::new(shared));
        (Self { to, _awaited }, answer)
    }

    /// Nobody has to wait for it any more, either.
    pub(super) fn send(self, answer: T) {
        let _ = self.to.send(answer);
    }

    #[cfg(test)]
    pub(super) fn to_nobody() -> Self {
        Self {
            to: oneshot::channel().0,
            _awaited: None,
        }
    }
}

impl Shared {
    pub(super) fn new(core: Core, options: &Options, version: Version) -> Self {
        let state = State {
            core,
            phase: Phase::Offline,
            wanted: Wanted::No,
            waker: None,
            routes: Routes::new(version, super::task::random()),
            stats: Stats::default(),
            closing: None,
            connecting: Connecting::default(),
            connected: None,
            publications: IdMap::default(),
            requests: IdMap::default(),
            lent: IdMap::default(),
            lent_len: 0,
            plain_len: 0,
            max_lent: options.large_payloads,
            large: options.transmit_buffer / 8,
            version,
            queue: Queue::new(options.offline, version),
            waiters: Waiters::default(),
            is_crowded: false,
            connection: 0,
            session: 0,
            session_since: 0,
            discarded: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            deliveries: Deliveries::default(),
            awaited: AtomicUsize::new(0),
            is_paused: AtomicBool::new(false),
            status: watch::Sender::new(Status::Idle { error: None }),
            zero: ::tokio::time::Instant::now(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time now, on the core's clock.
    pub(super) fn now(&self) -> Instant {
        Instant::default() + self.zero.elapsed()
    }

    /// A moment of the core's clock on tokio's.
    pub(super) fn tokio_instant(&self, instant: Instant) -> ::tokio::time::Instant {
        self.zero + instant.saturating_since(Instant::default())
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::SeqCst) > 0 || self.deliveries.is_awaited()
    }

    /// Somebody has begun to wait for the server: reception goes on. Not under the lock of the
    /// state.
    pub(super) fn awaits(&self) {
        if self.is_paused.load(Ordering::SeqCst) {
            self.lock().wake();
        }
    }

    /// Publishes, as soon as there is room and in the order of asking.
    pub(super) async fn publish(
        self: &Arc<Self>,
        message: &Message<'_>,
        payload: Option<&Bytes>,
    ) -> Result<Publication, PublishError> {
        let mut turn: Option<Turn> = None;
        poll_fn(|cx| {
            let mut state = self.lock();
            let is_next = match &turn {
                Some(turn) => state.waiters.stay(turn.ticket, cx.waker()),
                None => state.waiters.is_empty(),
            };
            if is_next {
                match state.publish(self, message, payload) {
                    Err(PublishError::Full) => {}
                    result => return Poll::Ready(result),
                }
            }
            if turn.is_none() {
                let ticket = state.waiters.join(cx.waker());
                drop(state);
                let awaited = Awaited::new(self);
                turn = Some(Turn { ticket, awaited });
            }
            Poll::Pending
        })
        .await
    }

    /// [`publish`](Self::publish) without waiting.
    pub(super) fn try_publish(
        self: &Arc<Self>,
        message: &Message<'_>,
    ) -> Result<Publication, PublishError> {
        let mut state = self.lock();
        if !state.waiters.is_empty() {
            return Err(PublishError::Full);
        }
        state.publish(self, message, None)
    }

    pub(super) fn acknowledge(&self, message: &mut Received, code: ReasonCode) {
        // Most messages have nothing to acknowledge, and need no lock.
        if message.packet_id.is_some() {
            self.lock().acknowledge(message, code);
        }
    }

    /// Not under the lock of the state: whoever looks at the status holds it fast, and may call
    /// the client meanwhile.
    pub(super) fn set_status(&self, status: Status) {
        self.status.send_replace(status);
    }
}

/// A place among those who wait for room. At its end the next one tries.
struct Turn {
    ticket: u64,
    awaited: Awaited,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.awaited.0.lock().waiters.leave(self.ticket);
    }
}

impl State {
    /// Wakes the task.
    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn publish(
        &mut self,
        shared: &Arc<Shared>,
        message: &Message<'_>,
        payload: Option<&Bytes>,
    ) -> Result<Publication, PublishError> {
        let publication = match self.phase {
            Phase::Closed => return Err(PublishError::Closed),
            Phase::Online if self.closing.is_some() => return Err(PublishError::Offline),
            Phase::Online if self.queue.is_empty() => self.hand_over(shared, message, payload)?,
            // Those that waited for the connection go first.
            Phase::Online => return Err(PublishError::Full),
            Phase::Offline => {
                let (payload, now) = (payload.cloned(), shared.now());
                let begin = || shared.deliveries.begin();
                let (key, dropped) = self.queue.push(message, payload, now, begin)?;
                for key in dropped {
                    // Whoever does not wait for it learns by the count.
                    shared.deliveries.end(key, Err(DeliveryError::Dropped));
                    self.stats.dropped += 1;
                }
                Publication::underway(None, Arc::clone(shared), key)
            }
        };
        self.stats.published += 1;
        Ok(publication)
    }

    /// Hands a message to the core.
    fn hand_over(
        &mut self,
        shared: &Arc<Shared>,
        message: &Message<'_>,
        payload: Option<&Bytes>,
    ) -> Result<Publication, PublishError> {
        let id = self.try_hand_over(message, payload);
        self.is_crowded |= message.qos == QoS::AtMostOnce && matches!(id, Err(Error::Full(_)));
        let publication = match id.map_err(refusal)? {
            None => Publication::DONE,
            Some(id) => {
                let key = shared.deliveries.begin();
                self.publications.insert(id, key);
                Publication::underway(Some(id), Arc::clone(shared), key)
            }
        };
        self.wake();
        Ok(publication)
    }

    fn try_hand_over(
        &mut self,
        message: &Message<'_>,
        payload: Option<&Bytes>,
    ) -> Result<Option<PacketId>, Error> {
        let bytes = payload.map_or(message.payload, |payload| payload);
        if bytes.len() < self.large {
            let whole = Message {
                payload: bytes,
                ..*message
            };
            match self.core.with(|core| core.publish(&whole)) {
                // Topic and properties may take the room that is left.
                Err(Error::Usage(UsageError::BufferTooSmall)) => {}
                result => return result,
            }
        }
        let is_plain = message.qos == QoS::AtMostOnce;
        // What is gathered for one write is soon enough followed by more.
        let is_full = self.lent_len > 0 && self.lent_len + bytes.len() > self.max_lent
            || is_plain && self.plain_len > 0 && self.plain_len + bytes.len() > Outgoing::LIMIT;
        if is_full {
            return Err(Error::Full(mqtt_core::Resource::Messages));
        }
        let head = Message {
            payload: &[],
            ..*message
        };
        let len = bytes.len();
        let id = self.core.with(|core| core.publish_lent(&head, len))?;
        let payload = payload.cloned();
        let payload = payload.unwrap_or_else(|| Bytes::copy_from_slice(message.payload));
        self.lent_len += len;
        self.plain_len += if is_plain { len } else { 0 };
        self.lent.insert(id, Large { payload, is_plain });
        Ok(Some(id))
    }

    /// Hands over what waited for the connection, as far as there is room.
    pub(super) fn hand_over_queue(&mut self, shared: &Shared, now: Instant) {
        while let Some(waiting) = self.queue.pop() {
            let result = waiting.hand_over(self.version, now, |message, payload| {
                self.try_hand_over(message, Some(payload))
            });
            if let Some(Err(Error::Full(_))) = result {
                self.queue.put_back(waiting);
                return;
            }
            if self.queue.is_empty() {
                self.waiters.wake();
            }
            let outcome = match result {
                Some(Ok(None)) => Ok(ReasonCode::Success),
                Some(Ok(Some(id))) => {
                    self.publications.insert(id, waiting.key);
                    continue;
                }
                None => {
                    self.stats.lost += 1;
                    Err(DeliveryError::Lost)
                }
                Some(Err(Error::Usage(error))) => {
                    self.stats.refused += 1;
                    Err(DeliveryError::Usage(error))
                }
                Some(Err(_)) => Err(DeliveryError::Closed),
            };
            shared.deliveries.end(waiting.key, outcome);
        }
    }

    /// True if there are payloads that lie outside of the core.
    pub(super) fn has_large(&self) -> bool {
        !self.lent.is_empty()
    }

    /// Takes what is to be sent from the core, with the payloads that lie outside of it.
    pub(super) fn gather(
        &mut self,
        shared: &Shared,
        outgoing: &mut Outgoing,
        is_vectored: bool,
        now: Instant,
    ) {
        while outgoing.room() > 0 {
            let copied = self.core.with(|core| {
                let bytes = core.transmit();
                let bytes = bytes.get(..outgoing.room()).unwrap_or(bytes);
                outgoing.copy(bytes);
                let n = bytes.len();
                core.transmitted(n, now);
                n
            });
            if copied > 0 {
                continue;
            }
            let Some(payload) = self.payload(Outgoing::LIMIT) else {
                return;
            };
            let n = payload.len();
            if is_vectored {
                outgoing.push(payload);
            } else {
                outgoing.copy(&payload);
            }
            self.payload_sent(shared, n, now);
        }
    }

    /// The part of a large payload that is to be sent next, no more than `max` bytes.
    fn payload(&mut self, max: usize) -> Option<Bytes> {
        let lent = self.core.with(|core| core.payload())?;
        let large = self.lent.get(&lent.id)?;
        let end = lent.offset + lent.left.min(max);
        (end <= large.payload.len()).then(|| large.payload.slice(lent.offset..end))
    }

    /// Notes that `n` bytes of a large payload were taken.
    fn payload_sent(&mut self, shared: &Shared, n: usize, now: Instant) {
        let Some(lent) = self.core.with(|core| core.payload()) else {
            return;
        };
        self.core.with(|core| core.transmitted(n, now));
        let is_plain = |large: &Large| large.is_plain;
        if n == lent.left && self.lent.get(&lent.id).is_some_and(is_plain) {
            self.resolve(shared, lent.id, Ok(ReasonCode::Success));
        }
    }

    /// A message of ours is through, or is not going to be.
    pub(super) fn resolve(&mut self, shared: &Shared, id: PacketId, outcome: Outcome) {
        match &outcome {
            Err(DeliveryError::Refused(_)) => self.stats.refused += 1,
            Err(DeliveryError::Lost) => self.stats.lost += 1,
            _ => {}
        }
        if !self.lent.is_empty() {
            if let Some(large) = self.lent.remove(&id) {
                let len = large.payload.len();
                self.lent_len -= len;
                self.plain_len -= if large.is_plain { len } else { 0 };
                self.waiters.wake();
            }
        }
        if let Some(key) = self.publications.remove(&id) {
            shared.deliveries.end(key, outcome);
        }
    }

    /// A message or a request of ours is lost.
    pub(super) fn lost(&mut self, shared: &Shared, id: PacketId) {
        match self.requests.remove(&id) {
            Some(request) => self.routes.unanswered(request),
            None => self.resolve(shared, id, Err(DeliveryError::Lost)),
        }
    }

    /// Makes the requests that are due.
    pub(super) fn request(&mut self) {
        let Self {
            core,
            routes,
            requests,
            ..
        } = self;
        core.with(|core| {
            routes.request(core, &mut |id, request| {
                requests.insert(id, request);
            });
        });
    }

    pub(super) fn answered(&mut self, id: PacketId) -> Option<Request> {
        self.requests.remove(&id)
    }

    /// How many messages are not through.
    pub(super) fn unfinished(&mut self) -> usize {
        let in_flight = usize::from(self.core.with(|core| core.in_flight()));
        let is_plain = |large: &&Large| large.is_plain;
        in_flight + self.lent.values().filter(is_plain).count() + self.queue.count()
    }

    pub(super) fn subscribe(
        &mut self,
        filters: &[Filter<'_>],
        inbox: Arc<Inbox>,
        answer: Option<SubscribeAnswer>,
    ) -> Result<u64, SubscribeError> {
        if self.phase == Phase::Closed {
            return Err(SubscribeError::Closed);
        }
        if filters.is_empty() {
            let error = UsageError::Encode(EncodeError::EmptyList);
            return Err(SubscribeError::Usage(error));
        }
        for filter in filters {
            if TopicFilter::new(filter.topic).is_err() {
                let error = UsageError::Encode(EncodeError::TopicFilter);
                return Err(SubscribeError::Usage(error));
            }
        }
        let key = self.routes.add(filters, inbox, answer);
        self.wake();
        Ok(key)
    }

    /// Ends a subscription. True if there is a connection, on which the server will confirm it.
    pub(super) fn unsubscribe(&mut self, key: u64, answer: Option<UnsubscribeAnswer>) -> bool {
        let is_online = self.phase == Phase::Online;
        self.routes.remove(key, answer.filter(|_| is_online));
        self.wake();
        is_online
    }

    pub(super) fn acknowledge(&mut self, message: &mut Received, code: ReasonCode) {
        let qos = message.qos;
        let Some(due) = message.receipt.take() else {
            return;
        };
        let epoch = if qos == QoS::ExactlyOnce {
            self.session
        } else {
            self.connection
        };
        // After the end of what it belongs to the identifier may stand for another message.
        if due.epoch != epoch {
            return;
        }
        self.accept(due.id, code);
        self.wake();
    }

    /// Acknowledges what nobody is going to take; it must not count for ever.
    pub(super) fn discard(&mut self) {
        for mut message in core::mem::take(&mut self.discarded) {
            self.acknowledge(&mut message, ReasonCode::Success);
        }
    }

    /// Acknowledges in the core.
    pub(super) fn accept(&mut self, id: PacketId, code: ReasonCode) {
        let ack = Ack {
            code,
            ..Ack::new(id)
        };
        self.core.with(|core| {
            // Fails only for a message that does not wait for it any more, or a code that is not
            // for this packet; without a reason it can always be said.
            if let Err(Error::Usage(UsageError::Encode(_))) = core.acknowledge_with(&ack) {
                let _ = core.acknowledge(id);
            }
        });
    }

    /// Asks for a connection.
    pub(super) fn connect(
        &mut self,
        wanted: Wanted,
        answer: Option<oneshot::Sender<Result<Connected, ConnectionError>>>,
    ) {
        self.wanted = self.wanted.max(wanted);
        // Those who have given up must not become more and more.
        self.connecting.0.retain(|answer| !answer.is_closed());
        self.connecting.0.extend(answer);
        self.wake();
    }

    /// Asks for an orderly end. The answer says whether all was through by then.
    pub(super) fn disconnect(
        &mut self,
        deadline: Instant,
        answer: oneshot::Sender<Result<(), DisconnectError>>,
    ) {
        let closing = self.closing.get_or_insert(Closing {
            deadline,
            is_patient: true,
            is_said: false,
            answers: Vec::new(),
        });
        closing.deadline = closing.deadline.min(deadline);
        closing.answers.push(answer);
        self.wake();
    }

    /// Those who wait for a connection, who are to be told.
    pub(super) fn take_connecting(&mut self) -> Connecting {
        core::mem::take(&mut self.connecting)
    }

    /// The end: nobody waits for anything any more.
    pub(super) fn close(&mut self, shared: &Shared) {
        self.phase = Phase::Closed;
        self.take_connecting();
        self.publications.clear();
        self.requests.clear();
        self.lent.clear();
        self.queue.clear();
        shared.deliveries.close();
        self.discarded.clear();
        self.routes.close();
        self.waiters.wake();
        self.closing = None;
    }
}

fn refusal(error: Error) -> PublishError {
    match error {
        Error::Full(_) => PublishError::Full,
        Error::Usage(error) => PublishError::Usage(error),
        // Not of a command.
        _ => PublishError::Closed,
    }
}
