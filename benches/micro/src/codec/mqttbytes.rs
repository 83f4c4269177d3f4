//! mqttbytes, and those that have grown out of it: rumqttc's two codecs and rumqttc-next's.

use bytes::{Bytes, BytesMut};

use super::{Codec, MAX_LEN};
use crate::packet::{Ack, ConnAck, Connect, Packet, Properties, Publish, Subscribe};

/// A codec over the module `peer`, whose types have the same names in all, and mostly the same
/// fields. What differs is in functions.
macro_rules! codec {
    ($codec:ident, none: ($($none:tt)*), $($item:item)*) => {
        pub(super) mod $codec {
            use super::*;

            $($item)*

            pub(in crate::codec) struct Peer {
                tx: BytesMut,
                rx: BytesMut,
            }

            impl Peer {
                pub(in crate::codec) fn new() -> Self {
                    Self {
                        tx: BytesMut::with_capacity(MAX_LEN),
                        rx: BytesMut::with_capacity(MAX_LEN),
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

            impl Codec for Peer {
                type Packet<'a> = peer::Packet;

                fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
                    self.tx.clear();
                    let mut packet = new_publish(publish, qos(publish.qos));
                    packet.pkid = publish.id;
                    packet.write(&mut self.tx).ok()?;
                    Some(&self.tx)
                }

                fn ack(&mut self, ack: Ack, id: u16) -> Option<&[u8]> {
                    self.tx.clear();
                    match ack {
                        Ack::PubAck => peer::PubAck::new(id $($none)*).write(&mut self.tx),
                        Ack::PubRec => peer::PubRec::new(id $($none)*).write(&mut self.tx),
                        Ack::PubRel => peer::PubRel::new(id $($none)*).write(&mut self.tx),
                        Ack::PubComp => peer::PubComp::new(id $($none)*).write(&mut self.tx),
                    }
                    .ok()?;
                    Some(&self.tx)
                }

                fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]> {
                    self.tx.clear();
                    write_connect(connect, &mut self.tx).ok()?;
                    Some(&self.tx)
                }

                fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]> {
                    self.tx.clear();
                    let filters = subscribe
                        .filters
                        .map(|(filter, level)| Filter::new(filter.to_owned(), qos(level)));
                    let mut packet = peer::Subscribe::new_many(filters $($none)*);
                    packet.pkid = subscribe.id;
                    packet.write(&mut self.tx).ok()?;
                    Some(&self.tx)
                }

                fn ping(&mut self) -> Option<&[u8]> {
                    self.tx.clear();
                    write_ping(&mut self.tx).ok()?;
                    Some(&self.tx)
                }

                fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<peer::Packet> {
                    self.rx.extend_from_slice(wire);
                    read(&mut self.rx).ok()
                }

                fn view<'a>(packet: &'a peer::Packet) -> Option<Packet<'a>> {
                    Some(match packet {
                        peer::Packet::Publish(publish) => Packet::Publish(Publish {
                            qos: publish.qos as u8,
                            id: publish.pkid.max(1),
                            topic: topic(publish),
                            properties: properties(publish),
                            payload: &publish.payload,
                        }),
                        peer::Packet::PubAck(ack) => Packet::Ack(Ack::PubAck, ack.pkid),
                        peer::Packet::PubRec(ack) => Packet::Ack(Ack::PubRec, ack.pkid),
                        peer::Packet::PubRel(ack) => Packet::Ack(Ack::PubRel, ack.pkid),
                        peer::Packet::PubComp(ack) => Packet::Ack(Ack::PubComp, ack.pkid),
                        peer::Packet::ConnAck(connack) => Packet::ConnAck(ConnAck {
                            session_present: connack.session_present,
                            limits: limits(connack),
                        }),
                        peer::Packet::SubAck(suback) => {
                            let [first, second] = suback.return_codes[..] else {
                                return None;
                            };
                            Packet::SubAck(suback.pkid, [code(first), code(second)])
                        }
                        peer::Packet::PingResp { .. } => Packet::PingResp,
                        _ => return None,
                    })
                }
            }
        }
    };
}

