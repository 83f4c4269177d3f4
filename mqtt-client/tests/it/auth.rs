//! The AUTH exchange, with a method of the test's own, over TCP to a server of the test's own.

use std::io::{self, Read, Write};
use std::net::TcpStream as Peer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mqtt_client::auth::{self, Authenticator};
use mqtt_client::blocking::{Client, Error};
use mqtt_client::mqtt_core::UsageError;
use mqtt_client::mqtt_core::wire::{
    Auth, ConnAck, Packet, PacketType, Properties, Property, ReasonCode,
};
use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS};
use transport_tcp::TcpStream;

use super::blocking::{connack, encode, read_until, serve};

/// The longest wait in a poll; beyond that there would have been an event.
pub(crate) const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

/// Says "hello", answers "what?" with `answer`, and believes a server that says "right".
#[derive(Debug)]
struct Toy {
    hello: &'static [u8],
    answer: Vec<u8>,
    has_answered: Arc<AtomicBool>,
}

impl Toy {
    fn new() -> Self {
        Self {
            hello: b"hello",
            answer: b"that".to_vec(),
            has_answered: Arc::default(),
        }
    }
}

impl Authenticator for Toy {
    fn method(&self) -> &str {
        "toy"
    }

    fn start(&mut self) -> Result<Vec<u8>, auth::Error> {
        Ok(self.hello.to_vec())
    }

    fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, auth::Error> {
        self.has_answered.store(true, Ordering::Relaxed);
        match challenge {
            b"what?" => Ok(self.answer.clone()),
            _ => Err(auth::Error::Failed("no question")),
        }
    }

    fn finish(&mut self, data: &[u8]) -> Result<(), auth::Error> {
        match data {
            b"right" => Ok(()),
            b"" => Err(auth::Error::MissingProof),
            _ => Err(auth::Error::WrongProof),
        }
    }
}

const CONFIG: Config<'_> = Config {
    properties: &[Property::AuthenticationMethod("toy")],
    ..Config::new("c")
};

fn properties<'a>(method: &'a str, data: &'a [u8]) -> [Property<'a>; 2] {
    [
        Property::AuthenticationMethod(method),
        Property::AuthenticationData(data),
    ]
}

/// The server's AUTH.
pub(crate) fn auth(code: ReasonCode, method: &str, data: &[u8]) -> Vec<u8> {
    let properties = properties(method, data);
    encode(Auth {
        code,
        properties: (&properties).into(),
    })
}

fn question() -> Vec<u8> {
    auth(ReasonCode::ContinueAuthentication, "toy", b"what?")
}

/// The server's CONNACK.
pub(crate) fn accept(method: &str, data: &[u8]) -> Vec<u8> {
    let properties = properties(method, data);
    let mut connack = ConnAck::new(false, ReasonCode::Success);
    connack.properties = (&properties).into();
    encode(connack)
}

fn data(properties: &Properties<'_>) -> Option<Vec<u8>> {
    properties.iter().find_map(|property| match property {
        Property::AuthenticationData(data) => Some(data.to_vec()),
        _ => None,
    })
}

/// Reads CONNECT; its authentication data.
pub(crate) fn read_connect(peer: &mut Peer) -> io::Result<Option<Vec<u8>>> {
    let mut found = None;
    read_until(peer, |packet| match packet {
        Packet::Connect(connect) => {
            found = data(&connect.properties);
            true
        }
        _ => false,
    })?;
    Ok(found)
}

/// Reads up to an AUTH; its code and data.
pub(crate) fn read_auth(peer: &mut Peer) -> io::Result<(ReasonCode, Option<Vec<u8>>)> {
    let mut found = None;
    read_until(peer, |packet| {
        if let Packet::Auth(auth) = packet {
            found = Some((auth.code, data(&auth.properties)));
        }
        found.is_some()
    })?;
    Ok(found.expect("read_until has seen it"))
}

