//! Rows of one table side by side: a line for each case, a column for each client.

use std::collections::BTreeMap;

use record::Row;

/// A measure of a table: all cases and clients.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What was measured, with its unit.
    pub measure: String,
    /// Ours, then what there is to compare with, then floors.
    pub clients: Vec<String>,
    /// In the order in which they were measured.
    pub lines: Vec<Line>,
}

/// A case of a table.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was to be done.
    pub case: String,
    /// The protocol's version, or nothing where it makes no difference.
    pub version: String,
    /// What was measured, by client.
    pub cells: BTreeMap<String, Cell>,
}

/// What was measured for one client in one case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The median, if there were several rounds in rows of their own.
    pub value: f64,
    /// The least and the most.
    pub range: (f64, f64),
}

/// What a client is to a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// This project's.
    Ours,
    /// What it is compared with.
    Peer,
    /// Something that is no client and does less, so that there is a floor.
    Floor,
}

/// Tells what `client` is by its name.
#[must_use]
pub fn kind(client: &str) -> Kind {
    const OURS: [&str; 3] = ["mqtt-", "transport-", "our "];
    const NOT_OURS: [&str; 3] = ["mqtt-protocol-core", "mqtt-endpoint", "mqtt-format"];
    const FLOORS: [&str; 3] = ["raw", "floor", "memcpy"];
    let begins = |names: &[&str]| names.iter().any(|name| client.starts_with(name));
    if begins(&OURS) && !begins(&NOT_OURS) {
        Kind::Ours
    } else if begins(&FLOORS) {
        Kind::Floor
    } else {
        Kind::Peer
    }
}

/// Whether more of `measure` is better, as of all that is per second.
#[must_use]
pub fn more_is_better(measure: &str) -> bool {
    measure.ends_with("/s")
}

/// How many times better `ours` is than `theirs`; below 1 it is worse.
#[must_use]
pub fn times_better(measure: &str, ours: f64, theirs: f64) -> f64 {
    match more_is_better(measure) {
        _ if ours == theirs => 1.0,
        true => ours / theirs,
        false => theirs / ours,
    }
}

impl Grid {
    /// Puts `measure` of all `rows` of `table` side by side; `None` where nobody has measured it.
    #[must_use]
    pub fn new(rows: &[Row], table: &str, measure: &str) -> Option<Self> {
        let mut lines = Vec::<(&str, &str, BTreeMap<String, Vec<f64>>)>::new();
        let mut clients = Vec::<String>::new();
        for row in rows.iter().filter(|row| row.table == table) {
            let Some(&value) = row.values.get(measure) else {
                continue;
            };
            let at = lines
                .iter()
                .position(|(case, version, _)| *case == row.case && *version == row.version)
                .unwrap_or_else(|| {
                    lines.push((&row.case, &row.version, BTreeMap::new()));
                    lines.len() - 1
                });
            let cells = &mut lines[at].2;
            cells.entry(row.client.clone()).or_default().push(value);
            if !clients.contains(&row.client) {
                clients.push(row.client.clone());
            }
        }
        clients.sort_by_key(|client| (kind(client), client.to_lowercase()));
        let lines: Vec<_> = lines
            .into_iter()
            .map(|(case, version, cells)| Line {
                case: case.to_owned(),
                version: version.to_owned(),
                cells: cells
                    .into_iter()
                    .map(|(client, values)| (client, Cell::of(values)))
                    .collect(),
            })
            .collect();
        (!lines.is_empty()).then(|| Self {
            measure: measure.to_owned(),
            clients,
            lines,
        })
    }

    /// The clients of one kind.
    pub fn of(&self, wanted: Kind) -> impl Iterator<Item = &str> {
        self.clients
            .iter()
            .map(String::as_str)
            .filter(move |client| kind(client) == wanted)
    }
}

impl Line {
    /// The best of what is compared with, and its figure.
    #[must_use]
    pub fn best_peer(&self, measure: &str) -> Option<(&str, f64)> {
        self.best(measure, |client| kind(client) == Kind::Peer)
    }

    /// The best of those whose names begin with one of these.
    #[must_use]
    pub fn best_of(&self, names: &[&str], measure: &str) -> Option<(&str, f64)> {
        self.best(measure, |client| {
            names.iter().any(|name| client.starts_with(name))
        })
    }

    fn best(&self, measure: &str, is_one: impl Fn(&str) -> bool) -> Option<(&str, f64)> {
        let cells = self.cells.iter().filter(|(client, _)| is_one(client));
        let figures = cells.map(|(client, cell)| (client.as_str(), cell.value));
        figures.reduce(|a, b| {
            let is_better = match more_is_better(measure) {
                true => b.1 > a.1,
                false => b.1 < a.1,
            };
            if is_better { b } else { a }
        })
    }