/// What the codecs of 3.1.1 have in common.
macro_rules! codec_v4 {
    ($codec:ident, $qos:path, $peer:path, $($item:item)*) => {
        codec! { $codec, none: (),
            use $qos as QoS;
            use $peer as peer;
            use peer::SubscribeFilter as Filter;

            fn new_publish(publish: &Publish<'_>, qos: QoS) -> peer::Publish {
                peer::Publish::new(publish.topic, qos, publish.payload)
            }

            fn topic(publish: &peer::Publish) -> &str {
                &publish.topic
            }

            fn properties(_: &peer::Publish) -> Option<Properties<'_>> {
                None
            }

            fn write_connect(connect: &Connect<'_>, tx: &mut BytesMut) -> Result<usize, Error> {
                let mut packet = peer::Connect::new(connect.client_id);
                packet.keep_alive = connect.keep_alive;
                packet.clean_session = false;
                packet.set_login(connect.username, connect.password);
                packet.write(tx)
            }

            fn limits(_: &peer::ConnAck) -> Option<(u16, u32, u16)> {
                None
            }

            fn code(code: peer::SubscribeReasonCode) -> u8 {
                match code {
                    peer::SubscribeReasonCode::Success(qos) => qos as u8,
                    peer::SubscribeReasonCode::Failure => 0x80,
                }
            }

            fn write_ping(tx: &mut BytesMut) -> Result<usize, Error> {
                peer::PingReq.write(tx)
            }

            $($item)*
        }
    };
}

/// What the codecs of 5.0 have in common.
macro_rules! codec_v5 {
    ($codec:ident, none: $none:tt, $qos:path, $peer:path, $($item:item)*) => {
        codec! { $codec, none: $none,
            use $qos as QoS;
            use $peer as peer;

            fn new_properties(p: Properties<'_>) -> peer::PublishProperties {
                peer::PublishProperties {
                    payload_format_indicator: Some(p.is_text.into()),
                    message_expiry_interval: Some(p.expiry),
                    topic_alias: None,
                    response_topic: None,
                    correlation_data: Some(Bytes::copy_from_slice(p.correlation)),
                    user_properties: vec![(p.user.0.to_owned(), p.user.1.to_owned())],
                    subscription_identifiers: Vec::new(),
                    content_type: None,
                }
            }

            fn properties(publish: &peer::Publish) -> Option<Properties<'_>> {
                let p = publish.properties.as_ref()?;
                let (name, value) = p.user_properties.first()?;
                Some(Properties {
                    is_text: p.payload_format_indicator? == 1,
                    expiry: p.message_expiry_interval?,
                    correlation: p.correlation_data.as_ref()?,
                    user: (name, value),
                })
            }

            fn connect_properties(connect: &Connect<'_>) -> peer::ConnectProperties {
                peer::ConnectProperties {
                    session_expiry_interval: Some(connect.session_expiry),
                    receive_maximum: Some(connect.receive_maximum),
                    max_packet_size: None,
                    topic_alias_max: None,
                    request_response_info: None,
                    request_problem_info: None,
                    user_properties: Vec::new(),
                    authentication_method: None,
                    authentication_data: None,
                }
            }

            fn limits(connack: &peer::ConnAck) -> Option<(u16, u32, u16)> {
                let p = connack.properties.as_ref()?;
                Some((p.receive_max?, p.max_packet_size?, p.topic_alias_max?))
            }

            $($item)*
        }
    };
}

codec_v4! { mqttbytes_v4, ::mqttbytes::QoS, ::mqttbytes::v4,
    use ::mqttbytes::Error;

    fn read(rx: &mut BytesMut) -> Result<peer::Packet, Error> {
        peer::read(rx, MAX_LEN)
    }
}

codec_v4! { rumqttc_v4, ::rumqttc::mqttbytes::QoS, ::rumqttc::mqttbytes::v4,
    use ::rumqttc::mqttbytes::Error;

    fn read(rx: &mut BytesMut) -> Result<peer::Packet, Error> {
        peer::Packet::read(rx, MAX_LEN)
    }
}

