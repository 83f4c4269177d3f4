//! The next connection: what is sent again, and what is lost.

use mqtt_core::wire::{Packet, Property, ReasonCode};
use mqtt_core::{Message, Resource};

use super::pair::say::*;
use super::pair::{Setup, V5, V31, V311, each, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

/// `[MQTT-4.4.0-1]`, `[MQTT-3.3.1-1]`, `[MQTT-4.6.0-1]`: in order, with DUP and the old
/// identifiers.
#[test]
fn sent_again_in_order() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        p.publish(1, "t", "a", 1);
        p.publish(2, "t", "b", 2);
        p.publish(0, "t", "zero", 0);
        p.publish(1, "t", "c", 3);
        p.publish(2, "t", "d", 4);
        p.run();
        assert_eq!(p.take_sent().len(), 5);
        p.server(pubrec(4));
        p.sends(&["PUBREL #4"]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
        for _ in 0..3 {
            p.lose();
            assert!(p.client.transmit().is_empty());
            p.connect();
            p.sends(&[]);
            let connack = if p.version == V31 {
                connack()
            } else {
                session()
            };
            p.server(connack);
            p.sends(&[
                "PUBREL #4",
                "PUBLISH q2 #2 dup t 'b'",
                "PUBLISH q1 #3 dup t 'c'",
            ]);
            let _ = p.take_reported();
        }
        p.server(pubcomp(4));
        p.server(puback(3));
        p.server(pubrec(2));
        p.sends(&["PUBREL #2"]);
        p.server(pubcomp(2));
        p.reports(&["Published #4", "Published #3", "Published #2"]);
        assert_eq!(p.client.in_flight(), 0);
        p.publish(1, "t", "e", 5);
        p.sends(&["PUBLISH q1 #5 t 'e'"]);
    });
}

/// `[MQTT-4.4.0-1]`: at no other time, however long the answer takes.
#[test]
fn not_sent_again_within_a_connection() {
    each(SETUP.keep_alive(10), |p| {
        p.online();
        p.publish(1, "t", "a", 1);
        p.publish(2, "t", "b", 2);
        p.run();
        assert_eq!(p.take_sent().len(), 2);
        for _ in 0..20 {
            let _ = p.wait_for_deadline();
            p.sends(&["PINGREQ"]);
            p.server(Packet::PingResp);
            p.reports(&[]);
        }
    });
}

/// `[MQTT-4.3.3-6]`: after PUBREC only PUBREL.
#[test]
fn pubrel_is_sent_again() {
    each(SETUP, |p| {
        p.online();
        for (number, payload) in [(1, "a"), (2, "b"), (3, "c")] {
            p.publish(2, "t", payload, number);
        }
        p.run();
        let _ = p.take_sent();
        // [MQTT-4.6.0-4]: in the order of PUBREC.
        p.server(pubrec(3));
        p.server(pubrec(1));
        p.sends(&["PUBREL #3", "PUBREL #1"]);
        // This one's PUBREL does not leave any more.
        p.stall(true);
        p.server(pubrec(2));
        p.run();
        p.lose();
        p.stall(false);
        p.resume();
        p.sends(&["PUBREL #3", "PUBREL #1", "PUBREL #2"]);
        p.server(pubcomp(2));
        p.reports(&["Published #2"]);
        p.lose();
        p.resume();
        p.sends(&["PUBREL #3", "PUBREL #1"]);
    });
}

/// PUBCOMP 0x92 to a repeated PUBREL: the server had done with the message already.
#[test]
fn pubcomp_not_found_after_a_reconnect() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.publish(2, "t", "x", 1);
        p.sends(&["PUBLISH q2 #1 t 'x'"]);
        p.server(pubrec(1));
        p.sends(&["PUBREL #1"]);
        p.lose();
        p.resume();
        p.sends(&["PUBREL #1"]);
        p.server(Packet::PubComp(ack(
            1,
            ReasonCode::PacketIdentifierNotFound,
        )));
        p.run();
        let reported = p.take_reported();
        assert_eq!(reported.len(), 1);
        assert!(reported[0].starts_with("Published #1"));
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// Messages that were not sent yet are sent without DUP.
#[test]
fn never_sent() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "a", 1);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.stall(true);
        p.publish(1, "t", "b", 2);
        p.publish(0, "t", "zero", 0);
        p.lose();
        p.publish(2, "t", "c", 3);
        p.stall(false);
        p.resume();
        p.sends(&[
            "PUBLISH q1 #1 dup t 'a'",
            "PUBLISH q1 #2 t 'b'",
            "PUBLISH q2 #3 t 'c'",
        ]);
    });
}

