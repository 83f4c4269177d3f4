//! Numbers that stand for topics.

use mqtt_core::wire::{Property, Publish, ReasonCode};
use mqtt_core::{Message, PeerError, UsageError};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, run};
use super::text::qos;

/// The server may use three aliases.
const SETUP: Setup = {
    let mut setup = Setup::new().aliases(60);
    setup.config.topic_alias_maximum = 3;
    setup
};

const AUTOMATIC: Setup = {
    let mut setup = Setup::new().aliases(60);
    setup.config.automatic_topic_aliases = true;
    setup
};

#[track_caller]
fn online(p: &mut Pair<'_>, topic_alias_maximum: u16) {
    p.connect();
    let properties = [Property::TopicAliasMaximum(topic_alias_maximum)];
    p.server(session_with(&properties));
    p.run();
    assert_eq!(p.take_reported().len(), 1);
}

fn aliased<'a>(publish: Publish<'a>, properties: &'a [Property<'a>; 1]) -> Publish<'a> {
    Publish {
        properties: properties.into(),
        ..publish
    }
}

/// `[MQTT-3.3.2-8]`, `[MQTT-3.3.2-10]`, `[MQTT-3.3.2-12]`.
#[test]
fn from_the_server() {
    run(&[V5], SETUP, |p| {
        p.client.connect(p.now()).unwrap();
        p.sends(&["CONNECT 5.0 'c' keep 0 [ReceiveMaximum(8), TopicAliasMaximum(3)]"]);
        p.server(connack());
        p.reports(&["Connected"]);
        for (alias, topic, resolved) in [
            (1, "a/b", "a/b"),
            (1, "", "a/b"),
            (3, "c", "c"),
            (1, "", "a/b"),
            (3, "", "c"),
            (1, "d", "d"),
            (1, "", "d"),
            (3, "", "c"),
        ] {
            let properties = [Property::TopicAlias(alias)];
            p.server(aliased(publish(0, 0, topic, "x"), &properties));
            p.reports(&[&format!("Publish q0 {resolved} 'x' [TopicAlias({alias})]")]);
        }
    });
}

/// At every QoS, and in a message that is only a repetition.
#[test]
fn from_the_server_at_every_qos() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [Property::TopicAlias(2)];
        p.server(aliased(publish(2, 1, "t", "a"), &properties));
        p.reports(&["Publish q2 #1 t 'a' [TopicAlias(2)]"]);
        p.sends(&["PUBREC #1"]);
        p.lose();
        p.resume();
        p.server(dup(aliased(publish(2, 1, "t", "a"), &properties)));
        p.reports(&[]);
        p.sends(&["PUBREC #1"]);
        p.server(aliased(publish(1, 2, "", "b"), &properties));
        p.reports(&["Publish q1 #2 t 'b' [TopicAlias(2)]"]);
        p.sends(&["PUBACK #2"]);
    });
}

/// A message that arrives in pieces.
#[test]
fn from_the_server_in_pieces() {
    run(&[V5], SETUP.rx(40), |p| {
        p.online();
        let properties = [Property::TopicAlias(2)];
        p.server(aliased(publish(0, 0, "t", "a"), &properties));
        p.reports(&["Publish q0 t 'a' [TopicAlias(2)]"]);
        let long = "x".repeat(100);
        p.server(aliased(publish(0, 0, "", &long), &properties));
        p.run();
        let reported = p.take_reported();
        assert_eq!(reported.len(), 1);
        assert!(reported[0].contains("TopicAlias(2)"), "{reported:?}");
        let last = Publish::new("", b"");
        assert_eq!(p.client.topic(&aliased(last, &properties)), "t");
        assert_eq!(p.client.topic(&Publish::new("own", b"")), "own");
    });
}

/// `[MQTT-3.3.2-7]`: an alias ends with its connection.
#[test]
fn cleared_with_the_connection() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [Property::TopicAlias(1)];
        p.server(aliased(publish(0, 0, "t", "x"), &properties));
        p.reports(&["Publish q0 t 'x' [TopicAlias(1)]"]);
        p.lose();
        p.resume();
        p.server(aliased(publish(0, 0, "", "x"), &properties));
        p.fails(PeerError::UnknownTopicAlias, 0x82);
    });
}

