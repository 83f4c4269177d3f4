//! Packets and events as short lines of text, so that a test reads as a transcript.
//!
//! `PUBLISH q1 #7 dup retain a/b 'payload' [properties]`, `PUBREL #7 0x92`, `SUBSCRIBE #1 a/# q2`.

use std::fmt::Write;

use mqtt_core::wire::{
    Ack, ConnAck, Packet, Property, Publish, QoS, ReasonCode, RetainHandling, Version,
};
use mqtt_core::{Event, Record};

fn properties(list: &mqtt_core::wire::Properties<'_>) -> String {
    if list.is_empty() {
        return String::new();
    }
    let shown = list.iter().map(|property| match property {
        // `Debug` hides them.
        Property::AuthenticationData(data) => format!("AuthenticationData({data:?})"),
        property => format!("{property:?}"),
    });
    format!(" [{}]", shown.collect::<Vec<_>>().join(", "))
}

fn payload(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if bytes.len() <= 40 {
        return format!("'{text}'");
    }
    let sum = bytes.iter().fold(0_u32, |sum, &byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!("{} bytes, {sum:08x}", bytes.len())
}

fn code(code: ReasonCode) -> String {
    match code {
        ReasonCode::Success => String::new(),
        code => format!(" {:#04x}", code as u8),
    }
}

fn ack(ack: &Ack<'_>) -> String {
    let (id, code) = (ack.packet_id, code(ack.code));
    format!("#{id}{code}{}", properties(&ack.properties))
}

fn codes(codes: impl Iterator<Item = ReasonCode>) -> String {
    let codes: Vec<_> = codes.map(|code| format!("{:x}", code as u8)).collect();
    format!("[{}]", codes.join(" "))
}

fn connack(connack: &ConnAck<'_>) -> String {
    let session = if connack.session_present {
        " session"
    } else {
        ""
    };
    format!(
        "{session}{}{}",
        code(connack.code),
        properties(&connack.properties)
    )
}

fn publish(publish: &Publish<'_>) -> String {
    let mut text = format!("q{}", publish.qos as u8);
    if let Some(id) = publish.packet_id {
        write!(text, " #{id}").unwrap();
    }
    for (flag, name) in [(publish.dup, " dup"), (publish.retain, " retain")] {
        text.push_str(if flag { name } else { "" });
    }
    write!(text, " {}", publish.topic).unwrap();
    text
}

/// A payload with the line that announces it.
pub(super) fn message(head: &str, bytes: &[u8]) -> String {
    format!("{head} {}", payload(bytes))
}

/// A packet that the client sent.
pub(super) fn packet(packet: &Packet<'_>) -> String {
    let name = packet.packet_type();
    let rest = match packet {
        Packet::Connect(connect) => {
            let mut text = format!("{} '{}'", connect.version, connect.client_id);
            if connect.clean_start {
                text.push_str(" clean");
            }
            write!(text, " keep {}", connect.keep_alive).unwrap();
            if let Some(will) = connect.will {
                let retain = if will.retain { " retain" } else { "" };
                let head = format!(" will q{}{retain} {}", will.qos as u8, will.topic);
                text.push_str(&message(&head, will.payload));
                text.push_str(&properties(&will.properties));
            }
            if let Some(username) = connect.username {
                write!(text, " user {username}").unwrap();
            }
            if let Some(password) = connect.password {
                write!(text, " password {}", payload(password)).unwrap();
            }
            text + &properties(&connect.properties)
        }
        Packet::ConnAck(packet) => connack(packet),
        Packet::Publish(packet) => {
            message(&publish(packet), packet.payload) + &properties(&packet.properties)
        }
        Packet::PubAck(packet)
        | Packet::PubRec(packet)
        | Packet::PubRel(packet)
        | Packet::PubComp(packet) => ack(packet),
        Packet::Subscribe(packet) => {
            let mut text = format!("#{}", packet.packet_id);
            for filter in packet.filters {
                write!(text, " {} q{}", filter.topic, filter.qos as u8).unwrap();
                text.push_str(if filter.no_local { " no-local" } else { "" });
                text.push_str(if filter.retain_as_published {
                    " as-published"
                } else {
                    ""
                });
                text.push_str(match filter.retain_handling {
                    RetainHandling::Send => "",
                    RetainHandling::SendIfNew => " if-new",
                    RetainHandling::DoNotSend => " do-not-send",
                });
            }
            text + &properties(&packet.properties)
        }
        Packet::Unsubscribe(packet) => {
            let filters: Vec<_> = packet.filters.iter().collect();
            let filters = filters.join(" ");
            format!(
                "#{} {filters}{}",
                packet.packet_id,
                properties(&packet.properties)
            )
        }
        Packet::SubAck(packet) => format!("#{}", packet.packet_id),
        Packet::UnsubAck(packet) => format!("#{}", packet.packet_id),
        Packet::PingReq | Packet::PingResp => String::new(),
        Packet::Disconnect(packet) => code(packet.code) + &properties(&packet.properties),
        Packet::Auth(packet) => code(packet.code) + &properties(&packet.properties),
    };
    format!("{name} {}", rest.trim_start())
        .trim_end()
        .to_owned()
}

/// An event, but for [`Event::Payload`], which the caller joins.
pub(super) fn event(event: &Event<'_>) -> String {
    let (name, rest) = match event {
        Event::Connected(packet) => ("Connected", connack(packet)),
        Event::Refused(packet) => ("Refused", connack(packet)),
        Event::Publish(packet) => {
            let text = message(&publish(packet), packet.payload);
            ("Publish", text + &properties(&packet.properties))
        }
        Event::PublishStart {
            publish: packet,
            total,
        } => {
            let text = publish(packet) + &properties(&packet.properties);
            ("PublishStart", format!("{text} {total}"))
        }
        Event::Aborted => ("Aborted", String::new()),
        Event::Published(packet) => ("Published", ack(packet)),
        Event::Subscribed(packet) => {
            let text = format!("#{} {}", packet.packet_id, codes(packet.codes.iter()));
            ("Subscribed", text + &properties(&packet.properties))
        }
        Event::Unsubscribed(packet) => {
            let text = format!("#{} {}", packet.packet_id, codes(packet.codes.iter()));
            ("Unsubscribed", text + &properties(&packet.properties))
        }
        Event::Auth(packet) => ("Auth", code(packet.code) + &properties(&packet.properties)),
        Event::Disconnected(packet) => (
            "Disconnected",
            code(packet.code) + &properties(&packet.properties),
        ),
        Event::Lost(id) => ("Lost", format!("#{id}")),
        Event::Writable => ("Writable", String::new()),
        other => ("?", format!("{other:?}")),
    };
    format!("{name} {}", rest.trim_start())
        .trim_end()
        .to_owned()
}

/// A record of the journal.
pub(super) fn record(record: &Record<'_>) -> String {
    match *record {
        Record::Connected {
            session_present,
            assigned_client_id,
        } => {
            let session = if session_present { " session" } else { "" };
            let id = match assigned_client_id {
                "" => String::new(),
                id => format!(" '{id}'"),
            };
            format!("Connected{session}{id}")
        }
        Record::Disconnected => "Disconnected".into(),
        Record::Publish {
            id,
            version,
            packet: bytes,
        } => match Packet::decode(bytes, version) {
            Ok(Some((Packet::Publish(publish), len))) => {
                assert_eq!((publish.packet_id, len), (Some(id), bytes.len()));
                packet(&Packet::Publish(publish))
            }
            // Without its payload.
            _ => format!("PUBLISH #{id} lent"),
        },
        Record::Acknowledged(id) => format!("Acknowledged #{id}"),
        Record::Done(id) => format!("Done #{id}"),
        Record::Received(id) => format!("Received #{id}"),
        Record::Released(id) => format!("Released #{id}"),
        Record::Unsent(id) => format!("Unsent #{id}"),
        _ => format!("{record:?}"),
    }
}

/// Takes whole packets off the front of `bytes`.
pub(super) fn packets(bytes: &mut Vec<u8>, version: Version) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some((next, len)) = Packet::decode(bytes, version).expect("the client sends packets")
    {
        texts.push(packet(&next));
        drop(bytes.drain(..len));
    }
    texts
}

pub(super) const fn qos(level: u8) -> QoS {
    match QoS::from_u8(level) {
        Some(qos) => qos,
        None => panic!("no QoS"),
    }
}
