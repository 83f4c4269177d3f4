//! What a server must not do.

use mqtt_core::wire::{DecodeError, Packet, PacketType, Property, Publish, QoS};
use mqtt_core::{Error, PeerError};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, V31, V311, each, run};

const SETUP: Setup = Setup::new();

/// Runs `check` in each phase in which packets are read, the connection being new each time.
fn online_and_resumed(p: &mut Pair<'_>, check: impl Fn(&mut Pair<'_>)) {
    p.online();
    check(p);
    p.resume();
    check(p);
}

#[test]
fn malformed_packets() {
    use DecodeError as D;
    let both: &[(&[u8], D, u8)] = &[
        (&[0x00, 0], D::PacketType, 0x81),
        (
            &[0x31, 0xFF, 0xFF, 0xFF, 0xFF],
            D::VariableByteInteger,
            0x81,
        ),
        // [MQTT-3.3.1-4], [MQTT-3.3.1-2].
        (&[0x36, 5, 0, 1, b't', 0, 1], D::QoS, 0x81),
        (&[0x38, 3, 0, 1, b't'], D::QoS, 0x81),
        // [MQTT-3.6.1-1].
        (&[0x60, 2, 0, 1], D::Flags, 0x81),
        (&[0x42, 2, 0, 1], D::Flags, 0x81),
        (&[0xD1, 0], D::Flags, 0x81),
        (&[0xD0, 1, 0], D::TrailingBytes, 0x81),
        // [MQTT-2.2.1-4].
        (&[0x40, 2, 0, 0], D::PacketIdZero, 0x81),
        (&[0x40, 1, 0], D::Truncated, 0x81),
        (&[0x30, 3, 0, 2, b't'], D::Truncated, 0x81),
        // [MQTT-1.5.4-1], [MQTT-1.5.4-2].
        (&[0x30, 4, 0, 1, 0xFF, 0], D::Utf8, 0x81),
        (&[0x30, 4, 0, 1, 0, 0], D::NulCharacter, 0x81),
        // [MQTT-3.3.2-2].
        (&[0x30, 4, 0, 1, b'#', 0], D::TopicName, 0x81),
    ];
    each(SETUP, |p| {
        for &(bytes, error, code) in both {
            online_and_resumed(p, |p| {
                p.bytes(bytes);
                p.fails(PeerError::Malformed(error), code);
            });
        }
    });
    let v5: &[(&[u8], D, u8)] = &[
        (&[0x30, 3, 0, 0, 0], D::NoTopic, 0x82),
        (&[0x40, 0x80, 0], D::VariableByteInteger, 0x81),
        (&[0x30, 6, 0, 1, b't', 2, 17, 0], D::Truncated, 0x81),
        (
            &[0x30, 9, 0, 1, b't', 5, 17, 0, 0, 0, 0],
            D::PropertyNotAllowed,
            0x81,
        ),
        (
            &[0x30, 8, 0, 1, b't', 4, 1, 0, 1, 0],
            D::PropertyRepeated,
            0x82,
        ),
        // [MQTT-3.3.2-8].
        (&[0x30, 7, 0, 1, b't', 3, 35, 0, 0], D::TopicAlias, 0x94),
        (&[0x40, 3, 0, 1, 0x92], D::ReasonCode, 0x82),
        (&[0xE0, 1, 0x01], D::ReasonCode, 0x82),
        (&[0xE1, 0], D::Flags, 0x81),
        (&[0xF1, 0], D::Flags, 0x81),
    ];
    run(&[V5], SETUP, |p| {
        for &(bytes, error, code) in v5 {
            online_and_resumed(p, |p| {
                p.bytes(bytes);
                p.fails(PeerError::Malformed(error), code);
            });
        }
    });
    run(&[V31, V311], SETUP, |p| {
        p.online();
        p.bytes(&[0xF0, 0]);
        p.fails(PeerError::Malformed(D::PacketType), 0);
        p.online();
        p.bytes(&[0x30, 2, 0, 0]);
        p.fails(PeerError::Malformed(D::TopicName), 0);
    });
}

