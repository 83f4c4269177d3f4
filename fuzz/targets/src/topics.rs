//! Topic names, topic filters, and which passes which.

use mqtt_core::wire::{
    Filter, List, Packet, PacketId, Publish, QoS, Subscribe, TopicFilter, TopicName, Version,
};

/// A filter, a line feed and a name, or what stands for either.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (filter, name) = text.split_once('\n').unwrap_or((&text, &text));
    names(name);
    names(filter);
    filters(filter, name);
    filters(name, filter);
}

fn names(name: &str) {
    let is_name = !name.is_empty() && name.len() <= 65_535 && !name.contains(['\0', '+', '#']);
    assert_eq!(TopicName::new(name).is_ok(), is_name, "{name:?}");
    let publish = Packet::from(Publish::new(name, b""));
    assert_eq!(publish.encoded_len(Version::V311).is_ok(), is_name);
}

fn filters(filter: &str, topic: &str) {
    let by_the_book = levels_of(filter);
    let parsed = TopicFilter::new(filter);
    assert_eq!(parsed.is_ok(), by_the_book.is_some(), "{filter:?}");
    let filters = [Filter::new(filter, QoS::AtMostOnce)];
    let subscribe = Packet::from(Subscribe {
        packet_id: PacketId::new(1).unwrap(),
        properties: List::EMPTY,
        filters: List::from(&filters),
    });
    assert_eq!(subscribe.encoded_len(Version::V5).is_ok(), parsed.is_ok());
    let (Ok(parsed), Some((share, levels))) = (parsed, by_the_book) else {
        return;
    };
    assert_eq!(parsed.as_str(), filter);
    assert_eq!(parsed.share_name(), share);
    let topic_levels: Vec<&str> = topic.split('/').collect();
    let is_hidden = topic.starts_with('$') && ["+", "#"].contains(&levels[0]);
    let expected = !is_hidden && passes(&levels, &topic_levels);
    assert_eq!(parsed.matches(topic), expected, "{filter:?} {topic:?}");
    // What is written without wildcards passes itself.
    if !levels.iter().any(|level| ["+", "#"].contains(level)) {
        assert!(parsed.matches(&levels.join("/")));
    }
}

/// The share name and the levels of a valid filter (4.7, 4.8.2).
fn levels_of(filter: &str) -> Option<(Option<&str>, Vec<&str>)> {
    if filter.is_empty() || filter.len() > 65_535 || filter.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = filter.split('/').collect();
    let mut share = None;
    if parts.len() > 1 && parts[0] == "$share" {
        let name = parts[1];
        parts.drain(..2);
        if name.is_empty() || name.contains(['+', '#']) || parts.join("/").is_empty() {
            return None;
        }
        share = Some(name);
    }
    let last = parts.len() - 1;
    let is_valid = parts.iter().enumerate().all(|(n, level)| match *level {
        "+" => true,
        "#" => n == last,
        level => !level.contains(['+', '#']),
    });
    is_valid.then_some((share, parts))
}

fn passes(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        ([want, filter @ ..], [level, topic @ ..]) => {
            (*want == "+" || want == level) && passes(filter, topic)
        }
        _ => false,
    }
}
