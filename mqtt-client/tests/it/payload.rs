//! Payloads that the application sends itself.

use std::io::Write;
use std::time::Duration;

use mqtt_client::blocking::{Client, Error};
use mqtt_client::mqtt_core::UsageError;
use mqtt_client::mqtt_core::wire::{Ack, Packet, Publish};
use mqtt_client::{Config, Event, HeapStorage, Message, QoS};

use crate::blocking::{Scripted, connack, encode, read_until, serve};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Larger than all buffers, while as much comes the other way.
#[test]
fn a_large_payload_both_ways() {
    const SIZE: usize = 8 * 1024 * 1024;

    // The server reads nothing before it has written everything.
    let (stream, server) = serve(|mut stream| {
        read_until(&mut stream, |packet| matches!(packet, Packet::Connect(_)))?;
        stream.write_all(&connack())?;
        stream.write_all(&encode(Publish::new("down", &vec![b'd'; SIZE])))?;
        let mut id = None;
        read_until(&mut stream, |packet| {
            if let Packet::Publish(publish) = packet {
                let counted = (0..SIZE).map(|n| n.to_le_bytes()[0]);
                assert!(publish.payload.iter().copied().eq(counted));
                id = publish.packet_id;
            }
            id.is_some()
        })?;
        stream.write_all(&encode(Packet::PubAck(Ack::new(id.unwrap()))))?;
        read_until(&mut stream, |packet| {
            matches!(packet, Packet::Disconnect(_))
        })
    });

    let payload: Vec<_> = (0..SIZE).map(|n| n.to_le_bytes()[0]).collect();
    let mut storage = HeapStorage::new(4096, 1024, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    let (mut received, mut is_published) = (0, false);
    while received < SIZE || !is_published {
        match client.poll(Some(TIMEOUT)).unwrap() {
            Some((Event::Connected(_), core)) => {
                let message = Message::new("up", b"").qos(QoS::AtLeastOnce);
                core.publish_lent(&message, SIZE).unwrap();
            }
            Some((Event::Payload { data, .. }, _)) => received += data.len(),
            Some((Event::Published(_), _)) => is_published = true,
            _ => {}
        }
        if let Some(lent) = client.core().payload() {
            let patience = Duration::from_millis(20);
            let n = client
                .send_payload(&payload[lent.offset..], patience)
                .unwrap();
            assert!(n <= lent.left);
        }
    }
    client.disconnect(TIMEOUT).unwrap();
    server.join().unwrap().unwrap();
}

/// Nothing is sent but what was asked for.
#[test]
fn no_more_than_was_asked_for() {
    let (stream, sent) = Scripted::new([connack(), vec![], vec![], vec![], vec![]]);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    let not_connected = client.send_payload(b"x", TIMEOUT);
    let expected = UsageError::NotConnected.into();
    assert!(matches!(not_connected, Err(Error::Protocol(error)) if error == expected));

    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    assert_eq!(client.send_payload(b"x", TIMEOUT).unwrap(), 0);
    client
        .core()
        .publish_lent(&Message::new("t", b""), 3)
        .unwrap();
    while client.core().payload().is_none() {
        assert!(client.poll(None).unwrap().is_none());
    }
    assert_eq!(client.send_payload(b"", TIMEOUT).unwrap(), 0);
    for byte in [b"abcdef", b"bcdef!", b"cdef!!"] {
        assert_eq!(client.send_payload(byte, TIMEOUT).unwrap(), 1);
    }
    assert_eq!(client.send_payload(b"x", TIMEOUT).unwrap(), 0);
    assert!(sent.borrow().ends_with(&encode(Publish::new("t", b"abc"))));
}
