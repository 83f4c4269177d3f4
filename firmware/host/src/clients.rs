//! Clients that are not ours, which see what becomes of messages.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use testkit::Mosquitto;
use testkit::machine::{program, wait_for};

use crate::task::{Event, Events};

/// A message as `mosquitto_sub` has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub qos: u8,
    pub topic: String,
    pub payload: String,
}

/// A program, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Program(pub Child);

impl Program {
    /// Waits until it has ended; true if with success.
    pub(crate) fn wait(&mut self) -> bool {
        let status = wait_for("mosquitto_pub to end", || self.0.try_wait().ok().flatten());
        status.success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Subscribes at QoS 2. What it hears becomes events.
pub(crate) fn subscriber(mosquitto: &Mosquitto, topics: &[&str], events: &Events) -> Program {
    let mut command = command("mosquitto_sub", mosquitto.address());
    command.args(["-i", "witness", "-q", "2", "-F", "%q %t %p"]);
    for topic in topics {
        command.args(["-t", topic]);
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("mosquitto_sub starts");
    let output = child.stdout.take().expect("its output is piped");
    let events = events.clone();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut words = line.splitn(3, ' ').map(str::to_owned);
            let message = Message {
                qos: words
                    .next()
                    .and_then(|qos| qos.parse().ok())
                    .unwrap_or(u8::MAX),
                topic: words.next().unwrap_or_default(),
                payload: words.next().unwrap_or_default(),
            };
            events.send(Event::Heard(message)).ok();
        }
    });
    wait_for("the witness to be subscribed", || {
        mosquitto
            .log()
            .contains("Sending SUBACK to witness")
            .then_some(())
    });
    Program(child)
}

/// Publishes one message.
pub(crate) fn publish(address: SocketAddr, qos: u8, topic: &str, payload: &[u8]) -> Program {
    let (program, mut stdin) = publisher(address, "-s", qos, topic);
    // If it does not read that, it fails.
    let _ = stdin.write_all(payload);
    program
}

/// Publishes a message for each line that it is given.
pub(crate) fn line_publisher(address: SocketAddr, qos: u8, topic: &str) -> (Program, ChildStdin) {
    publisher(address, "-l", qos, topic)
}

fn publisher(address: SocketAddr, mode: &str, qos: u8, topic: &str) -> (Program, ChildStdin) {
    let mut child = command("mosquitto_pub", address)
        .args([mode, "-q", &qos.to_string(), "-t", topic])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("mosquitto_pub starts");
    let stdin = child.stdin.take().expect("its input is piped");
    (Program(child), stdin)
}

fn command(name: &str, address: SocketAddr) -> Command {
    let mut command = Command::new(program(name).expect("the package mosquitto-clients"));
    command.args([
        "-h",
        &address.ip().to_string(),
        "-p",
        &address.port().to_string(),
    ]);
    command.stdin(Stdio::null());
    command
}
