//! What survives a loss of power.

use mqtt_core::wire::{ConnAck, Filter, Packet, PacketId, PacketType, Property, ReasonCode};
use mqtt_core::{Event, PeerError};

use super::journal::{online, resume};
use super::pair::say::*;
use super::pair::{Setup, V5, each, run};
use super::text::qos;

const SETUP: Setup = Setup::new().durable();

#[test]
fn messages_survive_a_power_cut() {
    each(SETUP, |p| {
        online(p);
        for (id, qos, payload) in [(1, 1, "a"), (2, 2, "b"), (3, 2, "c"), (4, 1, "d")] {
            p.publish(qos, "t", payload, id);
        }
        p.run();
        let records = p.client.journal().count();
        assert_eq!(records, 4);
        p.journals(&[
            "PUBLISH q1 #1 t 'a'",
            "PUBLISH q2 #2 t 'b'",
            "PUBLISH q2 #3 t 'c'",
            "PUBLISH q1 #4 t 'd'",
        ]);
        p.run();
        assert_eq!(p.take_sent().len(), 4);
        p.server(puback(1));
        p.server(pubrec(3));
        p.reports(&["Published #1"]);
        p.journals(&["Done #1", "Acknowledged #3"]);
        p.sends(&["PUBREL #3"]);
        for compact in [false, true, true] {
            if compact {
                p.compact();
            }
            p.power_cut();
            assert_eq!(p.client.in_flight(), 3);
            let kept: Vec<_> = p.client.messages().map(|m| m.packet_id).collect();
            assert_eq!(kept, [PacketId::new(2), PacketId::new(4)]);
            resume(p);
            p.sends(&[
                "PUBREL #3",
                "PUBLISH q2 #2 dup t 'b'",
                "PUBLISH q1 #4 dup t 'd'",
            ]);
        }
        // Identifiers go on from the last.
        p.publish(1, "t", "e", 5);
        p.journals(&["PUBLISH q1 #5 t 'e'"]);
        p.sends(&["PUBLISH q1 #5 t 'e'"]);
    });
}

/// What a snapshot of a connection has may have been sent.
#[test]
fn a_snapshot_during_a_connection() {
    each(SETUP, |p| {
        online(p);
        p.publish(1, "t", "a", 1);
        p.journals(&["PUBLISH q1 #1 t 'a'"]);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.compact();
        p.publish(1, "t", "b", 2);
        p.journals(&["PUBLISH q1 #2 t 'b'"]);
        p.sends(&["PUBLISH q1 #2 t 'b'"]);
        p.power_cut();
        resume(p);
        p.sends(&["PUBLISH q1 #1 dup t 'a'", "PUBLISH q1 #2 dup t 'b'"]);
    });
}

/// A journal of many messages, of which few are left.
#[test]
fn a_long_journal_for_a_small_buffer() {
    each(SETUP.tx(100), |p| {
        online(p);
        let payload = "x".repeat(40);
        let long = format!("PUBLISH q1 #{{}} t '{payload}'");
        for number in 1..=20 {
            p.publish(1, "t", &payload, number);
            let message = long.replace("{}", &number.to_string());
            p.journals(&[&message]);
            p.sends(&[&message]);
            p.server(puback(number));
            p.reports(&[&format!("Published #{number}")]);
            p.journals(&[&format!("Done #{number}")]);
        }
        p.publish(1, "t", &payload, 21);
        p.journals(&[&long.replace("{}", "21")]);
        p.power_cut();
        assert_eq!(p.client.in_flight(), 1);
        resume(p);
        p.sends(&[&long.replace("{}", "21 dup")]);
    });
}

#[test]
fn a_connection_that_comes_to_nothing_is_not_recorded() {
    each(SETUP, |p| {
        p.connect();
        p.lose();
        p.journals(&[]);
        p.connect();
        p.server(ConnAck::new(false, ReasonCode::NotAuthorized));
        p.reports(&["Refused 0x87"]);
        p.journals(&[]);
        p.publish(1, "t", "a", 1);
        p.journals(&["PUBLISH q1 #1 t 'a'"]);
        p.compact();
        p.power_cut();
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.journals(&["Connected"]);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
    });
}

/// A snapshot while there is no room for PUBREL.
#[test]
fn a_snapshot_before_pubrel_is_queued() {
    each(SETUP.tx(200), |p| {
        online(p);
        p.publish(2, "t", "a", 1);
        p.journals(&["PUBLISH q2 #1 t 'a'"]);
        p.sends(&["PUBLISH q2 #1 t 'a'"]);
        p.stall(true);
        let filter = [Filter::new("t", qos(0))];
        while p.client.subscribe(&filter).is_ok() {}
        p.server(pubrec(1));
        p.journals(&["Acknowledged #1"]);
        p.compact();
        p.power_cut();
        p.stall(false);
        resume(p);
        p.sends(&["PUBREL #1"]);
    });
}

