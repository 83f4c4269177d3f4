//! Anything in any order: calls, faults of the server and the network, a queue and a heap that are full.

use core::cell::{Cell, RefCell};
use std::rc::Rc;
use std::vec::Vec;

use mqtt_core::wire::{ConnAck, Packet, PacketId, Publish, QoS, ReasonCode, Version};

use super::fake::{self, Line, Told, pass, serve, world};
use super::{App, CONFIG, OPTIONS, agree, websocket};
use crate::ffi::{RawConfig, RawOptions};

/// Numbers that are the same each time.
#[derive(Clone)]
struct Random(Rc<Cell<u64>>);

impl Random {
    fn below(&self, n: u32) -> u32 {
        let next = self
            .0
            .get()
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0.set(next);
        ((next >> 33) % u64::from(n)) as u32
    }
}

/// What an application may conclude from what it is told.
#[derive(Default)]
struct Model {
    is_up: bool,
    connections: usize,
    received: usize,
    /// Identifiers of messages that are on their way.
    sent: Vec<i32>,
}

impl Model {
    fn hear(&mut self, told: Vec<Told>) {
        for told in told {
            match &told {
                Told::Connected => {
                    assert!(!core::mem::replace(&mut self.is_up, true));
                    self.connections += 1;
                }
                Told::Disconnected | Told::Lost(_) => {
                    assert!(core::mem::take(&mut self.is_up));
                }
                Told::Published(id) | Told::Unsent(id) => {
                    let id = *id;
                    let at = self.sent.iter().position(|sent| *sent == id);
                    assert!(at.is_some(), "{id} is not on its way: {told:?}");
                    self.sent.remove(at.unwrap());
                }
                Told::Data { topic, payload, .. } => {
                    assert_eq!(topic, "t");
                    self.received += 1;
                    assert!(
                        payload
                            .as_ref()
                            .is_none_or(|payload| payload.iter().all(|b| *b == 7))
                    );
                }
                Told::Part { total, .. } => assert!(*total > 500),
            }
        }
    }
}

/// A server that is not always well.
fn server(random: Random, sessions: Rc<RefCell<bool>>) -> impl FnMut(&mut Line, &Packet<'_>) {
    move |line, packet| {
        match (packet, random.below(20)) {
            (_, 0) => line.at_end = -6,
            (_, 1) => {}
            (Packet::Connect(_), 2) => {
                line.say(&ConnAck::new(false, ReasonCode::ServerUnavailable).into());
            }
            (Packet::Connect(connect), _) => {
                let present = *sessions.borrow() && !connect.clean_start;
                *sessions.borrow_mut() = !connect.clean_start;
                line.say(&ConnAck::new(present, ReasonCode::Success).into());
            }
            _ => agree(line, packet),
        }
        if random.below(3) == 0 && !matches!(packet, Packet::Connect(_)) {
            say(line, &random);
        }
    }
}

fn say(line: &mut Line, random: &Random) {
    let payload = std::vec![7; [0, 10, 300, 3000][random.below(4) as usize]];
    let qos = QoS::from_u8(random.below(2) as u8).unwrap();
    let id = PacketId::new(1 + random.below(60_000) as u16);
    line.say(&Packet::Publish(Publish {
        qos,
        packet_id: id.filter(|_| qos != QoS::AtMostOnce),
        ..Publish::new("t", &payload)
    }));
}

/// Whether it was over WebSocket, and what came of it.
fn run(seed: u64) -> (bool, Model) {
    // Seeds in a row are not to begin alike.
    let random = Random(Rc::new(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
    random.below(2);
    world(|world| world.version = Version::V311);
    let server = server(random.clone(), Rc::new(RefCell::new(false)));
    let over_websocket = random.below(3) == 0;
    if over_websocket {
        websocket::serve(websocket::CONSENT, |_| {}, server);
    } else {
        serve(server);
    }
    let config = RawConfig {
        clean_session: random.below(2) as u8,
        keep_alive: 5,
        uri: if over_websocket { c"ws://h" } else { c"h" }.as_ptr(),
        ..CONFIG
    };
    let options = RawOptions {
        auto_reconnect: random.below(2) as u8,
        part_size: [0, 200][random.below(2) as usize],
        max_message: 500,
        ..OPTIONS
    };
    let app = App::with(&config, &options);
    let mut model = Model::default();
    for _ in 0..60 {
        let (before, rounds) = world(|world| (world.now(), world.rounds));
        match random.below(16) {
            0 | 1 => assert!([0, -5001, -4997].contains(&app.connect())),
            2 => assert_eq!(app.disconnect(), 0),
            3 => {
                let result = app.reconnect();
                assert!([0, -5001, -4997].contains(&result), "{result}");
                model.hear(world(fake::World::take_told));
                model.sent.clear();
            }
            4 => {
                let result = app.subscribe(c"t", 1);
                assert!(result > 0 || [-5003, -5001].contains(&result), "{result}");
            }
            n @ 5..=9 => {
                let payload = std::vec![1; [0, 50, 500][random.below(3) as usize]];
                let result = app.publish(c"p", &payload, (n % 3) as u8);
                assert!(result >= 0 || [-5003, -5004].contains(&result), "{result}");
                model.sent.extend((result > 0).then_some(result));
            }
            10 => world(|world| world.queue = random.below(4) as usize),
            11 => world(|world| world.queue = usize::MAX),
            12 => world(|world| world.memory = random.below(4) as usize),
            13 => world(|world| world.memory = usize::MAX),
            14 => world(|world| {
                if let Some(line) = world.lines.last_mut() {
                    match random.below(3) {
                        0 => line.at_end = -1,
                        1 => line.room = Some(random.below(50) as usize),
                        _ => line.room = None,
                    }
                }
            }),
            _ => pass(random.below(12_000)),
        }
        model.hear(world(fake::World::take_told));
        // 20 milliseconds apart, or because something happens.
        let (after, more) = world(|world| (world.now(), world.rounds - rounds));
        let took = after.wrapping_sub(before) as usize;
        assert!(more <= 2000 + took / 5, "{more} rounds in {took} ms");
    }
    world(|world| {
        world.queue = usize::MAX;
        world.memory = usize::MAX;
    });
    drop(app);
    pass(100);
    model.hear(world(fake::World::take_told));
    assert!(!model.is_up);
    world(|world| assert!(world.lines.iter().all(|line| line.is_closed)));
    (over_websocket, model)
}

/// `PROPTEST_CASES` is how many, `RANDOM_SEED` is the first.
#[test]
#[expect(clippy::print_stderr, reason = "shown if it fails")]
fn anything_in_any_order() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    let first = number("RANDOM_SEED").unwrap_or(0);
    let mut connections = [0; 2];
    let mut received = [0; 2];
    for seed in first..first + number("PROPTEST_CASES").unwrap_or(100).max(30) {
        std::eprintln!("RANDOM_SEED={seed}");
        let (over_websocket, model) = run(seed);
        connections[usize::from(over_websocket)] += model.connections;
        received[usize::from(over_websocket)] += model.received;
        world(|world| world.lines.clear());
    }
    std::eprintln!("{connections:?} connections, {received:?} messages");
    assert!(connections.iter().chain(&received).all(|n| *n > 50));
}
