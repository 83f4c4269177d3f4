//! A broker that does nothing but answer, at once and in batches, and looks that nothing is wrong.

mod line;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use line::Line;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use rustls::ServerConfig;

use crate::job::{Job, payload};
use crate::packets::{self, first};
use crate::{END, READY, TOPIC};

/// How long a client may be silent, and how long one may take to connect.
const PATIENCE: Duration = Duration::from_secs(15);

/// How much is queued before it is written.
const BATCH: usize = 64 * 1024;

/// What it has seen of one client.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Messages that arrived.
    pub published: u64,
    /// Messages that were sent, and above QoS 0 acknowledged.
    pub delivered: u64,
    /// Identifiers whose exchange has not ended.
    pub left: usize,
}

/// Serves one client.
///
/// # Errors
/// What the system says, and `InvalidData` with what the client did wrong.
pub fn serve(
    listener: &TcpListener,
    tls: Option<&Arc<ServerConfig>>,
    job: &Job,
) -> io::Result<Findings> {
    listener.set_nonblocking(true)?;
    wait(
        listener.as_fd(),
        PollFlags::POLLIN,
        Instant::now() + PATIENCE,
    )?;
    let (tcp, _) = listener.accept()?;
    tcp.set_nonblocking(true)?;
    tcp.set_nodelay(true)?;
    let line = line::open(tcp.try_clone()?, job.transport, tls)?;
    Session::new(line, tcp, job).run()
}

/// Waits until something can be done, and fails at the deadline.
fn wait(socket: BorrowedFd<'_>, flags: PollFlags, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left.min(PATIENCE)).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(socket, flags)], timeout) {
        Ok(0) => Err(io::Error::new(ErrorKind::TimedOut, "the client is silent")),
        Ok(_) | Err(nix::Error::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// What is known of an identifier.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Id {
    Free,
    /// A PUBLISH was sent or received.
    Begun,
    /// PUBREL was sent.
    Released,
}

struct Session<'a> {
    line: Box<dyn Line>,
    /// What is below it.
    tcp: TcpStream,
    job: &'a Job,
    input: Box<[u8]>,
    tail: usize,
    output: Vec<u8>,
    /// How much of `output` was written.
    written: usize,
    /// Of messages to the broker, at QoS 2.
    ids_in: Box<[Id]>,
    /// In which batch of acknowledgements an identifier was used last, at QoS 1.
    used: Box<[u32]>,
    batch: u32,
    /// Of messages of the broker's.
    ids_out: Box<[Id]>,
    outbox: Outbox,
    findings: Findings,
    is_over: bool,
}

/// What is to be sent.
struct Outbox {
    /// The message, with an identifier at this place.
    message: Vec<u8>,
    id_at: usize,
    next_id: u16,
    in_flight: usize,
    window: usize,
    /// When to begin no more, once somebody has subscribed.
    until: Option<Instant>,
    is_ended: bool,
}

impl<'a> Session<'a> {
    fn new(line: Box<dyn Line>, tcp: TcpStream, job: &'a Job) -> Self {
        let message = packets::publish(job.level, job.qos, 1, &payload(job.size));
        Self {
            line,
            tcp,
            job,
            input: vec![0; 256 * 1024].into(),
            tail: 0,
            output: Vec::with_capacity(2 * BATCH),
            written: 0,
            ids_in: vec![Id::Free; 1 << 16].into(),
            used: vec![0; 1 << 16].into(),
            batch: 1,
            ids_out: vec![Id::Free; 1 << 16].into(),
            outbox: Outbox {
                id_at: packets::id_offset(job.level, job.size, message.len()),
                message,
                next_id: 1,
                in_flight: 0,
                window: job.window.into(),
                until: None,
                is_ended: false,
            },
            findings: Findings::default(),
            is_over: false,
        }
    }

