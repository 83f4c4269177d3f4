//! Payloads that stay with the application until they are sent.

use mqtt_core::wire::{Packet, Property, ReasonCode};
use mqtt_core::{Lent, Message, PeerError, Resource, UsageError};

use super::pair::say::*;
use super::pair::{Setup, V5, V31, V311, each, id, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

fn lent(number: u16, offset: usize, left: usize) -> Option<Lent> {
    Some(Lent {
        id: id(number),
        offset,
        left,
    })
}

#[test]
fn at_every_qos() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        assert_eq!(p.client.payload(), None);
        p.publish_lent(0, "t", "zero", 1);
        p.publish_lent(1, "t", "one", 2);
        p.publish_lent(2, "t", "two", 3);
        p.sends(&[
            "PUBLISH q0 t 'zero'",
            "PUBLISH q1 #2 t 'one'",
            "PUBLISH q2 #3 t 'two'",
        ]);
        assert_eq!(p.client.payload(), None);
        assert_eq!(p.client.in_flight(), 2);
        p.server(puback(2));
        p.server(pubrec(3));
        p.sends(&["PUBREL #3"]);
        p.server(pubcomp(3));
        p.reports(&["Published #2", "Published #3"]);
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// At QoS 0 nothing is in flight, though the message is not through before its payload has left.
#[test]
fn in_flight_while_a_payload_leaves() {
    for (level, in_flight) in [(0, 0), (1, 1), (2, 1)] {
        each(SETUP, |p| {
            p.online();
            p.stall(true);
            p.publish_lent(level, "t", "0123456789", 1);
            for _ in 0..2 {
                assert_eq!(p.client.in_flight(), in_flight, "{level}");
                p.take(2);
            }
            p.stall(false);
            p.run();
            assert_eq!(p.take_sent().len(), 1);
            assert_eq!(p.client.in_flight(), in_flight, "{level}");
        });
    }
}

/// The payload is asked for between the bytes of the head and whatever follows.
#[test]
fn piece_by_piece() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish_lent(1, "t", "0123456789", 1);
        p.publish(0, "t", "next", 0);
        p.publish(1, "t", "last", 2);
        let head = p.client.transmit().to_vec();
        assert_eq!(p.client.payload(), None);
        p.take(head.len() - 1);
        // A packet that was begun is finished first.
        p.server(publish(1, 9, "t", "x"));
        p.reports(&["Publish q1 #9 t 'x'"]);
        assert_eq!(p.client.transmit(), &head[head.len() - 1..]);
        assert_eq!(p.client.payload(), None);
        p.take(1);
        assert_eq!(p.client.transmit(), b"");
        assert_eq!(p.client.payload(), lent(1, 0, 10));
        p.client.transmitted(0, p.now());
        assert_eq!(p.client.payload(), lent(1, 0, 10));
        p.stall(false);
        p.sends(&[
            "PUBLISH q1 #1 t '0123456789'",
            "PUBACK #9",
            "PUBLISH q0 t 'next'",
            "PUBLISH q1 #2 t 'last'",
        ]);
    });
}

/// More was reported than was asked for.
#[test]
fn no_more_than_was_asked_for() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish_lent(1, "t", "payload", 1);
        let head = p.client.transmit().len();
        p.take(head);
        p.client.transmitted(3, p.now());
        assert_eq!(p.client.payload(), lent(1, 3, 4));
        p.client.transmitted(usize::MAX, p.now());
        assert_eq!(p.client.payload(), None);
        p.lose();
        p.stall(false);
    });
}

