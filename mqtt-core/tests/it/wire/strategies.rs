//! Arbitrary packets, valid by construction.
//!
//! Packets borrow, so what they point to is leaked: some megabytes in a run of the tests.

use core::mem::discriminant;

use mqtt_core::wire::{
    Ack, Auth, ConnAck, Connect, Disconnect, Filter, List, Packet, PacketId, Properties, Property,
    Publish, QoS, ReasonCode, RetainHandling, SubAck, Subscribe, UnsubAck, Unsubscribe, Version,
    Will,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::ALL;
use super::properties::{Place, TABLE};

pub(super) fn version() -> impl Strategy<Value = Version> {
    select(ALL)
}

/// Mostly short, of ASCII, of other characters, and now and then long.
fn text() -> impl Strategy<Value = &'static str> {
    let characters = any::<char>().prop_filter("U+0000", |c| *c != '\0');
    prop_oneof![
        8 => "[ -~]{0,12}",
        4 => "\\PC{0,6}",
        2 => vec(characters, 0..6).prop_map(String::from_iter),
        1 => (0..300_usize).prop_map(|n| "ß\u{1F980}".repeat(n)),
    ]
    .prop_map(|text| &*text.leak())
}

fn binary() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..24),
        1 => (0..300_usize, any::<u8>()).prop_map(|(n, byte)| vec![byte; n]),
    ]
    .prop_map(|bytes| &*bytes.leak())
}

fn payload() -> impl Strategy<Value = &'static [u8]> {
    let long = (0..20_000_usize, any::<u8>()).prop_map(|(n, byte)| &*vec![byte; n].leak());
    prop_oneof![8 => binary(), 1 => long]
}

fn topic() -> impl Strategy<Value = &'static str> {
    text().prop_map(|text| match &*text.replace(['+', '#'], "/").leak() {
        "" => "t",
        topic => topic,
    })
}

fn topic_filter() -> impl Strategy<Value = &'static str> {
    let level = prop_oneof![
        1 => Just("+"),
        1 => Just(""),
        3 => topic().prop_filter("not by chance", |level| !level.starts_with('$')),
    ];
    let prefix = select(&["", "", "$SYS/", "$share/g/", "$share/ü b/"][..]);
    let suffix = select(&["", "/#", "/"][..]);
    (prefix, vec(level, 1..4), suffix).prop_map(|(prefix, levels, suffix)| {
        let levels = match levels.join("/") {
            empty if empty.is_empty() => "+".into(),
            levels => levels,
        };
        &*format!("{prefix}{levels}{suffix}").leak()
    })
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).unwrap())
}

