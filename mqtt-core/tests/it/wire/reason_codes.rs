//! Every reason code in every packet.

use mqtt_core::wire::{
    Ack, Auth, ConnAck, DecodeError, Disconnect, EncodeError, List, Packet, PacketType, Properties,
    Property, ReasonCode, SubAck, UnsubAck, Version,
};

use super::{BEFORE_5, decode, encode, frame, id};

/// The codes that 5.0 allows: tables 3-1, 3-4 to 3-8, 3.11.3, 3-10 and 3-11. Table 3-10 leaves
/// out 0x8C for DISCONNECT, which table 2-6 has.
const ALLOWED: [(PacketType, &[u8]); 9] = [
    (
        PacketType::ConnAck,
        &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
            0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
    ),
    (
        PacketType::PubAck,
        &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
    ),
    (
        PacketType::PubRec,
        &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
    ),
    (PacketType::PubRel, &[0x00, 0x92]),
    (PacketType::PubComp, &[0x00, 0x92]),
    (
        PacketType::SubAck,
        &[
            0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
        ],
    ),
    (
        PacketType::UnsubAck,
        &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
    ),
    (
        PacketType::Disconnect,
        &[
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90,
            0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0,
            0xA1, 0xA2,
        ],
    ),
    (PacketType::Auth, &[0x00, 0x18, 0x19]),
];

const METHOD: &[Property<'_>] = &[Property::AuthenticationMethod("")];

/// A packet with this code.
fn packet(kind: PacketType, codes: &[ReasonCode; 1]) -> Packet<'_> {
    let [code] = *codes;
    let ack = Ack {
        code,
        ..Ack::new(id(10))
    };
    match kind {
        PacketType::ConnAck => ConnAck::new(false, code).into(),
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        PacketType::PubComp => Packet::PubComp(ack),
        PacketType::SubAck => Packet::SubAck(SubAck {
            packet_id: id(10),
            properties: Properties::EMPTY,
            codes: List::from(codes),
        }),
        PacketType::UnsubAck => Packet::UnsubAck(UnsubAck {
            packet_id: id(10),
            properties: Properties::EMPTY,
            codes: List::from(codes),
        }),
        PacketType::Disconnect => Disconnect::new(code).into(),
        PacketType::Auth => Packet::Auth(Auth {
            code,
            properties: List::from(METHOD),
        }),
        other => panic!("{other:?} has no reason code"),
    }
}

/// The same in bytes, of 5.0.
fn assembled(kind: PacketType, code: u8) -> Vec<u8> {
    match kind {
        PacketType::ConnAck => frame(0x20, &[0, code, 0]),
        PacketType::PubAck => frame(0x40, &[0, 10, code]),
        PacketType::PubRec => frame(0x50, &[0, 10, code]),
        PacketType::PubRel => frame(0x62, &[0, 10, code]),
        PacketType::PubComp => frame(0x70, &[0, 10, code]),
        PacketType::SubAck => frame(0x90, &[0, 10, 0, code]),
        PacketType::UnsubAck => frame(0xB0, &[0, 10, 0, code]),
        PacketType::Disconnect => frame(0xE0, &[code]),
        PacketType::Auth => frame(0xF0, &[code, 3, 0x15, 0, 0]),
        other => panic!("{other:?} has no reason code"),
    }
}

/// [MQTT-3.2.2-8], [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1],
/// [MQTT-3.9.3-2], [MQTT-3.11.3-2], [MQTT-3.14.2-1], [MQTT-3.15.2-1].
#[test]
fn codes_of_5_0() {
    for (kind, allowed) in ALLOWED {
        for number in 0..=u8::MAX {
            let bytes = assembled(kind, number);
            let code = ReasonCode::from_u8(number).map(|code| [code]);
            if allowed.contains(&number) {
                let code = code.unwrap();
                let packet = packet(kind, &code);
                assert_eq!(decode(Version::V5, &bytes), Ok(packet));
                // Success is the code that acknowledgements leave out.
                let encoded = encode(Version::V5, &packet).unwrap();
                assert_eq!(decode(Version::V5, &encoded), Ok(packet));
                assert!(encoded == bytes || number == 0, "{packet:?}");
                continue;
            }
            let error = DecodeError::ReasonCode;
            assert_eq!(decode(Version::V5, &bytes), Err(error), "{kind:?} {number}");
            if let Some(code) = code {
                let encoded = encode(Version::V5, &packet(kind, &code));
                assert_eq!(encoded, Err(EncodeError::ReasonCode), "{kind:?} {number}");
            }
        }
    }
}