codec_v5! { mqttbytes_v5, none: (), ::mqttbytes::QoS, ::mqttbytes::v5,
    use ::mqttbytes::Error;
    use peer::SubscribeFilter as Filter;

    fn read(rx: &mut BytesMut) -> Result<peer::Packet, Error> {
        peer::read(rx, MAX_LEN)
    }

    fn new_publish(publish: &Publish<'_>, qos: QoS) -> peer::Publish {
        let mut packet = peer::Publish::new(publish.topic, qos, publish.payload);
        packet.properties = publish.properties.map(new_properties);
        packet
    }

    fn topic(publish: &peer::Publish) -> &str {
        &publish.topic
    }

    fn write_connect(connect: &Connect<'_>, tx: &mut BytesMut) -> Result<usize, Error> {
        let mut packet = peer::Connect::new(connect.client_id);
        packet.keep_alive = connect.keep_alive;
        packet.clean_session = false;
        packet.set_login(connect.username, connect.password);
        packet.properties = Some(connect_properties(connect));
        packet.write(tx)
    }

    fn code(code: peer::SubscribeReasonCode) -> u8 {
        code as u8
    }

    fn write_ping(tx: &mut BytesMut) -> Result<usize, Error> {
        peer::PingReq.write(tx)
    }
}

codec_v5! { rumqttc_v5, none: (, None), ::rumqttc::v5::mqttbytes::QoS, ::rumqttc::v5::mqttbytes::v5,
    use ::rumqttc::v5::mqttbytes::Error;
    use peer::Filter;

    fn read(rx: &mut BytesMut) -> Result<peer::Packet, Error> {
        peer::Packet::read(rx, Some(MAX_LEN as u32))
    }

    fn new_publish(publish: &Publish<'_>, qos: QoS) -> peer::Publish {
        let payload = Bytes::copy_from_slice(publish.payload);
        let properties = publish.properties.map(new_properties);
        peer::Publish::new(publish.topic, qos, payload, properties)
    }

    fn topic(publish: &peer::Publish) -> &str {
        str::from_utf8(&publish.topic).expect("text")
    }

    fn write_connect(connect: &Connect<'_>, tx: &mut BytesMut) -> Result<usize, Error> {
        let packet = peer::Connect {
            keep_alive: connect.keep_alive,
            client_id: connect.client_id.to_owned(),
            clean_start: false,
            properties: Some(connect_properties(connect)),
        };
        let login = peer::Login::new(connect.username, connect.password);
        packet.write(&None, &Some(login), tx)
    }

    fn code(code: peer::SubscribeReasonCode) -> u8 {
        match code {
            peer::SubscribeReasonCode::Success(qos) => qos as u8,
            _ => 0x80,
        }
    }

    fn write_ping(tx: &mut BytesMut) -> Result<usize, Error> {
        peer::PingReq::write(tx)
    }
}

codec_v5! { rumqttc_next_v5, none: (, None), ::rumqttc_next::mqttbytes::QoS,
    ::rumqttc_next::mqttbytes::v5,
    use ::rumqttc_next::mqttbytes::Error;
    use peer::SubscribeFilter as Filter;

    fn read(rx: &mut BytesMut) -> Result<peer::Packet, Error> {
        peer::Packet::read(rx, Some(MAX_LEN as u32))
    }

    fn new_publish(publish: &Publish<'_>, qos: QoS) -> peer::Publish {
        let payload = Bytes::copy_from_slice(publish.payload);
        let properties = publish.properties.map(new_properties);
        peer::Publish::new(publish.topic, qos, payload, properties)
    }

    fn topic(publish: &peer::Publish) -> &str {
        str::from_utf8(&publish.topic).expect("text")
    }

    fn write_connect(connect: &Connect<'_>, tx: &mut BytesMut) -> Result<usize, Error> {
        let packet = peer::Connect {
            keep_alive: connect.keep_alive,
            client_id: connect.client_id.to_owned(),
            clean_start: false,
            properties: Some(connect_properties(connect)),
        };
        let auth = peer::ConnectAuth::UsernamePassword {
            username: connect.username.to_owned(),
            password: Bytes::copy_from_slice(connect.password.as_bytes()),
        };
        packet.write(&None, &auth, tx)
    }

    fn code(code: peer::SubscribeReasonCode) -> u8 {
        match code {
            peer::SubscribeReasonCode::Success(qos) => qos as u8,
            _ => 0x80,
        }
    }

    fn write_ping(tx: &mut BytesMut) -> Result<usize, Error> {
        peer::PingReq::write(tx)
    }
}
