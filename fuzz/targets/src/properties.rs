//! Property lists of 5.0, against table 2-4 written down a second time.

use mqtt_core::wire::{Packet, Property, QoS, Version};

use crate::input::{packet, put_var_int};

/// Where a property list stands, by its name in table 2-4.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Connect,
    ConnAck,
    Publish,
    Will,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Disconnect,
    Auth,
}

const PLACES: [Place; 14] = [
    Place::Connect,
    Place::ConnAck,
    Place::Publish,
    Place::Will,
    Place::PubAck,
    Place::PubRec,
    Place::PubRel,
    Place::PubComp,
    Place::Subscribe,
    Place::SubAck,
    Place::Unsubscribe,
    Place::UnsubAck,
    Place::Disconnect,
    Place::Auth,
];

/// The number of a place, then properties without their length.
pub(crate) fn run(data: &[u8]) {
    let Some((place, list)) = data.split_first() else {
        return;
    };
    let place = PLACES[usize::from(*place) % PLACES.len()];
    let bytes = packet_with(place, list);
    let expected = by_the_book(place, list);
    match Packet::decode(&bytes, Version::V5) {
        Ok(Some((packet, len))) => {
            assert_eq!(len, bytes.len());
            let found = properties_of(&packet, place);
            assert_eq!(Some(found), expected, "{place:?}");
            let mut out = vec![0; len];
            let n = packet.encode(Version::V5, &mut out).unwrap();
            assert_eq!(
                Packet::decode(&out[..n], Version::V5),
                Ok(Some((packet, n)))
            );
        }
        Ok(None) => panic!("a packet that is whole"),
        Err(error) => assert_eq!(expected, None, "{place:?}: {error:?}"),
    }
}

/// A packet of which nothing but its properties can be wrong.
fn packet_with(place: Place, list: &[u8]) -> Vec<u8> {
    let mut properties = Vec::new();
    put_var_int(&mut properties, list.len());
    properties.extend_from_slice(list);
    let (first, before, after): (u8, &[u8], &[u8]) = match place {
        Place::Connect => (0x10, b"\0\x04MQTT\x05\x02\0\0", b"\0\x01c"),
        Place::ConnAck => (0x20, b"\0\0", b""),
        Place::Publish => (0x30, b"\0\x01t", b"payload"),
        Place::Will => (0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\x01c", b"\0\x01t\0\0"),
        Place::PubAck => (0x40, b"\0\x01\0", b""),
        Place::PubRec => (0x50, b"\0\x01\0", b""),
        Place::PubRel => (0x62, b"\0\x01\0", b""),
        Place::PubComp => (0x70, b"\0\x01\0", b""),
        Place::Subscribe => (0x82, b"\0\x01", b"\0\x01f\0"),
        Place::SubAck => (0x90, b"\0\x01", b"\0"),
        Place::Unsubscribe => (0xA2, b"\0\x01", b"\0\x01f"),
        Place::UnsubAck => (0xB0, b"\0\x01", b"\0"),
        Place::Disconnect => (0xE0, b"\0", b""),
        Place::Auth => (0xF0, b"\x18", b""),
    };
    packet(first, &[before, &properties, after].concat())
}

fn properties_of<'a>(packet: &Packet<'a>, place: Place) -> Vec<Property<'a>> {
    let list = match packet {
        Packet::Connect(connect) if place == Place::Will => connect.will.unwrap().properties,
        Packet::Connect(packet) => packet.properties,
        Packet::ConnAck(packet) => packet.properties,
        Packet::Publish(packet) => packet.properties,
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack.properties
        }
        Packet::Subscribe(packet) => packet.properties,
        Packet::SubAck(packet) => packet.properties,
        Packet::Unsubscribe(packet) => packet.properties,
        Packet::UnsubAck(packet) => packet.properties,
        Packet::Disconnect(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
        Packet::PingReq | Packet::PingResp => panic!("{packet:?}"),
    };
    list.iter().collect()
}

/// The properties, if all is as it has to be.
fn by_the_book(place: Place, mut bytes: &[u8]) -> Option<Vec<Property<'_>>> {
    let mut found: Vec<(u8, Property<'_>)> = Vec::new();
    while let Some(id) = bytes.first() {
        bytes = &bytes[1..];
        if !is_allowed(*id, place) {
            return None;
        }
        let is_repeated = found.iter().any(|(other, _)| other == id);
        let may_be = *id == 38 || *id == 11 && place == Place::Publish;
        if is_repeated && !may_be {
            return None;
        }
        found.push((*id, property(*id, &mut bytes)?));
    }
    let has = |id| found.iter().any(|(other, _)| *other == id);
    if has(22) && !has(21) || place == Place::Auth && !has(21) {
        return None;
    }
    Some(found.into_iter().map(|(_, property)| property).collect())
}

