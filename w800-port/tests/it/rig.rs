//! Builds the test programs and runs them, each in a network of its own.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use testkit::machine::{missing, program};
use testkit::{Listener, Listeners, Namespace};

/// How long a program may say nothing.
const PATIENCE: Duration = Duration::from_secs(90);

/// The end of the cable that is not the chip.
const WORLD: Ipv4Addr = Ipv4Addr::new(10, 89, 0, 1);

/// A test program, by what it is linked with and how it is watched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    /// lwIP on a tap device, with address and undefined behaviour sanitizers in all C code.
    LwipSanitized,
    /// lwIP on a tap device, under valgrind, which watches the library, too.
    LwipValgrind,
    /// The POSIX port on this machine's loopback, with sanitizers.
    PosixSanitized,
    /// The same without TLS.
    PosixWithoutTls,
    /// The same with Debian's mbedTLS, which is 2.28.
    PosixMbedTls2,
}

impl Program {
    fn target(self) -> &'static str {
        match self {
            Self::LwipSanitized => "lwip-asan",
            Self::LwipValgrind => "lwip-plain",
            Self::PosixSanitized => "posix-asan",
            Self::PosixWithoutTls => "posix-without-tls",
            Self::PosixMbedTls2 => "posix-mbedtls-2",
        }
    }

    fn has_lwip(self) -> bool {
        matches!(self, Self::LwipSanitized | Self::LwipValgrind)
    }
}

/// Runs a scenario, which has to pass.
pub(crate) fn passes(program: Program, scenario: &str) {
    let Some(path) = build(program.target()) else {
        return;
    };
    let Some(mut world) = World::new(program.has_lwip()) else {
        return;
    };
    world.run(program, &path, scenario);
}

/// The names of a program's scenarios.
pub(crate) fn scenarios(program: Program) -> Option<Vec<String>> {
    let path = build(program.target())?;
    let listed = Command::new(path).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

/// Makes what the Makefile of the rig calls by this name, once for all tests of a run.
pub(crate) fn build(target: &str) -> Option<PathBuf> {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("w800-rig");
    fs::create_dir_all(&out).unwrap();
    let lock = Lock::take(&out)?;
    // nextest has a process for each test.
    let stamp = out.join(format!("{target}.made"));
    let run = env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    if fs::read_to_string(&stamp).is_ok_and(|made| made == run) {
        return Some(out.join(target));
    }
    for tool in ["gcc", "ar", "make"] {
        program(tool)?;
    }
    let rig = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig");
    let mut make = Command::new("make");
    make.args(["-s", "-j2", "-C"])
        .args([&rig, Path::new(target)])
        .arg(format!("OUT={}", out.display()))
        .arg(format!("LWIP={}", source("bookworm", "lwip", "2.1.3")?))
        .arg(format!("MBEDTLS={}", source("trixie", "mbedtls", "3.6")?))
        .arg(format!("LIBRARY={}", library().display()));
    let mut made = make.output().unwrap();
    if !made.status.success() {
        // Objects remember where their sources were; some may have moved.
        let _ = fs::remove_dir_all(out.join(format!("{target}-objects")));
        made = make.output().unwrap();
    }
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    fs::write(&stamp, run).unwrap();
    drop(lock);
    Some(out.join(target))
}

/// One builds, the others wait: `flock`, in a process that lives as long as this.
struct Lock(Child);

impl Lock {
    fn take(folder: &Path) -> Option<Self> {
        let mut holder = Command::new(program("flock")?)
            .arg(folder.join("lock"))
            .args(["sh", "-c", "echo taken; read end"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut taken = String::new();
        let said = holder.stdout.as_mut().unwrap();
        BufReader::new(said).read_line(&mut taken).unwrap();
        assert_eq!(taken, "taken\n");
        Some(Self(holder))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The folder of the workspace's target, in which a build of any package goes.
fn target_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The library, as a build of this package alone makes it: with the features that firmware has.
fn library() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "-q",
            "--locked",
            "-p",
            "w800-port",
            "--lib",
            "--target-dir",
        ])
        .arg(target_dir())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    target_dir().join("debug/libw800_port.a")
}

/// The folder with the sources of a Debian package.
pub(crate) fn source(suite: &str, package: &str, version: &str) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/debian-source");
    let out = target_dir().join("tools");
    fs::create_dir_all(&out).unwrap();
    let fetched = Command::new(script)
        .args([suite, package, version])
        .arg(&out)
        .output()
        .unwrap();
    if !fetched.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&fetched.stderr));
        return missing(&format!("the sources of {package} {version} are"));
    }
    let folder = String::from_utf8(fetched.stdout).unwrap();
    Some(folder.trim().to_owned())
}

