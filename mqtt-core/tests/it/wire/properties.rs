//! Every property in every packet: table 2-4 of MQTT 5.0.

use mqtt_core::wire::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, EncodeError, Filter, List, Packet,
    Properties, Property, Publish, QoS, ReasonCode, SubAck, Subscribe, UnsubAck, Unsubscribe,
    Version, Will,
};

use super::{BEFORE_5, bytes, decode, encode, frame, id, var_int};

/// Where a property list stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Connect,
    Will,
    ConnAck,
    Publish,
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

use Place::{
    Auth as AUTH, ConnAck as CONNACK, Connect as CONNECT, Disconnect as DISCONNECT,
    PubAck as PUBACK, PubComp as PUBCOMP, PubRec as PUBREC, PubRel as PUBREL, Publish as PUBLISH,
    SubAck as SUBACK, Subscribe as SUBSCRIBE, UnsubAck as UNSUBACK, Unsubscribe as UNSUBSCRIBE,
    Will as WILL,
};

const PLACES: &[Place] = &[
    CONNECT,
    WILL,
    CONNACK,
    PUBLISH,
    PUBACK,
    PUBREC,
    PUBREL,
    PUBCOMP,
    SUBSCRIBE,
    SUBACK,
    UNSUBSCRIBE,
    UNSUBACK,
    DISCONNECT,
    AUTH,
];

const ANSWERS: &[Place] = &[
    CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH,
];

