//! Rare moments: two things at once, the last byte of a buffer, the end of a connection.

use mqtt_core::wire::{Auth, List, PacketId, Property, QoS, ReasonCode};
use mqtt_core::{Durability, Error, Message, PeerError, Resource, UsageError};

use super::journal::online;
use super::pair::say::*;
use super::pair::{Pair, Setup, V5, V311, each, run, whole};

const SETUP: Setup = Setup::new();
const DURABLE: Setup = Setup::new().durable();

fn expiring(
    p: &mut Pair<'_>,
    qos: QoS,
    seconds: u32,
    payload: &[u8],
) -> Result<Option<PacketId>, Error> {
    p.client.publish(
        &Message::new("t", payload)
            .qos(qos)
            .properties(&[Property::MessageExpiryInterval(seconds)]),
    )
}

/// Writes the records that are due.
fn keep(p: &mut Pair<'_>) {
    let records = p.client.journal();
    let records: Vec<_> = records.map(|r| (r.head(), r.body().to_vec())).collect();
    p.client.journaled(records.len());
    p.disk.extend(records);
}

/// The rest of a packet that was begun is sent before DISCONNECT, however long that takes.
#[test]
fn a_message_sent_in_part_does_not_expire() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.stall(true);
        expiring(p, QoS::AtLeastOnce, 5, b"payload").unwrap();
        p.take(4);
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        let rest = p.client.transmit().to_vec();
        p.wait(6_000);
        p.run();
        assert_eq!(p.client.transmit(), rest);
        p.stall(false);
        p.run();
        let _ = p.take_sent();
        p.lose();
        let _ = p.take_reported();
    });
}

#[test]
fn a_message_that_was_sent_does_not_expire_after_abort() {
    run(&[V5], SETUP, |p| {
        p.online();
        expiring(p, QoS::AtLeastOnce, 5, b"payload").unwrap();
        p.run();
        let _ = p.take_sent();
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.sends(&["DISCONNECT 0x80"]);
        p.wait(6_000);
        p.reports(&[]);
    });
}

#[test]
fn a_lent_message_does_not_expire_after_abort() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.stall(true);
        let m = Message::new("t", b"").properties(&[Property::MessageExpiryInterval(5)]);
        p.client.publish_lent(&m, 7).unwrap();
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.wait(6_000);
        p.run();
        let _ = p.client.in_flight();
        p.stall(false);
        p.lose();
        p.run();
        let _ = p.take_reported();
        let _ = p.take_sent();
    });
}

/// Nothing can be sent in place of a payload.
#[test]
fn abort_in_the_head_of_a_lent_message() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish_lent(1, "t", "payload", 1);
        p.take(3);
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        let rest = p.client.transmit().len();
        if rest > 0 {
            p.take(rest);
        }
        assert_eq!(p.client.transmit(), b"");
        assert_eq!(p.client.payload(), None);
        assert!(p.client.is_closed());
        p.lose();
        p.stall(false);
    });
}

#[test]
fn an_error_after_disconnect_in_the_middle_of_a_payload() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish_lent(1, "t", "payload", 1);
        let head = p.client.transmit().len();
        p.take(head);
        p.client.disconnect().unwrap();
        p.bytes(&[0xff, 0xff]);
        p.run();
        let _ = p.take_reported();
        assert_eq!(p.client.transmit(), b"");
        assert_eq!(p.client.payload(), None);
        assert!(p.client.is_closed());
        p.lose();
        p.stall(false);
    });
}

#[test]
fn what_has_expired_makes_room_for_bytes() {
    run(&[V5], SETUP.tx(200), |p| {
        p.reports(&[]);
        let payload = [b'x'; 100];
        expiring(p, QoS::AtLeastOnce, 2, &payload).unwrap();
        let message = Message::new("t", &payload).qos(QoS::AtLeastOnce);
        p.refuses(Resource::Messages, |c| c.publish(&message));
        p.wait(3_000);
        p.reports(&["Lost #1", "Writable"]);
    });
}

#[test]
fn durability_that_is_given_up_holds_nothing_back() {
    each(DURABLE, |p| {
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.lose();
        let mut config = p.config();
        config.durability = Durability::Ram;
        p.client.reconfigure(config).unwrap();
        p.online();
        p.publish(1, "t", "b", 1);
        p.sends(&["PUBLISH q1 #1 t 'b'"]);
    });
}

