//! The real session over the disk that loses power, and a server that does not.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use mqtt_core::wire::{Ack, ConnAck, Packet, PacketId, QoS, ReasonCode, Version};
use mqtt_core::{Client, Config, Durability, Error, HeapStorage, Instant, Message};
use proptest::prelude::*;

use super::super::Sync;
use super::super::log::Log;
use super::world::{Fault, Random, SimDisk, World};

#[derive(Clone, Debug)]
enum Step {
    /// Hands over so many messages.
    Publish(u8),
    /// Saves, sends so many bytes, receives.
    Turn(usize),
    /// The connection is lost, and what was on its way.
    Lose,
    Restart,
    Fault(usize, Fault),
}

const NOW: fn() -> Instant = Instant::default;
const VERSION: Version = Version::V5;

#[derive(Debug, Default)]
struct Server {
    has_session: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    /// QoS 2 messages whose PUBREL has not come.
    held: BTreeSet<PacketId>,
    /// What the subscribers got.
    delivered: Vec<u64>,
}

impl Server {
    fn begin_connection(&mut self) {
        self.input.clear();
        self.output.clear();
    }

    fn turn(&mut self) {
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some((packet, n)) = Packet::decode(rest, VERSION).unwrap() {
            rest = &rest[n..];
            match packet {
                Packet::Connect(_) => {
                    self.answer(ConnAck::new(self.has_session, ReasonCode::Success));
                    self.has_session = true;
                }
                Packet::Publish(publish) => {
                    let id = publish.packet_id.unwrap();
                    if self.held.insert(id) {
                        let payload = publish.payload.try_into().unwrap();
                        self.delivered.push(u64::from_be_bytes(payload));
                    }
                    self.answer(Packet::PubRec(Ack::new(id)));
                }
                Packet::PubRel(ack) => {
                    let known = self.held.remove(&ack.packet_id);
                    let code = match known {
                        true => ReasonCode::Success,
                        false => ReasonCode::PacketIdentifierNotFound,
                    };
                    let ack = Ack {
                        code,
                        ..Ack::new(ack.packet_id)
                    };
                    self.answer(Packet::PubComp(ack));
                }
                packet => panic!("{packet:?}"),
            }
        }
        self.input = rest.to_vec();
    }

    fn answer<'a>(&mut self, packet: impl Into<Packet<'a>>) {
        let packet = packet.into();
        let at = self.output.len();
        let len = packet.encoded_len(VERSION).unwrap();
        self.output.resize(at + len, 0);
        packet.encode(VERSION, &mut self.output[at..]).unwrap();
    }
}

/// All that outlives a process.
struct Rig {
    world: Rc<RefCell<World>>,
    random: Random,
    compact_above: u64,
    server: Server,
    /// The number to publish next, in a place of the application's own.
    next: u64,
}

/// Why a process ends.
struct Ended;

impl Rig {
    /// One process, as long as it lives; done with all steps or not.
    fn live(&mut self, steps: &mut impl Iterator<Item = Step>) -> Result<(), Ended> {
        let disk = SimDisk(Rc::clone(&self.world));
        let mut log = Log::open(disk, Sync::Always).map_err(|_| Ended)?;
        log.compact_above = self.compact_above;
        let config = Config {
            clean_start: false,
            session_expiry: u32::MAX,
            keep_alive: 0,
            durability: Durability::WriteAhead,
            ..Config::new("c")
        };
        let mut storage = HeapStorage::new(64, 1024, 6);
        let mut client = Client::new(config, storage.split().1);
        log.restore(&mut client).map_err(|error| {
            assert!(self.world.borrow().has_failed(), "{error}");
            Ended
        })?;
        let mut next = self.next;
        for message in client.messages() {
            let number = u64::from_be_bytes(message.payload.try_into().unwrap());
            next = next.max(number + 1);
        }
        let mut is_connected = false;
        for step in steps {
            match step {
                Step::Publish(count) => {
                    for _ in 0..count {
                        let payload = next.to_be_bytes();
                        let message = Message::new("t", &payload).qos(QoS::ExactlyOnce);
                        match client.publish(&message) {
                            Ok(_) => next += 1,
                            Err(Error::Full(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                Step::Turn(n) => {
                    if !is_connected {
                        client.connect(NOW()).unwrap();
                        self.server.begin_connection();
                        is_connected = true;
                    }
                    log.save(&mut client).map_err(|_| Ended)?;
                    self.next = next;
                    let bytes = client.transmit();
                    let n = n.min(bytes.len());
                    self.server.input.extend_from_slice(&bytes[..n]);
                    client.transmitted(n, NOW());
                    self.server.turn();
                    loop {
                        let step = client.process(&self.server.output, NOW()).unwrap();
                        if !step.is_progress() {
                            break;
                        }
                        let consumed = step.consumed;
                        self.server.output.drain(..consumed);
                    }
                }
                Step::Lose => {
                    client.connection_lost();
                    is_connected = false;
                }
                Step::Restart => return Err(Ended),
                Step::Fault(after, fault) => self.world.borrow_mut().fail_after(after, fault),
            }
        }
        Ok(())
    }

    /// One process after the other, until all is done.
    fn run(&mut self, steps: Vec<Step>) {
        let mut steps = steps.into_iter();
        while self.live(&mut steps).is_err() {
            self.rise();
        }
    }

    /// The machine is up again.
    fn rise(&mut self) {
        let mut world = self.world.borrow_mut();
        if world.is_dark() {
            world.power_up(&mut self.random);
        } else {
            world.restart();
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![3 => Just(Fault::PowerCut), 1 => Just(Fault::Error)];
    prop_oneof![
        6 => (1..4_u8).prop_map(Step::Publish),
        12 => prop_oneof![1..30_usize, Just(usize::MAX)].prop_map(Step::Turn),
        1 => Just(Step::Lose),
        1 => Just(Step::Restart),
        3 => (0..10_usize, fault).prop_map(|(after, fault)| Step::Fault(after, fault)),
    ]
}

proptest! {
    /// Every message arrives once, in order, whenever the power fails.
    #[test]
    fn exactly_once(
        mut steps in prop::collection::vec(step(), 1..150),
        compact_above in 0..1500_u64,
        seed: u64,
    ) {
        let mut rig = Rig {
            world: World::new(),
            random: Random(seed),
            compact_above,
            server: Server::default(),
            next: 1,
        };
        steps.extend([Step::Restart, Step::Lose]);
        // At last nothing disturbs what is left, a window full of messages.
        steps.extend([const { Step::Turn(usize::MAX) }; 40]);
        rig.run(steps);
        let expected: Vec<u64> = (1..rig.next).collect();
        prop_assert_eq!(rig.server.delivered, expected);
        prop_assert!(rig.server.held.is_empty());
    }
}
