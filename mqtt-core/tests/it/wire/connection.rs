//! CONNECT, CONNACK, DISCONNECT, AUTH and the pings: examples, both ways.

use mqtt_core::wire::{
    Auth, ConnAck, Connect, DecodeError, Disconnect, List, Packet, Properties, Property, QoS,
    ReasonCode, Version, Will,
};

use super::{ALL, BEFORE_5, both_ways, bytes, decode, encode, reads};

/// Everything that CONNECT's flags can announce but the retained will, Keep Alive 10: the
/// example of 3.1, of 3.1.1 (figure 3.6) and of 5.0 (figure 3-6).
fn example(version: Version) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 10,
        properties: Properties::EMPTY,
        client_id: "id",
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            ..Will::new("w", b"gone")
        }),
        username: Some("me"),
        password: Some(b"\x00\xFF"),
    }
}

/// Nothing but an identifier.
fn plain(version: Version) -> Connect<'static> {
    Connect {
        will: None,
        username: None,
        password: None,
        ..example(version)
    }
}

#[test]
fn connect_of_3_1() {
    both_ways(
        Version::V31,
        example(Version::V31),
        "10 21 0006 'MQIsdp' 03 CE 000A 0002 'id' 0001 'w' 0004 'gone' 0002 'me' 0002 00FF",
    );
    both_ways(
        Version::V31,
        plain(Version::V31),
        "10 10 0006 'MQIsdp' 03 02 000A 0002 'id'",
    );
}

#[test]
fn connect_of_3_1_1() {
    both_ways(
        Version::V311,
        example(Version::V311),
        "10 1F 0004 'MQTT' 04 CE 000A 0002 'id' 0001 'w' 0004 'gone' 0002 'me' 0002 00FF",
    );
    both_ways(
        Version::V311,
        plain(Version::V311),
        "10 0E 0004 'MQTT' 04 02 000A 0002 'id'",
    );
}

/// With the Session Expiry Interval of figure 3-6, and a property for the will.
#[test]
fn connect_of_5_0() {
    let will = Will {
        properties: List::from(&[Property::WillDelayInterval(5)]),
        ..example(Version::V5).will.unwrap()
    };
    let connect = Connect {
        properties: List::from(&[Property::SessionExpiryInterval(10)]),
        will: Some(will),
        ..example(Version::V5)
    };
    both_ways(
        Version::V5,
        connect,
        "10 2B 0004 'MQTT' 05 CE 000A 05 11 0000000A 0002 'id' \
         05 18 00000005 0001 'w' 0004 'gone' 0002 'me' 0002 00FF",
    );
    both_ways(
        Version::V5,
        plain(Version::V5),
        "10 0F 0004 'MQTT' 05 02 000A 00 0002 'id'",
    );
}

#[test]
fn connect_flags_one_by_one() {
    let base = Connect {
        clean_start: false,
        ..plain(Version::V5)
    };
    both_ways(
        Version::V5,
        base,
        "10 0F 0004 'MQTT' 05 00 000A 00 0002 'id'",
    );
    let wills = [
        (QoS::AtMostOnce, false, "04"),
        (QoS::AtLeastOnce, false, "0C"),
        (QoS::ExactlyOnce, false, "14"),
        (QoS::AtMostOnce, true, "24"),
        (QoS::ExactlyOnce, true, "34"),
    ];
    for (qos, retain, flags) in wills {
        let will = Will {
            qos,
            retain,
            ..Will::new("w", b"")
        };
        both_ways(
            Version::V5,
            Connect {
                will: Some(will),
                ..base
            },
            &format!("10 15 0004 'MQTT' 05 {flags} 000A 00 0002 'id' 00 0001 'w' 0000"),
        );
    }
    both_ways(
        Version::V5,
        Connect {
            username: Some(""),
            ..base
        },
        "10 11 0004 'MQTT' 05 80 000A 00 0002 'id' 0000",
    );
    // A password alone is new in 5.0 [MQTT-3.1.2-19].
    both_ways(
        Version::V5,
        Connect {
            password: Some(b"p"),
            ..base
        },
        "10 12 0004 'MQTT' 05 40 000A 00 0002 'id' 0001 'p'",
    );
}

/// An empty identifier asks the server to choose one: in 3.1.1 for a clean session only
/// [MQTT-3.1.3-7], in 5.0 for any.
#[test]
fn connect_without_client_id() {
    let empty = |version, clean_start| Connect {
        clean_start,
        client_id: "",
        ..plain(version)
    };
    both_ways(
        Version::V311,
        empty(Version::V311, true),
        "10 0C 0004 'MQTT' 04 02 000A 0000",
    );
    both_ways(
        Version::V5,
        empty(Version::V5, true),
        "10 0D 0004 'MQTT' 05 02 000A 00 0000",
    );
    both_ways(
        Version::V5,
        empty(Version::V5, false),
        "10 0D 0004 'MQTT' 05 00 000A 00 0000",
    );
}

