//! mqtt-protocol-core: builders, packets that share their body's bytes, and a new `Vec` for each that
//! is encoded.

use mqtt_protocol_core::mqtt::Arc;
use mqtt_protocol_core::mqtt::packet::{
    CorrelationData, MessageExpiryInterval, Packet as Any, PayloadFormat, PayloadFormatIndicator,
    Property, Qos, ReceiveMaximum, SessionExpiryInterval, SubEntry, SubOpts, UserProperty, v3_1_1,
    v5_0,
};

use super::{Codec, split_header};
use crate::packet::{Ack, ConnAck, Connect, Packet, Properties, Publish, Subscribe, Version};

pub(super) struct ProtocolCore {
    version: Version,
    encoded: Vec<u8>,
}

impl ProtocolCore {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            encoded: Vec::new(),
        }
    }
}

fn qos(level: u8) -> Qos {
    match level {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        _ => Qos::ExactlyOnce,
    }
}

fn properties(p: &Properties<'_>) -> Option<Vec<Property>> {
    let format = if p.is_text {
        PayloadFormat::String
    } else {
        PayloadFormat::Binary
    };
    Some(vec![
        Property::PayloadFormatIndicator(PayloadFormatIndicator::new(format).ok()?),
        Property::MessageExpiryInterval(MessageExpiryInterval::new(p.expiry).ok()?),
        Property::CorrelationData(CorrelationData::new(p.correlation.to_vec()).ok()?),
        Property::UserProperty(UserProperty::new(p.user.0, p.user.1).ok()?),
    ])
}

fn entries(subscribe: &Subscribe<'_>) -> Option<Vec<SubEntry>> {
    let entry = |(filter, level)| SubEntry::new(filter, SubOpts::new().set_qos(qos(level))).ok();
    let [first, second] = subscribe.filters;
    Some(vec![entry(first)?, entry(second)?])
}

/// An acknowledgement, built and encoded, in either version.
macro_rules! encode_ack {
    ($version:ident, $ack:expr, $id:expr) => {
        match $ack {
            Ack::PubAck => $version::Puback::builder()
                .packet_id($id)
                .build()
                .ok()?
                .to_continuous_buffer(),
            Ack::PubRec => $version::Pubrec::builder()
                .packet_id($id)
                .build()
                .ok()?
                .to_continuous_buffer(),
            Ack::PubRel => $version::Pubrel::builder()
                .packet_id($id)
                .build()
                .ok()?
                .to_continuous_buffer(),
            Ack::PubComp => $version::Pubcomp::builder()
                .packet_id($id)
                .build()
                .ok()?
                .to_continuous_buffer(),
        }
    };
}

/// What a server sends, in either version.
macro_rules! decode {
    ($version:ident, $first:expr, $body:expr) => {
        match $first >> 4 {
            2 => $version::Connack::parse($body).ok()?.0.into(),
            3 => $version::Publish::parse($first & 0x0F, Arc::from($body))
                .ok()?
                .0
                .into(),
            4 => $version::Puback::parse($body).ok()?.0.into(),
            5 => $version::Pubrec::parse($body).ok()?.0.into(),
            6 => $version::Pubrel::parse($body).ok()?.0.into(),
            7 => $version::Pubcomp::parse($body).ok()?.0.into(),
            9 => $version::Suback::parse($body).ok()?.0.into(),
            13 => $version::Pingresp::parse($body).ok()?.0.into(),
            _ => return None,
        }
    };
}

