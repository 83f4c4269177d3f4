//! PINGREQ, and what becomes of its answer.

use core::time::Duration;

use mqtt_core::Config;
use mqtt_core::wire::{Packet, Property};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, V31, V311, each, run};

const SETUP: Setup = Setup::new().keep_alive(10);

/// The time to the deadline, and that the client is busy with nothing else.
#[track_caller]
fn wait(p: &mut Pair<'_>) -> u64 {
    p.run();
    let waited = p.wait_for_deadline();
    assert_ne!(waited, 0, "a deadline that has passed");
    waited
}

/// `[MQTT-3.1.2-20]`, `[3.1.1 MQTT-3.1.2-23]`: PINGREQ is on its way before the silence exceeds
/// the keep-alive.
#[test]
fn ping_before_the_silence_is_too_long() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        for _ in 0..5 {
            let waited = wait(p);
            assert!((9_000..10_000).contains(&waited), "{waited}");
            p.wait(0);
            p.sends(&["PINGREQ"]);
            p.wait(500);
            p.server(Packet::PingResp);
            p.reports(&[]);
            // The silence began with PINGREQ.
            let deadline = p.client.poll_timeout().unwrap().as_millis();
            assert!(deadline - p.now < 9_500);
        }
    });
}

/// A deadline is kept however often the client is called before it.
#[test]
fn calls_in_between_change_nothing() {
    each(SETUP, |p| {
        p.online();
        let deadline = p.client.poll_timeout();
        for _ in 0..90 {
            p.wait(100);
            p.sends(&[]);
            assert_eq!(p.client.poll_timeout(), deadline);
        }
    });
}

/// The silence counts from the last byte sent.
#[test]
fn no_ping_while_traffic_flows_both_ways() {
    each(SETUP, |p| {
        p.online();
        for number in 1..=10 {
            p.wait(6_000);
            p.publish(1, "t", "x", number);
            p.sends(&[&format!("PUBLISH q1 #{number} t 'x'")]);
            p.server(puback(number));
            p.reports(&[&format!("Published #{number}")]);
        }
    });
}

/// A server that only takes is asked whether it is there.
#[test]
fn ping_while_traffic_flows_one_way() {
    each(SETUP, |p| {
        p.online();
        let mut pings = 0;
        for _ in 1..=4 {
            p.wait(4_000);
            p.publish(0, "t", "x", 0);
            p.run();
            pings += p
                .take_sent()
                .iter()
                .filter(|sent| *sent == "PINGREQ")
                .count();
        }
        assert_eq!(pings, 1);
        assert_eq!(p.take_reported(), [""; 0]);
        p.wait(8_000);
        p.reports(&["! Timeout(Ping)"]);
        p.lose();
    });
    // And while only the server talks, PINGREQ leaves for the server's sake.
    each(SETUP, |p| {
        p.online();
        let mut pings = 0;
        for _ in 1..=4 {
            p.wait(4_000);
            p.server(publish(0, 0, "t", "x"));
            p.run();
            let sent = p.take_sent().len();
            if sent > 0 {
                p.server(Packet::PingResp);
            }
            pings += sent;
        }
        assert_eq!(pings, 1);
        p.run();
        assert_eq!(p.take_reported().len(), 4);
    });
}

/// The answer to PINGREQ ends the waiting for it: silence after it is no timeout.
#[test]
fn silence_after_the_answer_to_the_ping() {
    let config = Config {
        ping_timeout: Duration::from_secs(3),
        ..SETUP.config
    };
    each(SETUP.config(config), |p| {
        p.online();
        for _ in 0..3 {
            let waited = wait(p);
            assert!((9_000..10_000).contains(&waited), "{waited}");
            p.sends(&["PINGREQ"]);
            p.wait(500);
            p.server(Packet::PingResp);
            p.reports(&[]);
        }
    });
}

#[test]
fn an_event_that_waits_is_due_at_once() {
    each(SETUP, |p| {
        p.online();
        p.subscribe("t", 0, 1);
        p.sends(&["SUBSCRIBE #1 t q0"]);
        p.lose();
        assert_eq!(p.client.poll_timeout(), Some(p.now()));
        p.reports(&["Lost #1"]);
        assert_eq!(p.client.poll_timeout(), None);
    });
}

#[test]
fn no_answer_to_the_ping() {
    let config = Config {
        ping_timeout: Duration::from_secs(3),
        ..SETUP.config
    };
    each(SETUP.config(config), |p| {
        p.online();
        let _ = wait(p);
        p.sends(&["PINGREQ"]);
        assert_eq!(wait(p), 3_000);
        p.reports(&["! Timeout(Ping)"]);
        p.sends(&[]);
        assert!(p.client.is_closed());
        assert_eq!(p.client.poll_timeout(), None);
        p.lose();
        // The next connection starts afresh.
        p.online();
        assert!(wait(p) > 9_000);
        p.sends(&["PINGREQ"]);
        p.server(Packet::PingResp);
        p.reports(&[]);
    });
}

