//! Statements about messages, requests and their acknowledgements that no other test shows.

use mqtt_core::wire::{
    Ack, DecodeError, Filter, List, Packet, PacketType, Property, Publish, ReasonCode, SubAck,
    UnsubAck, Version,
};
use mqtt_core::{Message, PeerError};

use super::pair::say::*;
use super::pair::{Setup, V5, V31, V311, each, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

/// `[MQTT-3.3.1-3]`: DUP tells of one transmission, not of the message.
#[test]
fn dup_is_not_passed_on() {
    each(SETUP, |p| {
        p.online();
        for level in 1..=2 {
            let number = u16::from(level);
            p.server(dup(publish(level, number, "in", "x")));
            assert_eq!(
                p.next_report(),
                format!("Publish q{level} #{number} dup in 'x'")
            );
            p.publish(level, "out", "x", number);
            p.run();
            let sent = p.take_sent();
            let copy = format!("PUBLISH q{level} #{number} out 'x'");
            assert!(sent.contains(&copy), "{sent:?}");
        }
    });
}

/// `[MQTT-3.3.4-3]`, `[MQTT-3.3.4-5]`, `[3.1.1 MQTT-3.3.5-1]`: each copy is a message.
#[test]
fn copies_for_overlapping_subscriptions() {
    each(SETUP, |p| {
        p.online();
        let identifiers = [1, 2].map(|number| [Property::SubscriptionIdentifier(number)]);
        for (number, properties) in (1..).zip(&identifiers) {
            let copy = publish(1, number, "t", "x");
            if p.is_v5() {
                p.server(Publish {
                    properties: List::from(properties),
                    ..copy
                });
            } else {
                p.server(copy);
            }
        }
        let texts = if p.is_v5() {
            [
                "Publish q1 #1 t 'x' [SubscriptionIdentifier(1)]",
                "Publish q1 #2 t 'x' [SubscriptionIdentifier(2)]",
            ]
        } else {
            ["Publish q1 #1 t 'x'", "Publish q1 #2 t 'x'"]
        };
        p.reports(&texts);
        p.sends(&["PUBACK #1", "PUBACK #2"]);
    });
}

/// `[MQTT-4.5.0-2]`: whether anybody subscribed is not ours to judge; nor is whether the topic
/// matches a filter `[MQTT-3.3.2-3]`.
#[test]
fn messages_that_nobody_asked_for_are_acknowledged() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        p.subscribe("a", 0, 1);
        p.sends(&["SUBSCRIBE #1 a q0"]);
        p.server(suback(1, &[ReasonCode::Success]));
        p.server(publish(1, 1, "b", "x"));
        p.server(publish(2, 2, "c/d", "y"));
        p.sends(&["PUBACK #1", "PUBREC #2"]);
        p.reports(&[
            "Subscribed #1 [0]",
            "Publish q1 #1 b 'x'",
            "Publish q2 #2 c/d 'y'",
        ]);
    });
}

/// 3.8.4: the server may send matching messages before SUBACK.
#[test]
fn messages_before_suback() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        p.subscribe("a", 1, 1);
        p.sends(&["SUBSCRIBE #1 a q1"]);
        p.server(publish(1, 1, "a", "x"));
        p.sends(&["PUBACK #1"]);
        p.server(suback(1, &[ReasonCode::GrantedQoS1]));
        p.reports(&["Publish q1 #1 a 'x'", "Subscribed #1 [1]"]);
    });
}

/// `[MQTT-3.10.4-3]`: a delivery that was begun is finished.
#[test]
fn messages_after_unsubscribe_are_acknowledged() {
    each(SETUP, |p| {
        p.online();
        p.server(publish(2, 2, "a", "y"));
        p.reports(&["Publish q2 #2 a 'y'"]);
        p.sends(&["PUBREC #2"]);
        assert_eq!(p.client.unsubscribe(&["a"]).unwrap().get(), 1);
        p.sends(&["UNSUBSCRIBE #1 a"]);
        p.server(unsuback(1, p.version, &[ReasonCode::Success]));
        p.run();
        assert_eq!(p.take_reported().len(), 1);
        p.server(pubrel(2));
        p.server(publish(1, 1, "a", "x"));
        p.sends(&["PUBCOMP #2", "PUBACK #1"]);
        p.reports(&["Publish q1 #1 a 'x'"]);
    });
}

