//! `mqtt demo`: sends messages through a broker and checks what arrives.

#[cfg(feature = "demo")]
pub(crate) mod broker;
mod cell;
mod tally;

use std::io::{self, Write};

use console::style;
#[cfg(feature = "demo")]
use mqtt_client::uri::Scheme;
use mqtt_client::{QoS, Version};

use crate::args::{DemoArgs, Target};
use crate::failure::Failure;
use cell::{Cell, Problem};
use tally::Tally;

const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// All that the embedded broker has.
#[cfg(feature = "demo")]
const TRANSPORTS: [Scheme; 4] = [Scheme::Mqtt, Scheme::Mqtts, Scheme::Ws, Scheme::Wss];

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let setting = Setting::new(args)?;
    let mut table = Table::default();
    let heading = format!(
        "{} messages of {} bytes in each version and QoS, by way of {}.\n\n{}",
        args.count, args.size, setting.name, HEADING
    );
    say(&heading);
    for target in &setting.targets {
        for &version in &setting.versions {
            setting.try_version(args, target, version, &mut table)?;
        }
    }
    for note in &setting.notes {
        say(&format!("\n{note}"));
    }
    table.conclusion()
}

/// Which broker, and what to try with it.
struct Setting {
    /// The same broker, by each transport.
    targets: Vec<Target>,
    name: String,
    versions: Vec<Version>,
    are_versions_given: bool,
    notes: Vec<&'static str>,
    #[cfg(feature = "demo")]
    _broker: Option<broker::Broker>,
}

impl Setting {
    fn new(args: &DemoArgs) -> Result<Self, Failure> {
        if !args.broker.is_given() {
            return Self::embedded(args);
        }
        let target = args.broker.target()?;
        Ok(Self {
            name: format!("the broker at {target}"),
            targets: vec![target],
            versions: versions(args, &[Version::V31, Version::V311, Version::V5]),
            are_versions_given: !args.versions.is_empty(),
            notes: Vec::new(),
            #[cfg(feature = "demo")]
            _broker: None,
        })
    }

    #[cfg(feature = "demo")]
    fn embedded(args: &DemoArgs) -> Result<Self, Failure> {
        let versions = versions(args, &[Version::V311, Version::V5]);
        let broker = start_broker(&versions)?;
        let mut notes = vec![
            "The TLS of wss ends in front of the broker, which cannot say on which free port it would \
             have a wss of its own.",
        ];
        if args.versions.is_empty() {
            notes.push(
                "MQTT 3.1 is left out because the embedded broker does not speak it; \
                 --host names another one.",
            );
        }
        let targets = match args.broker.scheme() {
            Scheme::Mqtt => &TRANSPORTS[..],
            named => &[named],
        };
        let targets = targets.iter();
        let targets = targets.map(|scheme| Target::embedded(&broker, *scheme));
        Ok(Self {
            targets: targets.collect::<Result<_, _>>()?,
            name: "an embedded broker".to_owned(),
            notes,
            versions,
            are_versions_given: true,
            _broker: Some(broker),
        })
    }

    #[cfg(not(feature = "demo"))]
    fn embedded(_: &DemoArgs) -> Result<Self, Failure> {
        Err(no_broker())
    }

    fn try_version(
        &self,
        args: &DemoArgs,
        target: &Target,
        version: Version,
        table: &mut Table,
    ) -> Result<(), Failure> {
        for qos in LEVELS {
            let cell = Cell {
                target,
                version,
                qos,
                count: args.count,
                size: args.size as usize,
                timeout: args.timeout,
            };
            let result = match cell.run() {
                Err(Problem::Connection(failure)) => return Err(failure),
                result => result,
            };
            let is_version_refused = matches!(&result, Err(Problem::Version(_)));
            table.add(&cell, result, self.are_versions_given);
            if is_version_refused {
                break;
            }
        }
        Ok(())
    }
}

/// Starts the embedded broker, if it speaks these versions.
#[cfg(feature = "demo")]
pub(crate) fn start_broker(versions: &[Version]) -> Result<broker::Broker, Failure> {
    if versions.contains(&Version::V31) {
        return Err(Failure::usage(
            "the embedded broker does not speak MQTT 3.1: name another broker with --host",
        ));
    }
    broker::Broker::start()
        .map_err(|error| Failure::new(format!("Could not start the broker: {error}.")))
}

/// Without the feature there is none to start.
#[cfg(not(feature = "demo"))]
pub(crate) fn no_broker() -> Failure {
    Failure::usage("this build has no embedded broker: name one with --host or --url")
}

fn versions(args: &DemoArgs, default: &[Version]) -> Vec<Version> {
    let given = if args.versions.is_empty() {
        default
    } else {
        &args.versions
    };
    let mut versions = given.to_vec();
    versions.sort_unstable();
    versions.dedup();
    versions
}

const HEADING: &str = "\
transport  version  QoS     sent  received  duplicates       time  messages/s  verdict";

/// What became of the cells so far.
#[derive(Default)]
struct Table {
    kept: usize,
    broken: usize,
}

impl Table {
    fn add(&mut self, cell: &Cell<'_>, result: Result<Tally, Problem>, is_version_wanted: bool) {
        let scheme = cell.target.endpoint.scheme;
        let name = format!("{scheme:<9}  {:<7}", cell.version.to_string());
        let qos = cell.qos as u8;
        match result {
            Ok(tally) => {
                let verdict = match tally.verdict(cell.qos) {
                    Ok(verdict) => {
                        self.kept += 1;
                        style(verdict).green()
                    }
                    Err(verdict) => {
                        self.broken += 1;
                        style(format!("BROKEN: {verdict}")).red()
                    }
                };
                say(&format!(
                    "{name}  {qos:>3} {:>8}  {:>8}  {:>10}  {:>7.3} s  {:>10.0}  {verdict}",
                    tally.sent,
                    tally.received,
                    tally.duplicates,
                    tally.time.as_secs_f64(),
                    tally.rate(),
                ));
            }
            Err(Problem::Version(_)) if !is_version_wanted => {
                say(&format!("{name}    left out: the broker does not speak it"));
            }
            Err(
                Problem::Connection(Failure { sentence, .. })
                | Problem::Version(sentence)
                | Problem::Other(sentence),
            ) => {
                self.broken += 1;
                let broken = style(format!("BROKEN: {sentence}")).red();
                say(&format!("{name}  {qos:>3} {:52}{broken}", ""));
            }
        }
    }

    fn conclusion(&self) -> Result<(), Failure> {
        match self {
            Self { kept: 0, broken: 0 } => Err(Failure::new(
                "The broker speaks none of these versions: choose others with --versions.",
            )),
            Self { broken: 0, .. } => {
                let sentence = "Every message arrived exactly as often as its QoS promises.";
                say(&format!("\n{}", style(sentence).green()));
                Ok(())
            }
            Self { broken, kept } => Err(Failure::new(format!(
                "In {broken} of {} cases messages did not arrive as their QoS promises.",
                broken + kept
            ))),
        }
    }
}

fn say(line: &str) {
    // The exit code says it, too.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
