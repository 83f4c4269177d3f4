//! Writes that stand still while there is something to read.

use std::rc::Rc;
use std::time::Duration;

use mqtt_client::embedded::Client;
use mqtt_client::mqtt_core::wire::{Packet, PacketId, Publish};
use mqtt_client::{Config, Event, Message, QoS, Storage, Version};

use super::conversation::polite;
use super::faults::{connected, next};
use super::world::{World, encode};

const V5: Version = Version::V5;

#[test]
fn messages_arrive_and_are_acknowledged_when_writing_goes_on() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 8>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    world.up.borrow_mut().capacity = 0;
    for id in 1..=5 {
        world.say(Publish {
            qos: QoS::AtLeastOnce,
            packet_id: PacketId::new(id),
            ..Publish::new("a", b"a payload of some length")
        });
    }
    for _ in 0..5 {
        let event = next(&world, &mut connection).unwrap();
        assert!(event.starts_with("Publish("), "{event}");
    }
    // With the next call the last one counts as dealt with.
    assert!(world.run(connection.poll()).unwrap().unwrap().is_none());
    assert_eq!(world.now(), 0);
    assert_eq!(world.names(), ["CONNECT"]);
    world.up.borrow_mut().capacity = usize::MAX;
    while !world.run(connection.flush()).unwrap().unwrap() {
        assert!(world.run(connection.poll()).unwrap().unwrap().is_none());
    }
    let acks = ["PUBACK"; 5];
    assert_eq!(world.names()[1..], acks);
}

/// Flushing does not wait for what only reading can bring about.
#[test]
fn flush_has_received_messages_looked_at_first() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 8>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    while world.run(connection.poll()).unwrap().unwrap().is_some() {}
    world.up.borrow_mut().capacity = 0;
    let message = Message::new("a", b"up");
    connection.core().publish(&message).unwrap();
    world.say(Publish::new("a", b"down"));
    assert!(!world.run(connection.flush()).unwrap().unwrap());
    assert_eq!(world.now(), 0);
    let event = next(&world, &mut connection).unwrap();
    assert!(event.starts_with("Publish("), "{event}");
    assert_eq!(world.now(), 0);

    // Nor does it wait if it has sent a part.
    while world.run(connection.poll()).unwrap().unwrap().is_some() {}
    world.is_serving.set(false);
    world.up.borrow_mut().capacity = 5;
    world.say(Publish::new("a", b"down"));
    assert!(!world.run(connection.flush()).unwrap().unwrap());
    assert_eq!(world.now(), 0);
    next(&world, &mut connection).unwrap();

    // Nor for ever for a server that takes nothing: then the core has to look at the time.
    for _ in 0..10 {
        assert!(!world.run(connection.flush()).unwrap().unwrap());
        let _ = world.run(connection.poll());
        if !connection.core().is_connected() {
            return;
        }
    }
    panic!("still connected after {} ms", world.now());
}

/// Lets the client do something again and again, and meanwhile has the server say all it has to
/// say, a little at a time, before it listens to anything.
fn both_full(world: &Rc<World>, words: &[u8], mut client: impl FnMut() -> bool) {
    for pipe in [&world.up, &world.down] {
        pipe.borrow_mut().capacity = 50;
        pipe.borrow_mut().chunk = 20;
    }
    world.drop_when(|_| true);
    world.is_serving.set(false);
    let mut words = words;
    for _ in 0..100_000 {
        if client() {
            return;
        }
        let room = world.down.borrow().room().min(words.len());
        let (some, rest) = words.split_at(room);
        world.down.borrow_mut().push(some);
        words = rest;
        world.is_serving.set(words.is_empty());
    }
    panic!("stuck with {} bytes to say", words.len());
}

