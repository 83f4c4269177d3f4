use crate::config::{Acknowledgement, Config, Durability};
use crate::error::{Error, Resource, UsageError};
use crate::event::Event;
use crate::link::{Aliases, Control, Phase, Reading, Server, Timers};
use crate::session::{Due, Inbox, Outbox, State};
use crate::time::Instant;
use crate::wire::{
    Ack, AckKind, Body, EncodeError, Filter, List, PacketId, PacketType, Property, QoS, ReasonCode,
    Subscribe, Unsubscribe,
};
use crate::{Buffers, Inbound, V5, wire};

mod connection;
#[cfg(feature = "durability")]
mod durability;
mod input;
mod publish;

/// An MQTT client: the session, and one connection after the other.
///
/// - **Commands** return at once: [`connect`](Self::connect), [`publish`](Self::publish),
///   [`publish_lent`](Self::publish_lent), [`subscribe`](Self::subscribe),
///   [`unsubscribe`](Self::unsubscribe), [`acknowledge`](Self::acknowledge),
///   [`authenticate`](Self::authenticate), [`disconnect`](Self::disconnect),
///   [`abort`](Self::abort). One that fails has changed nothing.
/// - **Input**: [`process`](Self::process) takes received bytes and the time, and returns what
///   they mean. [`connection_lost`](Self::connection_lost) reports the end of the connection.
/// - **Output**: [`transmit`](Self::transmit) lends the bytes to send next,
///   [`transmitted`](Self::transmitted) says how many were sent. [`payload`](Self::payload) asks
///   for what stays with the application. [`poll_timeout`](Self::poll_timeout) is when to call
///   `process` even if nothing was received.
/// - **Durability**: [`journal`](Self::journal) gives what is to be on stable storage,
///   [`journaled`](Self::journaled) says that it is, [`restore`](Self::restore) takes it back.
/// - **Queries**: [`is_connected`](Self::is_connected), [`is_closed`](Self::is_closed),
///   [`in_flight`](Self::in_flight), [`send_quota`](Self::send_quota),
///   [`messages`](Self::messages), [`topic`](Self::topic), [`client_id`](Self::client_id),
///   [`authentication_method`](Self::authentication_method).
///
/// Any method may be called at any time, in any order, but `transmitted` right after the `transmit`
/// that it answers, and `journaled` right after the `journal`.
#[derive(Debug)]
pub struct Client<'b> {
    config: Config<'b>,
    // The session.
    outbox: Outbox<'b>,
    inbox: Inbox<'b>,
    /// Where the client identifier is that the server has assigned, and its length.
    assigned: &'b mut [u8],
    assigned_len: u16,
    /// Whether the server knew the session, until that is on stable storage.
    connected: Option<bool>,
    /// True until it is on stable storage that the connection has ended.
    disconnected: bool,
    /// True if it is on stable storage that there is a connection.
    is_recorded: bool,
    /// True if the messages that are being restored may have been sent.
    restored_online: bool,
    // The connection.
    phase: Phase,
    control: Control<'b>,
    timers: Timers,
    server: Server,
    aliases_in: Aliases<'b>,
    aliases_out: Aliases<'b>,
    reading: Reading,
    /// How much of the input was there at the last call already.
    seen: usize,
    /// The packet that must not be longer than this, as announced.
    maximum_packet_size: usize,
    /// The resources that something was refused for, and what the application is to be told; one bit
    /// each.
    notes: u8,
}

/// What one call of [`Client::process`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Step<'i> {
    /// How many bytes of the input are done with. They are not to be given again.
    pub consumed: usize,
    /// What happened, if anything.
    pub event: Option<Event<'i>>,
}

impl Step<'_> {
    /// True unless more input, output or time is needed first.
    #[must_use]
    pub const fn is_progress(&self) -> bool {
        self.consumed > 0 || self.event.is_some()
    }
}

