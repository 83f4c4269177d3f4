//! How connections begin and end.

use std::rc::Rc;
use std::vec::Vec;
use std::{format, vec};

use core::cell::RefCell;
use core::ffi::{CStr, c_char};
use core::ptr;

use mqtt_core::wire::{ConnAck, Packet, QoS, ReasonCode, Version};

use super::fake::{self, Line, Seen, Told, accept, pass, serve, settle, world};
use super::{App, CONFIG, OPTIONS, agree, why};
use crate::ffi::{self, RawConfig, RawOptions};

#[test]
fn a_day_in_the_life() {
    let app = App::connected(&CONFIG);
    assert_eq!(app.subscribe(c"a/#", 1), 1);
    assert_eq!(app.publish(c"b", b"hello", 0), 0);
    assert_eq!(app.publish(c"b", b"hello", 1), 2);
    assert_eq!(app.publish(c"b", b"hello", 2), 3);
    settle();
    assert_eq!(
        world(fake::World::take_told),
        [Told::Published(2), Told::Published(3)]
    );
    assert_eq!(app.unsubscribe(c"a/#"), 4);
    assert_eq!(app.disconnect(), 0);
    assert_eq!(world(fake::World::take_told), [Told::Disconnected]);
}

/// The first packet that a client sends, looked at.
fn first(config: &RawConfig, look: impl Fn(&Packet<'_>) + 'static) {
    let seen = Rc::new(RefCell::new(0));
    let count = seen.clone();
    serve(move |line, packet| {
        if let Packet::Connect(_) = packet {
            look(packet);
            *count.borrow_mut() += 1;
        }
        accept(line, packet);
    });
    let app = App::new(config);
    assert_eq!(app.connect(), 0);
    assert_eq!(*seen.borrow(), 1);
}

#[test]
fn connect_of_an_empty_configuration() {
    first(&CONFIG, |packet| {
        let Packet::Connect(connect) = packet else {
            unreachable!()
        };
        assert_eq!(connect.version, Version::V311);
        assert!(!connect.clean_start, "zero is zero");
        assert_eq!(connect.keep_alive, 60);
        assert_eq!(connect.client_id, "W800_29315F");
        assert_eq!(
            (connect.will, connect.username, connect.password),
            (None, None, None)
        );
    });
}

#[test]
fn connect_of_a_full_configuration() {
    let config = RawConfig {
        client_id: c"me".as_ptr(),
        username: c"who".as_ptr(),
        password: c"secret".as_ptr(),
        will_topic: c"gone".as_ptr(),
        will_msg: c"bye".as_ptr(),
        will_qos: 2,
        will_retain: 1,
        keep_alive: 7,
        clean_session: 1,
        debug: 1,
        ..CONFIG
    };
    first(&config, |packet| {
        let Packet::Connect(connect) = packet else {
            unreachable!()
        };
        assert_eq!(connect.client_id, "me");
        assert_eq!(connect.username, Some("who"));
        assert_eq!(connect.password, Some(&b"secret"[..]));
        let will = connect.will.unwrap();
        assert_eq!(
            (will.topic, will.payload, will.qos),
            ("gone", &b"bye"[..], QoS::ExactlyOnce)
        );
        assert!(will.retain && connect.clean_start);
        assert_eq!(connect.keep_alive, 7);
    });
    world(|world| {
        assert!(world.log.iter().any(|line| line.contains("connected")));
        assert!(
            !world
                .log
                .iter()
                .any(|line| line.contains("secret") || line.contains("who"))
        );
    });
}

#[test]
fn what_has_no_value_is_not_looked_at() {
    let config = RawConfig {
        username: c"who".as_ptr(),
        will_topic: c"gone".as_ptr(),
        ..CONFIG
    };
    first(&config, |packet| {
        let Packet::Connect(connect) = packet else {
            unreachable!()
        };
        assert_eq!((connect.username, connect.password), (Some("who"), None));
        assert_eq!(connect.will.unwrap().payload, b"");
    });
    let config = RawConfig {
        password: c"secret".as_ptr(),
        will_msg: c"bye".as_ptr(),
        ..CONFIG
    };
    first(&config, |packet| {
        let Packet::Connect(connect) = packet else {
            unreachable!()
        };
        assert_eq!(
            (connect.username, connect.password, connect.will),
            (None, None, None)
        );
    });
}

#[test]
fn the_handle_shows_what_was_copied() {
    let alpn = [c"mqtt".as_ptr(), c"x-mqtt".as_ptr(), ptr::null()];
    let app = App::new(&RawConfig {
        uri: c"mqtts://broker:1".as_ptr(),
        username: c"who".as_ptr(),
        ca: c"PEM".as_ptr(),
        alpn: alpn.as_ptr(),
        ..CONFIG
    });
    let handle = app.handle();
    // SAFETY: C strings, as long as the client is there.
    let text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_str().unwrap();
    assert_eq!(text(handle.uri), "mqtts://broker:1");
    assert_eq!(text(handle.client_id), "W800_29315F");
    assert_eq!(text(handle.username), "who");
    assert_eq!(text(handle.ca), "PEM");
    // SAFETY: an array of three.
    let alpn = unsafe { [*handle.alpn, *handle.alpn.add(1), *handle.alpn.add(2)] };
    assert_eq!((text(alpn[0]), text(alpn[1])), ("mqtt", "x-mqtt"));
    assert!(alpn[2].is_null() && handle.password.is_null() && handle.will_msg.is_null());
    assert!(!handle.client.is_null());
}

#[test]
fn where_a_uri_leads() {
    let pem = RawConfig {
        ca: c"CA".as_ptr(),
        cert: c"CERT".as_ptr(),
        key: c"KEY".as_ptr(),
        ..CONFIG
    };
    let plain = Seen {
        host: "h".into(),
        port: 1883,
        ca: Some("CA".into()),
        verify: 1,
        ..Seen::default()
    };
    let tls = Seen {
        tls: 1,
        port: 8883,
        ..plain.clone()
    };
    let both = Seen {
        cert: Some("CERT".into()),
        key: Some("KEY".into()),
        ..tls.clone()
    };
    let nobody = Seen {
        verify: 0,
        ca: None,
        ..tls.clone()
    };
    let alpn = [c"mqtt".as_ptr(), ptr::null()];
    let none = ptr::null::<c_char>();
    for (uri, auth_mode, ca, expected) in [
        (c"h", 0, pem.ca, plain),
        (c"mqtts://h", 0, pem.ca, tls.clone()),
        (c"mqtts://h", 0, none, nobody.clone()),
        (c"mqtts://h", 1, pem.ca, tls.clone()),
        (c"mqtts://h", 2, pem.ca, both.clone()),
        (
            c"mqtts://h",
            2,
            none,
            Seen {
                verify: 0,
                ca: None,
                ..both.clone()
            },
        ),
        (c"mqtts://h", 3, pem.ca, both),
        (
            c"ssl://[::1]:77",
            1,
            pem.ca,
            Seen {
                host: "::1".into(),
                port: 77,
                ..tls.clone()
            },
        ),
        (c"wss://h/x", 1, pem.ca, Seen { port: 443, ..tls }),
    ] {
        world(|world| world.open_error = Some(-9));
        let app = App::new(&RawConfig {
            uri: uri.as_ptr(),
            auth_mode,
            ca,
            alpn: alpn.as_ptr(),
            ..pem
        });
        assert_eq!(app.connect(), -5001);
        let seen = world(|world| world.targets.pop().unwrap());
        let expected = Seen {
            alpn: vec!["mqtt".into()],
            ..expected
        };
        assert_eq!(seen, expected, "{uri:?} {auth_mode}");
    }
}

/// `init` that fails: the number, and that nothing is left of it.
fn refused(config: &RawConfig, options: &RawOptions) -> i32 {
    let mut error = 0;
    // SAFETY: valid.
    let handle = unsafe { ffi::wm_mqtt_client_init_with(config, options, &raw mut error) };
    assert!(handle.is_null());
    let (code, text) = why(ptr::null());
    assert_eq!(code, error);
    assert!(!text.is_empty());
    assert_eq!(world(|world| world.in_use()), 0);
    error
}

#[test]
fn init_that_fails() {
    let with = |uri: &CStr| {
        refused(
            &RawConfig {
                uri: uri.as_ptr(),
                ..CONFIG
            },
            &OPTIONS,
        )
    };
    assert_eq!(with(c"http://h"), -5014);
    assert_eq!(with(c"mqtt://h:0"), -3);
    assert_eq!(with(c"mqtt://\xff"), -5005);
    let uri = ptr::null();
    assert_eq!(refused(&RawConfig { uri, ..CONFIG }, &OPTIONS), -3);
    let client_id = c"\xff".as_ptr();
    assert_eq!(
        refused(
            &RawConfig {
                client_id,
                ..CONFIG
            },
            &OPTIONS
        ),
        -5005
    );
    assert_eq!(
        refused(
            &RawConfig {
                auth_mode: 4,
                ..CONFIG
            },
            &OPTIONS
        ),
        -3
    );
    assert_eq!(refused(&CONFIG, &RawOptions { size: 8, ..OPTIONS }), -5008);
    assert_eq!(
        refused(
            &CONFIG,
            &RawOptions {
                mqtt_version: 6,
                ..OPTIONS
            }
        ),
        -5011
    );
    assert_eq!(
        refused(
            &CONFIG,
            &RawOptions {
                session_expiry: 1,
                ..OPTIONS
            }
        ),
        -5015
    );
    world(|world| world.memory = 0);
    assert_eq!(refused(&CONFIG, &OPTIONS), -5099);
    // SAFETY: NULL is allowed for all of them.
    unsafe {
        assert!(ffi::wm_mqtt_client_init(ptr::null()).is_null());
        assert!(ffi::wm_mqtt_client_init_with(ptr::null(), ptr::null(), ptr::null_mut()).is_null());
    }
    assert_eq!(why(ptr::null()).0, -3);
}

#[test]
fn connect_that_does_not_begin() {
    let tls = RawConfig {
        uri: c"mqtts://h".as_ptr(),
        ..CONFIG
    };
    let ca = c"CA".as_ptr();
    let cert = c"CERT".as_ptr();
    for (config, code) in [
        (
            RawConfig {
                auth_mode: 1,
                ..tls
            },
            -5006,
        ),
        (
            RawConfig {
                auth_mode: 2,
                cert,
                ..tls
            },
            -5006,
        ),
        (
            RawConfig {
                auth_mode: 3,
                ca,
                cert,
                ..tls
            },
            -5006,
        ),
        (
            RawConfig {
                will_topic: c"".as_ptr(),
                ..CONFIG
            },
            -5017,
        ),
        (
            RawConfig {
                will_topic: c"a".as_ptr(),
                will_qos: 3,
                ..CONFIG
            },
            -5009,
        ),
        (
            RawConfig {
                will_topic: c"\xff".as_ptr(),
                ..CONFIG
            },
            -5005,
        ),
        (
            RawConfig {
                username: c"\xff".as_ptr(),
                ..CONFIG
            },
            -5005,
        ),
        (
            RawConfig {
                username: c"a".as_ptr(),
                password: c"\xff".as_ptr(),
                ..CONFIG
            },
            -5005,
        ),
    ] {
        let app = App::new(&config);
        assert_eq!(app.connect(), code);
        assert_eq!(why(app.0).0, code);
        assert_eq!(app.reconnect(), code);
        assert!(world(
            |world| world.targets.is_empty() && world.told.is_empty()
        ));
    }
}

#[test]
fn streams_that_do_not_open() {
    for (error, code, text) in [
        (-2, -5001, "network error"),
        (-3, -5001, "the host's name has no address"),
        (-4, -5001, "nobody listens at that address and port"),
        (-5, -5001, "the network does not reach the server"),
        (-7, -5001, "the network gave up"),
        (-8, -5099, "no memory"),
        (-9, -5001, "all sockets are taken"),
        (
            -0x2700 - 0x1_0000,
            -5000 - 0x2700,
            "TLS error -0x2700: expired",
        ),
    ] {
        let app = App::new(&CONFIG);
        world(|world| {
            world.steps = [0, 0, error].into();
            world.reason = (code < -5100).then(|| c"expired".into());
        });
        assert_eq!(app.connect(), code);
        assert_eq!(why(app.0), (code, text.into()));
        world(|world| {
            world.reason = None;
            world.open_error = Some(error);
        });
        assert_eq!(app.connect(), code);
        world(|world| world.open_error = None);
        assert!(world(|world| world.told.is_empty()));
    }
}

#[test]
fn refusals() {
    for (version, code, expected) in [
        (Version::V311, ReasonCode::UnsupportedProtocolVersion, -4999),
        (Version::V311, ReasonCode::ClientIdentifierNotValid, -4998),
        (Version::V311, ReasonCode::ServerUnavailable, -4997),
        (Version::V311, ReasonCode::BadUserNameOrPassword, -4996),
        (Version::V311, ReasonCode::NotAuthorized, -4995),
        (Version::V5, ReasonCode::NotAuthorized, -4995),
        (Version::V5, ReasonCode::BadUserNameOrPassword, -4996),
        (Version::V5, ReasonCode::Banned, -5001),
    ] {
        world(|world| world.version = version);
        serve(move |line, _| line.say_in(&ConnAck::new(false, code).into(), version));
        let mqtt_version = version as u8;
        let app = App::with(
            &CONFIG,
            &RawOptions {
                mqtt_version,
                ..OPTIONS
            },
        );
        assert_eq!(app.connect(), expected);
        assert_eq!(why(app.0).0, expected);
        assert!(why(app.0).1.starts_with("refused"));
        // Nobody tries again with another version.
        world(|world| {
            assert!(world.told.is_empty());
            assert_eq!(core::mem::take(&mut world.lines).len(), 1);
        });
        // The streams are gone, so are their numbers.
    }
}

#[test]
fn nobody_answers() {
    // Neither the name server, nor the broker.
    for last_step in [0, 1] {
        world(|world| world.last_step = last_step);
        serve(|_, _| {});
        let app = App::new(&CONFIG);
        let begun = world(|world| world.now());
        assert_eq!(app.connect(), -5001);
        let took = world(|world| world.now()).wrapping_sub(begun);
        assert!((30_000..30_100).contains(&took), "{took}");
    }
}

#[test]
fn connected_is_connected() {
    let app = App::connected(&CONFIG);
    assert_eq!(app.connect(), 0);
    settle();
    world(|world| {
        assert!(world.told.is_empty());
        assert_eq!(world.lines.len(), 1);
    });
}

#[test]
fn what_is_no_client() {
    let nobody = |handle| {
        let topic = c"a".as_ptr();
        assert_eq!(ffi::wm_mqtt_client_deinit(handle), -3);
        assert_eq!(ffi::wm_mqtt_client_connect(handle), -3);
        assert_eq!(ffi::wm_mqtt_client_disconnect(handle), -3);
        assert_eq!(ffi::wm_mqtt_client_reconnect(handle), -3);
        // SAFETY: C strings.
        unsafe {
            assert_eq!(ffi::wm_mqtt_client_subscribe(handle, topic, 0), -7);
            assert_eq!(ffi::wm_mqtt_client_unsubscribe(handle, topic), -7);
            assert_eq!(ffi::wm_mqtt_client_unsubcribe(handle, topic), -7);
            assert_eq!(
                ffi::wm_mqtt_client_publish(handle, topic, topic, 0, 0, 0),
                -7
            );
        }
    };
    nobody(ptr::null());
    let app = App::new(&CONFIG);
    let stale = app.0;
    let client = app.handle().client;
    // SAFETY: it is there; applications should not, but have always been able to.
    unsafe { (*app.0).client = ptr::null() };
    nobody(app.0);
    // SAFETY: the same.
    unsafe { (*app.0).client = client };
    drop(app);
    nobody(stale);
}

#[test]
fn a_connection_that_breaks() {
    for how in [-1, -6, -2] {
        let app = App::connected(&CONFIG);
        world(|world| world.line().at_end = how);
        settle();
        assert_eq!(world(fake::World::take_told), [Told::Lost(app.client())]);
        assert_eq!(app.publish(c"a", b"x", 1), -5003);
        assert_eq!(app.subscribe(c"a", 1), -5003);
        assert_eq!(app.unsubscribe(c"a"), -5003);
        assert_eq!(app.disconnect(), 0);
        assert_eq!(app.connect(), 0);
        assert_eq!(world(fake::World::take_told), [Told::Connected]);
        world(|world| world.line().write_error = Some(how.min(-2)));
        assert_eq!(app.publish(c"a", b"x", 0), 0);
        settle();
        assert_eq!(world(fake::World::take_told), [Told::Lost(app.client())]);
    }
}

#[test]
fn a_server_that_breaks_the_protocol() {
    let app = App::connected(&CONFIG);
    world(|world| world.line().to_client.extend(b"\xf0\x00"));
    settle();
    assert_eq!(world(fake::World::take_told), [Told::Lost(app.client())]);
    let (code, text) = why(app.0);
    assert_eq!(code, -5001);
    assert!(
        text.starts_with("the server broke the protocol 0x"),
        "{text}"
    );
}

#[test]
fn reconnect_begins_anew() {
    let app = App::connected(&CONFIG);
    assert_eq!(app.publish(c"a", b"x", 1), 1);
    let before = app.client();
    assert_eq!(app.reconnect(), 0);
    let after = app.client();
    assert_ne!(before, after);
    assert_eq!(
        world(fake::World::take_told),
        [Told::Published(1), Told::Disconnected, Told::Connected]
    );
    world(|world| world.line().at_end = -1);
    settle();
    assert_eq!(world(fake::World::take_told), [Told::Lost(after)]);
    // From a lost connection, without an end before.
    assert_eq!(app.publish(c"a", b"x", 1), -5003);
    assert_eq!(app.reconnect(), 0);
    assert_eq!(world(fake::World::take_told), [Told::Connected]);
    assert_eq!(app.publish(c"a", b"x", 1), 1, "identifiers begin anew");
}

#[test]
fn disconnect_waits_for_messages() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    serve(move |line, packet| {
        log.borrow_mut().push(packet.packet_type());
        agree(line, packet);
    });
    let app = App::new(&CONFIG);
    assert_eq!(app.connect(), 0);
    assert_eq!(app.publish(c"a", b"x", 2), 1);
    assert_eq!(app.disconnect(), 0);
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, Told::Published(1), Told::Disconnected]
    );
    let types: Vec<_> = seen.borrow().iter().map(|t| format!("{t}")).collect();
    assert_eq!(types, ["CONNECT", "PUBLISH", "PUBREL", "DISCONNECT"]);

    // But not for ever, and it is as good as any without an answer.
    serve(accept);
    assert_eq!(app.connect(), 0);
    assert_eq!(app.publish(c"a", b"x", 1), 2);
    let begun = world(|world| world.now());
    assert_eq!(app.disconnect(), 0);
    let took = world(|world| world.now()).wrapping_sub(begun);
    assert!((8_000..=10_000).contains(&took), "{took}");
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, Told::Disconnected]
    );
    assert_eq!(app.disconnect(), 0);
    assert!(world(fake::World::take_told).is_empty());
}

