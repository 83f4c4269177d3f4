//! PUBLISH packets that are kept to be sent, as they lie in memory.
//!
//! Most lie there as they are sent. One that does not stands in an envelope: a packet of type 0,
//! so that its length in memory is known.

use super::frame::{Body, FixedHeader, MAX_REMAINING_LENGTH};
use super::property::PropertyId;
use super::reader::{Reader, var_int_len};
use super::writer::Writer;
use super::{EncodeError, PacketId, PacketType, Publish, Version, packet_len};
use crate::buffers::shift;

/// A PUBLISH that is not all there is to it.
pub(crate) struct Envelope<'a> {
    pub(crate) publish: Publish<'a>,
    /// The length of the payload that is sent by someone else.
    pub(crate) payload_len: usize,
    /// With a topic alias: the topic, unless the packet has it. It is put before the packet.
    pub(crate) alias_of: Option<&'a str>,
}

/// The first byte of an envelope, by what the packet in it is without.
const WITHOUT_PAYLOAD: u8 = 0;
const WITH_ALIAS: u8 = 1;

impl Body for Envelope<'_> {
    fn first_byte(&self) -> u8 {
        if self.alias_of.is_some() {
            WITH_ALIAS
        } else {
            WITHOUT_PAYLOAD
        }
    }

    fn put(&self, out: &mut Writer<'_>) {
        let mut count = Writer::count(out.version);
        self.publish.put(&mut count);
        let remaining = count.len().saturating_add(self.payload_len);
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        out.require(
            remaining <= MAX_REMAINING_LENGTH,
            EncodeError::PacketTooLarge,
        );
        if let Some(topic) = self.alias_of {
            out.string(topic);
        }
        out.u8(self.publish.first_byte());
        out.var_int(remaining);
        self.publish.put(out);
    }
}

/// True if a stored packet stands in an envelope.
pub(crate) fn is_enveloped(stored: &[u8]) -> bool {
    matches!(stored.first(), Some(&(WITHOUT_PAYLOAD | WITH_ALIAS)))
}

/// True if a stored packet has a topic alias.
pub(crate) fn has_alias(stored: &[u8]) -> bool {
    stored.first() == Some(&WITH_ALIAS)
}

/// What is sent of a stored packet: all of it, or what its envelope holds.
pub(crate) fn head(stored: &[u8]) -> &[u8] {
    stored.get(head_start(stored)..).unwrap_or_default()
}

/// Where [`head`] begins.
pub(crate) fn head_start(stored: &[u8]) -> usize {
    if !is_enveloped(stored) {
        return 0;
    }
    let (start, _) = note(stored);
    start
}

/// Where the packet in an envelope begins, and the topic that stands before it.
fn note(stored: &[u8]) -> (usize, &[u8]) {
    let mut r = Reader::new(stored, Version::V311);
    let first = r.u8();
    r.var_int();
    let topic = if first == WITH_ALIAS { r.binary() } else { &[] };
    (stored.len() - r.len(), topic)
}

/// Reads a PUBLISH that may be without its payload; also says how long that is.
pub(crate) fn decode_head(packet: &[u8], version: Version) -> Option<(Publish<'_>, usize)> {
    let header = FixedHeader::decode(packet, version).ok()??;
    if header.packet_type != PacketType::Publish {
        return None;
    }
    let body = packet.get(header.len..)?;
    let publish = Publish::decode(header.flags, body, version).ok()?;
    let head_len = body.len() - publish.payload.len();
    Some((publish, header.remaining.checked_sub(head_len)?))
}

/// Reads a stored packet, with the topic that it stands for.
pub(crate) fn decode_stored(stored: &[u8], version: Version) -> Option<Publish<'_>> {
    let (publish, _) = decode_head(head(stored), version)?;
    let topic = if publish.topic.is_empty() {
        core::str::from_utf8(note(stored).1).ok()?
    } else {
        publish.topic
    };
    Some(Publish { topic, ..publish })
}

/// Where the seconds of the Message Expiry Interval stand in a PUBLISH.
pub(crate) fn expiry_at(packet: &[u8]) -> Option<usize> {
    let (publish, _) = decode_head(packet, Version::NEWEST)?;
    let (_, from) = publish
        .properties
        .position(PropertyId::MessageExpiryInterval)?;
    // Only the payload comes after the properties.
    let at = packet.len() - publish.payload.len() - from;
    Some(at + 1)
}

/// The length of a Topic Alias property.
const ALIAS_LEN: usize = 3;

