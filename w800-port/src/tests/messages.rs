//! Received messages.

use std::rc::Rc;
use std::string::String;
use std::vec;
use std::vec::Vec;

use core::cell::RefCell;

use mqtt_core::wire::{Ack, Packet, PacketId, Publish, QoS};

use super::fake::{self, Told, pass, serve, settle, world};
use super::{App, CONFIG, OPTIONS, agree, why};
use crate::ffi::RawOptions;

fn publish<'a>(topic: &'a str, payload: &'a [u8], qos: u8, id: u16) -> Publish<'a> {
    Publish {
        qos: QoS::from_u8(qos).unwrap(),
        packet_id: PacketId::new(id),
        ..Publish::new(topic, payload)
    }
}

fn say(publish: Publish<'_>) {
    world(|world| world.line().say(&publish.into()));
}

fn data(app: &App, topic: &str, payload: &[u8], qos: u8, id: i32) -> Told {
    Told::Data {
        topic: topic.into(),
        payload: (!payload.is_empty()).then(|| payload.to_vec()),
        id,
        qos,
        dup: 0,
        retained: 0,
        client: app.client(),
    }
}

/// The acknowledgements that the server gets, by the names of their packets.
fn acknowledgements() -> Rc<RefCell<Vec<String>>> {
    let seen = Rc::new(RefCell::new(vec![]));
    let log = seen.clone();
    serve(move |line, packet| {
        match packet {
            Packet::PubAck(_) | Packet::PubComp(_) => {
                log.borrow_mut()
                    .push(std::format!("{}", packet.packet_type()));
            }
            Packet::PubRec(ack) => {
                log.borrow_mut().push("PUBREC".into());
                line.say(&Packet::PubRel(Ack::new(ack.packet_id)));
            }
            _ => {}
        }
        agree(line, packet);
    });
    seen
}

#[test]
fn what_an_event_holds() {
    let app = App::connected(&CONFIG);
    say(publish("a/b", b"hello", 0, 0));
    say(Publish {
        retain: true,
        dup: true,
        ..publish("c", b"", 1, 7)
    });
    // QoS 2 is never delivered twice, whatever the flag says.
    say(Publish {
        dup: true,
        ..publish("d", b"x\0y", 2, 9)
    });
    settle();
    let second = Told::Data {
        topic: "c".into(),
        payload: None,
        id: 7,
        qos: 1,
        dup: 1,
        retained: 1,
        client: app.client(),
    };
    assert_eq!(
        world(fake::World::take_told),
        [
            data(&app, "a/b", b"hello", 0, 0),
            second,
            data(&app, "d", b"x\0y", 2, 9)
        ]
    );
}

#[test]
fn a_message_is_acknowledged_once_its_event_is_in_the_queue() {
    let seen = acknowledgements();
    let app = App::new(&CONFIG);
    assert_eq!(app.connect(), 0);
    world(|world| {
        world.take_told();
        world.queue = 0;
    });
    say(publish("a", b"1", 1, 1));
    say(publish("a", b"2", 2, 2));
    pass(1000);
    assert!(seen.borrow().is_empty());
    world(|world| world.queue = 1);
    pass(100);
    assert_eq!(*seen.borrow(), ["PUBACK"]);
    world(|world| world.queue = 1);
    pass(100);
    assert_eq!(*seen.borrow(), ["PUBACK", "PUBREC", "PUBCOMP"]);
    let told = world(fake::World::take_told);
    assert_eq!(
        told,
        [data(&app, "a", b"1", 1, 1), data(&app, "a", b"2", 2, 2)]
    );
}

/// Nothing is lost and the order stays, and no more is read than there is room for.
#[test]
fn a_full_queue_holds_the_server_back() {
    let app = App::connected(&CONFIG);
    world(|world| world.queue = 0);
    let before = world(|world| world.in_use());
    for i in 0..100_u8 {
        say(publish("a", &[i; 50], 0, 0));
    }
    pass(1000);
    world(|world| {
        assert!(
            world.line().to_client.len() > 4000,
            "{}",
            world.line().to_client.len()
        );
        // Two events, and what else is in the receive buffer.
        assert!(world.in_use() - before <= 3 * (51 + 2));
        world.queue = usize::MAX;
    });
    pass(100);
    let expected: Vec<_> = (0..100_u8)
        .map(|i| data(&app, "a", &[i; 50], 0, 0))
        .collect();
    assert_eq!(world(fake::World::take_told), expected);
}

/// The event task does not come round to it for longer than the keep-alive.
#[test]
fn a_full_queue_is_no_silence() {
    let app = App::connected(&crate::ffi::RawConfig {
        keep_alive: 10,
        ..CONFIG
    });
    world(|world| world.queue = 0);
    for i in 0..10_u8 {
        say(publish("a", &[i], 0, 0));
    }
    pass(60_000);
    world(|world| world.queue = usize::MAX);
    pass(1000);
    let expected: Vec<_> = (0..10_u8).map(|i| data(&app, "a", &[i], 0, 0)).collect();
    assert_eq!(world(fake::World::take_told), expected);
}

#[test]
fn no_memory_holds_the_server_back() {
    let seen = acknowledgements();
    let app = App::new(&CONFIG);
    assert_eq!(app.connect(), 0);
    for memory in 0..2 {
        world(|world| {
            world.take_told();
            world.memory = memory;
        });
        seen.borrow_mut().clear();
        say(publish("a", b"1", 1, 1));
        say(publish("a", b"2", 1, 2));
        pass(500);
        assert!(seen.borrow().is_empty());
        assert!(world(|world| world.told.is_empty()));
        world(|world| world.memory = usize::MAX);
        pass(100);
        assert_eq!(*seen.borrow(), ["PUBACK", "PUBACK"]);
        let told = world(fake::World::take_told);
        assert_eq!(
            told,
            [data(&app, "a", b"1", 1, 1), data(&app, "a", b"2", 1, 2)]
        );
    }
}

