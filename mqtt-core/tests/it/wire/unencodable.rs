//! What encoders must refuse; nothing is written then.

use core::{slice, str};

use mqtt_core::wire::{
    Auth, ConnAck, Connect, Disconnect, EncodeError as E, Filter, List, MAX_REMAINING_LENGTH,
    Packet, Properties, Property, Publish, QoS, ReasonCode, RetainHandling, SubAck, Subscribe,
    UnsubAck, Unsubscribe, Version, Will,
};

use super::{ALL, BEFORE_5, SINCE_3_1_1, UNTOUCHED, encode, id};

const V31: &[Version] = &[Version::V31];
const V5: &[Version] = &[Version::V5];

#[track_caller]
fn refuses<'a>(versions: &[Version], packet: impl Into<Packet<'a>>, error: E) {
    let packet = packet.into();
    for &version in versions {
        assert_eq!(
            encode(version, &packet),
            Err(error),
            "{version}: {packet:?}"
        );
        // The packet's faults come before the buffer's.
        assert_eq!(packet.encode(version, &mut []), Err(error));
    }
}

const PUBLISH: Publish<'_> = Publish::new("t", b"");

fn subscribe<'a>(filters: &'a [Filter<'a>]) -> Subscribe<'a> {
    Subscribe {
        packet_id: id(10),
        properties: Properties::EMPTY,
        filters: List::from(filters),
    }
}

fn unsubscribe<'a>(filters: &'a [&'a str]) -> Unsubscribe<'a> {
    Unsubscribe {
        packet_id: id(10),
        properties: Properties::EMPTY,
        filters: List::from(filters),
    }
}

fn connect(version: Version) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        properties: Properties::EMPTY,
        client_id: "c",
        will: None,
        username: None,
        password: None,
    }
}

fn auth(code: ReasonCode) -> Auth<'static> {
    Auth {
        code,
        properties: Properties::EMPTY,
    }
}

/// [MQTT-2.2.1-2], [MQTT-2.2.1-3]
#[test]
fn packet_identifier_that_does_not_fit_the_qos() {
    let with_id = Publish {
        packet_id: Some(id(1)),
        ..PUBLISH
    };
    refuses(ALL, with_id, E::PacketId);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        refuses(ALL, Publish { qos, ..PUBLISH }, E::PacketId);
    }
}

/// [MQTT-3.3.1-2]
#[test]
fn dup_at_qos_0() {
    let dup = Publish {
        dup: true,
        ..PUBLISH
    };
    refuses(ALL, dup, E::Dup);
}

/// [MQTT-3.3.2-2], [MQTT-4.7.3-1], [MQTT-4.7.3-2], [MQTT-4.7.3-3]
#[test]
fn topic_names() {
    let long = "a".repeat(65_536);
    for topic in ["", "#", "+", "a/+/b", "a#", "\0", "a\0b", &long] {
        refuses(ALL, Publish { topic, ..PUBLISH }, E::TopicName);
        for &version in ALL {
            let connect = Connect {
                will: Some(Will::new(topic, b"")),
                ..connect(version)
            };
            refuses(ALL, connect, E::TopicName);
        }
        let response = [Property::ResponseTopic(topic)];
        let publish = Publish {
            properties: List::from(&response),
            ..PUBLISH
        };
        refuses(V5, publish, E::TopicName);
    }
    // An alias stands for an empty topic only, and only in 5.0.
    let aliased = |topic| Publish {
        topic,
        properties: List::from(&[Property::TopicAlias(1)]),
        ..PUBLISH
    };
    refuses(V5, aliased("#"), E::TopicName);
    refuses(BEFORE_5, aliased(""), E::TopicName);
}

/// [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.8.2-1], [MQTT-4.8.2-2]
#[test]
fn topic_filters() {
    let long = "a".repeat(65_536);
    for filter in ["", "a#", "#/a", "a+", "\0", &long] {
        refuses(
            ALL,
            subscribe(&[Filter::new(filter, QoS::AtMostOnce)]),
            E::TopicFilter,
        );
        refuses(ALL, unsubscribe(&["a", filter]), E::TopicFilter);
    }
    for filter in [
        "$share/",
        "$share/g",
        "$share//a",
        "$share/g/",
        "$share/+/a",
    ] {
        refuses(
            V5,
            subscribe(&[Filter::new(filter, QoS::AtMostOnce)]),
            E::TopicFilter,
        );
        refuses(V5, unsubscribe(&[filter]), E::TopicFilter);
    }
}