/// What was not recorded was not sent either.
#[test]
fn a_power_cut_before_the_record() {
    each(SETUP, |p| {
        online(p);
        p.publish(2, "t", "a", 1);
        p.sends(&[]);
        p.power_cut();
        assert_eq!(p.client.in_flight(), 0);
        resume(p);
        p.sends(&[]);

        p.publish(2, "t", "b", 1);
        p.journals(&["PUBLISH q2 #1 t 'b'"]);
        p.sends(&["PUBLISH q2 #1 t 'b'"]);
        p.server(pubrec(1));
        p.sends(&[]);
        p.power_cut();
        resume(p);
        // The server has it and says so again.
        p.sends(&["PUBLISH q2 #1 dup t 'b'"]);
        p.server(pubrec(1));
        p.journals(&["Acknowledged #1"]);
        p.sends(&["PUBREL #1"]);
        p.server(pubcomp(1));
        p.reports(&["Published #1"]);
        p.power_cut();
        resume(p);
        p.sends(&["PUBREL #1"]);
    });
}

/// Messages that were never sent are sent as new ones: without DUP, and to a new session, too.
#[test]
fn published_offline() {
    each(SETUP, |p| {
        online(p);
        p.publish(1, "t", "a", 1);
        p.journals(&["PUBLISH q1 #1 t 'a'"]);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.lose();
        p.publish(1, "t", "b", 2);
        p.publish(2, "t", "c", 3);
        p.journals(&["Disconnected", "PUBLISH q1 #2 t 'b'", "PUBLISH q2 #3 t 'c'"]);
        for compact in [false, true] {
            if compact {
                p.compact();
            }
            p.power_cut();
        }
        p.connect();
        p.server(connack());
        p.reports(&["Connected", "Lost #1"]);
        p.journals(&["Connected", "Done #1"]);
        p.sends(&["PUBLISH q1 #2 t 'b'", "PUBLISH q2 #3 t 'c'"]);
    });
}

