//! What survives a loss of power, and what waits until it is recorded.

use mqtt_core::wire::{PacketId, Property, Publish, ReasonCode};
use mqtt_core::{Durability, Error, Event, PeerError, Record, UsageError};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, V311, each, run};

const SETUP: Setup = Setup::new().durable();

/// A connection whose records are written.
fn online(p: &mut Pair<'_>) {
    p.connect();
    p.server(connack());
    p.reports(&["Connected"]);
    p.journals(&["Connected"]);
}

fn resume(p: &mut Pair<'_>) {
    p.connect();
    p.server(session());
    p.reports(&["Connected session"]);
    p.journals(&["Connected session"]);
}

#[test]
fn nothing_to_write_without_durability() {
    each(Setup::new(), |p| {
        p.online();
        p.publish(2, "t", "a", 1);
        p.sends(&["PUBLISH q2 #1 t 'a'"]);
        p.server(publish(2, 1, "t", "x"));
        p.reports(&["Publish q2 #1 t 'x'"]);
        p.server(pubrec(1));
        p.server(pubrel(1));
        p.sends(&["PUBREC #1", "PUBREL #1", "PUBCOMP #1"]);
        p.lose();
        assert_eq!(p.client.journal().count(), 0);
    });
    each(Setup::new().manual(), |p| {
        p.online();
        p.server(publish(2, 1, "t", "x"));
        p.reports(&["Publish q2 #1 t 'x'"]);
        p.lose();
        p.acknowledge(1);
        assert_eq!(p.client.journal().count(), 0);
    });
}

#[test]
fn a_message_waits_for_its_record() {
    each(SETUP, |p| {
        online(p);
        p.publish(1, "t", "a", 1);
        p.publish(2, "t", "b", 2);
        assert_eq!(p.client.in_flight(), 2);
        p.sends(&[]);
        p.journals(&["PUBLISH q1 #1 t 'a'", "PUBLISH q2 #2 t 'b'"]);
        p.sends(&["PUBLISH q1 #1 t 'a'", "PUBLISH q2 #2 t 'b'"]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
        p.server(pubrec(2));
        // PUBREL would have the server forget that it knows the message.
        p.sends(&[]);
        p.journals(&["Done #1", "Acknowledged #2"]);
        p.sends(&["PUBREL #2"]);
        p.server(pubcomp(2));
        p.reports(&["Published #2"]);
        p.journals(&["Done #2"]);
        assert_eq!(p.client.in_flight(), 0);
    });
}

/// Records are confirmed in their order, as many as were written.
#[test]
fn some_of_the_records() {
    each(SETUP, |p| {
        online(p);
        for (n, payload) in ["a", "b", "c"].into_iter().enumerate() {
            p.publish(1, "t", payload, u16::try_from(n).unwrap() + 1);
        }
        p.client.journaled(0);
        p.sends(&[]);
        p.client.journaled(2);
        p.sends(&["PUBLISH q1 #1 t 'a'", "PUBLISH q1 #2 t 'b'"]);
        p.journals(&["PUBLISH q1 #3 t 'c'"]);
        p.sends(&["PUBLISH q1 #3 t 'c'"]);
        // More than there are is the same as all.
        p.server(puback(2));
        p.reports(&["Published #2"]);
        p.client.journaled(5);
        p.journals(&[]);
    });
}

/// What is recorded after `disconnect` stays for the next connection.
#[test]
fn disconnect_before_the_record() {
    each(SETUP, |p| {
        online(p);
        p.publish(1, "t", "a", 1);
        p.client.disconnect().unwrap();
        p.stall(true);
        p.take(1);
        p.journals(&["PUBLISH q1 #1 t 'a'"]);
        p.stall(false);
        p.sends(&["DISCONNECT"]);
        assert!(p.client.is_closed());
        p.lose();
        p.journals(&["Disconnected"]);
        resume(p);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
    });
}

/// QoS 0 has no record, and keeps its place.
#[test]
fn qos_0_behind_a_message_that_waits() {
    each(SETUP, |p| {
        online(p);
        p.publish(0, "t", "a", 0);
        p.publish(1, "t", "b", 1);
        p.publish(0, "t", "c", 0);
        p.sends(&["PUBLISH q0 t 'a'"]);
        p.journals(&["PUBLISH q1 #1 t 'b'"]);
        p.sends(&["PUBLISH q1 #1 t 'b'", "PUBLISH q0 t 'c'"]);
    });
}

/// Until CONNACK is recorded nothing is sent that belongs to a session, and nothing is read.
#[test]
fn connack_is_recorded_first() {
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
        p.journals(&["Disconnected"]);
        p.connect();
        p.server(session());
        p.server(publish(0, 0, "t", "x"));
        p.reports(&["Connected session"]);
        p.sends(&[]);
        p.journals(&["Connected session"]);
        p.sends(&["PUBREL #2", "PUBLISH q1 #1 dup t 'a'"]);
        p.reports(&["Publish q0 t 'x'"]);
    });
}

