//! The blocking driver, over a scripted stream and over TCP to a server of the test's own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{io, thread};

use mqtt_client::blocking::{Client, Error};
use mqtt_client::mqtt_core::wire::{
    Ack, ConnAck, DecodeError, Disconnect, Packet, PacketId, Publish, ReasonCode, SubAck,
};
use mqtt_client::mqtt_core::{self, PeerError, UsageError};
use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, Stream, Version};
use transport_tcp::{Options, TcpStream};

const VERSION: Version = Version::V5;

/// A stream that receives what the script says and sends no more than a few bytes at a time.
pub(crate) struct Scripted {
    /// An empty step is a deadline that passes; the end of the script is the end of the stream.
    incoming: VecDeque<Vec<u8>>,
    write_size: usize,
    /// How many more bytes can be sent, before that fails.
    room: usize,
    sent: Rc<RefCell<Vec<u8>>>,
}

impl Scripted {
    pub(crate) fn new(incoming: impl IntoIterator<Item = Vec<u8>>) -> (Self, Rc<RefCell<Vec<u8>>>) {
        let sent = Rc::default();
        let incoming = incoming.into_iter().collect();
        let stream = Self {
            incoming,
            write_size: 1,
            room: usize::MAX,
            sent: Rc::clone(&sent),
        };
        (stream, sent)
    }
}

impl embedded_io::ErrorType for Scripted {
    type Error = io::Error;
}

impl embedded_io::Read for Scripted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.incoming.front_mut() {
            None => Ok(0),
            Some(step) if step.is_empty() => {
                self.incoming.pop_front();
                Err(io::ErrorKind::TimedOut.into())
            }
            Some(step) => {
                let n = step.len().min(buf.len());
                buf[..n].copy_from_slice(&step[..n]);
                step.drain(..n);
                if step.is_empty() {
                    self.incoming.pop_front();
                }
                Ok(n)
            }
        }
    }
}

