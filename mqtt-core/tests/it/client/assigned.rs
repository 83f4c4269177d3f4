//! The client identifier that a server assigns.

use mqtt_core::wire::{Property, ReasonCode};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, run};

const fn setup(clean: bool) -> Setup {
    let mut setup = Setup::new();
    setup.config.client_id = "";
    setup.config.clean_start = clean;
    setup.config.session_expiry = 60;
    setup
}

/// Connects, the server assigning an identifier, or none.
#[track_caller]
fn connect(p: &mut Pair<'_>, connect: &str, assigned: &str) {
    p.client.connect(p.now()).unwrap();
    let clean = if p.config().clean_start { " clean" } else { "" };
    p.sends(&[&format!(
        "CONNECT 5.0 '{connect}'{clean} keep 0 [ReceiveMaximum(8), SessionExpiryInterval(60)]"
    )]);
    let properties = [Property::AssignedClientIdentifier(assigned)];
    p.server(match assigned {
        "" => session(),
        _ if p.config().clean_start => connack_with(&properties),
        _ => session_with(&properties),
    });
    p.run();
    assert_eq!(p.take_reported().len(), 1);
}

/// `[MQTT-3.2.2-16]`, `[MQTT-3.1.3-6]`: it names the session from then on.
#[test]
fn used_for_the_next_connection() {
    run(&[V5], setup(false), |p| {
        assert_eq!(p.client.client_id(), "");
        connect(p, "", "auto-1");
        assert_eq!(p.client.client_id(), "auto-1");
        p.publish(1, "t", "a", 1);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        for _ in 0..2 {
            p.lose();
            connect(p, "auto-1", "");
            p.sends(&["PUBLISH q1 #1 dup t 'a'"]);
        }
        // The server may change its mind, to something shorter or longer.
        for (before, after) in [("auto-1", "b"), ("b", "auto-123"), ("auto-123", "c")] {
            p.lose();
            connect(p, before, after);
            p.run();
            let _ = (p.take_reported(), p.take_sent());
            assert_eq!(p.client.client_id(), after);
        }
    });
}

/// Who begins anew each time has no use for it.
#[test]
fn not_with_a_clean_start() {
    run(&[V5], setup(true), |p| {
        for _ in 0..2 {
            connect(p, "", "auto-1");
            assert_eq!(p.client.client_id(), "");
            p.lose();
        }
    });
}

/// An identifier of the application's own goes first.
#[test]
fn not_with_another_configuration() {
    run(&[V5], setup(false), |p| {
        connect(p, "", "auto-1");
        p.lose();
        let mut config = p.config();
        config.client_id = "mine";
        p.client.reconfigure(config).unwrap();
        assert_eq!(p.client.client_id(), "mine");
        connect(p, "mine", "");
    });
}

/// No room beside CONNECT: the connection goes on all the same.
#[test]
fn without_room_for_it() {
    run(&[V5], setup(false).tx(40), |p| {
        connect(p, "", "an-identifier-of-thirty-chars.");
        assert_eq!(p.client.client_id(), "");
        assert!(p.client.is_connected());
        p.lose();
        connect(p, "", "short");
        let adopted = p.client.client_id().to_owned();
        p.lose();
        connect(p, &adopted, "");
        p.lose();
    });
}

/// Not an identifier that came with a refusal.
#[test]
fn not_from_a_refusal() {
    run(&[V5], setup(false), |p| {
        p.connect();
        let properties = [Property::AssignedClientIdentifier("auto-1")];
        p.server(mqtt_core::wire::ConnAck {
            code: ReasonCode::ServerBusy,
            ..connack_with(&properties)
        });
        p.run();
        let _ = p.take_reported();
        assert_eq!(p.client.client_id(), "");
        p.lose();
    });
}
