//! Messages that are not worth sending after a while.

use mqtt_core::wire::{Property, ReasonCode};
use mqtt_core::{Message, Resource};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

/// Publishes a message that expires.
#[track_caller]
fn publish_expiring(p: &mut Pair<'_>, payload: &str, seconds: u32, id: u16) {
    let properties = [
        Property::UserProperty("a", "b"),
        Property::MessageExpiryInterval(seconds),
        Property::ContentType("text"),
    ];
    let message = Message::new("t", payload.as_bytes())
        .qos(qos(1))
        .properties(&properties);
    let got = p.client.publish(&message).unwrap().unwrap();
    assert_eq!(got.get(), id);
}

fn sent(id: u16, payload: &str, flag: &str, seconds: u32) -> String {
    format!(
        "PUBLISH q1 #{id}{flag} t '{payload}' [UserProperty(\"a\", \"b\"), \
         MessageExpiryInterval({seconds}), ContentType(\"text\")]"
    )
}

/// A message that waits leaves with the rest of its time, or not at all.
#[test]
fn published_offline() {
    run(&[V5], SETUP, |p| {
        publish_expiring(p, "first", 5, 1);
        // The time is known from here on.
        p.reports(&[]);
        publish_expiring(p, "a", 60, 2);
        publish_expiring(p, "b", 7, 3);
        p.publish(1, "t", "for ever", 4);
        p.wait(4_000);
        p.reports(&[]);
        publish_expiring(p, "c", 100, 5);
        p.wait(4_000);
        p.reports(&["Lost #1", "Lost #3"]);
        assert_eq!(p.client.in_flight(), 3);
        p.wait(2_500);
        p.online();
        p.sends(&[
            &sent(2, "a", "", 50),
            "PUBLISH q1 #4 t 'for ever'",
            &sent(5, "c", "", 94),
        ]);
    });
}

