//! The examples, as they are, with a broker that is restarted under them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use testkit::machine::program;

use crate::rig::{Process, World, build, lines_of};

/// What they wait for between two messages, and a restart.
const PATIENCE: Duration = Duration::from_secs(60);

/// An example at work, and what it says in its log.
struct Example {
    world: World,
    log: Receiver<String>,
    _process: Process,
}

impl Example {
    fn start(target: &str, name: &str, scheme: &str, listener: &str) -> Option<Self> {
        program("mosquitto_pub")?;
        let path = build(target)?;
        let world = World::new(target.starts_with("lwip"))?;
        let host = world.setting("NAME");
        let port = world.setting(listener);
        let mut child = world
            .command(&path)
            .arg(name)
            .envs(world.settings())
            .env("RIG_URI", format!("{scheme}://{host}:{port}"))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        Some(Self {
            world,
            log,
            _process: Process(child),
        })
    }

    /// Waits until there is a line with these words.
    #[track_caller]
    fn says(&self, words: &str) {
        self.says_all(&[words]);
    }

    /// Waits for a line with each of these words, in any order.
    #[track_caller]
    fn says_all(&self, words: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        let mut missing = words.to_vec();
        let mut said = Vec::new();
        while !missing.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.log.recv_timeout(left) else {
                panic!("the log has no {missing:?}:\n{}", said.join("\n"));
            };
            missing.retain(|words| !line.contains(words));
            said.push(line);
        }
    }

    /// Waits for a message, whose topic and length begin like this.
    #[track_caller]
    fn publishes(&self, expected: &str) {
        let (topic, _) = expected.split_once(' ').unwrap_or((expected, ""));
        let mut child = self
            .world
            .command(&program("mosquitto_sub").unwrap())
            .args(["-h", self.world.setting("HOST")])
            .args(["-p", self.world.setting("TCP")])
            .args(["-t", topic, "-F", "%t %l", "-C", "1", "-W", "60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let said = child.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut line).unwrap();
        child.wait().unwrap();
        assert!(line.starts_with(expected), "{line:?}");
    }

    /// Somebody publishes to it.
    fn command(&self, payload: &str) {
        let status = self
            .world
            .command(&program("mosquitto_pub").unwrap())
            .args(["-h", self.world.setting("HOST")])
            .args(["-p", self.world.setting("TCP")])
            .args(["-t", "w800/example/command", "-m", payload, "-q", "1"])
            .status();
        assert!(status.unwrap().success());
    }

    fn restart_broker(&mut self) {
        self.world.obey("kill broker");
        self.says("disconnected");
        self.world.obey("start broker");
    }
}

fn tcp(target: &str) {
    let Some(mut example) = Example::start(target, "tcp", "mqtt", "TCP") else {
        return;
    };
    for _ in 0..2 {
        example.says("connected");
        example.publishes("w800/example/uptime");
        example.says("the server has message");
        example.command("hello");
        example.says("received on w800/example/command: hello");
        example.restart_broker();
    }
}

fn ssl(target: &str) {
    let Some(mut example) = Example::start(target, "ssl", "mqtts", "TLS") else {
        return;
    };
    for _ in 0..2 {
        example.says("connected; subscribe returns");
        // It is retained.
        example.publishes("w800/example/status 6");
        example.command("hello");
        example.says("received on w800/example/command: 5 bytes");
        example.restart_broker();
    }
}

fn ws(target: &str) {
    let Some(mut example) = Example::start(target, "ws", "ws", "WS") else {
        return;
    };
    for _ in 0..2 {
        example.says("connected; subscribe returns");
        example.publishes("w800/example/count");
        example.command("hello");
        example.says("received on w800/example/command: 5 bytes");
        example.restart_broker();
    }
}

fn wss(target: &str) {
    let Some(mut example) = Example::start(target, "wss", "wss", "WSS") else {
        return;
    };
    example.says_all(&["connected; subscribe returns", "the server has the report"]);
    for _ in 0..2 {
        example.command("hello");
        example.says("received on w800/example/command: 5 bytes");
        example.restart_broker();
        example.says("connected; subscribe returns");
    }
}

macro_rules! examples {
    ($($name:ident)*) => {
        mod lwip {
            $(#[test] fn $name() { super::$name("lwip-examples"); })*
        }
        mod posix {
            $(#[test] fn $name() { super::$name("posix-examples"); })*
        }
        /// Each has a test.
        const EXAMPLES: &[&str] = &[$(stringify!($name)),*];
    };
}

examples! { tcp ssl ws wss }

#[test]
fn every_example_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in folder.read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "common" || EXAMPLES.contains(&name.as_str()),
            "{name}"
        );
    }
}
