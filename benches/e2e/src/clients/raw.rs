//! Bytes that were encoded before, and packets of known lengths: what loopback and the broker allow.

use std::error::Error;
use std::net::TcpStream;
use std::time::Instant;

use e2e::engine;
use e2e::job::{Job, Outcome, Work};
use e2e::meter::Meter;
use e2e::pace::{Latencies, Schedule};
use e2e::packets::{self, first};
use e2e::socket::{self, Stream};
use e2e::{CLIENT_ID, END, READY};

/// A line of packets.
struct Raw {
    stream: Box<dyn Stream>,
    /// What is below it.
    tcp: TcpStream,
    input: Box<[u8]>,
    /// How much of `input` is the beginning of a packet.
    tail: usize,
}

impl Raw {
    fn connect(job: &Job) -> Result<Self, Box<dyn Error>> {
        let (stream, tcp) = socket::connect(job)?;
        let mut raw = Self {
            stream,
            tcp,
            input: vec![0; 64 * 1024].into(),
            tail: 0,
        };
        raw.stream
            .write_all(&packets::connect(job.level, CLIENT_ID))?;
        raw.answer(first::CONNACK)?;
        Ok(raw)
    }

    /// Waits for a packet, with nothing behind it.
    fn answer(&mut self, expected: u8) -> Result<(), Box<dyn Error>> {
        let mut is_there = false;
        while !is_there {
            self.read(|packet| {
                is_there = packet[0] == expected;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Reads once, and shows each packet that is there in full.
    fn read(
        &mut self,
        mut see: impl FnMut(&[u8]) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let n = self.stream.read(&mut self.input[self.tail..])?;
        if n == 0 {
            return Err("the broker has closed the connection".into());
        }
        let end = self.tail + n;
        let mut at = 0;
        while let Some((_, len)) = packets::length(&self.input[at..end]) {
            let Some(packet) = self.input[..end].get(at..at + len) else {
                break;
            };
            see(packet)?;
            at += len;
        }
        self.input.copy_within(at..end, 0);
        self.tail = end - at;
        Ok(())
    }
}

/// Each of `n` packets with its identifier, one behind the other.
fn ring(n: u16, packet: impl Fn(u16) -> Vec<u8>) -> Vec<u8> {
    (1..=n).flat_map(packet).collect()
}

/// Writes `n` packets of a ring from the one behind `done` on.
fn write_ring(
    stream: &mut dyn Stream,
    ring: &[u8],
    len: usize,
    done: u64,
    n: u64,
) -> std::io::Result<()> {
    let size = (ring.len() / len) as u64;
    let begin = (done % size) as usize;
    let n = n as usize;
    let first = n.min(size as usize - begin);
    stream.write_all(&ring[begin * len..(begin + first) * len])?;
    stream.write_all(&ring[..(n - first) * len])
}

fn publish(raw: &mut Raw, job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let payload = job.payload();
    let len = packets::publish(job.level, job.qos, 1, &payload).len();
    let window = if job.qos == 0 {
        (64 * 1024 / len).max(1) as u16
    } else {
        job.window
    };
    let messages = ring(window, |id| {
        packets::publish(job.level, job.qos, id, &payload)
    });
    let releases = ring(window, |id| packets::ack(first::PUBREL, id).to_vec());
    let (mut sent, mut released, mut done) = (0, 0, 0);
    let meter = Meter::start(job);
    loop {
        let is_over = meter.is_over();
        if is_over && (job.qos == 0 || sent == done) {
            break;
        }
        if !is_over {
            let room = u64::from(window) - (sent - done);
            write_ring(raw.stream.as_mut(), &messages, len, sent, room)?;
            sent += room;
        }
        if job.qos == 0 {
            done = sent;
            continue;
        }
        let mut received = 0;
        raw.read(|packet| {
            match packet[0] {
                first::PUBACK | first::PUBCOMP => done += 1,
                first::PUBREC => received += 1,
                _ => return Err("not an acknowledgement".into()),
            }
            Ok(())
        })?;
        write_ring(raw.stream.as_mut(), &releases, 4, released, received)?;
        released += received;
    }
    if job.qos == 0 {
        // When this is acknowledged, all before it has arrived.
        raw.stream
            .write_all(&packets::publish(job.level, 1, 1, END))?;
        raw.answer(first::PUBACK)?;
    }
    Ok(meter.stop(sent))
}

fn receive(raw: &mut Raw, job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let message = packets::publish(job.level, job.qos, 1, &job.payload());
    let id = packets::id_offset(job.level, job.size, message.len());
    raw.stream
        .write_all(&packets::subscribe(job.level, job.qos))?;
    raw.answer(first::SUBACK)?;
    let meter = Meter::start(job);
    raw.stream
        .write_all(&packets::publish(job.level, 0, 0, READY))?;
    let (mut received, mut is_over) = (0, false);
    let mut acks = Vec::new();
    while !is_over {
        raw.read(|packet| {
            let ack = match packet[0] {
                first::PUBREL => first::PUBCOMP,
                first if first == message[0] && packet.len() == message.len() => {
                    received += 1;
                    match job.qos {
                        0 => return Ok(()),
                        1 => first::PUBACK,
                        _ => first::PUBREC,
                    }
                }
                _ if packet.ends_with(END) => {
                    is_over = true;
                    return Ok(());
                }
                // Another broker sends it to who says it, too.
                _ if packet.ends_with(READY) => return Ok(()),
                _ => return Err("a packet that nobody sent".into()),
            };
            let id = if ack == first::PUBCOMP { 2 } else { id };
            acks.extend([ack, 2, packet[id], packet[id + 1]]);
            Ok(())
        })?;
        if !acks.is_empty() {
            raw.stream.write_all(&acks)?;
            acks.clear();
        }
    }
    Ok(meter.stop(received))
}

fn pace(raw: &mut Raw, job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let message = packets::publish(job.level, 1, 1, &job.payload());
    let id = packets::id_offset(job.level, job.size, message.len());
    let schedule = Schedule::start(job);
    let mut latencies = Latencies::new(schedule, job);
    let mut begun: u64 = 0;
    let mut due = Vec::new();
    while !latencies.is_done() {
        let now = Instant::now();
        due.clear();
        while begun < schedule.messages && schedule.at(begun) <= now {
            let at = due.len() + id;
            due.extend_from_slice(&message);
            due[at..at + 2].copy_from_slice(&((begun % 65_535) as u16 + 1).to_be_bytes());
            begun += 1;
        }
        raw.stream.write_all(&due)?;
        let next = (begun < schedule.messages).then(|| schedule.at(begun));
        if engine::readable(&raw.tcp, next)? {
            raw.read(|packet| match packet[0] {
                first::PUBACK => {
                    latencies.end();
                    Ok(())
                }
                _ => Err("not an acknowledgement".into()),
            })?;
        }
    }
    Ok(latencies.stop())
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(|job| {
        let mut raw = Raw::connect(job)?;
        match job.work {
            Work::Publish => publish(&mut raw, job),
            Work::Receive | Work::Slow => receive(&mut raw, job),
            Work::Latency => pace(&mut raw, job),
        }
    })
}
