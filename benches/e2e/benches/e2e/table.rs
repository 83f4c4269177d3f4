//! Medians, and how they are shown.

use std::collections::BTreeMap;
use std::error::Error;

use e2e::job::Outcome;
use record::Row;

use crate::Runs;
use crate::cells::Cell;
use crate::clients::{Client, RAW, is_ours};

/// What the report gets of several runs.
fn values(outcomes: &[Outcome]) -> BTreeMap<String, f64> {
    let median = |value: &dyn Fn(&Outcome) -> f64| {
        let mut values: Vec<_> = outcomes.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 0 {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        }
    };
    let rate = |outcome: &Outcome| outcome.messages as f64 * 1e9 / outcome.nanos as f64;
    let per_message =
        |value: fn(&Outcome) -> u64| move |o: &Outcome| value(o) as f64 / o.messages as f64;
    let rates = outcomes.iter().map(rate);
    let best = rates.clone().fold(0.0, f64::max);
    let worst = rates.fold(f64::INFINITY, f64::min);
    let peak = outcomes
        .iter()
        .map(|o| o.peak_kib)
        .max()
        .unwrap_or_default();
    BTreeMap::from([
        ("messages/s".to_owned(), median(&rate)),
        (
            "µs processor/message".to_owned(),
            median(&|o| per_message(|o| o.cpu_nanos)(o) / 1000.0),
        ),
        (
            "writes/message".to_owned(),
            median(&per_message(|o| o.writes)),
        ),
        (
            "reads/message".to_owned(),
            median(&per_message(|o| o.reads)),
        ),
        ("peak MiB".to_owned(), peak as f64 / 1024.0),
        ("best/worst run".to_owned(), best / worst),
    ])
}

fn short(rate: f64) -> String {
    match rate {
        1e7.. => format!("{:.1}M", rate / 1e6),
        1e6.. => format!("{:.2}M", rate / 1e6),
        _ => format!("{:.0}k", rate / 1e3),
    }
}

/// Prints a cell, and writes its rows.
pub(crate) fn show(
    c: usize,
    cell: &Cell,
    clients: &[Client],
    runs: &Runs,
) -> Result<(), Box<dyn Error>> {
    let rows: Vec<Row> = clients
        .iter()
        .enumerate()
        .filter_map(|(k, client)| {
            Some(Row {
                table: cell.table.to_owned(),
                case: cell.case.clone(),
                version: cell.version().to_owned(),
                client: client.name.to_owned(),
                values: values(runs.get(&(c, k))?),
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rate = |row: &Row| row.values["messages/s"];
    let raw = rows.iter().find(|row| row.client == RAW).map(rate);
    let peers = rows
        .iter()
        .filter(|row| row.client != RAW && !is_ours(&row.client));
    let peer = peers.map(rate).reduce(f64::max);
    println!("\n{}: {}, {}", cell.table, cell.case, cell.version());
    println!(
        "  {:28} {:>8} {:>7} {:>7} {:>8} {:>8} {:>8} {:>7} {:>7}",
        "", "msg/s", "of raw", "of best", "µs cpu", "writes", "reads", "MiB", "spread"
    );
    for row in &rows {
        let of = |other: Option<f64>| {
            other.map_or(String::new(), |other| format!("{:.2}", rate(row) / other))
        };
        let value = |name: &str| row.values[name];
        println!(
            "  {:28} {:>8} {:>7} {:>7} {:>8.3} {:>8.4} {:>8.4} {:>7.1} {:>7.2}",
            row.client,
            short(rate(row)),
            of(raw),
            of(peer),
            value("µs processor/message"),
            value("writes/message"),
            value("reads/message"),
            value("peak MiB"),
            value("best/worst run"),
        );
        row.write()?;
    }
    Ok(())
}
