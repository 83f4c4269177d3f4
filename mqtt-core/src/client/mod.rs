use core::mem;

use crate::config::{Acknowledgement, Config, Durability, OwnProperties};
use crate::error::{Error, PeerError, Resource, UsageError};
use crate::event::Event;
use crate::link::{Aliases, Control, Phase, Reading, Server, Timers};
use crate::session::{Due, Inbox, Outbox, State};
use crate::time::Instant;
use crate::wire::{
    Ack, AckKind, Auth, Body, Disconnect, EncodeError, Filter, List, Packet, PacketId, PacketType,
    Property, QoS, ReasonCode, Subscribe, Unsubscribe, Version,
};
use crate::{Buffers, wire};

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
/// that it answers.
#[derive(Debug)]
pub struct Client<'b> {
    config: Config<'b>,
    // The session.
    outbox: Outbox<'b>,
    inbox: Inbox<'b>,
    /// The client identifier that the server has assigned.
    assigned: &'b mut [u8],
    /// Whether the server knew the session, until that is on stable storage.
    connected: Option<bool>,
    /// True until it is on stable storage that the connection has ended.
    disconnected: bool,
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
    // What the application is to be told.
    aborted: bool,
    /// The resources that something was refused for, one bit each.
    refused: u8,
    /// True if one of them has room again.
    writable: bool,
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

impl<'i> Step<'i> {
    const NOTHING: Self = Self {
        consumed: 0,
        event: None,
    };

    /// True unless more input, output or time is needed first.
    #[must_use]
    pub const fn is_progress(&self) -> bool {
        self.consumed > 0 || self.event.is_some()
    }