/// In the order of publishing, with and without the payload in the outbox.
#[test]
fn in_order() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish(1, "t", "a", 1);
        p.publish_lent(2, "t", "b", 2);
        p.publish(0, "t", "c", 0);
        p.publish(2, "t", "d", 3);
        p.publish_lent(1, "t", "", 4);
        p.publish_lent(0, "t", "e", 5);
        p.publish(1, "t", "f", 6);
        p.stall(false);
        p.sends(&[
            "PUBLISH q1 #1 t 'a'",
            "PUBLISH q2 #2 t 'b'",
            "PUBLISH q0 t 'c'",
            "PUBLISH q2 #3 t 'd'",
            "PUBLISH q1 #4 t ''",
            "PUBLISH q0 t 'e'",
            "PUBLISH q1 #6 t 'f'",
        ]);
    });
}

/// On the next connection the payload is asked for again, from its beginning.
#[test]
fn sent_again() {
    each(SETUP, |p| {
        for lost_after in 0..4 {
            p.online();
            p.stall(true);
            let first = lost_after * 2 + 1;
            p.publish_lent(1, "t", "abc", first);
            p.publish_lent(2, "t", "xyz", first + 1);
            let head = p.client.transmit().len();
            // Not at all, a part of the head, the head, a part of the payload.
            let taken = [0, 1, head, head][usize::from(lost_after)];
            p.take(taken);
            if lost_after == 3 {
                p.client.transmitted(2, p.now());
            }
            p.lose();
            assert_eq!(p.client.payload(), None);
            p.stall(false);
            for round in 0..2 {
                p.resume();
                let dup = |begun: bool| if begun { " dup" } else { "" };
                let second = first + 1;
                p.sends(&[
                    &format!("PUBLISH q1 #{first}{} t 'abc'", dup(lost_after + round > 0)),
                    &format!("PUBLISH q2 #{second}{} t 'xyz'", dup(round > 0)),
                ]);
                if round == 0 {
                    p.lose();
                }
            }
            p.server(puback(first));
            p.server(pubrec(first + 1));
            p.server(pubcomp(first + 1));
            p.run();
            let _ = (p.take_reported(), p.take_sent());
            assert_eq!(p.client.in_flight(), 0);
            p.lose();
        }
    });
}

/// A QoS 0 message dies with its connection, and its identifier is reported.
#[test]
fn qos_0_is_lost_with_the_connection() {
    each(SETUP, |p| {
        p.refuses(UsageError::NotConnected, |c| {
            c.publish_lent(&Message::new("t", b""), 5)
        });
        p.online();
        p.stall(true);
        p.publish_lent(0, "t", "one", 1);
        p.publish_lent(0, "t", "two", 2);
        p.take(2);
        p.lose();
        p.reports(&["Lost #1", "Lost #2"]);
        p.stall(false);
        p.resume();
        p.sends(&[]);
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// The window is for QoS 1 and 2; a message behind another waits for that one's payload.
#[test]
fn within_the_window() {
    run(&[V5], SETUP, |p| {
        p.connect();
        let properties = [Property::ReceiveMaximum(2)];
        p.server(connack_with(&properties));
        p.run();
        let _ = p.take_reported();
        p.stall(true);
        p.publish_lent(1, "t", "a", 1);
        p.publish_lent(2, "t", "b", 2);
        assert_eq!(p.client.send_quota(), 0);
        let message = Message::new("t", b"").qos(qos(1));
        p.refuses(Resource::Window, |c| c.publish_lent(&message, 1));
        p.publish_lent(0, "t", "zero", 3);
        assert_eq!(p.client.in_flight(), 2);
        p.stall(false);
        p.sends(&[
            "PUBLISH q1 #1 t 'a'",
            "PUBLISH q2 #2 t 'b'",
            "PUBLISH q0 t 'zero'",
        ]);
        p.server(puback(1));
        p.reports(&["Published #1", "Writable"]);
        p.publish_lent(1, "t", "c", 4);
        p.sends(&["PUBLISH q1 #4 t 'c'"]);
        // Nor does a message of QoS 0 that is being sent.
        p.server(puback(4));
        p.reports(&["Published #4"]);
        p.stall(true);
        for (number, taken) in [(5, 0), (6, 1)] {
            p.publish_lent(0, "t", "zero", number);
            p.take(taken);
            assert_eq!(p.client.in_flight(), 1);
            assert_eq!(p.client.send_quota(), 1);
        }
        p.stall(false);
        p.sends(&["PUBLISH q0 t 'zero'", "PUBLISH q0 t 'zero'"]);
    });
}

/// A message behind one whose payload is being sent, acknowledged out of order.
#[test]
fn acknowledged_while_another_is_being_sent() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "a", 1);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.stall(true);
        p.publish_lent(1, "t", "payload", 2);
        let head = p.client.transmit().len();
        p.take(head);
        p.client.transmitted(0, p.now());
        p.server(puback(1));
        p.reports(&["Published #1"]);
        assert_eq!(p.client.payload(), lent(2, 0, 7));
        // It was not sent whole.
        p.server(puback(2));
        p.run();
        let _ = p.take_reported();
        assert!(p.client.is_closed(), "nothing can be sent but the payload");
        assert_eq!(p.client.payload(), None);
        p.lose();
        p.stall(false);
    });
}