    fn run(mut self) -> io::Result<Findings> {
        while !self.is_over {
            self.fill();
            let is_blocked = !self.flush()?;
            let n = match self.line.read(&mut self.input[self.tail..]) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut flags = PollFlags::POLLIN;
                    if is_blocked {
                        flags |= PollFlags::POLLOUT;
                    } else if self.may_send() {
                        continue;
                    }
                    wait(self.tcp.as_fd(), flags, Instant::now() + PATIENCE)?;
                    continue;
                }
                // A client that is done need not say goodbye.
                Err(error) if is_gone(&error) => break,
                Err(error) => return Err(error),
            };
            self.tail += n;
            self.process()?;
        }
        let is_taken = |ids: &[Id]| ids.iter().filter(|&&id| id != Id::Free).count();
        self.findings.left = is_taken(&self.ids_in) + is_taken(&self.ids_out);
        Ok(self.findings)
    }

    /// True if everything was written.
    fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.output.len() {
            match self.line.write(&self.output[self.written..]) {
                Ok(n) => {
                    self.written += n;
                    self.batch += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if is_gone(&error) => break,
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        match self.line.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if !is_gone(&error) => return Err(error),
            _ => {}
        }
        Ok(true)
    }

    fn may_send(&self) -> bool {
        let outbox = &self.outbox;
        let has_room = self.job.qos == 0
            || outbox.in_flight < outbox.window
                && self.ids_out[usize::from(outbox.next_id)] == Id::Free;
        outbox.until.is_some() && !outbox.is_ended && has_room
    }

    /// Queues messages of the broker's own.
    fn fill(&mut self) {
        let Some(until) = self.outbox.until else {
            return;
        };
        if self.outbox.is_ended {
            return;
        }
        if Instant::now() >= until {
            if self.outbox.in_flight == 0 {
                let end = packets::publish(self.job.level, 0, 0, END);
                self.output.extend(end);
                self.outbox.is_ended = true;
            }
            return;
        }
        while self.output.len() < BATCH && self.may_send() {
            let outbox = &mut self.outbox;
            let at = self.output.len() + outbox.id_at;
            self.output.extend_from_slice(&outbox.message);
            if self.job.qos == 0 {
                self.findings.delivered += 1;
                continue;
            }
            self.output[at..at + 2].copy_from_slice(&outbox.next_id.to_be_bytes());
            self.ids_out[usize::from(outbox.next_id)] = Id::Begun;
            outbox.next_id = outbox.next_id.checked_add(1).unwrap_or(1);
            outbox.in_flight += 1;
        }
    }

    /// Looks at each packet that is there in full.
    fn process(&mut self) -> io::Result<()> {
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        while let Some((header, len)) = packets::length(&input[at..self.tail]) {
            if len > input.len() {
                return Err(wrong("a packet that nobody asked for"));
            }
            let Some(packet) = input[..self.tail].get(at..at + len) else {
                break;
            };
            self.packet(packet[0], &packet[header..])?;
            at += len;
        }
        self.input = input;
        self.input.copy_within(at..self.tail, 0);
        self.tail -= at;
        Ok(())
    }

    fn packet(&mut self, first: u8, body: &[u8]) -> io::Result<()> {
        match first & 0xf0 {
            first::PUBLISH => return self.publish(first >> 1 & 3, body),
            first::CONNECT => {
                self.outbox.window = self.outbox.window.min(receive_maximum(body)?);
                match self.job.level {
                    5 => self.output.extend([first::CONNACK, 3, 0, 0, 0]),
                    _ => self.output.extend([first::CONNACK, 2, 0, 0]),
                }
            }
            first::PUBACK => return self.settle(1, Id::Begun, body),
            first::PUBREC => {
                let id = id(body)?;
                if self.ids_out[usize::from(id)] != Id::Begun || self.job.qos != 2 {
                    return Err(wrong("PUBREC of no message"));
                }
                self.ids_out[usize::from(id)] = Id::Released;
                self.output.extend(packets::ack(first::PUBREL, id));
            }
            0x60 => {
                let id = id(body)?;
                if self.ids_in[usize::from(id)] != Id::Begun {
                    return Err(wrong("PUBREL of no message"));
                }
                self.ids_in[usize::from(id)] = Id::Free;
                self.output.extend(packets::ack(first::PUBCOMP, id));
            }
            first::PUBCOMP => return self.settle(2, Id::Released, body),
            0x80 => {
                let id = id(body)?.to_be_bytes();
                match self.job.level {
                    5 => self
                        .output
                        .extend([first::SUBACK, 4, id[0], id[1], 0, self.job.qos]),
                    _ => self
                        .output
                        .extend([first::SUBACK, 3, id[0], id[1], self.job.qos]),
                }
            }
            first::PINGREQ => self.output.extend([first::PINGRESP, 0]),
            first::DISCONNECT => self.is_over = true,
            _ => return Err(wrong("a packet that no client sends")),
        }
        Ok(())
    }

    fn publish(&mut self, qos: u8, body: &[u8]) -> io::Result<()> {
        let topic = body.get(2..2 + TOPIC.len());
        if topic != Some(TOPIC.as_bytes()) {
            return Err(wrong("a message to another topic"));
        }
        let rest = &body[2 + TOPIC.len()..];
        let id_len = usize::from(qos > 0) * 2;
        let overhead = id_len + usize::from(self.job.level == 5);
        let id = if qos > 0 { id(rest)? } else { 0 };
        if rest.len() == overhead + self.job.size && qos == self.job.qos {
            self.findings.published += 1;
        } else if rest.ends_with(READY) && self.job.is_receiving() {
            self.outbox.until = Some(Instant::now() + Duration::from_millis(self.job.millis));
        } else if !rest.ends_with(END) {
            return Err(wrong("a message that nobody asked for"));
        }
        match qos {
            0 => {}
            1 => {
                let used = &mut self.used[usize::from(id)];
                if *used == self.batch {
                    return Err(wrong("an identifier in use"));
                }
                *used = self.batch;
                self.output.extend(packets::ack(first::PUBACK, id));
            }
            _ => {
                let state = &mut self.ids_in[usize::from(id)];
                if *state != Id::Free {
                    return Err(wrong("an identifier in use"));
                }
                *state = Id::Begun;
                self.output.extend(packets::ack(first::PUBREC, id));
            }
        }
        Ok(())
    }

    /// The end of an exchange.
    fn settle(&mut self, qos: u8, expected: Id, body: &[u8]) -> io::Result<()> {
        let state = &mut self.ids_out[usize::from(id(body)?)];
        if *state != expected || self.job.qos != qos {
            return Err(wrong("an acknowledgement of no message"));
        }
        *state = Id::Free;
        self.outbox.in_flight -= 1;
        self.findings.delivered += 1;
        Ok(())
    }
}

