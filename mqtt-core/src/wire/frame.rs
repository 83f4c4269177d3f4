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
    pub(crate) const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.fixed_flags()
    }

    const fn fixed_flags(self) -> u8 {
        match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
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
    pub fn decode(input: &[u8], version: Version) -> Result<Option<Self>, DecodeError> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(None);
        };
        let packet_type = PacketType::from_u8(first >> 4).ok_or(DecodeError::PacketType)?;
        if packet_type == PacketType::Auth && !version.is_v5() {
            return Err(DecodeError::PacketType);
        }
        let flags = first & 0x0F;
        if packet_type != PacketType::Publish {
            let fixed = packet_type.fixed_flags();
            // MQTT 3.1 knows DUP on the packets that it sends at QoS 1.
            let ignored = if version == Version::V31 && fixed != 0 {
                0b1000
            } else {
                0
            };
            if flags & !ignored != fixed {
                return Err(DecodeError::Flags);
            }
        }
        let Some(remaining) = var_int_prefix(rest) else {
            return Ok(None);
        };
        let (remaining, len) = remaining?;
        if version.is_v5() && len != var_int_len(remaining) {
            return Err(DecodeError::VariableByteInteger);
        }
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
    match packets.get(1..).and_then(var_int_prefix) {
        Some(Ok((remaining, len))) => 1 + len + remaining as usize,
        _ => packets.len(),
    }
}

/// What follows the fixed header of one packet, described once for counting and for writing.
pub(crate) trait Body {
    fn first_byte(&self) -> u8;
    fn put(&self, out: &mut Writer<'_>);
}

/// A packet that is its fixed header alone: PINGREQ or PINGRESP.
impl Body for PacketType {
    fn first_byte(&self) -> u8 {
        Self::first_byte(*self)
    }

    fn put(&self, _: &mut Writer<'_>) {}
}

/// The length of the whole packet, or why it cannot be written.
pub(crate) fn encoded_len(packet: &dyn Body, version: Version) -> Result<usize, EncodeError> {
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
pub(crate) fn write(packet: &dyn Body, version: Version, buffer: &mut [u8]) {
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
pub(super) fn encode(
    packet: &dyn Body,
    version: Version,
    buffer: &mut [u8],
) -> Result<usize, EncodeError> {
    let len = encoded_len(packet, version)?;
    let buffer = buffer.get_mut(..len).ok_or(EncodeError::BufferTooSmall)?;
    write(packet, version, buffer);
    Ok(len)
}