/// An error of the server's in the middle of such a message: DISCONNECT cannot be sent.
#[test]
fn an_error_in_the_middle_of_a_payload() {
    run(&[V5], SETUP, |p| {
        for sent in 0..12 {
            p.online();
            p.stall(true);
            let number = u16::try_from(sent).unwrap() + 1;
            p.publish_lent(0, "t", "payload", number);
            let head = p.client.transmit().len();
            p.take(sent.min(head));
            p.client.transmitted(sent.saturating_sub(head), p.now());
            p.server(puback(99));
            let error = PeerError::UnknownPacketId(mqtt_core::wire::PacketType::PubAck);
            p.reports(&[&format!("! {:?}", mqtt_core::Error::from(error))]);
            if sent == 0 {
                p.stall(false);
                p.sends(&["DISCONNECT 0x82"]);
            }
            assert_eq!(p.client.transmit(), b"");
            assert!(p.client.is_closed());
            p.lose();
            p.reports(&[&format!("Lost #{number}")]);
            p.stall(false);
        }
    });
}

#[test]
fn abort_in_the_middle_of_a_payload() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish_lent(0, "t", "payload", 1);
        let head = p.client.transmit().len();
        p.take(head);
        p.client.transmitted(2, p.now());
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        assert_eq!(p.client.transmit(), b"");
        assert_eq!(p.client.payload(), None);
        assert!(p.client.is_closed());
        p.lose();
        p.reports(&["Lost #1"]);
        p.stall(false);
    });
}

/// DISCONNECT waits for the payload.
#[test]
fn disconnect_comes_after_the_payload() {
    each(SETUP, |p| {
        p.online();
        p.publish_lent(1, "t", "payload", 1);
        p.publish_lent(0, "t", "another", 2);
        p.publish(0, "t", "last", 0);
        p.client.disconnect().unwrap();
        assert!(!p.client.is_closed());
        p.sends(&[
            "PUBLISH q1 #1 t 'payload'",
            "PUBLISH q0 t 'another'",
            "PUBLISH q0 t 'last'",
            "DISCONNECT",
        ]);
        assert!(p.client.is_closed());
        p.lose();
    });
}

/// PINGREQ waits too, and while the payload moves the connection is alive.
#[test]
fn a_payload_that_takes_long() {
    each(SETUP.keep_alive(10), |p| {
        p.online();
        p.stall(true);
        p.publish_lent(1, "t", "0123456789", 1);
        let head = p.client.transmit().len();
        p.take(head);
        for offset in 1..=9 {
            p.wait(5_000);
            p.client.transmitted(1, p.now());
            p.reports(&[]);
            assert_eq!(p.client.payload(), lent(1, offset, 10 - offset));
        }
        p.lose();
        p.stall(false);
    });
}

