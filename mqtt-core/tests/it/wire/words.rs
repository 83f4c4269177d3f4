//! What people read: errors, reason codes, topics.

use std::collections::BTreeSet;

use mqtt_core::wire::{
    DecodeError, EncodeError, FixedHeader, Properties, Property, ReasonCode, TopicError,
    TopicFilter, TopicName, Version,
};

/// Checks that each of them is said in words of its own.
#[track_caller]
fn are_told_apart<T: ToString>(all: &[T]) {
    let words: BTreeSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), all.len(), "{words:?}");
    assert!(words.iter().all(|words| words.len() > 2), "{words:?}");
}

#[test]
fn errors_are_told_apart() {
    are_told_apart(&[
        TopicError::Empty,
        TopicError::TooLong,
        TopicError::NulCharacter,
        TopicError::Wildcard,
        TopicError::Share,
    ]);
    are_told_apart(&[
        DecodeError::PacketType,
        DecodeError::Flags,
        DecodeError::Truncated,
        DecodeError::Utf8,
        DecodeError::QoS,
        DecodeError::PropertyNotAllowed,
    ]);
    are_told_apart(&[
        EncodeError::BufferTooSmall,
        EncodeError::FieldTooLong,
        EncodeError::PacketId,
        EncodeError::ClientId,
        EncodeError::PropertyNotAllowed,
        EncodeError::Version,
    ]);
    let header = |byte| FixedHeader::decode(&[byte, 0], Version::V5).ok().flatten();
    let types = (1..16).filter_map(|n| header(n << 4).or_else(|| header(n << 4 | 2)));
    let types: Vec<_> = types.map(|header| header.packet_type).collect();
    assert_eq!(types.len(), 15);
    are_told_apart(&types);
    let codes = (0..=u8::MAX).filter_map(ReasonCode::from_u8);
    are_told_apart(&codes.collect::<Vec<_>>());
}

/// A list of properties is shown as what is in it, and so is what is left of it.
#[test]
fn lists_show_what_is_in_them() {
    let properties = [Property::MaximumPacketSize(77), Property::TopicAlias(5)];
    let properties = Properties::from(&properties);
    let mut left = properties.iter();
    assert!(format!("{properties:?}").contains("MaximumPacketSize(77)"));
    left.next();
    let left = format!("{left:?}");
    assert!(left.contains("TopicAlias(5)"), "{left}");
    assert!(!left.contains("MaximumPacketSize"), "{left}");
}

#[test]
fn topics_are_what_they_were_made_of() {
    for text in ["a", "a/b", "$share/group/a/+"] {
        assert_eq!(TopicFilter::new(text).unwrap().as_str(), text);
    }
    assert_eq!(TopicName::new("a/b").unwrap().as_str(), "a/b");
}

/// Short filters are looked at byte by byte, long ones in blocks.
#[test]
fn a_filter_with_nul_in_its_last_level() {
    for len in 0..40 {
        let filter = format!("{}/\0", "a".repeat(len));
        let error = TopicFilter::new(&filter);
        assert_eq!(error, Err(TopicError::NulCharacter), "{filter:?}");
    }
}
