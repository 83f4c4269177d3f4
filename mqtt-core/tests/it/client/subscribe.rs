//! Requests: SUBSCRIBE and UNSUBSCRIBE.

use mqtt_core::wire::{
    EncodeError, Filter, PacketType, Property, ReasonCode, RetainHandling, SubAck,
};
use mqtt_core::{PeerError, Resource, UsageError};

use super::pair::say::*;
use super::pair::{Setup, V5, V31, V311, each, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

/// `[MQTT-3.8.4-1]` to `[MQTT-3.8.4-7]`.
#[test]
fn subscribe() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        let filters = ["a/+", "#", "$SYS/x"].map(|topic| Filter::new(topic, qos(2)));
        assert_eq!(p.client.subscribe(&filters).unwrap().get(), 1);
        p.sends(&["SUBSCRIBE #1 a/+ q2 # q2 $SYS/x q2"]);
        p.server(suback(
            1,
            &[
                ReasonCode::GrantedQoS1,
                ReasonCode::Success,
                ReasonCode::GrantedQoS2,
            ],
        ));
        p.reports(&["Subscribed #1 [1 0 2]"]);
        p.subscribe("b", 1, 2);
        p.sends(&["SUBSCRIBE #2 b q1"]);
        if p.version != V31 {
            p.server(suback(2, &[ReasonCode::UnspecifiedError]));
            p.reports(&["Subscribed #2 [80]"]);
        }
    });
}

#[test]
fn subscribe_with_options_and_properties() {
    run(&[V5], SETUP, |p| {
        p.online();
        let filters = [
            Filter {
                no_local: true,
                retain_as_published: true,
                retain_handling: RetainHandling::DoNotSend,
                ..Filter::new("a", qos(2))
            },
            Filter {
                retain_handling: RetainHandling::SendIfNew,
                ..Filter::new("$share/g/b", qos(0))
            },
        ];
        let properties = [
            Property::SubscriptionIdentifier(268_435_455),
            Property::UserProperty("k", "v"),
        ];
        assert_eq!(
            p.client
                .subscribe_with(&filters, &properties)
                .unwrap()
                .get(),
            1
        );
        p.sends(&[
            "SUBSCRIBE #1 a q2 no-local as-published do-not-send $share/g/b q0 if-new \
             [SubscriptionIdentifier(268435455), UserProperty(\"k\", \"v\")]",
        ]);
        let properties = [Property::ReasonString("r")];
        p.server(SubAck {
            properties: (&properties).into(),
            ..suback(1, &[ReasonCode::GrantedQoS2, ReasonCode::NotAuthorized])
        });
        p.reports(&["Subscribed #1 [2 87] [ReasonString(\"r\")]"]);
        p.server(publish(1, 1, "a", "x"));
        p.reports(&["Publish q1 #1 a 'x'"]);
        p.sends(&["PUBACK #1"]);
    });
}

/// `[MQTT-3.10.4-4]` to `[MQTT-3.10.4-6]`.
#[test]
fn unsubscribe() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        assert_eq!(p.client.unsubscribe(&["a/+", "#"]).unwrap().get(), 1);
        p.sends(&["UNSUBSCRIBE #1 a/+ #"]);
        let codes = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
        p.server(unsuback(1, p.version, &codes));
        p.reports(&[if p.is_v5() {
            "Unsubscribed #1 [0 11]"
        } else {
            "Unsubscribed #1 []"
        }]);
    });
    run(&[V5], SETUP, |p| {
        p.online();
        let _ = p
            .client
            .unsubscribe_with(&["a"], &[Property::UserProperty("k", "v")])
            .unwrap();
        p.sends(&["UNSUBSCRIBE #1 a [UserProperty(\"k\", \"v\")]"]);
    });
}

#[test]
fn answered_out_of_order() {
    each(SETUP, |p| {
        p.online();
        p.subscribe("a", 0, 1);
        p.subscribe("b", 0, 2);
        assert_eq!(p.client.unsubscribe(&["a"]).unwrap().get(), 3);
        p.sends(&["SUBSCRIBE #1 a q0", "SUBSCRIBE #2 b q0", "UNSUBSCRIBE #3 a"]);
        p.server(unsuback(3, p.version, &[ReasonCode::Success]));
        p.server(suback(2, &[ReasonCode::Success]));
        p.server(suback(1, &[ReasonCode::Success]));
        p.run();
        let reported = p.take_reported();
        assert_eq!(reported[1..], ["Subscribed #2 [0]", "Subscribed #1 [0]"]);
        p.subscribe("c", 0, 4);
        p.sends(&["SUBSCRIBE #4 c q0"]);
    });
}

/// `[MQTT-3.8.4-6]`, `[3.1.1 MQTT-3.8.4-5]`.
#[test]
fn suback_with_a_wrong_number_of_codes() {
    each(SETUP, |p| {
        for codes in [1, 3] {
            p.online();
            let filters = [Filter::new("a", qos(0)), Filter::new("b", qos(0))];
            let id = p.client.subscribe(&filters).unwrap().get();
            p.sends(&[&format!("SUBSCRIBE #{id} a q0 b q0")]);
            p.server(suback(id, &[ReasonCode::Success; 3][..codes]));
            p.fails(PeerError::ReasonCodeCount, 0x82);
            let _ = {
                p.run();
                p.take_reported()
            };
        }
    });
    run(&[V5], SETUP, |p| {
        p.online();
        let _ = p.client.unsubscribe(&["a"]).unwrap();
        p.sends(&["UNSUBSCRIBE #1 a"]);
        p.server(unsuback(1, V5, &[ReasonCode::Success; 2]));
        p.fails(PeerError::ReasonCodeCount, 0x82);
        let _ = {
            p.run();
            p.take_reported()
        };
    });
}

