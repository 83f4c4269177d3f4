//! What the application says to received messages.

use mqtt_core::wire::{Ack, EncodeError, List, Property, Publish, ReasonCode};
use mqtt_core::{Resource, UsageError};

use super::pair::say::*;
use super::pair::{Setup, V5, V31, V311, each, id, run};

const SETUP: Setup = Setup::new();

/// PUBACK and PUBREC carry the application's reason. `[MQTT-4.3.2-4]`, `[MQTT-4.3.3-8]`
#[test]
fn reason_codes() {
    run(&[V5], SETUP.manual(), |p| {
        p.online();
        for code in [
            ReasonCode::UnspecifiedError,
            ReasonCode::ImplementationSpecificError,
            ReasonCode::NotAuthorized,
            ReasonCode::TopicNameInvalid,
            ReasonCode::QuotaExceeded,
            ReasonCode::PayloadFormatInvalid,
        ] {
            p.server(publish(1, 1, "t", "a"));
            p.server(publish(2, 2, "t", "b"));
            p.reports(&["Publish q1 #1 t 'a'", "Publish q2 #2 t 'b'"]);
            p.client.acknowledge_with(&ack(2, code)).unwrap();
            p.sends(&[]);
            p.client.acknowledge_with(&ack(1, code)).unwrap();
            let code = code as u8;
            p.sends(&[
                &format!("PUBACK #1 {code:#04x}"),
                &format!("PUBREC #2 {code:#04x}"),
            ]);
        }
    });
}

/// After PUBREC with an error the identifier is new, and PUBREL is not expected.
#[test]
fn pubrec_with_an_error_ends_the_delivery() {
    run(&[V5], SETUP.manual(), |p| {
        p.online();
        p.server(publish(2, 1, "t", "a"));
        p.reports(&["Publish q2 #1 t 'a'"]);
        let refusal = ack(1, ReasonCode::QuotaExceeded);
        p.client.acknowledge_with(&refusal).unwrap();
        p.sends(&["PUBREC #1 0x97"]);
        p.server(publish(2, 1, "t", "b"));
        p.reports(&["Publish q2 #1 t 'b'"]);
        p.acknowledge(1);
        p.sends(&["PUBREC #1"]);
        p.server(pubrel(1));
        p.sends(&["PUBCOMP #1"]);
        p.server(pubrel(1));
        p.sends(&["PUBCOMP #1 0x92"]);
    });
}

/// A refusal that did not leave: the message comes again, and is the application's again.
#[test]
fn a_refusal_that_was_lost() {
    run(&[V5], SETUP.manual(), |p| {
        p.online();
        p.server(publish(2, 1, "t", "a"));
        p.reports(&["Publish q2 #1 t 'a'"]);
        p.stall(true);
        let refusal = ack(1, ReasonCode::QuotaExceeded);
        p.client.acknowledge_with(&refusal).unwrap();
        p.lose();
        p.stall(false);
        p.resume();
        p.server(dup(publish(2, 1, "t", "a")));
        p.reports(&["Publish q2 #1 dup t 'a'"]);
        // It is turned down between two connections.
        p.lose();
        p.client.acknowledge_with(&refusal).unwrap();
        p.resume();
        p.sends(&[]);
        p.server(dup(publish(2, 1, "t", "a")));
        p.reports(&["Publish q2 #1 dup t 'a'"]);
        p.client.acknowledge_with(&refusal).unwrap();
        p.sends(&["PUBREC #1 0x97"]);
    });
}

/// Turned down or not, in automatic mode before the client sees to it.
#[test]
fn an_exception_from_automatic_acknowledgement() {
    run(&[V5], SETUP, |p| {
        p.online();
        for number in 1..=3 {
            p.server(publish(1, number, "t", "a"));
            assert_eq!(p.next_report(), format!("Publish q1 #{number} t 'a'"));
            if number == 2 {
                let refusal = ack(2, ReasonCode::NotAuthorized);
                p.client.acknowledge_with(&refusal).unwrap();
            }
        }
        p.sends(&["PUBACK #1", "PUBACK #2 0x87", "PUBACK #3"]);
    });
}