#[test]
fn what_is_refused() {
    run(&[V5], SETUP.tx(200), |p| {
        p.connect();
        let properties = [
            Property::MaximumPacketSize(1000),
            Property::TopicAliasMaximum(1),
        ];
        p.server(connack_with(&properties));
        p.run();
        let _ = p.take_reported();
        let message = Message::new("t", b"").qos(qos(1));
        p.refuses(UsageError::Payload, |c| {
            c.publish_lent(&Message::new("t", b"x"), 1)
        });
        let alias = [Property::TopicAlias(1)];
        p.refuses(UsageError::TopicAlias, |c| {
            c.publish_lent(&Message::new("t", b"").properties(&alias), 1)
        });
        p.refuses(UsageError::MaximumPacketSize, |c| {
            c.publish_lent(&message, 1000)
        });
        // What is sent counts, not how it is kept.
        let small = Message::new("t", b"");
        p.refuses(UsageError::MaximumPacketSize, |c| {
            c.publish_lent(&small, 994)
        });
        p.client.publish_lent(&small, 993).unwrap();
        p.lose();
        p.reports(&["Lost #1"]);
        p.connect();
        p.server(connack_with(&properties));
        p.run();
        let _ = p.take_reported();
        let too_large = UsageError::Encode(mqtt_core::wire::EncodeError::PacketTooLarge);
        p.refuses(too_large, |c| c.publish_lent(&message, 268_435_455));
        p.refuses(too_large, |c| c.publish_lent(&message, usize::MAX));
        let long = "x".repeat(200);
        p.refuses(UsageError::BufferTooSmall, |c| {
            c.publish_lent(&Message::new(&long, b""), 1)
        });
    });
}

/// The payload may be larger than the outbox by any amount.
#[test]
fn larger_than_the_outbox() {
    each(SETUP.tx(200), |p| {
        p.online();
        let payload = "0123456789".repeat(100);
        p.publish_lent(2, "t", &payload, 1);
        p.run();
        let sent = p.take_sent();
        assert_eq!(sent.len(), 1);
        assert!(
            sent[0].starts_with("PUBLISH q2 #1 t 1000 bytes"),
            "{sent:?}"
        );
        p.server(pubrec(1));
        p.sends(&["PUBREL #1"]);
    });
}

/// Of a message whose payload is with the application, the journal has the rest.
#[test]
fn journal() {
    each(SETUP.durable(), |p| {
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.journals(&["Connected"]);
        p.publish(1, "t", "a", 1);
        p.publish_lent(1, "t", "payload", 2);
        p.publish_lent(0, "t", "zero", 3);
        p.publish_lent(2, "t", "two", 4);
        p.sends(&[]);
        p.journals(&[
            "PUBLISH q1 #1 t 'a'",
            "PUBLISH #2 lent",
            "PUBLISH #3 lent",
            "PUBLISH #4 lent",
        ]);
        p.sends(&[
            "PUBLISH q1 #1 t 'a'",
            "PUBLISH q1 #2 t 'payload'",
            "PUBLISH q0 t 'zero'",
            "PUBLISH q2 #4 t 'two'",
        ]);
        for compact in [false, true] {
            if compact {
                p.compact();
            }
            p.power_cut();
            assert_eq!(p.client.in_flight(), 3);
            p.connect();
            p.server(session());
            p.reports(&["Connected session"]);
            p.journals(&["Connected session"]);
            p.sends(&[
                "PUBLISH q1 #1 dup t 'a'",
                "PUBLISH q1 #2 dup t 'payload'",
                "PUBLISH q2 #4 dup t 'two'",
            ]);
        }
        p.server(puback(2));
        p.server(Packet::PubRec(mqtt_core::wire::Ack::new(id(4))));
        p.reports(&["Published #2"]);
        p.journals(&["Done #2", "Acknowledged #4"]);
        p.sends(&["PUBREL #4"]);
    });
}
