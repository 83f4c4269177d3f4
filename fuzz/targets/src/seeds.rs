//! Seeds as text, so that they can be read and reviewed.
//!
//! A seed is a file `seeds/TARGET/NAME.hex`. What follows a `#` is a comment; the first line is one,
//! and says what the seed is. Else there are bytes in hexadecimal, with or without spaces, and text
//! between double quotes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A named input of a target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seed {
    /// The name of its file, without the ending.
    pub name: String,
    /// The first line.
    pub description: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// The folder `seeds`.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds")
}

/// The seeds of a target, by name.
///
/// # Errors
/// If a file cannot be read, or is no seed.
pub fn of(target: &str) -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(folder().join(target))? {
        let path = entry?.path();
        let invalid = |why: String| io::Error::other(format!("{}: {why}", path.display()));
        if path.extension().is_none_or(|ending| ending != "hex") {
            return Err(invalid("the ending is not .hex".into()));
        }
        let (description, bytes) = parse(&fs::read_to_string(&path)?).map_err(invalid)?;
        let name = path.file_stem().unwrap_or_default();
        seeds.push(Seed {
            name: name.to_string_lossy().into_owned(),
            description,
            bytes,
        });
    }
    seeds.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(seeds)
}

/// Description and bytes of a seed.
///
/// # Errors
/// Says what is wrong, and in which line.
pub fn parse(text: &str) -> Result<(String, Vec<u8>), String> {
    let first = text.lines().next().unwrap_or_default();
    let description = first.strip_prefix('#').map(str::trim).unwrap_or_default();
    if description.is_empty() {
        return Err("the first line is no description".into());
    }
    let mut bytes = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(c) = rest.chars().next() {
            if c == '#' {
                break;
            }
            if let Some(quoted) = rest.strip_prefix('"') {
                let (text, after) = quoted
                    .split_once('"')
                    .ok_or_else(|| format!("line {}: a quote has no end", n + 1))?;
                bytes.extend_from_slice(text.as_bytes());
                rest = after.trim_start();
                continue;
            }
            let byte = rest
                .get(..2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok());
            bytes.push(byte.ok_or_else(|| format!("line {}: no byte: {rest:?}", n + 1))?);
            rest = rest[2..].trim_start();
        }
    }
    Ok((description.to_owned(), bytes))
}

/// Bytes as the lines of a seed, without a description.
#[must_use]
pub fn to_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        let pairs: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&pairs.join(" "));
        text.push('\n');
    }
    text
}
