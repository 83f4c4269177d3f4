//! The power fails after every number of bytes that can be written, and nothing is lost or doubled.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use device::{Application, Flash, Job, Journal, Memory};
use mqtt_core::wire::{Ack, ConnAck, Packet, PacketId, Publish, QoS, ReasonCode, SubAck, Version};
use mqtt_core::{Client, Instant};

/// How many messages the server has at each QoS.
const COUNT: u16 = 12;

/// How many of them it sends before they are acknowledged.
const WINDOW: usize = 3;

/// What a power failure unwinds with.
struct PowerFailed;

fn fail() -> ! {
    resume_unwind(Box::new(PowerFailed))
}

/// A server that remembers a session and has messages for it. Odd numbers are of QoS 1.
#[derive(Default)]
struct Server {
    has_session: bool,
    /// The next message to send, from 1; its number is its identifier, too.
    next: u16,
    /// Messages in flight, and whether PUBREC has come.
    in_flight: BTreeMap<u16, bool>,
    /// Identifiers of messages of QoS 2 that were received and not released.
    unreleased: BTreeSet<u16>,
    /// What was received, by QoS.
    received: [Vec<String>; 3],
}

impl Server {
    /// Takes what the device sends, and appends what there is to say to it.
    fn exchange(&mut self, mut bytes: &[u8], answer: &mut Vec<u8>) {
        while let Some((packet, len)) = Packet::decode(bytes, Version::V311).unwrap() {
            bytes = &bytes[len..];
            self.packet(&packet, answer);
        }
        assert!(bytes.is_empty(), "packets are sent whole here");
        while self.has_session && self.next <= 2 * COUNT && self.in_flight.len() < WINDOW {
            if self.next > 0 {
                self.in_flight.insert(self.next, false);
                publish(self.next, answer);
            }
            self.next += 1;
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, answer: &mut Vec<u8>) {
        match packet {
            Packet::Connect(_) => {
                say(
                    ConnAck::new(self.has_session, ReasonCode::Success).into(),
                    answer,
                );
                for (&id, &is_received) in &self.in_flight {
                    if is_received {
                        say(Packet::PubRel(ack(id)), answer);
                    } else {
                        publish(id, answer);
                    }
                }
            }
            Packet::Subscribe(subscribe) => {
                self.has_session = true;
                let suback = SubAck {
                    packet_id: subscribe.packet_id,
                    properties: Default::default(),
                    codes: (&[ReasonCode::GrantedQoS2; 2][..]).into(),
                };
                say(Packet::SubAck(suback), answer);
            }
            Packet::Publish(message) => {
                let id = message.packet_id.map_or(0, PacketId::get);
                if message.qos != QoS::ExactlyOnce || self.unreleased.insert(id) {
                    let text = String::from_utf8(message.payload.to_vec()).unwrap();
                    self.received[message.qos as usize].push(text);
                }
                match message.qos {
                    QoS::AtLeastOnce => say(Packet::PubAck(ack(id)), answer),
                    QoS::ExactlyOnce => say(Packet::PubRec(ack(id)), answer),
                    QoS::AtMostOnce => {}
                }
            }
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.in_flight.remove(&ack.packet_id.get());
            }
            Packet::PubRec(ack) => {
                self.in_flight.insert(ack.packet_id.get(), true);
                say(Packet::PubRel(*ack), answer);
            }
            Packet::PubRel(ack) => {
                self.unreleased.remove(&ack.packet_id.get());
                say(Packet::PubComp(*ack), answer);
            }
            _ => {}
        }
    }
}

fn ack(id: u16) -> Ack<'static> {
    Ack::new(PacketId::new(id).unwrap())
}

/// The server's message of this number; the last ones say that they are.
fn publish(id: u16, answer: &mut Vec<u8>) {
    let (topic, qos) = match id % 2 {
        1 => ("device/down/1", QoS::AtLeastOnce),
        _ => ("device/down/2", QoS::ExactlyOnce),
    };
    let number = (id - 1) / 2;
    let end = if number + 1 == COUNT { "!" } else { "" };
    let payload = format!("{number}{end}");
    let message = Publish {
        qos,
        packet_id: PacketId::new(id),
        ..Publish::new(topic, payload.as_bytes())
    };
    say(message.into(), answer);
}

fn say(packet: Packet<'_>, answer: &mut Vec<u8>) {
    let mut buffer = [0; 100];
    let len = packet.encode(Version::V311, &mut buffer).unwrap();
    answer.extend_from_slice(&buffer[..len]);
}

/// A device, from its start until it has nothing left to do.
fn start(flash: &mut [u8], power: usize, server: &RefCell<Server>) {
    let job = Job::parse("3.1.1 journal").unwrap();
    let mut memory = Memory::new();
    let (mut rx, buffers) = memory.split();
    let mut client = Client::new(job.config(), buffers);
    let mut journal = Journal::open(Flash::new(flash, power, fail), &mut client).unwrap();
    let mut application = Application::new(job, journal.state());
    let now = Instant::default();
    client.connect(now).unwrap();
    let mut answer = Vec::new();
    while !application.is_done(&client) {
        let len = answer.len().min(rx.space().len());
        rx.space()[..len].copy_from_slice(&answer[..len]);
        rx.filled(len);
        answer.drain(..len);
        while let Some(event) = rx.poll(&mut client, now).unwrap() {
            if let Err(failure) = application.handle(event, &mut client) {
                panic!("{failure:?}");
            }
        }
        if let Err(failure) = application.work(&mut client) {
            panic!("{failure:?}");
        }
        journal.save(&mut client, &mut application);
        let sent = client.transmit().to_vec();
        client.transmitted(sent.len(), now);
        server.borrow_mut().exchange(&sent, &mut answer);
        assert!(
            len > 0 || !sent.is_empty() || !answer.is_empty(),
            "nothing happens"
        );
    }
}

/// True if the power was there until the end.
fn try_start(flash: &mut [u8], power: usize, server: &RefCell<Server>) -> bool {
    match catch_unwind(AssertUnwindSafe(|| start(flash, power, server))) {
        Ok(()) => true,
        Err(reason) if reason.is::<PowerFailed>() => false,
        Err(reason) => resume_unwind(reason),
    }
}

#[test]
fn the_power_fails_at_every_byte() {
    for power in 0.. {
        let server = RefCell::new(Server::default());
        // Small sectors, which are full again and again.
        let mut flash = [0xA5; 2 * 800];
        let is_enough = try_start(&mut flash, power, &server);
        if !is_enough {
            // It fails again soon, or later.
            try_start(&mut flash, power * 7 % 900, &server);
            assert!(try_start(&mut flash, usize::MAX, &server));
        }
        let server = server.into_inner();
        assert!(
            server.in_flight.is_empty() && server.unreleased.is_empty(),
            "{power}"
        );
        let expected: Vec<String> = (0..COUNT + 4).map(|number| number.to_string()).collect();
        assert_eq!(server.received[2], expected, "{power}");
        let mut received = server.received[1].clone();
        received.retain(|text| text != "ready");
        let mut seen = BTreeSet::new();
        received.retain(|text| seen.insert(text.clone()));
        assert_eq!(received, expected, "{power}");
        if is_enough {
            assert!(power > 2500, "{power} bytes are too few to have tried much");
            break;
        }
    }
}