/// Whoever waits for this answer is told that there will be none.
#[test]
fn suback_with_a_wrong_number_of_codes_loses_the_request() {
    each(SETUP, |p| {
        p.online();
        p.subscribe("a", 0, 1);
        p.sends(&["SUBSCRIBE #1 a q0"]);
        p.server(suback(1, &[ReasonCode::Success; 2]));
        p.fails(PeerError::ReasonCodeCount, 0x82);
        p.reports(&["Lost #1"]);
    });
}

/// `[MQTT-2.2.1-6]`.
#[test]
fn answers_that_nobody_waits_for() {
    each(SETUP, |p| {
        let suback = |number| suback(number, &[ReasonCode::Success]);
        p.online();
        p.server(suback(1));
        p.fails(PeerError::UnknownPacketId(PacketType::SubAck), 0x82);
        p.online();
        p.server(unsuback(1, p.version, &[ReasonCode::Success]));
        p.fails(PeerError::UnknownPacketId(PacketType::UnsubAck), 0x82);
        // The wrong kind.
        p.online();
        let _ = p.client.unsubscribe(&["a"]).unwrap();
        p.sends(&["UNSUBSCRIBE #1 a"]);
        p.server(suback(1));
        p.fails(PeerError::UnknownPacketId(PacketType::SubAck), 0x82);
        p.reports(&["Lost #1"]);
        p.online();
        p.publish(1, "t", "x", 2);
        p.sends(&["PUBLISH q1 #2 t 'x'"]);
        p.server(suback(2));
        p.fails(PeerError::UnknownPacketId(PacketType::SubAck), 0x82);
        assert_eq!(p.client.in_flight(), 1);
    });
}

/// A request without an answer when the connection ends is not sent again, and reported.
#[test]
fn requests_are_lost_with_the_connection() {
    each(SETUP, |p| {
        p.online();
        p.subscribe("a", 0, 1);
        assert_eq!(p.client.unsubscribe(&["a"]).unwrap().get(), 2);
        p.sends(&["SUBSCRIBE #1 a q0", "UNSUBSCRIBE #2 a"]);
        p.stall(true);
        p.subscribe("never sent", 0, 3);
        p.lose();
        p.stall(false);
        p.reports(&["Lost #1", "Lost #2", "Lost #3"]);
        p.resume();
        p.sends(&[]);
        p.subscribe("b", 0, 4);
        p.sends(&["SUBSCRIBE #4 b q0"]);
    });
}

/// The loss can be noted on the next connection, too.
#[test]
fn loss_reported_after_the_reconnect() {
    each(SETUP, |p| {
        p.online();
        p.subscribe("a", 0, 1);
        p.sends(&["SUBSCRIBE #1 a q0"]);
        p.lose();
        p.connect();
        p.server(session());
        p.reports(&["Lost #1", "Connected session"]);
    });
}

#[test]
fn requests_that_are_not_allowed() {
    each(SETUP, |p| {
        p.online();
        let error = UsageError::Encode(EncodeError::EmptyList);
        p.refuses(error, |client| client.subscribe(&[]));
        p.refuses(error, |client| client.unsubscribe(&[]));
        let error = UsageError::Encode(EncodeError::TopicFilter);
        for topic in ["", "a+", "#/a", "a\0b", "$share/g"] {
            p.refuses(error, |client| {
                client.subscribe(&[Filter::new(topic, qos(0))])
            });
            p.refuses(error, |client| client.unsubscribe(&["a", topic]));
        }
        let filter = Filter {
            no_local: true,
            ..Filter::new("$share/g/a", qos(0))
        };
        let error = if p.is_v5() {
            EncodeError::NoLocalShared
        } else {
            EncodeError::Version
        };
        p.refuses(UsageError::Encode(error), |client| {
            client.subscribe(&[filter])
        });
        let error = if p.is_v5() {
            EncodeError::PropertyNotAllowed
        } else {
            EncodeError::Version
        };
        p.refuses(UsageError::Encode(error), |client| {
            client.subscribe_with(&[Filter::new("a", qos(0))], &[Property::TopicAlias(1)])
        });
        let long = "x".repeat(2000);
        p.refuses(UsageError::BufferTooSmall, |client| {
            client.subscribe(&[Filter::new(&long, qos(0))])
        });
        p.refuses(UsageError::BufferTooSmall, |client| {
            client.unsubscribe(&[&long])
        });
        p.sends(&[]);
        p.reports(&[]);
        p.subscribe("a", 0, 1);
        p.sends(&["SUBSCRIBE #1 a q0"]);
    });
}

/// Requests that wait fill their part of the buffer; sending them makes room.
#[test]
fn no_room_for_requests() {
    each(SETUP.tx(200).slots(50), |p| {
        p.online();
        p.stall(true);
        let filter = [Filter::new("a/b/c/d/e", qos(0))];
        let mut requests = 0;
        while p.client.subscribe(&filter).is_ok() {
            requests += 1;
        }
        assert!(requests > 1);
        p.refuses(Resource::Control, |client| client.subscribe(&filter));
        p.refuses(Resource::Control, |client| {
            client.unsubscribe(&["a/b/c/d/e"])
        });
        p.reports(&[]);
        p.stall(false);
        p.run();
        assert_eq!(p.take_sent().len(), requests);
        assert_eq!(p.take_reported(), ["Writable"]);
        p.subscribe("b", 0, u16::try_from(requests).unwrap() + 1);
        p.run();
        assert_eq!(p.take_sent().len(), 1);
    });
}
