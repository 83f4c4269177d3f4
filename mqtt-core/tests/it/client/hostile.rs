//! What a server that means harm can have the client do: calls that make progress, bytes to send
//! and events, against the bytes that it pays for them. Memory is the caller's and cannot grow.
//!
//! What it must not say at all is in `violations`.

use std::time::Duration;

use mqtt_core::wire::{Property, Version};
use mqtt_core::{Buffers, Client, Config, Error, Inbound, Instant, Slot, Timeout};

use super::pair::{V5, V311};

/// The size of the receive buffer.
const RX: usize = 512;

/// What some bytes have cost.
#[derive(Debug, Default)]
struct Cost {
    calls: usize,
    consumed: usize,
    sent: usize,
    events: usize,
}

/// A client and the bytes that it was not shown yet.
struct Victim<'b> {
    client: Client<'b>,
    input: Vec<u8>,
    now: Instant,
    is_stalled: bool,
    cost: Cost,
}

impl Victim<'_> {
    /// Shows it these bytes in pieces, and calls it as long as that makes progress.
    fn takes(&mut self, bytes: &[u8], piece: usize) -> Result<(), Error> {
        for piece in bytes.chunks(piece) {
            self.input.extend(piece);
            self.runs()?;
        }
        Ok(())
    }

    fn runs(&mut self) -> Result<(), Error> {
        loop {
            self.cost.calls += 1;
            // No more than a buffer of this size would hold.
            let shown = self.input.len().min(RX);
            let step = self.client.process(&self.input[..shown], self.now)?;
            let is_progress = step.is_progress();
            self.cost.events += usize::from(step.event.is_some());
            self.cost.consumed += step.consumed;
            self.input.drain(..step.consumed);
            let sent = self.client.transmit().len();
            if !self.is_stalled && sent > 0 {
                self.client.transmitted(sent, self.now);
                self.cost.sent += sent;
            } else if !is_progress {
                return Ok(());
            }
        }
    }
}

