//! flowsdk: packets that own what is in them, and a new `Vec` for each that is encoded.

use ::flowsdk::mqtt_serde::control_packet::MqttPacket;
use ::flowsdk::mqtt_serde::parser::ParseOk;
use ::flowsdk::mqtt_serde::{mqttv3, mqttv5};
use mqttv5::Property;

use super::Codec;
use crate::packet::{Ack, ConnAck, Connect, Packet, Properties, Publish, Subscribe, Version};

pub(super) struct Flowsdk {
    version: Version,
    encoded: Vec<u8>,
}

impl Flowsdk {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            encoded: Vec::new(),
        }
    }

    fn encode(&mut self, packet: &MqttPacket) -> Option<&[u8]> {
        self.encoded = packet.to_bytes().ok()?;
        Some(&self.encoded)
    }
}

impl Codec for Flowsdk {
    type Packet<'a> = MqttPacket;

    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
        let topic = publish.topic.to_owned();
        let payload = publish.payload.to_vec();
        let id = (publish.qos > 0).then_some(publish.id);
        let packet = match self.version {
            Version::V311 => MqttPacket::Publish3(mqttv3::publish::MqttPublish::new(
                topic,
                publish.qos,
                payload,
                id,
                false,
                false,
            )),
            Version::V5 => {
                let properties = publish.properties.map_or_else(Vec::new, |p| {
                    vec![
                        Property::PayloadFormatIndicator(p.is_text.into()),
                        Property::MessageExpiryInterval(p.expiry),
                        Property::CorrelationData(p.correlation.to_vec()),
                        Property::UserProperty(p.user.0.to_owned(), p.user.1.to_owned()),
                    ]
                });
                MqttPacket::Publish5(mqttv5::publish::MqttPublish::new_with_prop(
                    publish.qos,
                    topic,
                    id,
                    payload,
                    false,
                    false,
                    properties,
                ))
            }
        };
        self.encode(&packet)
    }

    fn ack(&mut self, ack: Ack, id: u16) -> Option<&[u8]> {
        let packet = match self.version {
            Version::V311 => match ack {
                Ack::PubAck => MqttPacket::PubAck3(mqttv3::puback::MqttPubAck::new(id)),
                Ack::PubRec => MqttPacket::PubRec3(mqttv3::pubrec::MqttPubRec::new(id)),
                Ack::PubRel => MqttPacket::PubRel3(mqttv3::pubrel::MqttPubRel::new(id)),
                Ack::PubComp => MqttPacket::PubComp3(mqttv3::pubcomp::MqttPubComp::new(id)),
            },
            Version::V5 => match ack {
                Ack::PubAck => MqttPacket::PubAck5(mqttv5::puback::MqttPubAck::new_success(id)),
                Ack::PubRec => MqttPacket::PubRec5(mqttv5::pubrec::MqttPubRec::new_success(id)),
                Ack::PubRel => MqttPacket::PubRel5(mqttv5::pubrel::MqttPubRel::new_success(id)),
                Ack::PubComp => MqttPacket::PubComp5(mqttv5::pubcomp::MqttPubComp::new_success(id)),
            },
        };
        self.encode(&packet)
    }

    fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]> {
        let client_id = connect.client_id.to_owned();
        let username = Some(connect.username.to_owned());
        let password = Some(connect.password.as_bytes().to_vec());
        let packet = match self.version {
            Version::V311 => {
                let mut packet =
                    mqttv3::connect::MqttConnect::new(client_id, connect.keep_alive, false);
                packet.username = username;
                packet.password = password;
                MqttPacket::Connect3(packet)
            }
            Version::V5 => MqttPacket::Connect5(mqttv5::connect::MqttConnect::new(
                client_id,
                username,
                password,
                None,
                connect.keep_alive,
                false,
                vec![
                    Property::SessionExpiryInterval(connect.session_expiry),
                    Property::ReceiveMaximum(connect.receive_maximum),
                ],
            )),
        };
        self.encode(&packet)
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]> {
        let filters = subscribe.filters;
        let packet = match self.version {
            Version::V311 => {
                let filters = filters.map(|(filter, qos)| mqttv3::subscribe::SubscriptionTopic {
                    topic_filter: filter.to_owned(),
                    qos,
                });
                MqttPacket::Subscribe3(mqttv3::subscribe::MqttSubscribe::new(
                    subscribe.id,
                    filters.into(),
                ))
            }
            Version::V5 => {
                let filters = filters.map(|(filter, qos)| {
                    mqttv5::subscribe::TopicSubscription::new_simple(filter.to_owned(), qos)
                });
                MqttPacket::Subscribe5(mqttv5::subscribe::MqttSubscribe::new_simple(
                    subscribe.id,
                    filters.into(),
                ))
            }
        };
        self.encode(&packet)
    }

    fn ping(&mut self) -> Option<&[u8]> {
        let packet = match self.version {
            Version::V311 => MqttPacket::PingReq3(mqttv3::pingreq::MqttPingReq::new()),
            Version::V5 => MqttPacket::PingReq5(mqttv5::pingreq::MqttPingReq::new()),
        };
        self.encode(&packet)
    }

    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<MqttPacket> {
        match MqttPacket::from_bytes_with_version(wire, self.version.level()).ok()? {
            ParseOk::Packet(packet, _) => Some(packet),
            _ => None,
        }
    }

    fn view<'a>(packet: &'a MqttPacket) -> Option<Packet<'a>> {
        Some(match packet {
            MqttPacket::Publish3(publish) => Packet::Publish(Publish {
                qos: publish.qos,
                id: publish.message_id.unwrap_or(1),
                topic: &publish.topic_name,
                properties: None,
                payload: &publish.payload,
            }),
            MqttPacket::Publish5(publish) => Packet::Publish(Publish {
                qos: publish.qos,
                id: publish.packet_id.unwrap_or(1),
                topic: &publish.topic_name,
                properties: match &publish.properties[..] {
                    [
                        Property::PayloadFormatIndicator(is_text),
                        Property::MessageExpiryInterval(expiry),
                        Property::CorrelationData(correlation),
                        Property::UserProperty(name, value),
                    ] => Some(Properties {
                        is_text: *is_text == 1,
                        expiry: *expiry,
                        correlation,
                        user: (name, value),
                    }),
                    _ => None,
                },
                payload: &publish.payload,
            }),
            MqttPacket::PubAck3(ack) => Packet::Ack(Ack::PubAck, ack.message_id),
            MqttPacket::PubRec3(ack) => Packet::Ack(Ack::PubRec, ack.message_id),
            MqttPacket::PubRel3(ack) => Packet::Ack(Ack::PubRel, ack.message_id),
            MqttPacket::PubComp3(ack) => Packet::Ack(Ack::PubComp, ack.message_id),
            MqttPacket::PubAck5(ack) => Packet::Ack(Ack::PubAck, ack.packet_id),
            MqttPacket::PubRec5(ack) => Packet::Ack(Ack::PubRec, ack.packet_id),
            MqttPacket::PubRel5(ack) => Packet::Ack(Ack::PubRel, ack.packet_id),
            MqttPacket::PubComp5(ack) => Packet::Ack(Ack::PubComp, ack.packet_id),
            MqttPacket::ConnAck3(connack) => Packet::ConnAck(ConnAck {
                session_present: connack.session_present,
                limits: None,
            }),
            MqttPacket::ConnAck5(connack) => Packet::ConnAck(ConnAck {
                session_present: connack.session_present,
                limits: match connack.properties.as_deref()? {
                    &[
                        Property::ReceiveMaximum(receive),
                        Property::MaximumPacketSize(packet_size),
                        Property::TopicAliasMaximum(alias),
                    ] => Some((receive, packet_size, alias)),
                    _ => None,
                },
            }),
            MqttPacket::SubAck3(suback) => {
                Packet::SubAck(suback.message_id, suback.return_codes[..].try_into().ok()?)
            }
            MqttPacket::SubAck5(suback) => {
                Packet::SubAck(suback.packet_id, suback.reason_codes[..].try_into().ok()?)
            }
            MqttPacket::PingResp3(_) | MqttPacket::PingResp5(_) => Packet::PingResp,
            _ => return None,
        })
    }
}
