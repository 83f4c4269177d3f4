//! The beginnings of packets, whole or not.

use mqtt_core::wire::{PacketId, PacketType, QoS, Version};

/// What the first bytes of a packet say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) packet: PacketType,
    pub(super) qos: QoS,
    pub(super) dup: bool,
    pub(super) id: Option<PacketId>,
    pub(super) is_error: bool,
    /// Where the packet begins and ends.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The packets in `bytes`. The last one may be cut off after its identifier.
pub(super) fn heads(bytes: &[u8], version: Version) -> impl Iterator<Item = Head> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let head = head(bytes.get(start..)?, start, version)?;
        start = head.end;
        Some(head)
    })
}

fn head(bytes: &[u8], start: usize, version: Version) -> Option<Head> {
    let first = *bytes.first()?;
    let mut remaining = 0;
    let mut at = 1;
    loop {
        let byte = *bytes.get(at)?;
        remaining |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte < 0x80 {
            break;
        }
    }
    let body = &bytes[at..];
    let packet = match first >> 4 {
        3 => PacketType::Publish,
        4 => PacketType::PubAck,
        5 => PacketType::PubRec,
        6 => PacketType::PubRel,
        7 => PacketType::PubComp,
        8 => PacketType::Subscribe,
        _ => PacketType::PingReq,
    };
    let qos = super::qos(first >> 1 & 0b11);
    let id_at = match packet {
        PacketType::Publish if qos == QoS::AtMostOnce => None,
        PacketType::Publish => Some(2 + usize::from(u16::from_be_bytes([body[0], body[1]]))),
        PacketType::PingReq => None,
        _ => Some(0),
    };
    let id = id_at.map(|at| u16::from_be_bytes([body[at], body[at + 1]]));
    let is_ack = matches!(
        packet,
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp
    );
    Some(Head {
        packet,
        qos: if packet == PacketType::Publish {
            qos
        } else {
            QoS::AtMostOnce
        },
        dup: first & 0b1000 != 0,
        id: id.and_then(PacketId::new),
        is_error: is_ack && version == Version::V5 && remaining > 2 && body[2] >= 0x80,
        start,
        end: start + at + remaining,
    })
}