    const fn event(event: Event<'i>) -> Self {
        Self {
            consumed: 0,
            event: Some(event),
        }
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
        let durable = config.durability == Durability::WriteAhead;
        let inbox = Inbox::new(inbound, durable);
        let connect = connect_len(&config, config.client_id, &inbox);
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
            connected: None,
            disconnected: false,
            restored_online: false,
            phase: Phase::Offline,
            control: Control::new(control),
            timers: Timers::default(),
            server: Server::UNLIMITED,
            aliases_in: Aliases::new(aliases_in),
            aliases_out: Aliases::new(aliases_out),
            reading: Reading::Packet,
            seen: 0,
            maximum_packet_size: usize::MAX,
            aborted: false,
            refused: 0,
            writable: false,
        }
    }

    /// Changes the configuration for the next [`connect`](Self::connect).
    ///
    /// # Errors
    /// [`UsageError::AlreadyConnected`] during a connection, [`UsageError::InFlight`] for another
    /// version, durability or client identifier while there are messages of the session, and
    /// [`UsageError::BufferTooSmall`] if CONNECT becomes too long for what was set aside for it at
    /// first.
    pub fn reconfigure(&mut self, config: Config<'b>) -> Result<(), Error> {
        if self.phase != Phase::Offline {
            return Err(UsageError::AlreadyConnected.into());
        }
        let Config {
            version,
            durability,
            ..
        } = config;
        let client_id = own_client_id(&config, self.assigned);
        let is_same = version == self.config.version
            && durability == self.config.durability
            && client_id == self.client_id();
        if !is_same && self.has_session() {
            return Err(UsageError::InFlight.into());
        }
        let connect = connect_len(&config, client_id, &self.inbox);
        if connect.is_ok_and(|len| !self.control.can_hold(len)) {
            return Err(UsageError::BufferTooSmall.into());
        }
        let durable = durability == Durability::WriteAhead;
        self.outbox.configure(version, durable);
        self.inbox.configure(durable);
        if config.acknowledgement == Acknowledgement::Automatic {
            // Nobody will acknowledge what was left to the application.
            self.inbox.connection_lost(false);
        }
        self.config = config;
        Ok(())
    }

    /// Begins a connection over a transport that has just been opened.
    ///
    /// # Errors
    /// [`UsageError::AlreadyConnected`], or that CONNECT cannot be written from this
    /// configuration or does not fit the transmit buffer.
    pub fn connect(&mut self, now: Instant) -> Result<(), Error> {
        self.try_connect(None, now)
    }

    /// [`connect`](Self::connect) with the data that begins an extended authentication. Its
    /// method is one of [`Config::properties`]; 5.0 only.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect), [`UsageError::Authentication`] without a method, and
    /// [`UsageError::BufferTooSmall`] if the data leave CONNECT no room in its part of the transmit
    /// buffer.
    pub fn connect_with(&mut self, authentication_data: &[u8], now: Instant) -> Result<(), Error> {
        if self.method().is_none() {
            return Err(UsageError::Authentication.into());
        }
        self.try_connect(Some(authentication_data), now)
    }

    fn try_connect(
        &mut self,
        authentication_data: Option<&[u8]>,
        now: Instant,
    ) -> Result<(), Error> {
        if self.phase != Phase::Offline {
            return Err(UsageError::AlreadyConnected.into());
        }
        self.timers.set_now(now);
        let config = self.config;
        let mut maximum_packet_size = u32::MAX;
        for property in config.properties {
            match *property {
                Property::SessionExpiryInterval(_)
                | Property::ReceiveMaximum(_)
                | Property::TopicAliasMaximum(_) => return Err(UsageError::Property.into()),
                Property::MaximumPacketSize(size) => maximum_packet_size = size,
                _ => {}
            }
        }
        let mut own: OwnProperties<'_> = [Property::ReceiveMaximum(1); 4];
        let client_id = own_client_id(&config, self.assigned);
        let inbound = self.inbox.capacity();
        let connect = config.connect(client_id, inbound, authentication_data, &mut own);
        self.control.push(&connect, config.version, usize::MAX)?;
        self.maximum_packet_size = maximum_packet_size as usize;
        self.aliases_in.begin(config.topic_alias_maximum);
        self.aliases_out.begin(0);
        self.restored_online = false;
        self.seen = 0;
        self.phase = Phase::Connecting;
        self.timers
            .connecting(config.connect_timeout, config.ping_timeout);
        Ok(())
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
        self.server.check_subscription(filters, properties)?;
        let packet = |packet_id| Subscribe {
            packet_id,
            properties: List::from(properties),
            filters: List::from(filters),
        };
        self.request(State::Subscribe, filters.len(), packet)
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
        self.request(State::Unsubscribe, filters.len(), packet)
    }

    fn request<B: Body>(
        &mut self,
        state: State,
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
        let result = self.outbox.request(state, filters, push);
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
        let (qos, is_next) = self
            .inbox
            .unaccepted(ack.packet_id)
            .ok_or(UsageError::UnknownPacketId)?;
        let packet = match qos {
            QoS::ExactlyOnce => PacketType::PubRec,
            _ => PacketType::PubAck,
        };
        let version = self.config.version;
        wire::encoded_len(&AckKind(packet, *ack), version)?;
        // This one is the server's to say (3.4.2.1, 3.5.2.1).
        if ack.code == ReasonCode::NoMatchingSubscribers {
            return Err(EncodeError::ReasonCode.into());
        }
        if ack.properties.is_empty() {
            self.inbox.accept(ack.packet_id, ack.code);
        } else {
            let wants_record = self.is_durable() && qos == QoS::ExactlyOnce;
            if !is_next || wants_record && !ack.code.is_error() || !self.may_settle() {
                return Err(UsageError::OutOfOrder.into());
            }
            let max = self.max_transmit();
            let result = self.control.push(&AckKind(packet, *ack), version, max);
            self.note_refusal(&result);
            result?;
            self.inbox.accept(ack.packet_id, ack.code);
            self.inbox.pop();
        }
        self.settle();
        Ok(())
    }

    /// Sends a step of an extended authentication; 5.0 only.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room now, [`UsageError::NotConnected`], or that the packet
    /// breaks a rule of the protocol.
    pub fn authenticate(&mut self, auth: &Auth<'_>) -> Result<(), Error> {
        if !matches!(self.phase, Phase::Connecting | Phase::Online) {
            return Err(UsageError::NotConnected.into());
        }
        let is_timely = match auth.code {
            ReasonCode::ContinueAuthentication => true,
            ReasonCode::ReAuthenticate => self.phase == Phase::Online,
            _ => false,
        };
        if !is_timely || self.method().is_none() {
            return Err(UsageError::Authentication.into());
        }
        if self.check_method(&auth.properties).is_err() {
            return Err(UsageError::Property.into());
        }
        let max = self.max_transmit();
        let result = self.control.push(auth, self.config.version, max);
        self.note_refusal(&result);
        result
    }

    /// Ends the connection once everything is sent that the server takes now. The transport is to
    /// be closed when [`is_closed`](Self::is_closed). Messages above QoS 0 that were held back, or
    /// not acknowledged, stay for the next connection.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room now, [`UsageError::NotConnected`].
    pub fn disconnect(&mut self) -> Result<(), Error> {
        self.disconnect_with(&Disconnect::default())
    }

    /// [`disconnect`](Self::disconnect) with a reason and properties; 5.0 only.
    ///
    /// # Errors
    /// Those of [`disconnect`](Self::disconnect), or that the packet breaks a rule of the
    /// protocol; a reason that only a server gives does.
    pub fn disconnect_with(&mut self, packet: &Disconnect<'_>) -> Result<(), Error> {
        if self.phase != Phase::Online {
            return Err(UsageError::NotConnected.into());
        }
        if packet.code.is_disconnect_of_server() {
            return Err(EncodeError::ReasonCode.into());
        }
        // A session that was to end with the connection cannot be prolonged (3.14.2.2.2).
        let prolongs = |property| matches!(property, Property::SessionExpiryInterval(1..));
        if self.config.session_expiry == 0 && packet.properties.iter().any(prolongs) {
            return Err(UsageError::Property.into());
        }
        let max = self.max_transmit();
        let result = self.control.push(packet, self.config.version, max);
        self.note_refusal(&result);
        result?;
        self.phase = Phase::Closing;
        // Nothing more is waited for but that all is sent.
        self.timers.stop();
        Ok(())
    }

    /// Ends the connection at once: what is queued stays behind, and a connected server of 5.0 is
    /// told why. Send what [`transmit`](Self::transmit) still holds and close the transport.
    /// Messages above QoS 0 stay for the next connection.
    ///
    /// # Errors
    /// [`UsageError::NotConnected`], or that DISCONNECT has no such code.
    pub fn abort(&mut self, code: ReasonCode) -> Result<(), Error> {
        if matches!(self.phase, Phase::Offline | Phase::Closed) {
            return Err(UsageError::NotConnected.into());
        }
        let is_v5 = self.config.version == Version::V5;
        if is_v5 {
            wire::encoded_len(&Disconnect::new(code), Version::V5)?;
            if code.is_disconnect_of_server() {
                return Err(EncodeError::ReasonCode.into());
            }
        }
        let is_told = is_v5 && self.phase == Phase::Online;
        self.leave(is_told.then_some(code));
        Ok(())
    }

    /// The transport is closed, by whomever. The session stays; the next
    /// [`connect`](Self::connect) resumes it if the server has kept its part.
    pub fn connection_lost(&mut self) {
        if self.phase == Phase::Offline {
            return;
        }
        if let Reading::Payload(payload) = self.reading {
            self.aborted |= payload.is_new;
            if let (Some((id, QoS::ExactlyOnce)), true) = (payload.message, payload.is_new) {
                self.inbox.remove(id);
            }
        }
        self.disconnected |= self.is_durable() && self.phase != Phase::Connecting;
        self.phase = Phase::Offline;
        self.control.clear();
        self.timers.stop();
        self.server = Server::UNLIMITED;
        self.reading = Reading::Packet;
        self.seen = 0;
        let room = self.outbox.room();
        self.outbox.connection_lost();
        if self.outbox.room() > room {
            self.room_returned(Resource::Messages);
        }
        self.room_returned(Resource::Window);
        self.room_returned(Resource::Control);
        self.inbox
            .connection_lost(self.config.acknowledgement == Acknowledgement::Manual);
        self.aliases_in.begin(0);
        self.aliases_out.begin(0);
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
    pub fn process<'i>(&mut self, input: &'i [u8], now: Instant) -> Result<Step<'i>, Error> {
        self.step(input, now, self.config.max_whole)
    }

    /// [`process`](Self::process) for a receive buffer of this capacity.
    pub(crate) fn step<'i>(
        &mut self,
        input: &'i [u8],
        now: Instant,
        capacity: usize,
    ) -> Result<Step<'i>, Error> {
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
        if let Some(event) = self.pending_event() {
            return Ok(Step::event(event));
        }
        let step = match self.phase {
            Phase::Offline => Ok(Step::NOTHING),
            Phase::Closed => Ok(Step {
                consumed: input.len(),
                event: None,
            }),
            _ => self
                .read(input, capacity.min(self.config.max_whole))
                .and_then(|step| match self.timers.expired() {
                    Some(timeout) if !step.is_progress() => Err(timeout.into()),
                    _ => Ok(step),
                }),
        };
        match step {
            Ok(step) => {
                if !input.is_empty() {
                    self.seen = input.len() - step.consumed;
                }
                self.settle();
                Ok(step)
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
                self.room_returned(Resource::Control);
            }
            Source::Messages | Source::RestOfMessage => {
                let room = self.outbox.room();
                if self.outbox.transmitted(n) {
                    self.room_returned(Resource::Slots);
                }
                if self.outbox.room() > room || self.outbox.has_holes() {
                    self.room_returned(Resource::Messages);
                }
                self.admit_next();
            }
            Source::Nothing => return,
        }
        self.timers.sent();
        if self.phase == Phase::Closing && self.source() == Source::Nothing {
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

    /// The number of messages that were handed over and are not through yet.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.outbox
            .in_flight()
            .saturating_add(self.outbox.waiting())
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

    /// The client identifier: that of the configuration or, if that is empty and the session is
    /// to go on, the one that the server has assigned `[MQTT-3.2.2-16]`.
    #[must_use]
    pub fn client_id(&self) -> &str {
        own_client_id(&self.config, self.assigned)
    }

    /// Keeps the client identifier that the server has assigned, if there is room for it beside
    /// CONNECT.
    fn assign(&mut self, client_id: &str) {
        if self.assigned == client_id.as_bytes() {
            return;
        }
        let len = client_id.len();
        if self.assigned.len() < len {
            let connect = connect_len(&self.config, client_id, &self.inbox);
            let Some(room) = connect
                .ok()
                .and_then(|kept| self.control.split_off(len, kept))
            else {
                self.assigned = &mut [];
                return;
            };
            self.assigned = room;
        } else if let Some((room, _)) = mem::take(&mut self.assigned).split_at_mut_checked(len) {
            self.assigned = room;
        }
        self.assigned.copy_from_slice(client_id.as_bytes());
    }

    /// True if there is anything of a session: messages on their way, or identifiers.
    fn has_session(&self) -> bool {
        !self.outbox.is_empty() || !self.inbox.is_empty()
    }

    /// Where the next bytes come from. A packet sent in part comes first, then packets other than
    /// PUBLISH, but for the DISCONNECT of an orderly end, which comes after all messages.
    fn source(&self) -> Source {
        let messages = self.is_sending()
            && self.connected.is_none()
            && (!self.outbox.transmit().is_empty() || self.outbox.lent().is_some());
        let control = !self.control.is_empty();
        match self.phase {
            Phase::Offline => Source::Nothing,
            _ if self.outbox.is_partial() && control => Source::RestOfMessage,
            Phase::Closing if messages && self.control.is_partial() => Source::RestOfControl,
            Phase::Closing if messages => Source::Messages,
            _ if control => Source::Control,
            _ if messages => Source::Messages,
            _ => Source::Nothing,
        }
    }

    /// The largest packet that the server takes.
    const fn max_transmit(&self) -> usize {
        self.server.maximum_packet_size as usize
    }

    const fn note_refusal<T>(&mut self, result: &Result<T, Error>) {
        if let Err(Error::Full(resource)) = result {
            self.refused |= 1 << *resource as u8;
        }
    }

    const fn room_returned(&mut self, resource: Resource) {
        self.writable |= self.refused & 1 << resource as u8 != 0;
    }

    /// A slot is free again.
    const fn slot_returned(&mut self) {
        self.room_returned(Resource::Slots);
        self.room_returned(Resource::Window);
    }

    const fn has_pending_event(&self) -> bool {
        self.aborted
            || self.outbox.count(State::Lost) > 0
            || self.writable && !matches!(self.phase, Phase::Closed)
    }

    /// What happened without input.
    fn pending_event<'i>(&mut self) -> Option<Event<'i>> {
        if !self.has_pending_event() {
            return None;
        }
        if self.aborted {
            self.aborted = false;
            return Some(Event::Aborted);
        }
        if let Some(id) = self.outbox.take_lost() {
            self.slot_returned();
            return Some(Event::Lost(id));
        }
        self.writable = false;
        self.refused = 0;
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
        if self.outbox.waiting() > 0 {
            self.outbox
                .admit(self.server.receive_maximum, self.timers.seconds());
        }
    }

    /// True if acknowledgements may be queued.
    fn may_settle(&self) -> bool {
        self.phase == Phase::Online && self.connected.is_none()
    }

    /// Queues what is due: acknowledgements, PUBREL, PINGREQ.
    fn settle(&mut self) {
        if self.phase != Phase::Online {
            return;
        }
        while self.may_settle() && self.control.has_room() {
            if let Some(due) = self.inbox.due() {
                if let Due::Acknowledge(packet, id, code) = due {
                    self.answer_with(packet, id, code);
                }
                self.inbox.pop();
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
        if self.timers.wants_ping() {
            self.control
                .push_reserved(&Packet::PingReq, self.config.version);
            self.timers.ping_queued();
        }
    }

    /// Queues an acknowledgement, but never behind our DISCONNECT `[MQTT-3.14.4-1]`.
    fn answer_with(&mut self, packet: PacketType, id: PacketId, code: ReasonCode) {
        if self.phase == Phase::Online {
            let ack = Ack {
                code,
                ..Ack::new(id)
            };
            self.control.acknowledge(packet, ack, self.config.version);
        }
    }

    /// The connection is over; what is queued is still sent.
    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.timers.stop();
    }

    /// The connection is over at once. In 5.0 a server that broke the protocol is told so, unless
    /// it did not even wait for CONNECT, or DISCONNECT is on its way already.
    fn fail(&mut self, error: &Error) {
        let is_unsent = self.phase == Phase::Connecting
            && !self.control.is_empty()
            && !self.control.is_partial();
        // Before 5.0 the server cannot know that these were too many. What was acknowledged on the
        // way leaves, or the next connection would be just like this one.
        let too_many = *error == PeerError::ReceiveMaximumExceeded.into();
        let stays = self.phase == Phase::Closing || too_many && self.config.version != Version::V5;
        if stays {
            return self.close();
        }
        self.leave(match error {
            Error::Peer(error) if self.config.version == Version::V5 && !is_unsent => {
                Some(error.reason_code())
            }
            _ => None,
        });
    }

    /// The connection is over. Nothing is sent any more but a packet that was sent in part, and
    /// DISCONNECT with this code.
    fn leave(&mut self, code: Option<ReasonCode>) {
        self.close();
        self.control.keep_partial();
        if self.outbox.is_payload_due() {
            // Nobody is going to send the rest of this payload, and nothing can be sent before.
            return;
        }
        if let Some(code) = code {
            let disconnect = Disconnect::new(code);
            let len = wire::encoded_len(&disconnect, Version::V5);
            if len.is_ok_and(|len| len <= self.max_transmit()) {
                self.control.push_reserved(&disconnect, Version::V5);
            }
        }
    }
}

/// The length of CONNECT.
fn connect_len(
    config: &Config<'_>,
    client_id: &str,
    inbox: &Inbox<'_>,
) -> Result<usize, EncodeError> {
    let mut own: OwnProperties<'_> = [Property::ReceiveMaximum(1); 4];
    let connect = config.connect(client_id, inbox.capacity(), None, &mut own);
    wire::encoded_len(&connect, config.version)
}

fn own_client_id<'a>(config: &Config<'a>, assigned: &'a [u8]) -> &'a str {
    match core::str::from_utf8(assigned) {
        Ok(assigned) if config.client_id.is_empty() && !config.clean_start => assigned,
        _ => config.client_id,
    }
}

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
