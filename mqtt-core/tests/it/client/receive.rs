//! Messages from the server, and their acknowledgements.

use mqtt_core::wire::{Packet, PacketId, Property, Publish, ReasonCode};
use mqtt_core::{Error, Inbound, PeerError, UsageError};

use super::pair::say::*;
use super::pair::{Setup, V5, V31, V311, each, run};

const SETUP: Setup = Setup::new();
const MANUAL: Setup = Setup::new().manual();

/// `[MQTT-3.3.4-1]`.
#[test]
fn every_qos() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        p.server(publish(0, 0, "t", "a"));
        p.server(publish(1, 7, "t", "b"));
        p.server(publish(2, 65_535, "t", ""));
        p.reports(&[
            "Publish q0 t 'a'",
            "Publish q1 #7 t 'b'",
            "Publish q2 #65535 t ''",
        ]);
        p.sends(&["PUBACK #7", "PUBREC #65535"]);
        p.server(pubrel(65_535));
        p.sends(&["PUBCOMP #65535"]);
        p.reports(&[]);
    });
}

#[test]
fn retain_dup_and_properties() {
    run(&[V5], SETUP, |p| {
        p.online();
        // [MQTT-3.3.4-4]: more than one subscription identifier.
        let properties = [
            Property::SubscriptionIdentifier(1),
            Property::SubscriptionIdentifier(200),
            Property::UserProperty("k", "v"),
        ];
        let publish = Publish {
            retain: true,
            properties: (&properties).into(),
            ..publish(1, 1, "t", "x")
        };
        p.server(dup(publish));
        p.reports(&[
            "Publish q1 #1 dup retain t 'x' [SubscriptionIdentifier(1), \
             SubscriptionIdentifier(200), UserProperty(\"k\", \"v\")]",
        ]);
        p.sends(&["PUBACK #1"]);
    });
}

/// The acknowledgement leaves with the call that follows the event, and not before: until then
/// the message may not have been dealt with.
#[test]
fn acknowledged_by_the_next_call() {
    each(SETUP, |p| {
        p.online();
        for (level, ack) in [(1, "PUBACK #5"), (2, "PUBREC #5")] {
            p.server(publish(level, 5, "t", "x"));
            p.server(publish(0, 0, "t", "next"));
            assert_eq!(p.next_report(), format!("Publish q{level} #5 t 'x'"));
            assert!(p.client.transmit().is_empty());
            p.step();
            assert!(!p.client.transmit().is_empty());
            p.reports(&["Publish q0 t 'next'"]);
            p.sends(&[ack]);
        }
        p.server(pubrel(5));
        p.sends(&["PUBCOMP #5"]);
    });
}

/// A connection that is lost before that call acknowledges nothing. QoS 1 comes again, QoS 2 is
/// recognised.
#[test]
fn lost_before_the_next_call() {
    each(SETUP, |p| {
        p.online();
        p.server(publish(1, 5, "t", "x"));
        assert_eq!(p.next_report(), "Publish q1 #5 t 'x'");
        p.lose();
        p.resume();
        p.sends(&[]);
        p.server(dup(publish(1, 5, "t", "x")));
        p.reports(&["Publish q1 #5 dup t 'x'"]);
        p.sends(&["PUBACK #5"]);

        p.server(publish(2, 6, "t", "y"));
        assert_eq!(p.next_report(), "Publish q2 #6 t 'y'");
        p.lose();
        p.resume();
        p.sends(&[]);
        p.server(dup(publish(2, 6, "t", "y")));
        p.sends(&["PUBREC #6"]);
        p.reports(&[]);
        p.server(pubrel(6));
        p.sends(&["PUBCOMP #6"]);
    });
}

/// `[MQTT-4.3.2-5]`: after PUBACK the identifier is new, whatever DUP says.
#[test]
fn qos_1_again() {
    each(SETUP, |p| {
        p.online();
        for _ in 0..3 {
            p.server(dup(publish(1, 5, "t", "x")));
            p.reports(&["Publish q1 #5 dup t 'x'"]);
            p.sends(&["PUBACK #5"]);
        }
    });
}

/// `[MQTT-4.3.3-10]`, `[MQTT-4.3.3-12]`.
#[test]
fn qos_2_is_delivered_once() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        p.server(publish(2, 5, "t", "x"));
        p.reports(&["Publish q2 #5 t 'x'"]);
        p.sends(&["PUBREC #5"]);
        for _ in 0..3 {
            p.server(dup(publish(2, 5, "t", "x")));
            p.sends(&["PUBREC #5"]);
            p.reports(&[]);
            p.lose();
            p.resume();
            p.sends(&[]);
        }
        p.server(pubrel(5));
        p.sends(&["PUBCOMP #5"]);
        p.server(publish(2, 5, "t", "y"));
        p.reports(&["Publish q2 #5 t 'y'"]);
        p.sends(&["PUBREC #5"]);
    });
}

