//! What a byte costs that a hostile server has chosen: what takes the longest to read, what has to be
//! answered, what looks like more to come. Each is repeated on one client, which is connected anew
//! where the bytes have ended the connection. What is told is the cost of 1,000 of these bytes, to be
//! compared with that of ordinary messages.
//!
//! Memory is no question: a client has what it was given.

use mqtt_core::wire::{QoS, Version};
use mqtt_core::{Buffers, Client, Config, Error, Event, Inbound, Instant, Message, RxBuf, Slot};

use crate::packet::{Packet, Publish, SHORT_TOPIC, payload, put_len};
use crate::{Bench, Operation, packet};

/// A host says what time it is.
const NOW: Instant = Instant::from_millis(1000);

/// The receive buffer.
const RX: usize = 16 << 10;

/// How much is read at a time. Not more, as what `memcpy` costs then differs between machines.
const READ: usize = 1 << 10;

/// About how long an input is.
const INPUT: usize = 64 << 10;

const CONNACK: &[u8] = &[0x20, 3, 0, 0, 0];

/// What the server sends, and what must come of it.
struct Attack {
    name: String,
    input: Vec<u8>,
    /// How much of it arrives at a time.
    read: usize,
    /// The messages that the application sees.
    messages: usize,
    /// The bytes that are sent in answer.
    answers: usize,
    /// True if it ends the connection, or leaves a packet half received.
    is_end: bool,
    /// The highest topic alias that the server may use.
    aliases: u16,
    /// The messages that the client has sent before.
    in_flight: u16,
    /// True if the application publishes whenever there is room, which there mostly is not.
    is_full: bool,
}

impl Attack {
    /// Packets of this kind without end that are nothing to the application.
    fn new(name: impl Into<String>, packet: &[u8]) -> Self {
        let n = (INPUT / packet.len()).max(1);
        Self {
            name: name.into(),
            input: packet.repeat(n),
            read: READ,
            messages: 0,
            answers: 0,
            is_end: false,
            aliases: 0,
            in_flight: 0,
            is_full: false,
        }
    }

    /// Packets that are a message each.
    fn messages(name: impl Into<String>, packet: &[u8]) -> Self {
        let attack = Self::new(name, packet);
        Self {
            messages: attack.input.len() / packet.len(),
            ..attack
        }
    }

    /// Packets of which each is answered with so many bytes.
    fn answered(self, packet: &[u8], answer: usize) -> Self {
        Self {
            answers: self.input.len() / packet.len() * answer,
            ..self
        }
    }

    /// Bytes after which the connection is made anew.
    fn end(name: impl Into<String>, input: &[u8], answers: usize) -> Self {
        Self {
            input: input.to_vec(),
            is_end: true,
            answers,
            ..Self::new(name, input)
        }
    }

    fn one_byte_at_a_time(self) -> Self {
        Self {
            name: format!("{}, one byte at a time", self.name),
            read: 1,
            ..self
        }
    }
}

/// A PUBLISH of 5.0 at QoS 0 whose topic and properties are these bytes.
fn publish(topic: &[u8], properties: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((topic.len() as u16).to_be_bytes());
    body.extend(topic);
    put_len(&mut body, properties.len());
    body.extend(properties);
    let mut packet = vec![0x30];
    put_len(&mut packet, body.len());
    packet.extend(body);
    packet
}

fn plain(qos: u8, len: usize) -> Vec<u8> {
    let publish = Publish {
        qos,
        id: 1,
        topic: SHORT_TOPIC,
        properties: None,
        payload: payload(len),
    };
    Packet::Publish(publish).wire(packet::Version::V5)
}

fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    let small = plain(0, 64);

    // What others are compared with.
    all.push(Attack::messages("ordinary messages of 64 B", &small));
    all.push(Attack::messages(
        "ordinary messages of 4 KiB",
        &plain(0, 4096),
    ));

    // Cuts.
    all.push(Attack::messages("ordinary messages of 64 B", &small).one_byte_at_a_time());
    // The longest packet there can be: a message that never ends.
    let mut longest = vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F];
    longest.extend(&small[2..]);
    longest.resize(INPUT, b'x');
    let name = "a message of 268,435,455 B that never ends";
    for one_by_one in [false, true] {
        let longest = Attack {
            messages: 1,
            ..Attack::end(name, &longest, 0)
        };
        all.push(if one_by_one {
            longest.one_byte_at_a_time()
        } else {
            longest
        });
    }
    // Properties, not one of which is of any use before all are there.
    let user = b"\x26\x00\x00\x00\x00".repeat(RX / 5 - 10);
    let endless = publish(b"t", &user);
    let endless = [
        &[0x30, 0xFF, 0xFF, 0xFF, 0x7F],
        &endless[3..endless.len() - 1],
    ]
    .concat();
    all.push(Attack::end("properties that never end", &endless, 0).one_byte_at_a_time());
    let mut suback = vec![0x90];
    put_len(&mut suback, RX - 100);
    suback.resize(RX - 200, 0);
    all.push(Attack::end("a SUBACK that never ends", &suback, 0).one_byte_at_a_time());

    // What takes long to read.
    let many = RX - 64;
    all.push(Attack::messages(
        "user properties without text",
        &publish(b"t", &b"\x26\x00\x00\x00\x00".repeat(many / 5)),
    ));
    all.push(Attack::messages(
        "subscription identifiers of 4 B",
        &publish(b"t", &b"\x0b\xff\xff\xff\x7f".repeat(many / 5)),
    ));
    all.push(Attack::messages(
        "subscription identifiers of 1 B",
        &publish(b"t", &b"\x0b\x01".repeat(many / 2)),
    ));
    all.push(Attack::messages(
        "a topic of empty levels",
        &publish(&b"/".repeat(many), &[]),
    ));
    for (name, character) in [
        ("one byte", "x"),
        ("2 B", "\u{7FF}"),
        ("3 B", "\u{FFFD}"),
        ("4 B", "\u{10FFFF}"),
        ("1 and 4 B in turn", "x\u{10FFFF}"),
    ] {
        let text = character.repeat(many / character.len());
        all.push(Attack::messages(
            format!("a topic of characters of {name}"),
            &publish(text.as_bytes(), &[]),
        ));
        let mut user = vec![0x26, 0, 0];
        user.extend((text.len() as u16).to_be_bytes());
        user.extend(text.as_bytes());
        all.push(Attack::messages(
            format!("a user property of characters of {name}"),
            &publish(b"t", &user),
        ));
    }
    all.push(Attack::messages(
        "the smallest messages",
        &publish(b"t", &[]),
    ));
    for aliases in [10, 100, 1000] {
        // Each alias is set, then each is used.
        let set = (1..=aliases).flat_map(|alias: u16| {
            let [high, low] = alias.to_be_bytes();
            publish(b"tt", &[0x23, high, low])
        });
        let use_ = (1..=aliases).flat_map(|alias: u16| {
            let [high, low] = alias.to_be_bytes();
            publish(b"", &[0x23, high, low])
        });
        let round: Vec<u8> = set.chain(use_).collect();
        let rounds = (INPUT / round.len()).max(1);
        all.push(Attack {
            aliases,
            messages: rounds * 2 * usize::from(aliases),
            ..Attack::new(format!("topic aliases, {aliases} of them"), &round)
        });
    }

    // What has to be answered.
    let unknown = [0x50, 2, 0x12, 0x34];
    all.push(Attack::new("PUBREC for nothing", &unknown).answered(&unknown, 5));
    let unknown = [0x62, 2, 0x12, 0x34];
    all.push(Attack::new("PUBREL for nothing", &unknown).answered(&unknown, 5));
    let tiny = b"\x32\x06\x00\x01t\x00\x01\x00";
    all.push(Attack::messages("the smallest messages at QoS 1", tiny).answered(tiny, 4));
    let mut again = b"\x3c\x06\x00\x01t\x00\x01\x00".repeat(INPUT / 8);
    again[0] = 0x34;
    let again_len = again.len();
    again.extend(b"\x62\x02\x00\x01");
    all.push(Attack {
        input: again.clone(),
        messages: 1,
        answers: again_len / 8 * 4 + 4,
        ..Attack::new("one message at QoS 2, again and again", &again)
    });
    all.push(Attack::new("PINGRESP without PINGREQ", &[0xD0, 0]));

    // What ends the connection: it is made anew.
    all.push(Attack::end(
        "PUBACK for nothing, and a new connection",
        &[0x40, 2, 0x12, 0x34],
        3,
    ));
    all.push(Attack::end(
        "a second CONNACK, and a new connection",
        CONNACK,
        3,
    ));

    // Acknowledgements in the order that is the worst to keep what is left in order.
    let turns = 0..1024_u16;
    let ack = |turn: u16| [0x40, 2, (turn >> 8) as u8, turn as u8];
    let backwards: Vec<u8> = turns.clone().rev().flat_map(ack).collect();
    let every_other = |odd| turns.clone().filter(move |turn| turn % 2 == odd);
    let in_turn: Vec<u8> = every_other(0).chain(every_other(1)).flat_map(ack).collect();
    for (name, acks) in [
        ("in order", turns.clone().flat_map(ack).collect()),
        ("backwards", backwards),
        ("every other one first", in_turn),
    ] {
        all.push(Attack {
            input: acks,
            in_flight: 1024,
            ..Attack::new(
                format!("1,024 messages sent, and their PUBACKs {name}"),
                CONNACK,
            )
        });
    }
    // A message can be published when others are acknowledged: always the second of them all, so that
    // all behind it have to be moved.
    for in_flight in [16, 1024] {
        all.push(Attack {
            in_flight,
            is_full: true,
            ..Attack::new(
                format!("PUBACKs for the second of {in_flight} messages with no room for more"),
                &ack(0),
            )
        });
    }
    all
}

