//! Commands, packets, time, losses of the connection and of power, in any order.

use arbitrary::{Arbitrary, Result, Unstructured};
use mqtt_core::wire::{
    Ack, Auth, Filter, List, Packet, PacketId, Property, QoS, ReasonCode, Version,
};
use mqtt_core::{Client, Config, Durability, Error, Event, Instant, Message, Record, RxBuf};

use super::{Memory, config};
use crate::framer::Side;
use crate::input::{packet, version};

/// What an application, a network and a server do.
#[derive(Arbitrary, Clone, Debug)]
enum Command<'a> {
    Connect,
    Publish {
        level: u8,
        len: u8,
        topic: u8,
        alias: u8,
    },
    Lend {
        level: u8,
        len: u8,
    },
    Subscribe(&'a str),
    Unsubscribe(&'a str),
    Acknowledge {
        id: u8,
        refuse: bool,
        with_reason: bool,
    },
    Authenticate(u8),
    Disconnect,
    Abort(u8),
    Lost,
    Wait(u16),
    Send(u8),
    /// Bytes of the server's.
    Receive(&'a [u8]),
    /// A packet of the server's that is well-formed as far as its header.
    Packet(u8, &'a [u8]),
    /// An acknowledgement of the server's.
    Answer(u8, u8, u8),
    /// A message of the server's, and PUBREL for it.
    Deliver {
        level: u8,
        id: u8,
        len: u8,
        alias: u8,
    },
    Release(u8),
    /// CONNACK, with a Receive Maximum and a Maximum Packet Size.
    Accept {
        present: bool,
        receive: u8,
        size: u8,
    },
    Journal(u8),
    PowerCut,
}

/// Whatever [`arbitrary`] makes of the input: options, then commands.
pub(crate) fn commands(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let _ = live(&mut u);
}

fn live(u: &mut Unstructured<'_>) -> Result<()> {
    let level = u8::arbitrary(u)?;
    let options = u8::arbitrary(u)?;
    let (rx, tx, slots, inbound) = (
        u.int_in_range(8..=128)?,
        u.int_in_range(0..=300)?,
        u.int_in_range(0..=5)?,
        u.int_in_range(0..=3)?,
    );
    let version = version(level);
    let durable = options & 32 != 0;
    let config = Config {
        durability: if durable {
            Durability::WriteAhead
        } else {
            Durability::Ram
        },
        automatic_topic_aliases: options & 64 != 0,
        keep_alive: 5,
        ..config(version, options)
    };
    let mut journal: Vec<([u8; 4], Vec<u8>)> = Vec::new();
    let mut now = 10_000;
    let mut steps = 0;
    loop {
        let mut memory = Memory::new(rx, tx, slots, inbound);
        let (rx, buffers) = memory.split();
        let mut client = Client::new(config, buffers);
        for (head, body) in &journal {
            let record = Record::from_parts(*head, body).expect("a record of ours");
            client.restore(&record).expect("room as before");
        }
        let mut life = Life {
            client,
            rx: RxBuf::new(rx),
            version,
            slots,
            output: Vec::new(),
            journal: &mut journal,
            now: &mut now,
        };
        loop {
            steps += 1;
            if steps > 200 || u.is_empty() {
                return Ok(());
            }
            match Command::arbitrary(u)? {
                Command::PowerCut if durable => break,
                command => life.run(&command),
            }
        }
    }
}

struct Life<'b, 'j> {
    client: Client<'b>,
    rx: RxBuf<'b>,
    version: Version,
    slots: usize,
    /// What was sent on this connection and is not looked at yet.
    output: Vec<u8>,
    journal: &'j mut Vec<([u8; 4], Vec<u8>)>,
    now: &'j mut u64,
}

impl Life<'_, '_> {
    fn run(&mut self, command: &Command<'_>) {
        match *command {
            Command::Connect => {
                let now = self.instant();
                let _ = self.attempt(|client| client.connect(now));
            }
            Command::Publish {
                level,
                len,
                topic,
                alias,
            } => {
                let topic = ["a", "b/c", "", "a/+", "d/e/f/g"][usize::from(topic % 5)];
                let payload = vec![level; usize::from(len)];
                let alias = [Property::TopicAlias(alias.into())];
                let mut message = Message::new(topic, &payload).qos(qos(level));
                if alias != [Property::TopicAlias(0)] {
                    message.properties = &alias;
                }
                let _ = self.attempt(|client| client.publish(&message));
            }
            Command::Lend { level, len } => {
                let message = Message::new("lent", &[]).qos(qos(level));
                let _ = self.attempt(|client| client.publish_lent(&message, len.into()));
            }
            Command::Subscribe(filter) => {
                let filter = [Filter::new(filter, QoS::ExactlyOnce)];
                let _ = self.attempt(|client| client.subscribe(&filter));
            }
            Command::Unsubscribe(filter) => {
                let _ = self.attempt(|client| client.unsubscribe(&[filter]));
            }
            Command::Acknowledge {
                id,
                refuse,
                with_reason,
            } => {
                let reason = [Property::ReasonString("no")];
                let Some(id) = PacketId::new(id.into()) else {
                    return;
                };
                let ack = Ack {
                    packet_id: id,
                    code: if refuse {
                        ReasonCode::QuotaExceeded
                    } else {
                        ReasonCode::Success
                    },
                    properties: if with_reason {
                        List::from(&reason)
                    } else {
                        List::EMPTY
                    },
                };
                let _ = self.attempt(|client| client.acknowledge_with(&ack));
            }
            Command::Authenticate(code) => {
                let properties = [Property::AuthenticationMethod("m")];
                let auth = Auth {
                    code: ReasonCode::from_u8(code).unwrap_or(ReasonCode::ReAuthenticate),
                    properties: List::from(&properties),
                };
                let _ = self.attempt(|client| client.authenticate(&auth));
            }
            Command::Disconnect => {
                let _ = self.attempt(|client| client.disconnect());
            }
            Command::Abort(code) => {
                let code = ReasonCode::from_u8(code).unwrap_or(ReasonCode::UnspecifiedError);
                let _ = self.attempt(|client| client.abort(code));
            }
            Command::Lost => self.lost(),
            Command::Wait(millis) => {
                *self.now += u64::from(millis);
                self.poll();
            }
            Command::Send(n) => self.send(n.into()),
            Command::Receive(bytes) => self.receive(bytes),
            Command::Packet(first, body) => {
                let first = Side::Server.first_byte(self.version, first);
                self.receive(&packet(first, body));
            }
            Command::Answer(kind, id, code) => {
                let first = [0x40, 0x50, 0x62, 0x70, 0x90, 0xB0][usize::from(kind % 6)];
                let body = match (self.version, first) {
                    (Version::V5, 0x90 | 0xB0) => vec![0, id, 0, code],
                    (Version::V5, _) if code > 0 => vec![0, id, code],
                    (_, 0x90) => vec![0, id, code],
                    _ => vec![0, id],
                };
                self.receive(&packet(first, &body));
            }
            Command::Deliver {
                level,
                id,
                len,
                alias,
            } => {
                let level = level % 3;
                let mut body = b"\0\x01t".to_vec();
                if alias > 3 && self.version == Version::V5 {
                    body = vec![0, 0];
                }
                if level > 0 {
                    body.extend([0, id]);
                }
                if self.version == Version::V5 {
                    match alias {
                        0 => body.push(0),
                        alias => body.extend([3, 35, 0, alias % 4]),
                    }
                }
                body.resize(body.len() + usize::from(len), 7);
                self.receive(&packet(0x30 | level << 1, &body));
            }
            Command::Release(id) => self.receive(&[0x62, 2, 0, id]),
            Command::Accept {
                present,
                receive,
                size,
            } => {
                let present = u8::from(present);
                if self.version == Version::V5 {
                    let body = [present, 0, 8, 33, 0, receive, 39, 0, 0, size, 255];
                    self.receive(&packet(0x20, &body));
                } else {
                    self.receive(&packet(0x20, &[present, 0]));
                }
            }
            Command::Journal(n) => {
                let mut written = 0;
                for record in self.client.journal().take(n.into()) {
                    self.journal.push((record.head(), record.body().to_vec()));
                    written += 1;
                }
                self.client.journaled(written);
            }
            Command::PowerCut => {}
        }
        self.check();
    }

    fn instant(&self) -> Instant {
        Instant::from_millis(*self.now)
    }

    /// A command that fails has changed nothing.
    fn attempt<T>(
        &mut self,
        command: impl FnOnce(&mut Client<'_>) -> std::result::Result<T, Error>,
    ) -> std::result::Result<T, Error> {
        let state = |client: &Client<'_>| {
            (
                client.is_connected(),
                client.is_closed(),
                client.send_quota(),
                client.in_flight(),
                client.poll_timeout(),
                client.payload(),
                client.journal().count(),
                client.messages().count(),
            )
        };
        let before = state(&self.client);
        let result = command(&mut self.client);
        if let Err(error) = &result {
            assert!(!error.is_fatal(), "{error:?}");
            assert_eq!(state(&self.client), before, "{error:?}");
        }
        result
    }

    fn lost(&mut self) {
        self.client.connection_lost();
        self.rx.clear();
        self.output.clear();
    }

    fn send(&mut self, mut left: usize) {
        while left > 0 {
            let bytes = self.client.transmit();
            let n = if bytes.is_empty() {
                let Some(lent) = self.client.payload() else {
                    break;
                };
                let n = left.min(lent.left);
                self.output.resize(self.output.len() + n, 7);
                n
            } else {
                let n = left.min(bytes.len());
                self.output.extend_from_slice(&bytes[..n]);
                n
            };
            assert!(n > 0);
            let now = self.instant();
            self.client.transmitted(n, now);
            left -= n;
            self.look_at_output();
        }
    }

    /// Whole packets of a client, and nothing else.
    fn look_at_output(&mut self) {
        let mut at = 0;
        while let Some((packet, len)) =
            Packet::decode(&self.output[at..], self.version).expect("what we send")
        {
            let sent = Side::Client.packets(self.version);
            assert!(sent.contains(&packet.packet_type()), "{packet:?}");
            at += len;
        }
        drop(self.output.drain(..at));
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.rx.space();
            let n = space.len().min(bytes.len());
            space[..n].copy_from_slice(&bytes[..n]);
            self.rx.filled(n);
            bytes = &bytes[n..];
            if self.poll() || n == 0 {
                return;
            }
        }
    }

    /// Takes all events; true if the connection is over.
    fn poll(&mut self) -> bool {
        let now = self.instant();
        let mut count = 0;
        loop {
            match self.rx.poll(&mut self.client, now) {
                Ok(Some(event)) => {
                    count += 1;
                    assert!(count < 1_000, "{event:?} without end");
                    if let Event::Publish(publish) = event {
                        assert!(!self.client.topic(&publish).is_empty());
                    }
                }
                Ok(None) => return false,
                Err(error) => {
                    assert!(error.is_fatal(), "{error:?}");
                    // The last words are whole, too.
                    self.send(usize::MAX);
                    assert!(self.client.is_closed());
                    self.lost();
                    return true;
                }
            }
        }
    }

    fn check(&mut self) {
        let in_flight = usize::from(self.client.in_flight());
        assert!(in_flight <= self.slots);
        assert!(usize::from(self.client.send_quota()) <= self.slots - in_flight);
        assert!(self.client.messages().count() <= in_flight);
        assert!(!(self.client.is_connected() && self.client.is_closed()));
        if let Some(deadline) = self.client.poll_timeout() {
            // Asking again does not put it off.
            assert_eq!(self.client.poll_timeout(), Some(deadline));
        }
    }
}

fn qos(level: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(level % 3)]
}
