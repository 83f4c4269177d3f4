//! Our reading of packets and that of others.
//!
//! Where two disagree, that has a class: who, in which version, which packet, and how. The table in
//! `DIFFERENCES.md` names all classes that are known and says who is right; any other is a finding.

use std::fmt::Debug;

use flowsdk::mqtt_serde::control_packet::MqttPacket;
use flowsdk::mqtt_serde::parser::ParseOk;
use mqtt_core::wire::{Packet, PacketType, Version};
use mqtt_protocol_core::mqtt::Arc;
use mqtt_protocol_core::mqtt::packet::RetainHandling;
use mqtt_protocol_core::mqtt::packet::{v3_1_1, v5_0};

use crate::input::packet;
use crate::packet::name;

/// The first byte of a packet and its body, without the Remaining Length.
pub(crate) fn v311(data: &[u8]) {
    run(data, Version::V311);
}

/// The first byte of a packet and its body, without the Remaining Length.
pub(crate) fn v5(data: &[u8]) {
    run(data, Version::V5);
}

/// The known classes.
const DIFFERENCES: &str = include_str!("../../DIFFERENCES.md");

fn run(data: &[u8], version: Version) {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    // What the fixed header may be is the framer's question.
    let most = if version == Version::V5 { 15 } else { 14 };
    if !(1..=most).contains(&(first >> 4)) {
        return;
    }
    let bytes = packet(*first, body);
    let ours = Packet::decode(&bytes, version).map(|packet| packet.expect("all of it").0);
    // We read a CONNECT in the version that it names, the others in the one that they are told.
    let is_of = |version: Version| {
        body.starts_with(match version {
            Version::V31 => &b"\0\x06MQIsdp\x03"[..],
            Version::V311 => b"\0\x04MQTT\x04",
            Version::V5 => b"\0\x04MQTT\x05",
        })
    };
    let versions = [Version::V31, Version::V311, Version::V5];
    if first >> 4 == 1
        && versions
            .into_iter()
            .any(|other| other != version && is_of(other))
    {
        return;
    }
    for other in &OTHERS {
        let class = compare(other, &ours, &bytes, version)
            .or_else(|| compare_options(other, &ours, &bytes, version));
        if let Some(class) = class {
            assert!(
                is_listed(&class),
                "a difference that is not listed: {class}\n{bytes:02x?}\n{ours:?}"
            );
        }
    }
}

/// What another parser says of a packet: the bytes it would write for it, or why it refuses it.
type Read = fn(&[u8], Version) -> Result<Vec<u8>, String>;

struct Other {
    name: &'static str,
    read: Read,
    options: fn(&[u8]) -> Vec<Subscription>,
}

/// A filter of a SUBSCRIBE of 5.0: its QoS, No Local, Retain As Published, Retain Handling.
type Subscription = (String, u8, bool, bool, u8);

const OTHERS: [Other; 2] = [
    Other {
        name: "flowsdk",
        read: flowsdk,
        options: flowsdk_options,
    },
    Other {
        name: "mqtt-protocol-core",
        read: protocol_core,
        options: protocol_core_options,
    },
];

/// The class of the difference, if there is one.
fn compare(
    other: &Other,
    ours: &Result<Packet<'_>, mqtt_core::wire::DecodeError>,
    bytes: &[u8],
    version: Version,
) -> Option<String> {
    let theirs = (other.read)(bytes, version);
    let how = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => match Packet::decode(&theirs, version) {
            Ok(Some((read, len))) if len == theirs.len() && read == *ours => return None,
            _ => "reads otherwise".to_owned(),
        },
        (Ok(_), Err(why)) => format!("refuses: {why}"),
        (Err(error), Ok(_)) => format!("accepts: {}", name(*error)),
        (Err(_), Err(_)) => return None,
    };
    let kind = match bytes[0] >> 4 {
        1 => PacketType::Connect,
        2 => PacketType::ConnAck,
        3 => PacketType::Publish,
        4 => PacketType::PubAck,
        5 => PacketType::PubRec,
        6 => PacketType::PubRel,
        7 => PacketType::PubComp,
        8 => PacketType::Subscribe,
        9 => PacketType::SubAck,
        10 => PacketType::Unsubscribe,
        11 => PacketType::UnsubAck,
        12 => PacketType::PingReq,
        13 => PacketType::PingResp,
        14 => PacketType::Disconnect,
        _ => PacketType::Auth,
    };
    let version = match version {
        Version::V5 => "5.0",
        _ => "3.1.1",
    };
    Some(format!("{} | {version} | {kind} | {how}", other.name))
}

/// The class of a difference in what the options of a SUBSCRIBE mean. Whoever takes one for another
/// when reading does so again when reading what somebody else has written.
fn compare_options(
    other: &Other,
    ours: &Result<Packet<'_>, mqtt_core::wire::DecodeError>,
    bytes: &[u8],
    version: Version,
) -> Option<String> {
    let (Ok(Packet::Subscribe(subscribe)), Version::V5) = (ours, version) else {
        return None;
    };
    let ours: Vec<Subscription> = subscribe
        .filters
        .iter()
        .map(|filter| {
            (
                filter.topic.to_owned(),
                filter.qos as u8,
                filter.no_local,
                filter.retain_as_published,
                filter.retain_handling as u8,
            )
        })
        .collect();
    let name = other.name;
    ((other.options)(bytes) != ours).then(|| format!("{name} | 5.0 | SUBSCRIBE | reads otherwise"))
}

