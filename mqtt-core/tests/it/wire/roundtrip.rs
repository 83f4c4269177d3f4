//! What holds for all packets, and for all bytes.

use mqtt_core::wire::{
    EncodeError, Filter, FixedHeader, List, Packet, Properties, Property, ReasonCode, Version,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::{version, versioned};
use super::{ALL, UNTOUCHED, decode, encode, frame};

/// The elements of a packet's lists.
#[derive(Default)]
struct Elements<'a> {
    properties: Vec<Property<'a>>,
    will: Vec<Property<'a>>,
    filters: Vec<Filter<'a>>,
    topics: Vec<&'a str>,
    codes: Vec<ReasonCode>,
}

/// The lists of a packet; those that it does not have are empty.
type Lists<'a> = (
    Properties<'a>,
    Properties<'a>,
    List<'a, Filter<'a>>,
    List<'a, &'a str>,
    List<'a, ReasonCode>,
);

/// Gives `packet` other lists, and returns its own.
fn replace<'a>(packet: &mut Packet<'a>, by: Lists<'a>) -> Lists<'a> {
    let mut own = Lists::default();
    let (properties, will, filters, topics, codes) = by;
    let slot = match packet {
        Packet::Connect(packet) => {
            if let Some(of_will) = &mut packet.will {
                own.1 = core::mem::replace(&mut of_will.properties, will);
            }
            &mut packet.properties
        }
        Packet::ConnAck(packet) => &mut packet.properties,
        Packet::Publish(packet) => &mut packet.properties,
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            &mut ack.properties
        }
        Packet::Subscribe(packet) => {
            own.2 = core::mem::replace(&mut packet.filters, filters);
            &mut packet.properties
        }
        Packet::SubAck(packet) => {
            own.4 = core::mem::replace(&mut packet.codes, codes);
            &mut packet.properties
        }
        Packet::Unsubscribe(packet) => {
            own.3 = core::mem::replace(&mut packet.filters, topics);
            &mut packet.properties
        }
        Packet::UnsubAck(packet) => {
            own.4 = core::mem::replace(&mut packet.codes, codes);
            &mut packet.properties
        }
        Packet::PingReq | Packet::PingResp => return own,
        Packet::Disconnect(packet) => &mut packet.properties,
        Packet::Auth(packet) => &mut packet.properties,
    };
    own.0 = core::mem::replace(slot, properties);
    own
}

impl<'a> Elements<'a> {
    fn of(packet: &Packet<'a>) -> Self {
        let (properties, will, filters, topics, codes) =
            replace(&mut { *packet }, Lists::default());
        Self {
            properties: properties.iter().collect(),
            will: will.iter().collect(),
            filters: filters.iter().collect(),
            topics: topics.iter().collect(),
            codes: codes.iter().collect(),
        }
    }

    /// `packet` with lists made from these elements.
    fn put_into(&'a self, mut packet: Packet<'a>) -> Packet<'a> {
        let lists = (
            List::from(self.properties.as_slice()),
            List::from(self.will.as_slice()),
            List::from(self.filters.as_slice()),
            List::from(self.topics.as_slice()),
            List::from(self.codes.as_slice()),
        );
        replace(&mut packet, lists);
        packet
    }
}

/// Decodes any bytes at all. What is accepted must be encodable, from the received lists as well
/// as from their elements, and must then be read as the same packet.
#[track_caller]
fn probe(version: Version, input: &[u8]) {
    let Ok(Some((packet, len))) = Packet::decode(input, version) else {
        return;
    };
    assert!(len <= input.len());
    let elements = Elements::of(&packet);
    let rebuilt = elements.put_into(packet);
    assert_eq!(rebuilt, packet);
    match encode(version, &packet) {
        Ok(bytes) => {
            assert!(bytes.len() <= len || matches!(packet, Packet::ConnAck(_)));
            assert_eq!(encode(version, &rebuilt).as_ref(), Ok(&bytes));
            assert_eq!(decode(version, &bytes), Ok(packet));
        }
        // 3.1 gives DUP no meaning at QoS 0, so that it is read there but not written.
        Err(error) => {
            assert_eq!((error, version), (EncodeError::Dup, Version::V31));
            assert!(matches!(packet, Packet::Publish(publish) if publish.dup));
        }
    }
}

fn garbage() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

/// Bytes that are more often than others part of a packet.
fn likely_bytes(len: usize) -> impl Strategy<Value = Vec<u8>> {
    let likely = [0, 0, 0, 1, 1, 2, 3, 4, 10, 0x26, 0x80, b'a', b'/', b'#'];
    vec(
        prop_oneof![3 => select(likely.to_vec()), 1 => any::<u8>()],
        0..len,
    )
}