/// A repeated PUBREL is answered twice.
#[test]
fn pubcomp_that_is_repeated() {
    for setup in [SETUP, DURABLE] {
        run(&[V5, V311], setup, |p| {
            p.connect();
            p.server(connack());
            p.run();
            p.client.journaled(9);
            p.publish(2, "t", "a", 1);
            p.client.journaled(9);
            p.run();
            p.server(pubrec(1));
            p.run();
            p.client.journaled(9);
            p.run();
            p.server(pubrec(1));
            p.run();
            let _ = (p.take_sent(), p.take_reported());
            p.server(pubcomp(1));
            p.server(pubcomp(1));
            p.reports(&["Published #1"]);
        });
    }
}

/// The power has ended the connection that the journal knows of.
#[test]
fn what_is_published_after_a_power_cut_was_not_sent() {
    each(DURABLE, |p| {
        online(p);
        p.power_cut();
        // Offline.
        p.publish(1, "t", "a", 1);
        p.run();
        keep(p);
        p.power_cut();
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.journals(&["Connected"]);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
    });
}

/// Room for an assigned identifier is taken once.
#[test]
fn assigned_identifiers_of_changing_length() {
    run(
        &[V5],
        {
            let mut s = SETUP;
            s.config.client_id = "";
            s.config.session_expiry = 60;
            s.tx(512)
        },
        |p| {
            for n in 0..200 {
                let name = if n % 2 == 0 { "auto-9" } else { "auto-10" };
                p.connect();
                p.server(connack_with(&[Property::AssignedClientIdentifier(name)]));
                p.run();
                let _ = p.take_reported();
                assert_eq!(p.client.client_id(), name, "{n}");
                p.lose();
            }
        },
    );
}

#[test]
fn a_session_that_begins_clean_and_goes_on() {
    run(
        &[V5],
        {
            let mut s = SETUP.clean();
            s.config.client_id = "";
            s.config.session_expiry = 60;
            s
        },
        |p| {
            p.connect();
            p.server(connack_with(&[Property::AssignedClientIdentifier(
                "auto-1",
            )]));
            p.run();
            let _ = p.take_reported();
            p.publish(1, "t", "a", 1);
            p.run();
            let _ = p.take_sent();
            p.lose();
            let mut config = p.config();
            config.clean_start = false;
            p.client.reconfigure(config).unwrap();
        },
    );
}

/// The journal has lost messages until they are done; what takes their room comes after that.
#[test]
fn the_room_of_lost_messages_is_used_after_they_are_done() {
    run(&[V5], DURABLE.tx(200), |p| {
        p.reports(&[]);
        let payload = [b'x'; 50];
        expiring(p, QoS::AtLeastOnce, 2, &payload).unwrap();
        expiring(p, QoS::AtLeastOnce, 2, &payload).unwrap();
        p.run();
        keep(p);
        p.wait(3_000);
        assert_eq!(p.next_report(), "Lost #1");
        let message = Message::new("t", &payload).qos(QoS::AtLeastOnce);
        p.client.publish(&message).unwrap();
        p.client.publish(&message).unwrap();
        keep(p);
        p.power_cut();
    });
}

#[test]
fn an_assigned_identifier_leaves_room_for_ping_and_disconnect() {
    for tx in 145..165 {
        for len in 1..40 {
            whole(
                V5,
                {
                    let mut s = SETUP.tx(tx);
                    s.config.client_id = "";
                    s.config.keep_alive = 1;
                    s.config.properties = &[Property::AuthenticationMethod("m")];
                    s
                },
                |p| {
                    p.client.connect(p.now()).unwrap();
                    let data = vec![1u8; 400];
                    for n in (0..400).rev() {
                        let props = [
                            Property::AuthenticationMethod("m"),
                            Property::AuthenticationData(&data[..n]),
                        ];
                        if p.client
                            .authenticate(&Auth {
                                code: ReasonCode::ContinueAuthentication,
                                properties: List::from(&props),
                            })
                            .is_ok()
                        {
                            break;
                        }
                    }
                    p.stall(true);
                    let name = "n".repeat(len);
                    p.server(connack_with(&[Property::AssignedClientIdentifier(&name)]));
                    p.wait(1000);
                    p.run();
                    p.wait(1000);
                    p.run();
                    p.bytes(&[0xff, 0xff]);
                    p.run();
                    p.stall(false);
                    p.run();
                    p.lose();
                    p.run();
                    let _ = (p.take_sent(), p.take_reported());
                },
            );
        }
    }
}

