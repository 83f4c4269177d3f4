//! What the server says it cannot do, and memory that holds next to nothing.

use mqtt_core::wire::{Filter, Property, QoS, ReasonCode};
use mqtt_core::{Error, Message, PeerError, Resource, UsageError};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, each, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

#[track_caller]
fn online(p: &mut Pair<'_>, property: Property<'_>) {
    p.connect();
    p.server(connack_with(&[property]));
    p.reports(&[&format!("Connected [{property:?}]")]);
}

/// After a refusal everything goes on, with the next identifier.
#[track_caller]
fn goes_on(p: &mut Pair<'_>) {
    p.sends(&[]);
    p.reports(&[]);
    p.subscribe("ok", 0, 1);
    p.sends(&["SUBSCRIBE #1 ok q0"]);
    p.lose();
    p.reports(&["Lost #1"]);
    // The limit was this server's.
    p.online();
}

/// `[MQTT-3.2.2-11]`.
#[test]
fn maximum_qos() {
    run(&[V5], SETUP, |p| {
        online(p, Property::MaximumQoS(QoS::AtLeastOnce));
        p.refuses(UsageError::MaximumQoS, |client| {
            client.publish(&Message::new("t", b"").qos(qos(2)))
        });
        goes_on(p);
        p.publish(2, "t", "x", 2);
        p.sends(&["PUBLISH q2 #2 t 'x'"]);
    });
    run(&[V5], SETUP, |p| {
        online(p, Property::MaximumQoS(QoS::AtMostOnce));
        for level in 1..=2 {
            p.refuses(UsageError::MaximumQoS, |client| {
                client.publish(&Message::new("t", b"").qos(qos(level)))
            });
        }
        // [MQTT-3.2.2-10].
        p.subscribe("t", 2, 1);
        p.sends(&["SUBSCRIBE #1 t q2"]);
        p.publish(0, "t", "x", 0);
        p.sends(&["PUBLISH q0 t 'x'"]);
    });
}

/// `[MQTT-3.2.2-14]`.
#[test]
fn retain_not_available() {
    run(&[V5], SETUP, |p| {
        online(p, Property::RetainAvailable(false));
        for level in 0..=2 {
            p.refuses(UsageError::RetainNotAvailable, |client| {
                client.publish(&Message::new("t", b"").qos(qos(level)).retain(true))
            });
        }
        goes_on(p);
    });
}

