//! The guard: how many instructions this client may take for what it does, from a table that is
//! kept with the sources.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;

use crate::{Bench, OURS, benches, callgrind};

/// The table. A comment names the compiler, since another makes other code of the same source.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.tsv");
const COMPILER: &str = env!("RUSTC_VERSION");

/// How much more than in the table is no news: what is inlined where differs with code elsewhere.
const TOLERANCE: f64 = 0.05;
/// The same with another compiler.
const TOLERANCE_ELSEWHERE: f64 = 0.35;
/// Instructions that never matter.
const SLACK: f64 = 4.0;

/// What is guarded: short messages, so that `memcpy` of one machine or another does not show, but for
/// decoding, where nothing must depend on the payload; and windows that show a search, if there is one.
fn is_guarded(bench: &Bench) -> bool {
    let is_short = !bench.case.contains("KiB") && !bench.case.contains("MiB");
    bench.client == OURS
        && (is_short || bench.case.starts_with("decode"))
        && bench.per_run <= 1024.0
}

fn counts() -> io::Result<BTreeMap<String, f64>> {
    let benches = benches();
    let selected: Vec<_> = (0..benches.len())
        .filter(|&index| is_guarded(&benches[index]))
        .collect();
    let counts = callgrind::count(&selected)?;
    let names = selected.iter().map(|&index| benches[index].case.clone());
    Ok(names.zip(counts).collect())
}

/// Writes the table anew.
///
/// # Errors
///
/// If nothing can be counted or written.
pub fn update() -> io::Result<()> {
    let mut table = format!("# Instructions of each operation, or message, with {COMPILER}\n");
    for (case, count) in counts()? {
        writeln!(table, "{case}\t{count:.0}").expect("a string takes it");
    }
    fs::write(TABLE, table)
}

/// Compares with the table, prints what differs, and is true if nothing is slower.
///
/// # Errors
///
/// If nothing can be counted or read.
pub fn check() -> io::Result<bool> {
    let table = fs::read_to_string(TABLE)?;
    let counts = counts()?;
    let (report, is_good) = compare(&table, &counts, COMPILER);
    print!("{report}");
    Ok(is_good)
}

fn compare(table: &str, counts: &BTreeMap<String, f64>, compiler: &str) -> (String, bool) {
    let mut lines = table.lines();
    let first = lines.next().unwrap_or_default();
    let of = first.rsplit(" with ").next().unwrap_or_default();
    let expected: BTreeMap<_, f64> = lines
        .filter_map(|line| {
            let (case, count) = line.split_once('\t')?;
            Some((case, count.parse().ok()?))
        })
        .collect();
    let mut report = String::new();
    let mut say = |line: String| {
        report.push_str(&line);
        report.push('\n');
    };
    let tolerance = if of == compiler {
        TOLERANCE
    } else {
        say(format!(
            "The table is of {of}, this is {compiler}: up to {:.0} % more is no failure.",
            TOLERANCE_ELSEWHERE * 100.0
        ));
        TOLERANCE_ELSEWHERE
    };
    let mut is_good = true;
    for (case, &count) in counts {
        let Some(&expected) = expected.get(case.as_str()) else {
            say(format!(
                "NEW       {case}: {count:.0} instructions, not in the table"
            ));
            is_good = false;
            continue;
        };
        let more = format!(
            "{case}: {count:.0} instructions, {expected:.0} in the table, {:+.1} %",
            (count / expected - 1.0) * 100.0
        );
        if count > expected * (1.0 + tolerance) + SLACK {
            say(format!("SLOWER    {more}"));
            is_good = false;
        } else if count > expected * (1.0 + TOLERANCE) + SLACK {
            say(format!("warning   {more}"));
        } else if count < expected * (1.0 - TOLERANCE) - SLACK {
            say(format!("faster    {more}"));
        }
    }
    for case in expected.keys().filter(|&&case| !counts.contains_key(case)) {
        say(format!("GONE      {case} is in the table only"));
        is_good = false;
    }
    say(format!(
        "{} operations, {}",
        counts.len(),
        if is_good { "none slower" } else { "FAILED" }
    ));
    (report, is_good)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Instructions with rustc 1\nencode\t100\ndecode\t1000\n";

    fn verdict(encode: f64, decode: f64, compiler: &str) -> (String, bool) {
        let counts = [("encode", encode), ("decode", decode)];
        let counts = counts.map(|(case, count)| (case.to_owned(), count));
        compare(TABLE, &counts.into(), compiler)
    }

    #[test]
    fn what_is_slower_fails() {
        assert!(verdict(100.0, 1000.0, "rustc 1").1);
        assert!(verdict(108.0, 1053.0, "rustc 1").1);
        assert!(!verdict(110.0, 1000.0, "rustc 1").1);
        assert!(!verdict(100.0, 1055.0, "rustc 1").1);
    }

    #[test]
    fn what_is_faster_is_told() {
        let (report, is_good) = verdict(100.0, 900.0, "rustc 1");
        assert!(is_good);
        assert!(report.contains("faster    decode"), "{report}");
    }

    #[test]
    fn another_compiler_may_differ() {
        let (report, is_good) = verdict(100.0, 1200.0, "rustc 2");
        assert!(is_good);
        assert!(report.contains("warning   decode"), "{report}");
        assert!(!verdict(100.0, 1500.0, "rustc 2").1);
    }

    #[test]
    fn the_table_is_complete() {
        let counts = [("encode".to_owned(), 100.0)];
        assert!(!compare(TABLE, &counts.into(), "rustc 1").1);
        let counts = ["encode", "decode", "more"].map(|case| (case.to_owned(), 100.0));
        assert!(!compare(TABLE, &counts.into(), "rustc 1").1);
    }
}
