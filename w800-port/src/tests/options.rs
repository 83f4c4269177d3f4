//! What the vendor's client does not have.

use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use core::cell::RefCell;

use mqtt_core::wire::{Ack, ConnAck, Packet, ReasonCode, Version};

use super::fake::{self, Line, Told, pass, serve, settle, world};
use super::{App, CONFIG, OPTIONS, agree};
use crate::ffi::{self, RawOptions};

const AUTO: RawOptions = RawOptions {
    auto_reconnect: 1,
    ..OPTIONS
};

#[test]
fn it_connects_again_by_itself() {
    serve(agree);
    let app = App::with(&CONFIG, &AUTO);
    // Not before the first time.
    world(|world| world.open_error = Some(-4));
    assert_eq!(app.connect(), -5001);
    pass(200_000);
    assert_eq!(world(|world| world.targets.len()), 1);
    world(|world| world.open_error = None);
    assert_eq!(app.connect(), 0);
    world(|world| world.line().at_end = -6);
    settle();
    pass(1000);
    let lost = Told::Lost(app.client());
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, lost.clone(), Told::Connected]
    );
    // Each failure doubles the time to the next try, up to a minute.
    pass(10_000);
    world(|world| {
        world.line().at_end = -6;
        world.open_error = Some(-4);
        world.targets.clear();
    });
    let mut tries = vec![];
    let begun = world(|world| world.now());
    for _ in 0..4_000 {
        pass(100);
        let now = world(|world| world.now());
        while tries.len() < world(|world| world.targets.len()) {
            tries.push(now.wrapping_sub(begun));
        }
    }
    let mut before = 0;
    for (i, at) in tries.iter().enumerate() {
        let most = (1000 << i.min(10)).min(60_000) + 200;
        let gap = at - before;
        assert!(gap <= most && gap >= most / 4 * 3 - 300, "{tries:?}");
        before = *at;
    }
    assert!((8..=14).contains(&tries.len()), "{tries:?}");
    // Until it is told not to.
    assert_eq!(app.disconnect(), 0);
    pass(200_000);
    assert_eq!(world(|world| world.targets.len()), tries.len());
    assert_eq!(world(fake::World::take_told), [lost]);
}

/// It would have nobody to tell.
#[test]
fn it_does_not_connect_again_while_the_queue_is_full() {
    serve(agree);
    let app = App::with(&CONFIG, &AUTO);
    assert_eq!(app.connect(), 0);
    world(|world| world.queue = 0);
    // One event, and the end of the connection: that is all there is room for.
    assert_eq!(app.publish(c"a", b"x", 1), 1);
    settle();
    world(|world| world.line().at_end = -6);
    let rounds = world(|world| world.rounds);
    pass(60_000);
    world(|world| {
        assert!(world.rounds - rounds <= 10_000, "{}", world.rounds - rounds);
        assert_eq!(world.targets.len(), 1);
        world.queue = usize::MAX;
    });
    pass(1000);
    assert_eq!(
        world(fake::World::take_told),
        [
            Told::Connected,
            Told::Published(1),
            Told::Lost(app.client()),
            Told::Connected
        ]
    );
}

/// A server that accepts and hangs up has its pauses, too.
#[test]
fn a_connection_that_does_not_last() {
    serve(|line, packet| {
        agree(line, packet);
        line.at_end = -1;
    });
    let app = App::with(&CONFIG, &AUTO);
    assert_eq!(app.connect(), 0);
    pass(120_000);
    let tries = world(|world| world.targets.len());
    assert!((7..=10).contains(&tries), "{tries}");
    assert_eq!(app.disconnect(), 0);
}

#[test]
fn a_session_that_was_taken_over_is_not_taken_back() {
    world(|world| world.version = Version::V5);
    serve(|line, packet| {
        if let Packet::Connect(_) = packet {
            let connack = ConnAck::new(false, ReasonCode::Success);
            line.say_in(&connack.into(), Version::V5);
        }
    });
    for (code, tries) in [
        (ReasonCode::ServerShuttingDown, 2),
        (ReasonCode::SessionTakenOver, 1),
    ] {
        let app = App::with(
            &CONFIG,
            &RawOptions {
                mqtt_version: 5,
                ..AUTO
            },
        );
        world(|world| world.targets.clear());
        assert_eq!(app.connect(), 0);
        let packet = mqtt_core::wire::Disconnect::new(code);
        world(|world| world.line().say_in(&packet.into(), Version::V5));
        pass(5_000);
        assert_eq!(world(|world| world.targets.len()), tries);
        drop(app);
    }
}

#[test]
fn a_call_does_not_wait_for_the_next_try() {
    serve(agree);
    let app = App::with(
        &CONFIG,
        &RawOptions {
            reconnect_min: 30,
            ..AUTO
        },
    );
    assert_eq!(app.connect(), 0);
    world(|world| world.line().at_end = -6);
    settle();
    let begun = world(|world| world.now());
    assert_eq!(app.connect(), 0);
    assert_eq!(world(|world| world.now()), begun);
}