/// PINGRESP on the last millisecond is in time, even if the clock is read after.
#[test]
fn an_answer_that_arrives_late_but_arrives() {
    each(SETUP, |p| {
        p.online();
        let _ = wait(p);
        p.sends(&["PINGREQ"]);
        p.wait(20_000);
        p.server(Packet::PingResp);
        p.reports(&[]);
        // We were silent, too.
        p.sends(&["PINGREQ"]);
        assert!(p.client.is_connected());
    });
}

/// A PINGREQ that could not leave is waited for like one that did.
#[test]
fn a_stalled_wire() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        let _ = wait(p);
        p.run();
        let asked = p.now;
        while p.take_reported().is_empty() {
            let _ = wait(p);
            p.run();
        }
        assert_eq!(p.now - asked, 10_000);
        p.lose();
        p.stall(false);
    });
}

/// `[MQTT-3.1.2-21]`, `[MQTT-3.2.2-21]`.
#[test]
fn server_keep_alive() {
    run(&[V5], SETUP, |p| {
        p.connect();
        p.server(connack_with(&[Property::ServerKeepAlive(3)]));
        p.reports(&["Connected [ServerKeepAlive(3)]"]);
        assert!((2_500..3_000).contains(&wait(p)));
        p.sends(&["PINGREQ"]);
        p.lose();
        // It is the server's word for one connection.
        p.online();
        assert!(wait(p) > 9_000);
        p.sends(&["PINGREQ"]);
        p.lose();
        // 0 turns it off.
        p.connect();
        p.server(connack_with(&[Property::ServerKeepAlive(0)]));
        p.reports(&["Connected [ServerKeepAlive(0)]"]);
        assert_eq!(p.client.poll_timeout(), None);
    });
}

#[test]
fn no_keep_alive() {
    each(SETUP.keep_alive(0), |p| {
        p.online();
        assert_eq!(p.client.poll_timeout(), None);
        p.wait(1_000_000_000);
        p.sends(&[]);
        p.reports(&[]);
    });
    // Until the server wants one.
    run(&[V5], SETUP.keep_alive(0), |p| {
        p.connect();
        p.server(connack_with(&[Property::ServerKeepAlive(65_535)]));
        p.reports(&["Connected [ServerKeepAlive(65535)]"]);
        assert!((65_000_000..65_535_000).contains(&wait(p)));
        p.sends(&["PINGREQ"]);
    });
}

#[test]
fn the_shortest_keep_alive() {
    each(SETUP.keep_alive(1), |p| {
        p.online();
        for _ in 0..5 {
            assert!((500..1_000).contains(&wait(p)));
            p.sends(&["PINGREQ"]);
            p.server(Packet::PingResp);
            p.reports(&[]);
        }
    });
}

/// `[MQTT-3.1.2-20]` holds while an answer is outstanding, too: the server may be slow, and the
/// time to wait for it longer than the keep-alive.
#[test]
fn silence_while_waiting_for_an_answer() {
    let config = Config {
        ping_timeout: Duration::from_secs(60),
        ..SETUP.config
    };
    each(SETUP.config(config), |p| {
        p.online();
        let _ = wait(p);
        p.sends(&["PINGREQ"]);
        for _ in 0..5 {
            assert!(wait(p) < 10_000, "silent for longer than the keep-alive");
            p.sends(&["PINGREQ"]);
        }
        // One answer for all of them is enough.
        p.server(Packet::PingResp);
        p.reports(&[]);
        p.wait(9_000);
        p.reports(&[]);
        assert!(p.client.is_connected());
    });
}

/// A clock that goes backwards stands still.
#[test]
fn a_clock_that_goes_backwards() {
    each(SETUP, |p| {
        p.online();
        let deadline = p.client.poll_timeout().unwrap();
        p.now -= 500_000;
        p.publish(0, "t", "x", 0);
        p.sends(&["PUBLISH q0 t 'x'"]);
        p.server(publish(0, 0, "t", "y"));
        p.reports(&["Publish q0 t 'y'"]);
        assert_eq!(p.client.poll_timeout(), Some(deadline));
        p.now = deadline.as_millis();
        p.sends(&["PINGREQ"]);
        p.now = 0;
        p.server(Packet::PingResp);
        p.reports(&[]);
        assert!(p.client.poll_timeout().unwrap() > deadline);
        p.lose();
        p.now = 7;
        p.online();
        assert!(p.client.poll_timeout().unwrap() > deadline);
    });
}

