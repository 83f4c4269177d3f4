//! mqtt5-protocol. PUBLISH as its client encodes it, into the buffer itself; other packets by way of a
//! `Vec` for the body. Properties are a map, which has them in another order each time.

use std::time::Duration;

use ::mqtt5_protocol::packet::connect::ConnectPacket;
use ::mqtt5_protocol::packet::pingreq::PingReqPacket;
use ::mqtt5_protocol::packet::puback::PubAckPacket;
use ::mqtt5_protocol::packet::pubcomp::PubCompPacket;
use ::mqtt5_protocol::packet::publish::PublishPacket;
use ::mqtt5_protocol::packet::pubrec::PubRecPacket;
use ::mqtt5_protocol::packet::pubrel::PubRelPacket;
use ::mqtt5_protocol::packet::subscribe::SubscribePacket;
use ::mqtt5_protocol::packet::{FixedHeader, MqttPacket, Packet as Any, PacketType};
use ::mqtt5_protocol::types::ConnectOptions;
use ::mqtt5_protocol::{Properties as Map, PropertyId, PropertyValue, QoS};
use bytes::{Bytes, BytesMut};

use super::{Codec, MAX_LEN};
use crate::packet::{Ack, ConnAck, Connect, Packet, Properties, Publish, Subscribe, Version};

pub(super) struct Mqtt5Protocol {
    version: Version,
    tx: BytesMut,
    rx: BytesMut,
}

impl Mqtt5Protocol {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            tx: BytesMut::with_capacity(MAX_LEN),
            rx: BytesMut::with_capacity(MAX_LEN),
        }
    }

    fn encode(&mut self, packet: &impl MqttPacket) -> Option<&[u8]> {
        self.tx.clear();
        packet.encode(&mut self.tx).ok()?;
        Some(&self.tx)
    }
}

fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn view_properties(map: &Map) -> Option<Properties<'_>> {
    let Some(PropertyValue::Byte(is_text)) = map.get(PropertyId::PayloadFormatIndicator) else {
        return None;
    };
    let Some(PropertyValue::BinaryData(correlation)) = map.get(PropertyId::CorrelationData) else {
        return None;
    };
    let Some(PropertyValue::Utf8StringPair(name, value)) = map.get(PropertyId::UserProperty) else {
        return None;
    };
    Some(Properties {
        is_text: *is_text == 1,
        expiry: map.get_message_expiry_interval()?,
        correlation,
        user: (name, value),
    })
}

impl Codec for Mqtt5Protocol {
    type Packet<'a> = Any;

    const PROPERTIES_IN_ORDER: bool = false;

    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
        let payload = Bytes::copy_from_slice(publish.payload);
        let mut packet = match self.version {
            Version::V311 => PublishPacket::new_v311(publish.topic, payload, qos(publish.qos)),
            Version::V5 => PublishPacket::new(publish.topic, payload, qos(publish.qos)),
        };
        if publish.qos > 0 {
            packet = packet.with_packet_id(publish.id);
        }
        if let Some(p) = &publish.properties {
            packet = packet
                .with_payload_format_indicator(p.is_text)
                .with_message_expiry_interval(p.expiry)
                .with_correlation_data(p.correlation.to_vec())
                .with_user_property(p.user.0.to_owned(), p.user.1.to_owned());
        }
        self.tx.clear();
        let remaining = u32::try_from(packet.body_encoded_size()).ok()?;
        FixedHeader::new(PacketType::Publish, packet.flags(), remaining)
            .encode(&mut self.tx)
            .ok()?;
        packet.encode_body_direct(&mut self.tx).ok()?;
        Some(&self.tx)
    }

    fn ack(&mut self, ack: Ack, id: u16) -> Option<&[u8]> {
        match ack {
            Ack::PubAck => self.encode(&PubAckPacket::new(id)),
            Ack::PubRec => self.encode(&PubRecPacket::new(id)),
            Ack::PubRel => self.encode(&PubRelPacket::new(id)),
            Ack::PubComp => self.encode(&PubCompPacket::new(id)),
        }
    }

    fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]> {
        let mut options = ConnectOptions::new(connect.client_id)
            .with_clean_start(false)
            .with_keep_alive(Duration::from_secs(connect.keep_alive.into()))
            .with_credentials(connect.username, connect.password.as_bytes());
        let packet = match self.version {
            Version::V311 => ConnectPacket::new_v311(options),
            Version::V5 => {
                options.properties.session_expiry_interval = Some(connect.session_expiry);
                options.properties.receive_maximum = Some(connect.receive_maximum);
                ConnectPacket::new(options)
            }
        };
        self.encode(&packet)
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]> {
        let mut packet = match self.version {
            Version::V311 => SubscribePacket::new_v311(subscribe.id),
            Version::V5 => SubscribePacket::new(subscribe.id),
        };
        for (filter, level) in subscribe.filters {
            packet = packet.add_filter(filter, qos(level));
        }
        self.encode(&packet)
    }

    fn ping(&mut self) -> Option<&[u8]> {
        self.encode(&PingReqPacket::default())
    }

    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<Any> {
        self.rx.extend_from_slice(wire);
        let mut bytes = self.rx.split().freeze();
        let header = FixedHeader::decode(&mut bytes).ok()?;
        Any::decode_from_body_with_version(
            header.packet_type,
            &header,
            &mut bytes,
            self.version.level(),
        )
        .ok()
    }

    fn view<'a>(packet: &'a Any) -> Option<Packet<'a>> {
        Some(match packet {
            Any::Publish(publish) => Packet::Publish(Publish {
                qos: publish.qos as u8,
                id: publish.packet_id.unwrap_or(1),
                topic: &publish.topic_name,
                properties: view_properties(&publish.properties),
                payload: &publish.payload,
            }),
            Any::PubAck(ack) => Packet::Ack(Ack::PubAck, ack.packet_id),
            Any::PubRec(ack) => Packet::Ack(Ack::PubRec, ack.packet_id),
            Any::PubRel(ack) => Packet::Ack(Ack::PubRel, ack.packet_id),
            Any::PubComp(ack) => Packet::Ack(Ack::PubComp, ack.packet_id),
            Any::ConnAck(connack) => Packet::ConnAck(ConnAck {
                session_present: connack.session_present,
                limits: connack
                    .receive_maximum()
                    .zip(connack.maximum_packet_size())
                    .zip(connack.topic_alias_maximum())
                    .map(|((receive, packet_size), alias)| (receive, packet_size, alias)),
            }),
            Any::SubAck(suback) => {
                let [first, second] = suback.reason_codes[..] else {
                    return None;
                };
                Packet::SubAck(suback.packet_id, [first as u8, second as u8])
            }
            Any::PingResp => Packet::PingResp,
            _ => return None,
        })
    }
}