/// A packet that was sent in part may have arrived: it gets DUP from its first byte on.
#[test]
fn sent_in_part() {
    each(SETUP, |p| {
        let len = p.encode(publish(1, 1, "t", "a")).len();
        for cut in 0..=2 * len {
            p.online();
            let first = u16::try_from(2 * cut).unwrap() + 1;
            p.stall(true);
            // Two slots for each round, of which there are eight.
            p.publish(1, "t", "a", first);
            p.publish(1, "t", "b", first + 1);
            p.take(cut);
            let whole = p.take_sent().len();
            assert_eq!(whole, cut / len);
            p.lose();
            p.stall(false);
            p.resume();
            let dup = |begun| if begun { " dup" } else { "" };
            p.sends(&[
                &format!("PUBLISH q1 #{first}{} t 'a'", dup(cut > 0)),
                &format!("PUBLISH q1 #{}{} t 'b'", first + 1, dup(cut > len)),
            ]);
            p.server(puback(first));
            p.server(puback(first + 1));
            p.run();
            assert_eq!(p.take_reported().len(), 2);
            p.lose();
        }
    });
}

/// `[MQTT-3.2.2-5]`, `[3.1.1 MQTT-3.2.2-3]`: without the session, what was sent is lost and
/// reported once, what was not is sent.
#[test]
fn the_session_is_gone() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "a", 1);
        p.publish(2, "t", "b", 2);
        p.publish(2, "t", "c", 3);
        p.run();
        assert_eq!(p.take_sent().len(), 3);
        p.server(pubrec(2));
        p.sends(&["PUBREL #2"]);
        p.stall(true);
        p.publish(1, "t", "d", 4);
        p.lose();
        p.stall(false);
        p.publish(2, "t", "e", 5);
        assert_eq!(p.client.in_flight(), 5);
        p.connect();
        p.server(connack());
        p.run();
        let mut reported = p.take_reported();
        assert_eq!(reported.remove(0), "Connected");
        reported.sort();
        assert_eq!(reported, ["Lost #1", "Lost #2", "Lost #3"]);
        p.sends(&["PUBLISH q1 #4 t 'd'", "PUBLISH q2 #5 t 'e'"]);
        assert_eq!(p.client.in_flight(), 2);
        p.server(puback(4));
        p.reports(&["Published #4"]);
        // Sent now, so lost the next time.
        p.lose();
        p.connect();
        p.server(connack());
        p.reports(&["Connected", "Lost #5"]);
        p.sends(&[]);
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// `[MQTT-3.1.2-4]`: a clean start begins a new session, whatever there was.
#[test]
fn clean_start() {
    run(&[V31, V311, V5], SETUP.clean(), |p| {
        p.online();
        p.publish(1, "t", "a", 1);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.lose();
        p.publish(1, "t", "b", 2);
        p.connect();
        p.server(connack());
        p.reports(&["Connected", "Lost #1"]);
        p.sends(&["PUBLISH q1 #2 t 'b'"]);
    });
}

/// `[MQTT-3.2.2-4]`: session present, but this client has never had one. It is a server's mistake
/// only if the client was not just switched on, which it cannot know of itself.
#[test]
fn a_session_from_before_the_client_was_switched_on() {
    each(SETUP, |p| {
        p.resume();
        p.server(dup(publish(2, 5, "t", "x")));
        p.server(pubrel(4));
        p.reports(&["Publish q2 #5 dup t 'x'"]);
        p.sends(&[
            "PUBREC #5",
            if p.is_v5() {
                "PUBCOMP #4 0x92"
            } else {
                "PUBCOMP #4"
            },
        ]);
    });
}

/// A refused connection takes nothing from the session.
#[test]
fn refused_in_between() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "a", 1);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.server(publish(2, 5, "t", "x"));
        p.reports(&["Publish q2 #5 t 'x'"]);
        p.sends(&["PUBREC #5"]);
        p.lose();
        p.connect();
        p.server(mqtt_core::wire::ConnAck::new(
            false,
            ReasonCode::ServerUnavailable,
        ));
        p.reports(&["Refused 0x88"]);
        p.lose();
        // Nor does one that ends before any answer.
        p.connect();
        p.lose();
        p.resume();
        p.sends(&["PUBLISH q1 #1 dup t 'a'"]);
        p.server(dup(publish(2, 5, "t", "x")));
        p.sends(&["PUBREC #5"]);
        p.reports(&[]);
    });
}

/// `[MQTT-4.9.0-2]` on the next connection: a smaller Receive Maximum holds back the rest.
#[test]
fn smaller_receive_maximum() {
    run(&[V5], SETUP, |p| {
        p.online();
        for (number, payload) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
            p.publish(1, "t", payload, number);
        }
        p.run();
        assert_eq!(p.take_sent().len(), 4);
        p.lose();
        p.publish(2, "t", "e", 5);
        p.connect();
        p.server(session_with(&[Property::ReceiveMaximum(2)]));
        p.reports(&["Connected session [ReceiveMaximum(2)]"]);
        p.sends(&["PUBLISH q1 #1 dup t 'a'", "PUBLISH q1 #2 dup t 'b'"]);
        p.refuses(Resource::Window, |client| {
            client.publish(&Message::new("t", b"").qos(qos(1)))
        });
        p.server(puback(2));
        p.sends(&["PUBLISH q1 #3 dup t 'c'"]);
        p.server(puback(1));
        p.sends(&["PUBLISH q1 #4 dup t 'd'"]);
        p.server(puback(3));
        p.server(puback(4));
        p.sends(&["PUBLISH q2 #5 t 'e'"]);
        p.run();
        let reported = p.take_reported();
        assert_eq!(
            reported
                .iter()
                .filter(|text| text.starts_with("Published"))
                .count(),
            4
        );
    });
}

