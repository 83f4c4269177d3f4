//! Time, silence, lies, and connections that end.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mqtt_client::embedded::{Client, Connection};
use mqtt_client::mqtt_core::wire::{ConnAck, DecodeError, Disconnect, Packet, Publish, ReasonCode};
use mqtt_client::mqtt_core::{self, Durability, PeerError, Timeout, UsageError};
use mqtt_client::{Config, Error, Event, Filter, Message, QoS, Storage, Version};

use super::conversation::polite;
use super::world::{FakeTimer, Reader, World, Writer, encode, names};

const V5: Version = Version::V5;

pub(super) type Held<'c, 'b> = Connection<'c, 'b, Reader, Writer, FakeTimer>;

/// Polls until there is an event or an error, and returns what the event looks like.
pub(super) fn next(
    world: &World,
    connection: &mut Held<'_, '_>,
) -> Result<String, Error<io::Error>> {
    for _ in 0..10_000 {
        let turn = world.run(connection.poll()).expect("nothing is dropped");
        if let Some((event, _)) = turn? {
            return Ok(format!("{event:?}"));
        }
    }
    panic!("no event and no error");
}

/// A connection that the server has accepted.
pub(super) fn connected<'c, 'b>(
    world: &Rc<World>,
    client: &'c mut Client<'b, FakeTimer>,
) -> Held<'c, 'b> {
    let (reader, writer) = world.halves();
    let mut connection = client.connect(reader, writer).unwrap();
    let event = next(world, &mut connection).unwrap();
    assert!(event.starts_with("Connected"), "{event}");
    connection
}

fn usage(error: &Error<io::Error>) -> Option<UsageError> {
    match error {
        Error::Protocol(mqtt_core::Error::Usage(error)) => Some(*error),
        _ => None,
    }
}

#[test]
fn an_idle_connection_is_kept_alive_until_the_server_is_silent() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    let mut pings = Vec::new();
    while world.now() < 200_000 {
        assert!(world.run(connection.poll()).unwrap().unwrap().is_none());
        while pings.len() + 1 < world.names().len() {
            pings.push(world.now());
        }
    }
    assert_eq!(pings, [59_900, 119_800, 179_700]);

    world.is_serving.set(false);
    let error = next(&world, &mut connection).unwrap_err();
    let silent = mqtt_core::Error::from(Timeout::Ping);
    assert!(matches!(error, Error::Protocol(error) if error == silent));
    assert_eq!(world.now(), 179_700 + 59_900 + 10_000);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let world = World::new(V5, |_| Vec::new());
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let (reader, writer) = world.halves();
    let mut connection = client.connect(reader, writer).unwrap();
    let error = next(&world, &mut connection).unwrap_err();
    let silent = mqtt_core::Error::from(Timeout::Connect);
    assert!(matches!(error, Error::Protocol(error) if error == silent));
    assert_eq!(world.now(), 10_000);
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_so() {
    let malformed = mqtt_core::Error::Peer(PeerError::Malformed(DecodeError::Flags));
    for drops in [false, true] {
        let world = World::new(V5, polite(V5));
        let mut storage = Storage::<64, 128, 4>::new();
        let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
        let mut connection = connected(&world, &mut client);
        world.down.borrow_mut().push(b"\xF1\x00");
        world.crawl();
        world.drop_when(move |_| drops);
        let error = loop {
            match world.run(connection.poll()) {
                Some(Ok(event)) => assert!(event.is_none()),
                Some(Err(error)) => break error,
                None => {}
            }
        };
        assert!(matches!(error, Error::Protocol(error) if error == malformed));
        assert_eq!(world.names(), ["CONNECT", "DISCONNECT"]);
        assert!(world.sent.borrow().ends_with(b"\xE0\x01\x81"));
        assert_eq!(world.now(), 0, "the server has closed its side");
    }

    // If it does not take that, it is left all the same.
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    world.up.borrow_mut().capacity = 0;
    world.down.borrow_mut().push(b"\xF1\x00");
    let error = next(&world, &mut connection).unwrap_err();
    assert!(matches!(error, Error::Protocol(error) if error == malformed));
    assert_eq!(world.now(), 1000);
}

#[test]
fn a_refusal_is_an_event_and_then_the_end() {
    let world = World::new(V5, |_| {
        encode(V5, ConnAck::new(false, ReasonCode::NotAuthorized))
    });
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let (reader, writer) = world.halves();
    let mut connection = client.connect(reader, writer).unwrap();
    let event = next(&world, &mut connection).unwrap();
    assert!(event.starts_with("Refused"), "{event}");
    let error = next(&world, &mut connection).unwrap_err();
    assert!(matches!(error, Error::Closed));
}