/// The loss of what belonged to a session that is gone is reported, whatever happens meanwhile.
#[test]
fn losses_survive_a_power_cut() {
    each(SETUP, |p| {
        online(p);
        p.publish(1, "t", "a", 1);
        p.publish(2, "t", "b", 2);
        p.journals(&["PUBLISH q1 #1 t 'a'", "PUBLISH q2 #2 t 'b'"]);
        p.sends(&["PUBLISH q1 #1 t 'a'", "PUBLISH q2 #2 t 'b'"]);
        p.server(pubrec(2));
        p.journals(&["Acknowledged #2"]);
        p.sends(&["PUBREL #2"]);
        p.lose();
        p.connect();
        p.server(connack());
        assert_eq!(p.next_report(), "Connected");
        let connected = p.client.journal().next().unwrap();
        let parts = (connected.head(), connected.body().to_vec());
        p.disk.push(parts);
        p.client.journaled(1);
        for compact in [false, true] {
            p.power_cut();
            if compact {
                p.compact();
                p.power_cut();
            }
            let now = p.now();
            let mut lost = Vec::new();
            while let Some(event) = p.client.process(&[], now).unwrap().event {
                assert!(matches!(event, Event::Lost(_)), "{event:?}");
                lost.push(event);
            }
            assert_eq!(lost.len(), 2);
        }
        p.journals(&["Done #2", "Done #1"]);
        p.power_cut();
        resume(p);
        p.sends(&[]);
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// A received QoS 2 message is known again after a power cut.
#[test]
fn received_identifiers_survive_a_power_cut() {
    each(SETUP, |p| {
        online(p);
        p.server(publish(2, 7, "t", "a"));
        p.reports(&["Publish q2 #7 t 'a'"]);
        p.journals(&["Received #7"]);
        p.sends(&["PUBREC #7"]);
        for compact in [false, true] {
            if compact {
                p.compact();
            }
            p.power_cut();
            resume(p);
            p.server(dup(publish(2, 7, "t", "a")));
            p.reports(&[]);
            p.sends(&["PUBREC #7"]);
        }
        p.server(pubrel(7));
        p.sends(&[]);
        // A PUBCOMP that left without its record would have the server reuse the identifier.
        p.power_cut();
        resume(p);
        p.server(pubrel(7));
        p.journals(&["Released #7"]);
        p.sends(&["PUBCOMP #7"]);
        for compact in [false, true] {
            if compact {
                p.compact();
            }
            p.power_cut();
            resume(p);
        }
        p.server(publish(2, 7, "t", "new"));
        p.reports(&["Publish q2 #7 t 'new'"]);
        p.journals(&["Received #7"]);
        p.sends(&["PUBREC #7"]);
    });
}

/// A message that was delivered and not recorded is delivered again: the application's data were
/// not written either.
#[test]
fn received_but_not_recorded() {
    each(SETUP, |p| {
        online(p);
        p.server(publish(2, 7, "t", "a"));
        p.reports(&["Publish q2 #7 t 'a'"]);
        p.sends(&[]);
        p.compact();
        p.power_cut();
        resume(p);
        p.server(dup(publish(2, 7, "t", "a")));
        p.reports(&["Publish q2 #7 dup t 'a'"]);
    });
}

/// The server has lost the session, and that was not recorded before the next connection.
#[test]
fn two_connections_before_a_record() {
    each(SETUP, |p| {
        online(p);
        p.server(publish(2, 7, "t", "a"));
        p.reports(&["Publish q2 #7 t 'a'"]);
        p.journals(&["Received #7"]);
        p.sends(&["PUBREC #7"]);
        p.publish(1, "t", "x", 1);
        p.journals(&["PUBLISH q1 #1 t 'x'"]);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
        p.lose();
        p.connect();
        p.server(connack());
        p.reports(&["Connected", "Lost #1"]);
        p.lose();
        p.connect();
        p.server(session());
        p.reports(&["Connected session"]);
        p.journals(&["Connected", "Done #1"]);
        p.power_cut();
        resume(p);
        p.sends(&[]);
        p.server(publish(2, 7, "t", "new"));
        p.reports(&["Publish q2 #7 t 'new'"]);
    });
}

/// CONNACK is recorded when its connection is over and the next one has begun. Nothing was sent on
/// it, and so what waits belongs to no session that is gone.
#[test]
fn a_connection_recorded_after_its_end_has_sent_nothing() {
    each(SETUP, |p| {
        p.publish(2, "t", "a", 1);
        p.journals(&["PUBLISH q2 #1 t 'a'"]);
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.lose();
        p.connect();
        let connected = p.client.journal().next().unwrap();
        let parts = (connected.head(), connected.body().to_vec());
        p.disk.push(parts);
        p.client.journaled(1);
        p.server(connack());
        p.reports(&["Connected"]);
        p.journals(&["Unsent #1", "Connected"]);
        p.sends(&["PUBLISH q2 #1 t 'a'"]);
        p.power_cut();
        resume(p);
        // It is not lost: the server has it in this session.
        p.sends(&["PUBLISH q2 #1 dup t 'a'"]);
    });
}

/// Records that messages were not sent are confirmed like others, as many as were written.
#[test]
fn some_of_the_records_of_what_was_not_sent() {
    each(SETUP, |p| {
        let messages = [1, 2, 3].map(|number| format!("PUBLISH q2 #{number} t 'a'"));
        let messages = messages.each_ref().map(String::as_str);
        for number in 1..=3 {
            p.publish(2, "t", "a", number);
        }
        p.journals(&messages);
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.lose();
        p.connect();
        p.client.journaled(1);
        p.server(connack());
        p.reports(&["Connected"]);
        p.client.journaled(1);
        p.journals(&["Unsent #2", "Unsent #3", "Connected"]);
        p.sends(&messages);
    });
}

/// A message that is refused by the server ends like any other.
#[test]
fn refused_and_lost_messages() {
    run(&[V5], SETUP, |p| {
        online(p);
        p.publish(2, "t", "a", 1);
        p.subscribe("t", 0, 2);
        p.journals(&["PUBLISH q2 #1 t 'a'"]);
        p.sends(&["SUBSCRIBE #2 t q0", "PUBLISH q2 #1 t 'a'"]);
        p.server(Packet::PubRec(ack(1, ReasonCode::NotAuthorized)));
        p.reports(&["Published #1 0x87"]);
        p.journals(&["Done #1"]);
        p.lose();
        p.reports(&["Lost #2"]);
        p.run();
        for (head, body) in p
            .client
            .journal()
            .map(|r| (r.head(), r.body().to_vec()))
            .collect::<Vec<_>>()
        {
            p.disk.push((head, body));
        }
        p.client.journaled(usize::MAX);
        p.power_cut();
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// A message streamed in is recorded after its last piece.
#[test]
fn streamed_messages_are_recorded_at_their_end() {
    run(&[V5], SETUP.rx(64), |p| {
        online(p);
        let payload = "x".repeat(100);
        let packet = p.encode(publish(2, 1, "t", &payload));
        p.bytes(&packet[..50]);
        p.reports(&[]);
        p.journals(&[]);
        p.compact();
        p.bytes(&packet[50..]);
        p.run();
        assert_eq!(p.take_reported().len(), 1);
        p.journals(&["Received #1"]);
        p.sends(&["PUBREC #1"]);
        p.disk.pop();
        p.power_cut();
        resume(p);
        p.server(publish(2, 1, "t", "whole"));
        p.reports(&["Publish q2 #1 t 'whole'"]);
        p.server(pubrel(1));
        p.fails(PeerError::UnknownPacketId(PacketType::PubRel), 0x82);
        p.journals(&["Disconnected", "Received #1"]);
    });
}

/// The client identifier that the server has assigned is a part of the session.
#[test]
fn an_assigned_client_identifier_survives_a_power_cut() {
    let mut setup = SETUP;
    setup.config.client_id = "";
    run(&[V5], setup, |p| {
        p.connect();
        let properties = [Property::AssignedClientIdentifier("auto-1")];
        p.server(connack_with(&properties));
        p.run();
        let _ = p.take_reported();
        p.journals(&["Connected 'auto-1'"]);
        for compact in [false, true] {
            if compact {
                p.compact();
            }
            p.power_cut();
            assert_eq!(p.client.client_id(), "auto-1");
        }
        p.client.connect(p.now()).unwrap();
        p.sends(&["CONNECT 5.0 'auto-1' keep 0 [ReceiveMaximum(8)]"]);
        p.lose();
    });
}