/// The held-back rest survives one more connection, with DUP only where it belongs.
#[test]
fn smaller_receive_maximum_twice() {
    run(&[V5], SETUP, |p| {
        for (number, payload) in [(1, "a"), (2, "b"), (3, "c")] {
            p.publish(2, "t", payload, number);
        }
        for (dup, receive_maximum) in [("", 1), (" dup", 1), (" dup", 2)] {
            p.connect();
            p.server(session_with(&[Property::ReceiveMaximum(receive_maximum)]));
            p.run();
            let first = format!("PUBLISH q2 #1{dup} t 'a'");
            p.sends(&[&first, "PUBLISH q2 #2 t 'b'"][..receive_maximum.into()]);
            let _ = p.take_reported();
            if receive_maximum == 1 {
                p.lose();
            }
        }
        // A successful PUBREC does not give the quota back.
        p.server(pubrec(1));
        p.sends(&["PUBREL #1"]);
        p.server(Packet::PubRec(ack(2, ReasonCode::QuotaExceeded)));
        p.sends(&["PUBLISH q2 #3 t 'c'"]);
        p.server(pubcomp(1));
        p.reports(&["Published #2 0x97", "Published #1"]);
    });
}

/// PUBREL counts against the quota, but is never held back by it.
#[test]
fn pubrel_passes_a_full_window() {
    run(&[V5], SETUP, |p| {
        p.online();
        for (number, payload) in [(1, "a"), (2, "b"), (3, "c")] {
            p.publish(2, "t", payload, number);
        }
        p.run();
        let _ = p.take_sent();
        p.server(pubrec(1));
        p.server(pubrec(2));
        p.sends(&["PUBREL #1", "PUBREL #2"]);
        p.lose();
        p.connect();
        p.server(session_with(&[Property::ReceiveMaximum(1)]));
        p.sends(&["PUBREL #1", "PUBREL #2"]);
        p.server(pubcomp(1));
        p.sends(&[]);
        p.server(pubcomp(2));
        p.sends(&["PUBLISH q2 #3 dup t 'c'"]);
        p.run();
        let reported = p.take_reported();
        assert_eq!(reported[1..], ["Published #1", "Published #2"]);
    });
}

/// Acknowledgements of an earlier connection are not sent on the next one.
#[test]
fn queued_packets_end_with_their_connection() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.server(publish(1, 5, "t", "x"));
        p.reports(&["Publish q1 #5 t 'x'"]);
        assert!(!p.client.transmit().is_empty());
        p.lose();
        assert!(p.client.transmit().is_empty());
        p.stall(false);
        p.resume();
        p.sends(&[]);
    });
}

/// The link dies within a packet; the rest of it never comes.
#[test]
fn lost_within_a_received_packet() {
    each(SETUP, |p| {
        let packet = p.encode(publish(1, 5, "t", "payload"));
        for cut in 1..packet.len() {
            p.resume();
            p.bytes(&packet[..cut]);
            p.reports(&[]);
            p.lose();
        }
        p.resume();
        p.bytes(&packet);
        p.reports(&["Publish q1 #5 t 'payload'"]);
        p.sends(&["PUBACK #5"]);
    });
}

#[test]
fn connection_lost_without_a_connection() {
    each(SETUP, |p| {
        p.lose();
        p.publish(1, "t", "a", 1);
        p.lose();
        p.online();
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.lose();
        p.lose();
        p.resume();
        p.sends(&["PUBLISH q1 #1 dup t 'a'"]);
    });
}

/// A PUBREL that found no room among the queued packets.
#[test]
fn pubrel_that_was_not_even_queued() {
    for kept in [true, false] {
        each(SETUP.tx(200).slots(30), |p| {
            p.online();
            p.publish(2, "t", "a", 1);
            p.publish(2, "t", "b", 2);
            p.run();
            let _ = p.take_sent();
            p.server(pubrec(2));
            p.sends(&["PUBREL #2"]);
            p.stall(true);
            while p.client.unsubscribe(&["t"]).is_ok() {}
            p.server(pubrec(1));
            p.run();
            p.lose();
            p.stall(false);
            p.connect();
            p.server(if kept { session() } else { connack() });
            p.run();
            let expected: &[&str] = &["PUBREL #2", "PUBREL #1"];
            assert_eq!(p.take_sent(), if kept { expected } else { &[] });
            let reported = p.take_reported();
            let lost = ["Lost #1", "Lost #2"];
            assert!(
                lost.iter()
                    .all(|lost| reported.iter().any(|text| text == lost) != kept)
            );
        });
    }
}