/// `[MQTT-3.3.2-8]`, `[MQTT-3.3.2-11]`, and one that was never set.
#[test]
fn aliases_that_are_wrong() {
    run(&[V5], SETUP, |p| {
        for (alias, topic, error, code) in [
            (0, "t", PeerError::TopicAlias, 0x94),
            (4, "t", PeerError::TopicAlias, 0x94),
            (65_535, "", PeerError::TopicAlias, 0x94),
            (3, "", PeerError::UnknownTopicAlias, 0x82),
        ] {
            p.online();
            let properties = [Property::TopicAlias(alias)];
            let mut bytes = p.encode(aliased(publish(0, 0, "t", "x"), &[Property::TopicAlias(9)]));
            if alias == 0 {
                // It cannot be encoded.
                let at = bytes.len() - 3;
                bytes[at + 1] = 0;
                p.bytes(&bytes);
                p.run();
                let reported = p.take_reported();
                assert_eq!(reported.len(), 1);
                assert_eq!(p.take_sent(), ["DISCONNECT 0x94"]);
                p.lose();
            } else {
                p.server(aliased(publish(0, 0, topic, "x"), &properties));
                p.fails(error, code);
            }
        }
    });
}

/// A topic that there is no room for.
#[test]
fn no_room_for_a_topic() {
    run(&[V5], SETUP.aliases(10), |p| {
        p.online();
        let [one, two] = [1, 2].map(|n| [Property::TopicAlias(n)]);
        p.server(aliased(publish(0, 0, "123456", "x"), &one));
        p.server(aliased(publish(0, 0, "123", "x"), &one));
        p.run();
        assert_eq!(p.take_reported().len(), 2);
        p.server(aliased(publish(0, 0, "t", "x"), &two));
        p.fails(PeerError::TopicAliasRoom, 0x97);
    });
}

/// The application says which number stands for which topic.
#[test]
fn by_hand() {
    run(&[V5], SETUP, |p| {
        online(p, 2);
        let [zero, one, two, three] = [0, 1, 2, 3].map(|n| [Property::TopicAlias(n)]);
        fn message<'a>(topic: &'a str, alias: &'a [Property<'a>]) -> Message<'a> {
            Message::new(topic, b"x").properties(alias)
        }
        // Nothing stands for anything yet.
        for wrong in [
            message("", &one),
            message("t", &three),
            message("", &three),
            message("t", &zero),
            message("", &one).qos(qos(1)),
        ] {
            p.refuses(UsageError::TopicAlias, |c| c.publish(&wrong));
        }
        let long = "x".repeat(57);
        p.refuses(UsageError::TopicAlias, |c| c.publish(&message(&long, &one)));
        for (topic, alias) in [
            ("a", &one),
            ("", &one),
            ("b", &two),
            ("c", &one),
            ("", &one),
        ] {
            p.client.publish(&message(topic, alias)).unwrap();
        }
        p.sends(&[
            "PUBLISH q0 a 'x' [TopicAlias(1)]",
            "PUBLISH q0  'x' [TopicAlias(1)]",
            "PUBLISH q0 b 'x' [TopicAlias(2)]",
            "PUBLISH q0 c 'x' [TopicAlias(1)]",
            "PUBLISH q0  'x' [TopicAlias(1)]",
        ]);
        p.lose();
        // [MQTT-3.3.2-9]: another connection, other limits.
        online(p, 1);
        p.refuses(UsageError::TopicAlias, |c| c.publish(&message("", &one)));
        p.refuses(UsageError::TopicAlias, |c| c.publish(&message("b", &two)));
        p.lose();
        p.online();
        p.refuses(UsageError::TopicAlias, |c| c.publish(&message("b", &one)));
    });
}

/// A message that was not taken has set no alias.
#[test]
fn by_hand_in_vain() {
    run(&[V5], SETUP.tx(100), |p| {
        online(p, 2);
        let one = [Property::TopicAlias(1)];
        let long = vec![b'x'; 200];
        let message = Message::new("t", &long).properties(&one);
        p.refuses(UsageError::BufferTooSmall, |c| c.publish(&message));
        let message = Message::new("", b"x").properties(&one);
        p.refuses(UsageError::TopicAlias, |c| c.publish(&message));
    });
}

/// The topics used last have the aliases.
#[test]
fn automatic() {
    run(&[V5], AUTOMATIC, |p| {
        online(p, 2);
        for topic in ["a", "b", "a", "b", "a", "c", "a", "b"] {
            p.publish(0, topic, "x", 0);
        }
        p.sends(&[
            "PUBLISH q0 a 'x' [TopicAlias(1)]",
            "PUBLISH q0 b 'x' [TopicAlias(2)]",
            "PUBLISH q0  'x' [TopicAlias(1)]",
            "PUBLISH q0  'x' [TopicAlias(2)]",
            "PUBLISH q0  'x' [TopicAlias(1)]",
            // b was used less recently.
            "PUBLISH q0 c 'x' [TopicAlias(2)]",
            "PUBLISH q0  'x' [TopicAlias(1)]",
            "PUBLISH q0 b 'x' [TopicAlias(2)]",
        ]);
        p.stall(true);
        p.publish(0, "a", "gone", 0);
        p.lose();
        p.stall(false);
        online(p, 1);
        p.publish(0, "a", "x", 0);
        p.sends(&["PUBLISH q0 a 'x' [TopicAlias(1)]"]);
    });
}

