//! The loop of those that do no input and output by themselves: fill the window, write once, read
//! once.

use std::error::Error;
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, ppoll};

use crate::job::{Job, Outcome, Work};
use crate::meter::Meter;
use crate::pace::{Latencies, Schedule};
use crate::socket::{self, Stream};
use crate::{END, READY};

/// What the broker's bytes meant.
#[derive(Debug, Default)]
pub struct Seen {
    /// CONNACK or SUBACK.
    pub answers: u64,
    /// Messages of ours that are through.
    pub published: u64,
    /// Messages of the broker's.
    pub received: u64,
    /// The broker has sent its last message.
    pub is_over: bool,
    /// How many of the received ones [`take_news`](Self::take_news) has told.
    told: u64,
}

/// A protocol engine, or something that looks like one.
pub trait Engine {
    /// Queues CONNECT.
    ///
    /// # Errors
    /// Those of the engine.
    fn connect(&mut self) -> Result<(), Box<dyn Error>>;

    /// Queues SUBSCRIBE to the topic.
    ///
    /// # Errors
    /// Those of the engine.
    fn subscribe(&mut self, qos: u8) -> Result<(), Box<dyn Error>>;

    /// Queues a message to the topic; false if 64 KiB of QoS 0 are queued.
    ///
    /// # Errors
    /// Those of the engine.
    fn publish(&mut self, qos: u8, payload: &[u8]) -> Result<bool, Box<dyn Error>>;

    /// What is to be sent.
    fn output(&mut self) -> &[u8];

    /// That much of it was.
    fn written(&mut self, n: usize);

    /// Where to put what is received.
    fn space(&mut self) -> &mut [u8];

    /// That much was.
    ///
    /// # Errors
    /// Those of the engine.
    fn filled(&mut self, n: usize, seen: &mut Seen) -> Result<(), Box<dyn Error>>;
}

/// Whether a payload is the expected one, which the last one never is: all of a small one, and the
/// ends of a large one.
#[must_use]
pub fn is_expected(payload: &[u8], expected: &[u8]) -> bool {
    const SOME: usize = 64;
    payload.len() == expected.len()
        && (payload.len() <= SOME && payload == expected
            || payload.first_chunk::<SOME>() == expected.first_chunk()
                && payload.last() == expected.last())
}

impl Seen {
    /// How many messages were received since this was asked last.
    pub fn take_news(&mut self) -> u64 {
        let news = self.received - self.told;
        self.told = self.received;
        news
    }

    /// Counts a message of the broker's.
    ///
    /// # Errors
    /// It is not the one that was expected.
    pub fn message(&mut self, payload: &[u8], expected: &[u8]) -> Result<(), Box<dyn Error>> {
        if is_expected(payload, expected) {
            self.received += 1;
        } else if payload == END {
            self.is_over = true;
        } else if payload != READY {
            // That a broker other than the bench's own sends to who says it, too.
            return Err("a message that nobody sent".into());
        }
        Ok(())
    }
}

/// Does the job with an engine.
///
/// # Errors
/// Those of the engine and of the stream.
pub fn run(mut engine: impl Engine, job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let (stream, tcp) = socket::connect(job)?;
    let mut line = Line { stream, tcp };
    let mut seen = Seen::default();
    engine.connect()?;
    while seen.answers == 0 {
        line.write(&mut engine)?;
        line.read(&mut engine, &mut seen)?;
    }
    match job.work {
        Work::Publish => publish(&mut engine, &mut line, &mut seen, job),
        Work::Receive | Work::Slow => receive(&mut engine, &mut line, &mut seen, job),
        Work::Latency => pace(&mut engine, &mut line, &mut seen, job),
    }
}

fn publish<E: Engine>(
    engine: &mut E,
    line: &mut Line,
    seen: &mut Seen,
    job: &Job,
) -> Result<Outcome, Box<dyn Error>> {
    let payload = job.payload();
    let mut sent = 0;
    let meter = Meter::start(job);
    while !meter.is_over() {
        while (job.qos == 0 || sent - seen.published < u64::from(job.window))
            && engine.publish(job.qos, &payload)?
        {
            sent += 1;
        }
        line.write(engine)?;
        if job.qos > 0 {
            line.read(engine, seen)?;
        }
    }
    if job.qos == 0 {
        // When this is acknowledged, all before it has arrived.
        engine.publish(1, END)?;
    }
    let last = if job.qos == 0 { 1 } else { sent };
    while seen.published < last {
        line.write(engine)?;
        line.read(engine, seen)?;
    }
    Ok(meter.stop(sent))
}

fn receive<E: Engine>(
    engine: &mut E,
    line: &mut Line,
    seen: &mut Seen,
    job: &Job,
) -> Result<Outcome, Box<dyn Error>> {
    engine.subscribe(job.qos)?;
    while seen.answers < 2 {
        line.write(engine)?;
        line.read(engine, seen)?;
    }
    let meter = Meter::start(job);
    engine.publish(0, READY)?;
    while !seen.is_over {
        line.write(engine)?;
        line.read(engine, seen)?;
        if job.work == Work::Slow {
            if meter.is_over() {
                break;
            }
            thread::sleep(job.pause() * seen.take_news() as u32);
        }
    }
    Ok(meter.stop(seen.received))
}

fn pace<E: Engine>(
    engine: &mut E,
    line: &mut Line,
    seen: &mut Seen,
    job: &Job,
) -> Result<Outcome, Box<dyn Error>> {
    let payload = job.payload();
    let schedule = Schedule::start(job);
    let mut latencies = Latencies::new(schedule, job);
    let mut begun = 0;
    while !latencies.is_done() {
        let now = Instant::now();
        while begun < schedule.messages && schedule.at(begun) <= now {
            engine.publish(job.qos, &payload)?;
            begun += 1;
        }
        line.write(engine)?;
        let next = (begun < schedule.messages).then(|| schedule.at(begun));
        if line.wait(next)? {
            line.read(engine, seen)?;
            latencies.end_until(seen.published);
        }
    }
    Ok(latencies.stop())
}

struct Line {
    stream: Box<dyn Stream>,
    /// What is below it.
    tcp: TcpStream,
}

impl Line {
    /// Waits for something to read, until `deadline`; true if there is.
    fn wait(&self, deadline: Option<Instant>) -> Result<bool, Box<dyn Error>> {
        readable(&self.tcp, deadline)
    }

    fn write<E: Engine>(&mut self, engine: &mut E) -> Result<(), Box<dyn Error>> {
        loop {
            let output = engine.output();
            if output.is_empty() {
                return Ok(());
            }
            let n = self.stream.write(output)?;
            engine.written(n);
        }
    }

    fn read<E: Engine>(&mut self, engine: &mut E, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
        let n = self.stream.read(engine.space())?;
        if n == 0 {
            return Err("the broker has closed the connection".into());
        }
        engine.filled(n, seen)
    }
}

/// Waits for something to read, until `deadline`; true if there is.
///
/// # Errors
/// What the system says.
pub fn readable(tcp: &TcpStream, deadline: Option<Instant>) -> Result<bool, Box<dyn Error>> {
    let timeout =
        deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).into());
    let n = ppoll(
        &mut [PollFd::new(tcp.as_fd(), PollFlags::POLLIN)],
        timeout,
        None,
    )?;
    Ok(n > 0)
}

/// The main function of a client's program: reads the job, does it, and says what it took.
///
/// # Errors
/// Why it was not done.
pub fn main(
    run: impl FnOnce(&Job) -> Result<Outcome, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let job = Job::read()?;
    let outcome = run(&job)?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}
