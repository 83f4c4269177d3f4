//! The wire format. Bytes are written out by hand here, with nothing of the crate's own encoding.

mod connection;
mod examples;
mod invalid;
mod properties;
mod reason_codes;
mod roundtrip;
mod strategies;
mod unencodable;
mod words;

use core::str;

use mqtt_core::wire::{DecodeError, EncodeError, Packet, PacketId, Version};

const ALL: &[Version] = &[Version::V31, Version::V311, Version::V5];
const BEFORE_5: &[Version] = &[Version::V31, Version::V311];
const SINCE_3_1_1: &[Version] = &[Version::V311, Version::V5];

/// What buffers are filled with to see where an encoder has written.
const UNTOUCHED: u8 = 0xA5;

/// Bytes as the standards' figures show them: hexadecimal digits, and 'text' in quotes.
fn bytes(figure: &str) -> Vec<u8> {
    let byte = |digits: &[u8]| {
        let digits = str::from_utf8(digits).unwrap();
        u8::from_str_radix(digits, 16).expect("hexadecimal digits")
    };
    let word = |word: &str| match word.strip_prefix('\'') {
        Some(text) => text.strip_suffix('\'').unwrap().as_bytes().to_vec(),
        None => word.as_bytes().chunks(2).map(byte).collect(),
    };
    figure.split_whitespace().flat_map(word).collect()
}

/// The shortest variable byte integer.
fn var_int(mut value: usize) -> Vec<u8> {
    let mut digits = Vec::new();
    while value >= 0x80 {
        digits.push(u8::try_from(value % 0x80).unwrap() | 0x80);
        value /= 0x80;
    }
    digits.push(u8::try_from(value).unwrap());
    digits
}

/// A packet of a first byte and what follows the Remaining Length.
fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first], var_int(body.len()).as_slice(), body].concat()
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

/// The packet that `bytes` are from the first to the last.
#[track_caller]
fn decode(version: Version, bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let (packet, len) = Packet::decode(bytes, version)?.expect("the packet is whole");
    assert_eq!(len, bytes.len());
    Ok(packet)
}

/// The bytes of `packet`. Checks that nothing is written after them, and nothing on an error.
#[track_caller]
fn encode(version: Version, packet: &Packet<'_>) -> Result<Vec<u8>, EncodeError> {
    let len = packet.encoded_len(version);
    let mut buffer = vec![UNTOUCHED; len.unwrap_or(64) + 8];
    assert_eq!(packet.encode(version, &mut buffer), len);
    let rest = buffer.split_off(len.unwrap_or(0));
    assert_eq!(rest, vec![UNTOUCHED; rest.len()]);
    len.map(|_| buffer)
}

/// Checks that `packet` is written as `figure` shows and that this is read as `packet`.
#[track_caller]
fn both_ways<'a>(version: Version, packet: impl Into<Packet<'a>>, figure: &str) {
    let packet = packet.into();
    let bytes = bytes(figure);
    assert_eq!(decode(version, &bytes), Ok(packet));
    assert_eq!(encode(version, &packet), Ok(bytes));
}

/// Checks that `figure`, an allowed but not the shortest form, is read as `packet`.
#[track_caller]
fn reads<'a>(version: Version, figure: &str, packet: impl Into<Packet<'a>>) {
    assert_eq!(decode(version, &bytes(figure)), Ok(packet.into()));
}
