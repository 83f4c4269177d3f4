//! Any packet that can be written is read back the same.

use arbitrary::{Arbitrary, Result, Unstructured};
use mqtt_core::wire::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, EncodeError, Filter, List, Packet,
    PacketId, Property, Publish, QoS, ReasonCode, RetainHandling, SubAck, Subscribe, UnsubAck,
    Unsubscribe, Version, Will,
};

/// Whatever [`arbitrary`] makes of the input.
pub(crate) fn run(data: &[u8]) {
    // Without enough bytes it gives zeros, and with them small packets.
    let _ = any(&mut Unstructured::new(data));
}

fn any(u: &mut Unstructured<'_>) -> Result<()> {
    let version = *u.choose(&[Version::V31, Version::V311, Version::V5])?;
    let (first, second) = (properties(u)?, properties(u)?);
    let properties = List::joined(&first, &second);
    let packet_id = PacketId::new(u16::arbitrary(u)?.max(1)).unwrap();
    let mut filters = Vec::new();
    let mut topics = Vec::new();
    let mut codes = Vec::new();
    let ack = Ack {
        packet_id,
        code: code(u)?,
        properties,
    };
    let packet = match u.int_in_range(1..=15)? {
        1 => Packet::Connect(Connect {
            version,
            clean_start: bool::arbitrary(u)?,
            keep_alive: u16::arbitrary(u)?,
            properties: List::from(&first[..]),
            client_id: <&str>::arbitrary(u)?,
            will: if bool::arbitrary(u)? {
                Some(Will {
                    topic: <&str>::arbitrary(u)?,
                    payload: <&[u8]>::arbitrary(u)?,
                    qos: qos(u)?,
                    retain: bool::arbitrary(u)?,
                    properties: List::from(&second[..]),
                })
            } else {
                None
            },
            username: Option::<&str>::arbitrary(u)?,
            password: Option::<&[u8]>::arbitrary(u)?,
        }),
        2 => Packet::ConnAck(ConnAck {
            session_present: bool::arbitrary(u)?,
            code: code(u)?,
            properties,
        }),
        3 => Packet::Publish(Publish {
            dup: bool::arbitrary(u)?,
            qos: qos(u)?,
            retain: bool::arbitrary(u)?,
            topic: <&str>::arbitrary(u)?,
            packet_id: Some(packet_id).filter(|_| u.ratio(1, 2).unwrap_or(true)),
            properties,
            payload: <&[u8]>::arbitrary(u)?,
        }),
        4 => Packet::PubAck(ack),
        5 => Packet::PubRec(ack),
        6 => Packet::PubRel(ack),
        7 => Packet::PubComp(ack),
        8 => {
            for _ in 0..u.int_in_range(0..=3)? {
                filters.push(filter(u)?);
            }
            Packet::Subscribe(Subscribe {
                packet_id,
                properties,
                filters: List::from(&filters[..]),
            })
        }
        9 | 11 => {
            for _ in 0..u.int_in_range(0..=3)? {
                codes.push(code(u)?);
            }
            let codes = List::from(&codes[..]);
            if bool::arbitrary(u)? {
                Packet::SubAck(SubAck {
                    packet_id,
                    properties,
                    codes,
                })
            } else {
                Packet::UnsubAck(UnsubAck {
                    packet_id,
                    properties,
                    codes,
                })
            }
        }
        10 => {
            for _ in 0..u.int_in_range(0..=3)? {
                topics.push(<&str>::arbitrary(u)?);
            }
            Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties,
                filters: List::from(&topics[..]),
            })
        }
        12 => Packet::PingReq,
        13 => Packet::PingResp,
        14 => Packet::Disconnect(Disconnect {
            code: code(u)?,
            properties,
        }),
        _ => Packet::Auth(Auth {
            code: code(u)?,
            properties,
        }),
    };
    check(&packet, version);
    Ok(())
}

fn check(packet: &Packet<'_>, version: Version) {
    let len = packet.encoded_len(version);
    let mut out = vec![0xEE; len.unwrap_or(64) + 3];
    match packet.encode(version, &mut out) {
        Ok(n) => {
            assert_eq!(len, Ok(n));
            assert_eq!(out[n..], [0xEE; 3]);
            let read = Packet::decode(&out, version);
            assert_eq!(read, Ok(Some((*packet, n))));
            for short in 0..n.min(8) {
                assert_eq!(Packet::decode(&out[..short], version), Ok(None));
            }
            // What was received is passed on as it is.
            let (again, _) = read.unwrap().unwrap();
            let mut copy = vec![0; n];
            assert_eq!(again.encode(version, &mut copy), Ok(n));
            assert_eq!(copy, out[..n]);
            refused_elsewhere(&again, version);
        }
        Err(error) => {
            assert_eq!(len, Err(error));
            assert!(out.iter().all(|byte| *byte == 0xEE), "written in part");
            assert!(!error.to_string().is_empty());
        }
    }
}

