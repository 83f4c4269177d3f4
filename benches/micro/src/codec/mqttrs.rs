//! mqttrs: borrows, and writes into a slice.

use ::mqttrs::{self as peer, Pid, QoS, QosPid, SubscribeReturnCodes, SubscribeTopic};

use super::{Codec, MAX_LEN};
use crate::packet::{Ack, ConnAck, Connect, Packet, Publish, Subscribe};

pub(super) struct Mqttrs {
    buffer: Vec<u8>,
}

impl Mqttrs {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; MAX_LEN],
        }
    }

    fn encode(&mut self, packet: &peer::Packet<'_>) -> Option<&[u8]> {
        let n = peer::encode_slice(packet, &mut self.buffer).ok()?;
        Some(&self.buffer[..n])
    }
}

fn pid(id: u16) -> Pid {
    Pid::try_from(id).expect("an identifier")
}

fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

impl Codec for Mqttrs {
    type Packet<'a> = peer::Packet<'a>;

    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
        self.encode(&peer::Packet::Publish(peer::Publish {
            dup: false,
            qospid: match publish.qos {
                0 => QosPid::AtMostOnce,
                1 => QosPid::AtLeastOnce(pid(publish.id)),
                _ => QosPid::ExactlyOnce(pid(publish.id)),
            },
            retain: false,
            topic_name: publish.topic,
            payload: publish.payload,
        }))
    }

    fn ack(&mut self, ack: Ack, id: u16) -> Option<&[u8]> {
        self.encode(&match ack {
            Ack::PubAck => peer::Packet::Puback(pid(id)),
            Ack::PubRec => peer::Packet::Pubrec(pid(id)),
            Ack::PubRel => peer::Packet::Pubrel(pid(id)),
            Ack::PubComp => peer::Packet::Pubcomp(pid(id)),
        })
    }

    fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]> {
        self.encode(&peer::Packet::Connect(peer::Connect {
            protocol: peer::Protocol::MQTT311,
            keep_alive: connect.keep_alive,
            client_id: connect.client_id,
            clean_session: false,
            last_will: None,
            username: Some(connect.username),
            password: Some(connect.password.as_bytes()),
        }))
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]> {
        let topics = subscribe.filters.map(|(filter, level)| SubscribeTopic {
            topic_path: filter.to_owned(),
            qos: qos(level),
        });
        let packet = peer::Subscribe::new(pid(subscribe.id), topics.into());
        self.encode(&peer::Packet::Subscribe(packet))
    }

    fn ping(&mut self) -> Option<&[u8]> {
        self.encode(&peer::Packet::Pingreq)
    }

    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<peer::Packet<'a>> {
        peer::decode_slice(wire).ok()?
    }

    fn view<'a>(packet: &'a peer::Packet<'_>) -> Option<Packet<'a>> {
        Some(match packet {
            peer::Packet::Publish(publish) => Packet::Publish(Publish {
                qos: publish.qospid.qos() as u8,
                id: publish.qospid.pid().map_or(1, Pid::get),
                topic: publish.topic_name,
                properties: None,
                payload: publish.payload,
            }),
            peer::Packet::Puback(id) => Packet::Ack(Ack::PubAck, id.get()),
            peer::Packet::Pubrec(id) => Packet::Ack(Ack::PubRec, id.get()),
            peer::Packet::Pubrel(id) => Packet::Ack(Ack::PubRel, id.get()),
            peer::Packet::Pubcomp(id) => Packet::Ack(Ack::PubComp, id.get()),
            peer::Packet::Connack(connack) => Packet::ConnAck(ConnAck {
                session_present: connack.session_present,
                limits: None,
            }),
            peer::Packet::Suback(suback) => {
                let code = |code: &SubscribeReturnCodes| match code {
                    SubscribeReturnCodes::Success(qos) => *qos as u8,
                    SubscribeReturnCodes::Failure => 0x80,
                };
                let [first, second] = &suback.return_codes[..] else {
                    return None;
                };
                Packet::SubAck(suback.pid.get(), [code(first), code(second)])
            }
            peer::Packet::Pingresp => Packet::PingResp,
            _ => return None,
        })
    }
}