impl embedded_io::Write for Scripted {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.write_size.min(buf.len()).min(self.room);
        if n == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.room -= n;
        self.sent.borrow_mut().extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Scripted {
    fn set_deadline(&mut self, _: Option<Instant>) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn encode<'a>(packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let packet = packet.into();
    let mut bytes = vec![0; packet.encoded_len(VERSION).unwrap()];
    packet.encode(VERSION, &mut bytes).unwrap();
    bytes
}

pub(crate) fn connack() -> Vec<u8> {
    encode(ConnAck::new(false, ReasonCode::Success))
}

/// The packets in `bytes`, by their names.
pub(crate) fn names(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((packet, n)) = Packet::decode(bytes, VERSION).unwrap() {
        names.push(packet.packet_type().to_string());
        bytes = &bytes[n..];
    }
    assert!(bytes.is_empty(), "cut off: {bytes:?}");
    names
}

#[test]
fn events_can_be_answered_while_they_are_borrowed() {
    let message = Publish::new("question", b"how are you?");
    let (stream, sent) = Scripted::new([connack(), encode(message)]);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    let mut answered = false;
    let end = loop {
        match client.poll(None) {
            Ok(Some((Event::Publish(message), core))) => {
                core.publish(&Message::new("answer", message.payload))
                    .unwrap();
                answered = true;
            }
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(answered);
    assert!(matches!(end, Error::Closed));
    assert_eq!(names(&sent.borrow()), ["CONNECT", "PUBLISH"]);
    assert!(sent.borrow().ends_with(b"how are you?"));
}

/// A server that closes says why before, and what we send then finds nobody.
#[test]
fn last_words_are_heard_though_nothing_can_be_sent() {
    let goodbye = encode(Disconnect::new(ReasonCode::SessionTakenOver));
    let message = encode(Publish::new("t", b"before"));
    let (mut stream, sent) = Scripted::new([connack(), message, goodbye]);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    // As many bytes as CONNECT takes.
    let (other, other_sent) = Scripted::new([connack()]);
    client.connect(other).unwrap();
    while !matches!(client.poll(None), Ok(Some((Event::Connected(_), _)))) {}
    stream.room = other_sent.borrow().len();
    client.disconnect(Duration::ZERO).unwrap();
    client.connect(stream).unwrap();
    let mut heard = Vec::new();
    let end = loop {
        match client.poll(None) {
            Ok(Some((Event::Connected(_), core))) => {
                core.publish(&Message::new("t", b"nobody is there"))
                    .unwrap();
            }
            Ok(Some((Event::Publish(message), _))) => heard.push(message.payload.to_vec()),
            Ok(Some((Event::Disconnected(packet), _))) => {
                heard.push(packet.code.to_string().into_bytes());
            }
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let expected = [b"before".to_vec(), b"session taken over".to_vec()];
    assert_eq!(heard, expected);
    assert!(matches!(end, Error::Disconnected), "{end}");
    assert_eq!(names(&sent.borrow()), ["CONNECT"]);
}

#[test]
fn poll_gives_up_when_its_time_is_up() {
    let (stream, _) = Scripted::new([vec![], connack(), vec![]]);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    // The first call finds out that nothing was received, the second one waits.
    for _ in 0..2 {
        assert!(client.poll(Some(Duration::ZERO)).unwrap().is_none());
    }
    assert!(matches!(
        client.poll(None),
        Ok(Some((Event::Connected(_), _)))
    ));
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_so() {
    let (stream, sent) = Scripted::new([connack(), b"\xF1\x00".to_vec()]);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    let error = loop {
        match client.poll(None) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let expected = mqtt_core::Error::Peer(PeerError::Malformed(DecodeError::Flags));
    assert!(
        matches!(error, Error::Protocol(error) if error == expected),
        "{error}"
    );
    assert_eq!(names(&sent.borrow()), ["CONNECT", "DISCONNECT"]);
    assert!(sent.borrow().ends_with(b"\xE0\x01\x81"));

    // The next connection works.
    let (stream, _) = Scripted::new([connack()]);
    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    assert!(client.core().is_connected());
}

#[test]
fn losses_are_reported_after_the_end() {
    let (stream, _) = Scripted::new([connack()]);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    let id = client
        .core()
        .subscribe(&[Filter::new("a", QoS::AtMostOnce)])
        .unwrap();
    let end = loop {
        match client.poll(None) {
            Ok(event) => assert!(event.is_none()),
            Err(error) => break error,
        }
    };
    assert!(matches!(end, Error::Closed));
    let lost = client.poll(None).unwrap().map(|(event, _)| event);
    assert_eq!(lost, Some(Event::Lost(id)));
    assert!(client.poll(None).unwrap().is_none());
    let not_connected = mqtt_core::Error::from(UsageError::NotConnected);
    assert!(matches!(client.poll(None), Err(Error::Protocol(error)) if error == not_connected));
}

#[test]
fn disconnect_sends_what_was_queued_first() {
    let (stream, sent) = Scripted::new([connack()]);
    let mut storage = HeapStorage::new(256, 1024, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    for _ in 0..3 {
        client
            .core()
            .publish(&Message::new("a", b"x").qos(QoS::AtLeastOnce))
            .unwrap();
    }
    client.disconnect(Duration::from_secs(10)).unwrap();
    let expected = ["CONNECT", "PUBLISH", "PUBLISH", "PUBLISH", "DISCONNECT"];
    assert_eq!(names(&sent.borrow()), expected);
    assert_eq!(client.core().in_flight(), 3);
}

/// A server that serves one connection, in a thread of its own.
pub(crate) fn serve(
    session: impl FnOnce(std::net::TcpStream) -> io::Result<()> + Send + 'static,
) -> (TcpStream, thread::JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        session(stream)
    });
    (
        TcpStream::connect_to(&[address], &Options::default()).unwrap(),
        server,
    )
}

/// Reads whole packets until `last` says so. What was read beyond is lost.
pub(crate) fn read_until(
    stream: &mut impl Read,
    mut last: impl FnMut(&Packet<'_>) -> bool,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let mut at = 0;
        while let Ok(Some((packet, n))) = Packet::decode(&bytes[at..], VERSION) {
            if last(&packet) {
                return Ok(());
            }
            at += n;
        }
        bytes.drain(..at);
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..n]);
    }
}

#[test]
fn both_directions_full_do_not_deadlock() {
    const COUNT: usize = 200;
    const SIZE: usize = 64 * 1024;

    // The server reads nothing before it has written everything.
    let (stream, server) = serve(|mut stream| {
        read_until(&mut stream, |packet| matches!(packet, Packet::Connect(_)))?;
        stream.write_all(&connack())?;
        let message = encode(Publish::new("down", &vec![b'd'; SIZE]));
        for _ in 0..COUNT {
            stream.write_all(&message)?;
        }
        let mut received = 0;
        read_until(&mut stream, |packet| {
            if let Packet::Publish(publish) = packet {
                assert_eq!(publish.payload.len(), SIZE);
                received += 1;
            }
            matches!(packet, Packet::Disconnect(_))
        })?;
        assert_eq!(received, COUNT);
        Ok(())
    });

    let payload = vec![b'u'; SIZE];
    let mut storage = HeapStorage::new(128 * 1024, 512 * 1024, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    let (mut sent, mut received) = (0, 0);
    while sent < COUNT || received < COUNT {
        match client.poll(Some(Duration::from_secs(30))).unwrap() {
            Some((Event::Publish(publish), _)) => {
                assert_eq!(publish.payload.len(), SIZE);
                received += 1;
            }
            Some((event, _)) => assert!(matches!(event, Event::Connected(_) | Event::Writable)),
            None => {}
        }
        while client.core().is_connected()
            && sent < COUNT
            && client.core().publish(&Message::new("up", &payload)).is_ok()
        {
            sent += 1;
        }
    }
    client.disconnect(Duration::from_secs(30)).unwrap();
    server.join().unwrap().unwrap();
}

#[test]
fn an_idle_client_keeps_the_connection_alive() {
    let (stream, server) = serve(|mut stream| {
        read_until(&mut stream, |packet| matches!(packet, Packet::Connect(_)))?;
        stream.write_all(&connack())?;
        for _ in 0..2 {
            // Longer than one and a half Keep Alive, and a server may close [MQTT-3.1.2-22].
            stream.set_read_timeout(Some(Duration::from_millis(1500)))?;
            read_until(&mut stream, |packet| matches!(packet, Packet::PingReq))?;
            stream.write_all(&encode(Packet::PingResp))?;
        }
        Ok(())
    });
    let mut storage = HeapStorage::new(256, 256, 4);
    let config = Config {
        keep_alive: 1,
        ..Config::new("c")
    };
    let mut client = Client::new(config, storage.split());
    client.connect(stream).unwrap();
    while client.poll(None).is_ok() {}
    server.join().unwrap().unwrap();
}

#[test]
fn a_silent_server_is_given_up() {
    let (stream, server) = serve(|mut stream| {
        read_until(&mut stream, |packet| matches!(packet, Packet::Connect(_)))?;
        // Until the client closes.
        while stream.read(&mut [0; 64])? > 0 {}
        Ok(())
    });
    let mut storage = HeapStorage::new(256, 256, 4);
    let config = Config {
        connect_timeout: Duration::from_millis(50),
        ..Config::new("c")
    };
    let mut client = Client::new(config, storage.split());
    client.connect(stream).unwrap();
    let error = loop {
        match client.poll(None) {
            Ok(event) => assert!(event.is_none()),
            Err(error) => break error,
        }
    };
    let expected = mqtt_core::Error::Timeout(mqtt_core::Timeout::Connect);
    assert!(
        matches!(error, Error::Protocol(error) if error == expected),
        "{error}"
    );
    server.join().unwrap().unwrap();
}

#[test]
fn requests_are_answered() {
    let (stream, server) = serve(|mut stream| {
        read_until(&mut stream, |packet| matches!(packet, Packet::Connect(_)))?;
        stream.write_all(&connack())?;
        let mut id = None;
        read_until(&mut stream, |packet| {
            if let Packet::Subscribe(subscribe) = packet {
                id = Some(subscribe.packet_id);
            }
            id.is_some()
        })?;
        let codes = [ReasonCode::GrantedQoS1];
        let suback = SubAck {
            packet_id: id.unwrap(),
            properties: Default::default(),
            codes: (&codes).into(),
        };
        stream.write_all(&encode(suback))?;
        read_until(&mut stream, |packet| {
            matches!(packet, Packet::Disconnect(_))
        })
    });
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    loop {
        match client.poll(None).unwrap() {
            Some((Event::Connected(_), core)) => {
                core.subscribe(&[Filter::new("a/#", QoS::AtLeastOnce)])
                    .unwrap();
            }
            Some((Event::Subscribed(suback), _)) => {
                assert!(suback.codes.iter().eq([ReasonCode::GrantedQoS1]));
                break;
            }
            _ => {}
        }
    }
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

/// What waits for room is told as soon as sending has made some, though nothing is received.
#[test]
fn room_that_sending_makes_is_reported_at_once() {
    let (stream, server) = serve(|mut stream| {
        read_until(&mut stream, |packet| matches!(packet, Packet::Connect(_)))?;
        stream.write_all(&connack())?;
        read_until(&mut stream, |packet| {
            matches!(packet, Packet::Disconnect(_))
        })
    });
    let mut storage = HeapStorage::new(256, 1024, 4);
    let config = Config {
        keep_alive: 0,
        ..Config::new("c")
    };
    let mut client = Client::new(config, storage.split());
    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    for _ in 0..100 {
        let message = Message::new("a", &[0; 100]);
        while client.core().publish(&message).is_err() {
            // Without a time-out: this returns or the test hangs.
            while client.poll(None).unwrap().map(|(event, _)| event) != Some(Event::Writable) {}
        }
    }
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

/// Bytes that nobody reads any more must not reset the connection before DISCONNECT is through.
#[test]
fn disconnect_arrives_though_not_everything_was_read() {
    let (stream, server) = serve(|mut stream| {
        read_until(&mut stream, |packet| matches!(packet, Packet::Connect(_)))?;
        stream.write_all(&connack())?;
        for _ in 0..100 {
            stream.write_all(&encode(Publish::new("a", &[0; 1000])))?;
        }
        read_until(&mut stream, |packet| {
            matches!(packet, Packet::Disconnect(_))
        })?;
        // An orderly end, not a reset.
        stream.shutdown(std::net::Shutdown::Write)?;
        assert_eq!(stream.read(&mut [0; 8])?, 0);
        Ok(())
    });
    let mut storage = HeapStorage::new(2048, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while !client.core().is_connected() {
        client.poll(None).unwrap();
    }
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

/// A server that acknowledges what it has read when it is asked for more, and counts the writes.
#[derive(Default)]
struct Counting {
    received: Vec<u8>,
    answers: Vec<u8>,
    writes: Rc<RefCell<usize>>,
    deadlines: Rc<RefCell<Vec<Option<Instant>>>>,
}

impl embedded_io::ErrorType for Counting {
    type Error = io::Error;
}

impl embedded_io::Read for Counting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut at = 0;
        while let Some((packet, n)) = Packet::decode(&self.received[at..], VERSION).unwrap() {
            match packet {
                Packet::Connect(_) => {
                    self.answers.splice(..0, connack());
                }
                Packet::Publish(publish) => {
                    let id = publish.packet_id.unwrap();
                    self.answers.extend(encode(Packet::PubAck(Ack::new(id))));
                }
                packet => assert!(matches!(packet, Packet::PubAck(_)), "{packet:?}"),
            }
            at += n;
        }
        self.received.drain(..at);
        let n = self.answers.len().min(buf.len());
        buf[..n].copy_from_slice(&self.answers[..n]);
        self.answers.drain(..n);
        if n == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(n)
    }
}

impl embedded_io::Write for Counting {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        *self.writes.borrow_mut() += 1;
        self.received.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Counting {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.deadlines.borrow_mut().push(deadline);
        Ok(())
    }
}

/// The core counts milliseconds: a wait that is shorter was none, and a loop of them never slept.
#[test]
fn a_wait_below_a_millisecond_is_left_to_the_stream() {
    const WAIT: Duration = Duration::from_micros(300);

    let stream = Counting::default();
    let deadlines = Rc::clone(&stream.deadlines);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    for _ in 0..10 {
        deadlines.borrow_mut().clear();
        let begin = Instant::now();
        // The first call looks at what was received, the second one waits.
        while deadlines.borrow().is_empty() {
            assert!(client.poll(Some(WAIT)).unwrap().is_none());
        }
        assert!(client.flush(WAIT).unwrap());
        let end = Instant::now() + WAIT;
        for deadline in deadlines.borrow().iter().flatten() {
            assert!((begin + WAIT..=end).contains(deadline), "{deadline:?}");
        }
    }
}

/// A write costs more than all else that is done for a small message.
#[test]
fn a_window_of_messages_leaves_in_one_write() {
    const MESSAGES: usize = 10_000;

    let stream = Counting::default();
    let writes = Rc::clone(&stream.writes);
    let mut storage = HeapStorage::new(64 * 1024, 64 * 1024, 100);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while !matches!(client.poll(None).unwrap(), Some((Event::Connected(_), _))) {}
    let message = Message::new("t", &[b'x'; 64]).qos(QoS::AtLeastOnce);
    let (mut sent, mut done) = (0, 0);
    while done < MESSAGES {
        while sent < MESSAGES && client.core().publish(&message).is_ok() {
            sent += 1;
        }
        if let Some((Event::Published(_), _)) = client.poll(None).unwrap() {
            done += 1;
        }
    }
    let writes = *writes.borrow();
    assert!(writes * 50 <= MESSAGES, "{writes} writes");
}

#[test]
fn acknowledgements_of_what_was_read_leave_in_one_write() {
    let mut stream = Counting::default();
    let writes = Rc::clone(&stream.writes);
    for id in 1..=500 {
        stream.answers.extend(encode(Publish {
            qos: QoS::AtLeastOnce,
            packet_id: PacketId::new(id),
            ..Publish::new("t", &[b'x'; 64])
        }));
    }
    let mut storage = HeapStorage::new(8 * 1024, 16 * 1024, 500);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    let mut received = 0;
    while received < 500 {
        if let Some((Event::Publish(_), _)) = client.poll(None).unwrap() {
            received += 1;
        }
    }
    assert!(client.flush(Duration::from_secs(1)).unwrap());
    // Of 8 KiB each, besides CONNECT.
    let writes = *writes.borrow();
    assert!(writes <= 8, "{writes} writes");
}