/// [MQTT-3.8.3-2], [MQTT-3.10.3-2]
#[test]
fn lists_without_elements() {
    refuses(ALL, subscribe(&[]), E::EmptyList);
    refuses(ALL, unsubscribe(&[]), E::EmptyList);
    let suback = SubAck {
        packet_id: id(10),
        properties: Properties::EMPTY,
        codes: List::EMPTY,
    };
    refuses(ALL, suback, E::EmptyList);
    let unsuback = UnsubAck {
        packet_id: id(10),
        properties: Properties::EMPTY,
        codes: List::EMPTY,
    };
    refuses(V5, unsuback, E::EmptyList);
}

/// [MQTT-3.8.3-4]
#[test]
fn no_local_on_a_shared_subscription() {
    let filter = Filter {
        no_local: true,
        ..Filter::new("$share/g/a", QoS::AtMostOnce)
    };
    refuses(V5, subscribe(&[filter]), E::NoLocalShared);
    let fine = Filter::new("a", QoS::AtMostOnce);
    refuses(V5, subscribe(&[fine, filter]), E::NoLocalShared);
}

#[test]
fn subscription_options_before_5_0() {
    let plain = Filter::new("a", QoS::ExactlyOnce);
    let filters = [
        Filter {
            no_local: true,
            ..plain
        },
        Filter {
            retain_as_published: true,
            ..plain
        },
        Filter {
            retain_handling: RetainHandling::SendIfNew,
            ..plain
        },
        Filter {
            retain_handling: RetainHandling::DoNotSend,
            ..plain
        },
    ];
    for filter in filters {
        refuses(BEFORE_5, subscribe(&[filter]), E::Version);
        refuses(BEFORE_5, subscribe(&[plain, filter]), E::Version);
    }
}

/// [MQTT-3.1.3-7] of 3.1.1; 3.1 has no empty identifiers.
#[test]
fn empty_client_identifier() {
    for (version, clean_start) in [
        (Version::V31, true),
        (Version::V31, false),
        (Version::V311, false),
    ] {
        let connect = Connect {
            client_id: "",
            clean_start,
            ..connect(version)
        };
        refuses(ALL, connect, E::ClientId);
    }
}

/// [MQTT-3.1.2-22] of 3.1.1.
#[test]
fn password_without_user_name() {
    for &version in BEFORE_5 {
        let connect = Connect {
            password: Some(b"p"),
            ..connect(version)
        };
        refuses(ALL, connect, E::PasswordWithoutUsername);
    }
}

/// [MQTT-1.5.4-2]
#[test]
fn nul_in_strings() {
    for &version in ALL {
        let connect = connect(version);
        let client_id = Connect {
            client_id: "a\0",
            ..connect
        };
        refuses(ALL, client_id, E::NulCharacter);
        let username = Connect {
            username: Some("\0"),
            ..connect
        };
        refuses(ALL, username, E::NulCharacter);
    }
    for property in [
        Property::ContentType("\0"),
        Property::UserProperty("\0", ""),
        Property::UserProperty("", "a\0b"),
    ] {
        let publish = Publish {
            properties: List::from(slice::from_ref(&property)),
            ..PUBLISH
        };
        refuses(V5, publish, E::NulCharacter);
    }
    for property in [
        Property::AssignedClientIdentifier("\0"),
        Property::AuthenticationMethod("\0"),
        Property::ResponseInformation("\0"),
        Property::ServerReference("\0"),
        Property::ReasonString("\0"),
    ] {
        let connack = ConnAck {
            properties: List::from(slice::from_ref(&property)),
            ..ConnAck::new(false, ReasonCode::Success)
        };
        refuses(V5, connack, E::NulCharacter);
    }
}

#[test]
fn fields_of_65_536_bytes() {
    let bytes = [b'a'; 65_536];
    let text = str::from_utf8(&bytes).unwrap();
    for &version in ALL {
        let connect = connect(version);
        let packets = [
            Connect {
                client_id: text,
                ..connect
            },
            Connect {
                username: Some(text),
                ..connect
            },
            Connect {
                username: Some("u"),
                password: Some(&bytes),
                ..connect
            },
            Connect {
                will: Some(Will::new("w", &bytes)),
                ..connect
            },
        ];
        for packet in packets {
            refuses(ALL, packet, E::FieldTooLong);
        }
    }
    for property in [
        Property::ContentType(text),
        Property::CorrelationData(&bytes),
        Property::UserProperty(text, ""),
        Property::UserProperty("", text),
    ] {
        let publish = Publish {
            properties: List::from(slice::from_ref(&property)),
            ..PUBLISH
        };
        refuses(V5, publish, E::FieldTooLong);
    }
}

