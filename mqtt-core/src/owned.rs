use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use bytes::Bytes;

use crate::wire::{PacketId, Properties, Publish, QoS};

/// A received message that owns its bytes, and has not copied them.
///
/// For hosts that hand messages to other tasks. They receive into a [`bytes::BytesMut`], freeze
/// what is there, and show it to the client:
///
/// ```
/// # use mqtt_core::{Client, Config, HeapStorage, Instant};
/// use bytes::{Buf, BytesMut};
/// use mqtt_core::{Event, OwnedPublish};
///
/// # let mut storage = HeapStorage::new(0, 256, 1);
/// # let mut client = Client::new(Config::new(""), storage.split().1);
/// # let now = Instant::from_millis(0);
/// # client.connect(now)?;
/// # let mut received = BytesMut::from(&b"\x20\x03\x00\x00\x00\x30\x04\x00\x01t\x00\x30\x05\x00"[..]);
/// let mut input = received.split().freeze();
/// loop {
///     let step = client.process(&input, now)?;
///     if let Some(Event::Publish(publish)) = step.event {
///         let message = OwnedPublish::new(&publish, &input);
///         assert_eq!(message.topic(), "t");
///     }
///     if !step.is_progress() {
///         break;
///     }
///     input.advance(step.consumed);
/// }
/// // What has not arrived in full goes back to the front.
/// received.unsplit(input.into());
/// assert_eq!(received, b"\x30\x05\x00"[..]);
/// # Ok::<(), mqtt_core::Error>(())
/// ```
#[derive(Clone)]
pub struct OwnedPublish {
    /// True if an earlier attempt may have delivered this message.
    pub dup: bool,
    /// The level at which it was sent.
    pub qos: QoS,
    /// True if the server had kept it, or the subscription asked for the flag as published.
    pub retain: bool,
    /// Present exactly at QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// The application's bytes.
    pub payload: Bytes,
    head: Head,
    topic_len: u16,
    properties_len: u32,
}

/// What begins with the topic and ends with the properties.
#[derive(Clone)]
enum Head {
    /// Copying a few bytes costs less than counting one more owner of the input.
    Short([u8; SHORT]),
    Long(Bytes),
}

/// As much as leaves [`Head`] as large as it has to be.
const SHORT: usize = 39;

impl OwnedPublish {
    /// The message `publish`, which lies in `input`. Payload and, unless they are short, topic and
    /// properties share its memory; what does not lie there is copied.
    #[must_use]
    pub fn new(publish: &Publish<'_>, input: &Bytes) -> Self {
        let topic = publish.topic.as_bytes();
        let encoded: Vec<u8>;
        let properties = match publish.properties.raw() {
            Some(raw) => raw,
            None => {
                encoded = publish.properties.to_bytes();
                &encoded
            }
        };
        Self {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            packet_id: publish.packet_id,
            payload: match place(publish.payload, input) {
                Some(place) => input.slice(place),
                None => Bytes::copy_from_slice(publish.payload),
            },
            head: Head::new(topic, properties, input),
            topic_len: u16::try_from(topic.len()).unwrap_or(u16::MAX),
            properties_len: u32::try_from(properties.len()).unwrap_or(u32::MAX),
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        let topic = self.head().get(..usize::from(self.topic_len));
        core::str::from_utf8(topic.unwrap_or_default()).unwrap_or_default()
    }

    /// The properties; 5.0 only.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        let start = match &self.head {
            Head::Short(_) => usize::from(self.topic_len),
            Head::Long(bytes) => bytes.len().saturating_sub(self.properties_len as usize),
        };
        let rest = self.head().get(start..).unwrap_or_default();
        let properties = rest.get(..self.properties_len as usize);
        Properties::from_checked(properties.unwrap_or_default())
    }

    fn head(&self) -> &[u8] {
        match &self.head {
            Head::Short(bytes) => bytes,
            Head::Long(bytes) => bytes,
        }
    }
}

impl Head {
    fn new(topic: &[u8], properties: &[u8], input: &Bytes) -> Self {
        let mut short = [0; SHORT];
        if let Some((first, rest)) = short.split_at_mut_checked(topic.len()) {
            if let Some(second) = rest.get_mut(..properties.len()) {
                first.copy_from_slice(topic);
                second.copy_from_slice(properties);
                return Self::Short(short);
            }
        }
        let last = if properties.is_empty() {
            topic
        } else {
            properties
        };
        match (place(topic, input), place(last, input)) {
            (Some(first), Some(last)) if first.start <= last.start => {
                Self::Long(input.slice(first.start..last.end))
            }
            _ => Self::Long([topic, properties].concat().into()),
        }
    }
}

