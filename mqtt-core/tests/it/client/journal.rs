//! What is to be recorded, and what waits until it is.

use mqtt_core::wire::{PacketId, Publish, ReasonCode};
use mqtt_core::{Durability, Error, Record, UsageError};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, V311, each, run};

const SETUP: Setup = Setup::new().durable();

/// A connection whose records are written.
pub(super) fn online(p: &mut Pair<'_>) {
    p.connect();
    p.server(connack());
    p.reports(&["Connected"]);
    p.journals(&["Connected"]);
}

pub(super) fn resume(p: &mut Pair<'_>) {
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
        p.server(publish(2, 7, "t", "x"));
        p.reports(&["Publish q2 #7 t 'x'"]);
        p.client.journaled(5);
        p.sends(&["PUBREC #7"]);
        p.server(pubrel(7));
        p.sends(&[]);
        p.client.journaled(5);
        p.sends(&["PUBCOMP #7"]);
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
            p.client.journaled(1);
            p.sends(&["PUBREC #1"]);
            p.journals(&["Received #2", "Received #3", "Received #4"]);
            p.sends(&["PUBREC #2", "PUBREC #3", "PUBREC #4"]);
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
        p.refuses(UsageError::BufferTooSmall, |c| {
            c.restore(&Record::Acknowledged(super::pair::id(3)))
        });
        let assigned = "x".repeat(2_000);
        p.refuses(UsageError::BufferTooSmall, |c| {
            c.restore(&Record::Connected {
                session_present: false,
                assigned_client_id: &assigned,
            })
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

/// Before there is anything to be kept, it may be decided that it shall be.
#[test]
fn durability_from_the_first_message_on() {
    each(Setup::new(), |p| {
        let mut config = p.config();
        config.durability = Durability::WriteAhead;
        assert_eq!(p.client.durability(), Durability::Ram);
        p.client.reconfigure(config).unwrap();
        assert_eq!(p.client.durability(), Durability::WriteAhead);
        online(p);
        p.publish(1, "t", "a", 1);
        p.server(publish(2, 7, "t", "x"));
        p.reports(&["Publish q2 #7 t 'x'"]);
        p.sends(&[]);
        p.journals(&["PUBLISH q1 #1 t 'a'", "Received #7"]);
        p.sends(&["PUBREC #7", "PUBLISH q1 #1 t 'a'"]);
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