/// `[MQTT-3.2.2-15]`.
#[test]
fn maximum_packet_size() {
    run(&[V5], SETUP, |p| {
        online(p, Property::MaximumPacketSize(20));
        let long = "x".repeat(30);
        for level in 0..=2 {
            p.refuses(UsageError::MaximumPacketSize, |client| {
                client.publish(&Message::new("t", long.as_bytes()).qos(qos(level)))
            });
        }
        p.refuses(UsageError::MaximumPacketSize, |client| {
            client.subscribe(&[Filter::new(&long, qos(0))])
        });
        p.refuses(UsageError::MaximumPacketSize, |client| {
            client.unsubscribe(&[&long])
        });
        p.refuses(UsageError::MaximumPacketSize, |client| {
            let properties = [Property::ReasonString(&long)];
            let mut packet = disconnect(ReasonCode::Success);
            packet.properties = (&properties).into();
            client.disconnect_with(&packet)
        });
        // To the byte: 2 of the fixed header, 3 of the topic, 2 of the identifier, 1 for properties.
        p.refuses(UsageError::MaximumPacketSize, |client| {
            client.publish(&Message::new("t", &[0; 13]).qos(qos(1)))
        });
        p.publish(1, "t", "123456789012", 1);
        p.sends(&["PUBLISH q1 #1 t '123456789012'"]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
    });
}

#[test]
fn wildcards_shared_subscriptions_and_identifiers() {
    run(&[V5], SETUP, |p| {
        online(p, Property::WildcardSubscriptionAvailable(false));
        for topic in ["a/+", "#", "$share/g/a/#"] {
            p.refuses(UsageError::WildcardNotAvailable, |client| {
                client.subscribe(&[Filter::new("a", qos(0)), Filter::new(topic, qos(0))])
            });
        }
        goes_on(p);
        p.lose();
        online(p, Property::SharedSubscriptionAvailable(false));
        p.refuses(UsageError::SharedNotAvailable, |client| {
            client.subscribe(&[Filter::new("a", qos(0)), Filter::new("$share/g/a", qos(0))])
        });
        p.lose();
        online(p, Property::SubscriptionIdentifierAvailable(false));
        p.refuses(UsageError::SubscriptionIdentifierNotAvailable, |client| {
            let identifier = [Property::SubscriptionIdentifier(1)];
            client.subscribe_with(&[Filter::new("a", qos(0))], &identifier)
        });
        let properties = [Property::UserProperty("k", "v")];
        let _ = p
            .client
            .subscribe_with(&[Filter::new("+", qos(0))], &properties)
            .unwrap();
        p.sends(&["SUBSCRIBE #2 + q0 [UserProperty(\"k\", \"v\")]"]);
    });
}

/// The limits hold for messages that were handed over before they were known, too.
#[track_caller]
fn published_before(limit: Property<'static>, message: Message<'static>) {
    for resumed in [false, true] {
        run(&[V5], SETUP, |p| {
            if resumed {
                p.online();
            }
            let id = p.client.publish(&message).unwrap().unwrap();
            p.run();
            let _ = p.take_sent();
            p.lose();
            p.connect();
            p.server(session_with(&[limit]));
            p.run();
            assert_eq!(p.take_sent(), [""; 0], "beyond {limit:?}");
            assert!(p.take_reported().contains(&format!("Lost #{id}")));
        });
    }
}

/// `[MQTT-3.2.2-11]`.
#[test]
fn maximum_qos_and_messages_from_before() {
    let message = Message::new("t", b"x").qos(QoS::ExactlyOnce);
    published_before(Property::MaximumQoS(QoS::AtLeastOnce), message);
}

/// `[MQTT-3.2.2-14]`.
#[test]
fn retain_not_available_and_messages_from_before() {
    let message = Message::new("t", b"x").qos(QoS::AtLeastOnce).retain(true);
    published_before(Property::RetainAvailable(false), message);
}

/// Only what is retained is not sent again to such a server.
#[test]
fn retain_not_available_and_messages_from_before_without_it() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.publish(1, "t", "x", 1);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
        p.lose();
        p.connect();
        p.server(session_with(&[Property::RetainAvailable(false)]));
        p.run();
        let _ = p.take_reported();
        assert_eq!(p.take_sent(), ["PUBLISH q1 #1 dup t 'x'"]);
    });
}

/// `[MQTT-3.2.2-15]`.
#[test]
fn maximum_packet_size_and_messages_from_before() {
    let message = Message::new("t", &[b'x'; 30]).qos(QoS::AtLeastOnce);
    published_before(Property::MaximumPacketSize(20), message);
}

/// A disconnect that fails has not even queued what is due.
#[test]
fn a_failed_disconnect_changes_nothing() {
    run(&[V5], SETUP.manual(), |p| {
        p.online();
        p.server(publish(1, 5, "t", "x"));
        p.reports(&["Publish q1 #5 t 'x'"]);
        p.acknowledge(5);
        let properties = [Property::TopicAlias(1)];
        let mut packet = disconnect(ReasonCode::Success);
        packet.properties = (&properties).into();
        let error = mqtt_core::wire::EncodeError::PropertyNotAllowed;
        p.refuses(UsageError::Encode(error), |client| {
            client.disconnect_with(&packet)
        });
        p.sends(&["PUBACK #5"]);
    });
}

/// `Config::connect` needs this much, and 5 more bytes for PINGREQ and DISCONNECT.
fn connect_len(p: &mut Pair<'_>) -> usize {
    p.client.connect(p.now()).unwrap();
    let len = p.client.transmit().len();
    p.lose();
    len
}

