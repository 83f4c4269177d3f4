//! Journals in real files, and the driver that keeps one.

use std::cell::RefCell;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use embedded_io::{ErrorType, Read, Write};
use mqtt_client::blocking::{self, Client};
use mqtt_client::journal::{Error, FileJournal, Operation, Sync};
use mqtt_client::mqtt_core::wire::{Ack, ConnAck, Packet, PacketId, Publish, ReasonCode};
use mqtt_client::mqtt_core::{self, Durability, UsageError};
use mqtt_client::{Config, Event, HeapStorage, Message, QoS, Stream, Version};
use testkit::machine::TempDir;

use super::blocking::{Scripted, connack, encode, read_until, serve};

/// Where the journal is.
fn journal_in(dir: &TempDir) -> PathBuf {
    dir.path().join("journal")
}

fn config() -> Config<'static> {
    Config {
        clean_start: false,
        session_expiry: u32::MAX,
        durability: Durability::WriteAhead,
        ..Config::new("meter")
    }
}

fn storage() -> HeapStorage {
    HeapStorage::new(1024, 4096, 8)
}

fn open(path: &Path) -> FileJournal {
    FileJournal::open(path, Sync::Always).unwrap()
}

/// A journal with these messages.
fn with_messages(path: &Path, payloads: &[&str]) {
    let mut storage = storage();
    let client = Client::<Scripted>::new(config(), storage.split());
    let mut client = client.with_journal(open(path)).unwrap();
    for payload in payloads {
        publish(&mut client, payload);
        client.save().unwrap();
    }
}

fn publish<S: Stream>(client: &mut Client<'_, S>, payload: &str) {
    let message = Message::new("t", payload.as_bytes()).qos(QoS::ExactlyOnce);
    client.core().publish(&message).unwrap();
}

/// The messages in a journal, and how many bytes at its end were cut off.
fn messages(path: &Path) -> (Vec<String>, u64) {
    let mut storage = storage();
    let journal = open(path);
    let cut = journal.cut();
    let client = Client::<Scripted>::new(config(), storage.split());
    let mut client = client.with_journal(journal).unwrap();
    let payload = |payload: &[u8]| String::from_utf8(payload.to_vec()).unwrap();
    let messages = client.core().messages().map(|m| payload(m.payload));
    (messages.collect(), cut)
}

#[test]
fn messages_survive() {
    let dir = TempDir::new();
    with_messages(&journal_in(&dir), &["one", "two"]);
    with_messages(&journal_in(&dir), &["three"]);
    let (messages, cut) = messages(&journal_in(&dir));
    assert_eq!(messages, ["one", "two", "three"]);
    assert_eq!(cut, 0);
}

/// A server that looks at what is in the journal when something is sent.
struct Witness {
    answers: Scripted,
    path: PathBuf,
    seen: Rc<RefCell<Vec<String>>>,
}

impl ErrorType for Witness {
    type Error = std::io::Error;
}

impl Read for Witness {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.answers.read(buf)
    }
}

