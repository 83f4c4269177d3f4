//! A mosquitto to test against.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::machine::{TempDir, program, wait_for};

/// A mosquitto, killed when it is dropped.
pub(crate) struct Mosquitto {
    program: PathBuf,
    child: Child,
    port: u16,
    pub(crate) dir: TempDir,
}

impl Mosquitto {
    /// Starts a mosquitto with these lines in its configuration, which may name files in its
    /// folder. `None`, after a message, if there is none on this machine; in CI there has to be.
    pub(crate) fn start(lines: impl FnOnce(&TempDir) -> String) -> Option<Self> {
        let program = program("mosquitto")?;
        let dir = TempDir::new();
        let lines = lines(&dir);
        // Only root may, and has to: mosquitto would become another user, without access.
        let user = if is_root() { "user root\n" } else { "" };
        // A port that is free now may be taken a moment later; then there is another.
        for attempt in 0..20 {
            let port = free_port(attempt);
            let config =
                format!("{user}log_dest stderr\nlog_type all\nlistener {port} 127.0.0.1\n{lines}");
            dir.write("mosquitto.conf", config.as_bytes());
            if let Some(child) = spawn(&program, dir.path(), port) {
                return Some(Self {
                    program,
                    child,
                    port,
                    dir,
                });
            }
        }
        panic!("no free port for mosquitto");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// What mosquitto has said since its last start.
    pub(crate) fn log(&self) -> String {
        read_log(self.dir.path())
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(&mut self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.unwrap().success());
        self.child.wait().unwrap();
    }

    /// Deletes the store in which it keeps sessions.
    pub(crate) fn forget(&mut self) {
        fs::remove_file(self.dir.path().join("mosquitto.db")).unwrap();
    }

    /// Starts it once more, on the same port and with the same files.
    pub(crate) fn start_again(&mut self) {
        self.child = wait_for("the port of mosquitto", || {
            spawn(&self.program, self.dir.path(), self.port)
        });
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a mosquitto and waits until it listens; `None` if somebody else has its port.
fn spawn(program: &Path, dir: &Path, port: u16) -> Option<Child> {
    let mut child = Command::new(program)
        .arg("-c")
        .arg(dir.join("mosquitto.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(dir.join("log")).unwrap())
        .spawn()
        .unwrap();
    let is_up = wait_for("mosquitto to listen", || {
        if child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        stream.is_ok().then_some(true)
    });
    if is_up {
        return Some(child);
    }
    let log = read_log(dir);
    assert!(log.contains("Address already in use"), "{log}");
    None
}

fn read_log(dir: &Path) -> String {
    String::from_utf8_lossy(&fs::read(dir.join("log")).unwrap()).into_owned()
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
