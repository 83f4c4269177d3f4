//! Results as Markdown and SVG.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;

use record::Row;

use crate::catalogue::{BarPlot, Brief, Catalogue, LinePlot, Page};
use crate::goals::Goal;
use crate::grid::{Grid, Kind, Line, figure, kind, more_is_better, ratio, times_better};
use crate::machine::{Run, duration, is_busy};
use crate::plot::{Bars, Column, Curve, Lines};
use crate::read::{BEST_TO_WORST, CONFIDENCE, Found};

/// The page that leads to the others.
pub const INDEX: &str = "README.md";

/// Where tables are that the catalogue does not know.
const OTHERS: Page = Page {
    file: "others",
    title: "Others",
    tables: &[],
    about: "What nobody has described yet.",
    not: "",
};

/// Everything that is written.
#[derive(Debug)]
pub struct Pages {
    /// Names of files and what is in them.
    pub files: BTreeMap<String, String>,
    /// The section for a README, whose links begin with the folder of the files.
    pub brief: String,
    /// Goals that are missed without a word about why.
    pub unexplained: Vec<&'static str>,
}

/// Writes the pages of what was `found`, by target. `folder` is where they will lie, as the README
/// sees it.
///
/// # Errors
///
/// Fails when a plot cannot be drawn.
pub fn write(
    catalogue: &Catalogue,
    found: &BTreeMap<String, Found>,
    folder: &str,
) -> Result<Pages, Box<dyn Error>> {
    let rows: Vec<Row> = found.values().flat_map(|it| it.rows.clone()).collect();
    let mut files = BTreeMap::new();
    let mut plots = Vec::new();
    for plot in catalogue.bars {
        if let Some(bars) = bars(plot, &rows) {
            plots.push((plot.page, plot.file, plot.title));
            files.insert(format!("{}.svg", plot.file), bars.draw()?);
        }
    }
    for plot in catalogue.lines {
        if let Some(lines) = lines(plot, &rows) {
            plots.push((plot.page, plot.file, plot.title));
            files.insert(format!("{}.svg", plot.file), lines.draw()?);
        }
    }
    let mut tables = Vec::new();
    for row in &rows {
        let name = row.table.as_str();
        if !tables.contains(&name) {
            tables.push(name);
        }
    }
    let mut written = Vec::new();
    for page in catalogue.pages.iter().chain([&OTHERS]) {
        let mut own = Vec::new();
        for wanted in page.tables {
            own.extend(tables.extract_if(.., |name| {
                wanted == name || wanted.ends_with('/') && name.starts_with(wanted)
            }));
        }
        if page.file == OTHERS.file {
            own.append(&mut tables);
        }
        if !own.is_empty() {
            written.push(page);
            let text = self::page(catalogue, page, &own, found, &plots);
            files.insert(format!("{}.md", page.file), text);
        }
    }
    let runs: Vec<_> = found
        .iter()
        .map(|(name, it)| (name.as_str(), &it.run))
        .collect();
    let brief = brief(catalogue, &rows, &runs, &plots, folder);
    let goals = goals(catalogue.goals, &rows, false);
    files.insert(INDEX.to_owned(), index(&written, &runs, &plots, &goals));
    let is_unexplained =
        |goal: &&Goal| goal.because.is_empty() && goal.judge(&rows).is_met == Some(false);
    let unexplained = catalogue.goals.iter().filter(is_unexplained);
    Ok(Pages {
        files,
        brief,
        unexplained: unexplained.map(|goal| goal.what).collect(),
    })
}

/// The first page.
fn index(
    pages: &[&Page],
    runs: &[(&str, &Run)],
    plots: &[(&str, &str, &str)],
    goals: &str,
) -> String {
    let mut text = String::from(
        "# Results\n\nWritten by `cargo run --release -p report` in `benches`; \
         [how to read and repeat it](../README.md).\n\n",
    );
    for page in pages {
        let _ = writeln!(text, "- [{}]({}.md)", page.title, page.file);
    }
    let _ = write!(text, "\n{}\n## Goals\n\n{goals}", circumstances(runs));
    for page in pages {
        for (_, file, title) in plots.iter().filter(|it| it.0 == page.file) {
            let _ = write!(text, "\n![{title}]({file}.svg)\n");
        }
    }
    text
}