/// A client under attack.
struct Victim {
    client: Client<'static>,
    /// The messages in flight.
    kept: Vec<u16>,
    /// Acknowledgements of these.
    acks: Vec<u8>,
    rx: RxBuf<'static>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Outcome {
    messages: usize,
    answers: usize,
    is_error: bool,
}

impl Victim {
    fn new(attack: &Attack) -> Self {
        // As long as the process: a client borrows its memory.
        let window = usize::from(attack.in_flight.max(16));
        let mut tx = 128 * window + 4096;
        let mut slots = window;
        if attack.is_full {
            // A quarter, at least what CONNECT needs and at most `MAX_CONTROL`, is for other packets.
            tx = plain(1, 64).len() * window * 4 / 3;
            slots += 16;
        }
        let buffers = Buffers {
            aliases_in: vec![0; 16 * usize::from(attack.aliases)].leak(),
            ..Buffers::new(
                vec![0; tx].leak(),
                vec![Slot::EMPTY; slots].leak(),
                vec![Inbound::EMPTY; 16].leak(),
            )
        };
        let config = Config {
            version: Version::V5,
            topic_alias_maximum: attack.aliases,
            ..Config::new("victim")
        };
        let mut victim = Self {
            client: Client::new(config, buffers),
            kept: Vec::new(),
            acks: Vec::new(),
            rx: RxBuf::new(vec![0; RX].leak()),
        };
        victim.connect();
        if attack.is_full {
            while let Ok(id) = victim.publish() {
                victim.kept.push(id);
            }
            victim.flush();
            let n = victim.kept.len();
            assert!(n >= window - 2, "{n} of {window} messages");
        }
        victim
    }

    fn connect(&mut self) {
        self.client.connection_lost();
        self.rx.clear();
        self.client.connect(NOW).expect("it is offline");
        self.flush();
        assert_eq!(self.receive(CONNACK, READ), Outcome::default());
        assert!(self.client.is_connected());
    }

    fn flush(&mut self) -> usize {
        let mut sent = 0;
        loop {
            let n = self.client.transmit().len();
            if n == 0 {
                return sent;
            }
            self.client.transmitted(n, NOW);
            sent += n;
        }
    }

