//! The beginning and the end of connections.

use core::mem;

use super::{ABORTED, Client};
use crate::V5;
use crate::buffers::copy;
use crate::config::{Acknowledgement, Config, OwnProperties};
use crate::error::{Error, PeerError, Resource, UsageError};
use crate::link::{Phase, Reading, Server};
use crate::session::Inbox;
use crate::time::Instant;
use crate::wire::{
    self, Auth, Disconnect, EncodeError, PacketType, Properties, Property, PropertyId, QoS,
    ReasonCode,
};

impl<'b> Client<'b> {
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
        let client_id = own_client_id(&config, self.assigned());
        // An identifier that the server assigns does not depend on how the session begins.
        let is_same_client =
            config.client_id == self.config.client_id || client_id == self.client_id();
        let is_same = version == self.config.version
            && durability == self.config.durability
            && is_same_client;
        if !is_same && self.has_session() {
            return Err(UsageError::InFlight.into());
        }
        let connect = connect_len(&config, client_id, &self.inbox);
        if connect.is_ok_and(|len| !self.control.can_hold(len)) {
            return Err(UsageError::BufferTooSmall.into());
        }
        let durable = durability.is_write_ahead();
        self.outbox.configure(version, durable);
        self.inbox.configure(durable);
        if !durable {
            self.connected = None;
            self.disconnected = false;
        }
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
        let properties = Properties::from(config.properties);
        let maximum_packet_size: Option<u32> = properties.get(PropertyId::MaximumPacketSize);
        if properties.has(PropertyId::SessionExpiryInterval)
            || properties.has(PropertyId::ReceiveMaximum)
            || properties.has(PropertyId::TopicAliasMaximum)
        {
            return Err(UsageError::Property.into());
        }
        let mut own: OwnProperties<'_> = [Property::ReceiveMaximum(1); 4];
        let assigned = self.assigned.get(..self.assigned_len.into());
        let assigned = assigned.unwrap_or_default();
        let client_id = own_client_id(&config, assigned);
        let maximum = self.inbox.receive_maximum();
        let connect = config.connect(client_id, maximum, authentication_data, &mut own);
        self.control.push(&connect, config.version, usize::MAX)?;
        self.maximum_packet_size = maximum_packet_size.map_or(usize::MAX, |size| size as usize);
        self.aliases_in.begin(config.topic_alias_maximum);
        self.aliases_out.begin(0);
        self.restored_online = false;
        self.seen = 0;
        self.phase = Phase::Connecting;
        self.timers.connecting(config.connect_timeout);
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
        self.push(auth)
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
        let expiry: Option<u32> = packet.properties.get(PropertyId::SessionExpiryInterval);
        if V5 && self.config.session_expiry == 0 && expiry.is_some_and(|seconds| seconds > 0) {
            return Err(UsageError::Property.into());
        }
        self.push(packet)?;
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
        if self.is_v5() {
            wire::encoded_len(wire::encodable(&Disconnect::new(code)), self.config.version)?;
            if code.is_disconnect_of_server() {
                return Err(EncodeError::ReasonCode.into());
            }
        }
        let is_told = self.phase == Phase::Online;
        self.close();
        self.control.keep_partial();
        if is_told {
            self.say_why(code);
        }
        Ok(())
    }

    /// The transport is closed, by whomever. The session stays; the next
    /// [`connect`](Self::connect) resumes it if the server has kept its part.
    pub fn connection_lost(&mut self) {
        if self.phase == Phase::Offline {
            return;
        }
        if let Reading::Payload(payload) = self.reading {
            if payload.is_new {
                self.notes |= ABORTED;
            }
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
        let is_recorded = mem::take(&mut self.is_recorded) && self.is_durable();
        self.outbox.connection_lost(is_recorded);
        if self.outbox.room() > room {
            self.room_returned(Resource::Messages.bit());
        }
        self.room_returned(Resource::Window.bit() | Resource::Control.bit());
        self.inbox
            .connection_lost(self.config.acknowledgement == Acknowledgement::Manual);
        self.aliases_in.begin(0);
        self.aliases_out.begin(0);
    }

    /// The client identifier: that of the configuration or, if that is empty and the session is
    /// to go on, the one that the server has assigned `[MQTT-3.2.2-16]`.
    #[must_use]
    pub fn client_id(&self) -> &str {
        own_client_id(&self.config, self.assigned())
    }

    pub(super) fn assigned(&self) -> &[u8] {
        let assigned = self.assigned.get(..self.assigned_len.into());
        assigned.unwrap_or_default()
    }

    /// Keeps the client identifier that the server has assigned. False if there is no room for it
    /// beside CONNECT.
    pub(super) fn assign(&mut self, client_id: &str) -> bool {
        let len = client_id.len();
        self.assigned_len = 0;
        if self.assigned.len() < len {
            let connect = connect_len(&self.config, client_id, &self.inbox);
            let room = connect.ok();
            let room = room.and_then(|kept| self.control.split_off(len, kept));
            let Some(room) = room else {
                return false;
            };
            self.assigned = room;
        }
        if let Some(room) = self.assigned.get_mut(..len) {
            copy(room, client_id.as_bytes());
            // No string of a packet is longer.
            self.assigned_len = u16::try_from(len).unwrap_or_default();
        }
        true
    }

    /// True if there is anything of a session: messages on their way, or identifiers.
    fn has_session(&self) -> bool {
        !self.outbox.is_empty() || !self.inbox.is_empty()
    }

    /// The connection is over; what is queued is still sent.
    pub(super) fn close(&mut self) {
        self.phase = Phase::Closed;
        self.timers.stop();
        if self.outbox.is_payload_due() {
            // Nobody is going to send the rest of this payload, and nothing can be sent before.
            self.control.clear();
        }
    }

    /// The connection is over at once. In 5.0 a server that broke the protocol is told so, unless
    /// it did not even wait for CONNECT, or DISCONNECT is on its way already.
    pub(super) fn fail(&mut self, error: &Error) {
        let is_unsent = self.phase == Phase::Connecting
            && !self.control.is_empty()
            && !self.control.is_partial();
        // These were too many. What was acknowledged on the way leaves, or the next connection would
        // be just like this one.
        let too_many = *error == PeerError::ReceiveMaximumExceeded.into();
        let stays = self.phase == Phase::Closing;
        self.close();
        if stays {
            return;
        }
        if !too_many {
            self.control.keep_partial();
        }
        if let (Error::Peer(error), false) = (error, is_unsent) {
            self.say_why(error.reason_code());
        }
    }

    /// Queues DISCONNECT with this code, in 5.0.
    fn say_why(&mut self, code: ReasonCode) {
        let disconnect = [PacketType::Disconnect.first_byte(), 1, code as u8];
        let fits = disconnect.len() <= self.max_transmit();
        if self.is_v5() && fits && !self.outbox.is_payload_due() {
            self.control.push_bytes(&disconnect);
        }
    }
}

/// The length of CONNECT.
pub(super) fn connect_len(
    config: &Config<'_>,
    client_id: &str,
    inbox: &Inbox<'_>,
) -> Result<usize, EncodeError> {
    let mut own: OwnProperties<'_> = [Property::ReceiveMaximum(1); 4];
    let connect = config.connect(client_id, inbox.receive_maximum(), None, &mut own);
    wire::encoded_len(wire::encodable(&connect), config.version)
}

fn own_client_id<'a>(config: &Config<'a>, assigned: &'a [u8]) -> &'a str {
    if !V5 {
        return config.client_id;
    }
    match core::str::from_utf8(assigned) {
        Ok(assigned) if config.client_id.is_empty() && !config.clean_start => assigned,
        _ => config.client_id,
    }
}