impl<'b> Client<'b> {
    /// A client that is not connected, with an empty session.
    #[must_use]
    pub fn new(config: Config<'b>, buffers: Buffers<'b>) -> Self {
        let Buffers {
            tx,
            slots,
            inbound,
            aliases_in,
            aliases_out,
        } = buffers;
        let durable = config.durability.is_write_ahead();
        let inbox = Inbox::new(inbound, durable);
        let connect = connection::connect_len(&config, config.client_id, &inbox);
        let control = (tx.len() / 4)
            .min(Buffers::MAX_CONTROL)
            .max(Control::capacity_for(connect.unwrap_or(0)))
            .min(tx.len());
        let (control, arena) = tx.split_at_mut(control);
        Self {
            config,
            outbox: Outbox::new(arena, slots, config.version, durable),
            inbox,
            assigned: &mut [],
            assigned_len: 0,
            connected: None,
            disconnected: false,
            is_recorded: false,
            restored_online: false,
            phase: Phase::Offline,
            control: Control::new(control),
            timers: Timers::new(),
            server: Server::UNLIMITED,
            aliases_in: Aliases::new(aliases_in),
            aliases_out: Aliases::new(aliases_out),
            reading: Reading::Packet,
            seen: 0,
            maximum_packet_size: usize::MAX,
            notes: 0,
        }
    }