/// After a reconnect the server's quota is whole again (4.9), and PUBREL takes none of it.
#[test]
fn pubrel_of_an_earlier_connection_counts_no_more() {
    run(&[V5], DURABLE.inbound(2), |p| {
        online(p);
        for number in [1, 2] {
            p.server(publish(2, number, "t", "x"));
        }
        p.reports(&["Publish q2 #1 t 'x'", "Publish q2 #2 t 'x'"]);
        p.journals(&["Received #1", "Received #2"]);
        p.sends(&["PUBREC #1", "PUBREC #2"]);
        p.lose();
        p.journals(&["Disconnected"]);
        p.connect();
        p.server(session());
        p.reports(&["Connected session"]);
        p.journals(&["Connected session"]);
        for number in [1, 2] {
            p.server(pubrel(number));
        }
        for number in [3, 4] {
            p.server(publish(2, number, "t", "y"));
        }
        p.reports(&[]);
        p.journals(&["Released #1", "Released #2"]);
        p.sends(&["PUBCOMP #1", "PUBCOMP #2"]);
        p.reports(&["Publish q2 #3 t 'y'", "Publish q2 #4 t 'y'"]);
        p.journals(&["Received #3", "Received #4"]);
        p.sends(&["PUBREC #3", "PUBREC #4"]);
    });
}

/// `[MQTT-3.14.4-1]`: DISCONNECT is the last packet.
#[test]
fn disconnect_is_last_whatever_is_recorded_meanwhile() {
    each(DURABLE, |p| {
        p.publish(1, "t", "a", 1);
        p.journals(&["PUBLISH q1 #1 t 'a'"]);
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.client.disconnect().unwrap();
        p.stall(true);
        p.take(1);
        p.journals(&["Connected"]);
        p.stall(false);
        p.sends(&["DISCONNECT"]);
        assert!(p.client.is_closed());
        p.lose();
    });
}

#[test]
fn an_outbox_filled_to_the_last_byte_is_restored() {
    // 32 bytes for control packets, 96 for messages.
    fn record(p: &mut Pair<'_>) {
        p.run();
        keep(p);
        p.run();
    }
    run(&[V311], DURABLE.tx(128), |p| {
        let publish = |p: &mut Pair<'_>, len: usize, id: u16| {
            p.publish(1, "t", &"x".repeat(len - 7), id);
            record(p);
        };
        online(p);
        p.stall(true);
        p.publish(0, "t", "x", 0);
        publish(p, 30, 1);
        publish(p, 30, 2);
        p.stall(false);
        record(p);
        p.server(puback(1));
        record(p);
        p.lose();
        publish(p, 36, 3);
        publish(p, 29, 4);
        p.connect();
        p.server(session());
        record(p);
        p.server(puback(2));
        record(p);
        p.lose();
        let message = Message::new("t", &[b'x'; 24]).qos(QoS::AtLeastOnce);
        let _ = p.client.publish(&message);
        record(p);
        let _ = (p.take_sent(), p.take_reported());
        p.power_cut();
    });
}

#[test]
fn a_message_that_is_refused_costs_no_alias() {
    run(
        &[V5],
        {
            let mut s = SETUP.aliases(10);
            s.config.automatic_topic_aliases = true;
            s
        },
        |p| {
            p.connect();
            p.server(connack_with(&[Property::TopicAliasMaximum(5)]));
            p.run();
            let _ = p.take_reported();
            p.publish(0, "a", "", 0);
            p.publish(0, "b", "", 0);
            p.run();
            let _ = p.take_sent();
            p.refuses(UsageError::BufferTooSmall, |c| {
                c.publish(&Message::new("c", &[0; 2000]))
            });
            p.publish(0, "a", "", 0);
            p.sends(&["PUBLISH q0  '' [TopicAlias(1)]"]);
        },
    );
}

/// A second is a second, wherever it begins.
#[test]
fn no_message_expires_before_its_time() {
    run(&[V5], SETUP, |p| {
        p.reports(&[]);
        p.wait(900);
        p.reports(&[]);
        expiring(p, QoS::AtLeastOnce, 1, b"x").unwrap();
        p.wait(200);
        p.reports(&[]);
    });
}

/// A message that the first session never got, sent to the second one, is the second one's.
#[test]
fn never_sent_to_the_session_that_was_lost() {
    run(&[V5], DURABLE, |p| {
        p.publish(2, "t", "a", 1);
        p.publish(2, "t", "b", 2);
        p.journals(&["PUBLISH q2 #1 t 'a'", "PUBLISH q2 #2 t 'b'"]);
        p.connect();
        p.server(connack_with(&[Property::ReceiveMaximum(1)]));
        p.run();
        let _ = p.take_reported();
        p.journals(&["Connected"]);
        p.sends(&["PUBLISH q2 #1 t 'a'"]);
        p.lose();
        p.journals(&["Disconnected"]);
        p.connect();
        p.server(connack());
        p.reports(&["Connected", "Lost #1"]);
        p.run();
        keep(p);
        p.sends(&["PUBLISH q2 #2 t 'b'"]);
        p.power_cut();
        p.connect();
        p.server(session());
        p.reports(&["Connected session"]);
        p.journals(&["Connected session"]);
        p.sends(&["PUBLISH q2 #2 dup t 'b'"]);
    });
}