#[test]
fn the_end_of_time() {
    each(SETUP, |p| {
        p.now = u64::MAX - 5;
        p.online();
        p.now = u64::MAX;
        p.run();
        let _ = (p.take_sent(), p.take_reported());
        p.lose();
    });
}

/// PINGRESP that nobody asked for.
#[test]
fn unexpected_pingresp() {
    each(SETUP, |p| {
        p.online();
        p.server(Packet::PingResp);
        p.reports(&[]);
        assert!(p.client.is_connected());
    });
}

/// Nothing is waited for after the goodbye, so that no deadline lies in the past.
#[test]
fn no_deadline_while_disconnecting() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish(0, "t", "x", 0);
        p.client.disconnect().unwrap();
        p.wait(60_000);
        p.reports(&[]);
        assert!(
            p.client
                .poll_timeout()
                .is_none_or(|deadline| deadline > p.now())
        );
        p.stall(false);
        p.sends(&["PUBLISH q0 t 'x'", "DISCONNECT"]);
    });
}

/// Before 5.0, an application that holds more messages than there are cells holds the server
/// back, PINGRESP included. That is no sign that the server is gone.
#[test]
fn an_application_that_takes_its_time_before_5() {
    // The small buffer is full with the second message, PINGRESP has to wait outside.
    for rx in [256, 8] {
        run(&[V31, V311], SETUP.manual().inbound(1).rx(rx), |p| {
            p.online();
            p.server(publish(1, 1, "t", "a"));
            p.server(publish(1, 2, "t", "b"));
            p.reports(&["Publish q1 #1 t 'a'"]);
            for _ in 0..60 {
                p.wait(1_000);
                p.run();
                for _ in p.take_sent() {
                    p.server(Packet::PingResp);
                }
            }
            p.acknowledge(1);
            p.reports(&["Publish q1 #2 t 'b'"]);
            p.acknowledge(2);
            p.run();
            let _ = p.take_sent();
        });
    }
}

/// A link that dies within a streamed message is noticed like any other.
#[test]
fn no_answer_within_a_streamed_message() {
    each(SETUP.rx(40), |p| {
        p.online();
        let payload = "x".repeat(300);
        let bytes = p.encode(publish(1, 1, "t", &payload));
        p.bytes(&bytes[..100]);
        p.reports(&[]);
        let _ = wait(p);
        p.sends(&["PINGREQ"]);
        p.wait(30_000);
        p.reports(&["! Timeout(Ping)"]);
        p.lose();
        p.reports(&["Aborted"]);
    });
}

/// The beginning of a packet counts once as a sign of life, not each time it is looked at.
#[test]
fn half_a_packet_is_no_traffic() {
    each(SETUP, |p| {
        p.online();
        p.bytes(&[0x30, 3]);
        p.reports(&[]);
        let deadline = p.client.poll_timeout();
        for _ in 0..90 {
            p.wait(100);
            p.sends(&[]);
            assert_eq!(p.client.poll_timeout(), deadline);
        }
    });
}

/// While a message leaves slowly, the server has nothing to say. What it takes shows that it is
/// there, and PINGREQ waits for its turn.
#[test]
fn a_large_message_on_a_slow_link() {
    each(SETUP.tx(4096), |p| {
        p.online();
        p.stall(true);
        p.publish(1, "t", &"x".repeat(500), 1);
        for _ in 0..50 {
            p.take(10);
            p.wait(5_000);
            p.reports(&[]);
        }
        p.stall(false);
        p.run();
        assert_eq!(p.take_sent().last().unwrap(), "PINGREQ");
        p.server(puback(1));
        p.server(Packet::PingResp);
        p.reports(&["Published #1"]);
    });
}

/// One PINGREQ waits to leave, whatever the server answers unasked.
#[test]
fn answers_while_the_question_is_still_queued() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        for _ in 0..5 {
            p.wait(9_950);
            p.server(Packet::PingResp);
            p.reports(&[]);
        }
        p.stall(false);
        p.sends(&["PINGREQ"]);
    });
}

/// A packet that is held back because nothing leaves does not keep a dead link alive.
#[test]
fn a_dead_link_that_holds_back_a_packet() {
    run(&[V31, V311], SETUP.tx(80).inbound(2), |p| {
        p.online();
        p.stall(true);
        for number in 1..=20 {
            p.server(publish(1, number, "t", ""));
        }
        p.run();
        let taken = p.take_reported().len();
        assert!(taken < 20, "{taken}");
        let since = p.now;
        while p.client.poll_timeout().is_some() {
            let _ = p.wait_for_deadline();
            p.run();
            assert!(p.now - since <= 20_000, "still alive");
        }
        p.reports(&["! Timeout(Ping)"]);
        p.lose();
        p.stall(false);
    });
}