/// A property of the same kind.
fn like(property: Property<'static>) -> BoxedStrategy<Property<'static>> {
    use Property as P;
    let flag = any::<bool>;
    match property {
        P::PayloadFormatIndicator(_) => flag().prop_map(P::PayloadFormatIndicator).boxed(),
        P::MessageExpiryInterval(_) => any::<u32>().prop_map(P::MessageExpiryInterval).boxed(),
        P::ContentType(_) => text().prop_map(P::ContentType).boxed(),
        P::ResponseTopic(_) => topic().prop_map(P::ResponseTopic).boxed(),
        P::CorrelationData(_) => binary().prop_map(P::CorrelationData).boxed(),
        P::SubscriptionIdentifier(_) => prop_oneof![1..300_u32, 1..=268_435_455_u32]
            .prop_map(P::SubscriptionIdentifier)
            .boxed(),
        P::SessionExpiryInterval(_) => any::<u32>().prop_map(P::SessionExpiryInterval).boxed(),
        P::AssignedClientIdentifier(_) => text().prop_map(P::AssignedClientIdentifier).boxed(),
        P::ServerKeepAlive(_) => any::<u16>().prop_map(P::ServerKeepAlive).boxed(),
        P::AuthenticationMethod(_) => text().prop_map(P::AuthenticationMethod).boxed(),
        P::AuthenticationData(_) => binary().prop_map(P::AuthenticationData).boxed(),
        P::RequestProblemInformation(_) => flag().prop_map(P::RequestProblemInformation).boxed(),
        P::WillDelayInterval(_) => any::<u32>().prop_map(P::WillDelayInterval).boxed(),
        P::RequestResponseInformation(_) => flag().prop_map(P::RequestResponseInformation).boxed(),
        P::ResponseInformation(_) => text().prop_map(P::ResponseInformation).boxed(),
        P::ServerReference(_) => text().prop_map(P::ServerReference).boxed(),
        P::ReasonString(_) => text().prop_map(P::ReasonString).boxed(),
        P::ReceiveMaximum(_) => (1..=u16::MAX).prop_map(P::ReceiveMaximum).boxed(),
        P::TopicAliasMaximum(_) => any::<u16>().prop_map(P::TopicAliasMaximum).boxed(),
        P::TopicAlias(_) => (1..=u16::MAX).prop_map(P::TopicAlias).boxed(),
        P::MaximumQoS(_) => select(&[QoS::AtMostOnce, QoS::AtLeastOnce][..])
            .prop_map(P::MaximumQoS)
            .boxed(),
        P::RetainAvailable(_) => flag().prop_map(P::RetainAvailable).boxed(),
        P::UserProperty(..) => (text(), text())
            .prop_map(|(name, value)| P::UserProperty(name, value))
            .boxed(),
        P::MaximumPacketSize(_) => (1..=u32::MAX).prop_map(P::MaximumPacketSize).boxed(),
        P::WildcardSubscriptionAvailable(_) => {
            flag().prop_map(P::WildcardSubscriptionAvailable).boxed()
        }
        P::SubscriptionIdentifierAvailable(_) => {
            flag().prop_map(P::SubscriptionIdentifierAvailable).boxed()
        }
        P::SharedSubscriptionAvailable(_) => {
            flag().prop_map(P::SharedSubscriptionAvailable).boxed()
        }
    }
}

/// What `place` allows, in any order, user properties between the others; nothing before 5.0.
fn properties(place: Place, version: Version) -> BoxedStrategy<Properties<'static>> {
    if version != Version::V5 {
        return Just(Properties::EMPTY).boxed();
    }
    let allowed: Vec<_> = TABLE
        .iter()
        .filter(|row| row.2.contains(&place))
        .map(|row| row.0)
        .collect();
    let any = prop_oneof![
        1 => Just(Property::UserProperty("", "")),
        2 => select(allowed),
    ]
    .prop_flat_map(like);
    let repeatable = move |property: &Property<'_>| match property {
        Property::UserProperty(..) => true,
        Property::SubscriptionIdentifier(_) => place == Place::Publish,
        _ => false,
    };
    let list = prop_oneof![2 => Just(Vec::new()).boxed(), 5 => vec(any, 1..10).boxed()];
    list.prop_map(move |mut list| {
        let mut seen = Vec::new();
        list.retain(|property| {
            let kind = discriminant(property);
            let new = !seen.contains(&kind);
            seen.push(kind);
            new || repeatable(property)
        });
        let has_method = (list.iter()).any(|p| matches!(p, Property::AuthenticationMethod(_)));
        let has_data = (list.iter()).any(|p| matches!(p, Property::AuthenticationData(_)));
        if !has_method && (has_data || place == Place::Auth) {
            list.push(Property::AuthenticationMethod("method"));
        }
        // Both forms of a list to send.
        let (first, second) = list.leak().split_at(seen.len() % 2);
        List::joined(first, second)
    })
    .boxed()
}

fn codes(version: Version, codes: &'static [ReasonCode]) -> impl Strategy<Value = ReasonCode> {
    let before_5 = &codes[..1];
    select(if version == Version::V5 {
        codes
    } else {
        before_5
    })
}

fn will(version: Version) -> impl Strategy<Value = Will<'static>> {
    (
        topic(),
        binary(),
        qos(),
        any::<bool>(),
        properties(Place::Will, version),
    )
        .prop_map(|(topic, payload, qos, retain, properties)| Will {
            topic,
            payload,
            qos,
            retain,
            properties,
        })
}