/// `[MQTT-3.2.2-1]`, `[MQTT-3.2.2-6]`, `[MQTT-3.2.2-8]`.
#[test]
fn malformed_connack() {
    use DecodeError as D;
    let both: &[(&[u8], D, u8)] = &[
        (&[0x21, 2, 0, 0], D::Flags, 0x81),
        (&[0x20, 1, 0], D::Truncated, 0x81),
    ];
    let v311: &[(&[u8], D, u8)] = &[
        (&[0x20, 2, 2, 0], D::ConnAckFlags, 0),
        (&[0x20, 2, 1, 5], D::ConnAckFlags, 0),
        (&[0x20, 2, 0, 6], D::ReasonCode, 0),
        (&[0x20, 3, 0, 0, 0], D::TrailingBytes, 0),
    ];
    let v5: &[(&[u8], D, u8)] = &[
        (&[0x20, 3, 2, 0, 0], D::ConnAckFlags, 0x81),
        (&[0x20, 3, 1, 0x87, 0], D::ConnAckFlags, 0x81),
        (&[0x20, 3, 0, 0x92, 0], D::ReasonCode, 0x82),
        (&[0x20, 6, 0, 0, 3, 33, 0, 0], D::PropertyValue, 0x82),
        (&[0x20, 4, 0, 0, 0, 0], D::TrailingBytes, 0x81),
    ];
    each(SETUP, |p| {
        let own = if p.is_v5() { v5 } else { v311 };
        for &(bytes, error, code) in both.iter().chain(own) {
            p.connect();
            p.bytes(bytes);
            p.fails(PeerError::Malformed(error), code);
        }
    });
}

/// Packets that only a client sends.
#[test]
fn packets_of_a_client() {
    each(SETUP, |p| {
        let packets: [(&[u8], PacketType); 4] = [
            (&[0x10, 2, 0, 0], PacketType::Connect),
            (&[0x82, 5, 0, 1, 0, 1, b'a'], PacketType::Subscribe),
            (&[0xA2, 5, 0, 1, 0, 1, b'a'], PacketType::Unsubscribe),
            (&[0xC0, 0], PacketType::PingReq),
        ];
        for (bytes, packet) in packets {
            p.connect();
            p.bytes(bytes);
            p.fails(PeerError::UnexpectedPacket(packet), 0x82);
            online_and_resumed(p, |p| {
                p.bytes(bytes);
                p.fails(PeerError::UnexpectedPacket(packet), 0x82);
            });
        }
    });
}

/// The session is not to blame for the server's mistake.
#[test]
fn the_session_survives() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "x", 1);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
        p.server(publish(2, 5, "t", "y"));
        p.reports(&["Publish q2 #5 t 'y'"]);
        p.sends(&["PUBREC #5"]);
        p.bytes(&[0]);
        p.fails(PeerError::Malformed(DecodeError::PacketType), 0x81);
        p.resume();
        p.sends(&["PUBLISH q1 #1 dup t 'x'"]);
        p.server(dup(publish(2, 5, "t", "y")));
        p.sends(&["PUBREC #5"]);
    });
}

/// Nothing is read or reported after the end, and the end comes once.
#[test]
fn nothing_after_the_end() {
    each(SETUP, |p| {
        p.online();
        p.server(publish(0, 0, "t", "before"));
        p.bytes(&[0]);
        p.server(publish(0, 0, "t", "after"));
        p.bytes(&[0]);
        p.reports(&[
            "Publish q0 t 'before'",
            &format!("! {:?}", Error::from(DecodeError::PacketType)),
        ]);
        p.run();
        let _ = p.take_sent();
        assert!(p.client.is_closed());
    });
}

/// What was queued is dropped, what was begun is finished, the reason comes last.
#[test]
fn the_reason_comes_at_once() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish(1, "t", "x", 1);
        p.subscribe("a", 0, 2);
        p.subscribe("b", 0, 3);
        p.take(2);
        p.bytes(&[0]);
        p.run();
        assert_eq!(p.take_reported().len(), 1);
        p.stall(false);
        let expected = ["SUBSCRIBE #2 a q0", "DISCONNECT 0x81"];
        p.sends(if p.is_v5() { &expected } else { &expected[..1] });
        p.lose();
        p.reports(&["Lost #2", "Lost #3"]);
    });
}