/// What PUBREC acknowledges is recorded first, so is what PUBCOMP ends.
#[test]
fn received_messages() {
    each(SETUP, |p| {
        online(p);
        p.server(publish(1, 1, "t", "a"));
        p.server(publish(2, 2, "t", "b"));
        p.reports(&["Publish q1 #1 t 'a'", "Publish q2 #2 t 'b'"]);
        p.sends(&["PUBACK #1"]);
        p.journals(&["Received #2"]);
        p.sends(&["PUBREC #2"]);
        p.server(pubrel(2));
        p.sends(&[]);
        p.journals(&["Released #2"]);
        p.sends(&["PUBCOMP #2"]);
        // The identifier is new again.
        p.server(publish(2, 2, "t", "c"));
        p.reports(&["Publish q2 #2 t 'c'"]);
        p.journals(&["Received #2"]);
        p.sends(&["PUBREC #2"]);
    });
}

/// Many at once, and as many PUBRELs.
#[test]
fn received_messages_in_batches() {
    each(SETUP.inbound(4), |p| {
        online(p);
        for round in 0..3 {
            for number in 1..=4 {
                p.server(publish(2, number, "t", "x"));
            }
            p.run();
            assert_eq!(p.take_reported().len(), 4, "round {round}");
            p.journals(&["Received #1", "Received #2", "Received #3", "Received #4"]);
            p.sends(&["PUBREC #1", "PUBREC #2", "PUBREC #3", "PUBREC #4"]);
            for number in [2, 1, 4, 3] {
                p.server(pubrel(number));
            }
            p.sends(&[]);
            p.client.journaled(1);
            p.sends(&["PUBCOMP #2"]);
            p.journals(&["Released #1", "Released #4", "Released #3"]);
            p.sends(&["PUBCOMP #1", "PUBCOMP #4", "PUBCOMP #3"]);
        }
    });
}

/// The application's own data and the record can be written together.
#[test]
fn a_message_is_recorded_once_it_is_acknowledged() {
    each(SETUP.manual(), |p| {
        online(p);
        p.server(publish(2, 1, "t", "a"));
        p.server(publish(1, 2, "t", "b"));
        p.server(publish(2, 3, "t", "c"));
        p.run();
        assert_eq!(p.take_reported().len(), 3);
        p.acknowledge(3);
        // It has to wait for the others, and so has its record.
        p.journals(&[]);
        p.acknowledge(1);
        p.journals(&["Received #1"]);
        p.sends(&["PUBREC #1"]);
        p.acknowledge(2);
        p.sends(&["PUBACK #2"]);
        p.journals(&["Received #3"]);
        p.sends(&["PUBREC #3"]);
    });
}

/// A message that is turned down needs no record: the server forgets it.
#[test]
fn pubrec_with_an_error_is_not_recorded() {
    run(&[V5], SETUP.manual(), |p| {
        online(p);
        for _ in 0..2 {
            p.server(publish(2, 1, "t", "a"));
            p.reports(&["Publish q2 #1 t 'a'"]);
            let ack = ack(1, ReasonCode::QuotaExceeded);
            p.client.acknowledge_with(&ack).unwrap();
            p.journals(&[]);
            p.sends(&["PUBREC #1 0x97"]);
        }
    });
}

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

/// PUBREC is recorded between two connections, and the server has lost the session.
#[test]
fn a_pubrec_that_is_recorded_offline() {
    each(SETUP, |p| {
        online(p);
        for number in 1..=2 {
            p.publish(2, "t", "a", number);
        }
        p.journals(&["PUBLISH q2 #1 t 'a'", "PUBLISH q2 #2 t 'a'"]);
        p.sends(&["PUBLISH q2 #1 t 'a'", "PUBLISH q2 #2 t 'a'"]);
        p.server(pubrec(1));
        p.reports(&[]);
        p.lose();
        p.journals(&["Disconnected", "Acknowledged #1"]);
        p.connect();
        p.server(connack());
        p.reports(&["Connected", "Lost #1", "Lost #2"]);
        p.journals(&["Connected", "Done #1", "Done #2"]);
        p.sends(&[]);
    });
}

