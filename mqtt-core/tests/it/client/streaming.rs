//! Messages that are larger than the receive buffer.

use mqtt_core::wire::{DecodeError, Packet, PacketId, PacketType, Property, Publish};
use mqtt_core::{Client, Config, Instant, PeerError, Storage, UsageError};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, V31, V311, each, run};
use super::text;

const RX: usize = 40;
const SETUP: Setup = Setup::new().rx(RX);

fn large(len: usize) -> String {
    (0..len)
        .map(|n| char::from(b'a' + u8::try_from(n % 25).unwrap()))
        .collect()
}

/// The report of a message in pieces.
fn pieces(head: &str, payload: &str) -> String {
    text::message(
        &format!("PublishStart {head} {}", payload.len()),
        payload.as_bytes(),
    )
}

#[test]
fn every_qos() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.online();
        for len in [RX, RX + 1, 1000, 20_000] {
            let payload = large(len);
            p.server(publish(0, 0, "t", &payload));
            p.server(publish(1, 5, "t", &payload));
            p.server(publish(2, 6, "t", &payload));
            p.server(publish(0, 0, "t", "small"));
            p.reports(&[
                &pieces("q0 t", &payload),
                &pieces("q1 #5 t", &payload),
                &pieces("q2 #6 t", &payload),
                "Publish q0 t 'small'",
            ]);
            p.sends(&["PUBACK #5", "PUBREC #6"]);
            p.server(dup(publish(2, 6, "t", &payload)));
            p.server(publish(0, 0, "t", "after"));
            p.reports(&["Publish q0 t 'after'"]);
            p.sends(&["PUBREC #6"]);
            p.server(pubrel(6));
            p.sends(&["PUBCOMP #6"]);
        }
    });
}

/// The size of the packet decides, not how it was cut: one byte less is one event.
#[test]
fn the_border() {
    each(SETUP, |p| {
        p.online();
        let empty = p.encode(publish(0, 0, "t", "")).len();
        let fits = large(RX - empty);
        p.server(publish(0, 0, "t", &fits));
        p.reports(&[&text::message("Publish q0 t", fits.as_bytes())]);
        let larger = large(RX - empty + 1);
        p.server(publish(0, 0, "t", &larger));
        p.reports(&[&pieces("q0 t", &larger)]);
    });
}

/// What lies beyond the room for a head is not looked at, even if it is there already: the fault is
/// the same however the bytes were cut.
#[test]
fn a_head_without_room_is_too_large_however_much_is_there() {
    let topic = [b'a'; RX];
    let no_properties = [0xFF; 58];
    let packet = [&b"\x30\x64\x00\x28"[..], &topic, &no_properties].concat();
    for shown in [RX, packet.len()] {
        let mut storage = Storage::<0, 256, 1>::new();
        let config = Config {
            max_whole: RX,
            ..Config::new("c")
        };
        let mut client = Client::new(config, storage.split().1);
        let now = Instant::default();
        client.connect(now).unwrap();
        client.transmitted(client.transmit().len(), now);
        let connack = client.process(b"\x20\x03\x00\x00\x00", now).unwrap();
        assert!(connack.event.is_some());
        let result = client.process(&packet[..shown], now);
        assert_eq!(result, Err(PeerError::PacketTooLarge.into()), "{shown}");
    }
}

#[test]
fn before_connack() {
    each(SETUP, |p| {
        p.connect();
        p.bytes(&[0x30, 100, 0, 1, b'a']);
        let error = PeerError::UnexpectedPacket(PacketType::Publish);
        p.fails(error, 0x82);
    });
}

/// That a head reaches beyond its packet is said as soon as it can be told, and not that it is large.
#[test]
fn a_head_longer_than_its_packet_is_malformed() {
    let malformed = PeerError::Malformed(DecodeError::Truncated);
    each(SETUP, |p| {
        p.online();
        // A topic of 200 bytes in a packet of 100.
        p.bytes(&[0x30, 100, 0, 200, b'a']);
        p.fails(malformed, 0x81);
    });
    run(&[V5], SETUP, |p| {
        p.online();
        // A topic of all bytes there are, so that nothing is left to say how long the properties are.
        p.bytes(&[0x30, 100, 0, 98, b'a']);
        p.fails(malformed, 0x81);
        p.online();
        // The same, and a packet identifier.
        p.bytes(&[0x32, 100, 0, 96, b'a']);
        p.fails(malformed, 0x81);
        p.online();
        // Properties of 127 bytes.
        p.bytes(&[0x30, 100, 0, 1, b'a', 127]);
        p.fails(malformed, 0x81);
    });
}