    /// Asks for messages. [`Event::Subscribed`] brings the answer.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room now, [`UsageError::NotConnected`], or that a filter or
    /// an option breaks a rule of the protocol or a limit of the server.
    pub fn subscribe(&mut self, filters: &[Filter<'_>]) -> Result<PacketId, Error> {
        self.subscribe_with(filters, &[])
    }

    /// [`subscribe`](Self::subscribe) with properties: a subscription identifier, user
    /// properties.
    ///
    /// # Errors
    /// Those of [`subscribe`](Self::subscribe).
    pub fn subscribe_with(
        &mut self,
        filters: &[Filter<'_>],
        properties: &[Property<'_>],
    ) -> Result<PacketId, Error> {
        if V5 {
            self.server.check_subscription(filters, properties)?;
        }
        let packet = |packet_id| Subscribe {
            packet_id,
            properties: List::from(properties),
            filters: List::from(filters),
        };
        self.request(PacketType::Subscribe, filters.len(), packet)
    }

    /// Ends subscriptions. [`Event::Unsubscribed`] brings the answer.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room now, [`UsageError::NotConnected`], or that a filter
    /// breaks a rule of the protocol.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<PacketId, Error> {
        self.unsubscribe_with(filters, &[])
    }

    /// [`unsubscribe`](Self::unsubscribe) with user properties.
    ///
    /// # Errors
    /// Those of [`unsubscribe`](Self::unsubscribe).
    pub fn unsubscribe_with(
        &mut self,
        filters: &[&str],
        properties: &[Property<'_>],
    ) -> Result<PacketId, Error> {
        let packet = |packet_id| Unsubscribe {
            packet_id,
            properties: List::from(properties),
            filters: List::from(filters),
        };
        self.request(PacketType::Unsubscribe, filters.len(), packet)
    }

    fn request<B: Body>(
        &mut self,
        kind: PacketType,
        filters: usize,
        packet: impl FnOnce(PacketId) -> B,
    ) -> Result<PacketId, Error> {
        if self.phase != Phase::Online {
            return Err(UsageError::NotConnected.into());
        }
        let max = self.max_transmit();
        let version = self.config.version;
        let control = &mut self.control;
        let push = |id| control.push(&packet(id), version, max);
        let result = self.outbox.request(kind, filters, push);
        self.note_refusal(&result);
        result
    }

    /// Queues a packet, if the server takes it.
    fn push(&mut self, packet: &dyn Body) -> Result<(), Error> {
        let max = self.max_transmit();
        let result = self.control.push(packet, self.config.version, max);
        self.note_refusal(&result);
        result
    }

    /// Acknowledges a received message, in [`Acknowledgement::Manual`] mode. The order is free;
    /// what is sent keeps the order of arrival `[MQTT-4.6.0-2]`.
    ///
    /// # Errors
    /// [`UsageError::UnknownPacketId`] if no such message waits. After a lost connection that is
    /// so for QoS 1: the server sends the message again.
    pub fn acknowledge(&mut self, id: PacketId) -> Result<(), Error> {
        self.acknowledge_with(&Ack::new(id))
    }

    /// [`acknowledge`](Self::acknowledge) with a reason, an error for one to turn the message down,
    /// and properties; 5.0 only. Also in [`Acknowledgement::Automatic`] mode, before the next call
    /// to [`process`](Self::process).
    ///
    /// # Errors
    /// Those of [`acknowledge`](Self::acknowledge), or that the packet breaks a rule of the
    /// protocol. Properties are not kept: with these, [`UsageError::OutOfOrder`] unless the
    /// acknowledgement can be queued at once, and [`Error::Full`] if there is no room for it.
    pub fn acknowledge_with(&mut self, ack: &Ack<'_>) -> Result<(), Error> {
        let message = self
            .inbox
            .unaccepted(ack.packet_id)
            .ok_or(UsageError::UnknownPacketId)?;
        let (qos, is_next) = (message.qos, message.is_next);
        let packet = match qos {
            QoS::ExactlyOnce => PacketType::PubRec,
            _ => PacketType::PubAck,
        };
        let version = self.config.version;
        wire::encoded_len(wire::encodable(&AckKind(packet, ack)), version)?;
        // This one is the server's to say (3.4.2.1, 3.5.2.1).
        if ack.code == ReasonCode::NoMatchingSubscribers {
            return Err(EncodeError::ReasonCode.into());
        }
        if ack.properties.is_empty() {
            self.inbox.accept(message, ack.code);
        } else {
            let wants_record = self.is_durable() && qos == QoS::ExactlyOnce;
            if !is_next || wants_record && !ack.code.is_error() || !self.may_settle() {
                return Err(UsageError::OutOfOrder.into());
            }
            self.push(&AckKind(packet, ack))?;
            self.inbox.accept(message, ack.code);
            self.inbox.pop();
        }
        self.settle();
        Ok(())
    }

    /// Reads from the front of `input`, at most one packet, and does what is due `now`.
    ///
    /// Call it again, with the input less [`consumed`](Step::consumed), as long as
    /// [`is_progress`](Step::is_progress). Then it wants more input than it was shown, or that
    /// [`transmit`](Self::transmit) is sent first, or, before 5.0, that the application
    /// acknowledges something. `process(&[], now)` looks at the time only.
    ///
    /// Report what was sent with [`transmitted`](Self::transmitted) before showing what was
    /// received after.
    ///
    /// # Errors
    /// [`Error::Peer`] and [`Error::Timeout`] end the connection: send what `transmit` still
    /// holds, close the transport, and call [`connection_lost`](Self::connection_lost).
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub fn process<'i>(&mut self, input: &'i [u8], now: Instant) -> Result<Step<'i>, Error> {
        let mut event = None;
        let consumed = self.step(input, now, self.config.max_whole, &mut event)?;
        Ok(Step { consumed, event })
    }

    /// [`process`](Self::process) for a receive buffer of this capacity. An event is large: it is
    /// written once, to where it is wanted. Returns how many bytes of the input are done with.
    pub(crate) fn step<'i>(
        &mut self,
        input: &'i [u8],
        now: Instant,
        capacity: usize,
        event: &mut Option<Event<'i>>,
    ) -> Result<usize, Error> {
        self.timers.set_now(now);
        if input.len() > self.seen {
            self.timers.received();
        }
        if self.config.acknowledgement == Acknowledgement::Automatic {
            self.inbox.accept_last();
        }
        self.settle();
        if matches!(self.phase, Phase::Offline | Phase::Connecting) {
            self.outbox.expire(self.timers.seconds());
        }
        if self.has_pending_event() {
            *event = self.pending_event();
            return Ok(0);
        }
        let capacity = capacity.min(self.config.max_whole);
        let read = match self.phase {
            Phase::Offline => return Ok(0),
            Phase::Closed => Ok(input.len()),
            _ if input.is_empty() && !self.is_connack_due() => Ok(0),
            _ => self.read(input, capacity, event),
        };
        let read = read.and_then(|consumed| {
            if consumed == 0 && event.is_none() {
                self.timers.check()?;
            }
            Ok(consumed)
        });
        match read {
            Ok(consumed) => {
                if !input.is_empty() {
                    self.seen = input.len() - consumed;
                }
                Ok(consumed)
            }
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    /// The bytes to send next; empty if there are none. They may be sent in part.
    ///
    /// Report what was sent with [`transmitted`](Self::transmitted) before any other call: after
    /// one, other bytes may come first.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        match self.source() {
            Source::Control => self.control.unsent(),
            Source::Messages => self.outbox.transmit(),
            Source::RestOfControl => self.control.rest_of_packet(),
            Source::RestOfMessage => self.outbox.rest_of_packet(),
            Source::Nothing => &[],
        }
    }

