//! One client, and what calls ask of it. [`connection`] has what the background task does for it.

use mqtt_core::wire::{PacketId, QoS};
use mqtt_core::{Instant, Message};

use core::mem::MaybeUninit;
use core::ptr;
use core::time::Duration;

use crate::config::Kept;
use crate::error::{Failure, Trouble};
use crate::events::Events;
use crate::ffi::Handle;
use crate::incoming::{Incoming, Limits};
use crate::journal::{Journal, durable};
use crate::memory::{CText, Core};
use crate::port::{Foreign, Heap, Stream, Target};
use crate::socket::{Rx, Socket};
use crate::wait::{For, Waiters};

mod connection;

/// How long an end may take that was asked for: messages in flight, then DISCONNECT.
pub(crate) const END_TIME: u32 = 10_000;
const DRAIN_TIME: u64 = 8_000;
/// How many messages may lie with the application.
const LENT: usize = 4;

/// A client. The block of memory that it is in begins with its handle.
#[repr(C)]
pub(crate) struct Client {
    pub(crate) handle: Handle,
    pub(crate) next: Option<&'static mut Self>,
    pub(crate) id: u32,
    pub(crate) kept: &'static Kept,
    pub(crate) core: &'static mut Core,
    pub(crate) trouble: Trouble,
    target: &'static Target,
    rx: Rx,
    /// For WebSocket only.
    socket: Option<Socket>,
    journal: Option<Journal>,
    events: Events,
    incoming: Incoming,
    /// Payloads that lie with the application: none is sent twice at the same time.
    lent: [Option<Lent>; LENT],
    /// True if the session has a message whose payload is gone: it cannot go on.
    is_spoilt: bool,
    stream: Option<Stream>,
    state: State,
    /// When the state ends by itself.
    deadline: Instant,
    /// True from CONNACK to the event that says that the connection is over.
    is_up: bool,
    /// True if the application was told of it.
    is_told: bool,
    /// True if that end was asked for.
    is_asked: bool,
    /// True if it is to connect again once it is closed.
    is_wanted: bool,
    /// True if it connects again by itself.
    is_automatic: bool,
    /// How often that was tried in a row, and how long it was waited for last.
    failures: u8,
    waited: Duration,
    up_since: Instant,
    /// Why nothing more can be sent; what was received still counts.
    broken: Option<Failure>,
    /// What a call has found wrong with the connection.
    verdict: Option<Failure>,
    /// True if what was received waits for the event task, or for memory.
    is_held_up: bool,
    /// The request that nobody waits for any more.
    abandoned: Option<PacketId>,
    /// True if `deinit` was called: nobody finds it any more.
    dying: Dying,
    /// What `handle.client` points to, one or the other.
    tokens: [u8; 2],
}

/// A payload that lies with the application, or did.
struct Lent {
    id: PacketId,
    bytes: Payload,
    /// True if it is through once it is sent.
    is_sent_once: bool,
}

enum Payload {
    /// A call waits until it is through.
    Theirs(Foreign),
    /// The call is over, and the message is not.
    Copied(Heap),
}

impl Payload {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Theirs(bytes) => bytes.bytes(),
            Self::Copied(bytes) => bytes.as_bytes(),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Nothing is going on.
    Idle,
    /// Waits to connect again by itself.
    Pausing,
    /// Is to be opened.
    Starting,
    /// Name, TCP and TLS.
    Opening,
    /// The WebSocket handshake.
    Upgrading,
    /// CONNECT was sent.
    Greeting,
    Online,
    /// Is to be closed: messages in flight have some time left.
    Draining,
    /// DISCONNECT is on its way.
    Closing,
    /// Waits for the server to close its side, or what it has sent would make a reset of ours.
    Lingering,
    /// Is to be closed at once.
    Aborting,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dying {
    No,
    /// `deinit` is at work.
    Yes,
    /// `deinit` has left it to the background task.
    Orphan,
}

/// What a client needs of the rest while it is looked after.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) waiters: &'a mut Waiters,
}

/// What the background task does next for a client.
pub(crate) enum Next {
    /// Calls `step` of the stream, without the lock.
    Step(Stream),
    /// Comes back at this time, or when something happens.
    At(Option<Instant>),
}