/// Room for CONNECT and nothing else: receiving works, publishing is refused for good.
#[test]
fn just_room_for_connect() {
    let mut smallest = [0; 2];
    for (version, len) in [mqtt_core::wire::Version::V311, V5]
        .into_iter()
        .zip(&mut smallest)
    {
        *len = {
            let found = std::cell::Cell::new(0);
            run(&[version], SETUP, |p| found.set(connect_len(p)));
            found.get() + 5
        };
        run(&[version], SETUP.tx(*len), |p| {
            p.online();
            for level in 0..=2 {
                p.refuses(UsageError::BufferTooSmall, |client| {
                    client.publish(&Message::new("t", b"").qos(qos(level)))
                });
            }
            p.subscribe("t", 1, 1);
            p.sends(&["SUBSCRIBE #1 t q1"]);
            p.server(suback(1, &[ReasonCode::GrantedQoS1]));
            p.reports(&["Subscribed #1 [1]"]);
            for number in 1..=8 {
                p.server(publish(
                    1 + u8::try_from(number % 2).unwrap(),
                    number,
                    "t",
                    "",
                ));
            }
            p.run();
            assert_eq!(p.take_reported().len(), 8);
            assert_eq!(p.take_sent().len(), 8);
            p.client.disconnect().unwrap();
            p.sends(&["DISCONNECT"]);
        });
        run(&[version], SETUP.tx(*len - 1), |p| {
            let now = p.now();
            p.refuses(UsageError::BufferTooSmall, |client| client.connect(now));
        });
    }
}

#[test]
fn no_memory_at_all() {
    each(SETUP.rx(0).tx(0).slots(0).inbound(0), |p| {
        let now = p.now();
        p.refuses(UsageError::BufferTooSmall, |client| client.connect(now));
        let message = Message::new("t", b"").qos(qos(1));
        p.refuses(Resource::Slots, |client| client.publish(&message));
        p.run();
        assert_eq!(p.client.poll_timeout(), None);
    });
}

/// A receive buffer that holds no CONNACK.
#[test]
fn no_room_to_receive() {
    each(SETUP.rx(2), |p| {
        p.connect();
        p.server(connack());
        p.run();
        let error = Error::from(PeerError::PacketTooLarge);
        assert_eq!(p.take_reported(), [format!("! {error:?}")]);
        let _ = p.take_sent();
        p.lose();
    });
}

/// Every acknowledgement and request through a few bytes.
#[test]
fn everything_through_the_smallest_buffers() {
    each(SETUP.tx(64).rx(16).slots(1).inbound(1), |p| {
        p.online();
        for round in 0..20_u16 {
            let number = 4 * round + 1;
            p.publish(2, "t", "x", number);
            p.sends(&[&format!("PUBLISH q2 #{number} t 'x'")]);
            p.refuses(Resource::Slots, |client| client.unsubscribe(&["t"]));
            p.server(pubrec(number));
            p.sends(&[&format!("PUBREL #{number}")]);
            let _ = {
                p.run();
                p.take_reported()
            };
            p.refuses(Resource::Slots, |client| client.unsubscribe(&["t"]));
            p.server(pubcomp(number));
            p.reports(&[&format!("Published #{number}"), "Writable"]);
            p.publish(1, "t", "", number + 1);
            p.sends(&[&format!("PUBLISH q1 #{} t ''", number + 1)]);
            p.server(puback(number + 1));
            p.subscribe_after(number + 2);
            assert_eq!(p.client.unsubscribe(&["t"]).unwrap().get(), number + 3);
            p.sends(&[&format!("UNSUBSCRIBE #{} t", number + 3)]);
            p.server(unsuback(number + 3, p.version, &[ReasonCode::Success]));
            p.run();
            let _ = p.take_reported();
            p.server(publish(2, 7, "t", "x"));
            p.sends(&["PUBREC #7"]);
            p.server(pubrel(7));
            p.sends(&["PUBCOMP #7"]);
            p.reports(&["Publish q2 #7 t 'x'"]);
        }
    });
}

impl Pair<'_> {
    #[track_caller]
    fn subscribe_after(&mut self, number: u16) {
        self.run();
        self.subscribe("t", 0, number);
        self.sends(&[&format!("SUBSCRIBE #{number} t q0")]);
        self.server(suback(number, &[ReasonCode::Success]));
        self.run();
    }
}
