//! A publisher that is killed again and again, and a subscriber that counts.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, mem, thread};

use mqtt_client::blocking::Client;
use mqtt_client::journal::{FileJournal, Sync};
use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, Version};
use mqtt_core::{Durability, Error};
use transport_tcp::{Options, TcpStream};

use super::support::broker::Mosquitto;
use super::support::client::{Happened, Test};
use super::support::{PATIENCE, TempDir};

const TOPIC: &str = "numbers";

/// What tells this program that it is the publisher: version, address, directory, "on" or "end".
const PUBLISHER: &str = "MQTT_TEST_PUBLISHER";

/// How often the publisher is killed, if not this many times.
const KILLS: &str = "MQTT_TEST_KILLS";

/// What the publisher is doing, one byte each on its standard output, among what the tests' runner
/// says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Phase {
    Restoring = 1,
    Connecting = 2,
    Publishing = 3,
    Noting = 4,
    Receiving = 5,
}

const PHASES: [Phase; 5] = [
    Phase::Restoring,
    Phase::Connecting,
    Phase::Publishing,
    Phase::Noting,
    Phase::Receiving,
];

impl Phase {
    fn begin(self) {
        let mut out = io::stdout().lock();
        out.write_all(&[self as u8]).unwrap();
        out.flush().unwrap();
    }
}

/// The number to publish next, in a file of the application's own.
struct Next {
    dir: PathBuf,
    number: u64,
}

