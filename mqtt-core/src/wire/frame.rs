use core::fmt;

use super::reader::{var_int_len, var_int_prefix};
use super::writer::Writer;
use super::{DecodeError, EncodeError, Version};

/// The largest Remaining Length: 268,435,455 bytes after the fixed header.
pub const MAX_REMAINING_LENGTH: u32 = 0x0FFF_FFFF;

/// The fifteen control packets.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum PacketType {
    /// CONNECT, client to server.
    Connect = 1,
    /// CONNACK, server to client.
    ConnAck,
    /// PUBLISH, both ways.
    Publish,
    /// PUBACK, both ways.
    PubAck,
    /// PUBREC, both ways.
    PubRec,
    /// PUBREL, both ways.
    PubRel,
    /// PUBCOMP, both ways.
    PubComp,
    /// SUBSCRIBE, client to server.
    Subscribe,
    /// SUBACK, server to client.
    SubAck,
    /// UNSUBSCRIBE, client to server.
    Unsubscribe,
    /// UNSUBACK, server to client.
    UnsubAck,
    /// PINGREQ, client to server.
    PingReq,
    /// PINGRESP, server to client.
    PingResp,
    /// DISCONNECT, client to server; in 5.0 both ways.
    Disconnect,
    /// AUTH, both ways, 5.0 only.
    Auth,
}

impl PacketType {
    #[inline]
    const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The first byte of a packet of this type, with the flags that the standard fixes.
    #[inline]
    pub(crate) const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.fixed_flags()
    }

    #[inline]
    const fn fixed_flags(self) -> u8 {
        const HAVE_FLAGS: u32 = 1 << PacketType::PubRel as u8
            | 1 << PacketType::Subscribe as u8
            | 1 << PacketType::Unsubscribe as u8;
        (HAVE_FLAGS >> self as u8 & 1) as u8 * 0b0010
    }
}

impl fmt::Display for PacketType {
    /// The name as the standards write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        })
    }
}

/// The fixed header: which packet this is, and how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FixedHeader {
    /// The packet's type.
    pub packet_type: PacketType,
    /// The low four bits of the first byte; fixed by the standard for all but PUBLISH.
    pub flags: u8,
    /// The length of this header, 2 to 5 bytes.
    pub len: usize,
    /// The number of bytes that follow this header, at most [`MAX_REMAINING_LENGTH`].
    pub remaining: usize,
}

impl FixedHeader {
    /// Reads the fixed header at the front of `input`; `None` when it is cut off.
    ///
    /// # Errors
    /// For a type that the version lacks, flags that the type does not allow
    /// `[MQTT-2.1.3-1]`, and a Remaining Length that is not one.
    #[inline]
    pub fn decode(input: &[u8], version: Version) -> Result<Option<Self>, DecodeError> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(None);
        };
        let packet_type = PacketType::from_u8(first >> 4).ok_or(DecodeError::PacketType)?;
        if packet_type == PacketType::Auth && !version.is_v5() {
            return Err(DecodeError::PacketType);
        }
        let flags = first & 0x0F;
        if packet_type != PacketType::Publish && first != packet_type.first_byte() {
            let fixed = packet_type.fixed_flags();
            // MQTT 3.1 knows DUP on the packets that it sends at QoS 1.
            let is_dup = version == Version::V31 && fixed != 0 && flags == fixed | 0b1000;
            if !is_dup {
                return Err(DecodeError::Flags);
            }
        }
        let (remaining, len) = match var_int_prefix(rest, version) {
            Err(DecodeError::Truncated) => return Ok(None),
            read => read?,
        };
        Ok(Some(Self {
            packet_type,
            flags,
            len: 1 + len,
            remaining: remaining as usize,
        }))
    }

    /// The length of the whole packet.
    #[must_use]
    pub const fn packet_len(&self) -> usize {
        self.len + self.remaining
    }
}

/// The length of the whole packet at the front of `packets`, which this crate has encoded.
pub(crate) fn packet_len(packets: &[u8]) -> usize {
    match var_int_prefix(packets.get(1..).unwrap_or_default(), Version::NEWEST) {
        Ok((remaining, len)) => 1 + len + remaining as usize,
        Err(_) => packets.len(),
    }
}

/// What follows the fixed header of one packet, described once for counting and for writing.
pub(crate) trait Body {
    fn first_byte(&self) -> u8;
    fn put(&self, out: &mut Writer<'_>);
}

/// A packet that is its fixed header alone: PINGREQ or PINGRESP.
impl Body for PacketType {
    #[inline]
    fn first_byte(&self) -> u8 {
        Self::first_byte(*self)
    }

    fn put(&self, _: &mut Writer<'_>) {}
}

/// A packet as encoders take it. With room for that each type of packets has code of its own, which
/// knows what it writes; elsewhere all share one.
#[cfg(target_pointer_width = "64")]
pub(crate) fn encodable(packet: &impl Body) -> &(impl Body + ?Sized) {
    packet
}

#[cfg(not(target_pointer_width = "64"))]
pub(crate) fn encodable(packet: &impl Body) -> &(impl Body + ?Sized) {
    let packet: &dyn Body = packet;
    packet
}

/// The length of the whole packet, or why it cannot be written.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(crate) fn encoded_len(
    packet: &(impl Body + ?Sized),
    version: Version,
) -> Result<usize, EncodeError> {
    let mut count = Writer::count(version);
    packet.put(&mut count);
    match u32::try_from(count.finish()?) {
        Ok(remaining) if remaining <= MAX_REMAINING_LENGTH => {
            Ok(1 + var_int_len(remaining) + remaining as usize)
        }
        _ => Err(EncodeError::PacketTooLarge),
    }
}

/// Writes `packet` to all of `buffer`, which is as long as [`encoded_len`] says.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(crate) fn write(packet: &(impl Body + ?Sized), version: Version, buffer: &mut [u8]) {
    let header_len = match buffer.len() {
        ..=0x81 => 2,
        0x82..=0x4002 => 3,
        0x4003..=0x20_0003 => 4,
        _ => 5,
    };
    let remaining = buffer.len().saturating_sub(header_len);
    let mut out = Writer::fill(version, buffer);
    out.u8(packet.first_byte());
    out.var_int(u32::try_from(remaining).unwrap_or_default());
    packet.put(&mut out);
}

