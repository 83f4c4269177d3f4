//! How many messages may be in flight, and what happens beyond that.

use mqtt_core::wire::{Packet, Property, ReasonCode};
use mqtt_core::{Message, Resource, UsageError};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, each, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

/// Connects to a server with this Receive Maximum.
#[track_caller]
fn online(p: &mut Pair<'_>, receive_maximum: u16) {
    p.connect();
    p.server(connack_with(&[Property::ReceiveMaximum(receive_maximum)]));
    p.reports(&[&format!("Connected [ReceiveMaximum({receive_maximum})]")]);
}

/// `[MQTT-3.3.4-7]`, `[MQTT-4.9.0-1]`, `[MQTT-4.9.0-2]`.
#[test]
fn receive_maximum() {
    run(&[V5], SETUP, |p| {
        online(p, 2);
        p.publish(1, "t", "a", 1);
        p.publish(2, "t", "b", 2);
        p.sends(&["PUBLISH q1 #1 t 'a'", "PUBLISH q2 #2 t 'b'"]);
        for level in 1..=2 {
            p.refuses(Resource::Window, |client| {
                client.publish(&Message::new("t", b"x").qos(qos(level)))
            });
        }
        p.server(puback(1));
        p.reports(&["Published #1", "Writable"]);
        p.publish(1, "t", "c", 3);
        p.sends(&["PUBLISH q1 #3 t 'c'"]);
        p.refuses(Resource::Window, |client| {
            client.publish(&Message::new("t", b"x").qos(qos(1)))
        });
    });
}

/// `[MQTT-4.9.0-2]`: a successful PUBREC does not give the quota back, PUBCOMP does.
#[test]
fn quota_of_qos_2_returns_at_pubcomp() {
    run(&[V5], SETUP, |p| {
        online(p, 1);
        p.publish(2, "t", "a", 1);
        p.sends(&["PUBLISH q2 #1 t 'a'"]);
        p.server(pubrec(1));
        p.sends(&["PUBREL #1"]);
        p.refuses(Resource::Window, |client| {
            client.publish(&Message::new("t", b"x").qos(qos(1)))
        });
        p.server(pubcomp(1));
        p.reports(&["Published #1", "Writable"]);
        p.publish(2, "t", "b", 2);
        p.sends(&["PUBLISH q2 #2 t 'b'"]);
        // An error ends it at once.
        p.refuses(Resource::Window, |client| {
            client.publish(&Message::new("t", b"x").qos(qos(1)))
        });
        p.server(Packet::PubRec(ack(2, ReasonCode::QuotaExceeded)));
        p.reports(&["Published #2 0x97", "Writable"]);
        p.publish(1, "t", "c", 3);
        p.sends(&["PUBLISH q1 #3 t 'c'"]);
    });
}

/// Writable says that there is room again: neither what was sent nor PUBREC opens the window.
#[test]
fn writable_comes_when_the_window_opens_and_not_before() {
    run(&[V5], SETUP, |p| {
        online(p, 1);
        p.publish(2, "t", "a", 1);
        p.refuses(Resource::Window, |client| {
            client.publish(&Message::new("t", b"x").qos(qos(1)))
        });
        p.sends(&["PUBLISH q2 #1 t 'a'"]);
        p.reports(&[]);
        p.server(pubrec(1));
        p.sends(&["PUBREL #1"]);
        p.reports(&[]);
        p.server(pubcomp(1));
        p.reports(&["Published #1", "Writable"]);
    });
}

/// `[MQTT-3.3.4-8]`, `[MQTT-4.9.0-3]`: a full window holds back nothing but messages.
#[test]
fn requests_pass_a_full_window() {
    run(&[V5], SETUP, |p| {
        online(p, 1);
        p.publish(1, "t", "a", 1);
        p.subscribe("t", 0, 2);
        assert_eq!(p.client.unsubscribe(&["t"]).unwrap().get(), 3);
        p.publish(0, "t", "b", 0);
        p.run();
        assert_eq!(p.take_sent().len(), 4);
        p.server(publish(1, 9, "t", "in"));
        p.sends(&["PUBACK #9"]);
        p.reports(&["Publish q1 #9 t 'in'"]);
    });
}