/// 3.3.2.3.2: the receiver may check the payload, and may leave it alone.
#[test]
fn a_payload_is_not_looked_at() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [Property::PayloadFormatIndicator(true)];
        p.server(Publish {
            payload: b"\xFF\0",
            properties: List::from(&properties),
            ..publish(1, 1, "t", "")
        });
        p.reports(&["Publish q1 #1 t '\u{FFFD}\0' [PayloadFormatIndicator(true)]"]);
        p.sends(&["PUBACK #1"]);
    });
}

/// `[MQTT-3.3.2-4]`, `[MQTT-3.3.2-15]` to `[MQTT-3.3.2-18]`, `[MQTT-3.3.2-20]`: what the server
/// passes on unchanged, the application gets unchanged and in order.
#[test]
fn every_property_of_a_message_is_passed_on() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [
            Property::UserProperty("b", "2"),
            Property::MessageExpiryInterval(0),
            Property::ResponseTopic("r/\u{FEFF}"),
            Property::UserProperty("a", "1"),
            Property::SubscriptionIdentifier(268_435_455),
            Property::CorrelationData(b"\0\xFF"),
            Property::UserProperty("b", "2"),
            Property::ContentType(""),
            Property::SubscriptionIdentifier(1),
            Property::PayloadFormatIndicator(false),
        ];
        p.server(Publish {
            retain: true,
            properties: List::from(&properties),
            ..publish(2, 1, "t", "x")
        });
        p.reports(&[&format!("Publish q2 #1 retain t 'x' {properties:?}")]);
        p.sends(&["PUBREC #1"]);
    });
}

/// `[MQTT-3.9.2-1]`, `[MQTT-3.9.2-2]`, `[MQTT-3.11.2-1]`, `[MQTT-3.11.2-2]` and the like: a server
/// that has something to say is heard.
#[test]
fn reasons_of_the_server_are_passed_on() {
    run(&[V5], SETUP, |p| {
        let properties = [
            Property::ReasonString("r"),
            Property::UserProperty("k", "1"),
            Property::UserProperty("k", "1"),
        ];
        let text = format!("{properties:?}");
        let list = List::from(&properties);
        p.online();
        p.publish(1, "t", "x", 1);
        p.publish(2, "t", "y", 2);
        p.publish(2, "t", "z", 3);
        p.subscribe("t", 0, 4);
        assert_eq!(p.client.unsubscribe(&["t"]).unwrap().get(), 5);
        p.run();
        assert_eq!(p.take_sent().len(), 5);
        let ack = |number| Ack {
            properties: list,
            ..ack(number, ReasonCode::Success)
        };
        p.server(Packet::PubAck(ack(1)));
        p.server(Packet::PubRec(Ack {
            code: ReasonCode::QuotaExceeded,
            ..ack(2)
        }));
        p.server(Packet::PubRec(ack(3)));
        p.server(Packet::PubComp(ack(3)));
        p.server(SubAck {
            properties: list,
            ..suback(4, &[ReasonCode::Success])
        });
        p.server(UnsubAck {
            properties: list,
            ..unsuback(5, V5, &[ReasonCode::Success])
        });
        p.reports(&[
            &format!("Published #1 {text}"),
            &format!("Published #2 0x97 {text}"),
            &format!("Published #3 {text}"),
            &format!("Subscribed #4 [0] {text}"),
            &format!("Unsubscribed #5 [0] {text}"),
        ]);
        p.sends(&["PUBREL #3"]);
    });
}