impl Next {
    fn open(dir: &Path) -> Self {
        let number = match fs::read_to_string(dir.join("next")) {
            Ok(text) => text.parse().unwrap(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 1,
            Err(error) => panic!("{error}"),
        };
        let dir = dir.to_owned();
        Self { dir, number }
    }

    fn note(&self) {
        let new = self.dir.join("next.new");
        let mut file = File::create(&new).unwrap();
        write!(file, "{}", self.number).unwrap();
        file.sync_data().unwrap();
        fs::rename(new, self.dir.join("next")).unwrap();
    }
}

/// The publisher, when this program is started as such.
#[test]
#[ignore = "a part of the tests below"]
fn publisher() {
    let Ok(task) = env::var(PUBLISHER) else {
        return;
    };
    let task: Vec<&str> = task.split('|').collect();
    let [version, address, dir, until] = task[..] else {
        panic!("{task:?}");
    };
    let version = if version == "5" {
        Version::V5
    } else {
        Version::V311
    };
    publish(version, address.parse().unwrap(), Path::new(dir), until);
}

fn publish(version: Version, address: SocketAddr, dir: &Path, until: &str) {
    Phase::Restoring.begin();
    let mut next = Next::open(dir);
    // A file that is written anew with every few messages.
    let journal = FileJournal::open(dir.join("journal"), Sync::Always)
        .unwrap()
        .compact_above(500);
    let config = Config {
        clean_start: false,
        session_expiry: u32::MAX,
        durability: Durability::WriteAhead,
        ..super::support::client::config(version, "publisher")
    };
    // No more in flight than mosquitto takes.
    let mut storage = HeapStorage::new(64 * 1024, 64 * 1024, 10);
    let mut client = Client::new(config, storage.split())
        .with_journal(journal)
        .unwrap();
    // What the journal has was accepted, noted or not.
    for message in client.core().messages() {
        next.number = next.number.max(number(message.payload) + 1);
    }
    next.note();

    Phase::Connecting.begin();
    let stream = TcpStream::connect_to(&[address], &Options::default()).unwrap();
    client.connect(stream).unwrap();
    while !matches!(
        client.poll(Some(PATIENCE)).unwrap(),
        Some((Event::Connected(_), _))
    ) {}
    if until == "end" {
        while client.core().in_flight() > 0 {
            client.poll(Some(PATIENCE)).unwrap();
        }
        client.disconnect(PATIENCE).unwrap();
        return;
    }
    loop {
        Phase::Publishing.begin();
        let batch = next.number + 1 + next.number % 3;
        while next.number < batch {
            let payload = next.number.to_string();
            let message = Message::new(TOPIC, payload.as_bytes()).qos(QoS::ExactlyOnce);
            match client.core().publish(&message) {
                Ok(_) => next.number += 1,
                Err(Error::Full(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        client.save().unwrap();
        Phase::Noting.begin();
        next.note();
        Phase::Receiving.begin();
        for _ in 0..4 {
            match client.poll(Some(Duration::from_millis(5))).unwrap() {
                Some((Event::Published(_) | Event::Writable, _)) | None => {}
                Some((event, _)) => panic!("{event:?}"),
            }
        }
    }
}

fn number(payload: &[u8]) -> u64 {
    str::from_utf8(payload).unwrap().parse().unwrap()
}

/// A publisher of its own process, killed when it is dropped.
struct Publisher {
    child: Child,
    out: ChildStdout,
    said: Vec<u8>,
}

impl Publisher {
    fn start(version: Version, broker: &Mosquitto, dir: &TempDir, until: &str) -> Self {
        let version = if version == Version::V5 { "5" } else { "4" };
        let dir = dir.path().display();
        let task = format!("{version}|{}|{dir}|{until}", broker.address());
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["journal::publisher", "--exact", "--ignored", "--nocapture"])
            .env(PUBLISHER, task)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        Self {
            child,
            out,
            said: Vec::new(),
        }
    }

    /// Waits until it has begun this for the `n`th time.
    fn wait_for(&mut self, phase: Phase, n: u64) {
        for _ in 0..n {
            let mut byte = [0];
            while byte[0] != phase as u8 {
                self.out.read_exact(&mut byte).unwrap();
                self.said.extend_from_slice(&byte);
            }
        }
    }

    /// Kills it, and returns all that it has said.
    fn kill(mut self) -> Vec<u8> {
        let alive = self.child.try_wait().unwrap().is_none();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.out.read_to_end(&mut self.said).unwrap();
        let said = mem::take(&mut self.said);
        assert!(alive, "it has ended: {}", String::from_utf8_lossy(&said));
        said
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Numbers of a linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % n
    }
}

/// Polls the subscriber until then.
fn count_until(subscriber: &mut Test<'_>, end: Instant) {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        assert!(subscriber.poll(left), "{:?}", subscriber.error);
    }
}

/// The publisher is killed at any moment, and every number arrives once, in order.
fn kill_publisher(version: Version) {
    let Some(broker) = Mosquitto::start_with(|_| {
        "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 20\n".to_owned()
    }) else {
        return;
    };
    let kills: usize = env::var(KILLS).map_or(20, |kills| kills.parse().unwrap());
    let dir = TempDir::new();
    // Under load, mosquitto has more in flight than its twenty.
    let mut storage = HeapStorage::new(64 * 1024, 256 * 1024, 200);
    let config = Config {
        clean_start: false,
        session_expiry: u32::MAX,
        ..super::support::client::config(version, "subscriber")
    };
    let mut subscriber = Test::new(config, &mut storage);
    subscriber.subscribed(broker.address(), &[Filter::new(TOPIC, QoS::ExactlyOnce)]);
    subscriber.log.clear();

    let mut random = Random(u64::from(std::process::id()));
    let mut in_phase = [0; PHASES.len()];
    let mut in_rewriting = 0;
    for round in 0..kills {
        let mut publisher = Publisher::start(version, &broker, &dir, "on");
        match round % 4 {
            // Some die young, others while they are at work,
            0 => {
                // in each phase in turn,
                let phase = PHASES[round / 4 % PHASES.len()];
                let begun = if phase == Phase::Restoring || phase == Phase::Connecting {
                    1
                } else {
                    1 + random.below(5)
                };
                publisher.wait_for(phase, begun);
                thread::sleep(Duration::from_micros(random.below(400)));
            }
            n => {
                let delay = Duration::from_micros(random.below(150_000));
                count_until(&mut subscriber, Instant::now() + delay);
                // or while the journal is written anew.
                if n == 1 {
                    let end = Instant::now() + PATIENCE;
                    while !dir.path().join("journal.new").exists() {
                        assert!(Instant::now() < end, "the journal is not written anew");
                    }
                }
            }
        }
        let said = publisher.kill();
        let phase = said.last().map_or(0, |last| {
            let phase = PHASES.iter().position(|&phase| phase as u8 == *last);
            phase.unwrap_or_default()
        });
        in_phase[phase] += 1;
        in_rewriting += u32::from(dir.path().join("journal.new").exists());
    }
    let mut publisher = Publisher::start(version, &broker, &dir, "end");
    let end = Instant::now() + PATIENCE;
    while publisher.child.try_wait().unwrap().is_none() {
        assert!(
            Instant::now() < end,
            "the last messages are still on their way"
        );
        count_until(&mut subscriber, Instant::now() + Duration::from_millis(20));
    }
    assert!(publisher.child.wait().unwrap().success());

    let last = Next::open(dir.path()).number - 1;
    let is_message = |event: &Happened| matches!(event, Happened::Message(..));
    while u64::try_from(subscriber.log.iter().filter(|e| is_message(e)).count()).unwrap() < last {
        assert!(Instant::now() < end, "{:?}", subscriber.log.last());
        count_until(&mut subscriber, Instant::now() + Duration::from_millis(20));
    }
    // Nothing more comes after the last one.
    count_until(&mut subscriber, Instant::now() + Duration::from_millis(200));
    let received: Vec<u64> = subscriber.payloads().iter().map(|p| number(p)).collect();
    let expected: Vec<u64> = (1..=last).collect();
    assert_eq!(received, expected);
    eprintln!(
        "{version:?}: {kills} times killed, {last} messages; in {PHASES:?}: {in_phase:?}, \
         while the journal was written anew: {in_rewriting}"
    );
}

#[test]
fn killed_publisher_v311() {
    kill_publisher(Version::V311);
}

#[test]
fn killed_publisher_v5() {
    kill_publisher(Version::V5);
}