/// Writes `packet` to the front of `buffer` and returns its length.
#[cfg_attr(target_pointer_width = "64", inline)]
pub(super) fn encode(
    packet: &(impl Body + ?Sized),
    version: Version,
    buffer: &mut [u8],
) -> Result<usize, EncodeError> {
    let len = encoded_len(packet, version)?;
    let buffer = buffer.get_mut(..len).ok_or(EncodeError::BufferTooSmall)?;
    write(packet, version, buffer);
    Ok(len)
}

/// Writes the bytes of a short packet to the front of `buffer` and returns their number.
#[inline]
pub(super) fn encode_bytes<const N: usize>(
    packet: [u8; N],
    buffer: &mut [u8],
) -> Result<usize, EncodeError> {
    let place = buffer
        .first_chunk_mut()
        .ok_or(EncodeError::BufferTooSmall)?;
    *place = packet;
    Ok(N)
}

#[cfg(test)]
mod tests {
    use super::super::ack::AckKind;
    use super::super::{Ack, Packet, PacketId, Publish, QoS};
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::NEWEST];

    /// The packet by its description alone, both passes.
    fn described(packet: &dyn Body, version: Version) -> Result<Vec<u8>, EncodeError> {
        let mut count = Writer::count(version);
        packet.put(&mut count);
        let remaining = u32::try_from(count.finish()?).unwrap();
        let mut bytes = vec![0; 1 + var_int_len(remaining) + remaining as usize];
        let mut out = Writer::fill(version, &mut bytes);
        out.u8(packet.first_byte());
        out.var_int(remaining);
        packet.put(&mut out);
        Ok(bytes)
    }

    /// What is written in one go is what the description says, in all ways to have it written.
    fn check(packet: &Packet<'_>, body: &dyn Body, version: Version) -> Result<(), TestCaseError> {
        let expected = described(body, version);
        let len = expected.as_ref().map(Vec::len).map_err(|error| *error);
        prop_assert_eq!(encoded_len(body, version), len);
        prop_assert_eq!(packet.encoded_len(version), len);
        let mut buffer = vec![0xEE; len.unwrap_or(70_000) + 3];
        prop_assert_eq!(packet.encode(version, &mut buffer), len);
        let (written, after) = buffer.split_at(len.unwrap_or(0));
        prop_assert!(after.iter().all(|byte| *byte == 0xEE));
        if let Ok(expected) = &expected {
            prop_assert_eq!(written, expected);
            let mut place = vec![0xEE; expected.len()];
            write(body, version, &mut place);
            prop_assert_eq!(&place, expected);
            let short = place.len() - 1;
            let refused = packet.encode(version, &mut place[..short]);
            prop_assert_eq!(refused, Err(EncodeError::BufferTooSmall));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn publish_in_one_go(
            topic in prop_oneof![
                4 => "[a-z/ü]{0,40}",
                1 => "[a-z+#\0]{0,40}",
                1 => (65_530..65_540_usize).prop_map(|len| "t".repeat(len)),
            ],
            payload in prop_oneof![
                30 => 0..300_usize,
                10 => 16_000..17_000_usize,
                1 => 2_097_100..2_097_200_usize,
            ],
            (dup, retain, qos) in (any::<bool>(), any::<bool>(), 0..3_u8),
            id in any::<u16>(),
        ) {
            let payload = vec![7; payload];
            let publish = Publish {
                dup,
                qos: QoS::from_u8(qos).unwrap(),
                retain,
                packet_id: PacketId::new(id).filter(|_| id % 7 == 0 || qos > 0),
                ..Publish::new(&topic, &payload)
            };
            for version in VERSIONS {
                check(&publish.into(), &publish, version)?;
            }
        }

        #[test]
        fn acknowledgements_in_one_go(id in 1..=u16::MAX, code in any::<u8>(), kind in 0..4_usize) {
            let mut ack = Ack::new(PacketId::new(id).unwrap());
            for code in [0, code] {
                ack.code = super::super::ReasonCode::from_u8(code).unwrap_or(ack.code);
                let (packet, packet_type) = [
                    (Packet::PubAck(ack), PacketType::PubAck),
                    (Packet::PubRec(ack), PacketType::PubRec),
                    (Packet::PubRel(ack), PacketType::PubRel),
                    (Packet::PubComp(ack), PacketType::PubComp),
                ][kind];
                for version in VERSIONS {
                    check(&packet, &AckKind(packet_type, &ack), version)?;
                }
            }
        }
    }

    #[test]
    fn pings_in_one_go() {
        check(&Packet::PingReq, &PacketType::PingReq, Version::V311).unwrap();
        check(&Packet::PingResp, &PacketType::PingResp, Version::V311).unwrap();
    }
}