/// The slots are the other limit.
#[test]
fn slots() {
    each(SETUP.slots(2), |p| {
        p.online();
        p.publish(1, "t", "a", 1);
        p.subscribe("t", 0, 2);
        p.run();
        assert_eq!(p.take_sent().len(), 2);
        p.refuses(Resource::Slots, |client| client.unsubscribe(&["t"]));
        p.refuses(Resource::Slots, |client| {
            client.publish(&Message::new("t", b"x").qos(qos(2)))
        });
        p.reports(&[]);
        p.server(suback(2, &[ReasonCode::Success]));
        p.reports(&["Subscribed #2 [0]", "Writable"]);
        // 3 would have the slot of 1.
        p.publish(1, "t", "b", 4);
        p.sends(&["PUBLISH q1 #4 t 'b'"]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
    });
}

/// QoS 0 takes no slot and counts for nothing.
#[test]
fn qos_0_needs_no_slot() {
    each(SETUP.slots(0), |p| {
        p.online();
        for _ in 0..3 {
            p.publish(0, "t", "x", 0);
            p.sends(&["PUBLISH q0 t 'x'"]);
        }
        p.refuses(Resource::Slots, |client| {
            client.publish(&Message::new("t", b"").qos(qos(1)))
        });
        p.refuses(Resource::Slots, |client| client.unsubscribe(&["t"]));
        p.reports(&[]);
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// The arena is full of messages; those that are through make room.
#[test]
fn arena() {
    each(SETUP.tx(128), |p| {
        p.online();
        let payload = "x".repeat(20);
        let mut sent = 0;
        while p
            .client
            .publish(&Message::new("t", payload.as_bytes()).qos(qos(1)))
            .is_ok()
        {
            sent += 1;
        }
        assert!((2..5).contains(&sent));
        p.run();
        assert_eq!(p.take_sent().len(), sent);
        let _ = p.take_reported();
        let message = Message::new("t", payload.as_bytes());
        p.refuses(Resource::Messages, |client| {
            client.publish(&message.qos(qos(1)))
        });
        p.refuses(Resource::Messages, |client| client.publish(&message));
        p.refuses(UsageError::BufferTooSmall, |client| {
            client.publish(&Message::new("t", &[0; 200]))
        });
        p.server(puback(2));
        p.run();
        assert_eq!(p.take_reported(), ["Published #2", "Writable"]);
        let _ = p.client.publish(&message).unwrap();
        p.sends(&[&format!("PUBLISH q0 t '{payload}'")]);
    });
}

/// PUBREC frees the payload, and keeps the identifier.
#[test]
fn pubrec_makes_room_for_payloads() {
    each(SETUP.tx(80).slots(4), |p| {
        p.online();
        let payload = "x".repeat(40);
        p.publish(2, "t", &payload, 1);
        let message = Message::new("t", payload.as_bytes()).qos(qos(2));
        p.run();
        assert_eq!(p.take_sent().len(), 1);
        p.refuses(Resource::Messages, |client| client.publish(&message));
        p.server(pubrec(1));
        p.sends(&["PUBREL #1"]);
        p.reports(&["Writable"]);
        p.publish(2, "t", &payload, 2);
        assert_eq!(p.client.in_flight(), 2);
        p.run();
        assert_eq!(p.take_sent().len(), 1);
        p.server(pubcomp(1));
        p.reports(&["Published #1"]);
    });
}

/// QoS 0 gives its room back as soon as it is sent.
#[test]
fn room_of_qos_0_returns_when_it_is_sent() {
    each(SETUP.tx(80), |p| {
        p.online();
        let payload = "x".repeat(40);
        let message = Message::new("t", payload.as_bytes());
        for _ in 0..5 {
            p.stall(true);
            let _ = p.client.publish(&message).unwrap();
            p.refuses(Resource::Messages, |client| client.publish(&message));
            p.reports(&[]);
            p.stall(false);
            p.sends(&[&format!("PUBLISH q0 t '{payload}'")]);
            p.reports(&["Writable"]);
        }
    });
}

/// Refused offline: CONNECT on its way is no reason to try again.
#[test]
fn writable_does_not_come_because_of_other_packets() {
    each(SETUP.tx(80), |p| {
        let payload = "x".repeat(40);
        p.publish(1, "t", &payload, 1);
        let message = Message::new("t", payload.as_bytes()).qos(qos(1));
        p.refuses(Resource::Messages, |client| client.publish(&message));
        p.reports(&[]);
        p.online();
        p.run();
        assert_eq!(p.take_sent().len(), 1);
        p.server(puback(1));
        p.reports(&["Published #1", "Writable"]);
    });
}

/// Messages at QoS 0 that go with the connection leave room.
#[test]
fn writable_comes_when_a_lost_connection_makes_room() {
    each(SETUP.tx(120), |p| {
        p.online();
        p.stall(true);
        let message = Message::new("t", &[b'x'; 20]);
        while p.client.publish(&message).is_ok() {}
        p.lose();
        p.stall(false);
        p.reports(&["Writable"]);
        p.online();
    });
}

/// A message at QoS 0 leaves room also where a kept one stands in the way.
#[test]
fn writable_comes_when_a_hole_makes_room() {
    each(SETUP.tx(120), |p| {
        p.online();
        p.stall(true);
        p.publish(1, "t", "kept", 1);
        let message = Message::new("t", &[b'x'; 20]);
        while p.client.publish(&message).is_ok() {}
        p.reports(&[]);
        p.stall(false);
        p.reports(&["Writable"]);
        assert_eq!(p.client.publish(&message), Ok(None));
        p.run();
        let _ = p.take_sent();
        let _ = p.take_reported();
    });
}