/// The server has not kept the session: what was sent is lost, as far as anybody knows.
#[test]
fn lost_messages_are_told() {
    for options in [None, Some(OPTIONS)] {
        serve(|line, packet| match packet {
            Packet::Publish(_) => {}
            _ => agree(line, packet),
        });
        let app = match options {
            Some(options) => App::with(&CONFIG, &options),
            None => App::new(&CONFIG),
        };
        assert_eq!(app.connect(), 0);
        assert_eq!(app.publish(c"a", b"x", 1), 1);
        settle();
        world(|world| world.line().at_end = -6);
        settle();
        world(fake::World::take_told);
        assert_eq!(app.connect(), 0);
        settle();
        let mut expected = vec![Told::Connected];
        // The vendor's applications know no such event.
        expected.extend(options.map(|_| Told::Unsent(1)));
        assert_eq!(world(fake::World::take_told), expected);
    }
}

const V5: RawOptions = RawOptions {
    mqtt_version: 5,
    ..OPTIONS
};

#[test]
fn version_5() {
    world(|world| world.version = Version::V5);
    let seen = Rc::new(RefCell::new(vec![]));
    let log = seen.clone();
    serve(move |line: &mut Line, packet: &Packet<'_>| match packet {
        Packet::Connect(connect) => {
            assert_eq!(connect.version, Version::V5);
            let connack = ConnAck::new(false, ReasonCode::Success);
            line.say_in(&connack.into(), Version::V5);
        }
        Packet::Subscribe(subscribe) => {
            let filter = subscribe.filters.iter().next().unwrap();
            log.borrow_mut().push((
                filter.no_local,
                filter.retain_as_published,
                filter.retain_handling as u8,
            ));
            let codes = [ReasonCode::NotAuthorized];
            line.say_in(
                &Packet::SubAck(mqtt_core::wire::SubAck {
                    packet_id: subscribe.packet_id,
                    properties: mqtt_core::wire::List::EMPTY,
                    codes: mqtt_core::wire::List::from(&codes[..]),
                }),
                Version::V5,
            );
        }
        Packet::Publish(publish) => {
            let ack = Ack {
                code: ReasonCode::QuotaExceeded,
                ..Ack::new(publish.packet_id.unwrap())
            };
            line.say_in(&Packet::PubAck(ack), Version::V5);
        }
        Packet::Disconnect(_) => line.at_end = -1,
        _ => {}
    });
    let app = App::with(&CONFIG, &V5);
    assert_eq!(app.connect(), 0);
    // SAFETY: C strings.
    let with =
        |options| unsafe { ffi::wm_mqtt_client_subscribe_with(app.0, c"a".as_ptr(), 1, options) };
    assert_eq!(with(0x04 | 0x08 | 0x20), -4872);
    assert_eq!(with(0x10), -4872);
    assert_eq!(with(0x30), -3);
    assert_eq!(with(0x40), -3);
    assert_eq!(*seen.borrow(), [(true, true, 2), (false, false, 1)]);
    // Turned down, so it is not published.
    assert_eq!(app.publish(c"a", b"x", 1), 3);
    settle();
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, Told::Unsent(3)]
    );
}

/// What the transmit buffer does not hold.
#[test]
fn large_messages() {
    for qos in 0..=2 {
        let seen = Rc::new(RefCell::new(vec![]));
        let log = seen.clone();
        serve(move |line: &mut Line, packet: &Packet<'_>| {
            if let Packet::Publish(publish) = packet {
                log.borrow_mut().push(publish.payload.to_vec());
            }
            agree(line, packet);
        });
        let app = App::new(&CONFIG);
        assert_eq!(app.connect(), 0);
        let payload: Vec<u8> = (0..200_000).map(|i| (i / 3) as u8).collect();
        let topic = c"a".as_ptr();
        // SAFETY: valid.
        let result = unsafe {
            let len = payload.len();
            ffi::wm_mqtt_client_publish_large(app.0, topic, 0, payload.as_ptr().cast(), len, qos, 0)
        };
        assert_eq!(result, i32::from(qos > 0));
        settle();
        assert_eq!(*seen.borrow(), [payload]);
        let mut told = vec![Told::Connected];
        told.extend((qos > 0).then_some(Told::Published(1)));
        assert_eq!(world(fake::World::take_told), told);
        drop(app);
        world(fake::World::take_told);
    }
}

#[test]
fn a_large_message_that_gets_stuck() {
    serve(agree);
    let app = App::new(&CONFIG);
    assert_eq!(app.connect(), 0);
    world(|world| {
        world.take_told();
        world.line().room = Some(1000);
    });
    let payload = vec![7; 5000];
    // SAFETY: valid.
    let result = unsafe {
        let topic = c"a".as_ptr();
        ffi::wm_mqtt_client_publish_large(app.0, topic, 0, payload.as_ptr().cast(), 5000, 0, 0)
    };
    assert_eq!(result, -5001);
    settle();
    assert_eq!(world(fake::World::take_told), [Told::Lost(app.client())]);
}