/// True if the client has ended without a goodbye, as it may.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
    )
}

fn id(bytes: &[u8]) -> io::Result<u16> {
    match bytes {
        [high, low, ..] if (*high, *low) != (0, 0) => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(wrong("no identifier")),
    }
}

/// How many messages a client wants to have in flight: Receive Maximum in a CONNECT of 5.0.
fn receive_maximum(body: &[u8]) -> io::Result<usize> {
    const ALL: usize = 65_535;
    let &[0, 4, b'M', b'Q', b'T', b'T', level, _, _, _, ref rest @ ..] = body else {
        return Err(wrong("not MQTT"));
    };
    let [len @ 0..0x80, rest @ ..] = rest else {
        return Err(wrong("too many properties"));
    };
    if level != 5 {
        return Ok(ALL);
    }
    let mut rest = rest.get(..usize::from(*len)).unwrap_or_default();
    loop {
        rest = match rest {
            [] => return Ok(ALL),
            [0x21, high, low, ..] => return Ok(u16::from_be_bytes([*high, *low]).into()),
            // Session Expiry Interval, Maximum Packet Size
            [0x11 | 0x27, _, _, _, _, rest @ ..] => rest,
            // Topic Alias Maximum
            [0x22, _, _, rest @ ..] => rest,
            // Request Problem and Response Information
            [0x17 | 0x19, _, rest @ ..] => rest,
            _ => return Err(wrong("a property in CONNECT that is not known here")),
        };
    }
}