/// There is always room for the reason.
#[test]
fn the_reason_fits_a_full_buffer() {
    each(SETUP.tx(100).slots(50), |p| {
        p.online();
        p.stall(true);
        for _ in 0..50 {
            let _ = p
                .client
                .subscribe(&[mqtt_core::wire::Filter::new("t", QoS::AtMostOnce)]);
        }
        p.take(1);
        p.bytes(&[0]);
        p.run();
        let reported = p.take_reported();
        assert!(reported.last().unwrap().starts_with('!'), "{reported:?}");
        p.stall(false);
        p.run();
        let sent = p.take_sent();
        assert_eq!(sent.last().unwrap() == "DISCONNECT 0x81", p.is_v5());
        assert!(p.client.is_closed());
        p.lose();
        p.run();
        let _ = p.take_reported();
    });
}

/// `[MQTT-3.1.2-24]`.
#[test]
fn packets_beyond_the_announced_size() {
    let mut setup = SETUP;
    setup.config.properties = &[Property::MaximumPacketSize(20)];
    run(&[V5], setup, |p| {
        let at_most = "x".repeat(14);
        p.online();
        p.server(publish(0, 0, "t", &at_most));
        p.reports(&[&format!("Publish q0 t '{at_most}'")]);
        let above = at_most + "x";
        p.server(publish(0, 0, "t", &above));
        p.fails(PeerError::PacketTooLarge, 0x95);
        p.connect();
        let properties = [Property::ReasonString(&above)];
        p.server(connack_with(&properties));
        p.fails(PeerError::PacketTooLarge, 0x95);
    });
}

/// Its length alone is enough to refuse a packet.
#[test]
fn a_packet_too_large_is_not_waited_for() {
    each(SETUP, |p| {
        p.online();
        // A SUBACK of 256 MiB.
        p.bytes(&[0x90, 0xFF, 0xFF, 0xFF, 0x7F]);
        p.fails(PeerError::PacketTooLarge, 0x95);
    });
}

/// `[MQTT-4.12.0-6]`: an authentication method that the client did not ask for.
#[test]
fn an_authentication_method_that_was_not_asked_for() {
    run(&[V5], SETUP, |p| {
        p.connect();
        p.server(connack_with(&[Property::AuthenticationMethod("m")]));
        p.run();
        let reported = p.take_reported();
        assert!(reported[0].starts_with('!'), "{reported:?}");
        let _ = p.take_sent();
    });
}

/// `[MQTT-3.14.2-2]`: a server's DISCONNECT has no Session Expiry Interval.
#[test]
fn session_expiry_in_the_disconnect_of_a_server() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [Property::SessionExpiryInterval(1)];
        let mut packet = disconnect(mqtt_core::wire::ReasonCode::Success);
        packet.properties = (&properties).into();
        p.server(packet);
        p.run();
        let reported = p.take_reported();
        assert!(reported[0].starts_with('!'), "{reported:?}");
        let _ = p.take_sent();
    });
}

/// Every packet that is well-formed but cut off is waited for, however it is cut.
#[test]
fn nothing_happens_before_a_packet_is_whole() {
    each(SETUP, |p| {
        p.online();
        let packets = [
            Packet::from(publish(1, 5, "t", "x")),
            Packet::from(Publish {
                retain: true,
                ..publish(2, 6, "topic", "payload")
            }),
            pubrel(6),
        ];
        for packet in packets {
            let bytes = p.encode(packet);
            let (last, most) = bytes.split_last().unwrap();
            p.bytes(most);
            p.sends(&[]);
            assert_eq!(p.take_reported(), [""; 0]);
            p.bytes(&[*last]);
            p.run();
            assert_eq!(p.take_sent().len(), 1);
            assert_eq!(p.take_reported().len(), usize::from(packet != pubrel(6)));
        }
    });
}
