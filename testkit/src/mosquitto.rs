//! A mosquitto to test against.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::certificates::Certificates;
use crate::machine::{TempDir, program, wait_for};
use crate::namespace::Namespace;

/// A mosquitto, killed when it is dropped.
#[derive(Debug)]
pub struct Mosquitto {
    child: Child,
    ports: Vec<u16>,
    place: Place,
    /// Where its files are.
    pub dir: TempDir,
}

/// Where it runs.
#[derive(Debug)]
struct Place {
    command: Command,
    address: Ipv4Addr,
}

impl Mosquitto {
    /// Starts a mosquitto with one listener and these lines in its configuration, which may name
    /// files in its folder. `None`, after a message, if there is none on this machine; in CI there
    /// has to be.
    pub fn start(lines: impl FnOnce(&TempDir) -> String) -> Option<Self> {
        let program = program("mosquitto")?;
        let dir = TempDir::new();
        let lines = lines(&dir);
        Some(Self::spawn(Place::here(&program), dir, "", &[lines]))
    }

    /// Starts a mosquitto with listeners that have these lines each.
    fn spawn(mut place: Place, dir: TempDir, general: &str, listeners: &[String]) -> Self {
        // Only root may, and has to: mosquitto would become another user, without access.
        let user = if is_root() { "user root\n" } else { "" };
        place
            .command
            .arg("-c")
            .arg(dir.path().join("mosquitto.conf"));
        // A port that is free now may be taken a moment later; then there are others.
        for _ in 0..20 {
            let ports = free_ports(listeners.len());
            let mut config = format!("{user}log_dest stderr\nlog_type all\n{general}");
            for (port, lines) in ports.iter().zip(listeners) {
                config += &format!("listener {port} {}\n{lines}", place.address);
            }
            dir.write("mosquitto.conf", config.as_bytes());
            if let Some(child) = run(&mut place.command, dir.path()) {
                return Self {
                    child,
                    ports,
                    place,
                    dir,
                };
            }
        }
        panic!("no free ports for mosquitto");
    }

    /// Where it listens; with several listeners, the first of them.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.place.address, self.ports[0]))
    }

    /// What mosquitto has said since its last start.
    pub fn log(&self) -> String {
        read_log(self.dir.path())
    }

    /// Ends it without a warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(&mut self) {
        self.signal("TERM");
        self.child.wait().unwrap();
    }

    /// Stops it where it is: it still has its connections, and says nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Has it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-s", name, &id]).status();
        assert!(asked.unwrap().success());
    }

    /// Deletes the store in which it keeps sessions.
    pub fn forget(&mut self) {
        fs::remove_file(self.dir.path().join("mosquitto.db")).unwrap();
    }

    /// Starts it once more, on the same ports and with the same files.
    pub fn start_again(&mut self) {
        self.child = wait_for("the ports of mosquitto", || {
            run(&mut self.place.command, self.dir.path())
        });
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Place {
    /// This machine, on its loopback.
    fn here(program: &Path) -> Self {
        Self {
            command: Command::new(program),
            address: Ipv4Addr::LOCALHOST,
        }
    }
}

/// A listener of [`Listeners`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listener {
    /// TCP.
    Tcp,
    /// TCP, for `alice` alone, whose password is `secret`.
    Password,
    /// TCP, with a Maximum QoS of 1.
    MaxQos1,
    /// TLS.
    Tls,
    /// TLS, for clients that have a certificate.
    MutualTls,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// TLS, with the certificate of another host.
    WrongHost,
    /// TLS, with a certificate that has expired.
    Expired,
    /// TLS, with a certificate that is not valid yet.
    NotYetValid,
}

impl Listener {
    const ALL: [Self; 10] = [
        Self::Tcp,
        Self::Password,
        Self::MaxQos1,
        Self::Tls,
        Self::MutualTls,
        Self::Ws,
        Self::Wss,
        Self::WrongHost,
        Self::Expired,
        Self::NotYetValid,
    ];

    /// Its lines in a configuration.
    fn lines(self, dir: &TempDir) -> String {
        let dir = dir.path().display();
        let tls = |name| {
            format!("cafile {dir}/ca.crt\ncertfile {dir}/{name}.crt\nkeyfile {dir}/{name}.key\n")
        };
        let lines = match self {
            Self::Tcp => String::new(),
            Self::Password => {
                return format!("allow_anonymous false\npassword_file {dir}/passwords\n");
            }
            Self::MaxQos1 => "max_qos 1\n".to_owned(),
            Self::Tls => tls("server"),
            Self::MutualTls => tls("server") + "require_certificate true\n",
            Self::Ws => "protocol websockets\n".to_owned(),
            Self::Wss => tls("server") + "protocol websockets\n",
            Self::WrongHost => tls("wrong_host"),
            Self::Expired => tls("expired"),
            Self::NotYetValid => tls("not_yet_valid"),
        };
        lines + "allow_anonymous true\n"
    }
}

