//! Where packets begin and end.

use mqtt_core::wire::{DecodeError, FixedHeader, Packet, PacketType, Version};

use crate::input::{Cuts, head, version};

/// What a stream of bytes is cut into.
#[derive(Debug, Default, Eq, PartialEq)]
struct Frames {
    /// First byte, and where the packet begins and ends.
    frames: Vec<(u8, usize, usize)>,
    /// Why it did not go on.
    error: Option<DecodeError>,
}

/// Version and a seed for cuts, then what is received.
pub(crate) fn run(data: &[u8]) {
    let ([level, seed], stream) = head(data);
    let version = version(level);
    let expected = by_the_book(stream, version);
    for cuts in Cuts::all(seed) {
        assert_eq!(received(stream, version, cuts), expected);
    }
}

/// Reads the stream as a host does that appends to a buffer what it receives.
fn received(stream: &[u8], version: Version, mut cuts: Cuts) -> Frames {
    let mut result = Frames::default();
    let (mut start, mut end) = (0, 0);
    while end < stream.len() {
        end += cuts.next(stream.len() - end);
        loop {
            let buffer = &stream[start..end];
            let header = match FixedHeader::decode(buffer, version) {
                Ok(header) => header,
                Err(error) => {
                    assert_eq!(Packet::decode(buffer, version), Err(error));
                    // No byte that follows makes it better.
                    assert_eq!(FixedHeader::decode(&stream[start..], version), Err(error));
                    result.error = Some(error);
                    return result;
                }
            };
            let Some(header) = header else {
                assert!(buffer.len() < 5);
                assert_eq!(Packet::decode(buffer, version), Ok(None));
                break;
            };
            assert_eq!(header.packet_type as u8, buffer[0] >> 4);
            assert_eq!(header.flags, buffer[0] & 0x0F);
            let len = header.packet_len();
            if buffer.len() < len {
                assert_eq!(Packet::decode(buffer, version), Ok(None));
                break;
            }
            // What is behind the packet is not looked at.
            assert_eq!(
                Packet::decode(buffer, version),
                Packet::decode(&buffer[..len], version)
            );
            result.frames.push((buffer[0], start, start + len));
            start += len;
        }
    }
    result
}

/// The same by chapters 2.1 of both standards.
fn by_the_book(stream: &[u8], version: Version) -> Frames {
    let is_v5 = version == Version::V5;
    let mut result = Frames::default();
    let mut start = 0;
    while let Some(&first) = stream.get(start) {
        let kind = first >> 4;
        let flags = first & 0x0F;
        if kind == 0 || kind == 15 && !is_v5 {
            result.error = Some(DecodeError::PacketType);
            return result;
        }
        let is_fixed = match kind {
            3 => true,
            // SUBSCRIBE, UNSUBSCRIBE and PUBREL have a QoS of 1; in 3.1 they may be sent again.
            6 | 8 | 10 => flags == 2 || flags == 0b1010 && version == Version::V31,
            _ => flags == 0,
        };
        if !is_fixed {
            result.error = Some(DecodeError::Flags);
            return result;
        }
        let mut at = start + 1;
        let mut len = 0;
        let mut digits = 0;
        loop {
            let Some(&byte) = stream.get(at) else {
                return result;
            };
            at += 1;
            len += usize::from(byte % 128) * 128_usize.pow(digits);
            digits += 1;
            if byte < 128 {
                if byte == 0 && digits > 1 && is_v5 {
                    result.error = Some(DecodeError::VariableByteInteger);
                    return result;
                }
                break;
            }
            if digits == 4 {
                result.error = Some(DecodeError::VariableByteInteger);
                return result;
            }
        }
        if stream.len() - at < len {
            return result;
        }
        result.frames.push((first, start, at + len));
        start = at + len;
    }
    result
}

/// The packets that one side sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    /// The packets of this side that a version has.
    pub(crate) fn packets(self, version: Version) -> &'static [PacketType] {
        use PacketType::*;
        match (self, version) {
            (Self::Client, Version::V5) => &[
                Connect,
                Publish,
                PubAck,
                PubRec,
                PubRel,
                PubComp,
                Subscribe,
                Unsubscribe,
                PingReq,
                Disconnect,
                Auth,
            ],
            (Self::Client, _) => &[
                Connect,
                Publish,
                PubAck,
                PubRec,
                PubRel,
                PubComp,
                Subscribe,
                Unsubscribe,
                PingReq,
                Disconnect,
            ],
            (Self::Server, Version::V5) => &[
                ConnAck, Publish, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, PingResp,
                Disconnect, Auth,
            ],
            (Self::Server, _) => &[
                ConnAck, Publish, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, PingResp,
            ],
        }
    }

    /// One of them, of which the input says the first byte.
    pub(crate) fn first_byte(self, version: Version, byte: u8) -> u8 {
        let packets = self.packets(version);
        let own = packets.iter().find(|packet| **packet as u8 == byte >> 4);
        let packet = own.unwrap_or(&packets[usize::from(byte >> 4) % packets.len()]);
        (*packet as u8) << 4 | byte & 0x0F
    }
}
