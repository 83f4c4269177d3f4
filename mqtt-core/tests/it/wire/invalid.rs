//! What decoders must refuse, and with which reason code.

use mqtt_core::wire::{
    DecodeError as E, FixedHeader, Packet, PacketType,
    ReasonCode::{
        self, ClientIdentifierNotValid as CLIENT_ID, MalformedPacket as MALFORMED,
        ProtocolError as PROTOCOL, TopicAliasInvalid as TOPIC_ALIAS,
        UnsupportedProtocolVersion as VERSION,
    },
    Version,
};

use super::{ALL, BEFORE_5, SINCE_3_1_1, bytes, decode, frame};

const V31: &[Version] = &[Version::V31];
const V311: &[Version] = &[Version::V311];
const V5: &[Version] = &[Version::V5];

/// Every error.
pub(super) const ERRORS: &[E] = &[
    E::PacketType,
    E::Flags,
    E::VariableByteInteger,
    E::Truncated,
    E::TrailingBytes,
    E::Utf8,
    E::NulCharacter,
    E::PacketIdZero,
    E::QoS,
    E::Protocol,
    E::ConnectFlags,
    E::ClientId,
    E::ConnAckFlags,
    E::TopicName,
    E::NoTopic,
    E::TopicFilter,
    E::SubscriptionOptions,
    E::ReservedOptions,
    E::EmptyList,
    E::PropertyNotAllowed,
    E::PropertyRepeated,
    E::PropertyValue,
    E::TopicAlias,
    E::AuthenticationMethod,
    E::ReasonCode,
];

/// The versions in question, and the first byte with what follows the Remaining Length.
type Row = (&'static [Version], &'static str);

fn framed(figure: &str) -> Vec<u8> {
    let bytes = bytes(figure);
    frame(bytes[0], &bytes[1..])
}

#[track_caller]
fn refuses(error: E, reason: ReasonCode, rows: &[Row]) {
    assert_eq!(error.reason_code(), reason);
    for &(versions, figure) in rows {
        for &version in versions {
            let bytes = framed(figure);
            assert_eq!(decode(version, &bytes), Err(error), "{version}: {figure}");
        }
    }
}

#[test]
fn packet_types_that_do_not_exist() {
    for first in 0x00..=0x0F {
        for &version in ALL {
            assert_eq!(Packet::decode(&[first], version), Err(E::PacketType));
            assert_eq!(decode(version, &[first, 0]), Err(E::PacketType));
        }
    }
    // AUTH is new in 5.0.
    for &version in BEFORE_5 {
        assert_eq!(Packet::decode(&[0xF0], version), Err(E::PacketType));
        assert_eq!(decode(version, &[0xF0, 0]), Err(E::PacketType));
    }
    assert_eq!(E::PacketType.reason_code(), MALFORMED);
}

/// All sixteen values for each packet but PUBLISH [MQTT-2.1.3-1].
#[test]
fn fixed_header_flags() {
    use PacketType as T;
    let packets = [
        (T::Connect, 0x10, "", ""),
        (T::ConnAck, 0x20, "00 00", "00 00 00"),
        (T::PubAck, 0x40, "000A", "000A"),
        (T::PubRec, 0x50, "000A", "000A"),
        (T::PubRel, 0x62, "000A", "000A"),
        (T::PubComp, 0x70, "000A", "000A"),
        (
            T::Subscribe,
            0x82,
            "000A 0001 'a' 00",
            "000A 00 0001 'a' 00",
        ),
        (T::SubAck, 0x90, "000A 00", "000A 00 00"),
        (T::Unsubscribe, 0xA2, "000A 0001 'a'", "000A 00 0001 'a'"),
        (T::UnsubAck, 0xB0, "000A", "000A 00 00"),
        (T::PingReq, 0xC0, "", ""),
        (T::PingResp, 0xD0, "", ""),
        (T::Disconnect, 0xE0, "", ""),
        (T::Auth, 0xF0, "", ""),
    ];
    for (packet_type, right, body_3, body_5) in packets {
        for &version in ALL {
            let body = match (packet_type, version) {
                (T::Auth, Version::V31 | Version::V311) => continue,
                (T::Connect, Version::V31) => "0006 'MQIsdp' 03 02 0000 0001 'c'",
                (T::Connect, Version::V311) => "0004 'MQTT' 04 02 0000 0001 'c'",
                (T::Connect, Version::V5) => "0004 'MQTT' 05 02 0000 00 0001 'c'",
                (_, Version::V31 | Version::V311) => body_3,
                (_, Version::V5) => body_5,
            };
            for flags in 0..=0x0F {
                let first = right & 0xF0 | flags;
                let bytes = frame(first, &bytes(body));
                // 3.1 has DUP on packets that are sent at QoS 1.
                let dup = version == Version::V31 && right & 0x02 != 0;
                if first == right || dup && first == right | 0x08 {
                    let packet = decode(version, &bytes).unwrap();
                    assert_eq!(packet.packet_type(), packet_type);
                } else {
                    assert_eq!(decode(version, &bytes), Err(E::Flags), "{first:02X}");
                    assert_eq!(Packet::decode(&[first], version), Err(E::Flags));
                }
            }
        }
    }
    assert_eq!(E::Flags.reason_code(), MALFORMED);
}

