//! What is said of a run.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use testkit::Proxy;

use crate::args::Args;
use crate::lane::{Broker, Lane};
use crate::ledger::{Shared, Sums, lock};
use crate::line::Planned;
use crate::resources::{Snapshot, median};
use crate::run::Outcome;

/// Says how far it is.
#[expect(clippy::print_stderr, reason = "it is a command")]
pub(crate) fn progress(line: &str) {
    eprintln!("{line}");
}

/// What a client did.
struct Row {
    lane: Lane,
    sums: Sums,
    problems: Vec<String>,
}

/// Everything that is said.
pub(crate) struct Report {
    rows: Vec<Row>,
    recoveries: Histogram<u64>,
    /// Names and numbers.
    counts: Vec<(String, u64)>,
    /// The median of the heap in each quarter.
    heap: Vec<usize>,
    time: Duration,
}

impl Report {
    /// Takes from a run what is said of it, and returns the ledgers.
    pub(crate) fn of(
        lanes: &[Lane],
        outcome: Outcome,
        planned: &Planned,
        proxies: &[Proxy],
    ) -> (Self, Vec<Shared>) {
        let rows: Vec<_> = lanes
            .iter()
            .zip(&outcome.ledgers)
            .map(|(lane, ledger)| {
                let ledger = lock(ledger);
                let problems = ledger.problems().to_vec();
                Row {
                    lane: *lane,
                    sums: ledger.sums,
                    problems,
                }
            })
            .collect();
        let sum = |count: fn(&Sums) -> u64| rows.iter().map(|row| count(&row.sums)).sum();
        let cuts: usize = proxies.iter().map(Proxy::cuts).sum();
        let mut counts: Vec<(String, u64)> = [
            ("published at QoS 0", sum(|sums| sums.published[0])),
            ("published at QoS 1", sum(|sums| sums.published[1])),
            ("published at QoS 2", sum(|sums| sums.published[2])),
            ("arrived at QoS 0", sum(|sums| sums.arrived[0])),
            ("arrived at QoS 1", sum(|sums| sums.arrived[1])),
            ("arrived at QoS 2", sum(|sums| sums.arrived[2])),
            ("lost at QoS 0 with a connection", sum(|sums| sums.dropped)),
            ("repeated at QoS 1", sum(|sums| sums.repeated)),
            ("lost with a broker's memory", sum(|sums| sums.forgotten)),
            ("lost under another's identifier", sum(|sums| sums.spoilt)),
            (
                "repeated at QoS 2, as a process ended",
                sum(|sums| sums.unrecorded),
            ),
            (
                "QoS 2 messages that a broker repeated",
                sum(|sums| sums.broker_faults),
            ),
            ("attempts to connect", sum(|sums| sums.attempts)),
            ("connections", sum(|sums| sums.connections)),
            (
                "sessions that a broker forgot",
                sum(|sums| sums.sessions_lost),
            ),
            (
                "subscriptions that a broker forgot",
                sum(|sums| sums.subscriptions_lost),
            ),
            ("processes that ended and went on", sum(|sums| sums.crashes)),
            ("cut by a proxy", cuts as u64),
            (
                "planned ends of streams",
                planned.closes.load(Ordering::Relaxed),
            ),
            ("planned resets", planned.resets.load(Ordering::Relaxed)),
            (
                "planned half-closes",
                planned.half_closes.load(Ordering::Relaxed),
            ),
            (
                "planned black holes",
                planned.black_holes.load(Ordering::Relaxed),
            ),
            ("planned delays", planned.delays.load(Ordering::Relaxed)),
            (
                "planned slow directions",
                planned.throttles.load(Ordering::Relaxed),
            ),
            (
                "planned chopped directions",
                planned.chops.load(Ordering::Relaxed),
            ),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .to_vec();
        counts.extend(outcome.restarts);
        let quarter = outcome.heap.len().div_ceil(4).max(1);
        let heap = outcome.heap.chunks(quarter).filter_map(median).collect();
        let report = Self {
            rows,
            recoveries: outcome.recoveries,
            counts,
            heap,
            time: outcome.time,
        };
        (report, outcome.ledgers)
    }

    /// Prints it; false if anything was wrong.
    pub(crate) fn print(
        &self,
        args: &Args,
        seed: u64,
        before: &Snapshot,
        after: &Snapshot,
        problems: &[String],
    ) -> bool {
        let is_good = problems.is_empty() && self.rows.iter().all(|row| row.problems.is_empty());
        let text = if args.json {
            let json = self.json(seed, before, after, problems, is_good);
            format!("{json:#}\n")
        } else {
            self.text(seed, before, after, problems, is_good)
        };
        // Nobody may be there to read it.
        let _ = io::stdout().write_all(text.as_bytes());
        is_good
    }

    /// Milliseconds that this part of the recoveries took at most.
    fn recovery(&self, part: f64) -> u64 {
        self.recoveries.value_at_quantile(part)
    }

    fn text(
        &self,
        seed: u64,
        before: &Snapshot,
        after: &Snapshot,
        problems: &[String],
        is_good: bool,
    ) -> String {
        let mut lines = vec![format!(
            "{:44} {:>8} {:>8} {:>8} {:>11} {:>6} {:>8}",
            "client", "arrived", "repeated", "attempts", "connections", "forgot", "problems"
        )];
        for (
            n,
            Row {
                lane,
                sums,
                problems,
            },
        ) in self.rows.iter().enumerate()
        {
            lines.push(format!(
                "{:44} {:8} {:8} {:8} {:11} {:6} {:8}",
                format!("{n:2} {lane}"),
                sums.arrived.iter().sum::<u64>(),
                sums.repeated,
                sums.attempts,
                sums.connections,
                sums.sessions_lost,
                problems.len()
            ));
        }
        lines.push(String::new());
        for (name, count) in &self.counts {
            lines.push(format!("{name:44} {count:8}"));
        }
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|part| self.recovery(part));
        let (count, max) = (self.recoveries.len(), self.recoveries.max());
        lines.push(format!(
            "without a connection, ms: half of {count} up to {p50}, 90 % {p90}, 99 % {p99}, all {max}"
        ));
        let heap: Vec<_> = self
            .heap
            .iter()
            .map(|bytes| (bytes / 1024).to_string())
            .collect();
        lines.push(format!(
            "heap, KiB: {} in the quarters; {} before, {} after",
            heap.join(", "),
            before.heap / 1024,
            after.heap / 1024
        ));
        lines.push(format!(
            "file descriptors {} before, {} after; threads {}, {}; resident {} KiB, {}; processor {:.1} s in {:.0} s",
            before.files.len(),
            after.files.len(),
            before.threads,
            after.threads,
            before.resident / 1024,
            after.resident / 1024,
            after.processor.saturating_sub(before.processor).as_secs_f64(),
            self.time.as_secs_f64()
        ));
        for problem in problems {
            lines.push(format!("PROBLEM: {problem}"));
        }
        for (n, row) in self.rows.iter().enumerate() {
            for problem in &row.problems {
                lines.push(format!("PROBLEM: client {n} ({}): {problem}", row.lane));
            }
        }
        let verdict = if is_good { "good" } else { "FAILED" };
        lines.push(format!("{verdict}, seed {seed}"));
        lines.join("\n") + "\n"
    }

