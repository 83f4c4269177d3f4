//! Packets in the standard library's types alone, and their bytes by the standard's text: what
//! codecs are given, and what they are compared with.

use std::fmt;
use std::sync::LazyLock;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// 3.1.1
    V311,
    /// 5.0
    V5,
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V311, Self::V5];

    /// The protocol level that CONNECT names.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// True for 5.0.
    #[must_use]
    pub const fn is_v5(self) -> bool {
        matches!(self, Self::V5)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}

/// A packet that a client sends or receives often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packet<'a> {
    /// CONNECT, to be encoded.
    Connect(Connect<'a>),
    /// CONNACK, to be decoded.
    ConnAck(ConnAck),
    /// PUBLISH, both.
    Publish(Publish<'a>),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP, both.
    Ack(Ack, u16),
    /// SUBSCRIBE, to be encoded.
    Subscribe(Subscribe<'a>),
    /// SUBACK with its packet identifier and what became of two filters, to be decoded.
    SubAck(u16, [u8; 2]),
    /// PINGREQ, to be encoded.
    PingReq,
    /// PINGRESP, to be decoded.
    PingResp,
}

/// CONNECT with credentials and, in 5.0, a Session Expiry Interval and a Receive Maximum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connect<'a> {
    /// The client identifier.
    pub client_id: &'a str,
    /// In seconds.
    pub keep_alive: u16,
    /// The user.
    pub username: &'a str,
    /// The user's password.
    pub password: &'a str,
    /// In seconds; 5.0 only.
    pub session_expiry: u32,
    /// Messages in flight; 5.0 only.
    pub receive_maximum: u16,
}

/// CONNACK of success.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnAck {
    /// Whether the server has kept the session.
    pub session_present: bool,
    /// The server's limits, 5.0 only: Receive Maximum, Maximum Packet Size, Topic Alias Maximum.
    pub limits: Option<(u16, u32, u16)>,
}

/// PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Publish<'a> {
    /// 0, 1 or 2.
    pub qos: u8,
    /// The packet identifier; not sent at QoS 0.
    pub id: u16,
    /// Where to.
    pub topic: &'a str,
    /// 5.0 only.
    pub properties: Option<Properties<'a>>,
    /// What.
    pub payload: &'a [u8],
}

/// Properties of a PUBLISH, in the order in which they stand there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Properties<'a> {
    /// Payload Format Indicator: whether the payload is text.
    pub is_text: bool,
    /// Message Expiry Interval.
    pub expiry: u32,
    /// Correlation Data.
    pub correlation: &'a [u8],
    /// A User Property.
    pub user: (&'a str, &'a str),
}

/// Which acknowledgement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ack {
    /// PUBACK
    PubAck = 4,
    /// PUBREC
    PubRec,
    /// PUBREL
    PubRel,
    /// PUBCOMP
    PubComp,
}

impl Ack {
    /// All four.
    pub const ALL: [Self; 4] = [Self::PubAck, Self::PubRec, Self::PubRel, Self::PubComp];

    /// The first byte of such a packet.
    #[must_use]
    pub const fn first_byte(self) -> u8 {
        (self as u8) << 4 | if matches!(self, Self::PubRel) { 2 } else { 0 }
    }
}

/// SUBSCRIBE with two filters, each with the QoS it asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subscribe<'a> {
    /// The packet identifier.
    pub id: u16,
    /// The filters.
    pub filters: [(&'a str, u8); 2],
}

impl Packet<'_> {
    /// Its bytes, written as the standard's text has them.
    #[must_use]
    pub fn wire(&self, version: Version) -> Vec<u8> {
        let mut body = Vec::new();
        let is_v5 = version.is_v5();
        let first = match self {
            Self::Connect(connect) => {
                put(&mut body, b"MQTT");
                body.extend([version.level(), 0b1100_0000]);
                body.extend(connect.keep_alive.to_be_bytes());
                if is_v5 {
                    body.extend([8, 17]);
                    body.extend(connect.session_expiry.to_be_bytes());
                    body.push(33);
                    body.extend(connect.receive_maximum.to_be_bytes());
                }
                put(&mut body, connect.client_id.as_bytes());
                put(&mut body, connect.username.as_bytes());
                put(&mut body, connect.password.as_bytes());
                0x10
            }
            Self::ConnAck(connack) => {
                body.extend([connack.session_present.into(), 0]);
                if let Some((receive, packet_size, alias)) = connack.limits {
                    body.extend([11, 33]);
                    body.extend(receive.to_be_bytes());
                    body.push(39);
                    body.extend(packet_size.to_be_bytes());
                    body.push(34);
                    body.extend(alias.to_be_bytes());
                } else if is_v5 {
                    body.push(0);
                }
                0x20
            }
            Self::Publish(publish) => {
                put(&mut body, publish.topic.as_bytes());
                if publish.qos > 0 {
                    body.extend(publish.id.to_be_bytes());
                }
                if let Some(properties) = &publish.properties {
                    let properties = properties.wire();
                    put_len(&mut body, properties.len());
                    body.extend(properties);
                } else if is_v5 {
                    body.push(0);
                }
                body.extend(publish.payload);
                0x30 | publish.qos << 1
            }
            Self::Ack(ack, id) => {
                body.extend(id.to_be_bytes());
                ack.first_byte()
            }
            Self::Subscribe(subscribe) => {
                body.extend(subscribe.id.to_be_bytes());
                if is_v5 {
                    body.push(0);
                }
                for (filter, qos) in subscribe.filters {
                    put(&mut body, filter.as_bytes());
                    body.push(qos);
                }
                0x82
            }
            Self::SubAck(id, codes) => {
                body.extend(id.to_be_bytes());
                if is_v5 {
                    body.push(0);
                }
                body.extend(codes);
                0x90
            }
            Self::PingReq => 0xC0,
            Self::PingResp => 0xD0,
        };
        let mut packet = vec![first];
        put_len(&mut packet, body.len());
        packet.extend(body);
        packet
    }
}

