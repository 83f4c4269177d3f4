//! Running targets, and keeping what they find.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::machine::{self, Machine, Run, duration};
use crate::read::{CRITERION, RUN};
use crate::targets::Target;

/// Benches by name, and their executables.
pub type Programs = BTreeMap<String, PathBuf>;

/// What Cargo says of something that it has built.
#[derive(Deserialize)]
struct Artifact {
    target: Built,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Built {
    kind: Vec<String>,
    name: String,
}

/// Who runs targets, and where.
#[derive(Debug)]
pub struct Runner<'a> {
    /// The workspace of the benchmarks.
    pub benches: &'a Path,
    /// Where a folder for each target is.
    pub folder: &'a Path,
    /// Whether to run them with their quick arguments.
    pub quick: bool,
    /// The load average before anything of this was run: later it is that of the targets themselves.
    pub load: f64,
}

impl Runner<'_> {
    /// Builds what `targets` need, all at once, so that no compiler runs beside them. Returns their
    /// programs by the names of the benches.
    ///
    /// # Errors
    ///
    /// Fails when it does not build.
    pub fn build(&self, targets: &[Target]) -> io::Result<Programs> {
        println!("Building");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(self.benches).args([
            "bench",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ]);
        for target in targets {
            cargo.args(["--package", target.package, "--bench", target.bench]);
        }
        // What Cargo has to say to people goes past us.
        let output = cargo.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other("the benchmarks do not build"));
        }
        let mut programs = Programs::new();
        for line in output.stdout.split(|byte| *byte == b'\n') {
            if let Ok(Artifact {
                target,
                executable: Some(program),
            }) = serde_json::from_slice(line)
                && target.kind.iter().any(|kind| kind == "bench")
            {
                programs.insert(target.name, program);
            }
        }
        Ok(programs)
    }

    /// Runs one of the targets and keeps what it finds, in place of what it found before.
    ///
    /// # Errors
    ///
    /// Fails when the target does. What it has found all the same is kept, and said to be from such
    /// a run; if that is nothing, what it found before stays.
    pub fn run(&self, target: &Target, programs: &Programs, position: &str) -> io::Result<()> {
        let folder = self.folder.join(target.name);
        let fresh = self.folder.join(format!("{}.new", target.name));
        remove(&fresh)?;
        fs::create_dir_all(&fresh)?;
        let mut run = Run {
            began: machine::now(),
            seconds: 0.0,
            load: self.load,
            quick: self.quick,
            failed: false,
            machine: Machine::here(self.benches)?,
        };

        let program = programs.get(target.bench).ok_or("it was not built");
        let mut command = Command::new(program.map_err(io::Error::other)?);
        command
            .current_dir(self.benches.join(target.package))
            .arg("--bench")
            .args(if self.quick {
                target.quick
            } else {
                target.args
            })
            .env("BENCH_RECORDS", &fresh)
            .env("CRITERION_HOME", fresh.join(CRITERION));
        if self.quick {
            command.env("BENCH_QUICK", "1");
        }
        let began = Instant::now();
        let line = Line::new(target, position, self.expected(&folder, target));
        let outcome = watch(command, &fresh.join("log"), &line);
        line.end();
        run.seconds = began.elapsed().as_secs_f64();
        run.failed = outcome.is_err();
        if run.failed && !has_found(&fresh)? {
            return outcome;
        }
        fs::write(fresh.join(RUN), serde_json::to_vec_pretty(&run)?)?;
        remove(&folder)?;
        fs::rename(fresh, folder)?;
        println!("{position} {}: {}", target.name, duration(run.seconds));
        outcome
    }

    /// How long a target will take, from the time before if there was one.
    fn expected(&self, folder: &Path, target: &Target) -> f64 {
        let before = fs::read(folder.join(RUN)).ok();
        before
            .and_then(|bytes| serde_json::from_slice::<Run>(&bytes).ok())
            .filter(|run| run.quick == self.quick)
            .map_or(target.seconds, |run| run.seconds)
    }

    /// How long all of `targets` will take, in seconds.
    #[must_use]
    pub fn forecast(&self, targets: &[Target]) -> f64 {
        let expected = |it: &Target| self.expected(&self.folder.join(it.name), it);
        targets.iter().map(expected).sum()
    }
}

/// Whether there are any figures in a folder.
fn has_found(folder: &Path) -> io::Result<bool> {
    let mut entries = fs::read_dir(folder)?
        .collect::<io::Result<Vec<_>>>()?
        .into_iter();
    Ok(entries.any(|entry| {
        let path = entry.path();
        path.ends_with(CRITERION) || path.extension().is_some_and(|it| it == "jsonl")
    }))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Runs a command whose output goes to a file; the newest line of it is shown.
fn watch(mut command: Command, log: &Path, line: &Line) -> io::Result<()> {
    let mut file = File::create(log)?;
    let (reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn()?;
    // It has the other ends, and the output ends when it lets go of them.
    drop(command);
    let mut newest = VecDeque::new();
    for text in BufReader::new(reader).split(b'\n') {
        let text = String::from_utf8_lossy(&text?).into_owned();
        writeln!(file, "{text}")?;
        line.says(&text);
        newest.push_back(text);
        if newest.len() > 20 {
            newest.pop_front();
        }
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    let newest = Vec::from(newest).join("\n");
    let said = format!(
        "it failed, {status}; all output is in {}\n{newest}",
        log.display()
    );
    Err(io::Error::other(said))
}

/// The line that says what is running, and for how long.
struct Line {
    bar: ProgressBar,
}

impl Line {
    fn new(target: &Target, position: &str, seconds: f64) -> Self {
        let about = target.about;
        let text = format!(
            "{position} {}: {about}, about {}",
            target.name,
            duration(seconds)
        );
        if !io::stderr().is_terminal() {
            println!("{text}");
        }
        let bar = ProgressBar::new_spinner();
        let style =
            ProgressStyle::with_template("{spinner} {prefix}, {elapsed} so far: {wide_msg}");
        bar.set_style(style.expect("a template that is always the same"));
        bar.set_prefix(text);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    fn says(&self, text: &str) {
        if !text.trim().is_empty() {
            self.bar.set_message(text.trim().to_owned());
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
