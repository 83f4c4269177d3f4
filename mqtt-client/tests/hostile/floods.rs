//! Packets without end.

use std::thread;
use std::time::Duration;

use mqtt_client::Version;

use crate::drivers::{DRIVERS, Job, STAYED, Seen, run};
use crate::server::{Peer, serve};

/// How long the server floods.
const FLOOD: Duration = Duration::from_millis(500);
/// How long it is silent then, and reads nothing.
const STALL: Duration = Duration::from_secs(2);

/// So many times a packet, to be written at once.
fn many(packet: &[u8]) -> Vec<u8> {
    packet.repeat(16 * 1024 / packet.len())
}

/// PUBREC and PUBREL of messages that the server has never had or sent are answered in 5.0, since
/// after a lost session they are nobody's fault. As long as the server does not read the answers,
/// no more of them is read.
#[test]
fn storms_of_pubrec_and_pubrel_wait_in_the_servers_socket() {
    for (what, packet) in [("PUBREC", b"\x50\x02\0\x07"), ("PUBREL", b"\x62\x02\0\x07")] {
        for (name, driver) in DRIVERS {
            let (port, server) = serve(Version::V5, move |mut peer: Peer| {
                peer.accept();
                let storm = many(packet);
                let said = peer.say_for(&storm, FLOOD);
                thread::sleep(STALL);
                (said, peer.drain())
            });
            let stay = FLOOD + STALL;
            let seen = run(
                driver,
                port,
                Job {
                    stay,
                    ..Job::new(Version::V5)
                },
            );
            let (said, read) = server.join().unwrap();
            let Seen {
                memory, processor, ..
            } = &seen;
            let what = format!("{what}, {name}, {said} bytes, {read} read, {seen:?}");
            assert_eq!(seen.said, STAYED, "{what}");
            assert!(*memory < 1024 * 1024, "{what}");
            // One who turns in circles would take all of it.
            assert!(*processor < FLOOD + STALL / 2, "{what}");
            // An answer has no more than twice the bytes of its question.
            assert!(read <= 2 * said, "{what}");
        }
    }
}

/// The same where the server reads: everything is answered, and the connection stays.
#[test]
fn storms_are_answered_packet_for_packet() {
    const COUNT: usize = 50_000;
    for (what, packet, version, answer) in [
        ("PUBREL", b"\x62\x02\0\x07", Version::V5, 5),
        ("PUBREL", b"\x62\x02\0\x07", Version::V311, 4),
        ("PUBREC", b"\x50\x02\0\x07", Version::V5, 5),
    ] {
        for (name, driver) in DRIVERS {
            let (port, server) = serve(version, move |mut peer: Peer| {
                peer.accept();
                let mut reader = peer.stream.try_clone().unwrap();
                let writer = thread::spawn(move || {
                    for chunk in packet.repeat(COUNT).chunks(64 * 1024) {
                        peer.say(chunk);
                    }
                    peer
                });
                let mut answers = vec![0; answer * COUNT];
                std::io::Read::read_exact(&mut reader, &mut answers).unwrap();
                // The connection ends with this.
                writer.join().unwrap().say(b"\0");
                answers
            });
            let seen = run(driver, port, Job::new(version));
            let answers = server.join().unwrap();
            let what = format!("{what}, {name}, {version:?}, {seen:?}");
            assert!(
                answers
                    .chunks(answer)
                    .all(|bytes| bytes == &answers[..answer]),
                "{what}"
            );
            assert!(
                seen.said.starts_with("the server broke the protocol"),
                "{what}"
            );
            // The answers and the questions are the server's.
            assert!(seen.memory < 2 * 1024 * 1024, "{what}");
            assert!(seen.processor < Duration::from_secs(10), "{what}");
        }
    }
}

