//! Medians, and how they are shown.

use std::collections::BTreeMap;

use e2e::job::{Outcome, Work};
use record::Row;

use crate::cells::Cell;
use crate::clients::{Client, RAW, is_peer};

/// The names of what rows have.
const RATE: &str = "messages/s";
const PROCESSOR: &str = "µs processor/message";
const WRITES: &str = "writes/message";
const READS: &str = "reads/message";
const PEAK: &str = "peak MiB";
const SPREAD: &str = "best/worst run";
const PERCENTILES: [&str; 3] = ["p50 µs", "p99 µs", "p99.9 µs"];
const MESSAGES: &str = "messages";
const MISSED: &str = "messages left out";

fn median(outcomes: &[Outcome], value: impl Fn(&Outcome) -> f64) -> f64 {
    let mut values: Vec<_> = outcomes.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 0 {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}

/// The row of a client's runs in a cell: medians, and the largest peak of memory.
pub(crate) fn row(cell: &Cell, client: &Client, outcomes: &[Outcome]) -> Row {
    let per_message =
        |value: fn(&Outcome) -> u64| median(outcomes, |o| value(o) as f64 / o.messages as f64);
    let rate = |outcome: &Outcome| outcome.messages as f64 * 1e9 / outcome.nanos as f64;
    let best = outcomes.iter().map(rate).fold(0.0, f64::max);
    let worst = outcomes.iter().map(rate).fold(f64::INFINITY, f64::min);
    let peak = outcomes
        .iter()
        .map(|o| o.peak_kib)
        .max()
        .unwrap_or_default();

    let mut values = BTreeMap::from([(PEAK.to_owned(), peak as f64 / 1024.0)]);
    let mut add = |name: &str, value: f64| {
        values.insert(name.to_owned(), value);
    };
    match cell.job.work {
        Work::Publish | Work::Receive => {
            add(RATE, median(outcomes, rate));
            add(PROCESSOR, per_message(|o| o.cpu_nanos) / 1000.0);
            add(WRITES, per_message(|o| o.writes));
            add(READS, per_message(|o| o.reads));
            add(SPREAD, best / worst);
        }
        Work::Latency => {
            for (i, name) in PERCENTILES.into_iter().enumerate() {
                // A run without them has failed.
                let nanos = |o: &Outcome| o.latencies.unwrap_or_default()[i] as f64;
                add(name, median(outcomes, nanos) / 1000.0);
            }
            add(PROCESSOR, per_message(|o| o.cpu_nanos) / 1000.0);
        }
        Work::Slow => {
            add(MESSAGES, median(outcomes, |o| o.messages as f64));
            add(MISSED, median(outcomes, |o| o.missed as f64));
        }
    }
    let version = outcomes.first().map_or("", |outcome| &outcome.version);
    Row {
        table: cell.table.to_owned(),
        case: cell.case.clone(),
        version: cell.version().to_owned(),
        client: client.name.replace("{}", version),
        values,
    }
}

fn short(n: f64) -> String {
    match n {
        1e7.. => format!("{:.1}M", n / 1e6),
        1e6.. => format!("{:.2}M", n / 1e6),
        1e4.. => format!("{:.0}k", n / 1e3),
        _ => format!("{n:.0}"),
    }
}

/// Prints a cell.
pub(crate) fn show(cell: &Cell, rows: &[Row]) {
    let rate = |row: &Row| row.values.get(RATE).copied();
    let raw = rows.iter().find(|row| row.client == RAW).and_then(rate);
    let peers = rows.iter().filter(|row| is_peer(&row.client));
    let peer = peers.filter_map(rate).reduce(f64::max);
    let columns: &[(&str, &str, usize)] = match cell.job.work {
        Work::Publish | Work::Receive => &[
            (RATE, "msg/s", 0),
            ("", "of raw", 2),
            ("", "of best", 2),
            (PROCESSOR, "µs cpu", 3),
            (WRITES, "writes", 4),
            (READS, "reads", 4),
            (PEAK, "MiB", 1),
            (SPREAD, "spread", 2),
        ],
        Work::Latency => &[
            (PERCENTILES[0], "p50 µs", 0),
            (PERCENTILES[1], "p99 µs", 0),
            (PERCENTILES[2], "p99.9 µs", 0),
            (PROCESSOR, "µs cpu", 2),
            (PEAK, "MiB", 1),
        ],
        Work::Slow => &[
            (PEAK, "MiB", 1),
            (MESSAGES, "messages", 0),
            (MISSED, "left out", 0),
        ],
    };
    println!("\n{}: {}, {}", cell.table, cell.case, cell.version());
    print!("  {:30}", "");
    for (_, title, _) in columns {
        print!(" {title:>8}");
    }
    println!();
    for row in rows {
        print!("  {:30}", row.client);
        for &(name, title, digits) in columns {
            let value = match title {
                "of raw" => raw.zip(rate(row)).map(|(raw, rate)| rate / raw),
                "of best" => peer.zip(rate(row)).map(|(peer, rate)| rate / peer),
                _ => row.values.get(name).copied(),
            };
            let text = match value {
                Some(value) if name == RATE => short(value),
                Some(value) => format!("{value:.digits$}"),
                None => String::new(),
            };
            print!(" {text:>8}");
        }
        println!();
    }
}