/// The very next packet is DISCONNECT with this code.
pub(crate) fn read_end(peer: &mut Peer, code: ReasonCode) -> io::Result<()> {
    read_until(peer, |packet| {
        let Packet::Disconnect(disconnect) = packet else {
            panic!("{packet:?}");
        };
        assert_eq!(disconnect.code, code);
        true
    })
}

pub(crate) type Failure = Error<io::Error>;

pub(crate) fn storage() -> HeapStorage {
    HeapStorage::new(256, 1024, 4)
}

/// Polls until there is an event, which is to be this one.
pub(crate) fn expect(client: &mut Client<'_, TcpStream>, is: impl Fn(&Event<'_>) -> bool) {
    loop {
        if let Some((event, _)) = client.poll(PATIENCE).unwrap() {
            return assert!(is(&event), "{event:?}");
        }
    }
}

/// Polls until the connection ends, before which there is to be no event.
pub(crate) fn failure(client: &mut Client<'_, TcpStream>) -> Failure {
    loop {
        match client.poll(PATIENCE) {
            Ok(event) => assert!(event.is_none(), "{event:?}"),
            Err(error) => return error,
        }
    }
}

pub(crate) fn is_connected(event: &Event<'_>) -> bool {
    matches!(event, Event::Connected(_))
}

pub(crate) fn is_authenticated(event: &Event<'_>) -> bool {
    matches!(event, Event::Auth(auth) if auth.code == ReasonCode::Success)
}