/// One code that does not belong is enough, wherever it stands.
#[test]
fn one_wrong_code_among_right_ones() {
    let wrong = ReasonCode::Banned;
    for at in 0..3 {
        let mut codes = [ReasonCode::Success; 3];
        codes[at] = wrong;
        let [a, b, c] = codes.map(|code| code as u8);
        let suback = SubAck {
            packet_id: id(10),
            properties: Properties::EMPTY,
            codes: List::from(&codes),
        };
        let unsuback = UnsubAck {
            packet_id: id(10),
            properties: Properties::EMPTY,
            codes: List::from(&codes),
        };
        for (first, packet) in [(0x90, suback.into()), (0xB0, unsuback.into())] {
            assert_eq!(encode(Version::V5, &packet), Err(EncodeError::ReasonCode));
            let bytes = frame(first, &[0, 10, 0, a, b, c]);
            assert_eq!(decode(Version::V5, &bytes), Err(DecodeError::ReasonCode));
        }
    }
}

/// All 43 codes have a use, and no others exist.
#[test]
fn codes_that_exist() {
    for number in 0..=u8::MAX {
        let code = ReasonCode::from_u8(number);
        let used = ALLOWED.iter().any(|(_, codes)| codes.contains(&number));
        assert_eq!(code.is_some(), used, "{number}");
        if let Some(code) = code {
            assert_eq!(code as u8, number);
            assert_eq!(code.is_error(), number >= 0x80);
        }
    }
}

/// Before 5.0 only CONNACK and SUBACK tell a result. 3.1 has no failure in SUBACK, but servers
/// that answer 3.1 clients send it all the same.
#[test]
fn codes_before_5_0() {
    for &version in BEFORE_5 {
        for number in 0..=u8::MAX {
            let connack = frame(0x20, &[0, number]);
            let suback = frame(0x90, &[0, 10, number]);
            let unlisted = Err(DecodeError::ReasonCode);
            // Table 3.1.
            if number > 5 {
                assert_eq!(decode(version, &connack), unlisted, "{number}");
            }
            // [MQTT-3.9.3-2] of 3.1.1.
            if [0, 1, 2, 0x80].contains(&number) {
                let codes = [ReasonCode::from_u8(number).unwrap()];
                let packet = packet(PacketType::SubAck, &codes);
                assert_eq!(decode(version, &suback), Ok(packet));
                assert_eq!(encode(version, &packet), Ok(suback));
            } else {
                assert_eq!(decode(version, &suback), unlisted, "{number}");
            }
        }
        for code in (0..=u8::MAX).filter_map(ReasonCode::from_u8) {
            let fits = |kind| match kind {
                PacketType::ConnAck => code.connack_v3().is_some(),
                PacketType::SubAck => [0, 1, 2, 0x80].contains(&(code as u8)),
                _ => code == ReasonCode::Success,
            };
            for (kind, _) in ALLOWED {
                let codes = [code];
                let encoded = encode(version, &packet(kind, &codes));
                match kind {
                    // 3.1.1 has no AUTH, and no codes in UNSUBACK.
                    PacketType::Auth | PacketType::UnsubAck => {
                        assert_eq!(encoded, Err(EncodeError::Version));
                    }
                    _ if fits(kind) => assert!(encoded.is_ok(), "{kind:?} {code}"),
                    _ => assert_eq!(encoded, Err(EncodeError::ReasonCode), "{kind:?} {code}"),
                }
            }
        }
    }
}

/// Numbers that the table of return codes gives to a reason, in both directions.
#[test]
fn connack_numbers_before_5_0() {
    for &version in BEFORE_5 {
        for number in 0..=5 {
            let bytes = frame(0x20, &[0, number]);
            let Ok(Packet::ConnAck(connack)) = decode(version, &bytes) else {
                panic!("return code {number} is not read");
            };
            assert_eq!(connack.code.connack_v3(), Some(number));
            assert_eq!(connack.code.is_error(), number != 0);
            assert_eq!(encode(version, &connack.into()), Ok(bytes));
        }
    }
}

/// What a decoder reports can be sent: in DISCONNECT, or in the CONNACK that refuses a CONNECT.
#[test]
fn reason_codes_of_errors_can_be_sent() {
    let connect = [DecodeError::Protocol, DecodeError::ClientId];
    for error in super::invalid::ERRORS {
        let code = error.reason_code();
        let refusal = ConnAck::new(false, code);
        let sendable = if connect.contains(error) {
            encode(Version::V5, &refusal.into())
        } else {
            encode(Version::V5, &Disconnect::new(code).into())
        };
        assert!(sendable.is_ok(), "{error:?} {code:?}");
    }
}
