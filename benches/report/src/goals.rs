//! What is aimed at, and whether it is reached.

use record::Row;

use crate::grid::{Grid, Line, figure, ratio, times_better};

/// What a figure of ours is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Against {
    /// The best of all others, in the same case.
    Best,
    /// The best of those others whose names begin so, in the same case.
    Named(&'static [&'static str]),
    /// A figure of our own in another case, in which these words of the case are others.
    Case(&'static str, &'static str),
    /// Nothing: the figure itself is aimed at.
    Nothing,
}

/// Something aimed at.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// What is aimed at, in words.
    pub what: &'static str,
    /// Where it is measured.
    pub table: &'static str,
    /// What all cases in question have in their text.
    pub cases: &'static [&'static str],
    /// What none of them has.
    pub but: &'static [&'static str],
    /// The version in question, or nothing for all.
    pub version: &'static str,
    /// Which of ours.
    pub client: &'static str,
    /// What is measured.
    pub measure: &'static str,
    /// What it is compared with.
    pub against: Against,
    /// How many times better it is to be at least, or, with [`Against::Nothing`], the figure that
    /// is just good enough.
    pub wanted: f64,
    /// Why it is missed, where it is.
    pub because: &'static str,
}

/// How it stands with a goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What was measured, in words.
    pub found: String,
    /// Whether it is reached; `None` if there is no figure.
    pub is_met: Option<bool>,
}

impl Goal {
    /// Looks at the figures.
    #[must_use]
    pub fn judge(&self, rows: &[Row]) -> Standing {
        let grid = Grid::new(rows, self.table, self.measure);
        let mut judged = Vec::new();
        for line in grid.iter().flat_map(|grid| &grid.lines) {
            if self.concerns(line) {
                judged.extend(self.line(line, grid.as_ref().map_or(&[], |it| &it.lines)));
            }
        }
        // The worst comes first.
        judged.sort_by(|a, b| a.1.total_cmp(&b.1));
        let Some(&(worst, margin, value, theirs)) = judged.first() else {
            return Standing {
                found: "not measured".to_owned(),
                is_met: None,
            };
        };
        let met = judged.iter().filter(|it| it.1 >= 1.0).count();
        let value = figure(self.measure, value);
        let mut found = match theirs {
            Some(theirs) => format!(
                "{} times ({value} against {} {})",
                ratio(margin * self.wanted),
                figure(self.measure, theirs),
                self.measure
            ),
            None => format!("{value} {}", self.measure),
        };
        if judged.len() > 1 {
            let case = case_and_version(worst);
            found = format!("{met} of {} cases; least: {found}, {case}", judged.len());
        }
        Standing {
            found,
            is_met: Some(met == judged.len()),
        }
    }

    fn concerns(&self, line: &Line) -> bool {
        let is_version = self.version.is_empty() || line.version == self.version;
        let has = |part: &&str| line.case.contains(part);
        is_version && self.cases.iter().all(has) && !self.but.iter().any(has)
    }

    /// A line, by how much the goal is reached (1 is just so), our figure, and the other.
    fn line<'a>(
        &self,
        line: &'a Line,
        lines: &[Line],
    ) -> Option<(&'a Line, f64, f64, Option<f64>)> {
        let ours = line.cells.get(self.client)?.value;
        let theirs = match self.against {
            Against::Nothing => None,
            Against::Best => Some(line.best_peer(self.measure)?.1),
            Against::Named(names) => Some(line.best_of(names, self.measure)?.1),
            Against::Case(this, that) => {
                let case = line.case.replace(this, that);
                let other = lines
                    .iter()
                    .find(|it| it.case == case && it.version == line.version)?;
                Some(other.cells.get(self.client)?.value)
            }
        };
        let margin = match theirs {
            Some(theirs) => times_better(self.measure, ours, theirs) / self.wanted,
            None => times_better(self.measure, ours, self.wanted),
        };
        Some((line, margin, ours, theirs))
    }
}

/// The case of a line, with its version if that matters.
#[must_use]
pub fn case_and_version(line: &Line) -> String {
    match line.version.is_empty() {
        true => line.case.clone(),
        false => format!("{}, {}", line.case, line.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, client: &str, value: f64) -> Row {
        Row {
            table: "engine".to_owned(),
            case: case.to_owned(),
            version: "5.0".to_owned(),
            client: client.to_owned(),
            values: [("ns".to_owned(), value)].into(),
        }
    }

    const GOAL: Goal = Goal {
        what: "",
        table: "engine",
        cases: &["publish"],
        but: &[],
        version: "5.0",
        client: "mqtt-core",
        measure: "ns",
        against: Against::Best,
        wanted: 2.0,
        because: "",
    };

    #[test]
    fn a_goal_for_several_cases_is_met_if_each_is() {
        let mut rows = vec![
            row("publish, window 1", "mqtt-core", 50.0),
            row("publish, window 1", "other 1.0", 100.0),
            row("publish, window 16", "mqtt-core", 50.0),
            row("publish, window 16", "other 1.0", 200.0),
            row("receive", "mqtt-core", 300.0),
            row("receive", "other 1.0", 200.0),
        ];
        let standing = GOAL.judge(&rows);
        assert_eq!(standing.is_met, Some(true));
        let expected =
            "2 of 2 cases; least: 2.00 times (50 against 100 ns), publish, window 1, 5.0";
        assert_eq!(standing.found, expected);

        rows[0] = row("publish, window 1", "mqtt-core", 51.0);
        assert_eq!(GOAL.judge(&rows).is_met, Some(false));
    }

    #[test]
    fn a_figure_alone_and_another_case_are_aimed_at_as_well() {
        let rows = [
            row("publish, window 16", "mqtt-core", 90.0),
            row("publish, window 65,535", "mqtt-core", 99.0),
        ];
        let figure = Goal {
            cases: &["window 16"],
            against: Against::Nothing,
            wanted: 100.0,
            ..GOAL
        };
        let expected = Standing {
            found: "90 ns".to_owned(),
            is_met: Some(true),
        };
        assert_eq!(figure.judge(&rows), expected);
        let flat = Goal {
            cases: &["window 65,535"],
            against: Against::Case("65,535", "16"),
            wanted: 1.0 / 1.2,
            ..GOAL
        };
        assert_eq!(flat.judge(&rows).is_met, Some(true));
        let flatter = Goal {
            wanted: 1.0 / 1.05,
            ..flat
        };
        assert_eq!(flatter.judge(&rows).is_met, Some(false));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        assert_eq!(GOAL.judge(&[]).is_met, None);
    }
}
