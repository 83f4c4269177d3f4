//! Time, silence, lies, and connections that end.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mqtt_client::embedded::{Client, Connection};
use mqtt_client::mqtt_core::wire::{
    ConnAck, DecodeError, Disconnect, Packet, PacketId, Publish, ReasonCode,
};
use mqtt_client::mqtt_core::{self, Acknowledgement, Durability, PeerError, Timeout, UsageError};
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
fn an_end_before_any_answer_is_told_from_a_later_one() {
    for (answer, is_answered) in [(&b""[..], false), (b"\x20", true)] {
        let world = World::new(V5, |_| Vec::new());
        let mut storage = Storage::<64, 128, 4>::new();
        let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
        let (reader, writer) = world.halves();
        let mut connection = client.connect(reader, writer).unwrap();
        world.down.borrow_mut().push(answer);
        world.down.borrow_mut().is_closed = true;
        let error = next(&world, &mut connection).unwrap_err();
        if is_answered {
            assert!(matches!(error, Error::Closed), "{error}");
        } else {
            assert!(matches!(error, Error::Unanswered), "{error}");
        }
    }
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
    assert!(matches!(error, Error::Disconnected));
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
    assert!(matches!(error, Error::Disconnected), "{error}");
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
    // All is sent, and nothing more is received.
    assert!(world.run(connection.flush()).unwrap().unwrap());
    assert!(world.run(connection.poll()).unwrap().unwrap().is_none());
    let due = connection.core().journal().count();
    assert!(due > 0);
    connection.core().journaled(due);
    let event = next(&world, &mut connection).unwrap();
    assert!(world.now() <= 20);
    assert!(event.starts_with("Publish"), "{event}");
}

/// What the halves of a stream share that has something to answer.
#[derive(Default)]
struct Answer {
    is_due: Cell<bool>,
    is_blocked: Cell<bool>,
    reads: Cell<usize>,
    flushes: Cell<usize>,
}

struct Asked(Reader, Rc<Answer>);

struct Answering(Writer, Rc<Answer>);

impl embedded_io_async::ErrorType for Asked {
    type Error = io::Error;
}

impl embedded_io_async::ErrorType for Answering {
    type Error = io::Error;
}

impl embedded_io_async::Read for Asked {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.1.reads.set(self.1.reads.get() + 1);
        if self.1.is_due.get() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.0.read(buf).await
    }
}

impl embedded_io_async::Write for Answering {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.1.is_blocked.get() {
            pending::<()>().await;
        }
        self.1.flushes.set(self.1.flushes.get() + 1);
        self.1.is_due.set(false);
        Ok(())
    }
}

/// Interrupted means: flush, then read again. While that is not possible, reading goes on, but not
/// all the time.
#[test]
fn a_stream_that_has_to_answer() {
    let world = World::new(V5, polite(V5));
    let answer = Rc::new(Answer::default());
    let (reader, writer) = world.halves();
    let reader = Asked(reader, Rc::clone(&answer));
    let writer = Answering(writer, Rc::clone(&answer));
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = client.connect(reader, writer).unwrap();
    while !connection.core().is_connected() {
        world.run(connection.poll()).unwrap().unwrap();
    }
    assert!(world.run(connection.flush()).unwrap().unwrap());

    answer.is_due.set(true);
    answer.is_blocked.set(true);
    let (start, reads) = (world.now(), answer.reads.get());
    for _ in 0..200 {
        if answer.reads.get() == reads + 50 {
            break;
        }
        assert!(world.run(connection.poll()).unwrap().unwrap().is_none());
    }
    assert_eq!(world.now(), start + 49 * 20);

    // As soon as it can be, it is flushed, and reading goes on without a pause.
    answer.is_blocked.set(false);
    world.say(Publish::new("a", b"x"));
    let (now, flushes) = (world.now(), answer.flushes.get());
    let turns = (0..10).find(|_| {
        let turn = world.run(connection.poll()).unwrap().unwrap();
        matches!(turn, Some((Event::Publish(_), _)))
    });
    assert!(turns.is_some());
    assert_eq!(answer.flushes.get(), flushes + 1);
    // What was received may have left something to answer, too.
    for _ in 0..2 {
        assert!(world.run(connection.poll()).unwrap().unwrap().is_none());
    }
    assert_eq!(answer.flushes.get(), flushes + 2);
    assert_eq!(world.now(), now);
}

/// A buffer full of messages that the application has to acknowledge first is no reason to wait
/// for the server.
#[test]
fn a_full_buffer_waits_for_the_application() {
    const COUNT: u16 = 20;
    let world = World::new(Version::V311, polite(Version::V311));
    let mut storage = Storage::<64, 128, 2>::new();
    let config = Config {
        version: Version::V311,
        keep_alive: 0,
        acknowledgement: Acknowledgement::Manual,
        ..Config::new("c")
    };
    let mut client = Client::new(config, storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    for id in 1..=COUNT {
        world.say(Publish {
            qos: QoS::AtLeastOnce,
            packet_id: PacketId::new(id),
            ..Publish::new("a", b"some payload")
        });
    }
    let (mut received, mut waiting) = (0, Vec::new());
    while received < COUNT {
        let turn = world.run(connection.poll()).unwrap().unwrap();
        if let Some((Event::Publish(publish), _)) = turn {
            received += 1;
            waiting.extend(publish.packet_id);
        } else if world.now() % 40 == 20 {
            for id in waiting.drain(..) {
                connection.core().acknowledge(id).unwrap();
            }
        }
        assert!(world.now() < 1000);
    }
}

/// The server may need some time to read all, and closing at once might reset the connection.
#[test]
fn disconnect_waits_for_the_server_to_close_its_side() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 4>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    world.stays_open.set(true);
    for _ in 0..100 {
        world.say(Publish::new("a", b"nobody listens any more"));
    }
    // What is sent is sent, however much is received.
    let result = world.run(connection.disconnect(Duration::ZERO));
    result.unwrap().unwrap();
    assert_eq!(world.now(), 1000);
    assert!(world.down.borrow().is_empty());
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