fn connect(version: Version) -> impl Strategy<Value = Packet<'static>> {
    (
        any::<bool>(),
        any::<u16>(),
        properties(Place::Connect, version),
        text(),
        option::of(will(version)),
        option::of(text()),
        option::of(binary()),
    )
        .prop_map(
            move |(clean_start, keep_alive, properties, client_id, will, username, password)| {
                let needs_id = match version {
                    Version::V31 => true,
                    Version::V311 => !clean_start,
                    Version::V5 => false,
                };
                let client_id = if needs_id && client_id.is_empty() {
                    "id"
                } else {
                    client_id
                };
                Packet::Connect(Connect {
                    version,
                    clean_start,
                    keep_alive,
                    properties,
                    client_id,
                    will,
                    username,
                    password: password.filter(|_| version == Version::V5 || username.is_some()),
                })
            },
        )
}

fn connack(version: Version) -> impl Strategy<Value = Packet<'static>> {
    const CODES: &[ReasonCode] = &[
        ReasonCode::Success,
        ReasonCode::NotAuthorized,
        ReasonCode::ServerUnavailable,
        ReasonCode::BadUserNameOrPassword,
    ];
    (
        any::<bool>(),
        select(CODES),
        properties(Place::ConnAck, version),
    )
        .prop_map(move |(session_present, code, properties)| {
            Packet::ConnAck(ConnAck {
                session_present: session_present && !code.is_error() && version != Version::V31,
                code,
                properties,
            })
        })
}

fn publish(version: Version) -> impl Strategy<Value = Packet<'static>> {
    (
        any::<bool>(),
        qos(),
        any::<bool>(),
        topic(),
        packet_id(),
        properties(Place::Publish, version),
        payload(),
        any::<bool>(),
    )
        .prop_map(
            |(dup, qos, retain, topic, packet_id, properties, payload, by_alias)| {
                let is_alias = |property| matches!(property, Property::TopicAlias(_));
                let by_alias = by_alias && properties.iter().any(is_alias);
                Packet::Publish(Publish {
                    dup: dup && qos != QoS::AtMostOnce,
                    qos,
                    retain,
                    topic: if by_alias { "" } else { topic },
                    packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
                    properties,
                    payload,
                })
            },
        )
}

fn ack(
    version: Version,
    place: Place,
    allowed: &'static [ReasonCode],
    packet: fn(Ack<'static>) -> Packet<'static>,
) -> impl Strategy<Value = Packet<'static>> {
    (
        packet_id(),
        codes(version, allowed),
        properties(place, version),
    )
        .prop_map(move |(packet_id, code, properties)| {
            packet(Ack {
                packet_id,
                code,
                properties,
            })
        })
}

fn filter(version: Version) -> impl Strategy<Value = Filter<'static>> {
    let handling = [
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ];
    let options = (any::<bool>(), any::<bool>(), select(handling.to_vec()));
    (topic_filter(), qos(), options).prop_map(move |(topic, qos, options)| {
        let plain = Filter::new(topic, qos);
        let (no_local, retain_as_published, retain_handling) = options;
        if version != Version::V5 {
            return plain;
        }
        Filter {
            no_local: no_local && !topic.starts_with("$share/"),
            retain_as_published,
            retain_handling,
            ..plain
        }
    })
}

fn subscribe(version: Version) -> impl Strategy<Value = Packet<'static>> {
    (
        packet_id(),
        properties(Place::Subscribe, version),
        vec(filter(version), 1..6),
    )
        .prop_map(|(packet_id, properties, filters)| {
            Packet::Subscribe(Subscribe {
                packet_id,
                properties,
                filters: List::joined(filters.leak(), &[]),
            })
        })
}