/// A server learns the version from the packet, whatever it was told before.
#[test]
fn connect_names_its_own_version() {
    for &own in ALL {
        let packet = Packet::from(example(own));
        let bytes = encode(own, &packet).unwrap();
        for &other in ALL {
            assert_eq!(decode(other, &bytes), Ok(packet));
            assert_eq!(encode(other, &packet).as_ref(), Ok(&bytes));
        }
    }
}

#[test]
fn connack_before_5_0() {
    let accepted = ConnAck::new(false, ReasonCode::Success);
    for &version in BEFORE_5 {
        both_ways(version, accepted, "20 02 00 00");
    }
    both_ways(
        Version::V311,
        ConnAck::new(true, ReasonCode::Success),
        "20 02 01 00",
    );
    // 3.1 has no session present: that byte is reserved and not used.
    for flags in ["01", "80", "FF"] {
        reads(Version::V31, &format!("20 02 {flags} 00"), accepted);
    }
}

/// Table 3.1 of 3.1.1, as the reason codes of 5.0 that mean the same.
#[test]
fn connack_return_codes_of_3_1_1() {
    let codes = [
        ("01", ReasonCode::UnsupportedProtocolVersion),
        ("02", ReasonCode::ClientIdentifierNotValid),
        ("03", ReasonCode::ServerUnavailable),
        ("04", ReasonCode::BadUserNameOrPassword),
        ("05", ReasonCode::NotAuthorized),
    ];
    for (code, reason) in codes {
        let refused = ConnAck::new(false, reason);
        for &version in BEFORE_5 {
            both_ways(version, refused, &format!("20 02 00 {code}"));
        }
        // The same bytes answer a 5.0 CONNECT if the server only speaks 3.1.1.
        reads(Version::V5, &format!("20 02 00 {code}"), refused);
    }
    // Such a server cannot have accepted the connection.
    assert_eq!(
        decode(Version::V5, &bytes("20 02 00 00")),
        Err(DecodeError::Truncated)
    );
}

#[test]
fn connack_of_5_0() {
    let connack = ConnAck::new(true, ReasonCode::Success);
    both_ways(Version::V5, connack, "20 03 01 00 00");
    both_ways(
        Version::V5,
        ConnAck::new(false, ReasonCode::NotAuthorized),
        "20 03 00 87 00",
    );
    both_ways(
        Version::V5,
        ConnAck {
            properties: List::from(&[
                Property::ReceiveMaximum(20),
                Property::MaximumQoS(QoS::AtLeastOnce),
                Property::AssignedClientIdentifier("x1"),
            ]),
            ..connack
        },
        "20 0D 01 00 0A 21 0014 24 01 12 0002 'x1'",
    );
}

#[test]
fn pings() {
    for &version in ALL {
        both_ways(version, Packet::PingReq, "C0 00");
        both_ways(version, Packet::PingResp, "D0 00");
    }
}

#[test]
fn disconnect_before_5_0() {
    for &version in BEFORE_5 {
        both_ways(version, Disconnect::default(), "E0 00");
    }
}

/// Reason code and properties may be left out from the end (3.14.2.1, 3.14.2.2.1).
#[test]
fn disconnect_of_5_0() {
    let with_will = Disconnect::new(ReasonCode::DisconnectWithWill);
    both_ways(Version::V5, Disconnect::default(), "E0 00");
    both_ways(Version::V5, with_will, "E0 01 04");
    reads(Version::V5, "E0 01 00", Disconnect::default());
    reads(Version::V5, "E0 02 00 00", Disconnect::default());
    reads(Version::V5, "E0 02 04 00", with_will);
    both_ways(
        Version::V5,
        Disconnect {
            code: ReasonCode::Success,
            properties: List::from(&[Property::SessionExpiryInterval(0)]),
        },
        "E0 07 00 05 11 00000000",
    );
    both_ways(
        Version::V5,
        Disconnect {
            code: ReasonCode::ServerMoved,
            properties: List::from(&[
                Property::ServerReference("b:1"),
                Property::ReasonString("up"),
            ]),
        },
        "E0 0D 9D 0B 1C 0003 'b:1' 1F 0002 'up'",
    );
}

#[test]
fn auth() {
    let success = Auth {
        code: ReasonCode::Success,
        properties: Properties::EMPTY,
    };
    both_ways(Version::V5, success, "F0 00");
    reads(Version::V5, "F0 02 00 00", success);
    both_ways(
        Version::V5,
        Auth {
            code: ReasonCode::ContinueAuthentication,
            properties: List::from(&[
                Property::AuthenticationMethod("S1"),
                Property::AuthenticationData(b"\x00\x01"),
            ]),
        },
        "F0 0C 18 0A 15 0002 'S1' 16 0002 0001",
    );
    // Data may come before the method, and a method may come without data.
    both_ways(
        Version::V5,
        Auth {
            code: ReasonCode::ReAuthenticate,
            properties: List::from(&[
                Property::AuthenticationData(b""),
                Property::AuthenticationMethod("S1"),
            ]),
        },
        "F0 0A 19 08 16 0000 15 0002 'S1'",
    );
    both_ways(
        Version::V5,
        Auth {
            code: ReasonCode::Success,
            properties: List::from(&[Property::AuthenticationMethod("S1")]),
        },
        "F0 07 00 05 15 0002 'S1'",
    );
}
