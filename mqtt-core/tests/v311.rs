//! 3.1.1 with and without 5.0 in the program: the only tests that run without feature `v5`, too.

use core::fmt::Write;

use mqtt_core::wire::{DecodeError, Filter, FixedHeader, Packet, QoS, Version, Will};
use mqtt_core::{Client, Config, Event, Instant, Message, Storage};

const NOW: Instant = Instant::from_millis(0);

fn config() -> Config<'static> {
    Config {
        version: Version::V311,
        clean_start: false,
        username: Some("user"),
        password: Some(b"secret"),
        will: Some(Will::new("gone", b"x")),
        ..Config::new("meter")
    }
}

/// What the client sends now.
fn sent(client: &mut Client<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !client.transmit().is_empty() {
        bytes.extend(client.transmit());
        client.transmitted(client.transmit().len(), NOW);
    }
    bytes
}

/// What the client makes of these bytes, one line for each event.
fn events(client: &mut Client<'_>, mut input: &[u8]) -> String {
    let mut events = String::new();
    loop {
        let step = client.process(input, NOW).unwrap();
        match step.event {
            Some(Event::Connected(connack)) => {
                writeln!(events, "connected, kept: {}", connack.session_present).unwrap();
            }
            Some(Event::Subscribed(suback)) => {
                writeln!(events, "subscribed {:?}", suback.codes).unwrap();
            }
            Some(Event::Publish(message)) => {
                writeln!(events, "received {:?} {:?}", message.topic, message.qos).unwrap();
            }
            Some(Event::Published(ack)) => {
                writeln!(events, "published {}", ack.packet_id).unwrap();
            }
            Some(event) => writeln!(events, "{event:?}").unwrap(),
            None if step.consumed == 0 => return events,
            None => {}
        }
        input = &input[step.consumed..];
    }
}

#[test]
fn a_session_goes_on_after_a_lost_connection() {
    let mut storage = Storage::<256, 512, 4>::new();
    let mut client = Client::new(config(), storage.split().1);

    client.connect(NOW).unwrap();
    let connect =
        b"\x10\x28\0\x04MQTT\x04\xC4\0\x3C\0\x05meter\0\x04gone\0\x01x\0\x04user\0\x06secret";
    assert_eq!(sent(&mut client), connect);
    assert_eq!(
        events(&mut client, b"\x20\x02\0\0"),
        "connected, kept: false\n"
    );

    client
        .subscribe(&[Filter::new("a/+", QoS::ExactlyOnce)])
        .unwrap();
    assert_eq!(sent(&mut client), b"\x82\x08\0\x01\0\x03a/+\x02");
    let answer = events(&mut client, b"\x90\x03\0\x01\x02");
    assert_eq!(answer, "subscribed [GrantedQoS2]\n");

    let message = Message::new("a/b", b"1").qos(QoS::ExactlyOnce);
    client.publish(&message).unwrap();
    assert_eq!(sent(&mut client), b"\x34\x08\0\x03a/b\0\x021");
    assert_eq!(events(&mut client, b"\x50\x02\0\x02"), "");
    client.connection_lost();

    client.connect(NOW).unwrap();
    sent(&mut client);
    assert_eq!(
        events(&mut client, b"\x20\x02\x01\0"),
        "connected, kept: true\n"
    );
    assert_eq!(sent(&mut client), b"\x62\x02\0\x02");
    assert_eq!(events(&mut client, b"\x70\x02\0\x02"), "published 2\n");

    let input = b"\x34\x08\0\x03a/b\0\x091\x62\x02\0\x09";
    assert_eq!(events(&mut client, input), "received \"a/b\" ExactlyOnce\n");
    assert_eq!(sent(&mut client), b"\x50\x02\0\x09\x70\x02\0\x09");
}

#[test]
fn has_no_property_and_no_auth() {
    let suback = b"\x90\x03\0\x01\x80";
    let (packet, len) = Packet::decode(suback, Version::V311).unwrap().unwrap();
    let mut bytes = [0; 8];
    assert_eq!(packet.encode(Version::V311, &mut bytes), Ok(len));
    assert_eq!(bytes[..len], suback[..]);
    assert_eq!(
        FixedHeader::decode(b"\xF0\0", Version::V311),
        Err(DecodeError::PacketType)
    );
}

/// Who does not name a version gets the newest that there is.
#[test]
fn the_newest_version_is_the_default() {
    let newest = if cfg!(feature = "v5") { 5 } else { 4 };
    assert_eq!(Config::new("meter").version as u8, newest);
    assert_eq!(Version::default() as u8, newest);
    assert_eq!(Version::from_u8(5).is_some(), cfg!(feature = "v5"));
}