/// What is sent again has the DUP flag, on the same handle without `clean_session`.
#[test]
fn connect_again_sends_again() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    serve(move |line: &mut Line, packet: &Packet<'_>| match packet {
        Packet::Connect(_) => line.say(&ConnAck::new(true, ReasonCode::Success).into()),
        Packet::Publish(publish) => {
            log.borrow_mut()
                .push((publish.packet_id.unwrap().get(), publish.dup));
            if publish.dup {
                agree(line, packet);
            }
        }
        _ => agree(line, packet),
    });
    let app = App::new(&CONFIG);
    assert_eq!(app.connect(), 0);
    assert_eq!(app.publish(c"a", b"x", 1), 1);
    assert_eq!(app.publish(c"a", b"y", 2), 2);
    settle();
    world(|world| world.line().at_end = -1);
    settle();
    assert_eq!(app.connect(), 0);
    settle();
    assert_eq!(
        *seen.borrow(),
        [(1, false), (2, false), (1, true), (2, true)]
    );
    assert_eq!(
        world(fake::World::take_told),
        [
            Told::Connected,
            Told::Lost(app.client()),
            Told::Connected,
            Told::Published(1),
            Told::Published(2)
        ]
    );
}

#[test]
fn a_silent_link_is_noticed() {
    let keep_alive = 20;
    let app = App::connected(&RawConfig {
        keep_alive,
        ..CONFIG
    });
    pass(60_000);
    assert!(
        world(|world| world.told.is_empty()),
        "an answer to each PINGREQ"
    );
    serve(|_, _| {});
    let begun = world(|world| world.now());
    while world(|world| world.told.is_empty()) {
        pass(100);
    }
    let took = world(|world| world.now()).wrapping_sub(begun);
    assert!(took <= 30_000, "{took}");
    assert_eq!(world(fake::World::take_told), [Told::Lost(app.client())]);
    assert_eq!(why(app.0), (-5001, "the server is silent".into()));
}

/// Between keep-alives, and without a connection, there is nothing to wake up for.
#[test]
fn the_task_sleeps() {
    let app = App::connected(&CONFIG);
    settle();
    let waits = world(|world| world.waits);
    assert!((59_000..=60_000).contains(&waits), "{waits}");
    assert_eq!(app.disconnect(), 0);
    settle();
    assert_eq!(world(|world| world.waits), u32::MAX);
}

#[test]
fn deinit_in_any_state() {
    let app = App::new(&CONFIG);
    drop(app);
    // Connected: the end is in order, and told.
    drop(App::connected(&CONFIG));
    assert_eq!(world(fake::World::take_told), [Told::Disconnected]);
    // Lost.
    let app = App::connected(&CONFIG);
    world(|world| world.line().at_end = -6);
    settle();
    assert_eq!(world(fake::World::take_told), [Told::Lost(app.client())]);
    drop(app);
    // With the event queue full: the end is told as soon as there is room.
    let app = App::connected(&CONFIG);
    world(|world| {
        world.told.clear();
        world.queue = 0;
    });
    drop(app);
    world(|world| world.queue = 1);
    pass(1000);
    assert_eq!(world(fake::World::take_told), [Told::Disconnected]);
}
