//! Which pages and plots there are, what is said of tables and measures, and what is aimed at.
//!
//! The [`Catalogue`] of the benchmarks beside this package is [`CATALOGUE`]. What it names and nobody
//! has measured is left out of the results; a table that it does not name is on a page of its own.

mod aims;
mod picture;
mod words;

use crate::goals::Goal;

/// What is known of the benchmarks beside this package.
pub const CATALOGUE: Catalogue = Catalogue {
    pages: words::PAGES,
    tables: words::TABLES,
    measures: words::MEASURES,
    bars: picture::BARS,
    lines: picture::LINES,
    briefs: picture::BRIEFS,
    brief_plots: picture::BRIEF_PLOTS,
    goals: aims::GOALS,
};

/// A page of results.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its file, without `.md`.
    pub file: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// The tables on it; a name that ends in `/` is for all that begin so.
    pub tables: &'static [&'static str],
    /// What is measured, and how to read it.
    pub about: &'static str,
    /// What is not measured.
    pub not: &'static str,
}

/// A plot of bars.
#[derive(Clone, Copy, Debug)]
pub struct BarPlot {
    /// Its file, without `.svg`.
    pub file: &'static str,
    /// The page it is on.
    pub page: &'static str,
    /// What is shown, with the unit.
    pub title: &'static str,
    /// The table.
    pub table: &'static str,
    /// The measure.
    pub measure: &'static str,
    /// For each column what stands over it, the case, and the version that is shown; of a client
    /// that was not measured with it the other one is.
    pub columns: &'static [(&'static str, &'static str, &'static str)],
}

/// A plot of lines over what grows from case to case.
#[derive(Clone, Copy, Debug)]
pub struct LinePlot {
    /// Its file, without `.svg`.
    pub file: &'static str,
    /// The page it is on.
    pub page: &'static str,
    /// What is shown, with the unit.
    pub title: &'static str,
    /// The table.
    pub table: &'static str,
    /// The measure.
    pub measure: &'static str,
    /// What grows.
    pub over: &'static str,
    /// What stands before and behind the number in the text of the cases.
    pub cases: (&'static str, &'static str),
    /// The version.
    pub version: &'static str,
}

/// A line of the short picture.
#[derive(Clone, Copy, Debug)]
pub struct Brief {
    /// What was done, in words.
    pub what: &'static str,
    /// The table.
    pub table: &'static str,
    /// The case.
    pub case: &'static str,
    /// The version.
    pub version: &'static str,
    /// Which of ours.
    pub client: &'static str,
    /// Beginnings of the names of those whose best it is compared with, or nothing for all.
    pub others: &'static [&'static str],
    /// The measure.
    pub measure: &'static str,
}

/// All of it.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    /// Pages, in the order in which they are listed.
    pub pages: &'static [Page],
    /// Tables by name: what they are called in headings, and a note.
    pub tables: &'static [(&'static str, &'static str, &'static str)],
    /// Measures by name, in the order in which they are shown: the same.
    pub measures: &'static [(&'static str, &'static str, &'static str)],
    /// Plots of bars.
    pub bars: &'static [BarPlot],
    /// Plots of lines.
    pub lines: &'static [LinePlot],
    /// What the README of the project shows.
    pub briefs: &'static [Brief],
    /// The files of plots that it shows.
    pub brief_plots: &'static [&'static str],
    /// What is aimed at.
    pub goals: &'static [Goal],
}

#[cfg(test)]
mod tests {
    use super::CATALOGUE;

    #[test]
    fn plots_are_on_pages_that_there_are() {
        let bars = CATALOGUE.bars.iter().map(|plot| (plot.page, plot.file));
        let lines = CATALOGUE.lines.iter().map(|plot| (plot.page, plot.file));
        let plots: Vec<_> = bars.chain(lines).collect();
        for (page, file) in &plots {
            let is_there = CATALOGUE.pages.iter().any(|it| it.file == *page);
            assert!(is_there, "{file} is on {page}");
        }
        for file in CATALOGUE.brief_plots {
            assert!(plots.iter().any(|it| it.1 == *file), "{file}");
        }
    }
}
