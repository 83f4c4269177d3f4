//! Who publishes what a client receives from a broker that is not the bench's own.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::job::Job;
use crate::packets::{self, first};
use crate::{END, READY};

/// How long the broker or the client may be silent.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many messages are in flight.
const WINDOW: u64 = 100;

/// The option of a subscription that leaves out what one has published oneself.
const NO_LOCAL: u8 = 4;

/// A publisher that waits for the client to be ready.
#[derive(Debug)]
pub struct Feeder {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Feeder {
    /// Connects to a broker on 127.0.0.1, and subscribes to what the client says.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut this = Self {
            stream,
            input: Vec::new(),
        };
        this.stream.write_all(&packets::connect(5, "feeder"))?;
        this.wait(|packet| packet[0] == first::CONNACK)?;
        this.stream.write_all(&packets::subscribe(5, NO_LOCAL))?;
        this.wait(|packet| packet[0] == first::SUBACK)?;
        Ok(this)
    }

    /// Publishes what the job has the client receive, and then the last message, at QoS 1; returns
    /// how many there were before it.
    ///
    /// # Errors
    /// What the system says, and `TimedOut` if client or broker are silent.
    pub fn feed(mut self, job: &Job) -> io::Result<u64> {
        self.wait(|packet| packet.ends_with(READY))?;
        let until = Instant::now() + job.duration();
        let payload = job.payload();
        let (mut sent, mut done) = (0, 0);
        let id = |n: u64| (n % 65_535) as u16 + 1;
        while Instant::now() < until {
            let mut batch = Vec::new();
            while sent - done < WINDOW {
                batch.extend(packets::publish(5, 1, id(sent), &payload));
                sent += 1;
            }
            self.stream.write_all(&batch)?;
            self.read(|_| done += 1)?;
        }
        let last = packets::publish(5, 1, id(sent), END);
        self.stream.write_all(&last)?;
        while done <= sent {
            self.read(|_| done += 1)?;
        }
        Ok(sent)
    }

    fn wait(&mut self, is_it: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        let mut is_there = false;
        while !is_there {
            self.read(|packet| is_there |= is_it(packet))?;
        }
        Ok(())
    }

    /// Reads once, and shows each packet that is there in full.
    fn read(&mut self, mut see: impl FnMut(&[u8])) -> io::Result<()> {
        let mut bytes = [0; 4096];
        let n = self.stream.read(&mut bytes)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.input.extend_from_slice(&bytes[..n]);
        let mut at = 0;
        while let Some((_, len)) = packets::length(&self.input[at..]) {
            let Some(packet) = self.input.get(at..at + len) else {
                break;
            };
            see(packet);
            at += len;
        }
        self.input.drain(..at);
        Ok(())
    }
}
