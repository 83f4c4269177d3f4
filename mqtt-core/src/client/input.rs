//! What received packets mean.

use super::{Client, RELEASED, Source};
use crate::V5;
use crate::config::Config;
use crate::error::{Error, PeerError, Resource};
use crate::event::Event;
use crate::link::{ACK_LEN, Payload, Phase, Reading, Server};
use crate::session::{Delivery, Settled};
use crate::wire::{
    Ack, Auth, ConnAck, DecodeError, Disconnect, FixedHeader, List, PacketId, PacketType,
    Properties, PropertyId, Publish, QoS, ReasonCode, SubAck, UnsubAck, Version, WIDE, head_len,
};

impl<'b> Client<'b> {
    /// Reads at most one packet, or a piece of a payload, and returns its length. What it means is
    /// put where it is wanted, since an event is large. On its own, as it is less code in a small
    /// frame than in that of a whole program.
    #[inline(never)]
    pub(super) fn read<'i>(
        &mut self,
        input: &'i [u8],
        capacity: usize,
        event: &mut Option<Event<'i>>,
    ) -> Result<usize, Error> {
        if self.is_connack_due() && self.phase != Phase::Connecting {
            // What follows CONNACK counts on it.
            return Ok(self.hold_back());
        }
        if let Reading::Payload(payload) = self.reading {
            return Ok(self.read_payload(payload, input, event));
        }
        if let (Some((packet, id)), true) = (short_ack(input), WIDE) {
            if self.is_sending() && capacity >= SHORT_ACK && self.maximum_packet_size >= SHORT_ACK {
                return self.take_ack(packet, Ack::new(id), SHORT_ACK, event);
            }
        }
        let version = self.config.version;
        let Some(header) = FixedHeader::decode(input, version)? else {
            if !input.is_empty() && input.len() >= capacity {
                return Err(PeerError::PacketTooLarge.into());
            }
            return Ok(0);
        };
        let mut len = header.packet_len();
        if len > self.maximum_packet_size {
            return Err(PeerError::PacketTooLarge.into());
        }
        // How much of the payload follows, if not all of the packet is read at once.
        let mut total = None;
        if len > capacity {
            let Some(head) = self.head(&header, input, capacity)? else {
                return Ok(0);
            };
            total = Some(len - head);
            len = head;
        }
        let Some(body) = input.get(header.len..len) else {
            return Ok(0);
        };
        let packet = header.packet_type;
        match packet {
            PacketType::ConnAck if self.phase == Phase::Connecting => {
                let connack = ConnAck::decode(body, version)?;
                if connack.code.is_error() {
                    self.control.keep_partial();
                    self.close();
                    *event = Some(Event::Refused(connack));
                } else {
                    self.connack(&connack)?;
                    *event = Some(Event::Connected(connack));
                }
            }
            PacketType::Auth if self.method().is_some() => {
                let auth = Auth::decode(body, version)?;
                self.check_method(&auth.properties)?;
                self.check_reason(&auth.properties)?;
                // Only a client re-authenticates (table 3-11).
                if auth.code == ReasonCode::ReAuthenticate {
                    return Err(PeerError::UnexpectedPacket(packet).into());
                }
                *event = Some(Event::Auth(auth));
            }
            _ if self.phase == Phase::Connecting => {
                return Err(PeerError::UnexpectedPacket(packet).into());
            }
            PacketType::Publish => {
                // Where it is to be, before anything else: the message is large.
                let publish = Publish::decode_into(header.flags, body, version, |publish| {
                    event.insert(Event::Publish(publish))
                })?;
                let Event::Publish(publish) = publish else {
                    return Ok(0);
                };
                match (self.receive(publish, total)?, total) {
                    (Taken::Event, None) => {}
                    (Taken::Event, Some(total)) => {
                        let publish = *publish;
                        *event = Some(Event::PublishStart { publish, total });
                    }
                    (taken, _) => {
                        *event = None;
                        if taken == Taken::NotYet {
                            return Ok(self.hold_back());
                        }
                    }
                }
            }
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                let ack = Ack::decode(packet, body, version)?;
                self.check_reason(&ack.properties)?;
                return self.take_ack(packet, ack, len, event);
            }
            PacketType::SubAck => {
                let suback = SubAck::decode(body, version)?;
                self.check_reason(&suback.properties)?;
                self.answer(
                    suback.packet_id,
                    PacketType::Subscribe,
                    packet,
                    &suback.codes,
                )?;
                *event = Some(Event::Subscribed(suback));
            }
            PacketType::UnsubAck => {
                let unsuback = UnsubAck::decode(body, version)?;
                self.check_reason(&unsuback.properties)?;
                let UnsubAck {
                    packet_id, codes, ..
                } = &unsuback;
                self.answer(*packet_id, PacketType::Unsubscribe, packet, codes)?;
                *event = Some(Event::Unsubscribed(unsuback));
            }
            PacketType::PingResp => {
                if !body.is_empty() {
                    return Err(DecodeError::TrailingBytes.into());
                }
                self.timers.ping_answered();
            }
            PacketType::Disconnect if version.is_v5() => {
                let disconnect = Disconnect::decode(body, version)?;
                if disconnect.properties.has(PropertyId::SessionExpiryInterval) {
                    return Err(PeerError::UnexpectedProperty.into());
                }
                self.control.keep_partial();
                self.close();
                *event = Some(Event::Disconnected(disconnect));
            }
            _ => return Err(PeerError::UnexpectedPacket(packet).into()),
        }
        Ok(len)
    }

    /// Leaves a packet where it is. The PINGRESP that is waited for may be behind it, unless it is
    /// the server that does not take what we send.
    fn hold_back(&mut self) -> usize {
        if self.source() == Source::Nothing {
            self.timers.received();
        }
        0
    }

    /// The length of everything before the payload of a packet that is larger than the receive
    /// buffer; `None` if that is not there yet.
    fn head(
        &self,
        header: &FixedHeader,
        input: &[u8],
        capacity: usize,
    ) -> Result<Option<usize>, Error> {
        if header.packet_type != PacketType::Publish {
            return Err(PeerError::PacketTooLarge.into());
        }
        if self.phase == Phase::Connecting {
            return Err(PeerError::UnexpectedPacket(header.packet_type).into());
        }
        // However much is there, no more is looked at than there has to be room for.
        let input = input.get(..capacity).unwrap_or(input);
        let body = input.get(header.len..).unwrap_or_default();
        let len = head_len(header.flags, body, header.remaining, self.config.version)?;
        let len = len.map(|len| header.len + len);
        // At least that much is to come.
        if len.unwrap_or(input.len() + 1) > capacity {
            return Err(PeerError::PacketTooLarge.into());
        }
        Ok(len)
    }

    fn read_payload<'i>(
        &mut self,
        payload: Payload,
        input: &'i [u8],
        event: &mut Option<Event<'i>>,
    ) -> usize {
        let n = input.len().min(payload.left);
        let data = input.get(..n).unwrap_or_default();
        let last = n == payload.left;
        if n == 0 {
            return 0;
        }
        if last {
            if let Some((id, qos)) = payload.message {
                let delivery = if payload.is_new {
                    Delivery::New
                } else {
                    self.inbox.delivery(id, qos)
                };
                let is_over = delivery == Delivery::New && !payload.is_new;
                if !is_over && !self.received(id, qos, delivery) {
                    return self.hold_back();
                }
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
        *event = payload.is_new.then_some(Event::Payload {
            offset: payload.offset,
            data,
            last,
        });
        n
    }

    /// The authentication method of CONNECT.
    pub(super) fn method(&self) -> Option<&'b str> {
        Properties::from(self.config.properties).get(PropertyId::AuthenticationMethod)
    }

    /// The server has no other authentication method than ours `[MQTT-4.12.0-5]`,
    /// `[MQTT-4.12.0-6]`.
    pub(super) fn check_method(&self, properties: &Properties<'_>) -> Result<(), PeerError> {
        if V5 {
            let theirs = properties.get(PropertyId::AuthenticationMethod);
            if theirs.is_some() && theirs != self.method() {
                return Err(PeerError::UnexpectedProperty);
            }
        }
        Ok(())
    }

    /// Reasons and user properties, where they were not wanted `[MQTT-3.1.2-29]`.
    fn check_reason(&self, properties: &Properties<'_>) -> Result<(), PeerError> {
        let ours = Properties::from(self.config.properties);
        let is_wrong = V5
            && !properties.is_empty()
            && ours.get(PropertyId::RequestProblemInformation) == Some(false)
            && (properties.has(PropertyId::ReasonString)
                || properties.has(PropertyId::UserProperty));
        if is_wrong {
            return Err(PeerError::UnexpectedProperty);
        }
        Ok(())
    }

    fn connack(&mut self, connack: &ConnAck<'_>) -> Result<(), Error> {
        let Config {
            version,
            clean_start,
            mut keep_alive,
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
            let said = &connack.properties;
            self.server = Server::new(connack);
            keep_alive = said.get(PropertyId::ServerKeepAlive).unwrap_or(keep_alive);
            if self.max_transmit() < ACK_LEN {
                return Err(PeerError::MaximumPacketSize.into());
            }
            let aliases = said.get(PropertyId::TopicAliasMaximum);
            self.aliases_out.begin(aliases.unwrap_or(0));
            if let Some(client_id) = said.get(PropertyId::AssignedClientIdentifier) {
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
        self.timers.connected(keep_alive, ping_timeout);
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
            self.room_returned(Resource::Messages.bit());
        }
        self.settle();
        Ok(())
    }

    /// How to deliver a message; `None` if it has to wait.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn delivery(&mut self, publish: &Publish<'_>) -> Result<Option<Delivery>, Error> {
        if V5 && !publish.properties.is_empty() {
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
        // Before 5.0 the server knows of no limit, and not every one keeps to what it was told
        // later. What waits for an acknowledgement makes room once that has left; a QoS 2
        // identifier only goes with a PUBREL behind this.
        if self.inbox.is_full() && self.inbox.capacity() > 0 {
            return Ok(None);
        }
        if publish.qos == QoS::ExactlyOnce && self.inbox.is_set_full() {
            if !self.inbox.is_releasing() {
                self.inbox.give_up(id);
            }
            // What is to go is recorded first.
            if self.inbox.is_releasing() {
                return Ok(None);
            }
        }
        let inbox = &self.inbox;
        if inbox.is_full() || publish.qos == QoS::ExactlyOnce && inbox.is_set_full() {
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

    /// Notes a message, of whose payload the last `total` bytes follow if it is streamed.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn receive(&mut self, publish: &Publish<'_>, total: Option<usize>) -> Result<Taken, Error> {
        let Some(delivery) = self.delivery(publish)? else {
            return Ok(Taken::NotYet);
        };
        let is_new = delivery == Delivery::New;
        if let (Some(left), message) = (total, publish.packet_id) {
            self.reading = Reading::Payload(Payload {
                offset: 0,
                left,
                message: message.map(|id| (id, publish.qos)),
                is_new,
            });
        }
        if let Some(id) = publish.packet_id {
            if is_new && publish.qos == QoS::ExactlyOnce {
                let noted = self.inbox.insert(id);
                debug_assert!(noted);
            }
            if total.is_none() && !self.received(id, publish.qos, delivery) {
                return Ok(Taken::NotYet);
            }
        }
        Ok(if is_new {
            Taken::Event
        } else {
            Taken::Silently
        })
    }

    /// All of a message is here. False if there is no room for its acknowledgement.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn received(&mut self, id: PacketId, qos: QoS, delivery: Delivery) -> bool {
        match delivery {
            Delivery::New => self.inbox.push(id, qos),
            Delivery::Queued => {
                self.inbox.repeated(id);
                self.settle();
            }
            Delivery::Repeated if !self.control.has_room() => return false,
            Delivery::Repeated => {
                self.inbox.repeated(id);
                self.answer_with(PacketType::PubRec, id, ReasonCode::Success);
            }
        }
        true
    }

    /// Takes PUBACK, PUBREC, PUBREL or PUBCOMP of this length.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn take_ack<'i>(
        &mut self,
        packet: PacketType,
        mut ack: Ack<'i>,
        len: usize,
        event: &mut Option<Event<'i>>,
    ) -> Result<usize, Error> {
        let is_error = ack.code.is_error();
        match self.acknowledged(packet, ack.packet_id, is_error)? {
            Taken::NotYet => return Ok(self.hold_back()),
            Taken::Silently => {}
            Taken::Event => {
                if packet == PacketType::PubComp {
                    // Its one error means that the server had the message and has forgotten that.
                    ack.code = ReasonCode::Success;
                }
                *event = Some(Event::Published(ack));
            }
        }
        Ok(len)
    }

    /// What PUBACK, PUBREC, PUBREL or PUBCOMP does.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn acknowledged(
        &mut self,
        packet: PacketType,
        id: PacketId,
        is_error: bool,
    ) -> Result<Taken, Error> {
        if packet == PacketType::PubRel {
            return self.pubrel(id);
        }
        Ok(match self.outbox.acknowledged(packet, id, is_error) {
            Settled::Done => {
                self.settled();
                Taken::Event
            }
            Settled::Released => {
                self.room_returned(Resource::Messages.bit());
                self.settle();
                Taken::Silently
            }
            // The server may remember what we do not; this ends it on its side, too.
            Settled::Unknown if packet == PacketType::PubRec => {
                if is_error {
                    return Ok(Taken::Silently);
                }
                if !self.control.has_room() {
                    return Ok(Taken::NotYet);
                }
                self.answer_with(PacketType::PubRel, id, self.not_found());
                Taken::Silently
            }
            // The end of an exchange that only the server knew of.
            Settled::Unknown if packet == PacketType::PubComp => Taken::Silently,
            _ => return Err(PeerError::UnknownPacketId(packet).into()),
        })
    }

    fn pubrel(&mut self, id: PacketId) -> Result<Taken, Error> {
        if self.inbox.is_queued(id) {
            return Err(PeerError::UnknownPacketId(PacketType::PubRel).into());
        }
        if self.is_durable() && self.inbox.is_received(id) {
            return Ok(if self.inbox.release(id) {
                Taken::Silently
            } else {
                Taken::NotYet
            });
        }
        if !self.control.has_room() {
            return Ok(Taken::NotYet);
        }
        let code = if self.inbox.remove(id) {
            ReasonCode::Success
        } else {
            self.not_found()
        };
        self.answer_with(PacketType::PubComp, id, code);
        Ok(Taken::Silently)
    }

    /// A message is through: the next one may go.
    #[inline]
    fn settled(&mut self) {
        self.admit();
        self.room_returned(RELEASED);
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
        request: PacketType,
        packet: PacketType,
        codes: &List<'_, ReasonCode>,
    ) -> Result<(), Error> {
        let filters = self.outbox.filters(id, request);
        let filters = filters.ok_or(PeerError::UnknownPacketId(packet))?;
        let has_codes = packet == PacketType::SubAck || self.is_v5();
        if has_codes && codes.iter().count() != filters as usize {
            return Err(PeerError::ReasonCodeCount.into());
        }
        self.outbox.answered(id);
        self.room_returned(Resource::Slots.bit() | Resource::Window.bit());
        Ok(())
    }
}

/// The length of an acknowledgement that is no more than its identifier, as most are.
const SHORT_ACK: usize = 4;

/// Reads such an acknowledgement, if it is one.
fn short_ack(input: &[u8]) -> Option<(PacketType, PacketId)> {
    let [first, 2, high, low, ..] = *input else {
        return None;
    };
    let packet = match first {
        0x40 => PacketType::PubAck,
        0x50 => PacketType::PubRec,
        0x62 => PacketType::PubRel,
        0x70 => PacketType::PubComp,
        _ => return None,
    };
    Some((packet, PacketId::new(u16::from_be_bytes([high, low]))?))
}

/// What became of a packet.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Taken {
    /// It has to wait until something was sent.
    NotYet,
    /// It concerns nobody but the client.
    Silently,
    /// The application is told.
    Event,
}
