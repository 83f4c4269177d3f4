//! `mqtt_core::wire`.

use mqtt_core::wire::{self, Filter, List, PacketId, Property, QoS};

use super::{Codec, MAX_LEN};
use crate::packet::{Ack, ConnAck, Connect, Packet, Properties, Publish, Subscribe, Version};

pub(super) struct Ours {
    version: wire::Version,
    buffer: Vec<u8>,
}

impl Ours {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version: wire::Version::from_u8(version.level()).expect("it speaks both"),
            buffer: vec![0; MAX_LEN],
        }
    }

    fn encode(&mut self, packet: &wire::Packet<'_>) -> Option<&[u8]> {
        let n = packet.encode(self.version, &mut self.buffer).ok()?;
        Some(&self.buffer[..n])
    }
}

fn qos(level: u8) -> QoS {
    QoS::from_u8(level).expect("a level")
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("an identifier")
}

impl Codec for Ours {
    type Packet<'a> = wire::Packet<'a>;

    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
        let mut packet = wire::Publish {
            qos: qos(publish.qos),
            packet_id: (publish.qos > 0).then(|| id(publish.id)),
            ..wire::Publish::new(publish.topic, publish.payload)
        };
        let properties;
        if let Some(p) = &publish.properties {
            properties = [
                Property::PayloadFormatIndicator(p.is_text),
                Property::MessageExpiryInterval(p.expiry),
                Property::CorrelationData(p.correlation),
                Property::UserProperty(p.user.0, p.user.1),
            ];
            packet.properties = List::from(&properties);
        }
        let n = packet.encode(self.version, &mut self.buffer).ok()?;
        Some(&self.buffer[..n])
    }

    fn ack(&mut self, ack: Ack, packet_id: u16) -> Option<&[u8]> {
        let body = wire::Ack::new(id(packet_id));
        self.encode(&match ack {
            Ack::PubAck => wire::Packet::PubAck(body),
            Ack::PubRec => wire::Packet::PubRec(body),
            Ack::PubRel => wire::Packet::PubRel(body),
            Ack::PubComp => wire::Packet::PubComp(body),
        })
    }

    fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]> {
        let is_v5 = self.version == wire::Version::V5;
        let properties = [
            Property::SessionExpiryInterval(connect.session_expiry),
            Property::ReceiveMaximum(connect.receive_maximum),
        ];
        let packet = wire::Connect {
            version: self.version,
            clean_start: false,
            keep_alive: connect.keep_alive,
            properties: if is_v5 {
                List::from(&properties)
            } else {
                List::EMPTY
            },
            client_id: connect.client_id,
            will: None,
            username: Some(connect.username),
            password: Some(connect.password.as_bytes()),
        };
        let n = packet.encode(self.version, &mut self.buffer).ok()?;
        Some(&self.buffer[..n])
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]> {
        let filters = subscribe
            .filters
            .map(|(topic, level)| Filter::new(topic, qos(level)));
        let packet = wire::Subscribe {
            packet_id: id(subscribe.id),
            properties: List::EMPTY,
            filters: List::from(&filters),
        };
        let n = packet.encode(self.version, &mut self.buffer).ok()?;
        Some(&self.buffer[..n])
    }

    fn ping(&mut self) -> Option<&[u8]> {
        let n = wire::Packet::PingReq
            .encode(self.version, &mut self.buffer)
            .ok()?;
        Some(&self.buffer[..n])
    }

    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<wire::Packet<'a>> {
        let (packet, _) = wire::Packet::decode(wire, self.version).ok()??;
        Some(packet)
    }

    fn view<'a>(packet: &'a wire::Packet<'_>) -> Option<Packet<'a>> {
        Some(match packet {
            wire::Packet::Publish(publish) => Packet::Publish(view_publish(publish)?),
            wire::Packet::PubAck(ack) => Packet::Ack(Ack::PubAck, ack.packet_id.get()),
            wire::Packet::PubRec(ack) => Packet::Ack(Ack::PubRec, ack.packet_id.get()),
            wire::Packet::PubRel(ack) => Packet::Ack(Ack::PubRel, ack.packet_id.get()),
            wire::Packet::PubComp(ack) => Packet::Ack(Ack::PubComp, ack.packet_id.get()),
            wire::Packet::ConnAck(connack) => {
                let mut limits = None;
                let mut properties = connack.properties.iter();
                if let (
                    Some(Property::ReceiveMaximum(receive)),
                    Some(Property::MaximumPacketSize(packet_size)),
                    Some(Property::TopicAliasMaximum(alias)),
                ) = (properties.next(), properties.next(), properties.next())
                {
                    limits = Some((receive, packet_size, alias));
                }
                Packet::ConnAck(ConnAck {
                    session_present: connack.session_present,
                    limits,
                })
            }
            wire::Packet::SubAck(suback) => {
                let mut codes = suback.codes.iter().map(|code| code as u8);
                Packet::SubAck(suback.packet_id.get(), [codes.next()?, codes.next()?])
            }
            wire::Packet::PingResp => Packet::PingResp,
            _ => return None,
        })
    }
}

fn view_publish<'a>(publish: &wire::Publish<'a>) -> Option<Publish<'a>> {
    let mut iter = publish.properties.iter();
    let properties = if publish.properties.is_empty() {
        None
    } else if let (
        Some(Property::PayloadFormatIndicator(is_text)),
        Some(Property::MessageExpiryInterval(expiry)),
        Some(Property::CorrelationData(correlation)),
        Some(Property::UserProperty(name, value)),
        None,
    ) = (
        iter.next(),
        iter.next(),
        iter.next(),
        iter.next(),
        iter.next(),
    ) {
        Some(Properties {
            is_text,
            expiry,
            correlation,
            user: (name, value),
        })
    } else {
        return None;
    };
    Some(Publish {
        qos: publish.qos as u8,
        id: publish.packet_id.map_or(1, PacketId::get),
        topic: publish.topic,
        properties,
        payload: publish.payload,
    })
}