/// When and on what.
fn circumstances(runs: &[(&str, &Run)]) -> String {
    let mut text = String::new();
    let mut machines = Vec::new();
    for (_, run) in runs {
        if !machines.contains(&&run.machine) {
            machines.push(&run.machine);
        }
    }
    for machine in &machines {
        let names: Vec<_> = runs
            .iter()
            .filter(|(_, run)| run.machine == **machine)
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if machines.len() > 1 {
            let _ = writeln!(text, "For {}:\n", names.join(", "));
        }
        let _ = writeln!(
            text,
            "- Machine: {}, {} cores, {}",
            machine.processor, machine.cores, machine.system
        );
        let _ = writeln!(
            text,
            "- Compiler: {}, Cargo's release profile",
            machine.compiler
        );
        let _ = writeln!(text, "- Commit: {}", machine.commit);
        let installed: Vec<_> = machine
            .installed
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let _ = writeln!(text, "- Installed: {}", installed.join(", "));
        let packages: Vec<_> = machine
            .packages
            .iter()
            .map(|(name, versions)| format!("{name} {}", versions.join(" and ")))
            .collect();
        let _ = writeln!(text, "- Packages: {}\n", packages.join(", "));
    }
    let _ = writeln!(text, "| run | began | took | load average before |");
    let _ = writeln!(text, "| --- | --- | ---: | ---: |");
    for (name, run) in runs {
        let quick = match run.quick {
            true => ", quick: for trying out only",
            false => "",
        };
        let failed = match run.failed {
            true => ", **with failures**: what failed is left out",
            false => "",
        };
        let _ = writeln!(
            text,
            "| `{name}`{quick}{failed} | {} | {} | {:.2} |",
            run.began,
            duration(run.seconds),
            run.load
        );
    }
    if runs
        .iter()
        .any(|(_, run)| is_busy(run.load, run.machine.cores))
    {
        text.push_str("\nThe machine had other work to do: times are worth little.\n");
    }
    text
}

/// The table of the goals; a brief one has only those that were measured.
fn goals(goals: &[Goal], rows: &[Row], is_brief: bool) -> String {
    let mut text = String::from("| goal | | found |\n| --- | --- | --- |\n");
    let mut missed = String::new();
    for goal in goals {
        let standing = goal.judge(rows);
        if is_brief && standing.is_met.is_none() {
            continue;
        }
        let word = match standing.is_met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let _ = writeln!(text, "| {} | {word} | {} |", goal.what, standing.found);
        if standing.is_met == Some(false) && !goal.because.is_empty() {
            let _ = writeln!(missed, "- {}: {}", goal.what, goal.because);
        }
    }
    if !missed.is_empty() {
        let _ = write!(text, "\nWhy goals are missed:\n\n{missed}");
    }
    text
}

/// The section for the README of the project.
fn brief(
    catalogue: &Catalogue,
    rows: &[Row],
    runs: &[(&str, &Run)],
    plots: &[(&str, &str, &str)],
    folder: &str,
) -> String {
    let mut text = String::new();
    if let Some((_, run)) = runs.iter().max_by(|a, b| a.1.began.cmp(&b.1.began)) {
        let date = run.began.split('T').next().unwrap_or_default();
        let machine = &run.machine;
        let _ = writeln!(
            text,
            "On {date}, {}, {} cores, {}; all figures, versions and how to repeat them: \
             [results]({folder}/{INDEX}).\n",
            machine.processor, machine.cores, machine.compiler
        );
        if runs
            .iter()
            .any(|(_, run)| is_busy(run.load, run.machine.cores))
        {
            text.push_str("The machine had other work to do: times are worth little.\n\n");
        }
    }
    text.push_str("| | ours | best other | times better |\n| --- | ---: | ---: | ---: |\n");
    for line in catalogue
        .briefs
        .iter()
        .filter_map(|brief| brief_line(brief, rows))
    {
        text.push_str(&line);
    }
    for wanted in catalogue.brief_plots {
        for (_, file, title) in plots.iter().filter(|it| it.1 == *wanted) {
            let _ = write!(text, "\n![{title}]({folder}/{file}.svg)\n");
        }
    }
    let _ = write!(text, "\n{}", goals(catalogue.goals, rows, true));
    text
}

fn brief_line(brief: &Brief, rows: &[Row]) -> Option<String> {
    let grid = Grid::new(rows, brief.table, brief.measure)?;
    let line = find(&grid, brief.case, brief.version)?;
    let ours = line.cells.get(brief.client)?.value;
    let (name, theirs) = match brief.others {
        [] => line.best_peer(brief.measure)?,
        others => line.best_of(others, brief.measure)?,
    };
    Some(format!(
        "| {} | {} {} | {}, {name} | {} |\n",
        brief.what,
        figure(brief.measure, ours),
        brief.measure,
        figure(brief.measure, theirs),
        ratio(times_better(brief.measure, ours, theirs)),
    ))
}

