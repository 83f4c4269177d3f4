//! Runs the benchmarks and writes tables and plots of what they found.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use report::catalogue::CATALOGUE;
use report::machine::{self, duration};
use report::run::Runner;
use report::targets::TARGETS;
use report::{pages, read, splice};

/// Runs the benchmarks and writes tables and plots of what they found.
///
/// Into `benches/results`, and a short picture into the README of the project. Run it on a machine
/// that has nothing else to do.
#[derive(Debug, Parser)]
struct Args {
    /// Runs only this target, and takes the figures of the others from earlier runs. Can be
    /// repeated.
    #[arg(long, value_name = "NAME", value_parser = names())]
    only: Vec<String>,

    /// Takes few and short rounds: to try whether everything works, not for figures.
    #[arg(long)]
    quick: bool,

    /// Runs nothing, and writes the figures of earlier runs.
    #[arg(long)]
    no_run: bool,

    /// Says what there is to run, and for how long.
    #[arg(long)]
    list: bool,
}

fn names() -> clap::builder::PossibleValuesParser {
    TARGETS.map(|target| target.name).into()
}

const BEGIN: &str = "<!-- cargo run -p report writes from here -->";
const END: &str = "<!-- to here -->";

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether all targets ran.
fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("no workspace")?;
    let folder = target_folder(benches).join("report");
    let mut runner = Runner {
        benches,
        folder: &folder,
        quick: args.quick,
        load: machine::load(),
    };
    let mut targets = TARGETS.to_vec();
    targets.retain(|it| args.only.is_empty() || args.only.iter().any(|name| name == it.name));
    if args.list {
        for target in &targets {
            let seconds = runner.forecast(&[*target]);
            println!(
                "{:14}{}, about {}",
                target.name,
                target.about,
                duration(seconds)
            );
        }
        return Ok(true);
    }
    let mut failed = Vec::new();
    if !args.no_run {
        let programs = runner.build(&targets)?;
        if !args.quick {
            runner.load = machine::wait_until_quiet();
        }
        println!("Running for about {}", duration(runner.forecast(&targets)));
        for (at, target) in targets.iter().enumerate() {
            let position = format!("[{}/{}]", at + 1, targets.len());
            if let Err(error) = runner.run(target, &programs, &position) {
                eprintln!("{position} {}: {error}", target.name);
                failed.push(target.name);
            }
        }
    }

    let found = read::read(&folder, &TARGETS.map(|target| target.name))?;
    let pages = pages::write(&CATALOGUE, &found, "benches/results")?;
    let results = benches.join("results");
    fs::create_dir_all(&results)?;
    for entry in fs::read_dir(&results)? {
        // Nothing is left of what is not written any more.
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "md" || it == "svg") {
            fs::remove_file(path)?;
        }
    }
    for (name, text) in &pages.files {
        fs::write(results.join(name), text)?;
    }
    let readme = benches.join("../README.md");
    let text = fs::read_to_string(&readme)?;
    let spliced = splice::splice(&text, BEGIN, END, &pages.brief)
        .ok_or_else(|| format!("README.md has no place for figures: '{BEGIN}' and '{END}'"))?;
    fs::write(readme, spliced)?;
    println!("Written: benches/results/{}", pages::INDEX);
    for goal in &pages.unexplained {
        eprintln!("Missed, and nothing says why: {goal} (`because` in catalogue/aims.rs)");
    }
    if !failed.is_empty() {
        eprintln!("Failed: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

/// Where Cargo builds.
fn target_folder(benches: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => benches.join(folder),
        None => benches.join("target"),
    }
}