/// A message that is kept is kept with its topic, and without an alias.
#[test]
fn above_qos_0() {
    run(&[V5], AUTOMATIC, |p| {
        online(p, 2);
        p.publish(1, "a", "1", 1);
        p.publish(2, "a", "2", 2);
        p.publish(0, "a", "3", 0);
        let properties = [
            Property::ContentType("text"),
            Property::TopicAlias(2),
            Property::UserProperty("k", "v"),
        ];
        let by_hand = Message::new("b", b"4").qos(qos(2)).properties(&properties);
        p.client.publish(&by_hand).unwrap();
        let by_hand = Message::new("", b"5").qos(qos(1)).properties(&properties);
        p.client.publish(&by_hand).unwrap();
        p.publish_lent(1, "b", "lent", 5);
        p.publish(1, "b", "6", 6);
        let topics: Vec<_> = p.client.messages().map(|m| m.topic.to_owned()).collect();
        assert_eq!(topics, ["a", "a", "b", "b", "b", "b"]);
        let with = "ContentType(\"text\"), TopicAlias(2), UserProperty(\"k\", \"v\")";
        p.sends(&[
            "PUBLISH q1 #1 a '1' [TopicAlias(1)]",
            "PUBLISH q2 #2  '2' [TopicAlias(1)]",
            "PUBLISH q0  '3' [TopicAlias(1)]",
            &format!("PUBLISH q2 #3 b '4' [{with}]"),
            &format!("PUBLISH q1 #4  '5' [{with}]"),
            "PUBLISH q1 #5 b 'lent'",
            "PUBLISH q1 #6  '6' [TopicAlias(2)]",
        ]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
        for _ in 0..2 {
            p.lose();
            online(p, 1);
            let with = "ContentType(\"text\"), UserProperty(\"k\", \"v\")";
            p.sends(&[
                "PUBLISH q2 #2 dup a '2'",
                &format!("PUBLISH q2 #3 dup b '4' [{with}]"),
                &format!("PUBLISH q1 #4 dup b '5' [{with}]"),
                "PUBLISH q1 #5 dup b 'lent'",
                "PUBLISH q1 #6 dup b '6'",
            ]);
        }
    });
}

/// Lost at any byte, sent or not.
#[test]
fn above_qos_0_and_never_sent() {
    run(&[V5], AUTOMATIC, |p| {
        for sent in 0..36 {
            online(p, 2);
            p.stall(true);
            let ids = [1, 2, 3].map(|n| 3 * u16::try_from(sent).unwrap() + n);
            for (id, payload) in ids.into_iter().zip(["1", "2", "3"]) {
                p.publish(1, "topic/a", payload, id);
            }
            p.take(sent);
            let _ = p.take_sent();
            p.lose();
            p.stall(false);
            p.resume();
            // The first has 18 bytes, each other 11.
            let dup = |before: usize| if sent > before { " dup" } else { "" };
            p.sends(&[
                &format!("PUBLISH q1 #{}{} topic/a '1'", ids[0], dup(0)),
                &format!("PUBLISH q1 #{}{} topic/a '2'", ids[1], dup(18)),
                &format!("PUBLISH q1 #{}{} topic/a '3'", ids[2], dup(29)),
            ]);
            for id in ids {
                p.server(puback(id));
            }
            p.run();
            assert_eq!(p.take_reported().len(), 3);
            p.lose();
        }
    });
}

/// A message that has set an alias does not expire: those that follow rely on it.
#[test]
fn sent_in_part_when_the_connection_is_given_up() {
    run(&[V5], AUTOMATIC, |p| {
        online(p, 2);
        p.stall(true);
        p.publish(1, "a", "1", 1);
        p.take(3);
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.stall(false);
        p.sends(&["PUBLISH q1 #1 a '1' [TopicAlias(1)]", "DISCONNECT 0x80"]);
    });
}

#[test]
fn a_message_that_sets_an_alias_does_not_expire() {
    run(&[V5], AUTOMATIC, |p| {
        online(p, 2);
        p.stall(true);
        p.publish_lent(1, "t", "first", 1);
        let properties = [Property::MessageExpiryInterval(1)];
        let message = Message::new("a", b"2").qos(qos(1)).properties(&properties);
        p.client.publish(&message).unwrap();
        p.publish(0, "a", "3", 0);
        p.wait(5_000);
        p.reports(&[]);
        p.stall(false);
        p.sends(&[
            "PUBLISH q1 #1 t 'first'",
            "PUBLISH q1 #2 a '2' [MessageExpiryInterval(1), TopicAlias(1)]",
            "PUBLISH q0  '3' [TopicAlias(1)]",
        ]);
    });
}

/// The journal has whole messages.
#[test]
fn with_a_journal() {
    run(&[V5], AUTOMATIC.durable(), |p| {
        online(p, 2);
        p.journals(&["Connected session"]);
        p.publish(0, "a", "0", 0);
        p.publish(1, "a", "1", 1);
        p.journals(&["PUBLISH q1 #1 a '1'"]);
        p.sends(&["PUBLISH q0 a '0' [TopicAlias(1)]", "PUBLISH q1 #1 a '1'"]);
        let one = [Property::TopicAlias(1)];
        let message = Message::new("a", b"2").qos(qos(1)).properties(&one);
        p.refuses(UsageError::TopicAlias, |c| c.publish(&message));
    });
}

/// Between connections there are no aliases.
#[test]
fn offline() {
    run(&[V5], AUTOMATIC, |p| {
        online(p, 2);
        p.publish(0, "a", "x", 0);
        p.sends(&["PUBLISH q0 a 'x' [TopicAlias(1)]"]);
        p.lose();
        p.publish(1, "a", "x", 1);
        for topic in ["", "a"] {
            let one = [Property::TopicAlias(1)];
            let message = Message::new(topic, b"x").qos(qos(1)).properties(&one);
            p.refuses(UsageError::TopicAlias, |c| c.publish(&message));
        }
        online(p, 2);
        p.sends(&["PUBLISH q1 #1 a 'x'"]);
    });
}

/// Only as far as the server allows, and there is room.
#[test]
fn automatic_without_room() {
    run(&[V5], AUTOMATIC, |p| {
        p.online();
        p.publish(0, "a", "x", 0);
        p.sends(&["PUBLISH q0 a 'x'"]);
        p.lose();
        online(p, 9);
        let long = "x".repeat(57);
        p.publish(0, &long, "x", 0);
        p.publish(0, "a", "x", 0);
        p.publish(0, &long, "x", 0);
        p.publish(0, "a", "x", 0);
        p.sends(&[
            &format!("PUBLISH q0 {long} 'x'"),
            "PUBLISH q0 a 'x' [TopicAlias(1)]",
            &format!("PUBLISH q0 {long} 'x'"),
            "PUBLISH q0  'x' [TopicAlias(1)]",
        ]);
    });
}

/// A message that just fits is not made too long by an alias.
#[test]
fn automatic_and_no_longer_than_before() {
    run(&[V5], AUTOMATIC, |p| {
        for (level, overhead) in [(0, 6), (1, 8)] {
            p.connect();
            let limits = [
                Property::MaximumPacketSize(20),
                Property::TopicAliasMaximum(1),
            ];
            p.server(session_with(&limits));
            p.run();
            assert_eq!(p.take_reported().len(), 1);
            let number = u16::from(level);
            let payload = "x".repeat(20 - overhead);
            p.publish(level, "t", &payload, number);
            let id = if level > 0 { " #1" } else { "" };
            p.sends(&[&format!("PUBLISH q{level}{id} t '{payload}'")]);
            p.lose();
        }
    });
}

/// By hand goes first, and is remembered.
#[test]
fn by_hand_among_automatic_ones() {
    run(&[V5], AUTOMATIC, |p| {
        online(p, 3);
        let two = [Property::TopicAlias(2)];
        p.publish(0, "a", "x", 0);
        p.client
            .publish(&Message::new("b", b"x").properties(&two))
            .unwrap();
        p.publish(0, "b", "x", 0);
        p.publish(0, "c", "x", 0);
        p.client
            .publish(&Message::new("a", b"x").properties(&two))
            .unwrap();
        p.publish(0, "b", "x", 0);
        p.sends(&[
            "PUBLISH q0 a 'x' [TopicAlias(1)]",
            "PUBLISH q0 b 'x' [TopicAlias(2)]",
            "PUBLISH q0  'x' [TopicAlias(2)]",
            "PUBLISH q0 c 'x' [TopicAlias(3)]",
            "PUBLISH q0 a 'x' [TopicAlias(2)]",
            "PUBLISH q0 b 'x' [TopicAlias(1)]",
        ]);
    });
}
