//! What the command line takes, and what is printed of messages. The command reads no file of
//! arguments: each argument is a string that one of these looks at.

use mqtt_client::uri::Endpoint;
use mqtt_core::wire::{
    Connect, Filter, List, Packet, PacketId, Property, Publish, QoS, Subscribe, TopicFilter,
    TopicName, Unsubscribe, Version, Will,
};

#[path = "../../../mqtt-cli/src/format/mod.rs"]
mod format;
#[path = "../../../mqtt-cli/src/args/properties.rs"]
mod properties;
#[path = "../../../mqtt-cli/src/args/values.rs"]
mod values;

use format::{Format, Screen};
use properties::{Place, PropertyArgs};

/// A letter for the kind of argument, then lines.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut chars = text.chars();
    let Some(kind) = chars.next() else {
        return;
    };
    match kind {
        'D' => property_arguments(chars.as_str()),
        'F' => formats(chars.as_str()),
        'T' => pieces(&data[1..]),
        _ => values(chars.as_str()),
    }
}

fn values(text: &str) {
    let is_name = TopicName::new(text).is_ok();
    assert_eq!(values::topic_name(text).ok(), is_name.then(|| text.into()));
    let is_filter = TopicFilter::new(text).is_ok();
    assert_eq!(
        values::topic_filter(text).ok(),
        is_filter.then(|| text.into())
    );
    if let Ok(host) = values::host(text) {
        // A URL can have it, and it is the same there.
        let authority = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let endpoint: Endpoint = format!("mqtt://{authority}:1883").parse().unwrap();
        assert_eq!(endpoint.host, host);
        assert_eq!((endpoint.username, endpoint.password), (None, None));
    }
    if let Ok((name, value)) = values::header(text) {
        assert!(!name.is_empty() && !name.contains(':'));
        assert_eq!((name.trim(), value.trim()), (&*name, &*value));
    }
    if let Ok(level) = values::qos(text) {
        assert!((level as u8) < 3);
    }
    if let Ok(version) = values::protocol_version(text) {
        assert!(text.ends_with(&(version as u8).to_string()) || text.len() >= 2);
    }
    if let Ok(id) = values::client_id(text) {
        let connect = Packet::from(connect(&id, &[], None));
        assert!(connect.encoded_len(Version::V5).is_ok());
    }
    if let Ok(seconds) = values::session_expiry(text) {
        assert!(seconds == u32::MAX || text.parse() == Ok(seconds));
    }
    if let Ok(seconds) = values::seconds(text) {
        assert!(seconds.as_secs() >= 1 && seconds.subsec_nanos() == 0);
    }
    if let Ok(period) = values::period(text) {
        assert!(text.parse::<f64>().unwrap() >= 0.0, "{period:?}");
    }
    if let Ok(rate) = values::rate(text) {
        // The pause between two messages is a duration.
        assert!(std::time::Duration::try_from_secs_f64(1.0 / rate).is_ok());
    }
}

fn connect<'a>(id: &'a str, properties: &'a [Property<'a>], will: Option<Will<'a>>) -> Connect<'a> {
    Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 0,
        properties: List::from(properties),
        client_id: id,
        will,
        username: None,
        password: None,
    }
}

