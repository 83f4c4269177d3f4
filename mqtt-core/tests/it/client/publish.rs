//! Messages to the server.

use mqtt_core::wire::{EncodeError, Packet, Property, ReasonCode};
use mqtt_core::{Message, PeerError, UsageError};

use super::pair::say::*;
use super::pair::{Setup, V5, V31, V311, each, run, whole};
use super::text::qos;

const SETUP: Setup = Setup::new();

/// `[MQTT-4.3.1-1]`, `[MQTT-2.2.1-2]`.
#[test]
fn qos_0_is_sent_and_forgotten() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        p.publish(0, "a/b", "hello", 0);
        assert_eq!(p.client.in_flight(), 0);
        p.sends(&["PUBLISH q0 a/b 'hello'"]);
        p.reports(&[]);
        p.lose();
        p.resume();
        p.sends(&[]);
    });
}

/// `[MQTT-4.3.2-1]`, `[MQTT-4.3.2-2]`, `[MQTT-4.3.2-3]`, `[MQTT-2.2.1-3]`.
#[test]
fn qos_1_until_puback() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        for number in 1..=30 {
            p.publish(1, "a/b", "hello", number);
            assert_eq!(p.client.in_flight(), 1);
            p.sends(&[&format!("PUBLISH q1 #{number} a/b 'hello'")]);
            p.reports(&[]);
            p.server(puback(number));
            p.reports(&[&format!("Published #{number}")]);
            assert_eq!(p.client.in_flight(), 0);
        }
    });
}

/// `[MQTT-4.3.3-1]` to `[MQTT-4.3.3-6]`.
#[test]
fn qos_2_until_pubcomp() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        for number in 1..=30 {
            p.publish(2, "a/b", "hello", number);
            p.sends(&[&format!("PUBLISH q2 #{number} a/b 'hello'")]);
            p.server(pubrec(number));
            p.sends(&[&format!("PUBREL #{number}")]);
            assert_eq!(p.client.in_flight(), 1);
            p.reports(&[]);
            p.server(pubcomp(number));
            p.reports(&[&format!("Published #{number}")]);
            assert_eq!(p.client.in_flight(), 0);
        }
    });
}

#[test]
fn messages_and_requests_share_identifiers() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "", 1);
        p.subscribe("t", 0, 2);
        p.publish(2, "t", "", 3);
        p.publish(0, "t", "", 0);
        assert_eq!(p.client.unsubscribe(&["t"]).unwrap().get(), 4);
        p.publish(1, "t", "", 5);
        p.run();
        assert_eq!(p.take_sent().len(), 6);
        assert_eq!(p.client.in_flight(), 3);
    });
}

/// `[MQTT-2.2.1-3]`: an identifier in use is passed over when the numbers come round, and so are
/// the others that would have its slot.
#[test]
fn identifiers_wrap_and_are_not_reused_in_flight() {
    const SLOTS: u16 = 1000;
    whole(V5, SETUP.slots(SLOTS.into()), |p| {
        p.online();
        p.publish(1, "t", "", 1);
        for number in (2..=u16::MAX).chain(2..10).filter(|n| n % SLOTS != 1) {
            p.publish(1, "t", "", number);
            let n = p.client.transmit().len();
            p.client.transmitted(n, p.now());
            let puback = p.encode(puback(number));
            assert!(p.client.process(&puback, p.now()).unwrap().event.is_some());
        }
        p.server(puback(1));
        p.reports(&["Published #1"]);
    });
}

/// Acknowledgements may come in any order.
#[test]
fn acknowledged_out_of_order() {
    each(SETUP, |p| {
        p.online();
        for (number, payload) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let number = u16::try_from(number).unwrap() + 1;
            p.publish(1 + u8::from(number == 3), "t", payload, number);
        }
        p.sends(&[
            "PUBLISH q1 #1 t 'a'",
            "PUBLISH q1 #2 t 'b'",
            "PUBLISH q2 #3 t 'c'",
            "PUBLISH q1 #4 t 'd'",
        ]);
        p.server(puback(4));
        p.server(pubrec(3));
        p.server(puback(1));
        p.sends(&["PUBREL #3"]);
        p.server(pubcomp(3));
        p.server(puback(2));
        p.reports(&[
            "Published #4",
            "Published #1",
            "Published #3",
            "Published #2",
        ]);
    });
}

/// Several messages lie side by side, so that one write takes them all.
#[test]
fn messages_are_sent_in_one_piece() {
    each(SETUP, |p| {
        p.online();
        for number in 1..=5 {
            p.publish(1, "t", "payload", number);
        }
        let packet = p.encode(publish(1, 1, "t", "payload"));
        assert_eq!(p.client.transmit().len(), 5 * packet.len());
        p.run();
        assert_eq!(p.take_sent().len(), 5);
    });
}

