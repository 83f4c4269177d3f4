//! Packets at the wrong moment, or with the wrong number in them.

use std::time::Duration;

use mqtt_client::Version;

use crate::drivers::{DRIVERS, Job, Run, Seen, run};
use crate::server::{Peer, serve};

/// How long the last words of a client may take: a second to say them, and a second for the server.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// More memory than this is not needed for any of it.
const MEMORY: usize = 2 * 1024 * 1024;

/// After this the server sends something that it must not.
#[derive(Clone, Copy, PartialEq)]
enum After {
    Connect,
    Connack,
    /// And SUBSCRIBE, with the identifier 1.
    Subscribe,
}

use After::{Connack, Connect, Subscribe};

/// What the server sends, and the reason in the DISCONNECT that answers it.
type Moment = (&'static str, After, &'static [u8], u8);

/// Each driver says that the server broke the protocol; in 5.0 it gives the reason on the wire.
#[track_caller]
fn each(version: Version, moments: &[Moment]) {
    each_of(&DRIVERS, version, moments);
}

#[track_caller]
fn each_of(drivers: &[(&str, Run)], version: Version, moments: &[Moment]) {
    for &(what, after, bytes, code) in moments {
        for &(name, driver) in drivers {
            let (port, server) = serve(version, move |mut peer: Peer| {
                if after != Connect {
                    peer.accept();
                }
                if after == Subscribe {
                    let subscribe = peer.next();
                    assert_eq!((subscribe[0], &subscribe[2..4]), (0x82, &[0, 1][..]));
                }
                peer.say(bytes);
                peer.last()
            });
            let job = Job {
                subscribes: after == Subscribe,
                ..Job::new(version)
            };
            let Seen {
                said,
                time,
                memory,
                processor,
                ..
            } = run(driver, port, job);
            let what = format!("{what}, {name}, {version:?}");
            assert!(
                said.starts_with("the server broke the protocol: "),
                "{what}: {said}"
            );
            assert!(time < LAST_WORDS, "{what}: {time:?}");
            assert!(memory < MEMORY, "{what}: {memory} bytes");
            assert!(processor < Duration::from_secs(1), "{what}: {processor:?}");
            let last = server.join().unwrap();
            if version == Version::V5 {
                assert_eq!(last, [0xE0, 1, code], "{what}");
            } else {
                assert_ne!(
                    last.first(),
                    Some(&0xE0),
                    "{what}: there are no reasons before 5.0"
                );
            }
        }
    }
}

/// All but PUBREC, PUBREL and the PUBCOMP after it, for which there are answers: `floods.rs`.
#[test]
fn acknowledgements_of_what_was_never_sent() {
    each(
        Version::V5,
        &[
            ("PUBACK", Connack, b"\x40\x02\0\x07", 0x82),
            ("SUBACK", Connack, b"\x90\x04\0\x07\0\0", 0x82),
            ("UNSUBACK", Connack, b"\xB0\x04\0\x07\0\0", 0x82),
            // The identifier of a SUBSCRIBE.
            ("PUBACK for SUBSCRIBE", Subscribe, b"\x40\x02\0\x01", 0x82),
            (
                "UNSUBACK for SUBSCRIBE",
                Subscribe,
                b"\xB0\x04\0\x01\0\0",
                0x82,
            ),
        ],
    );
    each(
        Version::V311,
        &[
            ("PUBACK", Connack, b"\x40\x02\0\x07", 0),
            ("SUBACK", Connack, b"\x90\x03\0\x07\0", 0),
            ("PUBACK for SUBSCRIBE", Subscribe, b"\x40\x02\0\x01", 0),
        ],
    );
}

#[test]
fn answers_with_more_or_fewer_codes_than_questions() {
    each(
        Version::V5,
        &[
            ("two codes", Subscribe, b"\x90\x05\0\x01\0\0\0", 0x82),
            ("no code", Subscribe, b"\x90\x03\0\x01\0", 0x82),
        ],
    );
    each(
        Version::V311,
        &[("two codes", Subscribe, b"\x90\x04\0\x01\0\0", 0)],
    );
}

