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
    /// What the file system says, and `InvalidData` for a value that is no number.
    pub fn write(&self) -> io::Result<()> {
        let Some(folder) = folder() else {
            return Ok(());
        };
        if let Some((name, _)) = self.values.iter().find(|(_, value)| !value.is_finite()) {
            return Err(no_number(self, name));
        }
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

/// JSON has no other numbers: what is none is written as null.
fn no_number(row: &Row, name: &str) -> io::Error {
    let Row {
        table,
        case,
        version,
        client,
        ..
    } = row;
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{table}: {client}, {case}, {version}: the value of '{name}' is no number"),
    )
}

/// Reads a row.
fn parse(line: &str) -> io::Result<Row> {
    let mut row: serde_json::Value = serde_json::from_str(line)?;
    let mut missing = None;
    if let Some(values) = row.get_mut("values").and_then(|it| it.as_object_mut()) {
        missing = values
            .iter()
            .find(|it| it.1.is_null())
            .map(|it| it.0.clone());
        values.retain(|_, value| !value.is_null());
    }
    let row = serde_json::from_value(row)?;
    match missing {
        Some(name) => Err(no_number(&row, &name)),
        None => Ok(row),
    }
}

/// All rows in a folder, file by file in the order of their names, in the order of their writing.
///
/// # Errors
///
/// What the file system says, and `InvalidData` for a line that is not a row, with its place.
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
        for (at, line) in fs::read_to_string(&path)?.lines().enumerate() {
            rows.push(parse(line).map_err(|error| {
                let place = format!("{}, line {}", path.display(), at + 1);
                io::Error::new(error.kind(), format!("{place}: {error}"))
            })?);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"table":"e2e/tcp","case":"publish","version":"5.0","client":"ours",
        "values":{"messages/s":null,"writes":2.5}}"#;

    #[test]
    fn a_value_that_is_no_number_is_refused_by_name() {
        let said = "e2e/tcp: ours, publish, 5.0: the value of 'messages/s' is no number";
        assert_eq!(parse(ROW).unwrap_err().to_string(), said);
        let row = parse(&ROW.replace("null", "1e6")).unwrap();
        assert_eq!(row.values["messages/s"], 1e6);
        assert_eq!(row.values["writes"], 2.5);
    }

    #[test]
    fn what_is_no_row_is_refused_with_its_place() {
        let folder = std::env::temp_dir().join(format!("record-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let good = ROW.replace('\n', "").replace("null", "1");
        fs::write(folder.join("e2e-tcp.jsonl"), format!("{good}\n{{}}\n")).unwrap();
        let said = read(&folder).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(said.contains("e2e-tcp.jsonl, line 2: "), "{said}");
    }
}