    fn json(
        &self,
        seed: u64,
        before: &Snapshot,
        after: &Snapshot,
        problems: &[String],
        is_good: bool,
    ) -> Value {
        let snapshot = |snapshot: &Snapshot| {
            json!({
                "heap": snapshot.heap,
                "file_descriptors": snapshot.files.len(),
                "threads": snapshot.threads,
                "resident": snapshot.resident,
            })
        };
        let clients: Vec<_> = self
            .rows
            .iter()
            .map(
                |Row {
                     lane,
                     sums,
                     problems,
                 }| {
                    json!({
                        "client": lane.to_string(),
                        "published": sums.published,
                        "arrived": sums.arrived,
                        "repeated": sums.repeated,
                        "attempts": sums.attempts,
                        "connections": sums.connections,
                        "sessions_lost": sums.sessions_lost,
                        "problems": problems,
                    })
                },
            )
            .collect();
        let counts: serde_json::Map<_, _> = self
            .counts
            .iter()
            .map(|(name, count)| (name.clone(), json!(count)))
            .collect();
        json!({
            "good": is_good,
            "seed": seed,
            "seconds": self.time.as_secs_f64(),
            "clients": clients,
            "counts": counts,
            "recovery_ms": {
                "p50": self.recovery(0.5),
                "p90": self.recovery(0.9),
                "p99": self.recovery(0.99),
                "max": self.recoveries.max(),
            },
            "heap_in_quarters": self.heap,
            "before": snapshot(before),
            "after": snapshot(after),
            "processor_seconds": after.processor.saturating_sub(before.processor).as_secs_f64(),
            "problems": problems,
        })
    }

    /// Writes what the clients with problems did last.
    pub(crate) fn write_logs(&self, dir: &Path, ledgers: &[Shared]) -> io::Result<()> {
        for (n, ledger) in ledgers.iter().enumerate() {
            let ledger = lock(ledger);
            if !ledger.problems().is_empty() {
                let problems = ledger.problems().join("\n");
                let text = format!("{}\n{problems}\n{}", self.rows[n].lane, ledger.log());
                fs::create_dir_all(dir)?;
                fs::write(dir.join(format!("client-{n}.log")), text)?;
            }
        }
        Ok(())
    }
}

/// Writes what a broker did last.
pub(crate) fn write_log(dir: &Path, broker: Broker, log: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join(format!("{broker:?}.log").to_lowercase()), log)
}
