//! Errors as numbers, which stay the same from release to release, and as text.

use std::collections::BTreeSet;

use mqtt_core::wire::{DecodeError, EncodeError, PacketType};
use mqtt_core::{Error, PeerError, Resource, Timeout, UsageError};

/// Each kind that is not one of the wire format's.
const ERRORS: [(Error, u16); 34] = [
    (
        Error::Peer(PeerError::UnexpectedPacket(PacketType::Connect)),
        0x0201,
    ),
    (
        Error::Peer(PeerError::UnknownPacketId(PacketType::PubAck)),
        0x0202,
    ),
    (Error::Peer(PeerError::ReceiveMaximumExceeded), 0x0203),
    (Error::Peer(PeerError::PacketTooLarge), 0x0204),
    (Error::Peer(PeerError::TopicAlias), 0x0205),
    (Error::Peer(PeerError::SessionPresent), 0x0206),
    (Error::Peer(PeerError::ReasonCodeCount), 0x0207),
    (Error::Peer(PeerError::UnexpectedProperty), 0x0208),
    (Error::Peer(PeerError::UnknownTopicAlias), 0x0209),
    (Error::Peer(PeerError::TopicAliasRoom), 0x020A),
    (Error::Peer(PeerError::MaximumPacketSize), 0x020B),
    (Error::Usage(UsageError::NotConnected), 0x0401),
    (Error::Usage(UsageError::AlreadyConnected), 0x0402),
    (Error::Usage(UsageError::UnknownPacketId), 0x0403),
    (Error::Usage(UsageError::BufferTooSmall), 0x0404),
    (Error::Usage(UsageError::Property), 0x0405),
    (Error::Usage(UsageError::InFlight), 0x0406),
    (Error::Usage(UsageError::Authentication), 0x0407),
    (Error::Usage(UsageError::MaximumQoS), 0x0408),
    (Error::Usage(UsageError::RetainNotAvailable), 0x0409),
    (Error::Usage(UsageError::MaximumPacketSize), 0x040A),
    (Error::Usage(UsageError::WildcardNotAvailable), 0x040B),
    (Error::Usage(UsageError::SharedNotAvailable), 0x040C),
    (
        Error::Usage(UsageError::SubscriptionIdentifierNotAvailable),
        0x040D,
    ),
    (Error::Usage(UsageError::TopicAlias), 0x040E),
    (Error::Usage(UsageError::Payload), 0x040F),
    (Error::Usage(UsageError::OutOfOrder), 0x0410),
    (Error::Usage(UsageError::Record), 0x0411),
    (Error::Full(Resource::Window), 0x0501),
    (Error::Full(Resource::Slots), 0x0502),
    (Error::Full(Resource::Messages), 0x0503),
    (Error::Full(Resource::Control), 0x0504),
    (Error::Timeout(Timeout::Connect), 0x0601),
    (Error::Timeout(Timeout::Ping), 0x0602),
];

#[test]
fn numbers_stay_the_same() {
    for (error, code) in ERRORS {
        assert_eq!(error.code(), code, "{error:?}");
    }
    // Those of the wire format have their own order.
    let malformed = Error::Peer(PeerError::Malformed(DecodeError::Truncated));
    assert_eq!(malformed.code() & 0xFF00, 0x0100);
    let unencodable = Error::Usage(UsageError::Encode(EncodeError::TopicName));
    assert_eq!(unencodable.code() & 0xFF00, 0x0300);
}

#[test]
fn each_has_words_of_its_own_and_says_whose_fault_it_is() {
    let mut seen = BTreeSet::new();
    for (error, _) in ERRORS {
        let text = error.to_string();
        assert!(
            !text.is_empty() && seen.insert(text.clone()),
            "{error:?}: {text}"
        );
        let is_peers = text.starts_with("the server broke the protocol: ");
        assert_eq!(is_peers, matches!(error, Error::Peer(_)), "{text}");
        let is_over = matches!(error, Error::Peer(_) | Error::Timeout(_));
        assert_eq!(error.is_fatal(), is_over, "{text}");
    }
}

/// Each is told to the server with a code of DISCONNECT; the wire's own are in `violations`.
#[test]
fn each_fault_of_the_server_has_a_reason() {
    for (error, _) in ERRORS {
        if let Error::Peer(error) = error {
            assert!(error.reason_code().is_error(), "{error:?}");
        }
    }
}

#[cfg(feature = "std")]
#[test]
fn a_clock_counts_from_its_begin_and_names_moments() {
    use std::time::Duration;

    let clock = mqtt_core::Clock::new();
    let now = clock.now();
    let later = now + Duration::from_secs(5);
    let (now, later) = (clock.to_std(now).unwrap(), clock.to_std(later).unwrap());
    assert_eq!(later - now, Duration::from_secs(5));
}
