//! rusty_rtos_mqtt-core: coreMQTT's functions in Rust, 5.0. Properties and topics are bytes that it
//! checks and does not take apart.

use rusty_rtos_mqtt_core::{
    AckInfo, ClientSettings, ConnAck as PeerConnAck, Connect as PeerConnect, ConnectInfo, Limits,
    OutgoingPublish, PacketInfo, PropertyBuilder, PublishInfo, QoS, RetainHandling, Subscription,
    connect_packet_size, deserialize_ack, deserialize_connack, deserialize_publish,
    process_incoming_packet_type_and_length, publish_packet_size, serialize_ack, serialize_connect,
    serialize_pingreq, serialize_publish, serialize_subscribe, subscribe_packet_size,
};

use super::{Codec, MAX_LEN};
use crate::packet::{Ack, ConnAck, Connect, Packet, Properties, Publish, Subscribe};

const MAX: u32 = MAX_LEN as u32;

pub(super) struct Rusty {
    buffer: Vec<u8>,
}

impl Rusty {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; MAX_LEN],
        }
    }
}

fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// What it gives functions for; there is no type of all packets.
pub(super) enum Any<'a> {
    Publish(PublishInfo<'a>),
    ConnAck(PeerConnAck<'a>),
    Ack(u8, AckInfo<'a>),
}

impl Codec for Rusty {
    type Packet<'a> = Any<'a>;

    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
        let mut properties = [0; 256];
        let mut len = 0;
        if let Some(p) = &publish.properties {
            let kind = Some(0x30);
            let mut builder = PropertyBuilder::new(&mut properties).ok()?;
            builder.payload_format(p.is_text, kind).ok()?;
            builder.message_expiry(p.expiry, kind).ok()?;
            builder.correlation_data(p.correlation, kind).ok()?;
            builder
                .user_property(p.user.0.as_bytes(), p.user.1.as_bytes(), kind)
                .ok()?;
            len = builder.len();
        }
        let packet = OutgoingPublish {
            qos: qos(publish.qos),
            dup: false,
            retain: false,
            topic_name: publish.topic.as_bytes(),
            payload: publish.payload,
            properties: &properties[..len],
        };
        let size = publish_packet_size(&packet, MAX).ok()?;
        let n =
            serialize_publish(&mut self.buffer, &packet, publish.id, size.remaining_length).ok()?;
        Some(&self.buffer[..n])
    }

    fn ack(&mut self, ack: Ack, id: u16) -> Option<&[u8]> {
        let n = serialize_ack(&mut self.buffer, ack.first_byte(), id, None, &[]).ok()?;
        Some(&self.buffer[..n])
    }

    fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]> {
        let mut properties = [0; 64];
        let kind = Some(0x10);
        let mut builder = PropertyBuilder::new(&mut properties).ok()?;
        builder.session_expiry(connect.session_expiry, kind).ok()?;
        builder.receive_max(connect.receive_maximum, kind).ok()?;
        let len = builder.len();
        let packet = PeerConnect {
            info: ConnectInfo {
                clean_session: false,
                keep_alive_seconds: connect.keep_alive,
                username: Some(connect.username.as_bytes()),
                password: Some(connect.password.as_bytes()),
            },
            client_identifier: connect.client_id.as_bytes(),
            properties: &properties[..len],
            will: None,
        };
        let size = connect_packet_size(&packet).ok()?;
        let n = serialize_connect(&mut self.buffer, &packet, size.remaining_length).ok()?;
        Some(&self.buffer[..n])
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]> {
        let filters = subscribe.filters.map(|(filter, level)| Subscription {
            topic_filter: filter.as_bytes(),
            qos: qos(level),
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::OnSubscribe,
        });
        let lengths = subscribe.filters.map(|(filter, _)| filter.len());
        let size = subscribe_packet_size(lengths, 0, MAX).ok()?;
        let n = serialize_subscribe(
            &mut self.buffer,
            &filters,
            &[],
            subscribe.id,
            size.remaining_length,
        )
        .ok()?;
        Some(&self.buffer[..n])
    }

    fn ping(&mut self) -> Option<&[u8]> {
        let n = serialize_pingreq(&mut self.buffer).ok()?;
        Some(&self.buffer[..n])
    }

    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<Any<'a>> {
        let header = process_incoming_packet_type_and_length(wire, wire.len()).ok()?;
        let packet = PacketInfo {
            packet_type: header.packet_type,
            remaining_length: header.remaining_length,
            remaining_data: &wire[header.header_length..],
        };
        Some(match header.packet_type >> 4 {
            2 => {
                let settings = ClientSettings {
                    max_packet_size: MAX,
                    request_response_info: false,
                };
                Any::ConnAck(deserialize_connack(&packet, &settings).ok()?)
            }
            3 => Any::Publish(deserialize_publish(&packet, MAX, 0).ok()?),
            kind => {
                let limits = Limits {
                    max_packet_size: MAX,
                    request_problem_info: true,
                };
                Any::Ack(kind, deserialize_ack(&packet, &limits).ok()?)
            }
        })
    }

    fn view<'a>(packet: &'a Any<'_>) -> Option<Packet<'a>> {
        Some(match packet {
            Any::Publish(publish) => Packet::Publish(Publish {
                qos: publish.qos as u8,
                id: publish.packet_id.unwrap_or(1),
                topic: str::from_utf8(publish.topic_name).ok()?,
                properties: if publish.properties.is_empty() {
                    None
                } else {
                    Some(Properties::read(publish.properties)?)
                },
                payload: publish.payload,
            }),
            Any::ConnAck(connack) => Packet::ConnAck(ConnAck {
                session_present: connack.session_present,
                limits: Some((
                    connack.server.receive_max,
                    connack.server.max_packet_size,
                    connack.server.topic_alias_max,
                )),
            }),
            Any::Ack(kind, ack) => match kind {
                4 => Packet::Ack(Ack::PubAck, ack.packet_id?),
                5 => Packet::Ack(Ack::PubRec, ack.packet_id?),
                6 => Packet::Ack(Ack::PubRel, ack.packet_id?),
                7 => Packet::Ack(Ack::PubComp, ack.packet_id?),
                9 => Packet::SubAck(ack.packet_id?, ack.reason_codes.try_into().ok()?),
                13 => Packet::PingResp,
                _ => return None,
            },
        })
    }
}