/// `[MQTT-3.1.2-29]`, 3.1.2.11.7: whoever asked for no reason strings and user properties ends the
/// connection if they come with a packet other than PUBLISH, CONNACK and DISCONNECT.
#[test]
fn reasons_that_were_not_wanted() {
    let mut setup = SETUP;
    setup.config.properties = &[Property::RequestProblemInformation(false)];
    for property in [
        Property::ReasonString("r"),
        Property::UserProperty("k", "v"),
    ] {
        run(&[V5], setup, |p| {
            let properties = [property];
            let list = List::from(&properties);
            let ack = Ack {
                properties: list,
                ..ack(1, ReasonCode::Success)
            };
            // Here they may stand.
            p.connect();
            p.server(connack_with(&properties));
            p.server(Publish {
                properties: if matches!(property, Property::UserProperty(..)) {
                    list
                } else {
                    List::EMPTY
                },
                ..publish(0, 0, "t", "")
            });
            p.run();
            assert_eq!(p.take_reported().len(), 2);
            p.subscribe("t", 0, 1);
            p.sends(&["SUBSCRIBE #1 t q0"]);
            p.server(SubAck {
                properties: list,
                ..suback(1, &[ReasonCode::Success])
            });
            p.run();
            assert!(p.take_reported()[0].starts_with("! Peer"));
            p.sends(&["DISCONNECT 0x82"]);
            p.lose();
            p.reports(&["Lost #1"]);
            for packet in [Packet::PubRec(ack), Packet::PubRel(ack)] {
                p.online();
                p.server(packet);
                p.run();
                assert!(p.take_reported()[0].starts_with("! Peer"));
                p.sends(&["DISCONNECT 0x82"]);
                p.lose();
            }
        });
    }
}

/// `[MQTT-3.2.2-15]` holds for acknowledgements, too, if only for servers that take next to
/// nothing: they have 4 bytes, and 5 with a reason code.
#[test]
fn acknowledgements_above_the_packet_size_of_the_server() {
    let cases = [
        (4, pubrel(9), "PUBCOMP #9 0x92"),
        (4, pubrec(9), "PUBREL #9 0x92"),
        (3, publish(1, 1, "t", "").into(), "PUBACK #1"),
        (3, publish(2, 1, "t", "").into(), "PUBREC #1"),
    ];
    for (limit, packet, answer) in cases {
        run(&[V5], SETUP, |p| {
            p.connect();
            p.server(connack_with(&[Property::MaximumPacketSize(limit)]));
            p.server(packet);
            p.run();
            let sent = p.take_sent();
            assert!(!sent.iter().any(|sent| sent == answer), "{sent:?}");
            let _ = p.take_reported();
        });
    }
}

/// `[MQTT-3.3.4-1]`: PUBREC does not answer QoS 1.
#[test]
fn pubrec_in_answer_to_qos_1() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "x", 1);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
        p.server(pubrec(1));
        p.fails(PeerError::UnknownPacketId(PacketType::PubRec), 0x82);
        p.resume();
        p.sends(&["PUBLISH q1 #1 dup t 'x'"]);
    });
}

/// `[MQTT-2.2.1-4]`: the two directions count their own identifiers.
#[test]
fn the_same_identifier_in_both_directions() {
    each(SETUP, |p| {
        p.online();
        p.publish(2, "out", "x", 1);
        p.sends(&["PUBLISH q2 #1 out 'x'"]);
        p.server(publish(2, 1, "in", "y"));
        p.server(pubrec(1));
        p.reports(&["Publish q2 #1 in 'y'"]);
        p.run();
        let mut sent = p.take_sent();
        sent.sort();
        assert_eq!(sent, ["PUBREC #1", "PUBREL #1"]);
        p.server(pubrel(1));
        p.sends(&["PUBCOMP #1"]);
        assert_eq!(p.client.in_flight(), 1);
        p.server(pubcomp(1));
        p.reports(&["Published #1"]);
    });
}

/// `[MQTT-2.2.1-4]`: an identifier that the server takes again too early is a message like any
/// other, and both get their acknowledgement.
#[test]
fn an_identifier_that_the_server_has_in_use() {
    each(SETUP.manual(), |p| {
        p.online();
        p.server(publish(1, 1, "t", "a"));
        p.server(publish(1, 1, "t", "b"));
        p.reports(&["Publish q1 #1 t 'a'", "Publish q1 #1 t 'b'"]);
        p.acknowledge(1);
        p.sends(&["PUBACK #1"]);
        p.acknowledge(1);
        p.sends(&["PUBACK #1"]);
    });
}