#[test]
fn with_properties() {
    run(&[V5], SETUP, |p| {
        p.online();
        let payload = large(500);
        let properties = [Property::UserProperty("key", "value")];
        p.server(Publish {
            properties: (&properties).into(),
            ..publish(1, 5, "t", &payload)
        });
        p.reports(&[&pieces(
            "q1 #5 t [UserProperty(\"key\", \"value\")]",
            &payload,
        )]);
        p.sends(&["PUBACK #5"]);
    });
}

/// The acknowledgement leaves after the last piece.
#[test]
fn acknowledged_after_the_last_piece() {
    for level in [1, 2] {
        each(SETUP, |p| {
            p.online();
            let payload = large(300);
            let bytes = p.encode(publish(level, 5, "t", &payload));
            p.bytes(&bytes[..bytes.len() - 1]);
            p.sends(&[]);
            p.bytes(&bytes[bytes.len() - 1..]);
            p.reports(&[&pieces(&format!("q{level} #5 t"), &payload)]);
            p.sends(&[if level == 1 { "PUBACK #5" } else { "PUBREC #5" }]);
        });
    }
}

/// By hand: not before the last piece either.
#[test]
fn acknowledged_by_hand() {
    each(SETUP.manual(), |p| {
        p.online();
        let payload = large(300);
        let bytes = p.encode(publish(1, 5, "t", &payload));
        p.bytes(&bytes[..bytes.len() - 1]);
        p.reports(&[]);
        p.refuses(UsageError::UnknownPacketId, |client| {
            client.acknowledge(PacketId::new(5).unwrap())
        });
        p.bytes(&bytes[bytes.len() - 1..]);
        p.reports(&[&pieces("q1 #5 t", &payload)]);
        p.sends(&[]);
        p.acknowledge(5);
        p.sends(&["PUBACK #5"]);
    });
}

/// Commands, acknowledgements and timers go on between two pieces.
#[test]
fn other_things_happen_in_between() {
    each(SETUP.keep_alive(10), |p| {
        p.online();
        let payload = large(300);
        let bytes = p.encode(publish(2, 5, "t", &payload));
        let (first, second) = bytes.split_at(150);
        p.server(publish(1, 4, "t", "before"));
        p.bytes(first);
        p.reports(&["Publish q1 #4 t 'before'"]);
        p.sends(&["PUBACK #4"]);
        p.publish(1, "t", "out", 1);
        p.subscribe("t", 0, 2);
        p.run();
        let _ = p.take_sent();
        let _ = p.wait_for_deadline();
        p.sends(&["PINGREQ"]);
        p.bytes(second);
        p.server(Packet::PingResp);
        p.server(puback(1));
        p.reports(&[&pieces("q2 #5 t", &payload), "Published #1"]);
        p.sends(&["PUBREC #5"]);
    });
}

/// The link dies before the last piece: the message was not received. It comes again whole.
#[test]
fn aborted() {
    for level in 0..=2 {
        each(SETUP, |p| {
            let payload = large(300);
            let publish = publish(level, 5 * u16::from(level.min(1)), "t", &payload);
            let bytes = p.encode(publish);
            p.online();
            for cut in [30, RX, 100, bytes.len() - 1] {
                p.bytes(&bytes[..cut]);
                p.reports(&[]);
                p.lose();
                p.reports(&["Aborted"]);
                p.resume();
                p.sends(&[]);
            }
            let (packet, head) = if level > 0 {
                (dup(publish), format!("q{level} #5 dup t"))
            } else {
                (publish, "q0 t".to_owned())
            };
            p.server(packet);
            p.reports(&[&pieces(&head, &payload)]);
            p.sends(
                &[["", "PUBACK #5", "PUBREC #5"][usize::from(level)]][usize::from(level == 0)..],
            );
        });
    }
}

/// Cut within the head there is no message yet, and nothing to abort.
#[test]
fn lost_within_the_head() {
    each(SETUP, |p| {
        let payload = large(300);
        let bytes = p.encode(publish(2, 5, "topic", &payload));
        for cut in 1..bytes.len() - payload.len() {
            p.resume();
            p.bytes(&bytes[..cut]);
            p.reports(&[]);
            p.lose();
            p.reports(&[]);
        }
    });
}

