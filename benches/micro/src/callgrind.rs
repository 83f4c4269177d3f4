//! Counts instructions by valgrind's callgrind, of any number of operations in one run.
//!
//! The program starts itself anew under valgrind, which counts only while [`measured`] runs, and
//! writes down a sum whenever that returns. Runners of benchmarks over callgrind do the same, with a
//! run for each operation, and have to be built first.

use std::env;
use std::fs;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::{self, Command};

use crate::{Bench, Operation};

/// The argument for the program under valgrind, before indices of [`benches`](crate::benches).
const WITHIN: &str = "--within-valgrind";

/// Counts for `selected` operations, by their indices in [`benches`](crate::benches): instructions
/// of each repetition, or message.
///
/// # Errors
///
/// If there is no valgrind, or it fails.
pub fn count(selected: &[usize]) -> io::Result<Vec<f64>> {
    let folder = env::temp_dir().join(format!("callgrind-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let result = count_in(&folder, selected);
    fs::remove_dir_all(&folder)?;
    result
}

fn count_in(folder: &Path, selected: &[usize]) -> io::Result<Vec<f64>> {
    let out = folder.join("out");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--compress-strings=no"])
        // Of two equal patterns callgrind heeds one.
        .args([
            "--toggle-collect=*callgrind::measured*",
            "--dump-after=*measured*",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .arg(WITHIN)
        .args(selected.iter().map(usize::to_string))
        .status()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other("valgrind is missing (package valgrind)"),
            _ => error,
        })?;
    if !status.success() {
        return Err(io::Error::other(format!("valgrind: {status}")));
    }
    let benches = crate::benches();
    (1..)
        .zip(selected)
        .map(|(dump, &index)| {
            let dump = fs::read_to_string(folder.join(format!("out.{dump}")))?;
            let sum = dump.lines().find_map(|line| line.strip_prefix("totals: "));
            let sum: u64 = sum
                .and_then(|sum| sum.trim().parse().ok())
                .ok_or_else(|| io::Error::other("valgrind has written no sum"))?;
            let bench = &benches[index];
            Ok(sum as f64 / (repetitions(bench) as f64 * bench.per_run))
        })
        .collect()
}

/// If this is the program under valgrind, does what it was started for, and is true.
///
/// # Panics
///
/// If an argument is not an index.
#[must_use]
pub fn within() -> bool {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() != Some(WITHIN) {
        return false;
    }
    let benches = crate::benches();
    for index in arguments {
        let bench = &benches[index.parse::<usize>().expect("an index")];
        let mut operation = bench.build();
        let n = repetitions(bench);
        // What grows with use has grown.
        operation.run(n.div_ceil(4));
        measured(&mut operation, n);
    }
    true
}

/// More for small ones: what is not the operation itself, and what happens now and then, is shared.
fn repetitions(bench: &Bench) -> u64 {
    (100_000.0 / (bench.weight as f64 * bench.per_run)).clamp(1.0, 100.0) as u64
}

/// What is counted.
#[inline(never)]
fn measured(operation: &mut Operation, n: u64) {
    operation.run(n);
    // Something left to do, or that would be a jump, and this function no other than `run`.
    black_box(operation);
}