type Row = (Property<'static>, &'static str, &'static [Place]);

/// A property, its bytes, and the places where it is allowed.
#[rustfmt::skip]
pub(super) const TABLE: [Row; 27] = {
    use Property as P;
    [
        (P::PayloadFormatIndicator(true), "01 01", &[PUBLISH, WILL]),
        (P::MessageExpiryInterval(0x0102_0304), "02 01020304", &[PUBLISH, WILL]),
        (P::ContentType("t/x"), "03 0003 't/x'", &[PUBLISH, WILL]),
        (P::ResponseTopic("r"), "08 0001 'r'", &[PUBLISH, WILL]),
        (P::CorrelationData(b"\x00\xFF"), "09 0002 00FF", &[PUBLISH, WILL]),
        (P::SubscriptionIdentifier(300), "0B AC02", &[PUBLISH, SUBSCRIBE]),
        (P::SessionExpiryInterval(u32::MAX), "11 FFFFFFFF", &[CONNECT, CONNACK, DISCONNECT]),
        (P::AssignedClientIdentifier("c1"), "12 0002 'c1'", &[CONNACK]),
        (P::ServerKeepAlive(0), "13 0000", &[CONNACK]),
        (P::AuthenticationMethod("S"), "15 0001 'S'", &[CONNECT, CONNACK, AUTH]),
        (P::AuthenticationData(b"\x00"), "16 0001 00", &[CONNECT, CONNACK, AUTH]),
        (P::RequestProblemInformation(false), "17 00", &[CONNECT]),
        (P::WillDelayInterval(1), "18 00000001", &[WILL]),
        (P::RequestResponseInformation(true), "19 01", &[CONNECT]),
        (P::ResponseInformation("i"), "1A 0001 'i'", &[CONNACK]),
        (P::ServerReference("s"), "1C 0001 's'", &[CONNACK, DISCONNECT]),
        (P::ReasonString("ré"), "1F 0003 'ré'", ANSWERS),
        (P::ReceiveMaximum(1), "21 0001", &[CONNECT, CONNACK]),
        (P::TopicAliasMaximum(0), "22 0000", &[CONNECT, CONNACK]),
        (P::TopicAlias(0xFFFF), "23 FFFF", &[PUBLISH]),
        (P::MaximumQoS(QoS::AtLeastOnce), "24 01", &[CONNACK]),
        (P::RetainAvailable(false), "25 00", &[CONNACK]),
        (P::UserProperty("k", ""), "26 0001 'k' 0000", PLACES),
        (P::MaximumPacketSize(u32::MAX), "27 FFFFFFFF", &[CONNECT, CONNACK]),
        (P::WildcardSubscriptionAvailable(true), "28 01", &[CONNACK]),
        (P::SubscriptionIdentifierAvailable(false), "29 00", &[CONNACK]),
        (P::SharedSubscriptionAvailable(true), "2A 01", &[CONNACK]),
    ]
};

const METHOD: Row = TABLE[9];

const FILTERS: &[Filter<'_>] = &[Filter::new("a", QoS::AtMostOnce)];

/// The smallest packet with these properties at this place.
fn packet(place: Place, properties: Properties<'_>, version: Version) -> Packet<'_> {
    let packet_id = id(10);
    let code = ReasonCode::Success;
    let will = Will {
        properties,
        ..Will::new("w", b"")
    };
    let connect = Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        properties: Properties::EMPTY,
        client_id: "c",
        will: (place == WILL).then_some(will),
        username: None,
        password: None,
    };
    let ack = Ack {
        packet_id,
        code,
        properties,
    };
    match place {
        CONNECT => Packet::Connect(Connect {
            properties,
            ..connect
        }),
        WILL => Packet::Connect(connect),
        CONNACK => Packet::ConnAck(ConnAck {
            session_present: false,
            code,
            properties,
        }),
        PUBLISH => Packet::Publish(Publish {
            properties,
            ..Publish::new("t", b"")
        }),
        PUBACK => Packet::PubAck(ack),
        PUBREC => Packet::PubRec(ack),
        PUBREL => Packet::PubRel(ack),
        PUBCOMP => Packet::PubComp(ack),
        SUBSCRIBE => Packet::Subscribe(Subscribe {
            packet_id,
            properties,
            filters: List::from(FILTERS),
        }),
        SUBACK => Packet::SubAck(SubAck {
            packet_id,
            properties,
            codes: List::from(&[ReasonCode::Success]),
        }),
        UNSUBSCRIBE => Packet::Unsubscribe(Unsubscribe {
            packet_id,
            properties,
            filters: List::from(&["a"]),
        }),
        UNSUBACK => Packet::UnsubAck(UnsubAck {
            packet_id,
            properties,
            codes: if version == Version::V5 {
                List::from(&[ReasonCode::Success])
            } else {
                List::EMPTY
            },
        }),
        DISCONNECT => Packet::Disconnect(Disconnect { code, properties }),
        AUTH => Packet::Auth(Auth { code, properties }),
    }
}

/// The same in bytes, of 5.0.
fn assembled(place: Place, properties: &[u8]) -> Vec<u8> {
    let (first, before, after) = match place {
        CONNECT => (0x10, "0004 'MQTT' 05 02 0000", "0001 'c'"),
        WILL => (0x10, "0004 'MQTT' 05 06 0000 00 0001 'c'", "0001 'w' 0000"),
        CONNACK => (0x20, "00 00", ""),
        PUBLISH => (0x30, "0001 't'", ""),
        PUBACK => (0x40, "000A 00", ""),
        PUBREC => (0x50, "000A 00", ""),
        PUBREL => (0x62, "000A 00", ""),
        PUBCOMP => (0x70, "000A 00", ""),
        SUBSCRIBE => (0x82, "000A", "0001 'a' 00"),
        SUBACK => (0x90, "000A", "00"),
        UNSUBSCRIBE => (0xA2, "000A", "0001 'a'"),
        UNSUBACK => (0xB0, "000A", "00"),
        DISCONNECT => (0xE0, "00", ""),
        AUTH => (0xF0, "00", ""),
    };
    let body = [
        bytes(before),
        var_int(properties.len()),
        properties.to_vec(),
        bytes(after),
    ];
    frame(first, &body.concat())
}

/// These rows' properties in one list, and their bytes. A method comes first where one must.
fn list(place: Place, rows: &[Row]) -> (Vec<Property<'static>>, Vec<u8>) {
    let is_method = |row: &Row| matches!(row.0, Property::AuthenticationMethod(_));
    let is_data = |row: &Row| matches!(row.0, Property::AuthenticationData(_));
    let needs_method = place == AUTH || rows.iter().any(is_data);
    let method = (needs_method && !rows.iter().any(is_method)).then_some(METHOD);
    let rows = || method.iter().chain(rows);
    (
        rows().map(|row| row.0).collect(),
        rows().flat_map(|row| bytes(row.1)).collect(),
    )
}

#[track_caller]
fn accepts(place: Place, rows: &[Row]) {
    let (properties, raw) = list(place, rows);
    let packet = packet(place, List::from(properties.as_slice()), Version::V5);
    let bytes = assembled(place, &raw);
    assert_eq!(decode(Version::V5, &bytes), Ok(packet), "{place:?}");
    assert_eq!(encode(Version::V5, &packet), Ok(bytes), "{place:?}");
}

#[track_caller]
fn refuses(place: Place, rows: &[Row], encoding: EncodeError, decoding: DecodeError) {
    let (properties, raw) = list(place, rows);
    let packet = packet(place, List::from(properties.as_slice()), Version::V5);
    assert_eq!(
        encode(Version::V5, &packet),
        Err(encoding),
        "{place:?} {properties:?}"
    );
    let bytes = assembled(place, &raw);
    assert_eq!(
        decode(Version::V5, &bytes),
        Err(decoding),
        "{place:?} {properties:?}"
    );
}

#[test]
fn each_property_where_it_belongs() {
    for row in TABLE {
        for &place in row.2 {
            accepts(place, &[row]);
        }
    }
}

#[test]
fn all_properties_of_a_packet_together() {
    for &place in PLACES {
        let mut rows = TABLE.to_vec();
        rows.retain(|row| row.2.contains(&place));
        accepts(place, &rows);
        rows.reverse();
        accepts(place, &rows);
    }
}

/// Malformed (2.2.2.2).
#[test]
fn each_property_where_it_does_not_belong() {
    for row in TABLE {
        for &place in PLACES.iter().filter(|place| !row.2.contains(place)) {
            let error = DecodeError::PropertyNotAllowed;
            refuses(place, &[row], EncodeError::PropertyNotAllowed, error);
            assert_eq!(error.reason_code(), ReasonCode::MalformedPacket);
        }
    }
}

/// A protocol error, but for user properties, and for the subscription identifiers of a message
/// that matched several subscriptions [MQTT-3.3.4-4].
#[test]
fn each_property_twice() {
    for row in TABLE {
        for &place in row.2 {
            let repeatable = match row.0 {
                Property::UserProperty(..) => true,
                Property::SubscriptionIdentifier(_) => place == PUBLISH,
                _ => false,
            };
            if repeatable {
                accepts(place, &[row, row, row]);
            } else {
                let error = DecodeError::PropertyRepeated;
                refuses(place, &[row, row], EncodeError::PropertyRepeated, error);
                assert_eq!(error.reason_code(), ReasonCode::ProtocolError);
            }
        }
    }
}

#[test]
fn unknown_properties() {
    let known = |id: &u8| TABLE.iter().any(|row| bytes(row.1)[0] == *id);
    for unknown in (0..=u8::MAX).filter(|id| !known(id)) {
        for &place in PLACES {
            for value in ["", "00", "01", "0000", "00000000"] {
                let raw = [vec![unknown], bytes(value)].concat();
                assert_eq!(
                    decode(Version::V5, &assembled(place, &raw)),
                    Err(DecodeError::PropertyNotAllowed),
                    "{place:?} {unknown}"
                );
            }
        }
    }
}

#[test]
fn property_cut_short() {
    for row in TABLE {
        let raw = bytes(row.1);
        for &place in row.2 {
            for cut in 1..raw.len() {
                assert_eq!(
                    decode(Version::V5, &assembled(place, &raw[..cut])),
                    Err(DecodeError::Truncated),
                    "{place:?} {:?}",
                    row.0
                );
            }
        }
    }
}

/// A protocol error (3.1.2.11.10, 3.15.2.2.2).
#[test]
fn authentication_data_without_method() {
    let (data, figure, places) = TABLE[10];
    let list = [data];
    for &place in places {
        let packet = packet(place, List::from(&list), Version::V5);
        let error = DecodeError::AuthenticationMethod;
        assert_eq!(
            encode(Version::V5, &packet),
            Err(EncodeError::AuthenticationMethod)
        );
        assert_eq!(
            decode(Version::V5, &assembled(place, &bytes(figure))),
            Err(error)
        );
        assert_eq!(error.reason_code(), ReasonCode::ProtocolError);
    }
}

#[test]
fn many_user_properties_keep_their_order() {
    let names: Vec<_> = (0..1000).map(|n| (n % 7).to_string()).collect();
    let values: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
    let properties: Vec<_> = (names.iter().zip(&values))
        .map(|(name, value)| Property::UserProperty(name, value))
        .collect();
    for &place in PLACES.iter().filter(|place| **place != AUTH) {
        let packet = packet(place, List::from(properties.as_slice()), Version::V5);
        let bytes = encode(Version::V5, &packet).unwrap();
        assert_eq!(decode(Version::V5, &bytes), Ok(packet));
    }
}

#[test]
fn no_properties_before_5_0() {
    let user = [Property::UserProperty("k", "v")];
    for &version in BEFORE_5 {
        for &place in PLACES {
            let packet = packet(place, List::from(&user), version);
            let encoded = encode(version, &packet);
            if place == AUTH {
                assert!(encoded.is_err());
            } else {
                assert_eq!(encoded, Err(EncodeError::Version), "{place:?}");
            }
        }
    }
}
