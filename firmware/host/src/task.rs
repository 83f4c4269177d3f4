//! What images have to do, and whether they did.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ChildStdin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use testkit::Mosquitto;

use crate::clients::{Message, Program, line_publisher, publish, subscriber};
use crate::emulator::{Emulator, Image};
use crate::line::Line;
use crate::plan::{Fault, Plan};

/// How long nothing may happen, and how long a task may take: it is seconds on a machine that has
/// nothing else to do.
const SILENCE: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(300);

/// What happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// The device has sent this; nothing at the end.
    Line(Vec<u8>),
    /// The server has sent this on a call; nothing at its end.
    Server(u8, Vec<u8>),
    /// The image has printed this.
    Console(String),
    /// The emulator has closed one of its two outputs.
    ConsoleClosed,
    /// The witness has received this.
    Heard(Message),
}

pub(crate) type Events = Sender<Event>;

/// Something to do for an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    /// How it is called.
    pub name: &'static str,
    /// How the image knows it.
    word: &'static str,
    /// How often the power fails while the journal is written.
    failures: u32,
    /// What goes wrong.
    plan: fn() -> Plan,
}

/// Everything that there is to do.
pub(crate) const TASKS: [Task; 5] = [
    Task {
        name: "exchange",
        word: "exchange",
        failures: 0,
        plan: Plan::none,
    },
    Task {
        name: "stream",
        word: "stream",
        failures: 0,
        plan: Plan::none,
    },
    Task {
        name: "link",
        word: "numbers",
        failures: 0,
        plan: || Plan::every_packet(Fault::Link, 2),
    },
    Task {
        name: "power",
        word: "journal",
        failures: 0,
        plan: || Plan::every_packet(Fault::Power, 2),
    },
    Task {
        name: "brownout",
        word: "journal",
        failures: 20,
        plan: Plan::none,
    },
];

/// How many numbered messages are on their way to the device at each QoS.
const WINDOW: usize = 8;

/// How many numbered messages there are at least at each QoS.
const AT_LEAST: usize = 40;

/// How many more of them the device sends than it receives.
const AHEAD: usize = 4;

/// The size of streamed messages: four times the device's receive buffer.
const LARGE: usize = 4 * 512;

/// What is to be said of a task that went well.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub summary: String,
    /// How much of the stack was in use, in bytes, if the image knows.
    pub stack: Option<u32>,
}

/// Has an image do a task.
///
/// # Errors
/// What went wrong, and what was seen.
pub(crate) fn run(image: &Image, version: &str, task: Task) -> Result<Outcome, String> {
    let mosquitto = Mosquitto::start(|_| "allow_anonymous true\nmax_queued_messages 0\n".into())
        .ok_or("there is no mosquitto")?;
    let (sender, events) = channel();
    let topics = ["device/echo", "device/up/+", "device/says", "host/end"];
    let _witness = subscriber(&mosquitto, &topics, &sender);
    let words = [
        version.to_owned(),
        task.word.to_owned(),
        task.failures.to_string(),
    ];
    let emulator = Emulator::start(image, &words, &sender)?;
    let line = Line::new(mosquitto.address(), emulator, (task.plan)(), &sender)
        .map_err(|error| error.to_string())?;
    let mut run = Run {
        task,
        mosquitto,
        events,
        line,
        publishers: Vec::new(),
        numbers: Vec::new(),
        console: Vec::new(),
        heard: Vec::new(),
    };
    let result = run.go().and_then(|()| run.check());
    let summary = result.map_err(|error| run.report(&error))?;
    let stack = run
        .console
        .iter()
        .filter_map(|line| line.strip_prefix("stack ")?.parse().ok());
    Ok(Outcome {
        summary,
        stack: stack.max(),
    })
}

struct Run {
    task: Task,
    mosquitto: Mosquitto,
    events: Receiver<Event>,
    line: Line,
    publishers: Vec<Program>,
    numbers: Vec<Numbers>,
    console: Vec<String>,
    heard: Vec<Message>,
}

/// Numbered messages at one QoS.
struct Numbers {
    /// Where they go, until the last went.
    lines: Option<ChildStdin>,
    next: usize,
}