/// A property in each line, with spaces between its words.
fn property_arguments(text: &str) {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    let args = PropertyArgs(text.lines().map(words).collect());
    let parsed = match args.parse() {
        Ok(parsed) => parsed,
        Err(why) => {
            assert!(why.starts_with("--property "));
            return;
        }
    };
    assert_eq!(parsed.len(), args.0.len());
    let of = |place| -> Vec<_> {
        let own = parsed.iter().filter(|(other, _)| *other == place);
        own.map(|(_, property)| *property).collect()
    };
    // What is taken can be sent.
    let (own, will) = (of(Place::Connect), of(Place::Will));
    let will = Will {
        properties: List::from(&will[..]),
        ..Will::new("t", b"")
    };
    let filters = [Filter::new("f", QoS::AtMostOnce)];
    let packet_id = PacketId::new(1).unwrap();
    let (publish, subscribe) = (of(Place::Publish), of(Place::Subscribe));
    let unsubscribe = of(Place::Unsubscribe);
    let packets = [
        Packet::from(connect("c", &own, Some(will))),
        Packet::from(Publish {
            properties: List::from(&publish[..]),
            ..Publish::new("t", b"")
        }),
        Packet::from(Subscribe {
            packet_id,
            properties: List::from(&subscribe[..]),
            filters: List::from(&filters),
        }),
        Packet::from(Unsubscribe {
            packet_id,
            properties: List::from(&unsubscribe[..]),
            filters: List::from(&["f"]),
        }),
    ];
    for packet in packets {
        let len = packet.encoded_len(Version::V5);
        assert!(len.is_ok(), "{len:?}: {packet:?}");
    }
}

/// True if a terminal obeys nothing in this but what is in the format, and new lines and tabs.
fn is_harmless(format: &str, out: &[u8]) -> bool {
    let out = std::str::from_utf8(out).expect("text");
    out.chars()
        .all(|c| !c.is_control() || "\n\t".contains(c) || format.contains(c))
}

/// A mark for ends of pieces, and a text for a terminal.
fn pieces(data: &[u8]) {
    let Some((mark, text)) = data.split_first() else {
        return;
    };
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    let mut screen = Screen::new(true);
    let pieces: Vec<_> = text.split(|byte| byte == mark).collect();
    for piece in &pieces {
        screen.piece(&mut cut, piece).unwrap();
    }
    screen.end(&mut cut).unwrap();
    screen.text(&mut whole, &pieces.concat()).unwrap();
    assert_eq!(cut, whole);
    assert!(is_harmless("", &whole));
}

/// A format, a line feed, and a message that is printed so.
fn formats(text: &str) {
    let (format, payload) = text.split_once('\n').unwrap_or((text, ""));
    let properties = [
        Property::ContentType(payload),
        Property::CorrelationData(payload.as_bytes()),
        Property::UserProperty(payload, "b"),
    ];
    let publish = Publish {
        properties: List::from(&properties),
        ..Publish::new(payload, b"")
    };
    let payload = payload.as_bytes();
    let (file, terminal) = (Screen::new(false), Screen::new(true));
    let mut out = Vec::new();
    if let Ok(parsed) = Format::parse(format) {
        parsed
            .write(&mut out, &terminal, &publish, payload)
            .unwrap();
        assert!(format.contains('\\') || is_harmless(format, &out));
        out.clear();
        parsed.write(&mut out, &file, &publish, payload).unwrap();
    }
    if !format.contains(['%', '\\']) {
        assert_eq!(out, format.as_bytes());
    }
    // One line, and what is in it can be had again.
    out.clear();
    Format::json()
        .write(&mut out, &file, &publish, payload)
        .unwrap();
    assert!(!out.contains(&b'\n'));
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["topic"], publish.topic);
    assert_eq!(json["payload"].as_str().map(str::as_bytes), Some(payload));
    assert_eq!(json["payloadlen"], payload.len());
    // On a terminal, the same in other words.
    let mut shown = Vec::new();
    terminal.json(&mut shown, &out).unwrap();
    assert!(is_harmless("", &shown));
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&shown).unwrap(),
        json
    );

    out.clear();
    let with_payload = Format::parse("%J").unwrap();
    with_payload
        .write(&mut out, &file, &publish, payload)
        .unwrap();
    assert!(!out.contains(&b'\n'));
    // A number in the payload may be larger than any type.
    assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&out).is_ok());

    out.clear();
    Format::hex(true)
        .write(&mut out, &file, &publish, payload)
        .unwrap();
    let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(out, format!("{} {hex}", publish.topic).into_bytes());

    out.clear();
    Format::dump(false)
        .write(&mut out, &file, &publish, payload)
        .unwrap();
    assert_eq!(out.is_empty(), payload.is_empty());
}