/// What was said before the connection broke is told, though writing fails first.
#[test]
fn the_last_words_of_a_server_are_heard() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    world.say(Disconnect::new(ReasonCode::SessionTakenOver));
    world.up.borrow_mut().is_broken = true;
    connection.core().publish(&Message::new("a", b"x")).unwrap();
    let event = next(&world, &mut connection).unwrap();
    assert!(event.contains("SessionTakenOver"), "{event}");
    assert!(next(&world, &mut connection).is_err());
}

#[test]
fn losses_are_reported_after_the_end_and_the_session_stays() {
    let world = World::new(V5, polite(V5));
    world.is_serving.set(true);
    let mut storage = Storage::<64, 128, 4>::new();
    let config = Config {
        clean_start: false,
        session_expiry: 100,
        ..Config::new("c")
    };
    let mut client = Client::new(config, storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    let filter = [Filter::new("a", QoS::AtMostOnce)];
    let id = connection.core().subscribe(&filter).unwrap();
    let message = Message::new("a", b"x").qos(QoS::AtLeastOnce);
    connection.core().publish(&message).unwrap();
    world.is_serving.set(false);
    world.down.borrow_mut().is_broken = true;
    let error = next(&world, &mut connection).unwrap_err();
    assert!(matches!(error, Error::Stream(_)), "{error}");
    let lost = format!("{:?}", Event::Lost(id));
    assert_eq!(next(&world, &mut connection).unwrap(), lost);
    let error = next(&world, &mut connection).unwrap_err();
    assert_eq!(usage(&error), Some(UsageError::NotConnected));
    drop(connection);

    let mut answer = polite(V5);
    let world = World::new(V5, move |packet| match packet {
        Packet::Connect(_) => encode(V5, ConnAck::new(true, ReasonCode::Success)),
        packet => answer(packet),
    });
    let mut connection = connected(&world, &mut client);
    let event = next(&world, &mut connection).unwrap();
    assert!(event.starts_with("Published"), "{event}");
    assert_eq!(world.names(), ["CONNECT", "PUBLISH"]);
}

/// A connection that is dropped is over for the core, too.
#[test]
fn dropping_a_connection_ends_it() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    drop(connected(&world, &mut client));
    assert!(!client.core().is_connected());
    let (reader, writer) = world.halves();
    client.connect(reader, writer).unwrap();
}

#[test]
fn disconnect_gives_up_when_its_time_is_up() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    world.up.borrow_mut().capacity = 0;
    let result = world.run(connection.disconnect(Duration::from_secs(3)));
    assert!(matches!(result, Some(Err(Error::Unsent))));
    assert_eq!(world.now(), 3000);
    let error = next(&world, &mut connection).unwrap_err();
    assert_eq!(usage(&error), Some(UsageError::NotConnected));
}

/// DISCONNECT waits for room like everything else.
#[test]
fn disconnect_finds_no_room_at_first() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 8>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    let filter = [Filter::new("a", QoS::AtMostOnce)];
    let mut asked = 0;
    while connection.core().subscribe(&filter).is_ok() {
        asked += 1;
    }
    assert!(connection.core().disconnect().is_err(), "no room");
    let result = world.run(connection.disconnect(Duration::from_secs(3)));
    result.unwrap().unwrap();
    let sent = world.names();
    assert_eq!(sent.len(), asked + 2);
    assert_eq!(sent.last().unwrap(), "DISCONNECT");
}

/// A disconnect that is dropped half way is finished by polling.
#[test]
fn poll_finishes_what_disconnect_began() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 8>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    world.crawl();
    // This is not delivered, so that the server has to keep it.
    world.say(Publish::new("a", b"x"));
    world.drop_when(|_| true);
    let result = world.run(connection.disconnect(Duration::from_secs(3)));
    assert!(result.is_none());
    world.drop_when(|_| false);
    let error = next(&world, &mut connection).unwrap_err();
    assert!(matches!(error, Error::Closed), "{error}");
    assert_eq!(world.names(), ["CONNECT", "DISCONNECT"]);
}