/// Runs `scenario` with a client that has room for four messages each way and three aliases, and is
/// connected.
fn online(version: Version, scenario: impl FnOnce(&mut Victim<'_>)) {
    with(version, &[], |victim| {
        let connack: &[u8] = match version {
            Version::V5 => b"\x20\x03\0\0\0",
            _ => b"\x20\x02\0\0",
        };
        victim.takes(connack, 100).unwrap();
        victim.cost = Cost::default();
        scenario(victim);
    });
}

/// The same, and the client has sent CONNECT.
fn with(version: Version, properties: &[Property<'_>], scenario: impl FnOnce(&mut Victim<'_>)) {
    let (mut tx, mut aliases_in) = ([0; 512], [0; 64]);
    let (mut slots, mut inbound) = ([Slot::EMPTY; 4], [Inbound::EMPTY; 4]);
    let config = Config {
        version,
        topic_alias_maximum: 3,
        max_whole: RX,
        properties,
        ..Config::new("victim")
    };
    let buffers = Buffers {
        aliases_in: &mut aliases_in,
        ..Buffers::new(&mut tx, &mut slots, &mut inbound)
    };
    let mut client = Client::new(config, buffers);
    let now = Instant::from_millis(1000);
    client.connect(now).unwrap();
    let mut victim = Victim {
        client,
        input: Vec::new(),
        now,
        is_stalled: false,
        cost: Cost::default(),
    };
    victim.runs().unwrap();
    scenario(&mut victim);
}

/// Packets that a server may send as often as it likes, and whether each is an event.
fn storms(version: Version) -> Vec<(&'static str, &'static [u8], bool)> {
    let mut storms: Vec<(_, &[u8], _)> = vec![
        ("PUBREL of nothing", b"\x62\x02\0\x07", false),
        ("PUBREC of nothing", b"\x50\x02\0\x07", false),
        ("PINGRESP", b"\xD0\0", false),
    ];
    if version == Version::V5 {
        storms.extend([
            ("QoS 0", &b"\x30\x04\0\x01t\0"[..], true),
            ("QoS 1, one identifier", b"\x32\x06\0\x01t\0\x01\0", true),
            ("QoS 2, again", b"\x3C\x06\0\x01t\0\x01\0", false),
            (
                "an alias that changes",
                b"\x30\x07\0\x01t\x03\x23\0\x01",
                true,
            ),
            (
                "properties",
                b"\x30\x0D\0\x01t\x09\x26\0\x02ab\0\x02cd",
                true,
            ),
        ]);
    } else {
        storms.extend([
            ("QoS 0", &b"\x30\x03\0\x01t"[..], true),
            ("QoS 1, one identifier", b"\x32\x05\0\x01t\0\x01", true),
            ("QoS 2, again", b"\x3C\x05\0\x01t\0\x01", false),
        ]);
    }
    storms
}

/// Each packet takes a call, each piece another one that finds nothing, and each answer a third:
/// nothing is looked at again and again.
#[test]
fn the_calls_of_a_storm_go_with_its_packets_and_its_pieces() {
    const COUNT: usize = 2000;
    for version in [V311, V5] {
        for (what, packet, is_event) in storms(version) {
            for piece in [1, 3, 100, 512, 5000] {
                online(version, |victim| {
                    let storm = packet.repeat(COUNT);
                    victim.takes(&storm, piece).unwrap();
                    let Cost {
                        calls,
                        consumed,
                        sent,
                        events,
                    } = victim.cost;
                    let what = format!("{what}, {version:?}, {piece}: {:?}", victim.cost);
                    assert_eq!(consumed, storm.len(), "{what}");
                    let pieces = storm.len().div_ceil(piece);
                    assert!(calls <= 2 * COUNT + 2 * pieces + 2, "{what}");
                    // The largest answer to a packet of four bytes has five or six.
                    assert!(2 * sent <= 3 * storm.len(), "{what}");
                    assert_eq!(
                        events,
                        if is_event { COUNT } else { events.min(1) },
                        "{what}"
                    );
                    assert!(victim.client.is_connected(), "{what}");
                });
            }
        }
    }
}

/// What asks for an answer waits with the server while there is no room for one. Looking again
/// costs one call, and the rest follows when there is room.
#[test]
fn a_storm_is_held_back_while_its_answers_do_not_leave() {
    const COUNT: usize = 2000;
    for version in [V311, V5] {
        for (what, packet, _) in storms(version) {
            // Those that ask for an answer, and those that are too many if they get none.
            let is_quiet = what == "PINGRESP" || packet[0] & 0xF6 == 0x30;
            if is_quiet || version == V5 && packet[0] == 0x32 {
                continue;
            }
            online(version, |victim| {
                let storm = packet.repeat(COUNT);
                victim.is_stalled = true;
                victim.takes(&storm, 512).unwrap();
                let held = victim.cost.consumed;
                let what = format!("{what}, {version:?}: {:?}", victim.cost);
                // The transmit buffer has 512 bytes, and as many messages may wait to be answered.
                assert!(held <= 512 * packet.len(), "{what}");
                let calls = victim.cost.calls;
                for _ in 0..100 {
                    victim.runs().unwrap();
                }
                assert_eq!(victim.cost.calls, calls + 100, "{what}");
                assert_eq!(victim.cost.consumed, held, "{what}");
                victim.is_stalled = false;
                victim.runs().unwrap();
                assert_eq!(victim.cost.consumed, storm.len(), "{what}");
                assert!(victim.client.is_connected(), "{what}");
            });
        }
    }
}

/// 256 MiB are announced, and come in small pieces: each costs a call and an event.
#[test]
fn a_message_of_256_mib_is_passed_on_piece_by_piece() {
    for version in [V311, V5] {
        online(version, |victim| {
            let topic: &[u8] = match version {
                Version::V5 => b"\0\x01t\0",
                _ => b"\0\x01t",
            };
            let head = [b"\x30\xFF\xFF\xFF\x7F", topic].concat();
            victim.takes(&head, 1).unwrap();
            victim.cost = Cost::default();
            victim.takes(&vec![b'.'; 1024 * 1024], 100).unwrap();
            let Cost {
                calls,
                events,
                consumed,
                sent,
            } = victim.cost;
            assert_eq!((consumed, sent), (1024 * 1024, 0));
            assert!(events <= 1024 * 1024 / 100 + 1, "{events} events");
            assert!(calls <= 2 * events + 1, "{calls} calls");
        });
    }
}

/// One byte a second is no answer: CONNACK has its time-out, whatever comes of it.
#[test]
fn connack_does_not_take_longer_for_coming_in_bytes() {
    let connack = b"\x20\x12\0\0\x0F\x26\0\x05slow!\0\x05slow!";
    with(V5, &[], |victim| {
        let begin = victim.now;
        let end = connack.iter().find_map(|byte| {
            victim.now = victim.now + Duration::from_secs(1);
            victim.takes(&[*byte], 1).err()
        });
        assert_eq!(end, Some(Error::Timeout(Timeout::Connect)));
        assert_eq!(victim.now.saturating_since(begin), Duration::from_secs(10));
    });
}

/// Nor is a step of the authentication, however many there are.
#[test]
fn a_storm_of_auth_does_not_put_off_connack() {
    let method = [Property::AuthenticationMethod("m")];
    with(V5, &method, |victim| {
        let begin = victim.now;
        let end = (0..100).find_map(|_| {
            victim.now = victim.now + Duration::from_secs(1);
            let result = victim.takes(b"\xF0\x06\x18\x04\x15\0\x01m", 100);
            let auth = mqtt_core::wire::Auth {
                code: mqtt_core::wire::ReasonCode::ContinueAuthentication,
                properties: mqtt_core::wire::Properties::from(&method[..]),
            };
            let _ = victim.client.authenticate(&auth);
            result.err()
        });
        assert_eq!(end, Some(Error::Timeout(Timeout::Connect)));
        assert_eq!(victim.now.saturating_since(begin), Duration::from_secs(10));
        assert!(victim.cost.events >= 9);
    });
}