#[test]
fn remaining_length_of_five_bytes() {
    for &version in ALL {
        for figure in [
            "30 80808080",
            "30 80808080 01",
            "30 FFFFFFFF 7F",
            "C0 80808080 00",
        ] {
            let decoded = Packet::decode(&bytes(figure), version).map(drop);
            assert_eq!(decoded, Err(E::VariableByteInteger), "{figure}");
        }
        // Up to there it could still end.
        assert_eq!(FixedHeader::decode(&bytes("30 808080"), version), Ok(None));
    }
    assert_eq!(E::VariableByteInteger.reason_code(), MALFORMED);
}

/// The shortest form is the only one [MQTT-1.5.5-1].
#[test]
fn lengths_longer_than_needed() {
    for figure in [
        "C0 80 00",
        "C0 80 80 00",
        "C0 80 80 80 00",
        "30 FF 80 00",
        "30 FF FF 80 00",
    ] {
        let decoded = Packet::decode(&bytes(figure), Version::V5).map(drop);
        assert_eq!(decoded, Err(E::VariableByteInteger), "{figure}");
    }
    refuses(
        E::VariableByteInteger,
        MALFORMED,
        &[
            (V5, "30 0001 't' 80 00"),
            (V5, "30 0001 't' 82 80 00 01 00"),
            (V5, "30 0001 't' 80808080 00"),
            (V5, "30 0001 't' 03 0B 81 00"),
            (V5, "30 0001 't' 06 0B 80808080 01"),
        ],
    );
}

#[test]
fn packet_identifier_zero() {
    // [MQTT-2.2.1-3], and [MQTT-2.3.1-1] of 3.1.1.
    let rows = [
        (ALL, "32 0001 't' 0000"),
        (ALL, "34 0001 't' 0000"),
        (ALL, "40 0000"),
        (ALL, "50 0000"),
        (ALL, "62 0000"),
        (ALL, "70 0000"),
        (BEFORE_5, "82 0000 0001 'a' 00"),
        (V5, "82 0000 00 0001 'a' 00"),
        (BEFORE_5, "90 0000 00"),
        (V5, "90 0000 00 00"),
        (BEFORE_5, "A2 0000 0001 'a'"),
        (V5, "A2 0000 00 0001 'a'"),
        (BEFORE_5, "B0 0000"),
        (V5, "B0 0000 00 00"),
    ];
    refuses(E::PacketIdZero, MALFORMED, &rows);
}

