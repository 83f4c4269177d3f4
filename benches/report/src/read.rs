//! What a target has left behind, as rows.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use record::Row;
use serde::Deserialize;

use crate::machine::Run;

/// The file that says how the run was.
pub const RUN: &str = "run.json";

/// The folder of Criterion's own files.
pub const CRITERION: &str = "criterion";

/// The measure under which Criterion's times are found.
pub const TIME: &str = "ns";

/// How far apart the ends of the 95 % confidence interval are, as a share of the time.
pub const CONFIDENCE: &str = "confidence interval";

/// How many times better the best round was than the worst, where the benchmark has made one row of
/// several rounds.
pub const BEST_TO_WORST: &str = "best/worst run";

/// What one run of one target has found.
#[derive(Clone, Debug)]
pub struct Found {
    /// When and how.
    pub run: Run,
    /// What.
    pub rows: Vec<Row>,
}

/// Reads what the targets called `names` have left in folders of that name. A target that was never
/// run is left out.
///
/// # Errors
///
/// What the file system says, and `InvalidData` for what cannot be understood.
pub fn read(folder: &Path, names: &[&str]) -> io::Result<BTreeMap<String, Found>> {
    let mut found = BTreeMap::new();
    for name in names {
        let folder = folder.join(name);
        let run = match fs::read(folder.join(RUN)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            run => serde_json::from_slice(&run?)?,
        };
        let mut rows = record::read(&folder)?;
        for row in &mut rows {
            row.case = version_of(&row.case).0;
        }
        rows.extend(criterion(&folder.join(CRITERION))?);
        found.insert((*name).to_owned(), Found { run, rows });
    }
    Ok(found)
}

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Criterion's own files below a folder: the group is `table/case`, the function the client.
fn criterion(folder: &Path) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for file in files_called(folder, "benchmark.json")? {
        // Beside the newest figures there are those of the run before.
        let Some(new) = file.parent().filter(|it| it.ends_with("new")) else {
            continue;
        };
        let benchmark: Benchmark = serde_json::from_slice(&fs::read(&file)?)?;
        let estimates: Estimates = serde_json::from_slice(&fs::read(new.join("estimates.json"))?)?;
        let Some((table, case)) = benchmark.group_id.split_once('/') else {
            let said = format!("{}: the group has no table", benchmark.group_id);
            return Err(io::Error::new(io::ErrorKind::InvalidData, said));
        };
        let (case, version) = version_of(case);
        let median = estimates.median;
        let interval = median.confidence_interval;
        let width = (interval.upper_bound - interval.lower_bound) / median.point_estimate;
        rows.push(Row {
            table: table.to_owned(),
            case,
            version,
            client: benchmark.function_id.unwrap_or_default(),
            values: [
                (TIME.to_owned(), median.point_estimate),
                (CONFIDENCE.to_owned(), width),
            ]
            .into(),
        });
    }
    let key = |row: &Row| (natural(&row.case), row.version.clone(), row.client.clone());
    rows.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(Ordering::Equal));
    Ok(rows)
}

/// A key by which texts are in the order of the numbers in them, sizes included.
fn natural(text: &str) -> Vec<(String, f64)> {
    let mut parts = Vec::new();
    let mut words = text.split([' ', '-']).peekable();
    while let Some(word) = words.next() {
        let bare = word.trim_end_matches(',').replace(',', "");
        let Ok(number) = bare.parse::<f64>() else {
            parts.push((word.to_owned(), 0.0));
            continue;
        };
        let unit = words.peek().map_or("", |unit| unit.trim_end_matches(','));
        let factor = match unit {
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            _ => 1.0,
        };
        parts.push((String::new(), number * factor));
    }
    parts
}

/// Takes the protocol's version out of the text of a case, where it is one of the parts.
fn version_of(case: &str) -> (String, String) {
    let is_version = |part: &&str| matches!(*part, "3.1.1" | "5.0");
    let parts = || case.split(", ");
    let version = parts().find(is_version).unwrap_or_default();
    let rest: Vec<_> = parts().filter(|part| !is_version(part)).collect();
    (rest.join(", "), version.to_owned())
}

/// All files of that name, in a fixed order.
fn files_called(folder: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(name) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{natural, version_of};

    #[test]
    fn sizes_are_in_the_order_of_what_they_mean() {
        let sorted = [
            "a, 64 B",
            "a, 128 B",
            "a, 4 KiB",
            "a, 1 MiB",
            "a, window 16",
            "b, 0 B",
        ];
        let mut texts = sorted;
        texts.sort_unstable();
        texts.sort_by(|a, b| natural(a).partial_cmp(&natural(b)).unwrap());
        assert_eq!(texts, sorted);
    }

    #[test]
    fn the_version_is_taken_out_of_the_case() {
        let (case, version) = version_of("encode PUBLISH QoS 1, 5.0, 64 B");
        assert_eq!(
            (case.as_str(), version.as_str()),
            ("encode PUBLISH QoS 1, 64 B", "5.0")
        );
        assert_eq!(
            version_of("frame, 64 B"),
            ("frame, 64 B".to_owned(), String::new())
        );
    }
}
