//! What a process with many clients says of itself.

use std::fs;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::{Outcome, heap};

/// What the process takes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct State {
    /// Bytes of the heap in use.
    pub(crate) heap: i64,
    /// Memory that is there, without what is shared with others (VmRSS).
    pub(crate) resident_kib: f64,
    /// Processor time so far, user and system.
    pub(crate) processor_ms: f64,
}

impl State {
    pub(crate) fn now() -> Outcome<Self> {
        let heap = heap::in_use();
        let status = fs::read_to_string("/proc/self/status")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = resident.and_then(|line| line.split_whitespace().next());
        let processor =
            std::time::Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
        Ok(Self {
            heap,
            resident_kib: number.ok_or("no VmRSS")?.parse()?,
            processor_ms: processor.as_secs_f64() * 1e3,
        })
    }

    /// Tells the parent.
    pub(crate) fn say() -> Outcome<()> {
        println!("{}", serde_json::to_string(&Self::now()?)?);
        Ok(())
    }
}