/// Properties leave at once or not at all.
#[test]
fn properties() {
    run(&[V5], SETUP.manual(), |p| {
        p.online();
        for number in 1..=2 {
            p.server(publish(1, number, "t", "a"));
        }
        p.server(publish(2, 3, "t", "a"));
        p.run();
        assert_eq!(p.take_reported().len(), 3);
        let properties = [
            Property::ReasonString("full"),
            Property::UserProperty("a", "b"),
        ];
        let with = |number| Ack {
            properties: List::from(&properties),
            ..ack(number, ReasonCode::QuotaExceeded)
        };
        p.refuses(UsageError::OutOfOrder, |c| c.acknowledge_with(&with(2)));
        p.client.acknowledge_with(&with(1)).unwrap();
        p.client.acknowledge_with(&with(2)).unwrap();
        p.client.acknowledge_with(&with(3)).unwrap();
        let text = "0x97 [ReasonString(\"full\"), UserProperty(\"a\", \"b\")]";
        p.sends(&[
            &format!("PUBACK #1 {text}"),
            &format!("PUBACK #2 {text}"),
            &format!("PUBREC #3 {text}"),
        ]);
        p.refuses(UsageError::UnknownPacketId, |c| {
            c.acknowledge_with(&with(1))
        });
    });
}

/// `[MQTT-3.4.2-2]`, `[MQTT-3.4.2-3]`, `[MQTT-3.5.2-2]`, `[MQTT-3.5.2-3]`.
#[test]
fn properties_above_the_packet_size_of_the_server() {
    run(&[V5], SETUP.manual(), |p| {
        p.connect();
        p.server(connack_with(&[Property::MaximumPacketSize(12)]));
        p.run();
        assert_eq!(p.take_reported().len(), 1);
        for (level, name) in [(1, "PUBACK"), (2, "PUBREC")] {
            p.server(publish(level, 1, "t", "a"));
            p.reports(&[&format!("Publish q{level} #1 t 'a'")]);
            for property in [
                Property::ReasonString("four"),
                Property::UserProperty("", "1"),
            ] {
                let properties = [property, Property::UserProperty("", "")];
                let with = |n| Ack {
                    properties: List::from(&properties[..n]),
                    ..ack(1, ReasonCode::QuotaExceeded)
                };
                p.refuses(UsageError::MaximumPacketSize, |c| {
                    c.acknowledge_with(&with(2))
                });
            }
            let properties = [Property::ReasonString("abc")];
            let fits = Ack {
                properties: List::from(&properties),
                ..ack(1, ReasonCode::QuotaExceeded)
            };
            p.client.acknowledge_with(&fits).unwrap();
            p.sends(&[&format!("{name} #1 0x97 [ReasonString(\"abc\")]")]);
        }
    });
}

/// Properties and a record: what is held back cannot have any.
#[test]
fn properties_and_durability() {
    run(&[V5], SETUP.manual().durable(), |p| {
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.server(publish(2, 1, "t", "a"));
        p.journals(&["Connected"]);
        p.reports(&["Publish q2 #1 t 'a'"]);
        let properties = [Property::ReasonString("x")];
        let with = |code| Ack {
            properties: List::from(&properties),
            ..ack(1, code)
        };
        p.refuses(UsageError::OutOfOrder, |c| {
            c.acknowledge_with(&with(ReasonCode::Success))
        });
        p.client
            .acknowledge_with(&with(ReasonCode::QuotaExceeded))
            .unwrap();
        p.sends(&["PUBREC #1 0x97 [ReasonString(\"x\")]"]);
        p.journals(&[]);
    });
}