/// A session that the server has not kept is gone here, too `[MQTT-3.2.2-5]`.
#[test]
fn qos_2_identifiers_go_with_the_session() {
    each(SETUP, |p| {
        p.online();
        p.server(publish(2, 5, "t", "x"));
        p.sends(&["PUBREC #5"]);
        p.reports(&["Publish q2 #5 t 'x'"]);
        p.lose();
        p.online();
        p.server(publish(2, 5, "t", "y"));
        p.reports(&["Publish q2 #5 t 'y'"]);
        p.sends(&["PUBREC #5"]);
    });
}

/// 4.3.3: PUBREL of an unknown identifier ends in PUBCOMP.
#[test]
fn unknown_pubrel() {
    each(SETUP, |p| {
        p.online();
        p.server(pubrel(9));
        p.sends(&[if p.is_v5() {
            "PUBCOMP #9 0x92"
        } else {
            "PUBCOMP #9"
        }]);
        p.reports(&[]);
    });
}

#[test]
fn pubrel_with_a_reason() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.server(publish(2, 5, "t", "x"));
        p.reports(&["Publish q2 #5 t 'x'"]);
        p.sends(&["PUBREC #5"]);
        p.server(Packet::PubRel(ack(5, ReasonCode::PacketIdentifierNotFound)));
        p.sends(&["PUBCOMP #5"]);
    });
}

/// `[MQTT-4.6.0-2]`, `[MQTT-4.6.0-3]`.
#[test]
fn manual_acknowledgements_leave_in_order() {
    each(MANUAL, |p| {
        p.online();
        for (level, number) in [(1, 1), (2, 2), (1, 3), (2, 4)] {
            p.server(publish(level, number, "t", ""));
        }
        p.run();
        assert_eq!(p.take_reported().len(), 4);
        p.acknowledge(4);
        p.acknowledge(2);
        p.sends(&[]);
        p.refuses(UsageError::UnknownPacketId, |client| {
            client.acknowledge(PacketId::new(2).unwrap())
        });
        p.acknowledge(1);
        p.sends(&["PUBACK #1", "PUBREC #2"]);
        p.acknowledge(3);
        p.sends(&["PUBACK #3", "PUBREC #4"]);
        for number in 1..=5 {
            p.refuses(UsageError::UnknownPacketId, |client| {
                client.acknowledge(PacketId::new(number).unwrap())
            });
        }
        p.server(pubrel(4));
        p.server(pubrel(2));
        p.sends(&["PUBCOMP #4", "PUBCOMP #2"]);
    });
}

#[test]
fn nothing_to_acknowledge() {
    for setup in [SETUP, MANUAL] {
        each(setup, |p| {
            let one = PacketId::new(1).unwrap();
            p.refuses(UsageError::UnknownPacketId, |client| {
                client.acknowledge(one)
            });
            p.online();
            p.refuses(UsageError::UnknownPacketId, |client| {
                client.acknowledge(one)
            });
            p.server(publish(0, 0, "t", ""));
            p.reports(&["Publish q0 t ''"]);
            p.refuses(UsageError::UnknownPacketId, |client| {
                client.acknowledge(one)
            });
        });
    }
}

/// Manual acknowledgements across a lost connection: of QoS 1 there is nothing left to
/// acknowledge, QoS 2 goes on waiting.
#[test]
fn manual_across_a_lost_connection() {
    each(MANUAL, |p| {
        p.online();
        p.server(publish(1, 1, "t", "a"));
        p.server(publish(2, 2, "t", "b"));
        p.reports(&["Publish q1 #1 t 'a'", "Publish q2 #2 t 'b'"]);
        p.lose();
        p.refuses(UsageError::UnknownPacketId, |client| {
            client.acknowledge(PacketId::new(1).unwrap())
        });
        p.resume();
        p.server(dup(publish(1, 1, "t", "a")));
        p.server(dup(publish(2, 2, "t", "b")));
        p.reports(&["Publish q1 #1 dup t 'a'"]);
        p.sends(&[]);
        p.acknowledge(2);
        p.acknowledge(1);
        p.run();
        let mut sent = p.take_sent();
        sent.sort();
        assert_eq!(sent, ["PUBACK #1", "PUBREC #2"]);
        p.server(pubrel(2));
        p.sends(&["PUBCOMP #2"]);
    });
}