/// A packet of one version is written in another one only if that can say the same.
fn refused_elsewhere(packet: &Packet<'_>, from: Version) {
    if matches!(packet, Packet::Connect(_)) {
        return;
    }
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut out = vec![0; packet.encoded_len(version).unwrap_or(0)];
        match packet.encode(version, &mut out) {
            Ok(_) => {
                let read = Packet::decode(&out, version);
                assert_eq!(read, Ok(Some((*packet, out.len()))), "{from:?} {version:?}");
            }
            Err(error) => assert_ne!(error, EncodeError::BufferTooSmall),
        }
    }
    // The types of 3.1.1 are those of 5.0 but one.
    let auth = Packet::decode(b"\xF0\x00", Version::V311);
    assert_eq!(auth, Err(DecodeError::PacketType));
}

fn qos(u: &mut Unstructured<'_>) -> Result<QoS> {
    Ok(*u.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])?)
}

fn code(u: &mut Unstructured<'_>) -> Result<ReasonCode> {
    Ok(ReasonCode::from_u8(u8::arbitrary(u)?).unwrap_or(ReasonCode::Success))
}

fn filter<'a>(u: &mut Unstructured<'a>) -> Result<Filter<'a>> {
    Ok(Filter {
        topic: <&str>::arbitrary(u)?,
        qos: qos(u)?,
        no_local: bool::arbitrary(u)?,
        retain_as_published: bool::arbitrary(u)?,
        retain_handling: *u.choose(&[
            RetainHandling::Send,
            RetainHandling::SendIfNew,
            RetainHandling::DoNotSend,
        ])?,
    })
}

fn properties<'a>(u: &mut Unstructured<'a>) -> Result<Vec<Property<'a>>> {
    let mut list = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        list.push(property(u)?);
    }
    Ok(list)
}

fn property<'a>(u: &mut Unstructured<'a>) -> Result<Property<'a>> {
    Ok(match u.int_in_range(0..=26)? {
        0 => Property::PayloadFormatIndicator(bool::arbitrary(u)?),
        1 => Property::MessageExpiryInterval(u32::arbitrary(u)?),
        2 => Property::ContentType(<&str>::arbitrary(u)?),
        3 => Property::ResponseTopic(<&str>::arbitrary(u)?),
        4 => Property::CorrelationData(<&[u8]>::arbitrary(u)?),
        5 => Property::SubscriptionIdentifier(u32::arbitrary(u)?),
        6 => Property::SessionExpiryInterval(u32::arbitrary(u)?),
        7 => Property::AssignedClientIdentifier(<&str>::arbitrary(u)?),
        8 => Property::ServerKeepAlive(u16::arbitrary(u)?),
        9 => Property::AuthenticationMethod(<&str>::arbitrary(u)?),
        10 => Property::AuthenticationData(<&[u8]>::arbitrary(u)?),
        11 => Property::RequestProblemInformation(bool::arbitrary(u)?),
        12 => Property::WillDelayInterval(u32::arbitrary(u)?),
        13 => Property::RequestResponseInformation(bool::arbitrary(u)?),
        14 => Property::ResponseInformation(<&str>::arbitrary(u)?),
        15 => Property::ServerReference(<&str>::arbitrary(u)?),
        16 => Property::ReasonString(<&str>::arbitrary(u)?),
        17 => Property::ReceiveMaximum(u16::arbitrary(u)?),
        18 => Property::TopicAliasMaximum(u16::arbitrary(u)?),
        19 => Property::TopicAlias(u16::arbitrary(u)?),
        20 => Property::MaximumQoS(qos(u)?),
        21 => Property::RetainAvailable(bool::arbitrary(u)?),
        22 => Property::MaximumPacketSize(u32::arbitrary(u)?),
        23 => Property::WildcardSubscriptionAvailable(bool::arbitrary(u)?),
        24 => Property::SubscriptionIdentifierAvailable(bool::arbitrary(u)?),
        25 => Property::SharedSubscriptionAvailable(bool::arbitrary(u)?),
        _ => Property::UserProperty(<&str>::arbitrary(u)?, <&str>::arbitrary(u)?),
    })
}
