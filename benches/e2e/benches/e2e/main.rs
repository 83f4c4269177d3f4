//! Runs every client in every cell, in rounds, and shows the medians.
//!
//! `cargo bench -p e2e -- --help` says how to have less, or more.

mod cells;
mod clients;
mod process;
mod table;

use std::collections::BTreeMap;
use std::error::Error;

use cells::{Broker, Cell};
use clients::{ABSENT, CLIENTS, Client, is_peer};
use e2e::job::Outcome;
use process::World;
use record::Row;

const HELP: &str = "\
Whole clients over loopback, each in a process of its own.

    cargo bench -p e2e [-- OPTIONS]

    --client TEXT    only clients whose name has this in it; may be repeated
    --cell TEXT      only cells whose table, case or version has; may be repeated, all must be in it
    --rounds N       how many runs of each (5, 3 without --full)
    --seconds S      for how long each begins messages (0.5, 0.3 without --full)
    --full           all cells, not only those that tell most
    --list           the cells and the clients
";

struct Options {
    clients: Vec<String>,
    cells: Vec<String>,
    rounds: Option<usize>,
    seconds: Option<f64>,
    is_full: bool,
    is_list: bool,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        clients: Vec::new(),
        cells: Vec::new(),
        rounds: None,
        seconds: None,
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
            "--seconds" => options.seconds = Some(value()?.parse()?),
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
    let has = |cell: &Cell| {
        let name = format!("{}: {}, {}", cell.table, cell.case, cell.version());
        options.cells.iter().all(|text| name.contains(text))
    };
    let cells: Vec<Cell> = cells::cells(options.is_full)
        .into_iter()
        .filter(has)
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
    for absent in ABSENT {
        println!("not measured: {absent}");
    }

    let has_mosquitto = cells.iter().any(|cell| cell.broker == Broker::Mosquitto);
    let world = World::new(has_mosquitto)?;
    let rounds = options
        .rounds
        .unwrap_or(if options.is_full { 5 } else { 3 });
    let seconds = options
        .seconds
        .unwrap_or(if options.is_full { 0.5 } else { 0.3 });
    let mut runs = Runs::new();
    let mut failures = 0;
    for round in 0..rounds {
        for (c, cell) in cells.iter().enumerate() {
            if !world.has(cell) || cell.is_once && round > 0 {
                continue;
            }
            for (k, client) in clients.iter().enumerate() {
                if !client.can(&cell.job) {
                    continue;
                }
                match world.run(client, cell, seconds) {
                    Ok(outcome) => runs.entry((c, k)).or_default().push(outcome),
                    Err(error) => {
                        let (case, version) = (&cell.case, cell.version());
                        let name = client.name.replace(" {}", "");
                        println!("FAILED: {name}, {}: {case}, {version}: {error}", cell.table);
                        // That others fail now and then is no fault of ours.
                        failures += usize::from(!is_peer(&name));
                    }
                }
            }
        }
    }

    let mut all = Vec::new();
    for (c, cell) in cells.iter().enumerate() {
        let rows: Vec<Row> = clients
            .iter()
            .enumerate()
            .filter_map(|(k, client)| Some(table::row(cell, client, runs.get(&(c, k))?)))
            .collect();
        if !rows.is_empty() {
            table::show(cell, &rows);
        }
        all.extend(rows);
    }
    for row in &all {
        row.write()?;
    }
    if failures > 0 {
        return Err(format!("{failures} runs failed").into());
    }
    Ok(())
}