/// [MQTT-1.5.4-1], [MQTT-1.5.4-2], with the same text in every string of the protocol.
#[test]
fn strings_that_are_not_utf_8() {
    let texts = [
        ("01 80", E::Utf8),           // a continuation byte alone
        ("01 C3", E::Utf8),           // cut off
        ("02 C341", E::Utf8),         // not continued
        ("02 C080", E::Utf8),         // U+0000 in two bytes
        ("02 C1BF", E::Utf8),         // U+007F in two bytes
        ("03 E08080", E::Utf8),       // U+0000 in three bytes
        ("03 E09FBF", E::Utf8),       // U+07FF in three bytes
        ("04 F08FBFBF", E::Utf8),     // U+FFFF in four bytes
        ("03 EDA080", E::Utf8),       // U+D800
        ("03 EDBFBF", E::Utf8),       // U+DFFF
        ("06 EDA081EDB080", E::Utf8), // U+10400 as two surrogates
        ("04 F4908080", E::Utf8),     // U+110000
        ("05 F888808080", E::Utf8),   // five bytes
        ("01 FF", E::Utf8),
        ("01 00", E::NulCharacter),
        ("03 'a' 00 'b'", E::NulCharacter),
    ];
    let places = [
        (BEFORE_5, "30 00S"),
        (V5, "30 00S 00"),
        (V31, "10 0006 'MQIsdp' 03 02 0000 00S"),
        (V311, "10 0004 'MQTT' 04 02 0000 00S"),
        (V311, "10 0004 'MQTT' 04 06 0000 0000 00S 0000"),
        (V311, "10 0004 'MQTT' 04 82 0000 0000 00S"),
        (V5, "10 0004 'MQTT' 05 02 0000 00 00S"),
        (BEFORE_5, "82 000A 00S 00"),
        (V5, "82 000A 00 00S 00"),
        (BEFORE_5, "A2 000A 0001 'a' 00S"),
        (V5, "A2 000A 00 00S"),
    ];
    // Strings among the properties; L stands for the list's length.
    let properties = [
        "30 0001 't' L 03 00S",
        "30 0001 't' L 08 00S",
        "30 0001 't' L 26 00S 0000",
        "30 0001 't' L 26 0001 'k' 00S",
        "20 00 00 L 12 00S",
        "20 00 00 L 1A 00S",
        "20 00 00 L 1C 00S",
        "40 000A 00 L 1F 00S",
        "F0 18 L 15 00S",
    ];
    for (text, error) in texts {
        let check = |version, figure: &str| {
            let decoded = decode(version, &framed(figure)).map(drop);
            assert_eq!(decoded, Err(error), "{figure}");
        };
        for (versions, place) in places {
            for &version in versions {
                check(version, &place.replace('S', text));
            }
        }
        for place in properties {
            let place = place.replace('S', text);
            let list = place.split_once('L').unwrap().1;
            let len = format!("{:02X}", bytes(list).len());
            check(Version::V5, &place.replace('L', &len));
        }
        assert_eq!(error.reason_code(), MALFORMED);
    }
}

#[test]
fn connect_protocol() {
    // Name and level [MQTT-3.1.2-1], [MQTT-3.1.2-2].
    refuses(
        E::Protocol,
        VERSION,
        &[
            (ALL, "10 0004 'mqtt' 05 02 0000 00 0001 'c'"),
            (ALL, "10 0004 'MQTX' 04 02 0000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 03 02 0000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 06 02 0000 00 0001 'c'"),
            (ALL, "10 0004 'MQTT' 84 02 0000 0001 'c'"),
            (ALL, "10 0006 'MQIsdp' 04 02 0000 0001 'c'"),
            (ALL, "10 0006 'MQIsdp' 05 02 0000 00 0001 'c'"),
            (ALL, "10 0000 04 02 0000 0001 'c'"),
            // Whatever a later version may look like after its level.
            (ALL, "10 0004 'MQTT' 07"),
        ],
    );
}

#[test]
fn connect_flags() {
    refuses(
        E::ConnectFlags,
        MALFORMED,
        &[
            // The reserved flag [MQTT-3.1.2-3].
            (ALL, "10 0004 'MQTT' 04 03 0000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 05 03 0000 00 0001 'c'"),
            // Will QoS 3 [MQTT-3.1.2-12], and [MQTT-3.1.2-14] of 3.1.1.
            (ALL, "10 0004 'MQTT' 04 1E 0000 0001 'c' 0001 'w' 0000"),
            (
                ALL,
                "10 0004 'MQTT' 05 1E 0000 00 0001 'c' 00 0001 'w' 0000",
            ),
            // Will QoS [MQTT-3.1.2-11] or will retain [MQTT-3.1.2-13] without a will.
            (ALL, "10 0004 'MQTT' 04 0A 0000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 05 12 0000 00 0001 'c'"),
            (ALL, "10 0004 'MQTT' 04 22 0000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 05 22 0000 00 0001 'c'"),
            // A password without a user name before 5.0 [MQTT-3.1.2-22].
            (ALL, "10 0006 'MQIsdp' 03 42 0000 0001 'c' 0001 'p'"),
            (ALL, "10 0004 'MQTT' 04 42 0000 0001 'c' 0001 'p'"),
        ],
    );
}