/// Memory comes back after longer than the keep-alive. Meanwhile the task is not busy with it, and
/// what is published goes out.
#[test]
fn no_memory_for_long() {
    let config = crate::ffi::RawConfig {
        keep_alive: 10,
        ..CONFIG
    };
    for part_size in [0, 300] {
        serve(agree);
        let app = App::with(
            &config,
            &RawOptions {
                part_size,
                max_message: 500,
                ..OPTIONS
            },
        );
        assert_eq!(app.connect(), 0);
        world(|world| {
            world.take_told();
            world.memory = 3;
        });
        say(publish("a", &[7; 600], 0, 0));
        say(publish("a", &[7; 50], 0, 0));
        say(publish("a", &[7; 50], 0, 0));
        let rounds = world(|world| world.rounds);
        pass(60_000);
        assert!(world(|world| world.rounds) - rounds <= 10_000);
        assert_eq!(app.publish(c"a", b"x", 0), 0);
        world(|world| world.memory = usize::MAX);
        pass(100);
        let told = world(fake::World::take_told);
        assert_eq!(told.len(), if part_size > 0 { 4 } else { 2 }, "{told:?}");
        assert!(!told.contains(&Told::Lost(app.client())));
        drop(app);
        world(fake::World::take_told);
    }
}

/// The receive buffer has 256 bytes.
#[test]
fn larger_than_the_buffer() {
    let app = App::connected(&CONFIG);
    let payload: Vec<u8> = (0..4000).map(|i| i as u8).collect();
    say(publish("a", &payload, 1, 1));
    say(publish("b", b"next", 0, 0));
    settle();
    assert_eq!(
        world(fake::World::take_told),
        [
            data(&app, "a", &payload, 1, 1),
            data(&app, "b", b"next", 0, 0)
        ]
    );
    // Too long, so it is dealt with without the application.
    say(publish("a", &[7; 4001], 1, 2));
    say(publish("b", b"next", 0, 0));
    let seen = acknowledgements();
    settle();
    assert_eq!(
        world(fake::World::take_told),
        [data(&app, "b", b"next", 0, 0)]
    );
    assert_eq!(*seen.borrow(), ["PUBACK"]);
    assert_eq!(
        why(app.0),
        (-5001, "a message was discarded: too long".into())
    );
}

#[test]
fn a_connection_breaks_in_the_middle_of_a_message() {
    let app = App::connected(&CONFIG);
    say(publish("a", &[7; 3000], 1, 1));
    world(|world| {
        world.line().to_client.truncate(2000);
        world.line().at_end = -6;
    });
    settle();
    assert_eq!(world(fake::World::take_told), [Told::Lost(app.client())]);
    assert_eq!(app.connect(), 0);
    say(publish("a", b"whole", 0, 0));
    settle();
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, data(&app, "a", b"whole", 0, 0)]
    );
}

const PARTS: RawOptions = RawOptions {
    max_message: 500,
    part_size: 300,
    ..OPTIONS
};

#[test]
fn in_parts() {
    let seen = acknowledgements();
    let app = App::with(&CONFIG, &PARTS);
    assert_eq!(app.connect(), 0);
    let payload: Vec<u8> = (0..100_000).map(|i| (i / 7) as u8).collect();
    say(publish("a", &payload, 1, 5));
    say(publish("b", &[9; 500], 0, 0));
    pass(100);
    let mut told = world(fake::World::take_told);
    assert_eq!(told.pop().unwrap(), data(&app, "b", &[9; 500], 0, 0));
    assert_eq!(told.remove(0), Told::Connected);
    let mut received = vec![];
    for (i, part) in told.into_iter().enumerate() {
        let Told::Part {
            topic,
            payload,
            id,
            offset,
            total,
        } = part
        else {
            panic!("{part:?}");
        };
        assert_eq!(topic.is_some(), i == 0);
        assert_eq!((id, offset as usize, total), (5, received.len(), 100_000));
        let payload = payload.unwrap();
        assert!(payload.len() == 300 || received.len() + payload.len() == 100_000);
        received.extend(payload);
    }
    assert_eq!(received, payload);
    assert_eq!(*seen.borrow(), ["PUBACK"]);
}

#[test]
fn parts_that_are_cut_off() {
    serve(agree);
    let app = App::with(&CONFIG, &PARTS);
    assert_eq!(app.connect(), 0);
    say(publish("a", &[7; 1000], 1, 5));
    world(|world| {
        world.line().to_client.truncate(700);
        world.line().at_end = -6;
    });
    pass(100);
    let told = world(fake::World::take_told);
    let shapes: Vec<_> = told
        .iter()
        .map(|told| match told {
            Told::Part {
                payload, offset, ..
            } => (payload.as_ref().map(Vec::len), *offset),
            Told::Lost(_) => (Some(1), u32::MAX),
            _ => (None, u32::MAX),
        })
        .collect();
    assert_eq!(
        shapes,
        [
            (None, u32::MAX),
            (Some(300), 0),
            (Some(300), 300),
            (None, 600),
            (Some(1), u32::MAX)
        ]
    );
}