impl Properties<'_> {
    fn wire(&self) -> Vec<u8> {
        let mut bytes = vec![1, self.is_text.into(), 2];
        bytes.extend(self.expiry.to_be_bytes());
        bytes.push(9);
        put(&mut bytes, self.correlation);
        bytes.push(38);
        put(&mut bytes, self.user.0.as_bytes());
        put(&mut bytes, self.user.1.as_bytes());
        bytes
    }
}

impl<'a> Properties<'a> {
    /// Reads the bytes that [`Packet::wire`] has, for codecs that give them as they are.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let string = |bytes: &'a [u8]| {
            let (len, rest) = bytes.split_first_chunk()?;
            rest.split_at_checked(u16::from_be_bytes(*len).into())
        };
        let [1, is_text, 2, a, b, c, d, 9, rest @ ..] = bytes else {
            return None;
        };
        let (correlation, rest) = string(rest)?;
        let (name, rest) = string(rest.strip_prefix(&[38])?)?;
        let (value, rest) = string(rest)?;
        rest.is_empty().then_some(Self {
            is_text: *is_text == 1,
            expiry: u32::from_be_bytes([*a, *b, *c, *d]),
            correlation,
            user: (str::from_utf8(name).ok()?, str::from_utf8(value).ok()?),
        })
    }
}

/// A string or binary data.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).expect("strings here are short");
    out.extend(len.to_be_bytes());
    out.extend(bytes);
}

/// A variable byte integer.
pub(crate) fn put_len(out: &mut Vec<u8>, mut len: usize) {
    while len > 0x7F {
        out.push((len & 0x7F) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

/// The topic of 20 bytes that is called short.
pub const SHORT_TOPIC: &str = "plant/7/line/3/t/val";

/// The topic of 200 bytes that is called long.
pub const LONG_TOPIC: &str = "enterprise/europe/site-northern-works/building-17/production-line-3/cell-12\
    /robot-arm-2/joint-5/gearbox/input-shaft/bearing-front/temperature/filtered\
    /one-minute-average/degrees-celsius/value-and-qual";

/// `len` bytes to publish, at most 1 MiB.
#[must_use]
pub fn payload(len: usize) -> &'static [u8] {
    static PAYLOAD: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..1_usize << 20).map(|i| (i * 31 + 7) as u8).collect());
    &PAYLOAD[..len]
}

/// A length as people write it: `64 B`, `4 KiB`, `1 MiB`.
#[must_use]
pub fn size(len: usize) -> String {
    match len {
        0x10_0000.. => format!("{} MiB", len >> 20),
        0x400.. => format!("{} KiB", len >> 10),
        _ => format!("{len} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes spelt out, so that what everything is compared with is not only one's own word.
    #[test]
    fn bytes_of_the_standard() {
        let publish = Publish {
            qos: 1,
            id: 10,
            topic: "a/b",
            properties: None,
            payload: b"hi",
        };
        assert_eq!(
            Packet::Publish(publish).wire(Version::V311),
            b"\x32\x09\x00\x03a/b\x00\x0ahi"
        );
        let properties = Properties {
            is_text: true,
            expiry: 60,
            correlation: b"7",
            user: ("k", "v"),
        };
        let publish = Publish {
            properties: Some(properties),
            ..publish
        };
        assert_eq!(
            Packet::Publish(publish).wire(Version::V5),
            b"\x32\x1c\x00\x03a/b\x00\x0a\x12\x01\x01\x02\x00\x00\x00\x3c\x09\x00\x017\x26\x00\x01k\x00\x01vhi"
        );
        assert_eq!(
            Packet::Ack(Ack::PubRel, 0x1234).wire(Version::V5),
            b"\x62\x02\x12\x34"
        );
    }

    #[test]
    fn topics_have_their_lengths() {
        assert_eq!((SHORT_TOPIC.len(), LONG_TOPIC.len()), (20, 200));
    }
}