#[test]
fn connect_payload() {
    // No identifier in 3.1, or in 3.1.1 with a session to resume [MQTT-3.1.3-8].
    refuses(
        E::ClientId,
        CLIENT_ID,
        &[
            (ALL, "10 0006 'MQIsdp' 03 02 0000 0000"),
            (ALL, "10 0006 'MQIsdp' 03 00 0000 0000"),
            (ALL, "10 0004 'MQTT' 04 00 0000 0000"),
        ],
    );
    // The will's topic.
    refuses(
        E::TopicName,
        MALFORMED,
        &[
            (ALL, "10 0004 'MQTT' 04 06 0000 0001 'c' 0000 0000"),
            (ALL, "10 0004 'MQTT' 04 06 0000 0001 'c' 0003 'w/#' 0000"),
            (
                ALL,
                "10 0004 'MQTT' 05 06 0000 00 0001 'c' 00 0001 '+' 0000",
            ),
        ],
    );
    refuses(
        E::Truncated,
        MALFORMED,
        &[
            (ALL, "10"),
            (ALL, "10 0004 'MQT'"),
            (ALL, "10 0004 'MQTT'"),
            (ALL, "10 0004 'MQTT' 04"),
            (ALL, "10 0004 'MQTT' 04 02 00"),
            (ALL, "10 0004 'MQTT' 04 02 0000"),
            // No property length in 5.0.
            (ALL, "10 0004 'MQTT' 05 02 0000 0001 'c'"),
            // Fields that flags announce [MQTT-3.1.2-9], [MQTT-3.1.2-17], [MQTT-3.1.2-19].
            (ALL, "10 0004 'MQTT' 04 06 0000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 04 06 0000 0001 'c' 0001 'w'"),
            (ALL, "10 0004 'MQTT' 04 82 0000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 04 C2 0000 0001 'c' 0001 'u'"),
        ],
    );
    // Fields that no flag announces.
    refuses(
        E::TrailingBytes,
        MALFORMED,
        &[
            (ALL, "10 0004 'MQTT' 04 02 0000 0001 'c' 0001 'u'"),
            (ALL, "10 0004 'MQTT' 05 82 0000 00 0001 'c' 0001 'u' 00"),
        ],
    );
}

#[test]
fn connack() {
    refuses(
        E::ConnAckFlags,
        MALFORMED,
        &[
            // [MQTT-3.2.2-1]
            (V311, "20 02 00"),
            (V311, "20 81 00"),
            (V5, "20 02 00 00"),
            (V5, "20 80 00 00"),
            // A session, but refused: [MQTT-3.2.2-6], and [MQTT-3.2.2-4] of 3.1.1.
            (V311, "20 01 05"),
            (V5, "20 01 87 00"),
            (V5, "20 01 05"),
        ],
    );
    // A 3.1.1 server's answer to 5.0 has a return code of 3.1.1, and is no success.
    refuses(
        E::ReasonCode,
        PROTOCOL,
        &[(V5, "20 00 06"), (V5, "20 00 87")],
    );
    refuses(
        E::Truncated,
        MALFORMED,
        &[(V5, "20 00 00"), (ALL, "20"), (ALL, "20 00")],
    );
    refuses(
        E::TrailingBytes,
        MALFORMED,
        &[(BEFORE_5, "20 00 00 00"), (V5, "20 00 00 00 00")],
    );
}

#[test]
fn publish_flags() {
    refuses(
        E::QoS,
        MALFORMED,
        &[
            // QoS 3 [MQTT-3.3.1-4], with any other flags.
            (ALL, "36 0001 't' 000A 00"),
            (ALL, "37 0001 't' 000A 00"),
            (ALL, "3E 0001 't' 000A 00"),
            (ALL, "3F 0001 't' 000A 00"),
            // DUP at QoS 0 [MQTT-3.3.1-2].
            (SINCE_3_1_1, "38 0001 't' 00"),
            (SINCE_3_1_1, "39 0001 't' 00"),
        ],
    );
}

#[test]
fn publish_topic() {
    refuses(
        E::TopicName,
        MALFORMED,
        &[
            // Wildcards [MQTT-3.3.2-2].
            (ALL, "30 0001 '#' 00"),
            (ALL, "30 0003 'a/+' 00"),
            (ALL, "30 0003 'a+b' 00"),
            (V5, "30 0001 '#' 03 23 0001"),
            // [MQTT-4.7.3-1] of 3.1.1.
            (BEFORE_5, "30 0000 'hi'"),
            (BEFORE_5, "32 0000 000A 'hi'"),
            // Response topics [MQTT-3.3.2-14].
            (V5, "30 0001 't' 04 08 0001 '+'"),
            (V5, "30 0001 't' 03 08 0000"),
        ],
    );
    // [MQTT-3.3.2-8]
    refuses(
        E::TopicAlias,
        TOPIC_ALIAS,
        &[(V5, "30 0001 't' 03 23 0000"), (V5, "30 0000 03 23 0000")],
    );
}