/// 4.3.3: PUBREL answers PUBREC, so it cannot come before.
#[test]
fn pubrel_before_pubrec_is_a_violation() {
    each(SETUP.manual(), |p| {
        p.online();
        p.server(publish(2, 1, "t", "x"));
        p.reports(&["Publish q2 #1 t 'x'"]);
        p.server(pubrel(1));
        p.fails(PeerError::UnknownPacketId(PacketType::PubRel), 0x82);
        // The message is still to be acknowledged.
        p.resume();
        p.server(dup(publish(2, 1, "t", "x")));
        p.sends(&[]);
        p.acknowledge(1);
        p.sends(&["PUBREC #1"]);
        p.server(pubrel(1));
        p.sends(&["PUBCOMP #1"]);
    });
}

/// What PUBLISH may not say, 3.3.2.3, and the reason that the server is given.
#[test]
fn properties_of_publish_that_are_wrong() {
    use DecodeError as D;
    let all: &[(&[u8], D, u8)] = &[
        // Neither text nor bytes.
        (&[1, 2], D::PropertyValue, 0x82),
        // A subscription identifier of 0, and one that is longer than it needs to be.
        (&[11, 0], D::PropertyValue, 0x82),
        (&[11, 0x81, 0], D::VariableByteInteger, 0x81),
        // Twice.
        (&[1, 1, 1, 1], D::PropertyRepeated, 0x82),
        (&[2, 0, 0, 0, 9, 2, 0, 0, 0, 9], D::PropertyRepeated, 0x82),
        (&[9, 0, 0, 9, 0, 0], D::PropertyRepeated, 0x82),
        // [MQTT-3.3.2-14], and no topic at all.
        (&[8, 0, 1, b'#'], D::TopicName, 0x81),
        (&[8, 0, 0], D::TopicName, 0x81),
        // [MQTT-1.5.7-1], [MQTT-3.3.2-13], [MQTT-3.3.2-19].
        (&[38, 0, 1, b'k', 0, 1, 0xFF], D::Utf8, 0x81),
        (&[38, 0, 1, 0, 0, 0], D::NulCharacter, 0x81),
        (&[8, 0, 1, 0xFF], D::Utf8, 0x81),
        (&[3, 0, 1, 0xFF], D::Utf8, 0x81),
        // Of other packets, and of none.
        (&[31, 0, 0], D::PropertyNotAllowed, 0x81),
        (&[24, 0, 0, 0, 1], D::PropertyNotAllowed, 0x81),
        (&[4, 0], D::PropertyNotAllowed, 0x81),
    ];
    run(&[V5], SETUP, |p| {
        for &(properties, error, code) in all {
            p.online();
            let len = u8::try_from(properties.len()).unwrap();
            p.bytes(&[&[0x30, 4 + len, 0, 1, b't', len], properties].concat());
            p.fails(PeerError::Malformed(error), code);
        }
    });
}

/// `[MQTT-3.4.2-1]`, `[MQTT-3.5.2-1]`, `[MQTT-3.6.2-1]`, `[MQTT-3.7.2-1]`, `[MQTT-3.9.3-2]`,
/// `[MQTT-3.11.3-2]`, `[MQTT-3.14.2-1]`: codes that another packet may have.
#[test]
fn reason_codes_that_do_not_belong() {
    let v5: &[&[u8]] = &[
        &[0x40, 3, 0, 1, 0x92],
        &[0x50, 3, 0, 1, 0x11],
        &[0x62, 3, 0, 1, 0x10],
        &[0x70, 3, 0, 1, 0x80],
        &[0x90, 4, 0, 2, 0, 0x03],
        &[0xB0, 4, 0, 3, 0, 0x01],
        &[0xE0, 1, 0x18],
    ];
    // [3.1.1 MQTT-3.9.3-2].
    let before: &[&[u8]] = &[&[0x90, 3, 0, 2, 0x03], &[0x90, 3, 0, 2, 0x87]];
    let check = |version: Version, bytes: &[u8]| {
        run(&[version], SETUP, |p| {
            p.online();
            p.publish(1, "t", "x", 1);
            p.subscribe("t", 0, 2);
            assert_eq!(p.client.unsubscribe(&["t"]).unwrap().get(), 3);
            p.run();
            assert_eq!(p.take_sent().len(), 3);
            p.bytes(bytes);
            p.fails(PeerError::Malformed(DecodeError::ReasonCode), 0x82);
            p.reports(&["Lost #2", "Lost #3"]);
            assert_eq!(p.client.in_flight(), 1);
        });
    };
    for bytes in v5 {
        check(V5, bytes);
    }
    for bytes in before {
        check(V31, bytes);
        check(V311, bytes);
    }
}

