//! Brokers to test against.

use std::env;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use mqtt_client::Version;

use super::command::{Finished, Running};
use super::{TempDir, wait_for};

#[cfg(feature = "demo")]
#[path = "../../../src/demo/broker.rs"]
mod embedded;

#[cfg(feature = "demo")]
pub(crate) use embedded::Broker as Embedded;

/// A mosquitto, killed when it is dropped.
pub(crate) struct Mosquitto {
    child: Child,
    port: u16,
    pub(crate) dir: TempDir,
}

impl Mosquitto {
    /// Starts a mosquitto to which everybody has access; `None`, after a message, if there is
    /// none on this machine. In CI there has to be one.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| "allow_anonymous true\n".to_owned())
    }

    /// Starts a mosquitto with these lines in its configuration.
    pub(crate) fn start_with(config: impl FnOnce(&TempDir) -> String) -> Option<Self> {
        let program = program("mosquitto")?;
        for client in ["mosquitto_pub", "mosquitto_sub", "mosquitto_passwd"] {
            self::program(client)?;
        }
        let dir = TempDir::new();
        let own_config = config(&dir);
        // A port that is free now may be taken a moment later; then there is another.
        for attempt in 0..20 {
            let port = free_port(attempt);
            // Only root may, and has to: mosquitto would become another user, without access.
            let user = if is_root() { "user root\n" } else { "" };
            let config = format!(
                "{user}log_dest stderr\nlog_type all\npersistence false\n\
                 listener {port} 127.0.0.1\n{own_config}"
            );
            let config = dir.write("mosquitto.conf", config.as_bytes());
            let log = File::create(dir.path().join("log")).unwrap();
            let mut child = Command::new(&program)
                .args(["-c", &config])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let is_up = wait_for("mosquitto to listen", || {
                if child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                    .ok()
                    .map(|_| true)
            });
            if is_up {
                return Some(Self { child, port, dir });
            }
            let log = fs::read_to_string(dir.path().join("log")).unwrap();
            assert!(log.contains("Address already in use"), "{log}");
        }
        panic!("no free port for mosquitto");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The arguments `-h` and `-p` of all clients, then these.
    fn args<'a>(&'a self, port: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        [&args[..1], &["-h", "127.0.0.1", "-p", port], &args[1..]].concat()
    }

    /// Starts `mqtt SUBCOMMAND -h HOST -p PORT ...`.
    pub(crate) fn mqtt(&self, args: &[&str]) -> Running {
        super::command::mqtt(&self.args(&self.port.to_string(), args))
    }

    /// Runs `mqtt SUBCOMMAND -h HOST -p PORT ...` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.mqtt(args).wait()
    }

    /// Starts `mosquitto_pub` or `mosquitto_sub`.
    pub(crate) fn theirs(&self, args: &[&str]) -> Running {
        let port = self.port.to_string();
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

    /// Waits until mosquitto has said this.
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_for(text, || {
            let log = fs::read(self.dir.path().join("log")).unwrap();
            String::from_utf8_lossy(&log).contains(text).then_some(())
        });
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Finds a program of mosquitto's, for which Debian has a place outside of ordinary users' paths.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].map(PathBuf::from);
    let found = env::split_paths(&path)
        .chain(more)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        let in_ci = env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
        assert!(
            !in_ci,
            "{name} is not installed, and in CI nothing is skipped"
        );
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// A port below those that the system gives to outgoing connections.
fn free_port(attempt: u16) -> u16 {
    loop {
        let random = RandomState::new().hash_one(attempt) % 20_000;
        let port = 12_000 + u16::try_from(random).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A broker of any kind.
pub(crate) enum AnyBroker {
    Mosquitto(Mosquitto),
    #[cfg(feature = "demo")]
    Embedded(Embedded),
}

impl AnyBroker {
    /// All that there are on this machine.
    pub(crate) fn all() -> Vec<Self> {
        let mut brokers = Vec::new();
        #[cfg(feature = "demo")]
        brokers.push(Self::Embedded(Embedded::start().unwrap()));
        brokers.extend(Mosquitto::start().map(Self::Mosquitto));
        brokers
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Mosquitto(broker) => broker.address(),
            #[cfg(feature = "demo")]
            Self::Embedded(broker) => broker.address(),
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Mosquitto(_) => "mosquitto",
            #[cfg(feature = "demo")]
            Self::Embedded(_) => "mqtt5",
        }
    }

    pub(crate) const fn versions(&self) -> &'static [Version] {
        match self {
            Self::Mosquitto(_) => &[Version::V31, Version::V311, Version::V5],
            #[cfg(feature = "demo")]
            Self::Embedded(_) => &[Version::V311, Version::V5],
        }
    }
}