/// "It is a Protocol Error if the Topic Name is zero length and there is no Topic Alias"
/// (3.3.2.1).
#[test]
fn publish_without_topic_and_alias_is_a_protocol_error() {
    for figure in [
        "30 0000 00 'hi'",
        "32 0000 000A 00 'hi'",
        "30 0000 02 01 01",
    ] {
        let error = decode(Version::V5, &framed(figure)).unwrap_err();
        assert_eq!(error, E::NoTopic, "{figure}");
        assert_eq!(error.reason_code(), PROTOCOL);
    }
}

#[test]
fn fields_past_the_end() {
    refuses(
        E::Truncated,
        MALFORMED,
        &[
            (ALL, "30"),
            (ALL, "30 00"),
            (ALL, "30 0002 't'"),
            (ALL, "30 FFFF 't'"),
            (ALL, "32 0001 't'"),
            (ALL, "32 0001 't' 00"),
            (V5, "30 0001 't'"),
            (V5, "30 0001 't' 80"),
            (V5, "30 0001 't' 01"),
            (V5, "30 0001 't' 03 01 01"),
            (V5, "30 0001 't' FFFFFF7F 01 01"),
            // The list ends within a property, the packet does not.
            (V5, "30 0001 't' 01 01 01"),
            (V5, "30 0001 't' 03 03 0001 't'"),
            (ALL, "40"),
            (ALL, "50 00"),
            (V5, "40 000A 00 01"),
            (ALL, "82 00"),
            (BEFORE_5, "82 000A 0001 'a'"),
            (BEFORE_5, "82 000A 0002 'a'"),
            (BEFORE_5, "82 000A 0001 'a' 00 00"),
            (V5, "82 000A"),
            (V5, "82 000A 00 0001 'a'"),
            (ALL, "90 0A"),
            (V5, "90 000A"),
            (BEFORE_5, "A2 000A 0002 'a'"),
            (V5, "A2 000A 00 0001 'a' 00"),
            (ALL, "B0 0A"),
            (V5, "B0 000A"),
            (V5, "E0 00 01"),
            // AUTH has no form with a code alone (3.15.2.1).
            (V5, "F0 00"),
            (V5, "F0 18"),
        ],
    );
}

#[test]
fn bytes_left_over() {
    refuses(
        E::TrailingBytes,
        MALFORMED,
        &[
            (BEFORE_5, "40 000A 00"),
            (BEFORE_5, "50 000A 00"),
            (BEFORE_5, "62 000A 00"),
            (BEFORE_5, "70 000A 00"),
            (V5, "40 000A 00 00 00"),
            (BEFORE_5, "B0 000A 00"),
            (ALL, "C0 00"),
            (ALL, "D0 00"),
            (BEFORE_5, "E0 00"),
            (V5, "E0 00 00 00"),
            (V5, "F0 00 00 00"),
            (V5, "F0 18 03 15 0000 00"),
        ],
    );
}

#[test]
fn lists_without_elements() {
    // [MQTT-3.8.3-2], [MQTT-3.10.3-2]
    refuses(
        E::EmptyList,
        PROTOCOL,
        &[
            (BEFORE_5, "82 000A"),
            (V5, "82 000A 00"),
            (BEFORE_5, "A2 000A"),
            (V5, "A2 000A 00"),
            (BEFORE_5, "90 000A"),
            (V5, "90 000A 00"),
            (V5, "B0 000A 00"),
        ],
    );
}