#[test]
fn both_directions_full_do_not_deadlock() {
    const COUNT: usize = 100;
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 8>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    let message = encode(
        V5,
        Publish {
            qos: QoS::AtLeastOnce,
            packet_id: PacketId::new(1),
            ..Publish::new("down", &[b'd'; 20])
        },
    );
    // At QoS 0, but the last one, since the server does not listen to acknowledgements.
    let unacknowledged = encode(V5, Publish::new("down", &[b'd'; 20]));
    let words = [unacknowledged.repeat(COUNT - 1), message].concat();
    let (mut sent, mut received, mut through) = (0, 0, 0);
    both_full(&world, &words, || {
        if let Some(turn) = world.run(connection.poll()) {
            match turn.unwrap() {
                Some((Event::Publish(_), _)) => received += 1,
                Some((Event::Published(_), _)) => through += 1,
                _ => {}
            }
        }
        let message = Message::new("up", &[b'u'; 20]).qos(QoS::AtLeastOnce);
        while sent < COUNT && connection.core().publish(&message).is_ok() {
            sent += 1;
        }
        received == COUNT && through == COUNT
    });
    world.drop_when(|_| false);
    while !world.run(connection.flush()).unwrap().unwrap() {
        world.run(connection.poll()).unwrap().unwrap();
    }
    let names = world.names();
    let count = |name| names.iter().filter(|other| *other == name).count();
    assert_eq!((count("PUBLISH"), count("PUBACK")), (COUNT, 1));
}

#[test]
fn payloads_larger_than_everything_both_ways() {
    const SIZE: usize = 5000;
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 8>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    let payload: Vec<_> = (0..SIZE).map(|n| n.to_le_bytes()[0]).collect();
    let words = encode(V5, Publish::new("down", &payload));
    let message = Message::new("up", b"").qos(QoS::ExactlyOnce);
    connection.core().publish_lent(&message, SIZE).unwrap();
    let mut received = Vec::new();
    let mut is_through = false;
    both_full(&world, &words, || {
        if let Some(turn) = world.run(connection.poll()) {
            match turn.unwrap() {
                Some((Event::Payload { data, .. }, _)) => received.extend_from_slice(data),
                Some((Event::Published(_), _)) => is_through = true,
                _ => {}
            }
        }
        if let Some(lent) = connection.core().payload() {
            let sent = world.run(connection.send_payload(&payload[lent.offset..]));
            assert!(sent.is_none_or(|n| n.unwrap() <= 20));
        }
        is_through && received.len() == SIZE
    });
    assert_eq!(received, payload);
    let sent = world.sent.borrow();
    let mut sent = &sent[..];
    while let Some((packet, n)) = Packet::decode(sent, V5).unwrap() {
        sent = &sent[n..];
        if let Packet::Publish(publish) = packet {
            assert_eq!(publish.payload, payload);
            return;
        }
    }
    panic!("no PUBLISH");
}

/// What poll has not told yet may be what the server waits for.
#[test]
fn send_payload_does_not_wait_before_everything_is_told() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 8>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    world.up.borrow_mut().capacity = 0;
    world.say(Publish::new("a", b"one"));
    world.say(Publish::new("a", b"two"));
    next(&world, &mut connection).unwrap();
    let message = Message::new("up", b"");
    connection.core().publish_lent(&message, 1).unwrap();
    let sent = world.run(connection.send_payload(b"x"));
    assert_eq!(sent.unwrap().unwrap(), 0);
    next(&world, &mut connection).unwrap();
    assert_eq!(world.now(), 0);
}

/// The server has a lot to say before it reads that it is over.
#[test]
fn disconnect_reads_while_its_write_stands_still() {
    let world = World::new(V5, polite(V5));
    let mut storage = Storage::<64, 128, 8>::new();
    let mut client = Client::new(Config::new("c"), storage.split(), world.timer());
    let mut connection = connected(&world, &mut client);
    let message = Message::new("up", &[b'u'; 60]);
    connection.core().publish(&message).unwrap();
    let words = encode(V5, Publish::new("down", b"nobody listens")).repeat(100);
    both_full(&world, &words, || {
        let result = world.run(connection.disconnect(Duration::from_secs(1)));
        result.map(Result::unwrap).is_some()
    });
    assert_eq!(world.names(), ["CONNECT", "PUBLISH", "DISCONNECT"]);
}
