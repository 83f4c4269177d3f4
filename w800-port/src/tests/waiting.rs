//! What calls wait for, and for how long.

use core::ffi::CStr;
use core::ptr;
use std::vec;

use mqtt_core::wire::{Ack, ConnAck, List, Packet, PacketId, ReasonCode, SubAck};

use super::fake::{self, Told, accept, pass, serve, settle, world};
use super::{App, CONFIG, agree, why};
use crate::ffi;

fn timed<R>(f: impl FnOnce() -> R) -> (R, u32) {
    let begun = world(|world| world.now());
    let result = f();
    (result, world(|world| world.now()).wrapping_sub(begun))
}

/// The window of the tests is 3.
#[test]
fn a_full_window() {
    serve(accept);
    let app = App::new(&CONFIG);
    assert_eq!(app.connect(), 0);
    for id in 1..=3 {
        let (result, took) = timed(|| app.publish(c"a", b"x", 1));
        assert_eq!((result, took), (id, 0));
    }
    assert_eq!(app.publish(c"a", b"x", 0), 0, "it needs no place");
    let (result, took) = timed(|| app.publish(c"a", b"x", 1));
    assert_eq!(result, -5004);
    assert!((10_000..10_100).contains(&took), "{took}");
    assert_eq!(why(app.0).0, -5004);
    // One acknowledgement while it waits, and it goes on.
    world(|world| {
        world
            .line()
            .say(&Packet::PubAck(Ack::new(PacketId::new(1).unwrap())));
    });
    assert_eq!(timed(|| app.publish(c"a", b"x", 1)), (4, 0));
    // The connection breaks meanwhile.
    world(|world| world.line().at_end = -6);
    assert_eq!(app.publish(c"a", b"x", 1), -5003);
}

#[test]
fn a_server_that_takes_nothing() {
    let app = App::connected(&CONFIG);
    world(|world| world.line().room = Some(0));
    // As long as there is room for bytes, then no longer.
    let mut sent = 0;
    loop {
        let (result, took) = timed(|| app.publish(c"a", &[7; 100], 0));
        if result != 0 {
            assert_eq!(result, -5004);
            assert!((10_000..10_100).contains(&took));
            break;
        }
        sent += 1;
    }
    assert_eq!(sent, 7);
    world(|world| world.line().room = None);
    assert_eq!(timed(|| app.publish(c"a", &[7; 100], 0)), (0, 0));
}

#[test]
fn no_answer_ends_the_connection() {
    for call in [App::subscribe_a, App::unsubscribe_a] {
        serve(accept);
        let app = App::new(&CONFIG);
        assert_eq!(app.connect(), 0);
        let (result, took) = timed(|| call(&app));
        assert_eq!(result, -5001);
        assert!((10_000..10_100).contains(&took), "{took}");
        settle();
        let told = world(fake::World::take_told);
        assert_eq!(told, [Told::Connected, Told::Lost(app.client())]);
    }
}

impl App {
    fn subscribe_a(&self) -> i32 {
        self.subscribe(c"a", 1)
    }

    fn unsubscribe_a(&self) -> i32 {
        self.unsubscribe(c"a")
    }
}

#[test]
fn a_connection_that_breaks_while_a_call_waits() {
    serve(|line, packet| {
        accept(line, packet);
        if let Packet::Subscribe(_) = packet {
            line.at_end = -6;
        }
    });
    let app = App::new(&CONFIG);
    assert_eq!(app.connect(), 0);
    assert_eq!(timed(|| app.subscribe(c"a", 1)), (-5003, 0));
    let told = world(fake::World::take_told);
    assert_eq!(told, [Told::Connected, Told::Lost(app.client())]);
}

#[test]
fn a_subscription_that_is_refused() {
    for (code, expected) in [
        (ReasonCode::UnspecifiedError, -4872),
        (ReasonCode::GrantedQoS1, 1),
        (ReasonCode::Success, 1),
    ] {
        serve(move |line, packet| {
            accept(line, packet);
            if let Packet::Subscribe(subscribe) = packet {
                line.say(&Packet::SubAck(SubAck {
                    packet_id: subscribe.packet_id,
                    properties: List::EMPTY,
                    codes: List::from(&[code][..]),
                }));
            }
        });
        let app = App::new(&CONFIG);
        assert_eq!(app.connect(), 0);
        assert_eq!(app.subscribe(c"a", 2), expected);
        assert!(!world(|world| world.line().is_closed));
    }
}