proptest! {
    #[test]
    fn decoding_undoes_encoding((version, packet) in versioned()) {
        let bytes = encode(version, &packet).unwrap();
        prop_assert_eq!(decode(version, &bytes), Ok(packet));
    }

    #[test]
    fn encoding_undoes_decoding((version, packet) in versioned()) {
        let bytes = encode(version, &packet).unwrap();
        let decoded = decode(version, &bytes).unwrap();
        prop_assert_eq!(encode(version, &decoded), Ok(bytes.clone()));
        let elements = Elements::of(&decoded);
        let rebuilt = elements.put_into(decoded);
        prop_assert_eq!(encode(version, &rebuilt), Ok(bytes));
    }

    #[test]
    fn packet_followed_by_others((version, packet) in versioned(), rest in garbage()) {
        let mut bytes = encode(version, &packet).unwrap();
        let len = bytes.len();
        bytes.extend(rest);
        prop_assert_eq!(Packet::decode(&bytes, version), Ok(Some((packet, len))));
    }

    #[test]
    fn every_strict_prefix_waits_for_more((version, packet) in versioned()) {
        let bytes = encode(version, &packet).unwrap();
        for len in 0..bytes.len() {
            prop_assert_eq!(Packet::decode(&bytes[..len], version), Ok(None), "{}", len);
        }
    }

    #[test]
    fn fixed_header_tells_the_length((version, packet) in versioned()) {
        let bytes = encode(version, &packet).unwrap();
        let header = FixedHeader::decode(&bytes, version).unwrap().unwrap();
        prop_assert_eq!(header.packet_type, packet.packet_type());
        prop_assert_eq!(header.packet_len(), bytes.len());
        prop_assert_eq!(FixedHeader::decode(&bytes[..header.len], version), Ok(Some(header)));
        prop_assert_eq!(header.flags, bytes[0] & 0x0F);
    }

    #[test]
    fn shorter_buffers_stay_untouched((version, packet) in versioned()) {
        let len = packet.encoded_len(version).unwrap();
        let mut buffer = vec![UNTOUCHED; len];
        // Every length of a small packet, and the ends of a large one.
        for short in (0..len).filter(|short| *short < 64 || len - short < 64) {
            let encoded = packet.encode(version, &mut buffer[..short]);
            prop_assert_eq!(encoded, Err(EncodeError::BufferTooSmall));
        }
        prop_assert!(buffer.iter().all(|byte| *byte == UNTOUCHED));
    }

    /// The body ends early and the Remaining Length says so.
    #[test]
    fn body_cut_short((version, packet) in versioned()) {
        let bytes = encode(version, &packet).unwrap();
        let header = FixedHeader::decode(&bytes, version).unwrap().unwrap();
        let body = &bytes[header.len..];
        for len in 0..body.len().min(200) {
            probe(version, &frame(bytes[0], &body[..len]));
        }
    }

    #[test]
    fn any_bytes(version in version(), bytes in vec(any::<u8>(), 0..200)) {
        probe(version, &bytes);
    }

    #[test]
    fn any_body(version in version(), packet_type in 1..=15_u8, body in likely_bytes(40)) {
        let flags = match packet_type {
            3 => body.len() & 0x0F,
            6 | 8 | 10 => 2,
            _ => 0,
        };
        let first = packet_type << 4 | u8::try_from(flags).unwrap();
        probe(version, &frame(first, &body));
    }

    /// Bytes in the place of properties, filters and codes, after what must precede them.
    #[test]
    fn any_list(
        version in version(),
        (first, head) in select(HEADS),
        list in likely_bytes(20),
        tail in likely_bytes(12),
    ) {
        let len = u8::try_from(list.len()).unwrap();
        let properties = [head, &[len], &list, &tail].concat();
        probe(version, &frame(first, &properties));
        probe(version, &frame(first, &[head, &list].concat()));
    }
}

const HEADS: &[(u8, &[u8])] = &[
    (0x10, b"\0\x04MQTT\x05\x02\0\0"),
    (0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0"),
    (0x10, b"\0\x04MQTT\x04\xC6\0\0\0\x01c"),
    (0x20, b"\0\0"),
    (0x30, b"\0\x01t"),
    (0x32, b"\0\x01t\0\x01"),
    (0x40, b"\0\x01\0"),
    (0x62, b"\0\x01\0"),
    (0x82, b"\0\x01"),
    (0x90, b"\0\x01"),
    (0xA2, b"\0\x01"),
    (0xB0, b"\0\x01"),
    (0xE0, b"\0"),
    (0xF0, b"\x18"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit((version, packet) in versioned()) {
        let mut bytes = encode(version, &packet).unwrap();
        for at in 0..bytes.len().min(200) {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                probe(version, &bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }

    /// Every value of every byte.
    #[test]
    fn one_wrong_byte_in_a_small_packet(
        (version, packet) in versioned().prop_filter("small", |(version, packet)| {
            packet.encoded_len(*version).is_ok_and(|len| len <= 60)
        })
    ) {
        let mut bytes = encode(version, &packet).unwrap();
        for at in 0..bytes.len() {
            let right = bytes[at];
            for wrong in 0..=u8::MAX {
                bytes[at] = wrong;
                probe(version, &bytes);
            }
            bytes[at] = right;
        }
    }
}

/// Every packet of up to two bytes after the fixed header.
#[test]
fn all_short_packets() {
    for &version in ALL {
        for first in 0..=u8::MAX {
            probe(version, &[first, 0]);
            for a in 0..=u8::MAX {
                probe(version, &[first, 1, a]);
            }
        }
        for first in [0x20, 0x30, 0x40, 0x62, 0xB0, 0xE0, 0xF0] {
            for word in 0..=u16::MAX {
                let [a, b] = word.to_be_bytes();
                probe(version, &[first, 2, a, b]);
            }
        }
    }
}
