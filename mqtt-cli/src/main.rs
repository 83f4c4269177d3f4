//! The `mqtt` command: publish, subscribe, measure, and a demonstration.

mod args;
mod bench;
mod connection;
mod demo;
mod failure;
mod format;
mod publish;
mod shell;
mod signal;
mod subscribe;
mod trace;

use std::io::{self, Write};
use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use clap::error::ErrorKind;
use format::Screen;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            // Help or version. Who closed our output does not want it.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return failure::USAGE.into();
        }
        Err(error) => return report(false, &args::one_line(&error), failure::USAGE),
    };
    let (result, quiet) = match &cli.command {
        Command::Pub(args) => (publish::run(args), args.connection.quiet),
        Command::Sub(args) => (subscribe::run(args), args.connection.quiet),
        Command::Bench(args) => (bench::run(args), args.quiet),
        Command::Demo(args) => (demo::run(args), false),
        Command::Completions { shell } => (shell::completions(*shell), false),
        Command::Man(args) => (shell::man(args), false),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(quiet, &failure.sentence, failure.exit),
    }
}

fn report(quiet: bool, sentence: &str, exit: u8) -> ExitCode {
    if !quiet && !sentence.is_empty() {
        // There is nowhere left to report that this failed.
        let mut line = b"mqtt: ".to_vec();
        // It may have words of a server's.
        let _ = Screen::new(true).line(&mut line, sentence.as_bytes());
        line.push(b'\n');
        let _ = io::stderr().lock().write_all(&line);
    }
    exit.into()
}
