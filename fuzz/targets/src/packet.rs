//! One packet of arbitrary bytes.

use mqtt_core::wire::{
    DecodeError, EncodeError, FixedHeader, List, Packet, Publish, QoS, SubAck, Subscribe,
    Unsubscribe, Version,
};

use crate::framer::Side;
use crate::input::{packet, version};

/// The first byte of a packet and its body, without the Remaining Length.
pub(crate) fn from_server_v5(data: &[u8]) {
    body(data, Side::Server, Version::V5);
}

/// The first byte of a packet and its body, without the Remaining Length.
pub(crate) fn from_client_v5(data: &[u8]) {
    body(data, Side::Client, Version::V5);
}

/// 3 or 4 for the version, the first byte of a packet and its body, without the Remaining Length.
pub(crate) fn from_server_v3(data: &[u8]) {
    if let Some((level, data)) = data.split_first() {
        body(data, Side::Server, v3(*level));
    }
}

/// 3 or 4 for the version, the first byte of a packet and its body, without the Remaining Length.
pub(crate) fn from_client_v3(data: &[u8]) {
    if let Some((level, data)) = data.split_first() {
        body(data, Side::Client, v3(*level));
    }
}

fn v3(level: u8) -> Version {
    match version(level) {
        Version::V31 => Version::V31,
        _ => Version::V311,
    }
}

fn body(data: &[u8], side: Side, version: Version) {
    if let Some((first, body)) = data.split_first() {
        check(&packet(side.first_byte(version, *first), body), version);
    }
}

/// What holds for any bytes.
pub(crate) fn check(input: &[u8], version: Version) {
    match Packet::decode(input, version) {
        Ok(Some((packet, len))) => accepted(&packet, &input[..len], version),
        Ok(None) => {
            let header = FixedHeader::decode(input, version).unwrap();
            assert!(header.is_none_or(|header| header.packet_len() > input.len()));
        }
        Err(error) => {
            assert!(error.reason_code().is_error());
            assert!(!error.to_string().is_empty());
        }
    }
}

/// A packet that was taken can be sent, and is the same then.
fn accepted(packet: &Packet<'_>, bytes: &[u8], version: Version) {
    for len in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(Packet::decode(&bytes[..len], version), Ok(None));
    }
    look_at(packet);
    let mut out = vec![0xEE; bytes.len() + 64];
    let len = match packet.encode(version, &mut out) {
        Ok(len) => len,
        Err(error) => {
            assert_is_receivable_only(packet, version, error);
            return;
        }
    };
    assert_eq!(packet.encoded_len(version), Ok(len));
    assert!(
        out[len..].iter().all(|byte| *byte == 0xEE),
        "beyond its end"
    );
    assert!(is_same(packet, bytes, &out[..len], version), "{out:02x?}");
    rebuilt(packet, &out[..len], version);
    assert_eq!(
        Packet::decode(&out[..len], version),
        Ok(Some((*packet, len)))
    );

    let mut short = vec![0xEE; len - 1];
    let refused = packet.encode(version, &mut short);
    assert_eq!(refused, Err(EncodeError::BufferTooSmall));
    assert!(short.iter().all(|byte| *byte == 0xEE), "written in part");
}

/// What an application reads of lists, put together again, is written as it was received.
fn rebuilt(packet: &Packet<'_>, bytes: &[u8], version: Version) {
    let mut out = vec![0; bytes.len()];
    let written = match packet {
        Packet::Subscribe(subscribe) => {
            let filters: Vec<_> = subscribe.filters.iter().collect();
            let properties: Vec<_> = subscribe.properties.iter().collect();
            let subscribe = Subscribe {
                properties: List::from(&properties[..]),
                filters: List::from(&filters[..]),
                ..*subscribe
            };
            subscribe.encode(version, &mut out)
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<_> = unsubscribe.filters.iter().collect();
            let filters = List::from(&filters[..]);
            let unsubscribe = Unsubscribe {
                filters,
                ..*unsubscribe
            };
            unsubscribe.encode(version, &mut out)
        }
        Packet::SubAck(suback) => {
            let codes: Vec<_> = suback.codes.iter().collect();
            let codes = List::from(&codes[..]);
            SubAck { codes, ..*suback }.encode(version, &mut out)
        }
        Packet::Publish(publish) => {
            let properties: Vec<_> = publish.properties.iter().collect();
            let properties = List::from(&properties[..]);
            Publish {
                properties,
                ..*publish
            }
            .encode(version, &mut out)
        }
        _ => return,
    };
    assert_eq!(written, Ok(bytes.len()));
    assert_eq!(out, bytes);
}

/// What was received and what we write for it are the same bytes, but for what may be left out.
fn is_same(packet: &Packet<'_>, received: &[u8], written: &[u8], version: Version) -> bool {
    let body = |bytes| {
        let header = FixedHeader::decode(bytes, version).unwrap().unwrap();
        &bytes[header.len..]
    };
    let (first, second) = (body(received), body(written));
    match (packet, version) {
        // 3.1 reserves the first byte, and 5.0 takes a refusal in the form of 3.1.1.
        (Packet::ConnAck(_), Version::V31) => first[1..] == second[1..],
        (Packet::ConnAck(_), Version::V5) if first.len() == 2 => {
            let code = second[1];
            first[0] == 0 && code >= 0x80 && second == [0, code, 0]
        }
        _ => {
            // The reason Success, the length of properties that there are none of.
            let rest = first.strip_prefix(second);
            let is_implied = rest.is_some_and(|rest| matches!(rest, [] | [0] | [0, 0]));
            // 3.1 repeats other packets than PUBLISH with DUP, too.
            let ignored = if version == Version::V31 { 0b1000 } else { 0 };
            is_implied && (received[0] ^ written[0]) & !ignored == 0
        }
    }
}

/// What is read leniently, and not written.
fn assert_is_receivable_only(packet: &Packet<'_>, version: Version, error: EncodeError) {
    match packet {
        // 3.1 does not say that DUP has no meaning at QoS 0.
        Packet::Publish(publish) if version == Version::V31 => {
            assert_eq!(publish.qos, QoS::AtMostOnce);
            assert_eq!(error, EncodeError::Dup);
        }
        _ => panic!("{error:?}: {packet:?}"),
    }
}

/// Reads all of it, as an application does.
fn look_at(packet: &Packet<'_>) {
    let text = format!("{packet:?}");
    assert!(!text.is_empty());
    assert!(!packet.packet_type().to_string().is_empty());
    match packet {
        Packet::Subscribe(subscribe) => not_empty(&subscribe.filters),
        Packet::Unsubscribe(unsubscribe) => not_empty(&unsubscribe.filters),
        Packet::SubAck(suback) => not_empty(&suback.codes),
        _ => {}
    }
}

fn not_empty<'a, T: mqtt_core::wire::Element<'a>>(list: &List<'a, T>) {
    assert!(!list.is_empty());
    let n = list.iter().count();
    assert!(n > 0);
    assert_eq!(list.iter().skip(n).count(), 0);
}

/// A class of error, for messages and lists.
pub(crate) fn name(error: DecodeError) -> String {
    format!("{error:?}")
}
