//! What no broker does on demand, from a script.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::support::command::{Finished, Running, mqtt};

/// A server that answers the first packet with the first of `answers` and so on, and then closes.
fn against(answers: &'static [&'static [u8]], args: &[&str]) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in answers {
            // All packets here are shorter than a segment.
            let n = stream.read(&mut [0; 1000]).unwrap();
            assert_ne!(n, 0);
            stream.write_all(answer).unwrap();
        }
        // What was written may otherwise be lost with a reset.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    mqtt(&[&args[..1], &["-h", "127.0.0.1", "-p", &port], &args[1..]].concat())
}

fn run(answers: &'static [&'static [u8]], args: &[&str]) -> Finished {
    against(answers, args).wait()
}

const SUB: [&str; 3] = ["sub", "-t", "a"];
const PUB: [&str; 5] = ["pub", "-t", "a", "-m", "x"];

#[track_caller]
fn fails(answers: &'static [&'static [u8]], args: &[&str], expected: &str) {
    let line = run(answers, args).failed(1);
    assert!(line.contains(expected), "{line}");
}

#[test]
fn refusals() {
    let v5 = [&SUB[..], &["-V", "5"]].concat();
    let user = [&SUB[..], &["-u", "me"]].concat();
    let password = [&user[..], &["-P", "x"]].concat();
    fails(
        &[b"\x20\x02\0\x01"],
        &SUB,
        "It does not speak MQTT 3.1.1: choose another version",
    );
    fails(
        &[b"\x20\x02\0\x01"],
        &v5,
        "It does not speak MQTT 5.0: choose another version",
    );
    fails(&[b"\x20\x02\0\x02"], &SUB, "choose another with --id.");
    fails(&[b"\x20\x02\0\x03"], &SUB, "server unavailable. Try later.");
    fails(
        &[b"\x20\x02\0\x04"],
        &SUB,
        "Give a user name with --username and a password",
    );
    fails(&[b"\x20\x02\0\x05"], &user, "Give a password with --pw.");
    fails(
        &[b"\x20\x02\0\x05"],
        &password,
        "Check --username and --pw.",
    );
    fails(
        &[b"\x20\x0A\0\x9D\x07\x1C\0\x04moon"],
        &v5,
        "refuses the connection: server moved, use moon.",
    );
    fails(
        &[b"\x20\x0A\0\x97\x07\x1F\0\x04full"],
        &v5,
        "refuses the connection: quota exceeded (full).",
    );
}

#[test]
fn servers_that_are_no_brokers() {
    fails(
        &[b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        &SUB,
        "does not speak MQTT as it should",
    );
    fails(
        &[b""],
        &SUB,
        "has closed the connection in place of an answer",
    );
}

#[test]
fn subscriptions_refused() {
    fails(
        &[b"\x20\x02\0\0", b"\x90\x03\0\x01\x80"],
        &SUB,
        "The broker refuses the subscription to a.",
    );
    fails(
        &[b"\x20\x03\0\0\0", b"\x90\x05\0\x01\0\0\x87"],
        &["sub", "-V", "5", "-t", "a", "-t", "b"],
        "The broker refuses the subscription to b: not authorized.",
    );
}

#[test]
fn messages_refused() {
    fails(
        &[b"\x20\x03\0\0\0", b"\x40\x04\0\x01\x97\0"],
        &[&PUB[..], &["-q", "1", "-V", "5"]].concat(),
        "The broker did not accept the message: quota exceeded.",
    );
    fails(
        &[b"\x20\x05\0\0\x02\x24\0"],
        &[&PUB[..], &["-q", "1", "-V", "5"]].concat(),
        "the server does not support this QoS. Choose a lower one with --qos.",
    );
    fails(
        &[b"\x20\x05\0\0\x02\x25\0"],
        &[&PUB[..], &["-r", "-V", "5"]].concat(),
        "Leave out --retain.",
    );
    fails(
        &[b"\x20\x08\0\0\x05\x27\0\0\0\x06"],
        &[&PUB[..], &["-V", "5"]].concat(),
        "the packet is larger than the server accepts. Send it in smaller pieces.",
    );
}

#[test]
fn connections_that_end() {
    fails(
        &[b"\x20\x02\0\0", b"\x90\x03\0\x01\0"],
        &SUB,
        "The broker at 127.0.0.1 port",
    );
    fails(
        &[b"\x20\x03\0\0\0", b"\x90\x04\0\x01\0\0\xE0\x02\x8B\0"],
        &["sub", "-V", "5", "-t", "a"],
        "The broker has closed the connection: server shutting down.",
    );
    fails(
        &[b"\x20\x02\0\0", b""],
        &[&PUB[..], &["-q", "1"]].concat(),
        "has closed",
    );
}

#[test]
fn what_came_before_the_end_is_printed() {
    let finished = run(
        &[b"\x20\x02\0\0", b"\x90\x03\0\x01\0\x30\x05\0\x01a\xFFb"],
        &["sub", "-t", "a", "-v"],
    );
    assert_eq!(finished.stdout, b"a \xFFb\n");
    finished.failed(1);
}

#[test]
fn nothing_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let finished = mqtt(&["sub", "-t", "a", "-h", "127.0.0.1", "-p", &port, "-W", "1"]).wait();
    assert_eq!((finished.code, &*finished.stderr), (Some(27), ""));
    let line = mqtt(&["sub", "-t", "a", "-h", "127.0.0.1", "-p", &port])
        .wait()
        .failed(1);
    assert!(
        line.ends_with("does not answer. Is it an MQTT broker?"),
        "{line}"
    );
}
