use alloc::vec;
use core::fmt;

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
#[derive(Clone, Eq, PartialEq)]
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
    topic: Bytes,
    properties: Bytes,
}

impl OwnedPublish {
    /// The message `publish`, which lies in `input`. What does not lie there is copied.
    #[must_use]
    pub fn new(publish: &Publish<'_>, input: &Bytes) -> Self {
        let share = |part: &[u8]| {
            let (whole, range) = (input.as_ptr_range(), part.as_ptr_range());
            if whole.start <= range.start && range.end <= whole.end {
                input.slice_ref(part)
            } else {
                Bytes::copy_from_slice(part)
            }
        };
        Self {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            packet_id: publish.packet_id,
            payload: share(publish.payload),
            topic: share(publish.topic.as_bytes()),
            properties: publish.properties.with_bytes(share),
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        core::str::from_utf8(&self.topic).unwrap_or_default()
    }

    /// The properties; 5.0 only.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        Properties::from_checked(&self.properties)
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
    /// Gives the bytes of the list, as they stand in a packet, to `take`.
    fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        if let Some(raw) = self.raw() {
            return take(raw);
        }
        let mut bytes = vec![0; self.encoded_len()];
        self.write(&mut bytes);
        take(&bytes)
    }
}

#[cfg(all(test, feature = "v5"))]
mod tests {
    use super::*;
    use crate::wire::{Packet, Property, Version};

    #[test]
    fn shares_the_input() {
        let mut buffer = [0; 64];
        let properties = [Property::UserProperty("k", "v")];
        let publish = Publish {
            properties: Properties::from(&properties),
            ..Publish::new("a/b", b"payload")
        };
        let n = Packet::from(publish)
            .encode(Version::V5, &mut buffer)
            .unwrap();
        let input = Bytes::copy_from_slice(&buffer[..n]);
        let Ok(Some((Packet::Publish(received), _))) = Packet::decode(&input, Version::V5) else {
            panic!("not a PUBLISH");
        };
        let owned = OwnedPublish::new(&received, &input);
        assert_eq!(owned.payload, &b"payload"[..]);
        assert!(input.as_ptr_range().contains(&owned.payload.as_ptr()));
        assert_eq!(owned.topic(), "a/b");
        assert_eq!(owned.properties(), publish.properties);

        // A message from elsewhere is copied, and equal all the same.
        assert_eq!(OwnedPublish::new(&publish, &Bytes::new()), owned);
    }
}