#[test]
fn a_connection_that_comes_to_nothing_is_not_recorded() {
    each(SETUP, |p| {
        p.connect();
        p.lose();
        p.journals(&[]);
        p.connect();
        p.server(mqtt_core::wire::ConnAck::new(
            false,
            ReasonCode::NotAuthorized,
        ));
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

/// PUBREC that is repeated, or followed by the end of the session, before it is recorded.
#[test]
fn a_pubrec_that_is_not_recorded() {
    each(SETUP, |p| {
        online(p);
        p.publish(2, "t", "a", 1);
        p.journals(&["PUBLISH q2 #1 t 'a'"]);
        p.sends(&["PUBLISH q2 #1 t 'a'"]);
        for _ in 0..2 {
            p.server(pubrec(1));
            p.reports(&[]);
            p.sends(&[]);
        }
        p.journals(&["Acknowledged #1"]);
        p.sends(&["PUBREL #1"]);
        p.server(pubcomp(1));
        p.reports(&["Published #1"]);
        p.journals(&["Done #1"]);

        p.publish(2, "t", "b", 2);
        p.journals(&["PUBLISH q2 #2 t 'b'"]);
        p.sends(&["PUBLISH q2 #2 t 'b'"]);
        p.server(pubrec(2));
        p.reports(&[]);
        p.lose();
        p.connect();
        p.server(connack());
        p.reports(&["Connected", "Lost #2"]);
        p.journals(&["Connected", "Done #2"]);
        p.sends(&[]);
        assert_eq!(p.client.in_flight(), 0);
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
        let filter = [mqtt_core::wire::Filter::new("t", super::text::qos(0))];
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

/// The handler of the last message is done when the connection is given up.
#[test]
fn a_message_that_was_the_last_before_the_end() {
    each(SETUP, |p| {
        online(p);
        p.server(publish(2, 7, "t", "a"));
        assert_eq!(p.next_report(), "Publish q2 #7 t 'a'");
        p.lose();
        p.journals(&["Disconnected", "Received #7"]);
        resume(p);
        p.server(dup(publish(2, 7, "t", "a")));
        p.reports(&[]);
        p.sends(&["PUBREC #7"]);
    });
}

/// What filled the buffer to its last byte fits again, though it lies elsewhere now.
#[test]
fn a_full_buffer_is_restored() {
    run(&[V311], SETUP.tx(75), |p| {
        // 75 bytes less the 20 for other packets.
        for (number, len) in [(1, 19), (2, 27), (3, 18), (4, 10)] {
            let payload = "x".repeat(len - 7);
            let packet = p.encode(publish(1, number, "t", &payload));
            assert_eq!(packet.len(), len);
            let id = super::pair::id(number);
            let version = p.version;
            let record = Record::Publish {
                id,
                version,
                packet: &packet,
            };
            p.client.restore(&record).unwrap();
            if number == 2 {
                let first = super::pair::id(1);
                p.client.restore(&Record::Done(first)).unwrap();
            }
        }
        resume(p);
        p.run();
        assert_eq!(p.take_sent().len(), 3);
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

/// A lost connection, with the record of a received message still due.
#[test]
fn a_record_that_is_due_when_the_connection_is_lost() {
    for setup in [SETUP, SETUP.manual()] {
        each(setup, |p| {
            online(p);
            p.server(publish(2, 7, "t", "a"));
            p.reports(&["Publish q2 #7 t 'a'"]);
            if setup.config.acknowledgement == mqtt_core::Acknowledgement::Manual {
                p.acknowledge(7);
            }
            p.sends(&[]);
            p.lose();
            p.journals(&["Disconnected", "Received #7"]);
            resume(p);
            p.sends(&[]);
            p.server(dup(publish(2, 7, "t", "a")));
            p.reports(&[]);
            p.sends(&["PUBREC #7"]);
            // So does PUBREL's.
            p.server(pubrel(7));
            p.sends(&[]);
            p.lose();
            p.journals(&["Disconnected"]);
            resume(p);
            p.server(pubrel(7));
            p.journals(&["Released #7"]);
            p.sends(&["PUBCOMP #7"]);
        });
    }
}

/// The record is written between the connections, or on the next one after the repetition.
#[test]
fn a_record_that_is_due_on_the_next_connection() {
    each(SETUP, |p| {
        online(p);
        p.server(publish(2, 7, "t", "a"));
        p.reports(&["Publish q2 #7 t 'a'"]);
        p.lose();
        p.connect();
        p.server(session());
        p.reports(&["Connected session"]);
        p.client.journaled(1);
        p.server(dup(publish(2, 7, "t", "a")));
        p.reports(&[]);
        p.sends(&[]);
        p.journals(&["Received #7"]);
        p.sends(&["PUBREC #7"]);
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

/// A slot is free again once the end of its message is recorded.
#[test]
fn slots_return_with_the_record() {
    each(SETUP.slots(1), |p| {
        online(p);
        p.publish(1, "t", "a", 1);
        p.journals(&["PUBLISH q1 #1 t 'a'"]);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
        let message = mqtt_core::Message::new("t", b"b").qos(super::text::qos(1));
        p.refuses(mqtt_core::Resource::Slots, |c| c.publish(&message));
        p.journals(&["Done #1"]);
        p.reports(&["Writable"]);
        p.publish(1, "t", "b", 2);
        p.journals(&["PUBLISH q1 #2 t 'b'"]);
        p.sends(&["PUBLISH q1 #2 t 'b'"]);
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
        p.server(mqtt_core::wire::Packet::PubRec(ack(
            1,
            ReasonCode::NotAuthorized,
        )));
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

/// The wrong records, or the wrong time for them.
#[test]
fn records_that_do_not_fit() {
    run(&[V5, V311], SETUP.slots(2).inbound(1), |p| {
        let packet = p.encode(publish(1, 1, "t", "a"));
        let publish = |number: u16, packet, version| Record::Publish {
            id: super::pair::id(number),
            version,
            packet,
        };
        let other = if p.is_v5() { V311 } else { V5 };
        p.refuses(UsageError::InFlight, |c| {
            c.restore(&publish(1, &packet, other))
        });
        let version = p.version;
        for wrong in [
            publish(2, &packet, version),
            publish(1, &packet[..4], version),
            publish(1, &packet[..packet.len() - 1], version),
            publish(1, b"\x30\x00", version),
            publish(1, b"", version),
            publish(1, b"\xc0\x00", version),
        ] {
            let result = p.client.restore(&wrong);
            assert!(
                matches!(result, Ok(()) | Err(Error::Usage(UsageError::Record))),
                "{wrong:?}: {result:?}"
            );
            if result.is_ok() {
                // A payload that is all missing may be with the application.
                p.client.restore(&Record::Done(super::pair::id(1))).unwrap();
            }
            assert_eq!(p.client.in_flight(), 0);
        }
        p.client.restore(&publish(1, &packet, version)).unwrap();
        p.refuses(UsageError::Record, |c| {
            c.restore(&publish(1, &packet, version))
        });
        let third = p.encode(Publish {
            packet_id: PacketId::new(3),
            ..self::publish(1, 1, "t", "a")
        });
        // Its slot is the first one's.
        p.refuses(UsageError::BufferTooSmall, |c| {
            c.restore(&publish(3, &third, version))
        });
        p.client
            .restore(&Record::Received(super::pair::id(1)))
            .unwrap();
        p.refuses(UsageError::BufferTooSmall, |c| {
            c.restore(&Record::Received(super::pair::id(2)))
        });
        // What is not known is no longer of interest.
        for known in [9, 10] {
            let id = super::pair::id(known);
            p.client.restore(&Record::Done(id)).unwrap();
            p.client.restore(&Record::Released(id)).unwrap();
        }
        p.connect();
        p.refuses(UsageError::AlreadyConnected, |c| {
            c.restore(&Record::Disconnected)
        });
        p.lose();
    });
}

/// Durability is not changed while there is something to be kept.
#[test]
fn durability_is_for_the_whole_session() {
    each(SETUP, |p| {
        p.publish(1, "t", "a", 1);
        let mut config = p.config();
        config.durability = Durability::Ram;
        p.refuses(UsageError::InFlight, |c| c.reconfigure(config));
        p.journals(&["PUBLISH q1 #1 t 'a'"]);
        online(p);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
        p.journals(&["Done #1"]);
        p.lose();
        p.journals(&["Disconnected"]);
        p.client.reconfigure(config).unwrap();
        p.online();
        p.publish(1, "t", "b", 2);
        p.sends(&["PUBLISH q1 #2 t 'b'"]);
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
        p.fails(
            PeerError::UnknownPacketId(mqtt_core::wire::PacketType::PubRel),
            0x82,
        );
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