#[test]
fn what_calls_refuse() {
    let app = App::connected(&CONFIG);
    let null = ptr::null();
    // SAFETY: C strings, or NULL.
    unsafe {
        assert_eq!(ffi::wm_mqtt_client_subscribe(app.0, null, 0), -3);
        assert_eq!(ffi::wm_mqtt_client_unsubscribe(app.0, null), -3);
        assert_eq!(ffi::wm_mqtt_client_publish(app.0, null, null, 0, 0, 0), -3);
        assert_eq!(
            ffi::wm_mqtt_client_publish(app.0, c"a".as_ptr(), null, 0, 1, 0),
            1
        );
        assert_eq!(
            ffi::wm_mqtt_client_publish(app.0, c"a".as_ptr(), null, 9, 1, 0),
            2
        );
        assert_eq!(
            ffi::wm_mqtt_client_subscribe_with(app.0, c"a".as_ptr(), 0, 4),
            -5016
        );
        let large = |topic: *const _, len, qos| {
            ffi::wm_mqtt_client_publish_large(app.0, topic, len, c"x".as_ptr().cast(), 1, qos, 0)
        };
        assert_eq!(large(c"a".as_ptr(), 2, 0), -5007);
        assert_eq!(large(c"ab".as_ptr(), 1, 0), 0);
        assert_eq!(large(c"ab".as_ptr(), 1, 3), -5009);
    }
    for (topic, qos, code) in [
        (c"\xff", 0, -5005),
        (c"a", 3, -5009),
        (c"a+b", 0, -5001),
        (c"", 0, -5001),
    ] {
        assert_eq!(app.subscribe(topic, qos), code);
        assert_eq!(why(app.0).0, code);
    }
    for (topic, qos, code) in [
        (c"\xff", 0, -5005),
        (c"a", 3, -5009),
        (c"a/+", 0, -5001),
        (c"", 0, -5001),
    ] {
        assert_eq!(app.publish(topic, b"x", qos), code);
    }
    assert_eq!(app.publish(c"a", &vec![7; 60_000], 1), -5001, "never fits");
    assert_eq!(app.unsubscribe(c"a/#/b"), -5001);
    // None of it has hurt the connection.
    assert_eq!(app.subscribe(c"a/#", 0), 3);
}

#[test]
fn payloads() {
    let seen = std::rc::Rc::new(core::cell::RefCell::new(vec![]));
    let log = seen.clone();
    serve(move |line, packet| {
        if let Packet::Publish(publish) = packet {
            log.borrow_mut()
                .push((publish.payload.to_vec(), publish.retain));
        }
        agree(line, packet);
    });
    let app = App::new(&CONFIG);
    assert_eq!(app.connect(), 0);
    let publish = |message: &CStr, len, retain| {
        // SAFETY: C strings, at least so long.
        let result = unsafe {
            ffi::wm_mqtt_client_publish(app.0, c"a".as_ptr(), message.as_ptr(), len, 0, retain)
        };
        assert_eq!(result, 0);
    };
    publish(c"hello", 0, 0);
    publish(c"hello", 2, 1);
    publish(c"", 0, 0);
    settle();
    assert_eq!(
        *seen.borrow(),
        [
            (b"hello".to_vec(), false),
            (b"he".to_vec(), true),
            (vec![], false)
        ]
    );
}

/// One client's server takes its time, which is nothing to another.
#[test]
fn clients_do_not_wait_for_each_other() {
    let one = App::connected(&CONFIG);
    let other = App::new(&CONFIG);
    serve(|line, packet| match packet {
        Packet::Connect(_) => {}
        _ => agree(line, packet),
    });
    // The handshake goes on; a call of another client comes in between and takes no time.
    world(|world| world.steps = vec![0; 3].into());
    let begun = world(|world| world.now());
    let handle = core::cell::Cell::new(0);
    fake::when_waiting(|| handle.set(one.subscribe(c"a", 0)));
    assert_eq!(other.connect(), -5001);
    assert_eq!(handle.get(), 1);
    assert!(world(|world| world.now()).wrapping_sub(begun) >= 30_000);
    assert_eq!(one.publish(c"a", b"x", 1), 2);
}

/// A call of another task, or a callback's, ends what waits.
#[test]
fn an_end_that_is_asked_for_meanwhile() {
    let app = App::new(&CONFIG);
    serve(|_, _| {});
    fake::when_waiting(|| assert_eq!(app.disconnect(), 0));
    assert_eq!(timed(|| app.connect()), (-5003, 0));
    settle();
    assert!(world(fake::World::take_told).is_empty());

    serve(|line, packet| match packet {
        Packet::Connect(_) => line.say(&ConnAck::new(false, ReasonCode::Success).into()),
        Packet::Disconnect(_) => line.at_end = -1,
        _ => {}
    });
    assert_eq!(app.connect(), 0);
    fake::when_waiting(|| assert_eq!(app.disconnect(), 0));
    assert_eq!(app.subscribe(c"a", 0), -5003);
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, Told::Disconnected]
    );
    pass(100);
}