#[test]
fn property_values() {
    for property in [
        Property::SubscriptionIdentifier(0),
        Property::SubscriptionIdentifier(MAX_REMAINING_LENGTH + 1),
        Property::SubscriptionIdentifier(u32::MAX),
        Property::TopicAlias(0),
    ] {
        let publish = Publish {
            properties: List::from(slice::from_ref(&property)),
            ..PUBLISH
        };
        refuses(V5, publish, E::PropertyValue);
    }
    for property in [
        Property::ReceiveMaximum(0),
        Property::MaximumPacketSize(0),
        Property::MaximumQoS(QoS::ExactlyOnce),
    ] {
        let connack = ConnAck {
            properties: List::from(slice::from_ref(&property)),
            ..ConnAck::new(false, ReasonCode::Success)
        };
        refuses(V5, connack, E::PropertyValue);
    }
}

/// [MQTT-3.2.2-6]; 3.1 does not have the flag at all.
#[test]
fn session_present_where_it_cannot_be() {
    let refusal = ConnAck::new(true, ReasonCode::NotAuthorized);
    refuses(SINCE_3_1_1, refusal, E::SessionPresent);
    refuses(
        V31,
        ConnAck::new(true, ReasonCode::Success),
        E::SessionPresent,
    );
}

#[test]
fn auth_without_method_or_before_5_0() {
    refuses(BEFORE_5, auth(ReasonCode::Success), E::Version);
    refuses(
        V5,
        auth(ReasonCode::ContinueAuthentication),
        E::AuthenticationMethod,
    );
    refuses(
        V5,
        auth(ReasonCode::ReAuthenticate),
        E::AuthenticationMethod,
    );
    let reason = Auth {
        properties: List::from(&[Property::ReasonString("")]),
        ..auth(ReasonCode::Success)
    };
    refuses(V5, reason, E::AuthenticationMethod);
}

/// A list as it was received is checked again where it is sent.
#[test]
fn received_lists_sent_where_they_do_not_belong() {
    let received = super::bytes("30 07 0001 't' 03 23 0001");
    let Ok(Packet::Publish(publish)) = super::decode(Version::V5, &received) else {
        panic!("not a PUBLISH");
    };
    let properties = publish.properties;
    refuses(BEFORE_5, publish, E::Version);
    let disconnect = Disconnect {
        properties,
        ..Disconnect::default()
    };
    refuses(V5, disconnect, E::PropertyNotAllowed);

    let received = super::bytes("82 07 0001 00 0001 'a' 04");
    let Ok(Packet::Subscribe(subscribe)) = super::decode(Version::V5, &received) else {
        panic!("not a SUBSCRIBE");
    };
    refuses(BEFORE_5, subscribe, E::Version);
}

#[test]
fn buffer_of_one_byte_less() {
    for &version in ALL {
        let packet = Packet::from(PUBLISH);
        let len = packet.encoded_len(version).unwrap();
        let mut buffer = vec![UNTOUCHED; len - 1];
        let encoded = packet.encode(version, &mut buffer);
        assert_eq!(encoded, Err(E::BufferTooSmall));
        assert_eq!(buffer, vec![UNTOUCHED; len - 1]);
    }
}

/// The zeros are counted and never read, so that they need no memory.
#[test]
fn packets_of_over_268_435_455_bytes() {
    let zeros = vec![0; MAX_REMAINING_LENGTH as usize];
    for (version, head) in [(Version::V311, 3), (Version::V5, 4)] {
        let largest = Packet::from(Publish::new("t", &zeros[head..]));
        assert_eq!(largest.encoded_len(version), Ok(268_435_460));
        let mut buffer = [UNTOUCHED; 16];
        let encoded = largest.encode(version, &mut buffer);
        assert_eq!(encoded, Err(E::BufferTooSmall));
        refuses(
            &[version],
            Publish::new("t", &zeros[head - 1..]),
            E::PacketTooLarge,
        );
        assert_eq!(buffer, [UNTOUCHED; 16]);
    }
}

#[test]
fn errors_describe_themselves() {
    let errors = [
        E::BufferTooSmall,
        E::FieldTooLong,
        E::NulCharacter,
        E::PacketTooLarge,
        E::TopicName,
        E::TopicFilter,
        E::PacketId,
        E::Dup,
        E::ClientId,
        E::PasswordWithoutUsername,
        E::EmptyList,
        E::NoLocalShared,
        E::PropertyNotAllowed,
        E::PropertyRepeated,
        E::PropertyValue,
        E::AuthenticationMethod,
        E::ReasonCode,
        E::Version,
    ];
    let mut seen = std::collections::HashSet::new();
    for error in errors {
        assert!(seen.insert(error.to_string()), "{error}");
    }
}
