//! Instructions of each operation, ours and others', counted by callgrind.
//!
//!     cargo bench -p micro --bench instructions                  # of all
//!     cargo bench -p micro --bench instructions -- 'QoS 1, 5.0'  # of those whose name has this
//!
//! `src/bin/guard.rs` compares ours with a table.

use std::io;

use micro::{OURS, benches, callgrind};

fn main() -> io::Result<()> {
    if callgrind::within() {
        return Ok(());
    }
    // Cargo says that it is a benchmark.
    let filter = std::env::args()
        .skip(1)
        .find(|argument| argument != "--bench");
    let filter = filter.unwrap_or_default();
    let benches = benches();
    let selected: Vec<_> = (0..benches.len())
        .filter(|&index| {
            let bench = &benches[index];
            // Others' windows of 65,535 take minutes to count.
            let is_short = bench.per_run <= 1024.0 || bench.client == OURS;
            is_short && bench.case.contains(&filter)
        })
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
