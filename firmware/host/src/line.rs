//! The other end of the device's line: a modem that calls the server, and loses the link or the
//! device's power when the plan says so.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use modem::{Decoder, Item, Kind as Sign, encode};
use mqtt_core::wire::{FixedHeader, PacketType, Version};
use testkit::machine::PATIENCE;

use crate::emulator::Emulator;
use crate::plan::{Fault, From, Kind, Plan};
use crate::task::{Event, Events};

/// The modem.
#[derive(Debug)]
pub(crate) struct Line {
    server: SocketAddr,
    emulator: Emulator,
    decoder: Decoder,
    call: Option<Call>,
    /// Connections of calls that were lost. The server finds out when the device is back: one that
    /// is cut off while mosquitto 2.0 resumes a session has it take back each PUBREL that it could
    /// not send any more, and publish that message a second time.
    lost: Vec<TcpStream>,
    plan: Plan,
    events: Events,
    /// What went over the line, for who wonders.
    pub trace: Vec<String>,
    /// How many connections the server has accepted, and how many of them with the session present.
    pub accepted: [u32; 2],
    /// How often the device has lost its power.
    pub power_cuts: u32,
    /// How often the server has answered a PINGREQ.
    pub pings: u32,
    /// The identifiers of the server's messages at QoS 1 and 2 that are through.
    through: [HashSet<u16>; 2],
}

#[derive(Debug)]
struct Call {
    number: u8,
    stream: TcpStream,
    from_device: Packets,
    from_server: Packets,
}

impl Line {
    /// Waits for the device to dial.
    pub(crate) fn new(
        server: SocketAddr,
        emulator: Emulator,
        plan: Plan,
        events: &Events,
    ) -> io::Result<Self> {
        let line = emulator.line.try_clone()?;
        read_all(line, events, Event::Line);
        Ok(Self {
            server,
            emulator,
            decoder: Decoder::new(),
            call: None,
            lost: Vec::new(),
            plan,
            events: events.clone(),
            trace: Vec::new(),
            accepted: [0; 2],
            power_cuts: 0,
            pings: 0,
            through: Default::default(),
        })
    }