/// The deadline says when to look.
#[test]
fn the_deadline_while_offline() {
    run(&[V5], SETUP, |p| {
        p.reports(&[]);
        assert_eq!(p.client.poll_timeout(), None);
        publish_expiring(p, "a", 60, 1);
        publish_expiring(p, "b", 7, 2);
        // Seconds are counted whole, and none too few.
        assert_eq!(p.wait_for_deadline(), 8_000);
        p.reports(&["Lost #2"]);
        assert_eq!(p.wait_for_deadline(), 53_000);
        p.reports(&["Lost #1"]);
        assert_eq!(p.client.poll_timeout(), None);
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// What has expired makes room.
#[test]
fn room_returns() {
    run(&[V5], SETUP.slots(2), |p| {
        p.reports(&[]);
        publish_expiring(p, "a", 2, 1);
        publish_expiring(p, "b", 5, 2);
        let message = Message::new("t", b"").qos(qos(1));
        p.refuses(Resource::Slots, |c| c.publish(&message));
        p.wait(3_000);
        p.reports(&["Lost #1", "Writable"]);
        p.publish(1, "t", "c", 3);
        p.online();
        p.sends(&[&sent(2, "b", "", 2), "PUBLISH q1 #3 t 'c'"]);
    });
}

/// Beyond the server's Receive Maximum a message waits, too.
#[test]
fn expired_while_the_window_was_full() {
    run(&[V5], SETUP, |p| {
        p.reports(&[]);
        for (id, payload) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
            publish_expiring(p, payload, [100, 5, 100, 5][usize::from(id) - 1], id);
        }
        p.publish(1, "t", "e", 5);
        p.connect();
        let properties = [Property::ReceiveMaximum(1)];
        p.server(connack_with(&properties));
        p.run();
        let _ = p.take_reported();
        p.sends(&[&sent(1, "a", "", 100)]);
        p.wait(6_000);
        p.server(puback(1));
        // 4 is given up as soon as 3 has left.
        p.reports(&["Published #1", "Lost #2", "Lost #4"]);
        p.sends(&[&sent(3, "c", "", 94)]);
        p.server(puback(3));
        p.reports(&["Published #3"]);
        p.sends(&["PUBLISH q1 #5 t 'e'"]);
    });
}

/// A message that was sent is sent again as it was, however late `[MQTT-4.4.0-1]`.
#[test]
fn sent_messages_do_not_expire() {
    run(&[V5], SETUP, |p| {
        p.online();
        publish_expiring(p, "a", 5, 1);
        p.sends(&[&sent(1, "a", "", 5)]);
        p.stall(true);
        publish_expiring(p, "b", 5, 2);
        publish_expiring(p, "c", 50, 3);
        p.lose();
        p.stall(false);
        p.wait(10_000);
        p.reports(&["Lost #2"]);
        p.resume();
        p.sends(&[&sent(1, "a", " dup", 5), &sent(3, "c", "", 40)]);
    });
}

/// Nor between the server's DISCONNECT and the end.
#[test]
fn sent_messages_do_not_expire_while_the_connection_ends() {
    run(&[V5], SETUP, |p| {
        p.online();
        publish_expiring(p, "a", 1, 1);
        p.sends(&[&sent(1, "a", "", 1)]);
        p.stall(true);
        p.publish(1, "t", "b", 2);
        p.server(disconnect(ReasonCode::ServerShuttingDown));
        p.reports(&["Disconnected 0x8b"]);
        p.wait(5_000);
        p.reports(&[]);
        p.lose();
        p.stall(false);
        p.resume();
        p.sends(&[&sent(1, "a", " dup", 1), "PUBLISH q1 #2 t 'b'"]);
    });
}

/// With an interval of 0 a message is sent at once or not at all.
#[test]
fn an_interval_of_zero() {
    run(&[V5], SETUP, |p| {
        p.online();
        publish_expiring(p, "a", 0, 1);
        p.sends(&[&sent(1, "a", "", 0)]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
        p.wait(1_000);
        p.lose();
        publish_expiring(p, "b", 0, 2);
        p.reports(&["Lost #2"]);
    });
}

/// A clock that runs to its end.
#[test]
fn the_end_of_time() {
    run(&[V5], SETUP, |p| {
        p.reports(&[]);
        publish_expiring(p, "a", u32::MAX, 1);
        publish_expiring(p, "b", 60, 2);
        p.now = u64::MAX;
        p.reports(&["Lost #1", "Lost #2"]);
        publish_expiring(p, "c", u32::MAX, 3);
        p.client.connect(p.now()).unwrap();
        p.run();
        let _ = (p.take_sent(), p.take_reported());
        p.lose();
        p.run();
        let _ = p.take_reported();
    });
}

/// A payload that stays with the application is not asked for in vain.
#[test]
fn lent_payloads() {
    run(&[V5], SETUP, |p| {
        p.reports(&[]);
        let properties = [Property::MessageExpiryInterval(5)];
        let message = Message::new("t", b"").qos(qos(2)).properties(&properties);
        assert_eq!(p.client.publish_lent(&message, 7).unwrap().get(), 1);
        p.publish_lent(1, "t", "payload", 2);
        p.wait(6_000);
        p.reports(&["Lost #1"]);
        p.online();
        p.sends(&["PUBLISH q1 #2 t 'payload'"]);
    });
}

/// Nor after a loss of power.
#[test]
fn sent_messages_do_not_expire_after_a_power_cut() {
    run(&[V5], SETUP.durable(), |p| {
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.journals(&["Connected"]);
        publish_expiring(p, "a", 5, 1);
        p.journals(&[&sent(1, "a", "", 5)]);
        p.sends(&[&sent(1, "a", "", 5)]);
        p.lose();
        p.journals(&["Disconnected"]);
        for compact in [false, true] {
            if compact {
                p.compact();
            }
            p.power_cut();
            p.reports(&[]);
            p.wait(10_000);
            p.reports(&[]);
            assert_eq!(p.client.in_flight(), 1);
        }
        p.connect();
        p.server(session());
        p.reports(&["Connected session"]);
        p.journals(&["Connected session"]);
        p.sends(&[&sent(1, "a", " dup", 5)]);
    });
}

/// A restored message counts from the restart: how long the power was off is not known.
#[test]
fn after_a_power_cut() {
    run(&[V5], SETUP.durable(), |p| {
        p.reports(&[]);
        publish_expiring(p, "a", 5, 1);
        publish_expiring(p, "b", 50, 2);
        p.run();
        p.journals(&[&sent(1, "a", "", 5), &sent(2, "b", "", 50)]);
        p.wait(3_000);
        p.power_cut();
        p.reports(&[]);
        p.wait(5_000);
        p.reports(&[]);
        p.wait(1_000);
        p.reports(&["Lost #1"]);
        p.journals(&["Done #1"]);
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.journals(&["Connected"]);
        p.sends(&[&sent(2, "b", "", 44)]);
    });
}