/// The last two columns of table 2-4.
fn is_allowed(id: u8, place: Place) -> bool {
    use Place::*;
    let places: &[Place] = match id {
        1 | 2 | 3 | 8 | 9 => &[Publish, Will],
        11 => &[Publish, Subscribe],
        17 => &[Connect, ConnAck, Disconnect],
        18 | 19 | 26 | 36 | 37 | 40 | 41 | 42 => &[ConnAck],
        21 | 22 => &[Connect, ConnAck, Auth],
        23 | 25 => &[Connect],
        24 => &[Will],
        28 => &[ConnAck, Disconnect],
        31 => &[
            ConnAck, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, Disconnect, Auth,
        ],
        33 | 34 | 39 => &[Connect, ConnAck],
        35 => &[Publish],
        38 => &PLACES,
        _ => &[],
    };
    places.contains(&place)
}

/// The value of one property, by sections 3.1.2.11 to 3.15.2.2.
fn property<'a>(id: u8, bytes: &mut &'a [u8]) -> Option<Property<'a>> {
    Some(match id {
        1 => Property::PayloadFormatIndicator(flag(bytes)?),
        2 => Property::MessageExpiryInterval(number(4, bytes)?),
        3 => Property::ContentType(text(bytes)?),
        8 => {
            let topic = text(bytes)?;
            if topic.is_empty() || topic.contains(['+', '#']) {
                return None;
            }
            Property::ResponseTopic(topic)
        }
        9 => Property::CorrelationData(data(bytes)?),
        11 => Property::SubscriptionIdentifier(var_int(bytes).filter(|id| *id > 0)?),
        17 => Property::SessionExpiryInterval(number(4, bytes)?),
        18 => Property::AssignedClientIdentifier(text(bytes)?),
        19 => Property::ServerKeepAlive(short(bytes)?),
        21 => Property::AuthenticationMethod(text(bytes)?),
        22 => Property::AuthenticationData(data(bytes)?),
        23 => Property::RequestProblemInformation(flag(bytes)?),
        24 => Property::WillDelayInterval(number(4, bytes)?),
        25 => Property::RequestResponseInformation(flag(bytes)?),
        26 => Property::ResponseInformation(text(bytes)?),
        28 => Property::ServerReference(text(bytes)?),
        31 => Property::ReasonString(text(bytes)?),
        33 => Property::ReceiveMaximum(short(bytes).filter(|n| *n > 0)?),
        34 => Property::TopicAliasMaximum(short(bytes)?),
        35 => Property::TopicAlias(short(bytes).filter(|n| *n > 0)?),
        36 => Property::MaximumQoS(match flag(bytes)? {
            false => QoS::AtMostOnce,
            true => QoS::AtLeastOnce,
        }),
        37 => Property::RetainAvailable(flag(bytes)?),
        38 => Property::UserProperty(text(bytes)?, text(bytes)?),
        39 => Property::MaximumPacketSize(number(4, bytes).filter(|n| *n > 0)?),
        40 => Property::WildcardSubscriptionAvailable(flag(bytes)?),
        41 => Property::SubscriptionIdentifierAvailable(flag(bytes)?),
        42 => Property::SharedSubscriptionAvailable(flag(bytes)?),
        _ => return None,
    })
}

fn number(len: usize, bytes: &mut &[u8]) -> Option<u32> {
    let (own, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(own.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
}

fn short(bytes: &mut &[u8]) -> Option<u16> {
    number(2, bytes).and_then(|n| u16::try_from(n).ok())
}

fn flag(bytes: &mut &[u8]) -> Option<bool> {
    match number(1, bytes)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// In its shortest form.
fn var_int(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for digit in 0..4 {
        let byte = number(1, bytes)?;
        value += (byte & 0x7F) << (7 * digit);
        if byte < 0x80 {
            return (byte > 0 || digit == 0).then_some(value);
        }
    }
    None
}

fn data<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(2, bytes)?;
    let (own, rest) = bytes.split_at_checked(len as usize)?;
    *bytes = rest;
    Some(own)
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let text = str::from_utf8(data(bytes)?).ok()?;
    (!text.contains('\0')).then_some(text)
}