#[test]
fn the_driver_answers_for_the_application() {
    let (stream, server) = serve(|mut peer| {
        assert_eq!(read_connect(&mut peer)?.as_deref(), Some(&b"hello"[..]));
        for _ in 0..3 {
            peer.write_all(&question())?;
            let answer = (ReasonCode::ContinueAuthentication, Some(b"that".to_vec()));
            assert_eq!(read_auth(&mut peer)?, answer);
        }
        peer.write_all(&accept("toy", b"right"))?;

        let again = (ReasonCode::ReAuthenticate, Some(b"hello".to_vec()));
        assert_eq!(read_auth(&mut peer)?, again);
        peer.write_all(&question())?;
        let answer = (ReasonCode::ContinueAuthentication, Some(b"that".to_vec()));
        assert_eq!(read_auth(&mut peer)?, answer);
        peer.write_all(&auth(ReasonCode::Success, "toy", b"right"))?;
        // Once more, without a question.
        assert_eq!(read_auth(&mut peer)?, again);
        peer.write_all(&auth(ReasonCode::Success, "toy", b"right"))?;
        read_end(&mut peer, ReasonCode::Success)
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    client.connect_with(stream, Toy::new()).unwrap();
    expect(&mut client, is_connected);
    for _ in 0..2 {
        client.reauthenticate().unwrap();
        expect(&mut client, is_authenticated);
    }
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

#[test]
fn without_an_authenticator_the_application_answers() {
    let (stream, server) = serve(|mut peer| {
        assert_eq!(read_connect(&mut peer)?, None);
        peer.write_all(&question())?;
        let answer = (ReasonCode::ContinueAuthentication, Some(b"mine".to_vec()));
        assert_eq!(read_auth(&mut peer)?, answer);
        // Nobody asks for more.
        peer.write_all(&connack())?;
        read_end(&mut peer, ReasonCode::Success)
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    client.connect(stream).unwrap();
    loop {
        match client.poll(PATIENCE).unwrap() {
            Some((Event::Auth(auth), core)) => {
                assert_eq!(data(&auth.properties).as_deref(), Some(&b"what?"[..]));
                let properties = properties("toy", b"mine");
                let answer = Auth {
                    code: ReasonCode::ContinueAuthentication,
                    properties: (&properties).into(),
                };
                core.authenticate(&answer).unwrap();
            }
            Some((event, _)) => break assert!(is_connected(&event), "{event:?}"),
            None => {}
        }
    }
    let error = client.reauthenticate().unwrap_err();
    assert!(is_usage(&error, UsageError::Authentication), "{error}");
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

fn is_usage(error: &Failure, expected: UsageError) -> bool {
    matches!(error, Error::Protocol(error) if *error == expected.into())
}

/// No data are something else than data that are empty.
#[test]
fn a_method_without_first_data() {
    let (stream, server) = serve(|mut peer| {
        assert_eq!(read_connect(&mut peer)?, None);
        peer.write_all(&accept("toy", b"right"))?;
        assert_eq!(read_auth(&mut peer)?, (ReasonCode::ReAuthenticate, None));
        peer.write_all(&auth(ReasonCode::Success, "toy", b"right"))?;
        read_end(&mut peer, ReasonCode::Success)
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    let authenticator = Toy {
        hello: b"",
        ..Toy::new()
    };
    client.connect_with(stream, authenticator).unwrap();
    expect(&mut client, is_connected);
    client.reauthenticate().unwrap();
    expect(&mut client, is_authenticated);
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

/// A message that waits for the server is not for an impostor.
#[test]
fn a_server_that_is_not_believed_gets_nothing_but_disconnect() {
    for (connack, expected) in [
        (accept("toy", b"wrong"), auth::Error::WrongProof),
        (connack(), auth::Error::MissingProof),
    ] {
        let (stream, server) = serve(move |mut peer| {
            read_connect(&mut peer)?;
            peer.write_all(&connack)?;
            read_end(&mut peer, ReasonCode::UnspecifiedError)
        });
        let mut storage = storage();
        let mut client = Client::new(CONFIG, storage.split());
        let message = Message::new("secret", b"x").qos(QoS::AtLeastOnce);
        client.core().publish(&message).unwrap();
        client.connect_with(stream, Toy::new()).unwrap();
        let error = failure(&mut client);
        assert!(matches!(error, Error::Authentication(error) if error == expected));
        server.join().unwrap().unwrap();
        assert_eq!(client.core().in_flight(), 1);
        assert!(!client.core().is_connected());
    }
}

#[test]
fn before_connack_the_connection_is_just_closed() {
    for packet in [
        auth(ReasonCode::ContinueAuthentication, "toy", b"nonsense"),
        // Not before CONNACK.
        auth(ReasonCode::Success, "toy", b"wrong"),
    ] {
        let (stream, server) = serve(move |mut peer| {
            read_connect(&mut peer)?;
            peer.write_all(&packet)?;
            let mut rest = Vec::new();
            peer.read_to_end(&mut rest)?;
            assert_eq!(rest, b"");
            Ok(())
        });
        let mut storage = storage();
        let mut client = Client::new(CONFIG, storage.split());
        client.connect_with(stream, Toy::new()).unwrap();
        let error = failure(&mut client);
        assert!(matches!(error, Error::Authentication(_)), "{error}");
        server.join().unwrap().unwrap();
    }
}

#[test]
fn a_re_authentication_that_fails_ends_the_connection() {
    for (packet, expected) in [
        (
            auth(ReasonCode::ContinueAuthentication, "toy", b"nonsense"),
            auth::Error::Failed("no question"),
        ),
        (
            auth(ReasonCode::Success, "toy", b"wrong"),
            auth::Error::WrongProof,
        ),
        (
            auth(ReasonCode::Success, "toy", b""),
            auth::Error::MissingProof,
        ),
    ] {
        let (stream, server) = serve(move |mut peer| {
            read_connect(&mut peer)?;
            peer.write_all(&accept("toy", b"right"))?;
            read_auth(&mut peer)?;
            peer.write_all(&packet)?;
            read_end(&mut peer, ReasonCode::UnspecifiedError)
        });
        let mut storage = storage();
        let mut client = Client::new(CONFIG, storage.split());
        client.connect_with(stream, Toy::new()).unwrap();
        expect(&mut client, is_connected);
        client.reauthenticate().unwrap();
        let error = failure(&mut client);
        assert!(
            matches!(error, Error::Authentication(error) if error == expected),
            "{error}"
        );
        server.join().unwrap().unwrap();
    }
}

/// Only the client begins.
#[test]
fn a_server_that_begins_is_out_of_turn() {
    for code in [ReasonCode::ContinueAuthentication, ReasonCode::Success] {
        let (stream, server) = serve(move |mut peer| {
            read_connect(&mut peer)?;
            peer.write_all(&accept("toy", b"right"))?;
            peer.write_all(&auth(code, "toy", b"right"))?;
            read_end(&mut peer, ReasonCode::UnspecifiedError)
        });
        let mut storage = storage();
        let mut client = Client::new(CONFIG, storage.split());
        client.connect_with(stream, Toy::new()).unwrap();
        expect(&mut client, is_connected);
        let error = failure(&mut client);
        let expected = auth::Error::OutOfTurn;
        assert!(
            matches!(error, Error::Authentication(error) if error == expected),
            "{error}"
        );
        server.join().unwrap().unwrap();
    }
}

#[test]
fn a_refusal_is_reported() {
    let (stream, server) = serve(|mut peer| {
        read_connect(&mut peer)?;
        peer.write_all(&encode(ConnAck::new(false, ReasonCode::NotAuthorized)))
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    client.connect_with(stream, Toy::new()).unwrap();
    expect(
        &mut client,
        |event| matches!(event, Event::Refused(connack) if connack.code == ReasonCode::NotAuthorized),
    );
    assert!(matches!(failure(&mut client), Error::Disconnected));
    server.join().unwrap().unwrap();
}

/// CONNECT names the method of the configuration, so that has to be the authenticator's.
#[test]
fn another_method_than_that_of_the_configuration() {
    for properties in [&[][..], &[Property::AuthenticationMethod("other")]] {
        let (stream, server) = serve(|mut peer| {
            read_until(&mut peer, |packet| matches!(packet, Packet::Connect(_)))?;
            peer.write_all(&connack())
        });
        let mut storage = storage();
        let config = Config {
            properties,
            ..CONFIG
        };
        let mut client = Client::new(config, storage.split());
        let (other, _) = serve(|_| Ok(()));
        let error = client.connect_with(other, Toy::new()).unwrap_err();
        assert!(matches!(error, Error::Authentication(auth::Error::Method)));
        // Nothing has changed.
        client.connect(stream).unwrap();
        expect(&mut client, is_connected);
        server.join().unwrap().unwrap();
    }
}

#[test]
fn re_authentication_at_the_wrong_time() {
    let (stream, server) = serve(|mut peer| {
        read_connect(&mut peer)?;
        peer.write_all(&accept("toy", b"right"))?;
        assert_eq!(read_auth(&mut peer)?.0, ReasonCode::ReAuthenticate);
        peer.write_all(&auth(ReasonCode::Success, "toy", b"right"))?;
        read_end(&mut peer, ReasonCode::Success)
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    let error = client.reauthenticate().unwrap_err();
    assert!(is_usage(&error, UsageError::NotConnected), "{error}");
    client.connect_with(stream, Toy::new()).unwrap();
    let error = client.reauthenticate().unwrap_err();
    assert!(is_usage(&error, UsageError::NotConnected), "{error}");
    // A second connection does not disturb the first one and its authenticator.
    let (other, _) = serve(|_| Ok(()));
    let error = client.connect_with(other, Toy::new()).unwrap_err();
    assert!(is_usage(&error, UsageError::AlreadyConnected), "{error}");
    expect(&mut client, is_connected);
    client.reauthenticate().unwrap();
    let error = client.reauthenticate().unwrap_err();
    assert!(is_usage(&error, UsageError::Authentication), "{error}");
    expect(&mut client, is_authenticated);
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

/// A connection without an authenticator is not checked by the one of the connection before.
#[test]
fn an_authenticator_is_for_one_connection() {
    let (stream, server) = serve(|mut peer| {
        read_connect(&mut peer)?;
        peer.write_all(&accept("toy", b"wrong"))?;
        read_end(&mut peer, ReasonCode::UnspecifiedError)
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    client.connect_with(stream, Toy::new()).unwrap();
    let error = failure(&mut client);
    assert!(matches!(error, Error::Authentication(_)), "{error}");
    server.join().unwrap().unwrap();
    let (stream, server) = serve(|mut peer| {
        read_connect(&mut peer)?;
        peer.write_all(&accept("toy", b"wrong"))
    });
    client.connect(stream).unwrap();
    expect(&mut client, is_connected);
    server.join().unwrap().unwrap();
}

/// There may be no room for AUTH at once, but there is once something was sent.
#[test]
fn auth_waits_for_room() {
    const REQUESTS: usize = 4;
    let (stream, server) = serve(|mut peer| {
        read_connect(&mut peer)?;
        peer.write_all(&accept("toy", b"right"))?;
        let mut requests = 0;
        read_until(&mut peer, |packet| {
            requests += usize::from(packet.packet_type() == PacketType::Subscribe);
            packet.packet_type() == PacketType::Auth
        })?;
        assert!(requests > 0);
        peer.write_all(&auth(ReasonCode::Success, "toy", b"right"))?;
        read_end(&mut peer, ReasonCode::Success)
    });
    let mut storage = HeapStorage::new(256, 512, 64);
    let mut client = Client::new(CONFIG, storage.split());
    client.connect_with(stream, Toy::new()).unwrap();
    expect(&mut client, is_connected);
    let filters = [Filter::new("a", QoS::AtMostOnce); REQUESTS];
    while client.core().subscribe(&filters).is_ok() {}
    while client.core().subscribe(&filters[..1]).is_ok() {}
    client.reauthenticate().unwrap();
    // The subscriptions that were refused have room, too.
    expect(&mut client, |event| *event == Event::Writable);
    expect(&mut client, is_authenticated);
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

#[test]
fn a_re_authentication_that_the_server_could_not_take() {
    let (stream, server) = serve(|mut peer| {
        read_connect(&mut peer)?;
        let [method, data] = properties("toy", b"right");
        let properties = [method, data, Property::MaximumPacketSize(8)];
        let mut connack = ConnAck::new(false, ReasonCode::Success);
        connack.properties = (&properties).into();
        peer.write_all(&encode(connack))?;
        read_end(&mut peer, ReasonCode::Success)
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    client.connect_with(stream, Toy::new()).unwrap();
    expect(&mut client, is_connected);
    // Nothing has begun by this, so the second attempt is told the same.
    for _ in 0..2 {
        let error = client.reauthenticate().unwrap_err();
        assert!(is_usage(&error, UsageError::MaximumPacketSize), "{error}");
    }
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

/// An answer that never fits cannot be sent, now or later.
#[test]
fn an_answer_that_is_too_long() {
    let (stream, server) = serve(|mut peer| {
        read_connect(&mut peer)?;
        peer.write_all(&question())?;
        peer.read_to_end(&mut Vec::new()).map(drop)
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    let authenticator = Toy {
        answer: vec![0; 1024],
        ..Toy::new()
    };
    client.connect_with(stream, authenticator).unwrap();
    let error = failure(&mut client);
    assert!(is_usage(&error, UsageError::BufferTooSmall), "{error}");
    server.join().unwrap().unwrap();
}

/// `[MQTT-3.14.4-1]`: nothing follows DISCONNECT, not even an answer.
#[test]
fn a_question_that_comes_too_late() {
    let (stream, server) = serve(|mut peer| {
        read_connect(&mut peer)?;
        peer.write_all(&accept("toy", b"right"))?;
        assert_eq!(read_auth(&mut peer)?.0, ReasonCode::ReAuthenticate);
        peer.write_all(&question())?;
        read_end(&mut peer, ReasonCode::Success)
    });
    let mut storage = storage();
    let mut client = Client::new(CONFIG, storage.split());
    let authenticator = Toy::new();
    let has_answered = Arc::clone(&authenticator.has_answered);
    client.connect_with(stream, authenticator).unwrap();
    expect(&mut client, is_connected);
    client.reauthenticate().unwrap();
    while !has_answered.load(Ordering::Relaxed) {
        assert!(client.poll(PATIENCE).unwrap().is_none());
    }
    client.core().disconnect().unwrap();
    let error = failure(&mut client);
    assert!(matches!(error, Error::Disconnected), "{error}");
    server.join().unwrap().unwrap();
}
