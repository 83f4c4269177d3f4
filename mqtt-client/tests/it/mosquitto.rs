//! A mosquitto with a plugin, to test against.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

/// A mosquitto, killed when it is dropped.
pub(crate) struct Mosquitto {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Mosquitto {
    /// Starts a mosquitto that lets in whom the SCRAM plugin lets in. These are the plugin's
    /// options. `None`, after a message, if something is missing; in CI nothing may be.
    pub(crate) fn with_scram(options: &[(&str, &str)]) -> Option<Self> {
        let mosquitto = program("mosquitto")?;
        program("cc")?;
        if !has_headers() {
            return missing("the headers of mosquitto's plugins and of OpenSSL are");
        }
        let options: String = options
            .iter()
            .map(|(name, value)| format!("plugin_opt_{name} {value}\n"))
            .collect();
        let dir = new_dir();
        let plugin = dir.join("scram.so");
        compile(&plugin);
        let log = dir.join("log");
        // A port that is free now may be taken a moment later; then there is another.
        for attempt in 0..20 {
            let port = free_port(attempt);
            // Only root may, and has to: mosquitto would become another user, without access.
            let user = if is_root() { "user root\n" } else { "" };
            let config = format!(
                "{user}log_dest stderr\nlog_type all\npersistence false\n\
                 listener {port} 127.0.0.1\nallow_anonymous false\n\
                 plugin {}\n{options}",
                plugin.display()
            );
            fs::write(dir.join("mosquitto.conf"), config).unwrap();
            let mut child = Command::new(&mosquitto)
                .arg("-c")
                .arg(dir.join("mosquitto.conf"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(&log).unwrap())
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
                return Some(Self { child, port, dir });
            }
            let log = fs::read_to_string(&log).unwrap();
            assert!(log.contains("Address already in use"), "{log}");
        }
        panic!("no free port for mosquitto");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Waits until mosquitto has said this.
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_for(text, || {
            let log = fs::read(self.dir.join("log")).unwrap();
            String::from_utf8_lossy(&log).contains(text).then_some(())
        });
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// True if the plugin can be compiled.
fn has_headers() -> bool {
    let headers = "#include <stddef.h>\n#include <mosquitto_broker.h>\n\
                   #include <mosquitto_plugin.h>\n#include <openssl/evp.h>\n";
    let mut cc = Command::new("cc")
        .args(["-fsyntax-only", "-xc", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let written = cc.stdin.take().unwrap().write_all(headers.as_bytes());
    cc.wait().unwrap().success() && written.is_ok()
}

fn compile(plugin: &Path) {
    let output = Command::new("cc")
        .args(["-Wall", "-Wextra", "-shared", "-fPIC", "-o"])
        .arg(plugin)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plugin/scram.c"))
        .arg("-lcrypto")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// Finds a program; Debian has a place for mosquitto outside of ordinary users' paths.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].map(PathBuf::from);
    let found = env::split_paths(&path)
        .chain(more)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found.or_else(|| missing(&format!("{name} is")))
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn missing<T>(what: &str) -> Option<T> {
    let in_ci = env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!in_ci, "{what} not installed, and in CI nothing is skipped");
    eprintln!("skipped: {what} not installed");
    None
}

fn new_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("mqtt-client-{}-{number}", std::process::id());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Waits until `check` has a result.
fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(result) = check() {
            return result;
        }
        assert!(Instant::now() < deadline, "still waiting for {what}");
        thread::sleep(Duration::from_millis(2));
    }
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