#[test]
fn retain_and_properties() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [
            Property::PayloadFormatIndicator(true),
            Property::MessageExpiryInterval(9),
            Property::ContentType("text"),
            Property::ResponseTopic("r"),
            Property::CorrelationData(b"1"),
            Property::UserProperty("k", "v"),
        ];
        let message = Message::new("t", b"x")
            .qos(qos(1))
            .retain(true)
            .properties(&properties);
        let _ = p.client.publish(&message).unwrap();
        p.sends(
            &["PUBLISH q1 #1 retain t 'x' [PayloadFormatIndicator(true), \
             MessageExpiryInterval(9), ContentType(\"text\"), ResponseTopic(\"r\"), \
             CorrelationData([49]), UserProperty(\"k\", \"v\")]"],
        );
    });
}

/// `[MQTT-4.4.0-2]`.
#[test]
fn puback_with_an_error() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.publish(1, "t", "x", 1);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
        let properties = [Property::ReasonString("no")];
        let mut puback = ack(1, ReasonCode::QuotaExceeded);
        puback.properties = (&properties).into();
        p.server(Packet::PubAck(puback));
        p.reports(&["Published #1 0x97 [ReasonString(\"no\")]"]);
        assert_eq!(p.client.in_flight(), 0);
        p.lose();
        p.resume();
        p.sends(&[]);
    });
}

/// `[MQTT-4.4.0-2]`, `[MQTT-4.3.3-9]`: no PUBREL, and the identifier is free.
#[test]
fn pubrec_with_an_error() {
    run(&[V5], SETUP.slots(1), |p| {
        p.online();
        p.publish(2, "t", "x", 1);
        p.sends(&["PUBLISH q2 #1 t 'x'"]);
        p.server(Packet::PubRec(ack(1, ReasonCode::NotAuthorized)));
        p.reports(&["Published #1 0x87"]);
        p.sends(&[]);
        assert_eq!(p.client.in_flight(), 0);
        p.publish(2, "t", "y", 2);
        p.sends(&["PUBLISH q2 #2 t 'y'"]);
    });
}

/// `[MQTT-4.3.3-4]`: below 0x80 it is a success.
#[test]
fn nobody_listens() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.publish(1, "t", "x", 1);
        p.publish(2, "t", "y", 2);
        p.run();
        assert_eq!(p.take_sent().len(), 2);
        p.server(Packet::PubAck(ack(1, ReasonCode::NoMatchingSubscribers)));
        p.server(Packet::PubRec(ack(2, ReasonCode::NoMatchingSubscribers)));
        p.sends(&["PUBREL #2"]);
        p.server(pubcomp(2));
        p.reports(&["Published #1 0x10", "Published #2"]);
    });
}

/// A PUBREC again means that the PUBREL has not arrived.
#[test]
fn repeated_pubrec() {
    each(SETUP, |p| {
        p.online();
        p.publish(2, "t", "x", 1);
        p.sends(&["PUBLISH q2 #1 t 'x'"]);
        p.server(pubrec(1));
        p.sends(&["PUBREL #1"]);
        p.server(pubrec(1));
        p.sends(&["PUBREL #1"]);
        p.server(pubcomp(1));
        p.reports(&["Published #1"]);
    });
}

/// 4.3.3: PUBREC of an unknown identifier is answered, so that the server can forget it.
#[test]
fn unknown_pubrec() {
    each(SETUP, |p| {
        p.online();
        p.server(pubrec(9));
        p.sends(&[if p.is_v5() {
            "PUBREL #9 0x92"
        } else {
            "PUBREL #9"
        }]);
        p.reports(&[]);
    });
    run(&[V5], SETUP, |p| {
        p.online();
        p.server(Packet::PubRec(ack(9, ReasonCode::UnspecifiedError)));
        p.sends(&[]);
        p.reports(&[]);
    });
}

/// The server answers that PUBREL as any other. This must not end the connection.
#[test]
fn pubcomp_after_unknown_pubrec() {
    each(SETUP, |p| {
        p.online();
        p.server(pubrec(9));
        p.sends(&[if p.is_v5() {
            "PUBREL #9 0x92"
        } else {
            "PUBREL #9"
        }]);
        p.server(pubcomp(9));
        p.reports(&[]);
        assert!(p.client.is_connected());
    });
}

#[test]
fn acknowledgements_that_nobody_waits_for() {
    use mqtt_core::wire::PacketType;
    each(SETUP, |p| {
        p.online();
        p.server(puback(1));
        p.fails(PeerError::UnknownPacketId(PacketType::PubAck), 0x82);
        // This may be the end of an exchange that only the server knew of.
        p.online();
        p.server(pubcomp(1));
        p.reports(&[]);
        p.lose();
        // The wrong kind.
        p.online();
        p.publish(2, "t", "x", 1);
        p.sends(&["PUBLISH q2 #1 t 'x'"]);
        p.server(puback(1));
        p.fails(PeerError::UnknownPacketId(PacketType::PubAck), 0x82);
        p.resume();
        p.sends(&["PUBLISH q2 #1 dup t 'x'"]);
        p.server(pubcomp(1));
        p.fails(PeerError::UnknownPacketId(PacketType::PubComp), 0x82);
    });
}

