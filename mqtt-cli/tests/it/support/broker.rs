//! Brokers to test against.

use std::net::SocketAddr;

use mqtt_client::Version;
use testkit::Embedded;

use super::command::{Finished, Running};
use super::{TempDir, program, wait_for};

/// A mosquitto, killed when it is dropped.
pub(crate) struct Mosquitto(testkit::Mosquitto);

impl Mosquitto {
    /// Starts a mosquitto to which everybody has access; `None`, after a message, if there is
    /// none on this machine. In CI there has to be one.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| "allow_anonymous true\n".to_owned())
    }

    /// Starts a mosquitto with these lines in its configuration.
    pub(crate) fn start_with(lines: impl FnOnce(&TempDir) -> String) -> Option<Self> {
        for client in ["mosquitto_pub", "mosquitto_sub", "mosquitto_passwd"] {
            program(client)?;
        }
        testkit::Mosquitto::start(|dir| format!("persistence false\n{}", lines(dir))).map(Self)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Where its files are.
    pub(crate) const fn dir(&self) -> &TempDir {
        &self.0.dir
    }

    /// The arguments `-h` and `-p` of all clients, then these.
    fn args<'a>(&'a self, port: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        [&args[..1], &["-h", "127.0.0.1", "-p", port], &args[1..]].concat()
    }

    /// Starts `mqtt SUBCOMMAND -h HOST -p PORT ...`.
    pub(crate) fn mqtt(&self, args: &[&str]) -> Running {
        super::command::mqtt(&self.args(&self.0.address().port().to_string(), args))
    }

    /// Runs `mqtt SUBCOMMAND -h HOST -p PORT ...` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.mqtt(args).wait()
    }

    /// Starts `mosquitto_pub` or `mosquitto_sub`.
    pub(crate) fn theirs(&self, args: &[&str]) -> Running {
        let port = self.0.address().port().to_string();
        let args = self.args(&port, args);
        Running::start(args[0], &args[1..])
    }

    /// Starts `mqtt sub` and waits until it has subscribed.
    pub(crate) fn subscribed(&self, args: &[&str]) -> Running {
        let id = super::unique("sub");
        let running = self.mqtt(&[&["sub", "-i", &id], args].concat());
        self.wait_for_log(&format!("Sending SUBACK to {id}"));
        running
    }

    /// Starts `mosquitto_sub` and waits until it has subscribed.
    pub(crate) fn they_subscribed(&self, args: &[&str]) -> Running {
        let id = super::unique("sub");
        let running = self.theirs(&[&["mosquitto_sub", "-i", &id], args].concat());
        self.wait_for_log(&format!("Sending SUBACK to {id}"));
        running
    }

    /// What mosquitto has said.
    pub(crate) fn log(&self) -> String {
        self.0.log()
    }

    /// Waits until mosquitto has said this.
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_for(text, || self.log().contains(text).then_some(()));
    }
}

/// A broker of any kind.
pub(crate) enum AnyBroker {
    Mosquitto(Box<Mosquitto>),
    Embedded(Box<Embedded>),
}

impl AnyBroker {
    /// All that there are on this machine.
    pub(crate) fn all() -> Vec<Self> {
        let mut brokers = vec![Self::Embedded(Box::new(Embedded::start()))];
        brokers.extend(Mosquitto::start().map(Box::new).map(Self::Mosquitto));
        brokers
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Mosquitto(broker) => broker.address(),
            Self::Embedded(broker) => broker.mqtt,
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Mosquitto(_) => "mosquitto",
            Self::Embedded(_) => "mqtt5",
        }
    }

    pub(crate) const fn versions(&self) -> &'static [Version] {
        match self {
            Self::Mosquitto(_) => &[Version::V31, Version::V311, Version::V5],
            Self::Embedded(_) => &[Version::V311, Version::V5],
        }
    }
}