/// True if a row of the table has this class: each of its first four cells is what is there, or `any`,
/// or has it among others.
fn is_listed(class: &str) -> bool {
    let cells: Vec<_> = class.split(" | ").collect();
    let rows = DIFFERENCES
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| row.split(" | ").collect::<Vec<_>>())
        .any(|row| {
            row.len() > cells.len()
                && cells.iter().zip(row).all(|(cell, known)| {
                    known == "any"
                        || known
                            .split(", ")
                            .any(|known| known.trim_matches('`') == *cell)
                })
        })
}

/// The words of a reason, without what is different each time.
fn reason(why: &impl Debug) -> String {
    let text = format!("{why:?}");
    let words = text.split(|c: char| !c.is_alphabetic());
    let words: Vec<_> = words.filter(|word| word.len() > 1).collect();
    words[..words.len().min(6)].join(" ")
}

fn flowsdk(bytes: &[u8], version: Version) -> Result<Vec<u8>, String> {
    let level = if version == Version::V5 { 5 } else { 4 };
    match MqttPacket::from_bytes_with_version(bytes, level) {
        Ok(ParseOk::Packet(packet, len)) => {
            if len != bytes.len() {
                return Err("another length".into());
            }
            packet
                .to_bytes()
                .map_err(|why| format!("writing {}", reason(&why)))
        }
        Ok(_) => Err("more bytes".into()),
        Err(why) => Err(reason(&why)),
    }
}

fn protocol_core(bytes: &[u8], version: Version) -> Result<Vec<u8>, String> {
    let header = mqtt_core::wire::FixedHeader::decode(bytes, version);
    let len = match header {
        Ok(Some(header)) => header.len,
        // Its parsers take bodies; what the flags are its connection looks at.
        _ => return Err("the fixed header".into()),
    };
    let (flags, body) = (bytes[0] & 0x0F, &bytes[len..]);
    macro_rules! parse {
        ($packet:path) => {{
            let (packet, len) = <$packet>::parse(body).map_err(|why| reason(&why))?;
            if len != body.len() {
                return Err("another length".into());
            }
            packet.to_continuous_buffer()
        }};
        (@publish $packet:path) => {{
            let body: Arc<[u8]> = Arc::from(body);
            let (packet, len) =
                <$packet>::parse(flags, body.clone()).map_err(|why| reason(&why))?;
            if len != body.len() {
                return Err("another length".into());
            }
            packet.to_continuous_buffer()
        }};
    }
    let is_v5 = version == Version::V5;
    Ok(match (bytes[0] >> 4, is_v5) {
        (1, false) => parse!(v3_1_1::Connect),
        (2, false) => parse!(v3_1_1::Connack),
        (3, false) => parse!(@publish v3_1_1::Publish),
        (4, false) => parse!(v3_1_1::Puback),
        (5, false) => parse!(v3_1_1::Pubrec),
        (6, false) => parse!(v3_1_1::Pubrel),
        (7, false) => parse!(v3_1_1::Pubcomp),
        (8, false) => parse!(v3_1_1::Subscribe),
        (9, false) => parse!(v3_1_1::Suback),
        (10, false) => parse!(v3_1_1::Unsubscribe),
        (11, false) => parse!(v3_1_1::Unsuback),
        (12, false) => parse!(v3_1_1::Pingreq),
        (13, false) => parse!(v3_1_1::Pingresp),
        (14, false) => parse!(v3_1_1::Disconnect),
        (1, true) => parse!(v5_0::Connect),
        (2, true) => parse!(v5_0::Connack),
        (3, true) => parse!(@publish v5_0::Publish),
        (4, true) => parse!(v5_0::Puback),
        (5, true) => parse!(v5_0::Pubrec),
        (6, true) => parse!(v5_0::Pubrel),
        (7, true) => parse!(v5_0::Pubcomp),
        (8, true) => parse!(v5_0::Subscribe),
        (9, true) => parse!(v5_0::Suback),
        (10, true) => parse!(v5_0::Unsubscribe),
        (11, true) => parse!(v5_0::Unsuback),
        (12, true) => parse!(v5_0::Pingreq),
        (13, true) => parse!(v5_0::Pingresp),
        (14, true) => parse!(v5_0::Disconnect),
        (15, true) => parse!(v5_0::Auth),
        _ => return Err("the packet type".into()),
    })
}

fn flowsdk_options(bytes: &[u8]) -> Vec<Subscription> {
    match MqttPacket::from_bytes_with_version(bytes, 5) {
        Ok(ParseOk::Packet(MqttPacket::Subscribe5(subscribe), _)) => subscribe
            .subscriptions
            .into_iter()
            .map(|one| {
                (
                    one.topic_filter,
                    one.qos,
                    one.no_local,
                    one.retain_as_published,
                    one.retain_handling,
                )
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn protocol_core_options(bytes: &[u8]) -> Vec<Subscription> {
    let Ok(Some(header)) = mqtt_core::wire::FixedHeader::decode(bytes, Version::V5) else {
        return Vec::new();
    };
    let Ok((subscribe, _)) = v5_0::Subscribe::parse(&bytes[header.len..]) else {
        return Vec::new();
    };
    subscribe
        .entries()
        .iter()
        .map(|entry| {
            let options = entry.sub_opts();
            let handling = match options.rh() {
                RetainHandling::SendRetained => 0,
                RetainHandling::SendRetainedIfNotExists => 1,
                RetainHandling::DoNotSendRetained => 2,
            };
            (
                entry.topic_filter().to_owned(),
                options.qos() as u8,
                options.nl(),
                options.rap(),
                handling,
            )
        })
        .collect()
}