/// A repeated message is swallowed, and nothing is reported if that is cut off.
#[test]
fn a_repetition_cut_off() {
    each(SETUP, |p| {
        p.online();
        let payload = large(300);
        let publish = publish(2, 5, "t", &payload);
        p.server(publish);
        p.reports(&[&pieces("q2 #5 t", &payload)]);
        p.sends(&["PUBREC #5"]);
        for _ in 0..2 {
            p.lose();
            p.resume();
            let bytes = p.encode(dup(publish));
            p.bytes(&bytes[..200]);
            p.sends(&[]);
        }
        p.lose();
        p.resume();
        p.server(dup(publish));
        p.sends(&["PUBREC #5"]);
        p.reports(&[]);
    });
}

/// Repeated while the application still has it: swallowed, and acknowledged by the application.
#[test]
fn a_repetition_while_the_application_has_it() {
    each(SETUP.manual(), |p| {
        p.online();
        let payload = large(300);
        let publish = publish(2, 5, "t", &payload);
        p.server(publish);
        p.reports(&[&pieces("q2 #5 t", &payload)]);
        p.lose();
        p.resume();
        p.server(dup(publish));
        p.sends(&[]);
        p.acknowledge(5);
        p.sends(&["PUBREC #5"]);
        p.reports(&[]);
    });
}

/// `[MQTT-3.3.4-9]` is looked at before the first piece.
#[test]
fn receive_maximum() {
    run(&[V5], SETUP.inbound(1), |p| {
        p.online();
        p.server(publish(2, 1, "t", "x"));
        p.reports(&["Publish q2 #1 t 'x'"]);
        p.sends(&["PUBREC #1"]);
        let payload = large(300);
        p.server(publish(2, 2, "t", &payload));
        p.fails(PeerError::ReceiveMaximumExceeded, 0x93);
    });
    each(SETUP.manual().inbound(1), |p| {
        p.online();
        p.server(publish(1, 1, "t", "x"));
        let payload = large(300);
        p.server(publish(1, 2, "t", &payload));
        p.reports(&["Publish q1 #1 t 'x'"]);
        p.acknowledge(1);
        p.reports(&[&pieces("q1 #2 t", &payload)]);
        p.sends(&["PUBACK #1"]);
        p.acknowledge(2);
        p.sends(&["PUBACK #2"]);
    });
}

fn too_large(p: &mut Pair<'_>) {
    p.fails(PeerError::PacketTooLarge, 0x95);
}

/// What cannot be streamed must fit.
#[test]
fn packets_that_do_not_fit() {
    each(SETUP, |p| {
        // A head that is larger than the buffer.
        p.online();
        let topic = large(RX);
        p.server(publish(0, 0, &topic, "x"));
        too_large(p);
        // A SUBACK.
        p.online();
        let codes = [mqtt_core::wire::ReasonCode::Success; RX];
        p.server(suback(1, &codes));
        too_large(p);
    });
    run(&[V5], SETUP, |p| {
        p.connect();
        let long = large(RX);
        let properties = [Property::ReasonString(&long)];
        p.server(connack_with(&properties));
        too_large(p);
    });
}

/// A head that fits exactly, and one that does not by a byte.
#[test]
fn the_largest_head() {
    each(SETUP, |p| {
        let payload = large(200);
        let overhead = p.encode(publish(1, 5, "x", &payload)).len() - payload.len() - 1;
        let topic = large(RX - overhead);
        p.online();
        p.server(publish(1, 5, &topic, &payload));
        p.reports(&[&pieces(&format!("q1 #5 {topic}"), &payload)]);
        p.sends(&["PUBACK #5"]);
        let topic = large(RX - overhead + 1);
        p.server(publish(1, 5, &topic, &payload));
        too_large(p);
    });
}

/// The acknowledgement of a repeated message waits for room like any other.
#[test]
fn a_stalled_wire() {
    each(SETUP.tx(100), |p| {
        const COUNT: usize = 30;
        p.online();
        let payload = large(100);
        let publish = publish(2, 5, "t", &payload);
        p.server(publish);
        p.reports(&[&pieces("q2 #5 t", &payload)]);
        p.sends(&["PUBREC #5"]);
        p.stall(true);
        for _ in 0..COUNT {
            p.server(dup(publish));
        }
        p.run();
        p.stall(false);
        p.run();
        assert_eq!(p.take_sent(), ["PUBREC #5"; COUNT]);
    });
}

/// `[MQTT-3.1.2-24]` holds for streamed messages, too.
#[test]
fn beyond_the_announced_size() {
    let mut setup = SETUP;
    setup.config.properties = &[Property::MaximumPacketSize(200)];
    run(&[V5], setup, |p| {
        p.online();
        let payload = large(100);
        p.server(publish(0, 0, "t", &payload));
        p.reports(&[&pieces("q0 t", &payload)]);
        let payload = large(200);
        p.server(publish(0, 0, "t", &payload));
        too_large(p);
    });
}
