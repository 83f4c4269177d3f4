//! What can be said on the command line. All that can be checked without a network is checked
//! here, so that it ends with exit code 2 and one line.

mod bench;
mod connection;
mod demo;
mod password;
mod properties;
mod publish;
mod subscribe;
mod target;
mod transport;
mod values;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::failure::Failure;
pub(crate) use bench::BenchArgs;
pub(crate) use connection::ConnectionArgs;
pub(crate) use demo::DemoArgs;
pub(crate) use properties::{Place, PropertyArg};
pub(crate) use publish::PubArgs;
pub(crate) use subscribe::SubArgs;
pub(crate) use target::Target;

/// What the exit codes of a command mean; the words are for its help and its manual page.
pub(crate) fn exit_codes(command: &str) -> &'static [(u8, &'static str)] {
    match command {
        "pub" => &[
            (0, "the broker has every message"),
            (1, "the network, the broker or a file failed"),
            (2, "wrong options"),
        ],
        "sub" => &[
            (
                0,
                "done: all messages of --count, or what else was to be waited for",
            ),
            (1, "the network or the broker failed"),
            (2, "wrong options"),
            (27, "the time of --timeout is up"),
            (130, "interrupted (SIGINT, Ctrl-C)"),
            (143, "terminated (SIGTERM)"),
        ],
        "bench" => &[
            (0, "done, whatever the figures"),
            (1, "the network or the broker failed"),
            (2, "wrong options"),
            (
                130,
                "interrupted (SIGINT, Ctrl-C); the figures so far are printed",
            ),
            (143, "terminated (SIGTERM); the figures so far are printed"),
        ],
        "demo" => &[
            (
                0,
                "every message arrived exactly as often as its QoS promises",
            ),
            (1, "some did not, or the broker failed"),
            (2, "wrong options"),
        ],
        _ => &[
            (0, "done"),
            (1, "the network, the broker or a file failed"),
            (2, "wrong options"),
            (27, "sub: the time of --timeout is up"),
            (130, "sub, bench: interrupted (SIGINT, Ctrl-C)"),
            (143, "sub, bench: terminated (SIGTERM)"),
        ],
    }
}

fn after_help(command: &str) -> String {
    let line = |(code, meaning): &(u8, &str)| format!("\n  {code:<3}  {meaning}");
    let lines: String = exit_codes(command).iter().map(line).collect();
    format!("Exit codes:{lines}")
}

/// Publish, subscribe and measure with MQTT 3.1, 3.1.1 and 5.0.
#[derive(Debug, Parser)]
#[command(name = "mqtt", version, arg_required_else_help = true, after_help = after_help(""))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

// Those that connect have a broker's -h and -V, which are not help and version.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish messages, and wait until the broker has them.
    #[command(
        version,
        disable_help_flag = true,
        disable_version_flag = true,
        after_help = after_help("pub")
    )]
    Pub(Box<PubArgs>),
    /// Subscribe to topics and print the messages.
    #[command(
        version,
        disable_help_flag = true,
        disable_version_flag = true,
        after_help = after_help("sub")
    )]
    Sub(Box<SubArgs>),
    /// Measure how many messages go through a broker in a second, and how long they take.
    #[command(
        version,
        disable_help_flag = true,
        disable_version_flag = true,
        after_help = after_help("bench")
    )]
    Bench(Box<BenchArgs>),
    /// Send messages by every transport, version and QoS, and check what arrives.
    #[command(
        version,
        disable_help_flag = true,
        disable_version_flag = true,
        after_help = after_help("demo")
    )]
    Demo(Box<DemoArgs>),
    /// Print what a shell needs to complete these commands and options.
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands to a directory.
    Man(ManArgs),
}

/// Options of `mqtt man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The command whose page to print [default: that of mqtt itself]
    #[arg(value_parser = ["pub", "sub", "bench", "demo", "completions", "man"])]
    pub(crate) page: Option<String>,
    /// Write all pages to this directory
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "page")]
    pub(crate) out: Option<PathBuf>,
}

fn no_topic() -> Failure {
    Failure::usage("there is no topic: name one with --topic, or after the host in --url")
}

/// What is wrong with the command line, as one line.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let mut line = match (
        error.kind(),
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
        std::error::Error::source(error),
    ) {
        (
            ErrorKind::ValueValidation,
            Some(ContextValue::String(option)),
            Some(ContextValue::String(value)),
            Some(why),
        ) => {
            let option = option.split([' ', '[']).next().unwrap_or_default();
            // A URL may have a password, and this may go to a log.
            let shown = match (option, value.rsplit_once('@')) {
                ("--url" | "--proxy", Some((_, host))) => format!("...@{host}"),
                _ => value.clone(),
            };
            format!(
                "invalid value '{}' for {option}: {why}",
                shown.escape_debug()
            )
        }
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing)), ..)
            if missing
                .iter()
                .any(|option| option.contains("--null-message")) =>
        {
            "there is nothing to publish: choose one of --message, --file, --stdin-line, \
             --stdin-file and --null-message"
                .to_owned()
        }
        _ => {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let words: Vec<_> = first.split_whitespace().collect();
            words.join(" ").trim_start_matches("error: ").to_owned()
        }
    };
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| error.get(kind));
    match suggestion {
        Some(ContextValue::String(name)) => line.push_str(&format!("; did you mean {name}?")),
        Some(ContextValue::Strings(names)) => {
            line.push_str(&format!("; did you mean {}?", names.join(" or ")));
        }
        _ => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_fit_on_one_line() {
        for (args, expected) in [
            (
                "mqtt pub -t a -m b -q 3",
                "invalid value '3' for --qos: a QoS is 0, 1 or 2",
            ),
            (
                "mqtt sub -L mqtt://me:p@ss@h:0/a",
                "invalid value '...@h:0/a' for --url: a port is a number from 1 to 65535",
            ),
            (
                "mqtt sub -t a --proxy me:pass@h",
                "invalid value '...@h' for --proxy: a scheme is missing at the beginning: did you \
                 mean http://h?",
            ),
            (
                "mqtt pub -t a",
                "there is nothing to publish: choose one of --message, --file, --stdin-line, \
                 --stdin-file and --null-message",
            ),
            (
                "mqtt pub -t a --mesage b",
                "unexpected argument '--mesage' found; did you mean --message?",
            ),
            (
                "mqtt sub -t a --will-retain",
                "the following required arguments were not provided: --will-topic <TOPIC>",
            ),
        ] {
            let error = Cli::try_parse_from(args.split(' ')).unwrap_err();
            assert_eq!(one_line(&error), expected);
        }
    }
}
