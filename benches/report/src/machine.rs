//! What is to be known of the machine and of what was measured on it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// A run of one target: when, on what, and how it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it began, in UTC.
    pub began: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What else the machine had to do: the load average of the minute before the first target.
    pub load: f64,
    /// Few and short rounds, for trying things out.
    pub quick: bool,
    /// Not all of it ran, or something that it measured was wrong and is left out.
    #[serde(default)]
    pub failed: bool,
    /// What it ran on.
    pub machine: Machine,
}

/// What a benchmark runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many of its threads may be used.
    pub cores: usize,
    /// Operating system and kernel.
    pub system: String,
    /// The compiler's name and version.
    pub compiler: String,
    /// The commit that was measured.
    pub commit: String,
    /// Programs and C libraries, by name.
    pub installed: BTreeMap<String, String>,
    /// Packages that the benchmarks are built with, by name: all versions.
    pub packages: BTreeMap<String, Vec<String>>,
}

impl Machine {
    /// Looks around. `benches` is the workspace of the benchmarks.
    ///
    /// # Errors
    ///
    /// Fails without a lock file there.
    pub fn here(benches: &Path) -> io::Result<Self> {
        let lock = fs::read_to_string(benches.join("Cargo.lock"))?;
        Ok(Self {
            processor: processor(),
            cores: cores(),
            system: format!("{}, Linux {}", system(), read("/proc/sys/kernel/osrelease")),
            compiler: said(Command::new("rustc").arg("--version")),
            commit: commit(benches),
            installed: installed(),
            packages: packages(&lock).map_err(io::Error::other)?,
        })
    }
}

/// The moment, in UTC and to the second.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// How long the machine may take to become quiet: the load average of a minute goes down slowly.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// True if a machine of so many cores has other work to do, by its load average.
#[must_use]
pub fn is_busy(load: f64, cores: usize) -> bool {
    load > 0.5 * cores as f64
}

/// Waits until the machine has no other work to do, but not without end, and returns its load.
#[must_use]
pub fn wait_until_quiet() -> f64 {
    let cores = cores();
    let began = Instant::now();
    let mut is_said = false;
    while is_busy(load(), cores) && began.elapsed() < PATIENCE {
        if !is_said {
            println!(
                "The load average is {:.2}: waiting until it has gone down, for {} at most",
                load(),
                duration(PATIENCE.as_secs_f64())
            );
            is_said = true;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    load()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The load average of the last minute.
#[must_use]
pub fn load() -> f64 {
    let text = read("/proc/loadavg");
    text.split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(f64::NAN)
}

/// A time as people say it, to the second.
#[must_use]
pub fn duration(seconds: f64) -> String {
    humantime::format_duration(Duration::from_secs(seconds.round() as u64)).to_string()
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn processor() -> String {
    read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn system() -> String {
    read("/etc/os-release")
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(|| "unknown".to_owned(), |name| name.replace('"', ""))
}

/// What a command prints, or nothing if there is no such command.
fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout);
    String::from_utf8_lossy(&output.unwrap_or_default())
        .trim()
        .to_owned()
}

fn commit(benches: &Path) -> String {
    let git = |args: &[&str]| said(Command::new("git").arg("-C").arg(benches).args(args));
    let commit = git(&["rev-parse", "--short=10", "HEAD"]);
    // Results are written while the run goes on, and are not what is measured.
    let changed = git(&["status", "--porcelain", "--", ":/", ":/!benches/results"]);
    match changed.is_empty() {
        true => commit,
        false => format!("{commit} with changes"),
    }
}

/// Debian's packages that take part.
const INSTALLED: [&str; 4] = ["mosquitto", "libmosquitto1", "libpaho-mqtt1.3", "valgrind"];

fn installed() -> BTreeMap<String, String> {
    INSTALLED
        .iter()
        .map(|name| {
            let mut query = Command::new("dpkg-query");
            query.args(["--show", "--showformat=${Version}", name]);
            ((*name).to_owned(), said(&mut query))
        })
        .filter(|(_, version)| !version.is_empty())
        .collect()
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// What the workspace's own packages depend on directly, from a lock file.
fn packages(lock: &str) -> Result<BTreeMap<String, Vec<String>>, toml::de::Error> {
    let lock: Lock = toml::from_str(lock)?;
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for own in lock.package.iter().filter(|it| it.version == "0.0.0") {
        for dependency in &own.dependencies {
            // `name`, or `name version` where there are several.
            let (name, version) = dependency
                .split_once(' ')
                .map_or((dependency.as_str(), None), |(name, version)| {
                    (name, Some(version))
                });
            for package in lock.package.iter().filter(|it| it.name == name) {
                if package.source.is_some() && version.is_none_or(|it| it == package.version) {
                    let versions = found.entry(name.to_owned()).or_default();
                    if !versions.contains(&package.version) {
                        versions.push(package.version.clone());
                    }
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_what_the_workspace_depends_on() {
        let lock = r#"
            version = 4
            [[package]]
            name = "bytes"
            version = "1.0.0"
            source = "registry"
            [[package]]
            name = "micro"
            version = "0.0.0"
            dependencies = ["record", "rumqttc", "tungstenite 0.30.0"]
            [[package]]
            name = "record"
            version = "0.0.0"
            [[package]]
            name = "rumqttc"
            version = "0.25.1"
            source = "registry"
            dependencies = ["bytes"]
            [[package]]
            name = "tungstenite"
            version = "0.20.0"
            source = "registry"
            [[package]]
            name = "tungstenite"
            version = "0.30.0"
            source = "registry"
        "#;
        let expected = [("rumqttc", "0.25.1"), ("tungstenite", "0.30.0")]
            .map(|(name, version)| (name.to_owned(), vec![version.to_owned()]));
        assert_eq!(packages(lock).unwrap(), expected.into());
    }
}