impl Client {
    /// Makes a client in its place.
    #[inline(never)]
    pub(crate) fn put(
        place: &'static mut MaybeUninit<Self>,
        id: u32,
        kept: &'static Kept,
        target: &'static Target,
        core: &'static mut Core,
        [rx, frames]: [&'static mut [u8]; 2],
        events: Events,
    ) -> &'static mut Self {
        let socket = kept.endpoint.websocket.then(|| Socket::new(frames));
        let text = |text: Option<CText>| text.map_or(ptr::null(), CText::as_ptr);
        place.write(Self {
            handle: Handle {
                client: ptr::null(),
                config: ptr::from_ref(target).cast(),
                uri: kept.uri.as_ptr(),
                client_id: kept.client_id.as_ptr(),
                username: text(kept.username),
                password: text(kept.password),
                ca: text(kept.ca),
                cert: text(kept.cert),
                key: text(kept.key),
                alpn: target.alpn,
                will_topic: text(kept.will_topic),
                will_msg: text(kept.will_msg),
            },
            next: None,
            id,
            kept,
            core,
            trouble: Trouble::NONE,
            target,
            rx: Rx::new(rx),
            socket,
            journal: None,
            events,
            incoming: Incoming::None,
            lent: [const { None }; LENT],
            is_spoilt: false,
            stream: None,
            state: State::Idle,
            deadline: Instant::default(),
            is_up: false,
            is_told: false,
            is_asked: false,
            is_wanted: false,
            is_automatic: false,
            failures: 0,
            waited: Duration::ZERO,
            up_since: Instant::default(),
            broken: None,
            verdict: None,
            is_held_up: false,
            abandoned: None,
            dying: Dying::No,
            tokens: [0; 2],
        })
    }

    /// Gives the handle another value for events to be compared with.
    pub(crate) fn new_token(&mut self) {
        let [a, b] = &self.tokens;
        let (a, b) = (ptr::from_ref(a).cast(), ptr::from_ref(b).cast());
        self.handle.client = if self.handle.client == a { b } else { a };
    }

    fn limits(&self) -> Limits {
        Limits {
            message: self.kept.shape.max_message,
            part: self.kept.shape.part,
        }
    }

    /// Takes back the session that is in a journal, and keeps it there from now on.
    pub(crate) fn keep(&mut self, mut journal: Journal) -> Result<(), Failure> {
        // A head, and what the transmit buffer holds, or an identifier of the server's.
        let longest = self.kept.shape.tx.saturating_add(4);
        journal.restore(self.core, longest)?;
        self.journal = Some(journal);
        self.save()
    }

