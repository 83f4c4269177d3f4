//! Instructions of each operation, counted by callgrind.
//!
//!     cargo bench -p micro --bench instructions                      # of all
//!     cargo bench -p micro --bench instructions -- 'QoS 1, 5.0'      # of those whose name has this
//!
//! The guard, without the others:
//!
//!     cargo bench -p micro --no-default-features --bench instructions -- --check
//!     cargo bench -p micro --no-default-features --bench instructions -- --update

use std::io;
use std::process::ExitCode;

use micro::{benches, callgrind, guard};

fn main() -> io::Result<ExitCode> {
    if callgrind::within() {
        return Ok(ExitCode::SUCCESS);
    }
    // Cargo says that it is a benchmark.
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match arguments.first().map_or("", String::as_str) {
        "--check" => {
            if !guard::check()? {
                println!(
                    "If this is the price of something worth it, write the table anew:\n    \
                     cargo bench -p micro --no-default-features --bench instructions -- --update"
                );
                return Ok(ExitCode::FAILURE);
            }
        }
        "--update" => guard::update()?,
        filter => table(filter)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(filter: &str) -> io::Result<()> {
    let benches = benches();
    let selected: Vec<_> = (0..benches.len())
        .filter(|&index| benches[index].case.contains(filter))
        .collect();
    let mut last = "";
    for (&index, count) in selected.iter().zip(callgrind::count(&selected)?) {
        let bench = &benches[index];
        if last != bench.case {
            println!("{}", bench.case);
            last = &bench.case;
        }
        println!("{count:>12.0}  {}", bench.client);
        bench.row(&[("instructions", count)]).write()?;
    }
    Ok(())
}