    fn receive(&mut self, input: &[u8], read: usize) -> Outcome {
        let mut outcome = Outcome::default();
        let mut left = input;
        while !left.is_empty() {
            let space = self.rx.space();
            let n = read.min(left.len()).min(space.len());
            if n == 0 {
                break;
            }
            let (piece, rest) = left.split_at(n);
            space[..n].copy_from_slice(piece);
            self.rx.filled(n);
            left = rest;
            loop {
                match self.rx.poll(&mut self.client, NOW) {
                    Ok(Some(Event::Publish(_) | Event::PublishStart { .. })) => {
                        outcome.messages += 1;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        // What there is no room to answer is read once there is.
                        let sent = self.flush();
                        outcome.answers += sent;
                        if sent == 0 {
                            break;
                        }
                    }
                    Err(_) => {
                        outcome.answers += self.flush();
                        outcome.is_error = true;
                        return outcome;
                    }
                }
            }
        }
        outcome
    }

    fn publish(&mut self) -> Result<u16, Error> {
        let message = Message::new(SHORT_TOPIC, payload(64)).qos(QoS::AtLeastOnce);
        let id = self.client.publish(&message)?;
        Ok(id.expect("an identifier").get())
    }

    /// Publishes whenever there is room again.
    fn make_room(&mut self, attack: &Attack) -> Outcome {
        let mut outcome = Outcome::default();
        for _ in attack.input.chunks_exact(4) {
            outcome = self.acknowledge_second();
            while let Ok(id) = self.publish() {
                self.kept.push(id);
            }
            self.flush();
        }
        // Most of the room is in use at any time.
        assert!(self.kept.len() >= usize::from(attack.in_flight) * 3 / 4);
        outcome
    }

    fn acknowledge_second(&mut self) -> Outcome {
        let [high, low] = self.kept.remove(1).to_be_bytes();
        self.receive(&[0x40, 2, high, low], READ)
    }

    /// Sends messages and receives their acknowledgements: the input has them by their turns.
    fn acknowledge(&mut self, attack: &Attack) -> Outcome {
        self.kept.clear();
        for _ in 0..attack.in_flight {
            let id = self.publish().expect("there is room");
            self.kept.push(id);
        }
        self.flush();
        let mut acks = std::mem::take(&mut self.acks);
        acks.clone_from(&attack.input);
        for ack in acks.chunks_exact_mut(4) {
            let turn = u16::from_be_bytes([ack[2], ack[3]]);
            ack[2..].copy_from_slice(&self.kept[usize::from(turn)].to_be_bytes());
        }
        let outcome = self.receive(&acks, attack.read);
        self.acks = acks;
        assert_eq!(self.client.in_flight(), 0);
        outcome
    }

    fn suffer(&mut self, attack: &Attack) -> Outcome {
        if attack.is_full {
            return self.make_room(attack);
        }
        if attack.in_flight > 0 {
            return self.acknowledge(attack);
        }
        let outcome = self.receive(&attack.input, attack.read);
        if attack.is_end {
            self.connect();
        }
        outcome
    }
}

/// All operations.
#[must_use]
pub fn benches() -> Vec<Bench> {
    let version = packet::Version::V5;
    attacks()
        .into_iter()
        .map(|attack| Bench {
            table: "hostile",
            case: format!("{}, {version}", attack.name),
            version,
            client: crate::OURS,
            weight: 10_000,
            per_run: (attack.input.len() as f64 / 1000.0),
            build: Box::new({
                let attack = std::rc::Rc::new(attack);
                move || {
                    let attack = attack.clone();
                    let mut victim = Victim::new(&attack);
                    let once = victim.suffer(&attack);
                    assert_eq!(
                        (once.messages, once.answers),
                        (attack.messages, attack.answers),
                        "{}: {once:?}",
                        attack.name
                    );
                    Operation::new(move || {
                        // Nothing accumulates.
                        assert_eq!(victim.suffer(&attack), once);
                    })
                }
            }),
        })
        .collect()
}