    /// How many times better `client` is than the best of what it is compared with.
    #[must_use]
    pub fn ratio(&self, measure: &str, client: &str) -> Option<f64> {
        let ours = self.cells.get(client)?.value;
        let (_, theirs) = self.best_peer(measure)?;
        Some(times_better(measure, ours, theirs))
    }
}

impl Cell {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let value = match values.len() % 2 {
            1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        Self {
            value,
            range: (values[0], values[values.len() - 1]),
        }
    }
}

/// A figure to be read: three digits, and the rest in a letter where it is something per second.
#[must_use]
pub fn figure(measure: &str, value: f64) -> String {
    if more_is_better(measure) {
        for (letter, unit) in [(" G", 1e9), (" M", 1e6), (" k", 1e3)] {
            // What would be rounded up to 1000 takes the next letter.
            if value >= unit * 0.9995 {
                return format!("{}{letter}", digits(value / unit));
            }
        }
    }
    digits(value)
}

/// Three digits at least, no more than needed; thousands are set apart.
fn digits(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.abs() < 99.95 {
        let decimals = match value.abs() {
            size if size < 0.9995 => 3,
            size if size < 9.995 => 2,
            _ => 1,
        };
        let text = format!("{value:.decimals$}");
        // Counts, such as those of allocations, are whole.
        return match value.fract() == 0.0 {
            true => format!("{value:.0}"),
            false => text,
        };
    }
    let whole = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A ratio to be read.
#[must_use]
pub fn ratio(value: f64) -> String {
    match value {
        _ if value.is_infinite() => "∞".to_owned(),
        _ if value >= 9.95 => format!("{value:.0}"),
        _ if value >= 0.095 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, client: &str, value: f64) -> Row {
        Row {
            table: "t".to_owned(),
            case: case.to_owned(),
            version: "5.0".to_owned(),
            client: client.to_owned(),
            values: [("messages/s".to_owned(), value)].into(),
        }
    }

    #[test]
    fn rounds_become_their_median_and_range() {
        let rows = [3.0, 1.0, 2.0].map(|value| row("a", "mqtt-core", value));
        let grid = Grid::new(&rows, "t", "messages/s").unwrap();
        let cell = grid.lines[0].cells["mqtt-core"];
        assert_eq!((cell.value, cell.range), (2.0, (1.0, 3.0)));
    }

    #[test]
    fn ours_come_first_and_floors_last() {
        let names = [
            "raw loop",
            "rumqttc 0.25.1",
            "mqtt-core",
            "mqtt-protocol-core 0.7.9",
        ];
        let rows = names.map(|name| row("a", name, 1.0));
        let grid = Grid::new(&rows, "t", "messages/s").unwrap();
        let expected = [
            "mqtt-core",
            "mqtt-protocol-core 0.7.9",
            "rumqttc 0.25.1",
            "raw loop",
        ];
        assert_eq!(grid.clients, expected);
    }

    #[test]
    fn the_best_peer_is_the_fastest_that_is_neither_ours_nor_a_floor() {
        let names = ["mqtt-core", "a 1.0", "b 1.0", "raw loop"];
        let rows: Vec<_> = std::iter::zip(names, [60.0, 10.0, 20.0, 90.0])
            .map(|(name, value)| row("a", name, value))
            .collect();
        let line = &Grid::new(&rows, "t", "messages/s").unwrap().lines[0];
        assert_eq!(line.best_peer("messages/s"), Some(("b 1.0", 20.0)));
        assert_eq!(line.ratio("messages/s", "mqtt-core"), Some(3.0));
        assert_eq!(line.best_peer("ns"), Some(("a 1.0", 10.0)));
    }

    #[test]
    fn better_is_more_per_second_and_less_of_all_else() {
        assert_eq!(times_better("messages/s", 6.0, 3.0), 2.0);
        assert_eq!(times_better("ns", 6.0, 3.0), 0.5);
        assert_eq!(times_better("allocations", 0.0, 0.0), 1.0);
        assert_eq!(times_better("allocations", 0.0, 12.0), f64::INFINITY);
    }

    #[test]
    fn figures_have_three_digits() {
        let per_second = [999_600.0, 12_345_678.0, 170_000.0, 999.0];
        let read = per_second.map(|value| figure("messages/s", value));
        assert_eq!(read, ["1.00 M", "12.3 M", "170 k", "999"]);
        let times = [0.0, 0.0123, 1.005, 12.34, 123.4, 1_234_567.0, 13.0];
        let read = times.map(|value| figure("ns", value));
        assert_eq!(
            read,
            ["0", "0.012", "1.00", "12.3", "123", "1,234,567", "13"]
        );
    }
}
