//! Runs every client in every cell, in rounds, and shows the medians.
//!
//! `cargo bench -p e2e -- --help` says how to have less, or more.

mod cells;
mod clients;
mod process;
mod table;

use std::collections::BTreeMap;
use std::error::Error;

use cells::Cell;
use clients::{CLIENTS, Client};
use e2e::job::Outcome;

const HELP: &str = "\
Whole clients over loopback, each in a process of its own.

    cargo bench -p e2e [-- OPTIONS]

    --client TEXT    only clients whose name has this in it; may be repeated
    --cell TEXT      only cells whose table, case or version has; may be repeated, all must be in it
    --rounds N       how many runs of each (5, 3 without --full)
    --seconds S      how long each takes (0.5)
    --full           all cells, not only those that tell most
    --list           the cells and the clients
";

struct Options {
    clients: Vec<String>,
    cells: Vec<String>,
    rounds: Option<usize>,
    seconds: f64,
    is_full: bool,
    is_list: bool,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        clients: Vec::new(),
        cells: Vec::new(),
        rounds: None,
        seconds: 0.5,
        is_full: false,
        is_list: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} what?"));
        match arg.as_str() {
            "--client" => options.clients.push(value()?),
            "--cell" => options.cells.push(value()?),
            "--rounds" => options.rounds = Some(value()?.parse()?),
            "--seconds" => options.seconds = value()?.parse()?,
            "--full" => options.is_full = true,
            "--list" => options.is_list = true,
            // Cargo says this.
            "--bench" => {}
            "--help" => {
                print!("{HELP}");
                std::process::exit(0);
            }
            _ => return Err(format!("{arg}?\n\n{HELP}").into()),
        }
    }
    Ok(options)
}

/// What one client did in one cell, run by run.
type Runs = BTreeMap<(usize, usize), Vec<Outcome>>;

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let cells: Vec<Cell> = cells::cells(options.is_full)
        .into_iter()
        .filter(|cell| {
            let name = format!("{} {} {}", cell.table, cell.case, cell.version());
            options.cells.iter().all(|text| name.contains(text))
        })
        .collect();
    let is_chosen = |client: &Client| {
        options.clients.is_empty()
            || options
                .clients
                .iter()
                .any(|text| client.name.contains(text))
    };
    let clients: Vec<Client> = CLIENTS.iter().copied().filter(is_chosen).collect();
    if options.is_list {
        for cell in &cells {
            println!("{}: {}, {}", cell.table, cell.case, cell.version());
        }
        for client in &clients {
            println!("{}", client.name);
        }
        return Ok(());
    }
    let rounds = options
        .rounds
        .unwrap_or(if options.is_full { 5 } else { 3 });
    let mut runs = Runs::new();
    let mut failures = Vec::new();
    for _ in 0..rounds {
        for (c, cell) in cells.iter().enumerate() {
            for (k, client) in clients.iter().enumerate() {
                if !client.levels.contains(&cell.job.level) {
                    continue;
                }
                match process::run(client, cell, options.seconds) {
                    Ok(outcome) => runs.entry((c, k)).or_default().push(outcome),
                    Err(error) => {
                        let failure = format!(
                            "{}, {}, {}: {error}",
                            client.name,
                            cell.case,
                            cell.version()
                        );
                        eprintln!("{failure}");
                        failures.push(failure);
                    }
                }
            }
        }
    }
    for (c, cell) in cells.iter().enumerate() {
        table::show(c, cell, &clients, &runs)?;
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{} runs failed", failures.len()).into())
}