/// Takes a stored packet with a topic alias out of its envelope and writes it with its topic and
/// without the alias. It ends where it ended before; returns where it begins. The payload is not
/// moved.
pub(crate) fn remove_alias(stored: &mut [u8]) -> Option<usize> {
    let start = head_start(stored);
    let packet = stored.get(start..)?;
    let (publish, payload_len) = decode_head(packet, Version::NEWEST)?;
    let (before, from) = publish.properties.position(PropertyId::TopicAlias)?;
    let after = from.checked_sub(ALIAS_LEN)?;
    let (first, id) = (
        publish.first_byte(),
        publish.packet_id.map_or(0, PacketId::get),
    );
    let (topic_at, topic_len) = if publish.topic.is_empty() {
        let (start, topic) = note(stored);
        (start - topic.len(), topic.len())
    } else {
        let header_len = packet_len(packet)
            - FixedHeader::decode(packet, Version::NEWEST)
                .ok()??
                .remaining;
        (start + header_len + 2, publish.topic.len())
    };
    let properties_len = u32::try_from(before + after).ok()?;
    let var_len = var_int_len(properties_len);
    let remaining = 2 + topic_len + 2 + var_len + before + after + payload_len;
    let remaining = u32::try_from(remaining).ok()?;

    // From the end to the beginning: everything moves that way, over what has been read.
    let end = stored.len() - payload_len - after;
    let properties_at = end.checked_sub(before)?;
    let old = properties_at.checked_sub(ALIAS_LEN)?;
    shift(stored, old..old + before, properties_at);
    let id_at = properties_at.checked_sub(var_len + 2)?;
    let topic_to = id_at.checked_sub(topic_len)?;
    let begin = topic_to.checked_sub(2 + var_int_len(remaining) + 1)?;
    shift(stored, topic_at..topic_at + topic_len, topic_to);
    let mut out = Writer::fill(Version::NEWEST, stored.get_mut(id_at..properties_at)?);
    out.u16(id);
    out.var_int(properties_len);
    let mut out = Writer::fill(Version::NEWEST, stored.get_mut(begin..topic_to)?);
    out.u8(first);
    out.var_int(remaining);
    out.u16(u16::try_from(topic_len).ok()?);
    Some(begin)
}

#[cfg(all(test, feature = "v5"))]
mod tests {
    use super::super::frame::{encoded_len, write};
    use super::super::{List, Packet, Property, QoS};
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn bytes(packet: &dyn Body) -> Vec<u8> {
        let mut buffer = vec![0; encoded_len(packet, Version::V5).unwrap()];
        write(packet, Version::V5, &mut buffer);
        buffer
    }

    proptest! {
        /// The packet that comes out is the one that would have been written without the alias.
        #[test]
        fn aliases_are_removed(
            sizes in (prop_oneof![1..30usize, 100..300usize, 16_000..17_000usize], 0..200usize),
            properties in (0..140usize, 0..140usize),
            has_topic in any::<bool>(),
            dup in any::<bool>(),
        ) {
            let (topic, payload) = ("t".repeat(sizes.0), vec![7; sizes.1]);
            let text = ["x".repeat(properties.0), "y".repeat(properties.1)];
            let user = [Property::UserProperty(&text[0], ""), Property::ContentType(&text[1])];
            let whole = Publish {
                qos: QoS::AtLeastOnce,
                packet_id: PacketId::new(0x1234),
                dup,
                properties: List::from(&user),
                ..Publish::new(&topic, &payload)
            };
            let mixed = [user[0], Property::TopicAlias(9), user[1]];
            let publish = Publish {
                topic: if has_topic { &topic } else { "" },
                properties: List::from(&mixed),
                ..whole
            };
            let alias_of = Some(if has_topic { "" } else { topic.as_str() });
            let mut stored = bytes(&Envelope { publish, payload_len: 0, alias_of });

            prop_assert!(is_enveloped(&stored) && has_alias(&stored));
            prop_assert_eq!(packet_len(&stored), stored.len());
            prop_assert_eq!(head(&stored), bytes(&publish));
            let decoded = decode_stored(&stored, Version::V5).unwrap();
            prop_assert_eq!(decoded, Publish { topic: &topic, ..publish });
            let begin = remove_alias(&mut stored).unwrap();
            prop_assert_eq!(&stored[begin..], bytes(&whole));
        }

        #[test]
        fn expiry(before in 0..300usize, seconds in any::<u32>(), payload in 0..20usize) {
            let text = "x".repeat(before);
            let properties = [
                Property::UserProperty(&text, ""),
                Property::MessageExpiryInterval(seconds),
                Property::ContentType("y"),
            ];
            let payload = vec![7; payload];
            let publish = Publish {
                properties: List::from(&properties),
                ..Publish::new("t", &payload)
            };
            let mut packet = bytes(&publish);
            let at = expiry_at(&packet).unwrap();
            prop_assert_eq!(&packet[at..at + 4], &seconds.to_be_bytes());
            packet[at..at + 4].copy_from_slice(&77_u32.to_be_bytes());
            let (decoded, _) = Packet::decode(&packet, Version::V5).unwrap().unwrap();
            let Packet::Publish(decoded) = decoded else { panic!() };
            let expected = [properties[0], Property::MessageExpiryInterval(77), properties[2]];
            prop_assert_eq!(decoded.properties, List::from(&expected));
        }
    }

    #[test]
    fn without_what_is_looked_for() {
        let packet = bytes(&Publish::new("t", b"x"));
        assert_eq!(expiry_at(&packet), None);
        assert_eq!(remove_alias(&mut packet.clone()), None);
        assert!(!is_enveloped(&packet));
        assert_eq!(head(&packet), packet);
    }
}