/// `[MQTT-3.8.4-7]`, `[MQTT-3.9.3-1]`: an answer for each filter, in their order; a refused
/// subscription is no reason to end the connection.
#[test]
fn every_answer_to_a_subscription() {
    let codes: Vec<_> = (0..=u8::MAX)
        .filter_map(ReasonCode::from_u8)
        .filter(|&code| Packet::from(suback(1, &[code])).encoded_len(V5).is_ok())
        .collect();
    run(&[V5], SETUP, |p| {
        p.online();
        let filters = vec![Filter::new("t", qos(2)); codes.len()];
        assert_eq!(p.client.subscribe(&filters).unwrap().get(), 1);
        p.run();
        assert_eq!(p.take_sent().len(), 1);
        p.server(suback(1, &codes));
        let texts: Vec<_> = codes
            .iter()
            .map(|&code| format!("{:x}", code as u8))
            .collect();
        p.reports(&[&format!("Subscribed #1 [{}]", texts.join(" "))]);
        assert!(p.client.is_connected());
    });
}

/// 3.3.2.3.3, 3.3.2.3.6 and others: properties that stand alone or say the least are sent as they
/// are.
#[test]
fn properties_may_stand_alone() {
    run(&[V5], SETUP, |p| {
        p.online();
        let alone = [
            Property::CorrelationData(b"x"),
            Property::MessageExpiryInterval(u32::MAX),
            Property::PayloadFormatIndicator(false),
            Property::ContentType(""),
            Property::UserProperty("", ""),
        ];
        for property in alone {
            let message = Message::new("t", b"");
            assert_eq!(p.client.publish(&message.properties(&[property])), Ok(None));
            p.sends(&[&format!("PUBLISH q0 t '' [{property:?}]")]);
        }
    });
}

/// `[MQTT-4.6.0-2]` to `[MQTT-4.6.0-4]`: each kind of acknowledgement keeps the order of what it
/// answers.
#[test]
fn acknowledgements_keep_their_order() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        for (level, number) in [(1, 9), (2, 8), (1, 7), (2, 3)] {
            p.server(publish(level, number, "t", ""));
        }
        p.sends(&["PUBACK #9", "PUBREC #8", "PUBACK #7", "PUBREC #3"]);
        assert_eq!(p.take_reported().len(), 4);
        for number in 1..=3 {
            p.publish(2, "t", "", number);
        }
        p.run();
        assert_eq!(p.take_sent().len(), 3);
        for number in [3, 1, 2] {
            p.server(pubrec(number));
        }
        p.sends(&["PUBREL #3", "PUBREL #1", "PUBREL #2"]);
    });
}

/// `[MQTT-4.6.0-4]`: so do those that find no room at first.
#[test]
fn pubrels_that_wait_for_room_keep_their_order() {
    each(SETUP.tx(200).slots(50), |p| {
        p.online();
        for number in 1..=3 {
            p.publish(2, "t", "", number);
        }
        p.run();
        assert_eq!(p.take_sent().len(), 3);
        p.stall(true);
        while p.client.unsubscribe(&["t"]).is_ok() {}
        for number in [3, 1, 2] {
            p.server(pubrec(number));
        }
        p.run();
        p.stall(false);
        p.run();
        let mut sent = p.take_sent();
        sent.retain(|packet| packet.starts_with("PUBREL"));
        assert_eq!(sent, ["PUBREL #3", "PUBREL #1", "PUBREL #2"]);
        assert_eq!(p.take_reported(), ["Writable"]);
    });
}

/// `[MQTT-4.9.0-1]`: a server that names no Receive Maximum takes as many as there are
/// identifiers.
#[test]
fn no_receive_maximum() {
    run(&[V5], SETUP.slots(100).tx(4096), |p| {
        p.online();
        for number in 1..=100 {
            p.publish(2, "t", "", number);
        }
        p.run();
        assert_eq!(p.take_sent().len(), 100);
    });
}
