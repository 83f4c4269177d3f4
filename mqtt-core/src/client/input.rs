//! What received packets mean.

use super::{Client, Source, Step};
use crate::V5;
use crate::config::Config;
use crate::error::{Error, PeerError, Resource};
use crate::event::Event;
use crate::link::{ACK_LEN, Payload, Phase, Reading, Server};
use crate::session::{Delivery, Settled, State};
use crate::wire::{
    Ack, Auth, ConnAck, DecodeError, Disconnect, FixedHeader, List, PacketId, PacketType,
    Properties, Property, Publish, QoS, ReasonCode, SubAck, UnsubAck, Version, head_len,
};

impl<'b> Client<'b> {
    /// Reads at most one packet, or a piece of a payload.
    pub(super) fn read<'i>(&mut self, input: &'i [u8], capacity: usize) -> Result<Step<'i>, Error> {
        if self.is_connack_due() && self.phase != Phase::Connecting {
            // What follows CONNACK counts on it.
            return Ok(self.hold_back());
        }
        if let Reading::Payload(payload) = self.reading {
            return Ok(self.read_payload(payload, input));
        }
        let version = self.config.version;
        let Some(header) = FixedHeader::decode(input, version)? else {
            if !input.is_empty() && input.len() >= capacity {
                return Err(PeerError::PacketTooLarge.into());
            }
            return Ok(Step::NOTHING);
        };
        if header.packet_len() > self.maximum_packet_size {
            return Err(PeerError::PacketTooLarge.into());
        }
        if header.packet_len() > capacity {
            return self.read_head(&header, input, capacity);
        }
        let Some(body) = input.get(header.len..header.packet_len()) else {
            return Ok(Step::NOTHING);
        };
        let packet = header.packet_type;
        let taken = match packet {
            PacketType::ConnAck if self.phase == Phase::Connecting => {
                Taken::Event(self.connack(ConnAck::decode(body, version)?)?)
            }
            PacketType::Auth if self.method().is_some() => {
                let auth = Auth::decode(body, version)?;
                self.check_method(&auth.properties)?;
                self.check_reason(&auth.properties)?;
                // Only a client re-authenticates (table 3-11).
                if auth.code == ReasonCode::ReAuthenticate {
                    return Err(PeerError::UnexpectedPacket(packet).into());
                }
                Taken::Event(Event::Auth(auth))
            }
            _ if self.phase == Phase::Connecting => {
                return Err(PeerError::UnexpectedPacket(packet).into());
            }
            PacketType::Publish => self.receive(Publish::decode(header.flags, body, version)?)?,
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                let ack = Ack::decode(packet, body, version)?;
                self.check_reason(&ack.properties)?;
                match packet {
                    PacketType::PubAck => Taken::Event(self.puback(ack)?),
                    PacketType::PubRec => self.pubrec(ack)?,
                    PacketType::PubRel => self.pubrel(&ack)?,
                    _ => self.pubcomp(ack)?,
                }
            }
            PacketType::SubAck => {
                let suback = SubAck::decode(body, version)?;
                self.check_reason(&suback.properties)?;
                self.answer(suback.packet_id, State::Subscribe, packet, &suback.codes)?;
                Taken::Event(Event::Subscribed(suback))
            }
            PacketType::UnsubAck => {
                let unsuback = UnsubAck::decode(body, version)?;
                self.check_reason(&unsuback.properties)?;
                self.answer(
                    unsuback.packet_id,
                    State::Unsubscribe,
                    packet,
                    &unsuback.codes,
                )?;
                Taken::Event(Event::Unsubscribed(unsuback))
            }
            PacketType::PingResp if body.is_empty() => {
                self.timers.ping_answered();
                Taken::Silently
            }
            PacketType::PingResp => return Err(DecodeError::TrailingBytes.into()),
            PacketType::Disconnect if version.is_v5() => {
                let disconnect = Disconnect::decode(body, version)?;
                let expiry = |property| matches!(property, Property::SessionExpiryInterval(_));
                if disconnect.properties.iter().any(expiry) {
                    return Err(PeerError::UnexpectedProperty.into());
                }
                self.control.keep_partial();
                self.close();
                Taken::Event(Event::Disconnected(disconnect))
            }
            _ => return Err(PeerError::UnexpectedPacket(packet).into()),
        };
        Ok(match taken {
            Taken::NotYet => self.hold_back(),
            Taken::Silently => Step {
                consumed: header.packet_len(),
                event: None,
            },
            Taken::Event(event) => Step {
                consumed: header.packet_len(),
                event: Some(event),
            },
        })
    }

    /// Leaves a packet where it is. The PINGRESP that is waited for may be behind it, unless it is
    /// the server that does not take what we send.
    fn hold_back<'i>(&mut self) -> Step<'i> {
        if self.source() == Source::Nothing {
            self.timers.received();
        }
        Step::NOTHING
    }

    /// Reads the beginning of a packet that is larger than the receive buffer.
    fn read_head<'i>(
        &mut self,
        header: &FixedHeader,
        input: &'i [u8],
        capacity: usize,
    ) -> Result<Step<'i>, Error> {
        if header.packet_type != PacketType::Publish {
            return Err(PeerError::PacketTooLarge.into());
        }
        if self.phase == Phase::Connecting {
            return Err(PeerError::UnexpectedPacket(header.packet_type).into());
        }
        let version = self.config.version;
        let body = input.get(header.len..).unwrap_or_default();
        let len = head_len(header.flags, body, header.remaining, version)?;
        if len.is_some_and(|len| header.len + len > capacity)
            || len.is_none() && input.len() >= capacity
        {
            return Err(PeerError::PacketTooLarge.into());
        }
        let Some((len, head)) = len.and_then(|len| Some((len, body.get(..len)?))) else {
            return Ok(Step::NOTHING);
        };
        let publish = Publish::decode(header.flags, head, version)?;
        let total = header.remaining - len;
        let message = publish.packet_id.map(|id| (id, publish.qos));
        let Some(delivery) = self.delivery(&publish)? else {
            return Ok(self.hold_back());
        };
        let is_new = delivery == Delivery::New;
        if let (Some((id, QoS::ExactlyOnce)), true) = (message, is_new) {
            let noted = self.inbox.insert(id);
            debug_assert!(noted);
        }
        self.reading = Reading::Payload(Payload {
            offset: 0,
            left: total,
            message,
            is_new,
        });
        let event = is_new.then_some(Event::PublishStart { publish, total });
        Ok(Step {
            consumed: header.len + len,
            event,
        })
    }

    fn read_payload<'i>(&mut self, payload: Payload, input: &'i [u8]) -> Step<'i> {
        let n = input.len().min(payload.left);
        let data = input.get(..n).unwrap_or_default();
        let last = n == payload.left;
        if n == 0 {
            return Step::NOTHING;
        }
        if last {
            match payload.message {
                Some((id, qos)) if payload.is_new => self.inbox.push(id, qos),
                // The second half of what `receive` does with a repeated message.
                Some((id, qos)) => match self.inbox.delivery(id, qos) {
                    Delivery::Repeated if !self.control.has_room() => return self.hold_back(),
                    Delivery::Repeated => {
                        self.inbox.repeated(id);
                        self.answer_with(PacketType::PubRec, id, ReasonCode::Success);
                    }
                    Delivery::Queued => self.inbox.repeated(id),
                    Delivery::New => {}
                },
                None => {}
            }
            self.reading = Reading::Packet;
        } else {
            let offset = payload.offset + n;
            let left = payload.left - n;
            self.reading = Reading::Payload(Payload {
                offset,
                left,
                ..payload
            });
        }
        let event = payload.is_new.then_some(Event::Payload {
            offset: payload.offset,
            data,
            last,
        });
        Step { consumed: n, event }
    }

    /// The authentication method of CONNECT.
    pub(super) fn method(&self) -> Option<&'b str> {
        let properties = self.config.properties.iter();
        properties.filter(|_| V5).find_map(method)
    }

    /// The server has no other authentication method than ours `[MQTT-4.12.0-5]`,
    /// `[MQTT-4.12.0-6]`.
    pub(super) fn check_method(&self, properties: &Properties<'_>) -> Result<(), PeerError> {
        if V5 {
            let theirs = properties.iter().find_map(|property| method(&property));
            if theirs.is_some() && theirs != self.method() {
                return Err(PeerError::UnexpectedProperty);
            }
        }
        Ok(())
    }

    /// Reasons and user properties, where they were not wanted `[MQTT-3.1.2-29]`.
    fn check_reason(&self, properties: &Properties<'_>) -> Result<(), PeerError> {
        let is_unwanted = |p: &Property<'_>| *p == Property::RequestProblemInformation(false);
        let is_reason = |p| matches!(p, Property::ReasonString(_) | Property::UserProperty(..));
        let is_wrong = V5
            && !properties.is_empty()
            && self.config.properties.iter().any(is_unwanted)
            && properties.iter().any(is_reason);
        if is_wrong {
            return Err(PeerError::UnexpectedProperty);
        }
        Ok(())
    }

    fn connack<'i>(&mut self, connack: ConnAck<'i>) -> Result<Event<'i>, Error> {
        if connack.code.is_error() {
            self.control.keep_partial();
            self.close();
            return Ok(Event::Refused(connack));
        }
        let Config {
            version,
            clean_start,
            keep_alive,
            ping_timeout,
            ..
        } = self.config;
        if connack.session_present && clean_start {
            return Err(PeerError::SessionPresent.into());
        }
        self.check_method(&connack.properties)?;
        // 3.1 does not say, but a session without clean start goes on.
        let session_present = connack.session_present || version == Version::V31 && !clean_start;
        if V5 {
            self.server = Server::new(&connack);
            if self.max_transmit() < ACK_LEN {
                return Err(PeerError::MaximumPacketSize.into());
            }
            self.aliases_out.begin(self.server.topic_alias_maximum);
            if let Some(client_id) = connack.properties.iter().find_map(assigned_client_id) {
                // Without room for it the connection goes on all the same.
                let _ = self.assign(client_id);
            }
        }
        if self.is_durable() {
            // Of a connection that was lost before this was recorded, too.
            self.connected = Some(session_present && self.connected.unwrap_or(true));
            self.disconnected = false;
        }
        self.phase = Phase::Online;
        self.timers
            .connected(self.server.keep_alive.unwrap_or(keep_alive), ping_timeout);
        if !session_present {
            self.inbox.clear();
        }
        let room = self.outbox.room();
        let server = self.server;
        self.outbox.resume(session_present, |flags, len| {
            !V5 || server.takes(flags, len)
        });
        self.admit();
        if self.outbox.room() > room {
            self.room_returned(Resource::Messages);
        }
        Ok(Event::Connected(connack))
    }

    /// How to deliver a message; `None` if it has to wait.
    fn delivery(&mut self, publish: &Publish<'_>) -> Result<Option<Delivery>, Error> {
        if V5 {
            if let Some(alias) = publish.topic_alias() {
                self.take_alias(alias, publish.topic)?;
            }
        }
        let Some(id) = publish.packet_id else {
            return Ok(Some(Delivery::New));
        };
        let delivery = self.inbox.delivery(id, publish.qos);
        if delivery != Delivery::New {
            return Ok(Some(delivery));
        }
        let is_v5 = self.is_v5();
        // Before 5.0 the server knows of no limit. What waits for an acknowledgement makes room
        // once that has left; a QoS 2 identifier only goes with a PUBREL behind this.
        if !is_v5 && self.inbox.is_full() && self.inbox.capacity() > 0 {
            return Ok(None);
        }
        if publish.qos == QoS::ExactlyOnce && self.inbox.is_set_full() {
            if !self.inbox.is_releasing() {
                self.inbox.give_up();
            }
            // What is to go is recorded first.
            if self.inbox.is_releasing() {
                return Ok(None);
            }
        }
        let inbox = &self.inbox;
        let is_too_many = inbox.is_full()
            || is_v5 && inbox.is_exhausted()
            || publish.qos == QoS::ExactlyOnce && inbox.is_set_full();
        if is_too_many {
            return Err(PeerError::ReceiveMaximumExceeded.into());
        }
        Ok(Some(Delivery::New))
    }

    fn take_alias(&mut self, alias: u16, topic: &str) -> Result<(), PeerError> {
        let aliases = &mut self.aliases_in;
        if !(1..=aliases.maximum()).contains(&alias) {
            return Err(PeerError::TopicAlias);
        }
        if topic.is_empty() {
            let known = aliases.topic(alias);
            return known.map(|_| ()).ok_or(PeerError::UnknownTopicAlias);
        }
        if aliases.has_room(alias, topic) && aliases.set(alias, topic) {
            Ok(())
        } else {
            Err(PeerError::TopicAliasRoom)
        }
    }

    fn receive<'i>(&mut self, publish: Publish<'i>) -> Result<Taken<'i>, Error> {
        let Some(delivery) = self.delivery(&publish)? else {
            return Ok(Taken::NotYet);
        };
        match (delivery, publish.packet_id) {
            (Delivery::New, Some(id)) => {
                if publish.qos == QoS::ExactlyOnce {
                    let noted = self.inbox.insert(id);
                    debug_assert!(noted);
                }
                self.inbox.push(id, publish.qos);
            }
            (Delivery::New, None) => {}
            (Delivery::Repeated, Some(id)) => {
                if !self.control.has_room() {
                    return Ok(Taken::NotYet);
                }
                self.inbox.repeated(id);
                self.answer_with(PacketType::PubRec, id, ReasonCode::Success);
                return Ok(Taken::Silently);
            }
            (Delivery::Queued, Some(id)) => {
                self.inbox.repeated(id);
                return Ok(Taken::Silently);
            }
            (Delivery::Queued | Delivery::Repeated, None) => return Ok(Taken::Silently),
        }
        Ok(Taken::Event(Event::Publish(publish)))
    }

    fn puback<'i>(&mut self, ack: Ack<'i>) -> Result<Event<'i>, Error> {
        match self.outbox.puback(ack.packet_id) {
            Settled::Done => {
                self.settled();
                Ok(Event::Published(ack))
            }
            _ => Err(PeerError::UnknownPacketId(PacketType::PubAck).into()),
        }
    }

    fn pubrec<'i>(&mut self, ack: Ack<'i>) -> Result<Taken<'i>, Error> {
        Ok(
            match self.outbox.pubrec(ack.packet_id, ack.code.is_error()) {
                Settled::Done => {
                    self.settled();
                    Taken::Event(Event::Published(ack))
                }
                Settled::Released => {
                    self.room_returned(Resource::Messages);
                    Taken::Silently
                }
                Settled::Unexpected => {
                    return Err(PeerError::UnknownPacketId(PacketType::PubRec).into());
                }
                // The server may remember what we do not; this ends it on its side, too.
                _ if ack.code.is_error() => Taken::Silently,
                _ if !self.control.has_room() => Taken::NotYet,
                _ => {
                    let code = self.not_found();
                    self.answer_with(PacketType::PubRel, ack.packet_id, code);
                    Taken::Silently
                }
            },
        )
    }

    fn pubrel<'i>(&mut self, ack: &Ack<'_>) -> Result<Taken<'i>, Error> {
        if self.inbox.is_queued(ack.packet_id) {
            return Err(PeerError::UnknownPacketId(PacketType::PubRel).into());
        }
        if self.is_durable() && self.inbox.is_received(ack.packet_id) {
            return Ok(if self.inbox.release(ack.packet_id) {
                Taken::Silently
            } else {
                Taken::NotYet
            });
        }
        if !self.control.has_room() {
            return Ok(Taken::NotYet);
        }
        let known = self.inbox.remove(ack.packet_id);
        let code = if known {
            ReasonCode::Success
        } else {
            self.not_found()
        };
        self.answer_with(PacketType::PubComp, ack.packet_id, code);
        Ok(Taken::Silently)
    }

    fn pubcomp<'i>(&mut self, ack: Ack<'i>) -> Result<Taken<'i>, Error> {
        match self.outbox.pubcomp(ack.packet_id) {
            Settled::Done => {
                self.settled();
                // Its one error means that the server had the message and has forgotten that.
                let code = ReasonCode::Success;
                Ok(Taken::Event(Event::Published(Ack { code, ..ack })))
            }
            // The end of an exchange that only the server knew of, see `pubrec`.
            Settled::Unknown => Ok(Taken::Silently),
            _ => Err(PeerError::UnknownPacketId(PacketType::PubComp).into()),
        }
    }

    /// A message is through: the next one may go.
    fn settled(&mut self) {
        self.admit();
        self.slot_returned();
        self.room_returned(Resource::Messages);
    }

    /// What 5.0 says to an unknown identifier; before, nothing can be said.
    fn not_found(&self) -> ReasonCode {
        if self.is_v5() {
            ReasonCode::PacketIdentifierNotFound
        } else {
            ReasonCode::Success
        }
    }

    fn answer(
        &mut self,
        id: PacketId,
        state: State,
        packet: PacketType,
        codes: &List<'_, ReasonCode>,
    ) -> Result<(), Error> {
        let filters = self.outbox.filters(id, state);
        let filters = filters.ok_or(PeerError::UnknownPacketId(packet))?;
        let has_codes = packet == PacketType::SubAck || self.is_v5();
        if has_codes && codes.iter().count() != filters as usize {
            return Err(PeerError::ReasonCodeCount.into());
        }
        self.outbox.answered(id);
        self.slot_returned();
        Ok(())
    }
}

/// What became of a packet.
enum Taken<'i> {
    /// It has to wait until something was sent.
    NotYet,
    /// It concerns nobody but the client.
    Silently,
    Event(Event<'i>),
}

fn method<'a>(property: &Property<'a>) -> Option<&'a str> {
    match *property {
        Property::AuthenticationMethod(method) => Some(method),
        _ => None,
    }
}

fn assigned_client_id<'a>(property: Property<'a>) -> Option<&'a str> {
    match property {
        Property::AssignedClientIdentifier(client_id) => Some(client_id),
        _ => None,
    }
}