/// `[MQTT-4.6.0-3]` after a lost connection: the server has sent 1 before 2 both times.
#[test]
fn manual_pubrecs_keep_their_order_across_a_lost_connection() {
    each(MANUAL, |p| {
        p.online();
        p.server(publish(2, 1, "t", "a"));
        p.server(publish(2, 2, "t", "b"));
        p.reports(&["Publish q2 #1 t 'a'", "Publish q2 #2 t 'b'"]);
        p.acknowledge(2);
        p.lose();
        p.resume();
        p.server(dup(publish(2, 1, "t", "a")));
        p.server(dup(publish(2, 2, "t", "b")));
        p.sends(&[]);
        p.acknowledge(1);
        p.sends(&["PUBREC #1", "PUBREC #2"]);
    });
}

/// A manual acknowledgement given while there is no connection.
#[test]
fn manual_acknowledgement_offline() {
    each(MANUAL, |p| {
        p.online();
        p.server(publish(2, 2, "t", "b"));
        p.reports(&["Publish q2 #2 t 'b'"]);
        p.lose();
        p.acknowledge(2);
        p.resume();
        p.run();
        // Whether now or in answer to the repetition.
        let before = p.take_sent();
        assert!(before.is_empty() || before == ["PUBREC #2"]);
        p.server(dup(publish(2, 2, "t", "b")));
        p.sends(&["PUBREC #2"]);
        p.reports(&[]);
    });
}

/// `[MQTT-3.3.4-9]`: as many as announced are taken. Of QoS 1 one more waits, though it should not be
/// there.
#[test]
fn receive_maximum() {
    run(&[V5], MANUAL.inbound(3), |p| {
        p.client.connect(p.now()).unwrap();
        p.sends(&["CONNECT 5.0 'c' keep 0 [ReceiveMaximum(3)]"]);
        p.server(connack());
        for (level, number) in [(1, 1), (2, 2), (2, 3)] {
            p.server(publish(level, number, "t", ""));
        }
        p.server(publish(0, 0, "t", ""));
        p.run();
        assert_eq!(p.take_reported().len(), 5);
        // A repetition is none too many.
        p.server(dup(publish(2, 3, "t", "")));
        p.reports(&[]);
        p.acknowledge(1);
        p.sends(&["PUBACK #1"]);
        p.server(publish(1, 4, "t", ""));
        p.reports(&["Publish q1 #4 t ''"]);
        p.acknowledge(2);
        p.sends(&["PUBREC #2"]);
        p.server(pubrel(2));
        p.sends(&["PUBCOMP #2"]);
        p.server(publish(2, 2, "t", ""));
        p.reports(&["Publish q2 #2 t ''"]);
        p.server(publish(1, 5, "t", ""));
        p.reports(&[]);
        p.acknowledge(3);
        p.reports(&["Publish q1 #5 t ''"]);
        p.sends(&["PUBREC #3"]);
    });
}

/// QoS 2 counts until PUBCOMP, not until PUBREC.
#[test]
fn receive_maximum_counts_released_messages() {
    run(&[V5], SETUP.inbound(2), |p| {
        p.online();
        p.server(publish(2, 1, "t", ""));
        p.server(publish(2, 2, "t", ""));
        p.sends(&["PUBREC #1", "PUBREC #2"]);
        p.run();
        assert_eq!(p.take_reported().len(), 2);
        p.server(publish(2, 3, "t", ""));
        p.fails(PeerError::ReceiveMaximumExceeded, 0x93);
    });
}

/// Automatic: a message that was dealt with counts no more once its PUBACK is queued.
#[test]
fn receive_maximum_of_one() {
    run(&[V5], SETUP.inbound(1), |p| {
        p.online();
        for number in 1..=10 {
            p.server(publish(1, number, "t", ""));
        }
        p.run();
        assert_eq!(p.take_reported().len(), 10);
        assert_eq!(p.take_sent().len(), 10);
    });
}

/// With no cells at all only QoS 0 can be received.
#[test]
fn nowhere_to_note_messages() {
    each(SETUP.inbound(0), |p| {
        p.online();
        p.server(publish(0, 0, "t", "x"));
        p.reports(&["Publish q0 t 'x'"]);
        p.server(pubrel(1));
        p.sends(&[if p.is_v5() {
            "PUBCOMP #1 0x92"
        } else {
            "PUBCOMP #1"
        }]);
        p.run();
        for level in 1..=2 {
            p.server(publish(level, 1, "t", "x"));
            p.run();
            let reported = p.take_reported();
            if p.is_v5() {
                let error = Error::from(PeerError::ReceiveMaximumExceeded);
                assert_eq!(reported, [format!("! {error:?}")]);
                p.sends(&["DISCONNECT 0x93"]);
            } else {
                assert!(reported.len() <= 1, "{reported:?}");
            }
            p.lose();
            p.online();
        }
    });
}