fn suback(version: Version) -> impl Strategy<Value = Packet<'static>> {
    const CODES: &[ReasonCode] = &[
        ReasonCode::Success,
        ReasonCode::GrantedQoS1,
        ReasonCode::GrantedQoS2,
        ReasonCode::UnspecifiedError,
        ReasonCode::WildcardSubscriptionsNotSupported,
    ];
    let codes = if version == Version::V5 {
        CODES
    } else {
        &CODES[..4]
    };
    (
        packet_id(),
        properties(Place::SubAck, version),
        vec(select(codes), 1..6),
    )
        .prop_map(|(packet_id, properties, codes)| {
            Packet::SubAck(SubAck {
                packet_id,
                properties,
                codes: List::joined(codes.leak(), &[]),
            })
        })
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Packet<'static>> {
    (
        packet_id(),
        properties(Place::Unsubscribe, version),
        vec(topic_filter(), 1..6),
    )
        .prop_map(|(packet_id, properties, filters)| {
            Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties,
                filters: List::joined(&[], filters.leak()),
            })
        })
}

fn unsuback(version: Version) -> impl Strategy<Value = Packet<'static>> {
    const CODES: &[ReasonCode] = &[ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
    (
        packet_id(),
        properties(Place::UnsubAck, version),
        vec(select(CODES), 1..6),
    )
        .prop_map(move |(packet_id, properties, codes)| {
            Packet::UnsubAck(UnsubAck {
                packet_id,
                properties,
                codes: if version == Version::V5 {
                    List::joined(codes.leak(), &[])
                } else {
                    List::EMPTY
                },
            })
        })
}

fn disconnect(version: Version) -> impl Strategy<Value = Packet<'static>> {
    const CODES: &[ReasonCode] = &[
        ReasonCode::Success,
        ReasonCode::DisconnectWithWill,
        ReasonCode::ServerShuttingDown,
        ReasonCode::UseAnotherServer,
    ];
    (
        codes(version, CODES),
        properties(Place::Disconnect, version),
    )
        .prop_map(|(code, properties)| Packet::Disconnect(Disconnect { code, properties }))
}

fn auth() -> impl Strategy<Value = Packet<'static>> {
    const CODES: &[ReasonCode] = &[
        ReasonCode::Success,
        ReasonCode::ContinueAuthentication,
        ReasonCode::ReAuthenticate,
    ];
    (select(CODES), properties(Place::Auth, Version::V5)).prop_map(|(code, properties)| {
        // A list drawn empty was given a method, which the shortest form does without.
        let only_method = properties.iter().count() == 1;
        Packet::Auth(Auth {
            code,
            properties: if only_method && code == ReasonCode::Success {
                Properties::EMPTY
            } else {
                properties
            },
        })
    })
}

/// Any packet that this version has.
pub(super) fn packet(version: Version) -> BoxedStrategy<Packet<'static>> {
    const PUBLISH: &[ReasonCode] = &[
        ReasonCode::Success,
        ReasonCode::NoMatchingSubscribers,
        ReasonCode::QuotaExceeded,
    ];
    const RELEASE: &[ReasonCode] = &[ReasonCode::Success, ReasonCode::PacketIdentifierNotFound];
    let packets = prop_oneof![
        3 => connect(version),
        2 => connack(version),
        4 => publish(version),
        1 => ack(version, Place::PubAck, PUBLISH, Packet::PubAck),
        1 => ack(version, Place::PubRec, PUBLISH, Packet::PubRec),
        1 => ack(version, Place::PubRel, RELEASE, Packet::PubRel),
        1 => ack(version, Place::PubComp, RELEASE, Packet::PubComp),
        2 => subscribe(version),
        1 => suback(version),
        2 => unsubscribe(version),
        1 => unsuback(version),
        1 => disconnect(version),
        1 => select(&[Packet::PingReq, Packet::PingResp][..]),
    ];
    if version == Version::V5 {
        prop_oneof![15 => packets, 1 => auth()].boxed()
    } else {
        packets.boxed()
    }
}

/// Any version and one of its packets.
pub(super) fn versioned() -> impl Strategy<Value = (Version, Packet<'static>)> {
    version().prop_flat_map(|version| (Just(version), packet(version)))
}