/// A server that never releases a message of QoS 2 can have as many identifiers noted as there are.
#[test]
fn identifiers_that_are_never_released() {
    const COUNT: u16 = u16::MAX;
    let [_, (name, tokio), _] = DRIVERS;
    for version in [Version::V311, Version::V5] {
        let (port, server) = serve(version, move |mut peer: Peer| {
            peer.accept();
            let mut reader = peer.stream.try_clone().unwrap();
            let writer = thread::spawn(move || {
                let properties = &b"\0"[..usize::from(version == Version::V5)];
                let len = 5 + u8::from(version == Version::V5);
                for id in 1..=COUNT {
                    let [high, low] = id.to_be_bytes();
                    peer.say(&[&[0x34, len, 0, 1, b't', high, low], properties].concat());
                }
                peer
            });
            let mut answers = vec![0; 4 * usize::from(COUNT)];
            std::io::Read::read_exact(&mut reader, &mut answers).unwrap();
            // The connection ends with this.
            writer.join().unwrap().say(b"\0");
            answers
        });
        let seen = run(tokio, port, Job::new(version));
        let answers = server.join().unwrap();
        let what = format!("{name}, {version:?}, {seen:?}");
        for (id, answer) in (1..=COUNT).zip(answers.chunks(4)) {
            let [high, low] = id.to_be_bytes();
            assert_eq!(answer, [0x50, 2, high, low], "{what}");
        }
        assert!(
            seen.said.starts_with("the server broke the protocol"),
            "{what}"
        );
        assert!(seen.memory < 2 * 1024 * 1024, "{what}");
        assert!(seen.processor < Duration::from_secs(10), "{what}");
    }
}

/// Answers to questions that nobody has asked are nothing, and cost as much.
#[test]
fn a_storm_of_pingresp_is_read_and_forgotten() {
    for (name, driver) in DRIVERS {
        let (port, server) = serve(Version::V5, |mut peer: Peer| {
            peer.accept();
            let said = peer.say_for(&many(b"\xD0\0"), FLOOD);
            // The end of the last one, and of the connection.
            peer.say(&b"\0\0\0"[1 - said % 2..]);
            peer.last();
            said
        });
        let seen = run(driver, port, Job::new(Version::V5));
        let what = format!("{name}, {} bytes, {seen:?}", server.join().unwrap());
        assert!(
            seen.said.starts_with("the server broke the protocol"),
            "{what}"
        );
        assert!(seen.memory < 1024 * 1024, "{what}");
    }
}

/// An application that takes a message in five milliseconds, and a server that does not care.
#[test]
fn a_flood_of_messages_does_not_fill_the_memory() {
    let mut message = b"\x30\x83\x04\0\x01t".to_vec();
    message.extend([b'.'; 512]);
    for (name, driver) in DRIVERS {
        let message = message.clone();
        let (port, server) = serve(Version::V311, move |mut peer: Peer| {
            peer.accept();
            peer.next();
            peer.say(b"\x90\x03\0\x01\x02");
            peer.say_for(&message.repeat(32), STALL)
        });
        let job = Job {
            subscribes: true,
            nap: Duration::from_millis(5),
            stay: STALL,
            ..Job::new(Version::V311)
        };
        let seen = run(driver, port, job);
        let what = format!("{name}, {} bytes, {seen:?}", server.join().unwrap());
        assert!(seen.messages > 0, "{what}");
        // Twice the 1024 messages that may wait for an application on tokio.
        assert!(seen.memory < 4 * 1024 * 1024, "{what}");
    }
}

/// Properties that are longer than anything else: read in one pass where there is room, refused at
/// once where there is none.
#[test]
fn endless_user_properties() {
    const LEN: usize = 8 * 1024 * 1024;
    let property = b"\x26\0\x03key\0\x05value";
    let properties = property.repeat(LEN / property.len());
    for (name, driver) in DRIVERS {
        let properties = properties.clone();
        let (port, server) = serve(Version::V5, move |mut peer: Peer| {
            peer.accept();
            let mut head = vec![0x30];
            head.extend(variable(properties.len() + 3 + 4));
            head.extend(b"\0\x01t");
            head.extend(variable(properties.len()));
            peer.say(&head);
            for chunk in properties.chunks(1400) {
                if !peer.say(chunk) {
                    break;
                }
            }
            peer.say(b"\0");
            peer.last()
        });
        let seen = run(driver, port, Job::new(Version::V5));
        let what = format!("{name}, {seen:?}");
        let last = server.join().unwrap();
        assert!(
            seen.said.starts_with("the server broke the protocol"),
            "{what}"
        );
        let expected = if name == "tokio" { 0x81 } else { 0x95 };
        assert_eq!(last, [0xE0, 1, expected], "{what}");
        assert!(seen.memory < 3 * LEN + 4 * 1024 * 1024, "{what}");
        assert!(seen.processor < Duration::from_secs(10), "{what}");
    }
}

/// A length of the protocol, in four bytes or fewer.
fn variable(mut len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(len % 128).unwrap();
        len /= 128;
        bytes.push(if len > 0 { byte | 0x80 } else { byte });
        if len == 0 {
            return bytes;
        }
    }
}