/// Before 5.0 a server knows of no limit, and not every one keeps to what it was told later: it is
/// held back until there is room.
#[test]
fn more_messages_than_cells() {
    each(MANUAL.inbound(2), |p| {
        p.online();
        for number in 1..=4 {
            p.server(publish(1, number, "t", ""));
        }
        p.reports(&["Publish q1 #1 t ''", "Publish q1 #2 t ''"]);
        p.acknowledge(2);
        p.reports(&[]);
        p.acknowledge(1);
        p.reports(&["Publish q1 #3 t ''", "Publish q1 #4 t ''"]);
        p.sends(&["PUBACK #1", "PUBACK #2"]);
        p.acknowledge(3);
        p.sends(&["PUBACK #3"]);
    });
}

/// There may be more cells later, though the server is told of those that there were at first.
#[test]
fn more_cells_for_more_messages() {
    each(SETUP.inbound(2), |p| {
        p.online();
        for number in 1..=2 {
            p.server(publish(2, number, "t", ""));
        }
        p.sends(&["PUBREC #1", "PUBREC #2"]);
        assert_eq!((p.client.unacknowledged(), p.client.unreleased()), (0, 2));
        p.client
            .extend_inbound(Box::leak(Box::new([Inbound::EMPTY; 5])));
        for number in 3..=5 {
            p.server(publish(2, number, "t", ""));
        }
        p.sends(&["PUBREC #3", "PUBREC #4", "PUBREC #5"]);
        // Fewer change nothing.
        p.client
            .extend_inbound(Box::leak(Box::new([Inbound::EMPTY; 1])));
        p.server(dup(publish(2, 1, "t", "")));
        p.sends(&["PUBREC #1"]);
        assert_eq!(p.client.unreleased(), 5);
        p.run();
        assert_eq!(p.take_reported().len(), 5);
        p.lose();
        p.client.connect(p.now()).unwrap();
        let maximum = if p.is_v5() { "ReceiveMaximum(2)" } else { "" };
        p.run();
        let sent = p.take_sent();
        assert!(sent[0].contains(maximum), "{sent:?}");
    });
}

/// How many messages may wait is another matter than how many may be in flight.
#[test]
fn more_messages_that_wait() {
    each(MANUAL.inbound(1), |p| {
        p.online();
        p.client
            .extend_inbound(Box::leak(Box::new([Inbound::EMPTY; 3])));
        for number in 1..=4 {
            p.server(publish(1, number, "t", ""));
        }
        p.reports(&["Publish q1 #1 t ''"]);
        p.client.set_max_unacknowledged(2);
        p.reports(&["Publish q1 #2 t ''"]);
        // No more than there are cells.
        p.client.set_max_unacknowledged(9);
        p.reports(&["Publish q1 #3 t ''"]);
        assert_eq!(p.client.unacknowledged(), 3);
        p.acknowledge(1);
        p.sends(&["PUBACK #1"]);
        p.reports(&["Publish q1 #4 t ''"]);
    });
}

/// A QoS 1 message needs no room among the received QoS 2 identifiers.
#[test]
fn qos_1_while_qos_2_fills_the_cells() {
    each(SETUP.inbound(1), |p| {
        p.online();
        p.server(publish(2, 1, "t", "a"));
        p.reports(&["Publish q2 #1 t 'a'"]);
        p.sends(&["PUBREC #1"]);
        p.server(publish(1, 2, "t", "b"));
        p.reports(&["Publish q1 #2 t 'b'"]);
        p.sends(&["PUBACK #2"]);
        p.server(pubrel(1));
        p.sends(&["PUBCOMP #1"]);
    });
}

/// While the wire to the server stands still, acknowledgements fill the buffer, and nothing is
/// taken in whose acknowledgement could not be queued. Nothing is lost.
#[test]
fn a_stalled_wire_holds_the_server_back() {
    each(SETUP.tx(100).inbound(4), |p| {
        const COUNT: u16 = 40;
        p.online();
        p.stall(true);
        for number in 1..=COUNT {
            p.server(publish(1, number, "t", ""));
        }
        p.run();
        let taken = p.take_reported();
        assert!((4..usize::from(COUNT)).contains(&taken.len()), "{taken:?}");
        // Time alone moves nothing.
        p.wait(1_000_000);
        p.reports(&[]);
        p.stall(false);
        p.run();
        assert_eq!(taken.len() + p.take_reported().len(), COUNT.into());
        let expected: Vec<_> = (1..=COUNT)
            .map(|number| format!("PUBACK #{number}"))
            .collect();
        assert_eq!(p.take_sent(), expected);
    });
}