/// The server has another session, and its CONNACK was lost: identifiers of the one before are not
/// in the way.
#[test]
fn identifiers_of_a_session_that_ended_unnoticed() {
    each(SETUP.inbound(2), |p| {
        p.online();
        for number in [1, 2] {
            p.server(publish(2, number, "t", "old"));
        }
        p.run();
        assert_eq!(p.take_reported().len(), 2);
        p.sends(&["PUBREC #1", "PUBREC #2"]);
        p.lose();
        p.resume();
        // One of them is still of interest.
        p.server(dup(publish(2, 1, "t", "old")));
        p.sends(&["PUBREC #1"]);
        p.server(publish(2, 3, "t", "new"));
        p.reports(&["Publish q2 #3 t 'new'"]);
        p.sends(&["PUBREC #3"]);
        for number in [1, 3] {
            p.server(pubrel(number));
        }
        p.sends(&["PUBCOMP #1", "PUBCOMP #3"]);
        p.server(publish(2, 2, "t", "new"));
        p.reports(&["Publish q2 #2 t 'new'"]);
        p.sends(&["PUBREC #2"]);
    });
    // What the application has not acknowledged is not forgotten.
    each(SETUP.inbound(3).manual(), |p| {
        p.online();
        for number in [3, 1, 2] {
            p.server(publish(2, number, "t", "old"));
        }
        p.run();
        assert_eq!(p.take_reported().len(), 3);
        p.acknowledge(3);
        p.sends(&["PUBREC #3"]);
        p.lose();
        p.resume();
        p.server(publish(2, 7, "t", "new"));
        p.reports(&["Publish q2 #7 t 'new'"]);
        for number in [1, 2] {
            p.server(dup(publish(2, number, "t", "old")));
        }
        p.reports(&[]);
        for number in [1, 2, 7] {
            p.acknowledge(number);
        }
        p.sends(&["PUBREC #1", "PUBREC #2", "PUBREC #7"]);
    });
    each(DURABLE.inbound(1), |p| {
        online(p);
        p.server(publish(2, 1, "t", "old"));
        p.reports(&["Publish q2 #1 t 'old'"]);
        p.journals(&["Received #1"]);
        p.sends(&["PUBREC #1"]);
        p.lose();
        p.journals(&["Disconnected"]);
        p.connect();
        p.server(session());
        p.reports(&["Connected session"]);
        p.journals(&["Connected session"]);
        p.server(publish(2, 7, "t", "new"));
        p.reports(&[]);
        // Nobody waits for a PUBCOMP.
        p.journals(&["Released #1"]);
        p.sends(&[]);
        p.reports(&["Publish q2 #7 t 'new'"]);
        p.journals(&["Received #7"]);
        p.sends(&["PUBREC #7"]);
        p.server(pubrel(7));
        p.journals(&["Released #7"]);
        p.sends(&["PUBCOMP #7"]);
        p.power_cut();
    });
}

/// Of this connection there is none too many, whatever was before.
#[test]
fn no_more_than_the_receive_maximum_on_one_connection() {
    run(&[V5], SETUP.inbound(2), |p| {
        p.online();
        p.server(publish(2, 1, "t", "old"));
        p.reports(&["Publish q2 #1 t 'old'"]);
        p.sends(&["PUBREC #1"]);
        p.lose();
        p.resume();
        for number in [2, 3] {
            p.server(publish(2, number, "t", "new"));
        }
        p.run();
        assert_eq!(p.take_reported().len(), 2);
        p.sends(&["PUBREC #2", "PUBREC #3"]);
        p.server(publish(2, 4, "t", "too many"));
        p.fails(PeerError::ReceiveMaximumExceeded, 0x93);
    });
    run(&[V5], SETUP.inbound(2).manual(), |p| {
        p.online();
        p.server(publish(2, 1, "t", "old"));
        p.reports(&["Publish q2 #1 t 'old'"]);
        p.acknowledge(1);
        p.sends(&["PUBREC #1"]);
        p.lose();
        p.resume();
        for number in [2, 3] {
            p.server(publish(1, number, "t", "new"));
        }
        p.run();
        assert_eq!(p.take_reported().len(), 2);
        p.server(publish(1, 4, "t", "too many"));
        p.reports(&[]);
        p.acknowledge(2);
        p.reports(&["Publish q1 #4 t 'too many'"]);
        p.sends(&["PUBACK #2"]);
    });
}
