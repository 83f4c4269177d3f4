//! minimq: its codec is private, but for what its fuzzers call, which encodes packets with an
//! identifier of 1 and no more than a sample property, and decodes without giving the packet. So it
//! cannot show here that it has decoded right, and the compiler may leave out what nobody looks at.

use ::minimq::fuzzing::{encode_packet, parse_received_packet};

use super::{Codec, MAX_LEN};
use crate::packet::{Ack, Connect, Packet, Publish, Subscribe};

pub(super) struct Minimq {
    buffer: Vec<u8>,
}

impl Minimq {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; MAX_LEN],
        }
    }

    /// A packet whose body is this long ends up behind the room for the longest header.
    fn encoded(&self, body: usize) -> Option<&[u8]> {
        let header = match body {
            0..=0x7F => 2,
            0x80..=0x3FFF => 3,
            0x4000..=0x1F_FFFF => 4,
            _ => 5,
        };
        self.buffer.get(5 - header..5 + body)
    }
}

impl Codec for Minimq {
    type Packet<'a> = ();

    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]> {
        if publish.properties.is_some() {
            return None;
        }
        encode_packet(
            &mut self.buffer,
            1,
            publish.topic,
            publish.payload,
            publish.qos,
            false,
            0,
        );
        let id = if publish.qos > 0 { 2 } else { 0 };
        self.encoded(2 + publish.topic.len() + id + 1 + publish.payload.len())
    }

    fn ack(&mut self, ack: Ack, _: u16) -> Option<&[u8]> {
        let tag = match ack {
            Ack::PubRel => 5,
            Ack::PubAck => 6,
            Ack::PubRec => 7,
            Ack::PubComp => 8,
        };
        encode_packet(&mut self.buffer, tag, "", &[], 0, false, 0);
        self.encoded(self.buffer[4].into())
    }

    fn connect(&mut self, _: &Connect<'_>) -> Option<&[u8]> {
        None
    }

    fn subscribe(&mut self, _: &Subscribe<'_>) -> Option<&[u8]> {
        None
    }

    fn ping(&mut self) -> Option<&[u8]> {
        encode_packet(&mut self.buffer, 0, "", &[], 0, false, 0);
        self.encoded(0)
    }

    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<()> {
        parse_received_packet(wire);
        Some(())
    }

    const SHOWS_WHAT_IT_DECODES: bool = false;

    fn view<'a>((): &'a ()) -> Option<Packet<'a>> {
        None
    }
}