/// The same for answers that are queued at once: PUBCOMP, PUBREL, repeated PUBREC.
#[test]
fn a_stalled_wire_holds_back_what_needs_an_answer() {
    type Make = fn(u16) -> Packet<'static>;
    let packets: [(Make, &str); 3] = [
        (pubrel, "PUBCOMP"),
        (pubrec, "PUBREL"),
        (|_| dup(publish(2, 999, "t", "")).into(), "PUBREC"),
    ];
    for (packet, answer) in packets {
        each(SETUP.tx(100), |p| {
            const COUNT: u16 = 60;
            p.online();
            p.server(publish(2, 999, "t", ""));
            p.reports(&["Publish q2 #999 t ''"]);
            p.sends(&["PUBREC #999"]);
            p.stall(true);
            for number in 1..=COUNT {
                p.server(packet(number));
            }
            p.run();
            // A stalled server is no reason to give up taking in what comes after.
            p.stall(false);
            p.run();
            let sent = p.take_sent();
            assert_eq!(sent.len(), COUNT.into());
            assert!(sent.iter().all(|sent| sent.starts_with(answer)));
            p.reports(&[]);
        });
    }
}

/// `[MQTT-3.3.2-10]`, `[MQTT-3.1.2-26]`, `[MQTT-3.1.2-27]`: no alias was agreed upon.
#[test]
fn topic_alias() {
    run(&[V5], SETUP, |p| {
        let properties = [Property::TopicAlias(1)];
        for topic in ["t", ""] {
            for level in 0..=2 {
                p.online();
                let publish = publish(level, level.into(), topic, "x");
                p.server(Publish {
                    properties: (&properties).into(),
                    ..publish
                });
                p.fails(PeerError::TopicAlias, 0x94);
            }
        }
    });
}

/// PUBREL that comes before PUBREC was sent leaves the queue as it was.
#[test]
fn pubrel_before_pubrec() {
    each(MANUAL.inbound(1), |p| {
        p.online();
        p.server(publish(2, 1, "t", "a"));
        p.server(pubrel(1));
        p.server(publish(1, 2, "t", "b"));
        p.run();
        // However the client takes this, a message that it delivers can be acknowledged.
        let reported = p.take_reported();
        if reported.contains(&"Publish q1 #2 t 'b'".to_owned()) {
            p.acknowledge(2);
        }
        let _ = p.take_sent();
        p.lose();
    });
}

/// The application changes its mind between two connections: what it held is not in the way.
#[test]
fn automatic_after_manual() {
    each(MANUAL, |p| {
        p.online();
        p.server(publish(2, 1, "t", "a"));
        p.server(publish(2, 3, "t", "c"));
        p.reports(&["Publish q2 #1 t 'a'", "Publish q2 #3 t 'c'"]);
        p.lose();
        let automatic = mqtt_core::Acknowledgement::Automatic;
        let config = mqtt_core::Config {
            acknowledgement: automatic,
            ..p.config()
        };
        p.client.reconfigure(config).unwrap();
        p.resume();
        p.server(publish(1, 2, "t", "b"));
        p.reports(&["Publish q1 #2 t 'b'"]);
        p.run();
        assert!(
            p.take_sent().contains(&"PUBACK #2".to_owned()),
            "the queue is stuck"
        );
    });
}

/// More QoS 2 messages than there are cells: each connection gets some of them through.
#[test]
fn too_many_qos_2_messages() {
    each(SETUP.inbound(4), |p| {
        let mut waiting: Vec<u16> = (1..=10).collect();
        for connection in 0..10 {
            if connection == 0 {
                p.online();
            } else {
                p.resume();
            }
            // All are read before anything can be sent.
            p.stall(true);
            for &number in &waiting {
                p.server(dup(publish(2, number, "t", "")));
            }
            p.run();
            p.stall(false);
            p.run();
            let sent = p.take_sent();
            let _ = p.take_reported();
            waiting.retain(|number| !sent.contains(&format!("PUBREC #{number}")));
            if p.client.is_connected() {
                break;
            }
            p.lose();
            // The server goes on where it was.
            p.resume();
            for number in (1..=10).filter(|number| !waiting.contains(number)) {
                p.server(pubrel(number));
            }
            p.run();
            let _ = p.take_sent();
            p.lose();
        }
        assert_eq!(waiting, [0; 0]);
    });
}
