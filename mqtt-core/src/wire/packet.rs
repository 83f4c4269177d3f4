use super::ack::AckKind;
use super::frame::{Body, encodable, encode, encode_bytes, encoded_len};
use super::writer::Writer;
use super::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, EncodeError, FixedHeader, PacketType,
    Publish, SubAck, Subscribe, UnsubAck, Unsubscribe, Version,
};

/// A control packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Packet<'a> {
    /// CONNECT.
    Connect(Connect<'a>),
    /// CONNACK.
    ConnAck(ConnAck<'a>),
    /// PUBLISH.
    Publish(Publish<'a>),
    /// PUBACK.
    PubAck(Ack<'a>),
    /// PUBREC.
    PubRec(Ack<'a>),
    /// PUBREL.
    PubRel(Ack<'a>),
    /// PUBCOMP.
    PubComp(Ack<'a>),
    /// SUBSCRIBE.
    Subscribe(Subscribe<'a>),
    /// SUBACK.
    SubAck(SubAck<'a>),
    /// UNSUBSCRIBE.
    Unsubscribe(Unsubscribe<'a>),
    /// UNSUBACK.
    UnsubAck(UnsubAck<'a>),
    /// PINGREQ.
    PingReq,
    /// PINGRESP.
    PingResp,
    /// DISCONNECT.
    Disconnect(Disconnect<'a>),
    /// AUTH.
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads the packet at the front of `input` and its length; `None` when it is cut off.
    ///
    /// CONNECT is read in the version that it names itself, but for its fixed header.
    ///
    /// # Errors
    /// If the bytes cannot become a packet of this version, whatever follows.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn decode(input: &'a [u8], version: Version) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(header) = FixedHeader::decode(input, version)? else {
            return Ok(None);
        };
        let after = input.get(header.len..).unwrap_or_default();
        let Some(body) = after.get(..header.remaining) else {
            return Ok(None);
        };
        let len = header.packet_len();
        // Each on its own, so that nothing is moved to where the others lie.
        let done = |packet| Ok(Some((packet, len)));
        let empty = |packet| {
            if body.is_empty() {
                done(packet)
            } else {
                Err(DecodeError::TrailingBytes)
            }
        };
        match header.packet_type {
            PacketType::Publish => Publish::decode_into(header.flags, body, version, |publish| {
                Some((Self::Publish(publish), len))
            }),
            packet @ PacketType::PubAck => done(Self::PubAck(Ack::decode(packet, body, version)?)),
            packet @ PacketType::PubRec => done(Self::PubRec(Ack::decode(packet, body, version)?)),
            packet @ PacketType::PubRel => done(Self::PubRel(Ack::decode(packet, body, version)?)),
            packet @ PacketType::PubComp => {
                done(Self::PubComp(Ack::decode(packet, body, version)?))
            }
            PacketType::PingReq => empty(Self::PingReq),
            PacketType::PingResp => empty(Self::PingResp),
            PacketType::Connect => done(Self::Connect(Connect::decode(body)?)),
            PacketType::ConnAck => done(Self::ConnAck(ConnAck::decode(body, version)?)),
            PacketType::Subscribe => done(Self::Subscribe(Subscribe::decode(body, version)?)),
            PacketType::SubAck => done(Self::SubAck(SubAck::decode(body, version)?)),
            PacketType::Unsubscribe => done(Self::Unsubscribe(Unsubscribe::decode(body, version)?)),
            PacketType::UnsubAck => done(Self::UnsubAck(UnsubAck::decode(body, version)?)),
            PacketType::Disconnect => done(Self::Disconnect(Disconnect::decode(body, version)?)),
            PacketType::Auth => done(Self::Auth(Auth::decode(body, version)?)),
        }
    }

    /// The number of bytes that [`encode`](Self::encode) writes.
    ///
    /// # Errors
    /// If the packet cannot be written in this version.
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        encoded_len(encodable(self), version)
    }

    /// Writes the packet to the front of `buffer` and returns its length.
    ///
    /// CONNECT is written in the version that it names itself.
    ///
    /// # Errors
    /// If the packet cannot be written in this version, or `buffer` is shorter than
    /// [`encoded_len`](Self::encoded_len). Nothing was written then.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn encode(&self, version: Version, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            Self::PubAck(ack) => AckKind(PacketType::PubAck, ack).encode(version, buffer),
            Self::PubRec(ack) => AckKind(PacketType::PubRec, ack).encode(version, buffer),
            Self::PubRel(ack) => AckKind(PacketType::PubRel, ack).encode(version, buffer),
            Self::PubComp(ack) => AckKind(PacketType::PubComp, ack).encode(version, buffer),
            Self::PingReq => encode_bytes([PacketType::PingReq.first_byte(), 0], buffer),
            Self::PingResp => encode_bytes([PacketType::PingResp.first_byte(), 0], buffer),
            packet => packet.encode_long(version, buffer),
        }
    }

    /// On its own, so that the short ones are encoded where they are made.
    fn encode_long(&self, version: Version, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            Self::Publish(packet) => packet.encode(version, buffer),
            Self::Connect(packet) => packet.encode(version, buffer),
            Self::ConnAck(packet) => packet.encode(version, buffer),
            Self::Subscribe(packet) => packet.encode(version, buffer),
            Self::SubAck(packet) => packet.encode(version, buffer),
            Self::Unsubscribe(packet) => packet.encode(version, buffer),
            Self::UnsubAck(packet) => packet.encode(version, buffer),
            Self::Disconnect(packet) => packet.encode(version, buffer),
            Self::Auth(packet) => packet.encode(version, buffer),
            packet => encode(encodable(packet), version, buffer),
        }
    }

    /// Which packet this is.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

impl Body for Packet<'_> {
    fn first_byte(&self) -> u8 {
        match self {
            Self::Publish(publish) => publish.first_byte(),
            packet => packet.packet_type().first_byte(),
        }
    }

    fn put(&self, out: &mut Writer<'_>) {
        match self {
            Self::Connect(packet) => packet.put(out),
            Self::ConnAck(packet) => packet.put(out),
            Self::Publish(packet) => packet.put(out),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                AckKind(self.packet_type(), ack).put(out);
            }
            Self::Subscribe(packet) => packet.put(out),
            Self::SubAck(packet) => packet.put(out),
            Self::Unsubscribe(packet) => packet.put(out),
            Self::UnsubAck(packet) => packet.put(out),
            Self::PingReq | Self::PingResp => {}
            Self::Disconnect(packet) => packet.put(out),
            Self::Auth(packet) => packet.put(out),
        }
    }
}

macro_rules! packets {
    ($($packet:ident)*) => {
        $(
            impl<'a> From<$packet<'a>> for Packet<'a> {
                fn from(packet: $packet<'a>) -> Self {
                    Self::$packet(packet)
                }
            }

            impl $packet<'_> {
                /// [`Packet::encode`] of this packet. A program that knows what it sends has no
                /// code for the other packets then.
                ///
                /// # Errors
                /// Those of [`Packet::encode`].
                pub fn encode(
                    &self,
                    version: Version,
                    buffer: &mut [u8],
                ) -> Result<usize, EncodeError> {
                    encode(encodable(self), version, buffer)
                }
            }
        )*
    };
}

packets! {
    Connect
    ConnAck
    Publish
    Subscribe
    SubAck
    Unsubscribe
    UnsubAck
    Disconnect
    Auth
}
