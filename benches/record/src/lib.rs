//! What a benchmark found, a line of JSON each.
//!
//! Benchmarks [`write`](Row::write) rows, the report [`read`]s them. They lie in files named after
//! their tables, in the folder that `BENCH_RECORDS` names; without it nothing is written, and the
//! benchmark has printed what it found.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What one client did in one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The table it belongs to, such as `e2e/tcp`; its file's name, with `-` for `/`.
    pub table: String,
    /// What was to be done, such as `publish QoS 1, 64 B, window 100`.
    pub case: String,
    /// The protocol's version, `3.1.1` or `5.0`.
    pub version: String,
    /// Who did it, with a version where it is a package, such as `rumqttc 0.25.1`.
    pub client: String,
    /// What was measured, by its name and unit, such as `messages/s` or `allocations`.
    pub values: BTreeMap<String, f64>,
}

impl Row {
    /// Appends it to the file of its table.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(&self) -> io::Result<()> {
        let Some(folder) = folder() else {
            return Ok(());
        };
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.jsonl", self.table.replace('/', "-")));
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        // In one write: several processes may append.
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?
            .write_all(line.as_bytes())
    }
}

/// Where rows are written.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("BENCH_RECORDS").map(PathBuf::from)
}

/// All rows in a folder, file by file in the order of their names, in the order of their writing.
///
/// # Errors
///
/// What the file system says, and `InvalidData` for a line that is not a row.
pub fn read(folder: &Path) -> io::Result<Vec<Row>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "jsonl")
    });
    paths.sort();
    let mut rows = Vec::new();
    for path in paths {
        for line in fs::read_to_string(path)?.lines() {
            rows.push(serde_json::from_str(line)?);
        }
    }
    Ok(rows)
}