impl Write for Witness {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let mut rest = buf;
        while let Ok(Some((packet, n))) = Packet::decode(rest, Version::V5) {
            let what = match packet {
                Packet::Publish(publish) => publish.payload,
                // The head of the record that says that it was received: of PUBREC, of CONNACK.
                Packet::PubRel(_) => b"\x04\0\0\x01",
                _ => b"mqtt-wal",
            };
            let journal = fs::read(&self.path)?;
            let is_there = journal.windows(what.len()).any(|bytes| bytes == what);
            let name = packet.packet_type();
            self.seen.borrow_mut().push(format!("{name} {is_there}"));
            rest = &rest[n..];
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Stream for Witness {
    fn set_deadline(&mut self, _: Option<Instant>) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_sent_before_it_is_in_the_journal() {
    let dir = TempDir::new();
    let mut storage = storage();
    let client = Client::new(config(), storage.split());
    let mut client = client.with_journal(open(&journal_in(&dir))).unwrap();
    let id = mqtt_core::wire::PacketId::new(1).unwrap();
    let pubrec = encode(Packet::PubRec(Ack::new(id)));
    // Each answer comes after what it answers: time passes between.
    let incoming = [connack(), vec![], vec![], pubrec, vec![], vec![]];
    let seen = Rc::default();
    let stream = Witness {
        answers: Scripted::new(incoming).0,
        path: journal_in(&dir),
        seen: Rc::clone(&seen),
    };
    publish(&mut client, "before the connection");
    client.connect(stream).unwrap();
    while !matches!(client.poll(None), Ok(Some((Event::Connected(_), _)))) {}
    publish(&mut client, "during the connection");
    while client.poll(None).is_ok() {}
    assert_eq!(
        *seen.borrow(),
        [
            "CONNECT true",
            "PUBLISH true",
            "PUBLISH true",
            "PUBREL true"
        ]
    );
}

/// After a restart a message that may have been sent is marked so, and one that was not is not.
#[test]
fn what_was_sent_is_sent_again() {
    let dir = TempDir::new();
    let session = |stream| {
        let mut storage = storage();
        let client = Client::new(config(), storage.split());
        let mut client = client.with_journal(open(&journal_in(&dir))).unwrap();
        if client.core().messages().count() == 0 {
            publish(&mut client, "one");
        }
        client.connect(stream).unwrap();
        while client.poll(None).is_ok() {}
    };
    let present = encode(ConnAck::new(true, ReasonCode::Success));
    let mut dups = Vec::new();
    for connack in [connack(), present] {
        let (stream, sent) = Scripted::new([connack, vec![], vec![]]);
        session(stream);
        let sent = sent.borrow();
        let (_, n) = Packet::decode(&sent, Version::V5).unwrap().unwrap();
        match Packet::decode(&sent[n..], Version::V5).unwrap() {
            Some((Packet::Publish(publish), _)) => {
                dups.push((publish.dup, publish.payload == b"one"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(dups, [(false, true), (true, true)]);
}

#[test]
fn a_journal_is_open_once() {
    let dir = TempDir::new();
    let journal = open(&journal_in(&dir));
    match FileJournal::open(journal_in(&dir), Sync::Always) {
        Err(Error::Locked(path)) => assert_eq!(path, journal.path()),
        other => panic!("{other:?}"),
    }
    drop(journal);
    open(&journal_in(&dir));
}

#[test]
fn what_cannot_be_opened() {
    let dir = TempDir::new();
    let path = journal_in(&dir);
    let error = || FileJournal::open(&path, Sync::Always).unwrap_err();

    for content in ["", "my notes", "mqtt-"] {
        fs::write(&path, content).unwrap();
        assert!(matches!(error(), Error::NotAJournal(_)));
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();

    with_messages(&path, &["one", "two"]);
    let good = fs::read(&path).unwrap();
    let with = |at: usize, byte| {
        let mut bad = good.clone();
        bad[at] = byte;
        fs::write(&path, bad).unwrap();
    };
    with(8, 9);
    assert!(matches!(error(), Error::Version { version: 9, .. }));
    with(30, 0xFF);
    assert!(matches!(error(), Error::Corrupt { offset: 24, .. }));
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    let directory = error();
    let Error::Io {
        operation: Operation::Read,
        path: at,
        ..
    } = &directory
    else {
        panic!("{directory:?}");
    };
    assert!(at.ends_with("journal"));
    let text = directory.to_string();
    assert!(text.starts_with("cannot read /"), "{text}");

    let nowhere = FileJournal::open(dir.path().join("nowhere/journal"), Sync::Always).unwrap_err();
    assert!(matches!(
        nowhere,
        Error::Io {
            operation: Operation::Lock,
            ..
        }
    ));
}

#[test]
fn a_torn_end_is_cut_off() {
    let dir = TempDir::new();
    with_messages(&journal_in(&dir), &["one", "two"]);
    let whole = fs::read(journal_in(&dir)).unwrap();
    with_messages(&journal_in(&dir), &["three"]);
    let rewritten = fs::read(journal_in(&dir)).unwrap();
    assert_ne!(whole, rewritten);

    let torn = &rewritten[..rewritten.len() - 1];
    fs::write(journal_in(&dir), torn).unwrap();
    let (found, cut) = messages(&journal_in(&dir));
    assert_eq!(found, ["one", "two"]);
    assert!(cut > 0);

    let mut longer = fs::read(journal_in(&dir)).unwrap();
    longer.extend_from_slice(&[0; 100]);
    fs::write(journal_in(&dir), longer).unwrap();
    assert_eq!(messages(&journal_in(&dir)), (found.clone(), 100));
    assert_eq!(messages(&journal_in(&dir)), (found, 0), "once");
}

#[test]
fn the_core_has_to_wait_for_the_journal() {
    let dir = TempDir::new();
    let mut storage = storage();
    let config = Config {
        durability: Durability::Ram,
        ..config()
    };
    let client = Client::<Scripted>::new(config, storage.split());
    let result = client.with_journal(open(&journal_in(&dir)));
    assert!(matches!(result, Err(Error::NotDurable)));
}

#[test]
fn a_session_that_does_not_fit_may_go_to_another_core() {
    let dir = TempDir::new();
    with_messages(&journal_in(&dir), &["one", "two"]);
    let mut journal = open(&journal_in(&dir));
    for (slots, fits) in [(1, false), (8, true)] {
        let mut storage = HeapStorage::new(1024, 4096, slots);
        let mut core = mqtt_core::Client::new(config(), storage.split().1);
        match journal.restore(&mut core) {
            Ok(()) => assert!(fits),
            Err(Error::Restore(error)) => {
                assert!(!fits);
                assert_eq!(error, UsageError::BufferTooSmall.into());
            }
            Err(error) => panic!("{error}"),
        }
        if fits {
            assert_eq!(core.messages().count(), 2);
        }
    }
}

/// A full disk ends the connection, confirms nothing, and costs nothing that was there.
#[cfg(target_os = "linux")]
#[test]
fn a_journal_that_fails_ends_the_connection() {
    let dir = TempDir::new();
    let (stream, sent) = Scripted::new([connack(), vec![], vec![], vec![], vec![]]);
    let mut storage = storage();
    let client = Client::new(config(), storage.split());
    let journal = open(&journal_in(&dir)).compact_above(0);
    let mut client = client.with_journal(journal).unwrap();
    client.connect(stream).unwrap();
    while !matches!(client.poll(None), Ok(Some((Event::Connected(_), _)))) {}

    // The next file is going to be on a device that is always full.
    std::os::unix::fs::symlink("/dev/full", dir.path().join("journal.new")).unwrap();
    let error = loop {
        publish(
            &mut client,
            "a message that makes the journal longer, twice as long",
        );
        if let Err(error) = client.poll(None) {
            break error;
        }
    };
    match error {
        blocking::Error::Journal(Error::Io {
            operation: Operation::Append,
            source,
            ..
        }) => assert_eq!(source.kind(), std::io::ErrorKind::StorageFull),
        error => panic!("{error}"),
    }
    assert!(!client.core().is_connected());
    assert_eq!(sent.borrow()[0], 0x10);
    let poisoned = client.save();
    let is_poisoned = matches!(poisoned, Err(blocking::Error::Journal(Error::Poisoned(_))));
    assert!(is_poisoned, "{poisoned:?}");
    drop(client);

    fs::remove_file(dir.path().join("journal.new")).unwrap();
    assert!(!messages(&journal_in(&dir)).0.is_empty());
}

/// The place of a link is taken by a file only where it points to.
#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let dir = TempDir::new();
    with_messages(&dir.path().join("real"), &["one"]);
    symlink(dir.path().join("real"), journal_in(&dir)).unwrap();
    assert_eq!(messages(&journal_in(&dir)).0, ["one"]);
    assert!(fs::symlink_metadata(journal_in(&dir)).unwrap().is_symlink());
    let mode = fs::metadata(journal_in(&dir)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Notes the deadline of each read.
struct Waiting(Scripted, Option<Instant>, Rc<RefCell<Vec<Option<Instant>>>>);

impl ErrorType for Waiting {
    type Error = std::io::Error;
}

impl Read for Waiting {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.2.borrow_mut().push(self.1);
        self.0.read(buf)
    }
}

impl Write for Waiting {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Stream for Waiting {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> std::io::Result<()> {
        self.1 = deadline;
        Ok(())
    }
}

#[test]
fn the_driver_waits_no_longer_than_the_journal_may() {
    let dir = TempDir::new();
    let interval = Duration::from_secs(3);
    let mut storage = storage();
    let config = Config {
        keep_alive: 0,
        ..config()
    };
    let journal = FileJournal::open(journal_in(&dir), Sync::Interval(interval)).unwrap();
    let client = Client::new(config, storage.split());
    let mut client = client.with_journal(journal).unwrap();
    let deadlines = Rc::default();
    let script = Scripted::new([connack(), vec![], vec![], vec![]]).0;
    client
        .connect(Waiting(script, None, Rc::clone(&deadlines)))
        .unwrap();
    while !matches!(client.poll(None), Ok(Some((Event::Connected(_), _)))) {}
    let before = Instant::now();
    publish(&mut client, "one");
    // The second call saves, the third one waits.
    for _ in 0..3 {
        assert!(client.poll(None).unwrap().is_none());
    }
    let deadline = deadlines.borrow().last().copied().flatten();
    let after = Instant::now() + interval;
    assert!(deadline.is_some_and(|deadline| deadline <= after && deadline > before));
}

/// What was held back until CONNACK is recorded is looked at without waiting for more.
#[test]
fn what_came_with_connack_is_not_waited_for() {
    let (stream, server) = serve(|mut stream| {
        read_until(&mut stream, |packet| matches!(packet, Packet::Connect(_)))?;
        let message = Publish {
            qos: QoS::AtLeastOnce,
            packet_id: PacketId::new(1),
            ..Publish::new("t", b"x")
        };
        stream.write_all(&[connack(), encode(message)].concat())?;
        // The server has nothing more to say until it is answered.
        read_until(&mut stream, |packet| matches!(packet, Packet::PubAck(_)))
    });
    let directory = TempDir::new();
    let mut storage = storage();
    let client = Client::new(config(), storage.split());
    let mut client = client.with_journal(open(&journal_in(&directory))).unwrap();
    client.connect(stream).unwrap();
    while !server.is_finished() {
        if let Err(error) = client.poll(None) {
            assert!(matches!(error, blocking::Error::Closed), "{error}");
            break;
        }
    }
    server.join().unwrap().unwrap();
}