/// What is held back for the journal goes on once the records are written, though nothing more is
/// received.
#[test]
fn what_waits_for_the_journal_does_not_wait_for_the_server() {
    let mut answer = polite(V5);
    let world = World::new(V5, move |packet| match packet {
        Packet::Connect(_) => [
            encode(V5, ConnAck::new(false, ReasonCode::Success)),
            encode(V5, Publish::new("a", b"x")),
        ]
        .concat(),
        packet => answer(packet),
    });
    let mut storage = Storage::<64, 128, 8>::new();
    let config = Config {
        durability: Durability::WriteAhead,
        keep_alive: 0,
        ..Config::new("c")
    };
    let mut client = Client::new(config, storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    let mut written = 0;
    let event = loop {
        let turn = world.run(connection.poll()).unwrap().unwrap();
        if let Some((event, _)) = turn {
            break format!("{event:?}");
        }
        let due = connection.core().journal().count();
        connection.core().journaled(due);
        written += due;
    };
    assert!(written > 0);
    assert!(event.starts_with("Publish"), "{event}");
}

/// A reader that has something to send before it can read: see `a_stream_that_has_to_answer`.
struct Answering {
    reader: Reader,
    is_due: Rc<Cell<bool>>,
    reads: Rc<Cell<usize>>,
}

/// The writer that sends it, if it can.
struct Flushing {
    writer: Writer,
    world: Rc<World>,
    is_due: Rc<Cell<bool>>,
}

impl embedded_io_async::ErrorType for Answering {
    type Error = io::Error;
}

impl embedded_io_async::ErrorType for Flushing {
    type Error = io::Error;
}

impl embedded_io_async::Read for Answering {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reads.set(self.reads.get() + 1);
        if self.is_due.get() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.reader.read(buf).await
    }
}

impl embedded_io_async::Write for Flushing {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.writer.write(buf).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.world.up.borrow().capacity == 0 {
            std::future::pending::<()>().await;
        }
        self.is_due.set(false);
        Ok(())
    }
}

/// Interrupted means: flush, then read again. While that is not possible, the driver waits.
#[test]
fn a_stream_that_has_to_answer() {
    let world = World::new(V5, polite(V5));
    let is_due = Rc::new(Cell::new(false));
    let reads = Rc::new(Cell::new(0));
    let (reader, writer) = world.halves();
    let reader = Answering {
        reader,
        is_due: Rc::clone(&is_due),
        reads: Rc::clone(&reads),
    };
    let writer = Flushing {
        writer,
        world: Rc::clone(&world),
        is_due: Rc::clone(&is_due),
    };
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = client.connect(reader, writer).unwrap();
    while !connection.core().is_connected() {
        world.run(connection.poll()).unwrap().unwrap();
    }
    // A time-out of a minute, in which nothing can be flushed.
    is_due.set(true);
    world.up.borrow_mut().capacity = 0;
    let start = (world.now(), reads.get());
    while world.now() < start.0 + 1000 {
        world.run(connection.poll()).unwrap().unwrap();
    }
    let reads_then = reads.get() - start.1;
    assert!((40..=60).contains(&reads_then), "{reads_then}");

    // As soon as it can be, it is, and reading goes on without a pause.
    world.up.borrow_mut().capacity = usize::MAX;
    world.say(Publish::new("a", b"x"));
    let now = world.now();
    loop {
        let turn = world.run(connection.poll()).unwrap().unwrap();
        if let Some((Event::Publish(_), _)) = turn {
            break;
        }
    }
    assert_eq!(world.now(), now);
    assert!(!is_due.get());
}

/// Asked for the payload of a message, the driver sends no more than that.
#[test]
fn no_more_than_was_asked_for() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    let sends = |connection: &mut Held<'_, '_>, bytes: &[u8]| {
        world.run(connection.send_payload(bytes)).unwrap().unwrap()
    };
    assert_eq!(sends(&mut connection, b"x"), 0);
    let message = Message::new("t", b"");
    connection.core().publish_lent(&message, 3).unwrap();
    // What comes before is sent by the way.
    assert_eq!(sends(&mut connection, b""), 0);
    assert_eq!(sends(&mut connection, b"ab"), 2);
    assert_eq!(sends(&mut connection, b"cdef"), 1);
    assert_eq!(sends(&mut connection, b"x"), 0);
    world.serve();
    let expected = encode(V5, Publish::new("t", b"abc"));
    assert!(world.sent.borrow().ends_with(&expected));
    assert_eq!(names(&world.sent.borrow(), V5), ["CONNECT", "PUBLISH"]);
}
