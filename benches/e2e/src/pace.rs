//! Messages at a fixed rate, and how long each took from when it was to be begun.
//!
//! A client that falls behind is measured with the time that it is behind: the next message does
//! not wait for it.

use std::thread;
use std::time::{Duration, Instant};

use crate::job::{Job, Outcome};
use crate::meter::Meter;

/// When each message is to be begun.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    started: Instant,
    interval: Duration,
    /// How many there are.
    pub messages: u64,
}

impl Schedule {
    /// Starts now.
    #[must_use]
    pub fn start(job: &Job) -> Self {
        Self {
            started: Instant::now(),
            interval: Duration::from_secs(1) / job.rate,
            messages: job.millis * u64::from(job.rate) / 1000,
        }
    }

    /// When message `n` is to be begun, from 0 on.
    #[must_use]
    pub fn at(&self, n: u64) -> Instant {
        self.started + self.interval * n as u32
    }

    /// Waits until message `n` is to be begun; false if there is no such message.
    #[must_use]
    pub fn wait(&self, n: u64) -> bool {
        if n >= self.messages {
            return false;
        }
        thread::sleep(self.at(n).saturating_duration_since(Instant::now()));
        true
    }
}

/// How long each message took. They end in the order in which they began.
#[derive(Debug)]
pub struct Latencies {
    schedule: Schedule,
    meter: Meter,
    nanos: Vec<u64>,
}

impl Latencies {
    /// For messages of this schedule.
    #[must_use]
    pub fn new(schedule: Schedule, job: &Job) -> Self {
        Self {
            meter: Meter::start(job),
            nanos: Vec::with_capacity(schedule.messages as usize),
            schedule,
        }
    }

    /// The oldest message that is under way is through.
    pub fn end(&mut self) {
        let begun = self.schedule.at(self.nanos.len() as u64);
        self.nanos.push(begun.elapsed().as_nanos() as u64);
    }

    /// Says that so many messages are through in all.
    pub fn end_until(&mut self, n: u64) {
        while (self.nanos.len() as u64) < n {
            self.end();
        }
    }

    /// True if all are through.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.nanos.len() as u64 >= self.schedule.messages
    }

    /// What that took.
    #[must_use]
    pub fn stop(mut self) -> Outcome {
        let outcome = self.meter.stop(self.nanos.len() as u64);
        self.nanos.sort_unstable();
        let last = self.nanos.len().saturating_sub(1) as f64;
        let percentile = |part: f64| {
            let at = (last * part).round() as usize;
            self.nanos.get(at).copied().unwrap_or_default()
        };
        Outcome {
            latencies: Some([0.5, 0.99, 0.999].map(percentile)),
            ..outcome
        }
    }
}
