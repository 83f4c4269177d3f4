//! Messages that wait for a connection.

use std::collections::VecDeque;

use bytes::Bytes;
use mqtt_core::wire::{EncodeError, Packet, PacketId, Property, Publish, QoS, Version};
use mqtt_core::{Instant, Message, UsageError};

use super::deliveries::Key;
use super::error::PublishError;
use super::options::Offline;

#[derive(Debug)]
pub(super) struct Queue {
    policy: Offline,
    version: Version,
    waiting: VecDeque<Waiting>,
    /// How many bytes all that wait take.
    len: usize,
}

#[derive(Debug)]
pub(super) struct Waiting {
    /// The packet without its payload.
    head: Vec<u8>,
    payload: Bytes,
    since: Instant,
    pub(super) key: Key,
}

impl Waiting {
    fn len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Shows the message to `hand_over`: what stands before its payload, and that. `None` if it
    /// has expired while it waited (3.3.2.3.3).
    pub(super) fn hand_over<R>(
        &self,
        version: Version,
        now: Instant,
        hand_over: impl FnOnce(&Message<'_>, &Bytes) -> R,
    ) -> Option<R> {
        let decoded = Packet::decode(&self.head, version);
        let Ok(Some((Packet::Publish(publish), _))) = decoded else {
            // What was written can be read.
            return None;
        };
        let waited = now.saturating_since(self.since).as_secs();
        let waited = u32::try_from(waited).unwrap_or(u32::MAX);
        let mut is_expired = false;
        let properties = publish.properties.iter().map(|property| match property {
            Property::MessageExpiryInterval(seconds) => {
                is_expired |= waited > 0 && waited >= seconds;
                Property::MessageExpiryInterval(seconds.saturating_sub(waited))
            }
            other => other,
        });
        let properties: Vec<_> = properties.collect();
        let message = Message::new(publish.topic, &[])
            .qos(publish.qos)
            .retain(publish.retain)
            .properties(&properties);
        (!is_expired).then(|| hand_over(&message, &self.payload))
    }
}

impl Queue {
    pub(super) const fn new(policy: Offline, version: Version) -> Self {
        Self {
            policy,
            version,
            waiting: VecDeque::new(),
            len: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Queues a message that `begin` gives a key to, and returns that and those of messages that
    /// gave way to it.
    pub(super) fn push(
        &mut self,
        message: &Message<'_>,
        payload: Option<Bytes>,
        since: Instant,
        begin: impl FnOnce() -> Key,
    ) -> Result<(Key, Vec<Key>), PublishError> {
        let limit = match self.policy {
            Offline::Reject => return Err(PublishError::Offline),
            Offline::Queue(limit) | Offline::DropOldest(limit) => limit,
        };
        let head = self.head(message);
        let head = head.map_err(|error| PublishError::Usage(UsageError::Encode(error)))?;
        let payload = payload.unwrap_or_else(|| Bytes::copy_from_slice(message.payload));
        let len = head.len() + payload.len();
        if len > limit || matches!(self.policy, Offline::Queue(_)) && self.len + len > limit {
            return Err(PublishError::QueueFull);
        }
        let mut dropped = Vec::new();
        while self.len + len > limit {
            let Some(oldest) = self.pop() else { break };
            dropped.push(oldest.key);
        }
        let key = begin();
        self.len += len;
        self.waiting.push_back(Waiting {
            head,
            payload,
            since,
            key,
        });
        Ok((key, dropped))
    }

    fn head(&self, message: &Message<'_>) -> Result<Vec<u8>, EncodeError> {
        let publish = Publish {
            qos: message.qos,
            retain: message.retain,
            // Any will do, the real one is assigned later.
            packet_id: PacketId::new(1).filter(|_| message.qos > QoS::AtMostOnce),
            properties: message.properties.into(),
            ..Publish::new(message.topic, &[])
        };
        let packet = Packet::from(publish);
        let mut head = vec![0; packet.encoded_len(self.version)?];
        packet.encode(self.version, &mut head)?;
        Ok(head)
    }

    /// Takes the oldest message.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.len -= waiting.len();
        Some(waiting)
    }

    /// Puts back what was taken last.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        self.len += waiting.len();
        self.waiting.push_front(waiting);
    }

    /// Forgets all messages.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Queues a message, and says how many gave way to it.
    fn push(queue: &mut Queue, payload: &[u8]) -> Result<usize, PublishError> {
        let message = Message::new("t", payload).qos(QoS::AtLeastOnce);
        let (_, dropped) = queue.push(&message, None, Instant::from_millis(0), || 0)?;
        Ok(dropped.len())
    }

    /// The payloads in order.
    fn drained(queue: &mut Queue) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        while let Some(waiting) = queue.pop() {
            payloads.push(waiting.payload.to_vec());
        }
        payloads
    }

    /// A head of QoS 1 takes 8 bytes in 5.0.
    const HEAD: usize = 8;

    #[test]
    fn bytes_are_counted() {
        let mut queue = Queue::new(Offline::Queue(2 * HEAD + 3), Version::V5);
        assert_eq!(push(&mut queue, b"a"), Ok(0));
        assert_eq!(push(&mut queue, b"bcd"), Err(PublishError::QueueFull));
        assert_eq!(push(&mut queue, b"bc"), Ok(0));
        assert_eq!(push(&mut queue, b""), Err(PublishError::QueueFull));
        assert_eq!(drained(&mut queue), [&b"a"[..], b"bc"]);
        assert_eq!(queue.len, 0);
        assert_eq!(push(&mut queue, b"d"), Ok(0));
    }

    #[test]
    fn the_oldest_give_way() {
        let mut queue = Queue::new(Offline::DropOldest(3 * HEAD + 3), Version::V5);
        for payload in [b"a", b"b", b"c"] {
            assert_eq!(push(&mut queue, payload), Ok(0));
        }
        assert_eq!(push(&mut queue, b"de"), Ok(2));
        assert_eq!(
            push(&mut queue, &[0; 2 * HEAD + 4]),
            Err(PublishError::QueueFull)
        );
        assert_eq!(drained(&mut queue), [&b"c"[..], b"de"]);
        assert_eq!(
            push(&mut Queue::new(Offline::Reject, Version::V5), b""),
            Err(PublishError::Offline)
        );
    }

    #[test]
    fn time_spent_waiting_counts_for_the_expiry() {
        let mut queue = Queue::new(Offline::default(), Version::V5);
        let properties = [Property::MessageExpiryInterval(10)];
        let message = Message::new("t", b"x").properties(&properties);
        let at = |seconds: u64| Instant::from_millis(seconds * 1000);
        queue.push(&message, None, at(100), || 0).unwrap();
        let waiting = queue.pop().unwrap();
        let left = |now| {
            waiting.hand_over(Version::V5, now, |message, _| match message.properties {
                [Property::MessageExpiryInterval(seconds)] => *seconds,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(left(at(100)), Some(10));
        assert_eq!(left(at(109)), Some(1));
        assert_eq!(left(at(110)), None);
    }
}