    /// Bytes from the device.
    pub(crate) fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            match self.decoder.push(byte) {
                Some(Item::Sign(Sign::Dial, number)) => self.dial(number)?,
                Some(Item::Sign(Sign::HangUp, number)) => {
                    self.trace
                        .push(format!("call {number}: the device hangs up"));
                    self.end_call();
                }
                Some(Item::Byte(number, byte)) => {
                    let Some(call) = self.call.as_mut().filter(|call| call.number == number) else {
                        continue;
                    };
                    if let Some(packet) = call.from_device.push(byte) {
                        self.pass(From::Device, &packet)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Bytes from the server, or the end of them.
    pub(crate) fn heard(&mut self, number: u8, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() && self.call.as_ref().is_some_and(|call| call.number == number) {
            self.trace
                .push(format!("call {number}: the server hangs up"));
            self.end_call();
            return self.say(Sign::NoCarrier, number, &[]);
        }
        for &byte in bytes {
            let Some(call) = self.call.as_mut().filter(|call| call.number == number) else {
                break;
            };
            if let Some(packet) = call.from_server.push(byte) {
                self.pass(From::Server, &packet)?;
            }
        }
        Ok(())
    }

    /// How many of the server's messages at QoS 1 and 2 are through.
    pub(crate) fn through(&self) -> [usize; 2] {
        [self.through[0].len(), self.through[1].len()]
    }

    /// What goes wrong, as planned and as it came.
    pub(crate) fn progress(&self) -> (usize, usize) {
        self.plan.progress()
    }

    /// The emulator.
    pub(crate) fn emulator(&mut self) -> &mut Emulator {
        &mut self.emulator
    }

    fn dial(&mut self, number: u8) -> io::Result<()> {
        self.lose_call();
        self.trace.push(format!("call {number}"));
        let stream = TcpStream::connect(self.server)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let own = stream.try_clone()?;
        read_all(own, &self.events, move |bytes| Event::Server(number, bytes));
        self.call = Some(Call {
            number,
            stream,
            from_device: Packets::default(),
            from_server: Packets::default(),
        });
        self.plan.begin();
        self.say(Sign::Connected, number, &[])
    }

    /// Passes a packet on, unless the plan has something else in store.
    fn pass(&mut self, from: From, packet: &[u8]) -> io::Result<()> {
        let Some(call) = &mut self.call else {
            return Ok(());
        };
        let number = call.number;
        let kind = kind(from, packet);
        self.trace.push(format!(
            "call {number}: {} {}",
            arrow(from),
            describe(packet)
        ));
        if kind.packet == PacketType::ConnAck {
            self.lost.clear();
            self.accepted[usize::from(packet[2] & 1)] += 1;
        }
        self.pings += u32::from(kind.packet == PacketType::PingResp);
        let fault = self.plan.at(kind, packet.len());
        let bytes = fault.map_or(packet, |(_, arrives)| &packet[..arrives]);
        match from {
            // What is lost on the way to a server that has hung up is its own affair.
            From::Device => drop(call.stream.write_all(bytes)),
            From::Server if bytes.is_empty() => {}
            From::Server => self.say(Sign::Data, number, bytes)?,
        }
        let Some((fault, arrives)) = fault else {
            let through = match (from, kind.packet) {
                (From::Device, PacketType::PubAck) => &mut self.through[0],
                (From::Device, PacketType::PubComp) => &mut self.through[1],
                _ => return Ok(()),
            };
            through.insert(u16::from_be_bytes([packet[2], packet[3]]));
            return Ok(());
        };
        self.trace.push(format!(
            "call {number}: {fault:?} fails after {arrives} bytes of that"
        ));
        self.lose_call();
        match fault {
            Fault::Link => self.say(Sign::NoCarrier, number, &[]),
            Fault::Power => {
                self.power_cuts += 1;
                self.emulator.reset()
            }
        }
    }

    fn lose_call(&mut self) {
        self.lost.extend(self.call.take().map(|call| call.stream));
    }

    fn end_call(&mut self) {
        if let Some(call) = self.call.take() {
            let _ = call.stream.shutdown(Shutdown::Both);
        }
    }

    fn say(&mut self, sign: Sign, call: u8, data: &[u8]) -> io::Result<()> {
        let mut frame = Vec::new();
        encode(sign, call, data, |byte| frame.push(byte));
        self.emulator.line.write_all(&frame)
    }
}

/// Divides bytes into packets.
#[derive(Debug, Default)]
struct Packets(Vec<u8>);

impl Packets {
    fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        self.0.push(byte);
        let header = FixedHeader::decode(&self.0, Version::V5).ok().flatten()?;
        (self.0.len() == header.len + header.remaining).then(|| std::mem::take(&mut self.0))
    }
}

fn kind(from: From, packet: &[u8]) -> Kind {
    let header = FixedHeader::decode(packet, Version::V5).ok().flatten();
    let packet = header.expect("a whole packet").packet_type;
    let flags = header.expect("a whole packet").flags;
    let qos = if packet == PacketType::Publish {
        flags >> 1 & 3
    } else {
        0
    };
    Kind { from, packet, qos }
}

fn describe(packet: &[u8]) -> String {
    let kind = kind(From::Device, packet);
    let text: String = packet[2..]
        .iter()
        .take(40)
        .map(|byte| byte.escape_ascii().to_string())
        .collect();
    format!("{} QoS {} {text}", kind.packet, kind.qos)
}

const fn arrow(from: From) -> &'static str {
    match from {
        From::Device => "->",
        From::Server => "<-",
    }
}

/// Reads to the end, which is an event without bytes.
fn read_all(
    mut stream: TcpStream,
    events: &Events,
    event: impl Fn(Vec<u8>) -> Event + Send + 'static,
) {
    let events = events.clone();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            let len = stream.read(&mut bytes).unwrap_or(0);
            if events.send(event(bytes[..len].to_vec())).is_err() || len == 0 {
                break;
            }
        }
    });
}