fn find<'a>(grid: &'a Grid, case: &str, version: &str) -> Option<&'a Line> {
    let mut lines = grid.lines.iter();
    lines.find(|it| it.case == case && it.version == version)
}

/// A page of tables.
fn page(
    catalogue: &Catalogue,
    page: &Page,
    tables: &[&str],
    found: &BTreeMap<String, Found>,
    plots: &[(&str, &str, &str)],
) -> String {
    let mut text = format!("# {}\n\n{}\n\n", page.title, page.about);
    if !page.not.is_empty() {
        let _ = write!(text, "Not measured: {}\n\n", page.not);
    }
    let has_some = |it: &Found| {
        it.rows
            .iter()
            .any(|row| tables.contains(&row.table.as_str()))
    };
    let found: Vec<_> = found.iter().filter(|(_, it)| has_some(it)).collect();
    let runs: Vec<_> = found
        .iter()
        .map(|(name, it)| (name.as_str(), &it.run))
        .collect();
    let _ = writeln!(text, "{}", circumstances(&runs));
    for (_, file, title) in plots.iter().filter(|it| it.0 == page.file) {
        let _ = write!(text, "![{title}]({file}.svg)\n\n");
    }
    for name in tables {
        let known = catalogue.tables.iter().find(|it| it.0 == *name);
        let _ = write!(text, "## {}\n\n", known.map_or(*name, |it| it.1));
        if let Some((_, _, note)) = known.filter(|it| !it.2.is_empty()) {
            let _ = write!(text, "{note}\n\n");
        }
        for (_, found) in &found {
            for measure in measures(catalogue, &found.rows, name) {
                if let Some(grid) = Grid::new(&found.rows, name, measure) {
                    text.push_str(&table(catalogue, &grid, &found.rows, name));
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What was measured for a table, in the order of the catalogue, and then of the alphabet.
fn measures<'a>(catalogue: &Catalogue, rows: &'a [Row], table: &str) -> Vec<&'a str> {
    let mut measures = Vec::new();
    for measure in rows
        .iter()
        .filter(|row| row.table == table)
        .flat_map(|row| row.values.keys())
    {
        if ![CONFIDENCE, BEST_TO_WORST].contains(&measure.as_str())
            && !measures.contains(&measure.as_str())
        {
            measures.push(measure);
        }
    }
    let known = |measure: &str| catalogue.measures.iter().position(|it| it.0 == measure);
    measures.sort_by_key(|it| (known(it).unwrap_or(usize::MAX), *it));
    measures
}

/// A heading, the table, and what it means.
fn table(catalogue: &Catalogue, grid: &Grid, rows: &[Row], name: &str) -> String {
    let measure = grid.measure.as_str();
    let known = catalogue.measures.iter().find(|it| it.0 == measure);
    let mut text = format!("### {}\n\n", known.map_or(measure, |it| it.1));
    let has_version = grid.lines.iter().any(|line| !line.version.is_empty());
    let has_peers = grid.of(Kind::Peer).next().is_some();

    let mut head = String::from("| case |");
    let mut rule = String::from("| --- |");
    if has_version {
        head.push_str(" MQTT |");
        rule.push_str(" --- |");
    }
    for client in &grid.clients {
        let _ = write!(head, " {client} |");
        rule.push_str(" ---: |");
        if has_peers && kind(client) == Kind::Ours {
            head.push_str(" of best |");
            rule.push_str(" ---: |");
        }
    }
    let _ = write!(text, "{head}\n{rule}\n");
    for line in &grid.lines {
        let _ = write!(text, "| {} |", line.case);
        if has_version {
            let _ = write!(text, " {} |", line.version);
        }
        let best = line.best_peer(measure).map(|it| it.0);
        for client in &grid.clients {
            let cell = line.cells.get(client);
            let shown = cell.map_or(String::new(), |cell| figure(measure, cell.value));
            match best == Some(client.as_str()) {
                true => drop(write!(text, " *{shown}* |")),
                false => drop(write!(text, " {shown} |")),
            }
            if has_peers && kind(client) == Kind::Ours {
                let times = line.ratio(measure, client);
                match times {
                    Some(times) if times < 1.0 => drop(write!(text, " **{}** |", ratio(times))),
                    Some(times) => drop(write!(text, " {} |", ratio(times))),
                    None => text.push_str(" |"),
                }
            }
        }
        text.push('\n');
    }
    text.push('\n');
    if let Some((_, _, note)) = known {
        let _ = write!(text, "{note} ");
    }
    if let Some(spread) = spread(grid, rows, name) {
        let _ = write!(text, "{spread}");
    }
    text.truncate(text.trim_end().len());
    text.push_str("\n\n");
    text
}

/// How far apart rounds are, in words.
fn spread(grid: &Grid, rows: &[Row], table: &str) -> Option<String> {
    let middle_and_most = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        Some((*all.get(all.len() / 2)?, *all.last()?))
    };
    if grid.measure == crate::read::TIME {
        let of_table = rows.iter().filter(|row| row.table == table);
        let widths = of_table.filter_map(|row| row.values.get(CONFIDENCE).copied());
        if let Some((middle, most)) = middle_and_most(widths.collect()) {
            return Some(format!(
                "The confidence interval (95 %) is {:.1} % wide for half of the figures, and {:.0} % \
                 at most.",
                middle * 100.0,
                most * 100.0
            ));
        }
    }
    let of_table = rows.iter().filter(|row| row.table == table);
    let told = of_table.filter_map(|row| row.values.get(BEST_TO_WORST).copied());
    let mut factors: Vec<_> = match more_is_better(&grid.measure) {
        true => told.collect(),
        false => Vec::new(),
    };
    let cells = grid.lines.iter().flat_map(|line| line.cells.values());
    let seen = cells.filter(|cell| cell.range.0 > 0.0);
    factors.extend(
        seen.map(|cell| cell.range.1 / cell.range.0)
            .filter(|it| *it > 1.0),
    );
    let (middle, most) = middle_and_most(factors)?;
    (most > 1.0).then(|| {
        format!(
            "Between the best and the worst round there is a factor of {middle:.2} for half of the \
             figures, and of {most:.2} at most."
        )
    })
}

/// The bars of a plot; `None` without figures.
fn bars(plot: &BarPlot, rows: &[Row]) -> Option<Bars> {
    let grid = Grid::new(rows, plot.table, plot.measure)?;
    let mut clients = Vec::<(String, &str)>::new();
    let mut columns = Vec::new();
    for (title, case, version) in plot.columns {
        let mut values = BTreeMap::new();
        let mut lines: Vec<_> = grid
            .lines
            .iter()
            .filter(|line| line.case == *case)
            .collect();
        // What is wanted comes first, and what is there is not replaced.
        lines.sort_by_key(|line| line.version != *version);
        for line in lines {
            for (client, cell) in &line.cells {
                let is_wanted = line.version == *version;
                if !values.contains_key(client.as_str()) {
                    values.insert(client.as_str(), cell.value);
                    if !clients.iter().any(|(_, it)| it == client) {
                        let shown = match is_wanted {
                            true => client.clone(),
                            false => format!("{client} ({})", line.version),
                        };
                        clients.push((shown, client));
                    }
                }
            }
        }
        columns.push((*title, values));
    }
    let first = columns.first()?.1.clone();
    let order = |client: &str| first.get(client).copied().unwrap_or(f64::NAN);
    clients.sort_by(|a, b| {
        let order = order(a.1).total_cmp(&order(b.1));
        if more_is_better(plot.measure) {
            order.reverse()
        } else {
            order
        }
    });
    (!clients.is_empty()).then(|| Bars {
        title: plot.title.to_owned(),
        measure: plot.measure.to_owned(),
        columns: columns
            .into_iter()
            .map(|(title, values)| Column {
                title: title.to_owned(),
                values: clients.iter().map(|it| values.get(it.1).copied()).collect(),
            })
            .collect(),
        clients: clients
            .iter()
            .map(|(shown, client)| (shown.clone(), kind(client)))
            .collect(),
    })
}

/// The lines of a plot; `None` without figures.
fn lines(plot: &LinePlot, rows: &[Row]) -> Option<Lines> {
    let grid = Grid::new(rows, plot.table, plot.measure)?;
    let at = |line: &Line| {
        let rest = line.case.strip_prefix(plot.cases.0)?;
        let number = rest.strip_suffix(plot.cases.1)?;
        number.replace(',', "").parse::<f64>().ok()
    };
    let lines: Vec<_> = grid
        .clients
        .iter()
        .filter_map(|client| {
            let lines = grid.lines.iter().filter(|it| it.version == plot.version);
            let points = lines.filter_map(|line| Some((at(line)?, line.cells.get(client)?.value)));
            let mut points: Vec<_> = points.collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            (!points.is_empty()).then(|| Curve {
                name: client.clone(),
                kind: kind(client),
                points,
            })
        })
        .collect();
    (!lines.is_empty()).then(|| Lines {
        title: plot.title.to_owned(),
        measure: plot.measure.to_owned(),
        over: plot.over.to_owned(),
        lines,
    })
}
