//! mountain-mqtt: 5.0, borrows, lists of fixed sizes.

use heapless::Vec as List;
use mountain_mqtt::codec::mqtt_reader::MqttBufReader;
use mountain_mqtt::codec::mqtt_writer::{MqttBufWriter, MqttWriter as _};
use mountain_mqtt::codec::{read::Read as _, write::Write};
use mountain_mqtt::data::packet_identifier::{PacketIdentifier, PublishPacketIdentifier};
use mountain_mqtt::data::property::{
    ConnackProperty, ConnectProperty, CorrelationData, MessageExpiryInterval,
    PayloadFormatIndicator, Property as _, PublishProperty, ReceiveMaximum, SessionExpiryInterval,
    UserProperty,
};
use mountain_mqtt::data::quality_of_service::QualityOfService;
use mountain_mqtt::data::reason_code::{PublishReasonCode, PubrelReasonCode};
use mountain_mqtt::data::string_pair::StringPair;
use mountain_mqtt::packets::connect::Connect as PeerConnect;
use mountain_mqtt::packets::packet_generic::PacketGeneric;
use mountain_mqtt::packets::pingreq::Pingreq;
use mountain_mqtt::packets::puback::Puback;
use mountain_mqtt::packets::pubcomp::Pubcomp;
use mountain_mqtt::packets::publish::Publish as PeerPublish;
use mountain_mqtt::packets::pubrec::Pubrec;
use mountain_mqtt::packets::pubrel::Pubrel;
use mountain_mqtt::packets::subscribe::{Subscribe as PeerSubscribe, SubscriptionRequest};

use super::{Codec, MAX_LEN};
use crate::packet::{Ack, ConnAck, Connect, Packet, Properties, Publish, Subscribe};

/// A packet with up to four of everything.
type Any<'a> = PacketGeneric<'a, 4, 4, 4>;

pub(super) struct Mountain {
    buffer: Vec<u8>,
}

impl Mountain {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; MAX_LEN],
        }
    }

    fn encode(&mut self, packet: &impl Write) -> Option<&[u8]> {
        let mut writer = MqttBufWriter::new(&mut self.buffer);
        writer.put(packet).ok()?;
        let n = writer.position();
        Some(&self.buffer[..n])
    }
}

fn qos(level: u8) -> QualityOfService {
    match level {
        0 => QualityOfService::Qos0,
        1 => QualityOfService::Qos1,
        _ => QualityOfService::Qos2,
    }
}

fn list<T, const N: usize, const M: usize>(items: [T; M]) -> List<T, N> {
    items.into_iter().collect()
}

impl Codec for Mountain {
    type Packet<'a> = Any<'a>;

    /// It takes a received QoS 2 for QoS 1.
    fn leaves_out(packet: &Packet<'_>, is_encoding: bool) -> bool {
        !is_encoding && matches!(packet, Packet::Publish(publish) if publish.qos == 2)
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
        let id = PacketIdentifier(publish.id);
        let id = match publish.qos {
            0 => PublishPacketIdentifier::None,
            1 => PublishPacketIdentifier::Qos1(id),
            _ => PublishPacketIdentifier::Qos2(id),
        };
        let properties = publish.properties.map_or_else(List::new, |p| {
            list([
                PublishProperty::PayloadFormatIndicator(PayloadFormatIndicator::new(
                    p.is_text.into(),
                )),
                PublishProperty::MessageExpiryInterval(MessageExpiryInterval::new(p.expiry)),
                PublishProperty::CorrelationData(CorrelationData::new(p.correlation)),
                PublishProperty::UserProperty(UserProperty::new(StringPair::new(
                    p.user.0, p.user.1,
                ))),
            ])
        });
        let packet: PeerPublish<'_, 4> =
            PeerPublish::new(false, false, publish.topic, id, publish.payload, properties);
        self.encode(&packet)
    }

    fn ack(&mut self, ack: Ack, id: u16) -> Option<&[u8]> {
        let id = PacketIdentifier(id);
        let (publish, pubrel) = (PublishReasonCode::Success, PubrelReasonCode::Success);
        match ack {
            Ack::PubAck => self.encode(&Puback::<4>::new(id, publish, List::new())),
            Ack::PubRec => self.encode(&Pubrec::<4>::new(id, publish, List::new())),
            Ack::PubRel => self.encode(&Pubrel::<4>::new(id, pubrel, List::new())),
            Ack::PubComp => self.encode(&Pubcomp::<4>::new(id, pubrel, List::new())),
        }
    }

    fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]> {
        let packet: PeerConnect<'_, 4, 4> = PeerConnect::new(
            connect.keep_alive,
            Some(connect.username),
            Some(connect.password.as_bytes()),
            connect.client_id,
            false,
            None,
            list([
                ConnectProperty::SessionExpiryInterval(SessionExpiryInterval::new(
                    connect.session_expiry,
                )),
                ConnectProperty::ReceiveMaximum(ReceiveMaximum::new(connect.receive_maximum)),
            ]),
        );
        self.encode(&packet)
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]> {
        let [first, second] = subscribe
            .filters
            .map(|(filter, level)| SubscriptionRequest::new(filter, qos(level)));
        let packet: PeerSubscribe<'_, 4, 4> = PeerSubscribe::new(
            PacketIdentifier(subscribe.id),
            first,
            list([second]),
            List::new(),
        );
        self.encode(&packet)
    }

    fn ping(&mut self) -> Option<&[u8]> {
        self.encode(&Pingreq::new())
    }

    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<Any<'a>> {
        Any::read(&mut MqttBufReader::new(wire)).ok()
    }

    fn view<'a>(packet: &'a Any<'_>) -> Option<Packet<'a>> {
        // Of some packets only comparison shows the identifier.
        let one = PacketIdentifier(1);
        let (publish, pubrel) = (PublishReasonCode::Success, PubrelReasonCode::Success);
        let acks: [(Ack, Any<'_>); 3] = [
            (
                Ack::PubRec,
                Any::Pubrec(Pubrec::new(one, publish, List::new())),
            ),
            (
                Ack::PubRel,
                Any::Pubrel(Pubrel::new(one, pubrel, List::new())),
            ),
            (
                Ack::PubComp,
                Any::Pubcomp(Pubcomp::new(one, pubrel, List::new())),
            ),
        ];
        if let Some((ack, _)) = acks.iter().find(|(_, ack)| ack == packet) {
            return Some(Packet::Ack(*ack, 1));
        }
        Some(match packet {
            Any::Publish(publish) => Packet::Publish(Publish {
                qos: publish.qos() as u8,
                id: match publish.publish_packet_identifier() {
                    PublishPacketIdentifier::None => 1,
                    PublishPacketIdentifier::Qos1(id) | PublishPacketIdentifier::Qos2(id) => id.0,
                },
                topic: publish.topic_name(),
                properties: match &publish.properties()[..] {
                    [
                        PublishProperty::PayloadFormatIndicator(is_text),
                        PublishProperty::MessageExpiryInterval(expiry),
                        PublishProperty::CorrelationData(correlation),
                        PublishProperty::UserProperty(user),
                    ] => {
                        let user = user.value();
                        Some(Properties {
                            is_text: is_text.value() == 1,
                            expiry: expiry.value(),
                            correlation: correlation.value(),
                            user: (user.name(), user.value()),
                        })
                    }
                    _ => None,
                },
                payload: publish.payload(),
            }),
            Any::Puback(ack) => Packet::Ack(Ack::PubAck, ack.packet_identifier().0),
            Any::Connack(connack) => Packet::ConnAck(ConnAck {
                session_present: connack.session_present(),
                limits: match &connack.properties()[..] {
                    [
                        ConnackProperty::ReceiveMaximum(receive),
                        ConnackProperty::MaximumPacketSize(packet_size),
                        ConnackProperty::TopicAliasMaximum(alias),
                    ] => Some((receive.value(), packet_size.value(), alias.value())),
                    _ => None,
                },
            }),
            Any::Suback(suback) => {
                let [second] = suback.other_reason_codes()[..] else {
                    return None;
                };
                Packet::SubAck(
                    suback.packet_identifier().0,
                    [*suback.first_reason_code() as u8, second as u8],
                )
            }
            Any::Pingresp(_) => Packet::PingResp,
            _ => return None,
        })
    }
}