/// One mosquitto with every [`Listener`], on 127.0.0.1; those for WebSocket are at all addresses
/// before mosquitto 2.1. Sessions end with it,
/// unless it is [persistent](Self::persistent).
#[derive(Debug)]
pub struct Listeners {
    /// The process.
    pub mosquitto: Mosquitto,
    /// Those that the servers have, and those for clients. They are in the folder of `mosquitto`,
    /// too.
    pub certificates: Certificates,
}

impl Listeners {
    /// Starts it. `None`, after a message, if there is no mosquitto on this machine; in CI there
    /// has to be.
    pub fn start() -> Option<Self> {
        Some(Self::start_at(Place::here(&program("mosquitto")?), |_| {
            "persistence false\n".to_owned()
        }))
    }

    /// Starts one that keeps sessions when it is [terminated](Mosquitto::terminate).
    pub fn persistent() -> Option<Self> {
        Some(Self::start_at(Place::here(&program("mosquitto")?), |dir| {
            format!(
                "persistence true\npersistence_location {}/\n",
                dir.path().display()
            )
        }))
    }

    /// Starts it in a network of the test's own, at an address that there is in it.
    pub fn start_in(namespace: &Namespace, address: Ipv4Addr) -> Option<Self> {
        let command = namespace.command(&program("mosquitto")?);
        let place = Place { command, address };
        Some(Self::start_at(place, |_| "persistence false\n".to_owned()))
    }

    fn start_at(place: Place, persistence: impl FnOnce(&TempDir) -> String) -> Self {
        // What `mosquitto_passwd` makes of `secret`.
        const PASSWORDS: &str = "alice:$7$101$ppMT+UtpyE8x/4np$\
            kQbxreCEcGzgv1ve+hJxDkxrfZBL8IXZPjPO5kFOyRnzQ6JF/FnEtty/nVRZI9c5AMAxgGu0Q0egdBLpABANfA==\n";
        // Nothing is dropped for want of room.
        const GENERAL: &str = "per_listener_settings true\nmax_queued_messages 0\n";

        let dir = TempDir::new();
        let certificates = Certificates::new();
        certificates.write(&dir);
        dir.write("passwords", PASSWORDS.as_bytes());
        let listeners = Listener::ALL.map(|listener| listener.lines(&dir));
        let general = GENERAL.to_owned() + &persistence(&dir);
        Self {
            mosquitto: Mosquitto::spawn(place, dir, &general, &listeners),
            certificates,
        }
    }

    /// Where this one is.
    pub fn address(&self, listener: Listener) -> SocketAddr {
        SocketAddr::from((self.mosquitto.place.address, self.port(listener)))
    }

    /// The port of this one.
    pub fn port(&self, listener: Listener) -> u16 {
        self.mosquitto.ports[listener as usize]
    }
}

/// Starts a mosquitto and waits until it listens; `None` if somebody else has one of its ports.
fn run(command: &mut Command, dir: &Path) -> Option<Child> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(dir.join("log")).unwrap())
        .spawn()
        .unwrap();
    let is_up = wait_for("mosquitto to listen", || {
        if child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        read_log(dir).contains(" running\n").then_some(true)
    });
    if is_up {
        return Some(child);
    }
    let log = read_log(dir);
    let is_taken = [
        "Address already in use",
        "Unable to create websockets listener",
    ]
    .iter()
    .any(|error| log.contains(error));
    assert!(is_taken, "{log}");
    None
}

fn read_log(dir: &Path) -> String {
    String::from_utf8_lossy(&fs::read(dir.join("log")).unwrap()).into_owned()
}

/// Ports below those that the system gives to outgoing connections.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let mut ports = Vec::with_capacity(count);
    while ports.len() < count {
        let random = RandomState::new().hash_one(0) % 20_000;
        let port = 12_000 + u16::try_from(random).unwrap();
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free && !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_every_listener() {
        let Some(listeners) = Listeners::start() else {
            return;
        };
        for listener in Listener::ALL {
            std::net::TcpStream::connect(listeners.address(listener)).unwrap();
        }
        assert!(listeners.mosquitto.dir.path().join("client.key").is_file());
    }
}