/// `[MQTT-3.4.2-1]`: only codes that a client may send, and only in 5.0.
#[test]
fn what_is_refused() {
    run(&[V31, V311, V5], SETUP.manual().tx(100), |p| {
        p.online();
        p.server(publish(1, 1, "t", "a"));
        p.reports(&["Publish q1 #1 t 'a'"]);
        for code in [
            ReasonCode::NoMatchingSubscribers,
            ReasonCode::PacketIdentifierNotFound,
            ReasonCode::GrantedQoS1,
        ] {
            p.refuses(UsageError::Encode(EncodeError::ReasonCode), |c| {
                c.acknowledge_with(&ack(1, code))
            });
        }
        let properties = [Property::ReasonString("x")];
        let with = Ack {
            properties: List::from(&properties),
            ..Ack::new(id(1))
        };
        if p.is_v5() {
            let long = "x".repeat(200);
            let properties = [Property::ReasonString(&long)];
            let long = Ack {
                properties: List::from(&properties),
                ..with
            };
            p.refuses(UsageError::BufferTooSmall, |c| c.acknowledge_with(&long));
            let some = "x".repeat(8);
            let properties = [Property::ReasonString(&some)];
            let some = Ack {
                properties: List::from(&properties),
                ..with
            };
            p.stall(true);
            while p
                .client
                .subscribe(&[mqtt_core::wire::Filter::new("t", super::text::qos(0))])
                .is_ok()
            {}
            p.refuses(Resource::Control, |c| c.acknowledge_with(&some));
            p.stall(false);
            p.run();
            let _ = p.take_sent();
            p.reports(&["Writable"]);
        } else {
            p.refuses(UsageError::Encode(EncodeError::Version), |c| {
                c.acknowledge_with(&with)
            });
        }
        p.acknowledge(1);
        p.sends(&["PUBACK #1"]);
        p.lose();
        let _ = p.take_reported();
        p.run();
        let _ = p.take_reported();
    });
}

/// A message that was acknowledged between two connections is acknowledged once, when it has come
/// again; one that was not has its old handle.
#[test]
fn acknowledged_between_connections() {
    each(SETUP.manual(), |p| {
        p.online();
        for number in 1..=3 {
            p.server(publish(2, number, "t", "a"));
        }
        p.run();
        assert_eq!(p.take_reported().len(), 3);
        p.lose();
        p.acknowledge(1);
        p.acknowledge(3);
        p.resume();
        p.sends(&[]);
        for number in 1..=3 {
            p.server(dup(publish(2, number, "t", "a")));
        }
        // 3 was dealt with, but its turn is after 2.
        p.sends(&["PUBREC #1"]);
        p.reports(&[]);
        p.acknowledge(2);
        p.sends(&["PUBREC #2", "PUBREC #3"]);
    });
}

/// Acknowledged on the new connection, before it came again.
#[test]
fn acknowledged_before_the_repetition() {
    each(SETUP.manual(), |p| {
        p.online();
        p.server(publish(2, 1, "t", "a"));
        p.reports(&["Publish q2 #1 t 'a'"]);
        p.lose();
        p.resume();
        p.acknowledge(1);
        p.sends(&[]);
        p.server(dup(publish(2, 1, "t", "a")));
        p.reports(&[]);
        p.sends(&["PUBREC #1"]);
        p.server(pubrel(1));
        p.sends(&["PUBCOMP #1"]);
    });
}

/// A redelivered QoS 1 message is the application's again; the handle of the first is dead until
/// then.
#[test]
fn an_old_handle_is_dead() {
    each(SETUP.manual(), |p| {
        p.online();
        p.server(publish(1, 1, "t", "a"));
        p.reports(&["Publish q1 #1 t 'a'"]);
        p.lose();
        p.refuses(UsageError::UnknownPacketId, |c| c.acknowledge(id(1)));
        p.resume();
        p.refuses(UsageError::UnknownPacketId, |c| c.acknowledge(id(1)));
        p.server(dup(publish(1, 1, "t", "a")));
        p.reports(&["Publish q1 #1 dup t 'a'"]);
        p.acknowledge(1);
        p.sends(&["PUBACK #1"]);
        p.refuses(UsageError::UnknownPacketId, |c| c.acknowledge(id(1)));
    });
}

/// An answer with what the request says of it.
#[test]
fn request_and_response() {
    run(&[V5, V311], SETUP, |p| {
        p.online();
        let request = publish(0, 0, "t", "request");
        assert_eq!(request.response(), None);
        if !p.is_v5() {
            return;
        }
        let properties = [
            Property::ResponseTopic("answers/7"),
            Property::CorrelationData(b"\x01\x02"),
        ];
        for (properties, expected) in [
            (&properties[..], " [CorrelationData([1, 2])]"),
            (&properties[..1], ""),
        ] {
            let request = Publish {
                properties: List::from(properties),
                ..request
            };
            let response = request.response().unwrap();
            let message = response.message(b"42");
            p.client.publish(&message).unwrap();
            p.sends(&[&format!("PUBLISH q0 answers/7 '42'{expected}")]);
        }
        let request = Publish {
            properties: List::from(&properties[1..]),
            ..request
        };
        assert_eq!(request.response(), None);
    });
}