    /// Has in the journal what the core waits for. An error ends the connection.
    pub(crate) fn save(&mut self) -> Result<(), Failure> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let saved = journal.save(self.core);
        if let Err(failure) = saved {
            self.verdict = Some(failure);
        }
        saved
    }

    /// True if payloads may lie with the application: they cannot be in a journal.
    pub(crate) const fn may_lend(&self) -> bool {
        self.journal.is_none()
    }

    pub(crate) fn is_dying(&self) -> bool {
        self.dying != Dying::No
    }

    pub(crate) fn is_orphan(&self) -> bool {
        self.dying == Dying::Orphan
    }

    /// Marks it for `deinit`: nobody finds it any more.
    pub(crate) fn begin_to_die(&mut self) {
        self.dying = Dying::Yes;
    }

    /// Leaves the rest to the background task.
    pub(crate) fn leave_to_task(&mut self) {
        self.dying = Dying::Orphan;
    }

    pub(crate) fn is_online(&self) -> bool {
        self.state == State::Online && self.verdict.is_none()
    }

    /// True if there is no stream, and none is to be opened.
    pub(crate) fn is_closed(&self) -> bool {
        self.stream.is_none() && matches!(self.state, State::Idle | State::Pausing)
    }

    /// Begins to connect, unless it is on the way. False if there is a connection already.
    pub(crate) fn ask_to_connect(&mut self, now: Instant) -> bool {
        match self.state {
            State::Online => return false,
            State::Idle | State::Pausing => self.start(now),
            State::Draining | State::Closing | State::Lingering | State::Aborting => {
                self.is_wanted = true;
            }
            State::Starting | State::Opening | State::Upgrading | State::Greeting => {}
        }
        true
    }

    /// Begins to close. False if there is nothing to wait for.
    pub(crate) fn ask_to_close(&mut self, now: Instant) -> bool {
        self.is_automatic = false;
        self.is_wanted = false;
        match self.state {
            State::Idle => return false,
            State::Pausing => {
                self.state = State::Idle;
                return false;
            }
            State::Online => {
                self.is_asked = true;
                self.state = State::Draining;
                self.deadline = now + Duration::from_millis(DRAIN_TIME);
            }
            State::Starting | State::Opening | State::Upgrading | State::Greeting => {
                self.is_asked = true;
                self.state = State::Aborting;
            }
            State::Draining | State::Closing | State::Lingering | State::Aborting => {}
        }
        true
    }

    /// Has the connection ended, as a call has waited in vain.
    pub(crate) fn give_up(&mut self, failure: Failure) {
        if self.is_up {
            self.verdict = Some(failure);
        }
    }

    /// Nobody waits for this any more: a payload is the application's again.
    pub(crate) fn forget(&mut self, reason: For) {
        if let For::Answer(id) = reason {
            self.abandon(id);
            self.abandoned = Some(id);
        }
    }

    /// Begins anew: without a session, as another client for those who compare.
    pub(crate) fn renew(&mut self) {
        self.renew_session();
        self.events.forget_messages();
        self.new_token();
    }

    fn renew_session(&mut self) {
        self.core
            .renew(durable(self.kept.core(), self.journal.is_some()));
        if let Some(journal) = &mut self.journal {
            journal.forget();
        }
        self.lent = [const { None }; LENT];
        self.is_spoilt = false;
        self.incoming = Incoming::None;
    }

    /// Notes that a message's payload lies with the application. False if too many do.
    pub(crate) fn lend(
        &mut self,
        message: &Message<'_>,
        bytes: Foreign,
    ) -> Result<PacketId, mqtt_core::Error> {
        let Some(place) = self.lent.iter_mut().find(|place| place.is_none()) else {
            return Err(mqtt_core::Resource::Slots.into());
        };
        let message = Message {
            payload: &[],
            ..*message
        };
        let id = self.core.publish_lent(&message, bytes.len())?;
        *place = Some(Lent {
            id,
            bytes: Payload::Theirs(bytes),
            is_sent_once: message.qos == QoS::AtMostOnce,
        });
        Ok(id)
    }

    /// Takes a payload back whose message is through. It must not be looked at from now on.
    fn take_back(&mut self, id: PacketId) {
        for place in &mut self.lent {
            if place.as_ref().is_some_and(|lent| lent.id == id) {
                *place = None;
            }
        }
    }

    /// Gives a payload back to the application though its message is not through. With QoS 0, the
    /// message goes with the connection; else the session keeps a copy or, without memory, ends.
    fn abandon(&mut self, id: PacketId) {
        let is_this = |place: &&mut Option<Lent>| place.as_ref().is_some_and(|lent| lent.id == id);
        let Some(place) = self.lent.iter_mut().find(is_this) else {
            return;
        };
        let Some(lent) = place.as_mut().filter(|lent| !lent.is_sent_once) else {
            *place = None;
            return;
        };
        if let Payload::Theirs(bytes) = lent.bytes {
            match Heap::copy(bytes.bytes()) {
                Some(copy) => lent.bytes = Payload::Copied(copy),
                None => {
                    *place = None;
                    self.is_spoilt = true;
                }
            }
        }
    }

    /// [`abandon`](Self::abandon) for all whose calls are not to wait for another connection.
    fn abandon_all(&mut self, reconnects: bool, waiters: &mut Waiters) {
        for place in 0..LENT {
            let lent = self.lent.get(place).and_then(Option::as_ref);
            if let Some(lent) = lent.filter(|lent| lent.is_sent_once || !reconnects) {
                let id = lent.id;
                self.abandon(id);
                waiters.complete(self.id, For::Answer(id), Failure::CUT.code().0);
            }
        }
    }

    /// Gives all payloads back, for good.
    pub(crate) fn forget_payloads(&mut self) {
        self.lent = [const { None }; LENT];
    }

    /// How many ends of connections the event task has yet to be told of.
    pub(crate) fn owed(&mut self) -> usize {
        self.events.forget_messages()
    }
}
