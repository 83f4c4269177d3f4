//! What people read: errors, reason codes, topics.

use std::collections::BTreeSet;

use mqtt_core::wire::{DecodeError, EncodeError, ReasonCode, TopicError, TopicFilter, TopicName};

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
    let codes = (0..=u8::MAX).filter_map(ReasonCode::from_u8);
    are_told_apart(&codes.collect::<Vec<_>>());
}

#[test]
fn topics_are_what_they_were_made_of() {
    for text in ["a", "a/b", "$share/group/a/+"] {
        assert_eq!(TopicFilter::new(text).unwrap().as_str(), text);
    }
    assert_eq!(TopicName::new("a/b").unwrap().as_str(), "a/b");
}