#[test]
fn topic_filters() {
    let filters = [
        "0000",
        "0002 'a#'",
        "0004 'a/#/'",
        "0002 '#/'",
        "0002 '++'",
        "0004 'a/b+'",
    ];
    // [MQTT-4.8.2-1], [MQTT-4.8.2-2]; before 5.0 the first rules alone hold.
    let shared = [
        "0007 '$share/'",
        "0009 '$share//a'",
        "0008 '$share/g'",
        "0009 '$share/g/'",
        "000A '$share/+/a'",
        "000A '$share/g#/'",
        "000B '$share/g/a#'",
    ];
    for filter in filters.iter().chain(&shared) {
        for first in ["82 000A 00", "82 000A 00 0001 'a' 00", "A2 000A 00"] {
            let options = if first.starts_with("82") { "00" } else { "" };
            let figure = format!("{first} {filter} {options}");
            let decoded = decode(Version::V5, &framed(&figure)).map(drop);
            assert_eq!(decoded, Err(E::TopicFilter), "{figure}");
        }
    }
    for filter in filters {
        for &version in BEFORE_5 {
            let bytes = framed(&format!("A2 000A {filter}"));
            assert_eq!(decode(version, &bytes), Err(E::TopicFilter), "{filter}");
        }
    }
    assert_eq!(E::TopicFilter.reason_code(), MALFORMED);
}

/// Bits 6 and 7 [MQTT-3.8.3-5]; before 5.0, bits 2 to 7 ([MQTT-3-8.3-4] of 3.1.1) and QoS 3.
#[test]
fn reserved_subscription_options() {
    for options in 0..=u8::MAX {
        let before_5 = frame(0x82, &[0, 10, 0, 1, b'a', options]);
        let v5 = frame(0x82, &[0, 10, 0, 0, 1, b'a', options]);
        for &version in BEFORE_5 {
            assert_eq!(
                decode(version, &before_5).is_ok(),
                options < 3,
                "{options:02X}"
            );
        }
        if options & 0b1100_0000 != 0 {
            let error = decode(Version::V5, &v5).unwrap_err();
            assert_eq!(error, E::ReservedOptions, "{options:02X}");
            assert_eq!(error.reason_code(), MALFORMED);
        } else {
            let allowed = options & 0b11 != 3 && options >> 4 != 3;
            assert_eq!(decode(Version::V5, &v5).is_ok(), allowed, "{options:02X}");
        }
    }
}

/// Maximum QoS 3, Retain Handling 3, and No Local on a shared subscription [MQTT-3.8.3-4]: each
/// "is a Protocol Error" (3.8.3.1).
#[test]
fn subscription_options_that_are_a_protocol_error() {
    for figure in [
        "82 000A 00 0001 'a' 03",
        "82 000A 00 0001 'a' 30",
        "82 000A 00 000A '$share/g/a' 04",
    ] {
        let error = decode(Version::V5, &framed(figure)).unwrap_err();
        assert_eq!(error.reason_code(), PROTOCOL, "{figure}: {error}");
    }
}

/// Values outside of their range are protocol errors (3.1.2.11, 3.2.2.3, 3.3.2.3, 3.8.2.1).
#[test]
fn property_values() {
    refuses(
        E::PropertyValue,
        PROTOCOL,
        &[
            (V5, "30 0001 't' 02 01 02"),
            (V5, "30 0001 't' 02 01 FF"),
            (V5, "30 0001 't' 02 0B 00"),
            (V5, "82 000A 02 0B 00 0001 'a' 00"),
            (V5, "20 00 00 03 21 0000"),
            (V5, "20 00 00 02 24 02"),
            (V5, "20 00 00 02 25 02"),
            (V5, "20 00 00 05 27 00000000"),
            (V5, "20 00 00 02 28 02"),
            (V5, "20 00 00 02 29 80"),
            (V5, "20 00 00 02 2A FF"),
            (ALL, "10 0004 'MQTT' 05 02 0000 03 21 0000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 05 02 0000 05 27 00000000 0001 'c'"),
            (ALL, "10 0004 'MQTT' 05 02 0000 02 17 02 0001 'c'"),
            (ALL, "10 0004 'MQTT' 05 02 0000 02 19 02 0001 'c'"),
        ],
    );
}

/// Without a method there is no AUTH but the shortest (3.15.2.2.2).
#[test]
fn auth_without_method() {
    refuses(
        E::AuthenticationMethod,
        PROTOCOL,
        &[
            (V5, "F0 18 00"),
            (V5, "F0 19 00"),
            (V5, "F0 00 03 1F 0000"),
            (V5, "F0 18 03 16 0000"),
        ],
    );
}

#[test]
fn errors_describe_themselves() {
    let mut seen = std::collections::HashSet::new();
    for error in ERRORS {
        assert!(seen.insert(error.to_string()), "{error}");
    }
}