impl Run {
    /// Until the image has ended and the witness has heard everything.
    fn go(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + LIMIT;
        let mut open = 2;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left.min(SILENCE));
            let event = event.map_err(|_| {
                if left > SILENCE {
                    "nothing happens any more"
                } else {
                    "it takes too long"
                }
            })?;
            match event {
                Event::Line(bytes) => {
                    self.line.received(&bytes).map_err(|e| e.to_string())?;
                    self.publish_numbers();
                }
                Event::Server(call, bytes) => {
                    let pings = self.line.pings;
                    self.line.heard(call, &bytes).map_err(|e| e.to_string())?;
                    if self.task.word == "exchange" && self.line.pings > pings {
                        self.publish(0, "device/in", b"over");
                    }
                }
                Event::Console(line) => self.console.push(line),
                Event::ConsoleClosed => {
                    open -= 1;
                    if open == 0 {
                        let status = self.line.emulator().wait();
                        if !status.success() {
                            return Err(format!("the image has failed: {status}"));
                        }
                        if !self.publishers.iter_mut().all(Program::wait) {
                            return Err("mosquitto_pub has failed".into());
                        }
                        // What the witness hears before this is all that it will hear.
                        self.publish(2, "host/end", b"end");
                    }
                }
                Event::Heard(message) => match (&*message.topic, &*message.payload) {
                    ("device/says", "ready") if self.publishers.is_empty() => self.answer(),
                    ("device/says", "ready") => {}
                    ("host/end", _) => return Ok(()),
                    _ => self.heard.push(message),
                },
            }
        }
    }

    /// Publishes what the device waits for.
    fn answer(&mut self) {
        match self.task.word {
            "exchange" => {
                for qos in 0..3 {
                    self.publish(qos, "device/in", qos.to_string().as_bytes());
                }
            }
            "stream" => {
                for qos in 0..3_u8 {
                    let byte = |at: usize| (at * 31 + usize::from(qos) * 7).to_le_bytes()[0];
                    let payload: Vec<u8> = (0..LARGE).map(byte).collect();
                    self.publish(qos, "device/in", &payload);
                }
            }
            _ => {
                for qos in [1, 2] {
                    let topic = format!("device/down/{qos}");
                    let address = self.mosquitto.address();
                    let (program, lines) = line_publisher(address, qos, &topic);
                    self.publishers.push(program);
                    self.numbers.push(Numbers {
                        lines: Some(lines),
                        next: 0,
                    });
                }
                self.publish_numbers();
            }
        }
    }

    fn publish(&mut self, qos: u8, topic: &str, payload: &[u8]) {
        let address = self.mosquitto.address();
        self.publishers.push(publish(address, qos, topic, payload));
    }

    /// Publishes numbered messages until everything has gone wrong that is to go wrong. The last one
    /// says that it is.
    ///
    /// No more than a few are under way: mosquitto 2.0 forgets its limit of messages in flight when
    /// a connection is resumed, and before 5.0 a client has no say in that.
    fn publish_numbers(&mut self) {
        let through = self.line.through();
        let (happened, planned) = self.line.progress();
        let is_over = happened == planned && self.starts() > self.task.failures as usize;
        for (number, through) in self.numbers.iter_mut().zip(through) {
            while let Some(lines) = &mut number.lines
                && number.next < through + WINDOW
            {
                let is_last = is_over && number.next + 1 >= AT_LEAST;
                // If it does not read that, it fails.
                let _ = writeln!(lines, "{}{}", number.next, if is_last { "!" } else { "" });
                number.next += 1;
                if is_last {
                    // At the end of its input it ends.
                    number.lines = None;
                }
            }
        }
    }

    /// How often the image has started.
    fn starts(&self) -> usize {
        self.console
            .iter()
            .filter(|line| line.starts_with("start "))
            .count()
    }

    /// What the image says of itself is not all: what has the witness heard, what was on the wire?
    fn check(&mut self) -> Result<String, String> {
        let [new, resumed] = self.line.accepted;
        let (happened, planned) = self.line.progress();
        if happened != planned {
            return Err(format!("of {planned} planned faults {happened} happened"));
        }
        if new != 1 {
            return Err(format!("{new} sessions instead of one"));
        }
        let starts = self.starts();
        let cuts = self.task.failures as usize + self.line.power_cuts as usize;
        if starts != cuts + 1 {
            return Err(format!("{starts} starts after {cuts} losses of power"));
        }
        match self.task.word {
            "exchange" => {
                let all = ["0 0", "1 1", "2 2", "2 end"];
                let heard: Vec<String> = self.heard("device/echo").collect();
                if heard != all {
                    return Err(format!("heard: {heard:?}"));
                }
                Ok("each QoS both ways, then PINGREQ".into())
            }
            "stream" => Ok(format!("3 messages of {LARGE} bytes")),
            _ => {
                let [one, two] = [0, 1].map(|n| self.numbers.get(n).map_or(0, |n| n.next));
                let sent =
                    |qos: u8, count: usize| (0..count + AHEAD).map(move |n| format!("{qos} {n}"));
                let heard: Vec<String> = self.heard("device/up/2").collect();
                if !sent(2, two).eq(heard.iter().cloned()) {
                    return Err(format!("at QoS 2, heard: {heard:?}"));
                }
                let mut heard: Vec<String> = self.heard("device/up/1").collect();
                let again = heard.len();
                let mut seen = HashSet::new();
                heard.retain(|message| seen.insert(message.clone()));
                let again = again - heard.len();
                if !sent(1, one).eq(heard.iter().cloned()) {
                    return Err(format!("at QoS 1, heard: {heard:?}"));
                }
                Ok(format!(
                    "{} cuts, session resumed {resumed} times; QoS 1: {one} messages in, {} out \
                     ({again} twice); QoS 2: {two} in, {} out, each once",
                    happened.max(cuts),
                    one + AHEAD,
                    two + AHEAD
                ))
            }
        }
    }

    fn heard(&self, topic: &str) -> impl Iterator<Item = String> {
        let heard = self
            .heard
            .iter()
            .filter(move |message| message.topic == topic);
        heard.map(|message| format!("{} {}", message.qos, message.payload))
    }

    fn report(&self, error: &str) -> String {
        let mut report = format!("{error}\n--- the line, at its end\n");
        let trace = &self.line.trace;
        for line in &trace[trace.len().saturating_sub(100)..] {
            let _ = writeln!(report, "{line}");
        }
        let _ = writeln!(report, "--- the image said\n{}", self.console.join("\n"));
        let log = self.mosquitto.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(30)..].join("\n");
        let _ = writeln!(report, "--- mosquitto said, at the end\n{end}");
        report
    }
}
