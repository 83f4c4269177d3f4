//! Much that is announced, and little that comes.

use std::thread;
use std::time::Duration;

use mqtt_client::Version;

use crate::drivers::{DRIVERS, Job, Seen, run};
use crate::server::{Peer, serve};

/// A silence of a second, a PINGREQ, and a second for the answer; and some for a busy machine.
const DEAD: Duration = Duration::from_secs(10);

/// The client gives up in time, since what it waits for is no sign of life.
#[track_caller]
fn each(what: &str, memory: usize, server: fn(&mut Peer)) {
    for version in [Version::V311, Version::V5] {
        for (name, driver) in DRIVERS {
            let (port, server) = serve(version, move |mut peer: Peer| {
                peer.accept();
                server(&mut peer);
                peer.last()
            });
            let job = Job {
                keep_alive: 1,
                ..Job::new(version)
            };
            let seen = run(driver, port, job);
            let what = format!("{what}, {name}, {version:?}");
            let Seen {
                said,
                time,
                memory: took,
                processor,
                ..
            } = seen;
            assert_eq!(said, "the server did not answer PINGREQ in time", "{what}");
            assert!(time < DEAD, "{what}: {time:?}");
            assert!(took < memory, "{what}: {took} bytes");
            assert!(processor < Duration::from_secs(1), "{what}: {processor:?}");
            server.join().unwrap();
        }
    }
}

#[test]
fn a_message_of_256_mib_costs_no_more_than_what_came_of_it() {
    each("256 MiB", 1024 * 1024, |peer| {
        peer.say(b"\x30\xFF\xFF\xFF\x7F\0\x01t\0");
        peer.say(&[0; 64 * 1024]);
    });
}

/// The client for tokio takes messages of up to 16 MiB, by default.
#[test]
fn a_message_of_15_mib_costs_no_more_than_what_came_of_it() {
    each("15 MiB", 1024 * 1024, |peer| {
        // 15 * 1024 * 1024 in groups of seven bits.
        peer.say(b"\x30\x80\x80\xC0\x07\0\x01t\0");
        peer.say(&[0; 64 * 1024]);
    });
}

/// As long as something comes the server is alive; when it does not, it is given up in time, the
/// message being no nearer to its end.
#[test]
fn single_bytes_of_a_message_cost_nothing() {
    each("single bytes", 512 * 1024, |peer| {
        // It fits the receive buffer, so that it is waited for.
        peer.say(b"\x30\x90\x06\0\x01t\0");
        for _ in 0..30 {
            assert!(peer.say(b"."), "the client has left");
            thread::sleep(Duration::from_millis(50));
        }
    });
}