/// Where in the input a part of it lies.
fn place(part: &[u8], input: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(input.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= input.len()).then_some(start..end)
}

impl Eq for OwnedPublish {}

impl PartialEq for OwnedPublish {
    fn eq(&self, other: &Self) -> bool {
        let flags = |message: &Self| (message.dup, message.qos, message.retain, message.packet_id);
        flags(self) == flags(other)
            && self.topic() == other.topic()
            && self.properties() == other.properties()
            && self.payload == other.payload
    }
}

impl fmt::Debug for OwnedPublish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPublish")
            .field("dup", &self.dup)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("topic", &self.topic())
            .field("packet_id", &self.packet_id)
            .field("properties", &self.properties())
            .field("payload", &self.payload)
            .finish()
    }
}

impl Properties<'_> {
    /// The list as it stands in a packet.
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; self.encoded_len()];
        self.write(&mut bytes);
        bytes
    }
}

#[cfg(all(test, feature = "v5"))]
mod tests {
    use super::*;
    use crate::wire::{Packet, Property, Version};

    /// A message as it is received, and the input that it lies in.
    fn received(publish: &Publish<'_>) -> (OwnedPublish, Bytes) {
        let mut buffer = [0; 256];
        let n = Packet::from(*publish)
            .encode(Version::V5, &mut buffer)
            .unwrap();
        let input = Bytes::copy_from_slice(&buffer[..n]);
        let Ok(Some((Packet::Publish(received), _))) = Packet::decode(&input, Version::V5) else {
            panic!("not a PUBLISH");
        };
        (OwnedPublish::new(&received, &input), input)
    }

    /// Topics and properties on both sides of what is copied are the same as before, and what is
    /// long shares the input.
    #[test]
    fn shares_the_input() {
        let long = "a/".repeat(30);
        let value = "v".repeat(30);
        for topic in ["a/b", &long[..38], &long[..39], &long[..40], &long] {
            for value in [None, Some("v"), Some(&*value)] {
                let property = Property::UserProperty("k", value.unwrap_or_default());
                let properties = &[property][..usize::from(value.is_some())];
                let publish = Publish {
                    properties: properties.into(),
                    qos: QoS::AtLeastOnce,
                    packet_id: PacketId::new(7),
                    ..Publish::new(topic, b"payload")
                };
                let (owned, input) = received(&publish);
                let is_shared = |part: *const u8| input.as_ptr_range().contains(&part);
                assert_eq!(owned.payload, &b"payload"[..]);
                assert!(is_shared(owned.payload.as_ptr()));
                assert_eq!(owned.topic(), topic);
                assert_eq!(owned.properties(), publish.properties);
                let is_long = topic.len() + publish.properties.encoded_len() > SHORT;
                assert_eq!(is_shared(owned.topic().as_ptr()), is_long, "{topic}");

                // A message from elsewhere is copied, and equal all the same.
                let copied = OwnedPublish::new(&publish, &Bytes::new());
                assert_eq!(copied, owned);
                let publish = Publish {
                    topic: "other",
                    ..publish
                };
                assert_ne!(OwnedPublish::new(&publish, &input), owned);
            }
        }
    }

    /// A topic that an alias stands for comes from elsewhere than the properties.
    #[test]
    fn joins_what_lies_apart() {
        let properties = [Property::UserProperty("k", "v"), Property::TopicAlias(1)];
        let publish = Publish {
            properties: Properties::from(&properties),
            ..Publish::new("", b"payload")
        };
        let (aliased, input) = received(&publish);
        for topic in ["a/b", &"a/".repeat(30)] {
            let publish = Publish {
                topic,
                properties: aliased.properties(),
                ..Publish::new("", &input)
            };
            let owned = OwnedPublish::new(&publish, &input);
            assert_eq!(owned.topic(), topic);
            assert_eq!(owned.properties(), Properties::from(&properties));
            assert_eq!(owned.payload, input);
        }
    }

    #[test]
    fn is_small() {
        assert!(size_of::<OwnedPublish>() <= 88);
    }
}