impl Codec for ProtocolCore {
    type Packet<'a> = Any;

    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
        macro_rules! builder {
            ($version:ident) => {{
                let mut builder = $version::Publish::builder()
                    .topic_name(publish.topic)
                    .ok()?
                    .qos(qos(publish.qos))
                    .payload(publish.payload);
                if publish.qos > 0 {
                    builder = builder.packet_id(publish.id);
                }
                builder
            }};
        }
        self.encoded = match self.version {
            Version::V311 => builder!(v3_1_1).build().ok()?.to_continuous_buffer(),
            Version::V5 => {
                let mut builder = builder!(v5_0);
                if let Some(p) = &publish.properties {
                    builder = builder.props(properties(p)?);
                }
                builder.build().ok()?.to_continuous_buffer()
            }
        };
        Some(&self.encoded)
    }

    fn ack(&mut self, ack: Ack, id: u16) -> Option<&[u8]> {
        self.encoded = match self.version {
            Version::V311 => encode_ack!(v3_1_1, ack, id),
            Version::V5 => encode_ack!(v5_0, ack, id),
        };
        Some(&self.encoded)
    }

    fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]> {
        macro_rules! builder {
            ($version:ident) => {
                $version::Connect::builder()
                    .client_id(connect.client_id)
                    .ok()?
                    .keep_alive(connect.keep_alive)
                    .clean_start(false)
                    .user_name(connect.username)
                    .ok()?
                    .password(connect.password)
                    .ok()?
            };
        }
        self.encoded = match self.version {
            Version::V311 => builder!(v3_1_1).build().ok()?.to_continuous_buffer(),
            Version::V5 => builder!(v5_0)
                .props(vec![
                    Property::SessionExpiryInterval(
                        SessionExpiryInterval::new(connect.session_expiry).ok()?,
                    ),
                    Property::ReceiveMaximum(ReceiveMaximum::new(connect.receive_maximum).ok()?),
                ])
                .build()
                .ok()?
                .to_continuous_buffer(),
        };
        Some(&self.encoded)
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]> {
        macro_rules! encode {
            ($version:ident) => {
                $version::Subscribe::builder()
                    .packet_id(subscribe.id)
                    .entries(entries(subscribe)?)
                    .build()
                    .ok()?
                    .to_continuous_buffer()
            };
        }
        self.encoded = match self.version {
            Version::V311 => encode!(v3_1_1),
            Version::V5 => encode!(v5_0),
        };
        Some(&self.encoded)
    }

    fn ping(&mut self) -> Option<&[u8]> {
        self.encoded = match self.version {
            Version::V311 => v3_1_1::Pingreq::new().to_continuous_buffer(),
            Version::V5 => v5_0::Pingreq::new().to_continuous_buffer(),
        };
        Some(&self.encoded)
    }

    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<Any> {
        let (first, body) = split_header(wire)?;
        Some(match self.version {
            Version::V311 => decode!(v3_1_1, first, body),
            Version::V5 => decode!(v5_0, first, body),
        })
    }

    fn view<'a>(packet: &'a Any) -> Option<Packet<'a>> {
        Some(match packet {
            Any::V3_1_1Publish(publish) => Packet::Publish(Publish {
                qos: publish.qos() as u8,
                id: publish.packet_id().unwrap_or(1),
                topic: publish.topic_name(),
                properties: None,
                payload: publish.payload().as_slice(),
            }),
            Any::V5_0Publish(publish) => Packet::Publish(Publish {
                qos: publish.qos() as u8,
                id: publish.packet_id().unwrap_or(1),
                topic: publish.topic_name(),
                properties: match &publish.props[..] {
                    [
                        Property::PayloadFormatIndicator(is_text),
                        Property::MessageExpiryInterval(expiry),
                        Property::CorrelationData(correlation),
                        Property::UserProperty(user),
                    ] => Some(Properties {
                        is_text: is_text.val() == 1,
                        expiry: expiry.val(),
                        correlation: correlation.val(),
                        user: (user.key(), user.val()),
                    }),
                    _ => None,
                },
                payload: publish.payload().as_slice(),
            }),
            Any::V3_1_1Puback(ack) => Packet::Ack(Ack::PubAck, ack.packet_id()),
            Any::V3_1_1Pubrec(ack) => Packet::Ack(Ack::PubRec, ack.packet_id()),
            Any::V3_1_1Pubrel(ack) => Packet::Ack(Ack::PubRel, ack.packet_id()),
            Any::V3_1_1Pubcomp(ack) => Packet::Ack(Ack::PubComp, ack.packet_id()),
            Any::V5_0Puback(ack) => Packet::Ack(Ack::PubAck, ack.packet_id()),
            Any::V5_0Pubrec(ack) => Packet::Ack(Ack::PubRec, ack.packet_id()),
            Any::V5_0Pubrel(ack) => Packet::Ack(Ack::PubRel, ack.packet_id()),
            Any::V5_0Pubcomp(ack) => Packet::Ack(Ack::PubComp, ack.packet_id()),
            Any::V3_1_1Connack(connack) => Packet::ConnAck(ConnAck {
                session_present: connack.session_present(),
                limits: None,
            }),
            Any::V5_0Connack(connack) => Packet::ConnAck(ConnAck {
                session_present: connack.session_present(),
                limits: match &connack.props()[..] {
                    [
                        Property::ReceiveMaximum(receive),
                        Property::MaximumPacketSize(packet_size),
                        Property::TopicAliasMaximum(alias),
                    ] => Some((receive.val(), packet_size.val(), alias.val())),
                    _ => None,
                },
            }),
            Any::V3_1_1Suback(suback) => {
                let [first, second] = suback.return_codes()[..] else {
                    return None;
                };
                Packet::SubAck(suback.packet_id(), [first as u8, second as u8])
            }
            Any::V5_0Suback(suback) => {
                let [first, second] = suback.reason_codes()[..] else {
                    return None;
                };
                Packet::SubAck(suback.packet_id(), [first as u8, second as u8])
            }
            Any::V3_1_1Pingresp(_) | Any::V5_0Pingresp(_) => Packet::PingResp,
            _ => return None,
        })
    }
}