/// What there is besides the chip: a broker with every listener, servers of other kinds, a cable.
pub(crate) struct World {
    /// `None`: the host's loopback.
    namespace: Option<Namespace>,
    listeners: Listeners,
    settings: HashMap<String, String>,
    servers: Vec<Process>,
}

/// A process, killed when it is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl World {
    /// Makes one; `None`, after a message, where it cannot be had.
    pub(crate) fn new(has_cable: bool) -> Option<Self> {
        let namespace = if has_cable { Some(cable()?) } else { None };
        let listeners = match &namespace {
            Some(namespace) => Listeners::start_in(namespace, WORLD)?,
            None => Listeners::start()?,
        };
        let mut world = Self {
            namespace,
            listeners,
            settings: HashMap::new(),
            servers: Vec::new(),
        };
        world.start_servers("peer")?;
        world.start_servers("broker")?;
        world.set();
        Some(world)
    }

    /// A program that is in this network.
    pub(crate) fn command(&self, program: &Path) -> Command {
        match &self.namespace {
            Some(namespace) => namespace.command(program),
            None => Command::new(program),
        }
    }

    fn host(&self) -> Ipv4Addr {
        match &self.namespace {
            Some(_) => WORLD,
            None => Ipv4Addr::LOCALHOST,
        }
    }

    /// Starts a program of servers, and learns their ports, which it says line by line.
    fn start_servers(&mut self, name: &str) -> Option<()> {
        let mut command = self.command(&build(name)?);
        command.arg(self.host().to_string()).stdout(Stdio::piped());
        if name == "peer" && self.namespace.is_some() {
            command.arg("names");
        }
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        self.servers.push(Process(child));
        for line in said.lines() {
            let line = line.unwrap();
            let Some((name, port)) = line.split_once(' ') else {
                return Some(());
            };
            self.settings.insert(name.to_owned(), port.to_owned());
        }
        panic!("{name} did not start");
    }

    fn set(&mut self) {
        let name = match self.namespace {
            Some(_) => "broker.test",
            None => "localhost",
        };
        let certificates = self.listeners.mosquitto.dir.path().display().to_string();
        let mut set = |name: &str, value: String| self.settings.insert(name.to_owned(), value);
        set("NAME", name.to_owned());
        set("CERTIFICATES", certificates);
        for (name, listener) in [
            ("TCP", Listener::Tcp),
            ("PASSWORD", Listener::Password),
            ("MAX_QOS_1", Listener::MaxQos1),
            ("TLS", Listener::Tls),
            ("MUTUAL_TLS", Listener::MutualTls),
            ("WS", Listener::Ws),
            ("WSS", Listener::Wss),
            ("WRONG_HOST", Listener::WrongHost),
            ("EXPIRED", Listener::Expired),
            ("NOT_YET_VALID", Listener::NotYetValid),
        ] {
            let port = self.listeners.port(listener).to_string();
            set(name, port);
        }
        let host = self.host().to_string();
        self.settings.insert("HOST".to_owned(), host);
    }

    /// A setting: the port of a listener, or what `rig.h` says.
    pub(crate) fn setting(&self, name: &str) -> &str {
        self.settings.get(name).unwrap()
    }

    /// All of them, as a program has them in its environment.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (String, &String)> {
        let named = |(name, value)| (format!("RIG_{name}"), value);
        self.settings.iter().map(named)
    }

    /// Runs a scenario, and does in the world what it asks for.
    fn run(&mut self, program: Program, path: &Path, scenario: &str) {
        let mut command = if program == Program::LwipValgrind {
            let Some(valgrind) = testkit::machine::program("valgrind") else {
                return;
            };
            let mut command = self.command(&valgrind);
            command
                .args(["-q", "--error-exitcode=9", "--leak-check=full"])
                .args(["--show-leak-kinds=definite,indirect"])
                .args(["--errors-for-leak-kinds=definite,indirect"])
                .arg(path);
            command
        } else {
            self.command(path)
        };
        command.arg(scenario).stdin(Stdio::piped());
        command.envs(self.settings());
        let log = self.listeners.mosquitto.dir.path().join("program.log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut orders = child.stdin.take().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let mut child = Process(child);
        let mut passed = false;
        let mut patience_ended = false;
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some(order) = line.strip_prefix('@') {
                        let result = self.obey(order);
                        // A program that is gone has said why.
                        let _ = orders.write_all(format!("done {result}\n").as_bytes());
                    }
                    passed |= line == format!("passed {scenario}");
                }
                Err(RecvTimeoutError::Timeout) => {
                    patience_ended = true;
                    let _ = child.0.kill();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = child.0.wait().unwrap();
        let said = fs::read(&log).unwrap();
        assert!(
            passed && status.success(),
            "{scenario}: {status}{}\n{}\n--- mosquitto ---\n{}",
            if patience_ended { ", as it hung" } else { "" },
            String::from_utf8_lossy(&said),
            self.listeners.mosquitto.log(),
        );
    }

    /// Does what a scenario asks for. What comes of it, such as a port, or 0.
    pub(crate) fn obey(&mut self, order: &str) -> u16 {
        if let Some(what) = order.strip_prefix("publish ") {
            self.publish(what);
            return 0;
        }
        if let Some(what) = order.strip_prefix("start TLS server for ") {
            return self.start_tls_server(what);
        }
        let broker = &mut self.listeners.mosquitto;
        match (order, &self.namespace) {
            ("unplug", Some(namespace)) => namespace.ip(["link", "set", "tap0", "down"]),
            ("plug", Some(namespace)) => namespace.ip(["link", "set", "tap0", "up"]),
            ("kill broker", _) => broker.kill(),
            ("start broker", _) => broker.start_again(),
            // Loopback has no cable; there, a broker that says nothing is the next best.
            ("freeze broker" | "unplug", _) => broker.freeze(),
            ("thaw broker" | "plug", _) => broker.thaw(),
            _ => panic!("an unknown order: {order}"),
        }
        0
    }

    /// Starts a server that turns down who calls it by another name than NAME, or who offers protocols
    /// and not `mqtt` among them. Its port.
    fn start_tls_server(&mut self, what: &str) -> u16 {
        let dir = self.listeners.mosquitto.dir.path();
        let [certificate, key] = ["server.crt", "server.key"].map(|name| dir.join(name));
        let mut command = self.command(Path::new("openssl"));
        command
            .args(["s_server", "-4", "-accept", &format!("{}:0", self.host())])
            .arg("-cert")
            .arg(&certificate)
            .arg("-key")
            .arg(&key);
        if what == "protocols" {
            command.args(["-alpn", "mqtt"]);
        } else {
            command
                .args(["-servername_fatal", "-servername", self.setting("NAME")])
                .arg("-cert2")
                .arg(&certificate)
                .arg("-key2")
                .arg(&key);
        }
        // It ends when there is nothing more to read.
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        self.servers.push(Process(child));
        let port = lines.iter().find_map(|line| {
            let (_, port) = line.strip_prefix("ACCEPT ")?.rsplit_once(':')?;
            port.parse().ok()
        });
        port.unwrap()
    }

    /// Publishes the messages 0, 1, 2 and so on: "TOPIC QOS COUNT".
    fn publish(&self, what: &str) {
        let [topic, qos, count] = what.split(' ').collect::<Vec<_>>()[..] else {
            panic!("publish {what}");
        };
        let messages: String = (0..count.parse().unwrap())
            .map(|number: u32| format!("{number}\n"))
            .collect();
        let mut publisher = self
            .command(Path::new("mosquitto_pub"))
            .args(["-h", &self.host().to_string(), "-p", self.setting("TCP")])
            .args(["-t", topic, "-q", qos, "-l"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = publisher.stdin.take().unwrap();
        input.write_all(messages.as_bytes()).unwrap();
        drop(input);
        assert!(publisher.wait().unwrap().success());
    }
}

/// A network with the world at one end of a cable. `None`, after a message, where it is not allowed.
fn cable() -> Option<Namespace> {
    const INSTEAD: &str =
        "skipped: lwIP needs a network of its own; see the tests of the POSIX port";
    let Some(namespace) = Namespace::new() else {
        eprintln!("{INSTEAD}");
        return None;
    };
    if let Err(why) = namespace.try_ip(["tuntap", "add", "dev", "tap0", "mode", "tap"]) {
        eprintln!("no tap device: {}\n{INSTEAD}", why.trim());
        return None;
    }
    namespace.ip(["addr", "add", &format!("{WORLD}/24"), "dev", "tap0"]);
    namespace.ip(["link", "set", "tap0", "up"]);
    Some(namespace)
}

/// The lines of a program's output, as they come.
pub(crate) fn lines_of(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