    /// Notes that the first `n` bytes of [`transmit`](Self::transmit) were sent.
    pub fn transmitted(&mut self, n: usize, now: Instant) {
        self.timers.set_now(now);
        if n == 0 {
            return;
        }
        match self.source() {
            Source::Control | Source::RestOfControl => {
                self.control.advance(n);
                if self.control.is_empty() {
                    self.timers.queue_left();
                }
                self.room_returned(Resource::Control.bit());
            }
            Source::Messages | Source::RestOfMessage => {
                let room = self.outbox.room();
                if self.outbox.transmitted(n) {
                    self.room_returned(Resource::Slots.bit());
                }
                if self.outbox.room() > room || self.outbox.has_holes() {
                    self.room_returned(Resource::Messages.bit());
                }
                self.admit_next();
            }
            Source::Nothing => return,
        }
        self.timers.sent();
        // DISCONNECT was the last of them.
        if self.phase == Phase::Closing && self.control.is_empty() {
            self.close();
        }
        self.settle();
    }

    /// When to call [`process`](Self::process) even if nothing was received; `None` for never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.has_pending_event() {
            return Some(self.timers.now());
        }
        match self.phase {
            Phase::Offline => self.outbox.expiry().map(|expiry| self.timers.at(expiry)),
            _ => self.timers.deadline(),
        }
    }

    /// The packets that are kept: messages, in two parts, and what else is to be sent. `Debug` hides
    /// them, and the exploration has to tell clients apart by all that they are.
    #[doc(hidden)]
    #[must_use]
    pub fn packets(&self) -> [&[u8]; 3] {
        let [older, newer] = self.outbox.packets();
        [older, newer, self.control.unsent()]
    }

    /// True from CONNACK to the end of the connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Online
    }

    /// True if there is nothing left to send or receive and the transport is to be closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed && self.source() == Source::Nothing
    }

    /// The method of [`Config::properties`] for an extended authentication.
    #[must_use]
    pub fn authentication_method(&self) -> Option<&'b str> {
        self.method()
    }

    /// What the session survives, as configured.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.config.durability
    }

    fn is_durable(&self) -> bool {
        self.config.durability.is_write_ahead()
    }

    /// True if it is to be recorded first that the server has accepted the connection.
    fn is_connack_due(&self) -> bool {
        self.is_durable() && self.connected.is_some()
    }

    /// The number of messages above QoS 0 that were handed over and are not through yet.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.outbox.kept()
    }

    /// How many messages above QoS 0 may be handed over now, as far as slots and the server's
    /// Receive Maximum go `[MQTT-4.9.0-2]`; their bytes must fit, too.
    #[must_use]
    pub fn send_quota(&self) -> u16 {
        let vacancies = self.outbox.vacancies();
        match self.phase {
            Phase::Online => {
                vacancies.min(self.server.receive_maximum.saturating_sub(self.in_flight()))
            }
            _ => vacancies,
        }
    }

    /// The number of received messages above QoS 0 that wait to be acknowledged.
    #[must_use]
    pub const fn unacknowledged(&self) -> u16 {
        self.inbox.len()
    }

    /// The number of received QoS 2 messages that the server has not released, by PUBREL.
    #[must_use]
    pub const fn unreleased(&self) -> u16 {
        self.inbox.received()
    }

    /// Has this many received messages wait to be acknowledged before others above QoS 0, and
    /// whatever is behind them, are left on the wire. At most, and at first, it is the number of
    /// [`Buffers::inbound`].
    pub fn set_max_unacknowledged(&mut self, n: u16) {
        self.inbox.set_max_len(n);
    }

    /// Moves what is known of received messages to more [`Buffers::inbound`], for a server that has
    /// more QoS 2 messages in flight than it was told. Nothing else changes, neither the Receive
    /// Maximum nor [how many may wait](Self::set_max_unacknowledged); nothing at all if these are
    /// not more.
    pub fn extend_inbound(&mut self, cells: &'b mut [Inbound]) {
        self.inbox.extend(cells);
    }

    /// Where the next bytes come from. A packet sent in part comes first, then packets other than
    /// PUBLISH, but for the DISCONNECT of an orderly end, which comes after all messages.
    #[inline]
    fn source(&self) -> Source {
        let control = !self.control.is_empty();
        if control && self.outbox.is_partial() {
            return Source::RestOfMessage;
        }
        if control && self.phase != Phase::Closing {
            return Source::Control;
        }
        let messages = self.is_sending() && !self.is_connack_due() && self.outbox.has_unsent();
        match (messages, control) {
            (true, true) if self.control.is_partial() => Source::RestOfControl,
            (true, _) => Source::Messages,
            (false, true) => Source::Control,
            (false, false) => Source::Nothing,
        }
    }

    /// The largest packet that the server takes.
    const fn max_transmit(&self) -> usize {
        if V5 {
            self.server.maximum_packet_size as usize
        } else {
            usize::MAX
        }
    }

    /// True if packets have properties and more reason codes.
    const fn is_v5(&self) -> bool {
        self.config.version.is_v5()
    }

    const fn note_refusal<T>(&mut self, result: &Result<T, Error>) {
        if let Err(Error::Full(resource)) = result {
            self.notes |= resource.bit();
        }
    }

    /// There is room again in `resources`, one bit each.
    const fn room_returned(&mut self, resources: u8) {
        if self.notes & resources != 0 {
            self.notes |= WRITABLE;
        }
    }

    fn has_pending_event(&self) -> bool {
        self.notes & ABORTED != 0
            || self.outbox.count(State::Lost) > 0
            || self.notes & WRITABLE != 0 && !matches!(self.phase, Phase::Closed)
    }

    /// What happened without input.
    fn pending_event<'i>(&mut self) -> Option<Event<'i>> {
        if self.notes & ABORTED != 0 {
            self.notes &= !ABORTED;
            return Some(Event::Aborted);
        }
        if let Some(id) = self.outbox.take_lost() {
            self.room_returned(RELEASED);
            return Some(Event::Lost(id));
        }
        self.notes = 0;
        Some(Event::Writable)
    }

    /// True if messages may be sent.
    const fn is_sending(&self) -> bool {
        matches!(self.phase, Phase::Online | Phase::Closing)
    }

    /// Lets waiting messages be sent. After `disconnect` they stay for the next connection.
    fn admit(&mut self) {
        if self.phase == Phase::Online {
            self.admit_next();
        }
    }

    /// Lets messages be sent that wait, if only for those before them.
    fn admit_next(&mut self) {
        if self.outbox.waiting() > 0 && !self.is_connack_due() {
            self.outbox
                .admit(self.server.receive_maximum, self.timers.seconds());
        }
    }

    /// True if acknowledgements may be queued.
    fn may_settle(&self) -> bool {
        self.phase == Phase::Online && !self.is_connack_due()
    }

    /// Queues what is due: acknowledgements, PUBREL, PINGREQ. To be called after whatever may have
    /// made something due, or room for it.
    #[inline]
    fn settle(&mut self) {
        if self.phase != Phase::Online {
            return;
        }
        if self.has_due() {
            self.answer_all();
        }
        if self.timers.wants_ping() {
            self.control
                .push_bytes(&[PacketType::PingReq.first_byte(), 0]);
            self.timers.ping_queued();
        }
    }

    /// True if an acknowledgement may be due.
    fn has_due(&self) -> bool {
        !self.inbox.is_idle() || self.outbox.count(State::Releasing) > 0
    }

    // On its own, so that finding out that there is nothing to do is a few instructions in place.
    #[inline(never)]
    fn answer_all(&mut self) {
        while self.has_due() && self.may_settle() && self.control.has_room() {
            if let Some(due) = self.inbox.take_due() {
                if let Due::Acknowledge(packet, id, code) = due {
                    self.answer_with(packet, id, code);
                }
            } else if let Some(id) = self.outbox.releasing() {
                self.answer_with(PacketType::PubRel, id, ReasonCode::Success);
                self.outbox.released();
            } else if let Some(id) = self.inbox.completing() {
                self.answer_with(PacketType::PubComp, id, ReasonCode::Success);
                self.inbox.completed();
            } else {
                break;
            }
        }
    }

    /// Queues an acknowledgement, but never behind our DISCONNECT `[MQTT-3.14.4-1]`.
    fn answer_with(&mut self, packet: PacketType, id: PacketId, code: ReasonCode) {
        if self.phase == Phase::Online {
            self.control.push_ack(packet.first_byte(), id, code);
        }
    }
}

/// A message of which a part was delivered is not going on.
const ABORTED: u8 = 1;

/// There is room again in a resource that something was refused for.
const WRITABLE: u8 = 1 << 7;

/// What a message gives back at its end.
const RELEASED: u8 = Resource::Slots.bit() | Resource::Window.bit() | Resource::Messages.bit();

/// Where the bytes to send come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    Control,
    Messages,
    /// The rest of a packet that was sent in part, before anything else.
    RestOfControl,
    RestOfMessage,
    Nothing,
}