/// A message cannot be acknowledged that has not been sent in full.
#[test]
fn acknowledged_too_early() {
    use mqtt_core::wire::PacketType;
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish(1, "t", "x", 1);
        p.take(3);
        p.server(puback(1));
        p.run();
        let error = PeerError::UnknownPacketId(PacketType::PubAck);
        assert_eq!(
            p.take_reported(),
            [format!("! {:?}", mqtt_core::Error::from(error))]
        );
        assert_eq!(p.client.in_flight(), 1);
        p.lose();
    });
}

/// A packet that was sent in part is finished before another one begins.
#[test]
fn control_packets_wait_for_the_rest_of_a_message() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish(1, "t", "first", 1);
        p.publish(1, "t", "second", 2);
        let first = p.encode(publish(1, 1, "t", "first")).len();
        p.take(1);
        p.subscribe("t", 0, 3);
        p.server(publish(1, 9, "t", "in"));
        p.run();
        assert_eq!(p.client.transmit().len(), first - 1);
        p.stall(false);
        p.sends(&[
            "PUBLISH q1 #1 t 'first'",
            "SUBSCRIBE #3 t q0",
            "PUBACK #9",
            "PUBLISH q1 #2 t 'second'",
        ]);
        p.reports(&["Publish q1 #9 t 'in'"]);
    });
}

/// The same at the end: DISCONNECT never begins within another packet.
#[test]
fn disconnect_waits_for_the_rest_of_a_message() {
    each(SETUP, |p| {
        for cut in 1..10 {
            p.online();
            p.stall(true);
            p.publish(0, "t", "first", 0);
            p.publish(0, "t", "second", 0);
            p.take(cut);
            p.bytes(&[0]);
            p.run();
            assert_eq!(p.take_reported().len(), 1);
            p.stall(false);
            let expected: &[&str] = if p.is_v5() {
                p.sends(&["PUBLISH q0 t 'first'", "DISCONNECT 0x81"]);
                &[]
            } else {
                &[]
            };
            p.sends(expected);
            assert!(p.client.is_closed());
            p.lose();
        }
    });
}

/// What can never be sent is refused, and changes nothing.
#[test]
fn messages_that_are_not_allowed() {
    each(SETUP, |p| {
        for _ in 0..2 {
            for level in 1..=2 {
                let message = |topic| Message::new(topic, b"").qos(qos(level));
                let error = UsageError::Encode(EncodeError::TopicName);
                for topic in ["", "a/+", "#", "a\0b"] {
                    p.refuses(error, |client| client.publish(&message(topic)));
                }
                let long = "x".repeat(65_536);
                p.refuses(error, |client| client.publish(&message(&long)));
                // [MQTT-3.2.2-18], [MQTT-3.3.4-6].
                for (property, error) in [
                    (Property::TopicAlias(1), UsageError::TopicAlias),
                    (Property::SubscriptionIdentifier(1), UsageError::Property),
                ] {
                    p.refuses(error, |client| {
                        client.publish(&message("t").properties(&[property]))
                    });
                }
                let error = if p.is_v5() {
                    EncodeError::PropertyNotAllowed
                } else {
                    EncodeError::Version
                };
                p.refuses(UsageError::Encode(error), |client| {
                    client.publish(&message("t").properties(&[Property::ServerKeepAlive(1)]))
                });
                let huge = vec![0; 2000];
                p.refuses(UsageError::BufferTooSmall, |client| {
                    client.publish(&Message::new("t", &huge).qos(qos(level)))
                });
            }
            if !p.client.is_connected() {
                p.online();
            }
        }
        p.sends(&[]);
        p.publish(1, "t", "x", 1);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
    });
}

/// Messages above QoS 0 are taken without a connection and wait for one.
#[test]
fn published_offline() {
    each(SETUP, |p| {
        p.publish(1, "t", "a", 1);
        p.publish(2, "t", "b", 2);
        assert_eq!(p.client.in_flight(), 2);
        assert!(p.client.transmit().is_empty());
        p.connect();
        p.publish(1, "t", "c", 3);
        p.sends(&[]);
        p.server(connack());
        p.reports(&["Connected"]);
        p.sends(&[
            "PUBLISH q1 #1 t 'a'",
            "PUBLISH q2 #2 t 'b'",
            "PUBLISH q1 #3 t 'c'",
        ]);
        p.server(puback(3));
        p.server(puback(1));
        p.server(pubrec(2));
        p.sends(&["PUBREL #2"]);
        p.reports(&["Published #3", "Published #1"]);
    });
}
