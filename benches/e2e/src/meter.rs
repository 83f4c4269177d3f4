//! What a process takes.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::calls;
use crate::job::{Job, Outcome};

/// Runs from the first message to the last.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    started: Instant,
    limit: Duration,
    cpu_nanos: u64,
    calls: calls::Count,
}

impl Meter {
    /// Starts now.
    #[must_use]
    pub fn start(job: &Job) -> Self {
        Self {
            limit: job.duration(),
            calls: calls::count(),
            cpu_nanos: cpu_nanos(),
            started: Instant::now(),
        }
    }

    /// True once no further message is to be begun.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.started.elapsed() >= self.limit
    }

    /// What it took to bring so many messages through.
    #[must_use]
    pub fn stop(self, messages: u64) -> Outcome {
        let nanos = self.started.elapsed().as_nanos() as u64;
        let cpu_nanos = cpu_nanos() - self.cpu_nanos;
        let calls = calls::count();
        Outcome {
            messages,
            nanos,
            cpu_nanos,
            writes: calls.writes - self.calls.writes,
            reads: calls.reads - self.calls.reads,
            peak_kib: peak_kib(),
            ..Outcome::default()
        }
    }
}

/// Processor time of this process so far, user and system.
fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("Linux has this clock");
    Duration::from(time).as_nanos() as u64
}

/// The most memory that this process ever had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("Linux says VmHWM")
}