#[test]
fn packets_before_connack_and_after_it() {
    each(
        Version::V5,
        &[
            ("PUBLISH first", Connect, b"\x30\x04\0\x01t\0", 0x82),
            ("PINGRESP first", Connect, b"\xD0\0", 0x82),
            ("AUTH that nobody asked for", Connect, b"\xF0\0", 0x82),
            (
                "a session after a clean start",
                Connect,
                b"\x20\x03\x01\0\0",
                0x82,
            ),
            ("a second CONNACK", Connack, b"\x20\x03\0\0\0", 0x82),
            ("a refusal after all", Connack, b"\x20\x03\0\x87\0", 0x82),
            ("AUTH later", Connack, b"\xF0\0", 0x82),
            ("CONNECT", Connack, b"\x10\x02\0\0", 0x82),
            ("SUBSCRIBE", Connack, b"\x82\x06\0\x01\0\0\x01a", 0x82),
            ("QoS 3", Connack, b"\x36\x06\0\x01t\0\x01\0", 0x81),
        ],
    );
    each(
        Version::V311,
        &[
            ("PUBLISH first", Connect, b"\x30\x03\0\x01t", 0),
            (
                "a session after a clean start",
                Connect,
                b"\x20\x02\x01\0",
                0,
            ),
            ("a second CONNACK", Connack, b"\x20\x02\0\0", 0),
        ],
    );
}

#[test]
fn packets_that_are_too_large() {
    let suback = b"\x90\xFF\xFF\xFF\x7F";
    each(
        Version::V5,
        &[
            ("a SUBACK of 256 MiB", Connack, suback, 0x95),
            (
                "a CONNACK of 256 MiB",
                Connect,
                b"\x20\xFF\xFF\xFF\x7F",
                0x95,
            ),
        ],
    );
    each(
        Version::V311,
        &[("a SUBACK of 256 MiB", Connack, suback, 0)],
    );
}

/// Room is for four messages that are not released.
#[test]
fn more_messages_than_were_asked_for() {
    let messages = b"\x34\x06\0\x01t\0\x01\0\x34\x06\0\x01t\0\x02\0\x34\x06\0\x01t\0\x03\0\
                     \x34\x06\0\x01t\0\x04\0\x34\x06\0\x01t\0\x05\0";
    // On tokio there is room for as many as there are identifiers.
    let [blocking, _, embedded] = DRIVERS;
    let five: Moment = ("five", Connack, messages, 0x93);
    each_of(&[blocking, embedded], Version::V5, &[five]);
}

#[test]
fn aliases_that_stand_for_nothing() {
    each(
        Version::V5,
        &[
            ("alias 0", Connack, b"\x30\x07\0\x01t\x03\x23\0\0", 0x94),
            (
                "beyond the maximum",
                Connack,
                b"\x30\x07\0\x01t\x03\x23\0\x01",
                0x94,
            ),
        ],
    );
}

/// Where it points to is told, and nobody goes there.
#[test]
fn a_server_that_sends_the_client_elsewhere() {
    for (name, driver) in DRIVERS {
        let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let there = elsewhere.local_addr().unwrap().to_string();
        let reference = there.clone();
        let (port, server) = serve(Version::V5, move |mut peer: Peer| {
            peer.accept();
            let len = u8::try_from(reference.len()).unwrap();
            let mut bytes = vec![0xE0, len + 5, 0x9D, len + 3, 28, 0, len];
            bytes.extend(reference.as_bytes());
            peer.say(&bytes);
            peer.last();
        });
        let seen = run(driver, port, Job::new(Version::V5));
        server.join().unwrap();
        let told = format!("{} {:?}", seen.said, seen.farewell);
        assert!(
            told.contains(&there) || told.contains("moved"),
            "{name}: {told}"
        );
        assert!(elsewhere.accept().is_err(), "{name} has gone there");
    }
}
