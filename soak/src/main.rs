//! Many clients for a long time.
//!
//! `lane` says which clients there are, `client` is what they do, `line` and `broker` are what goes
//! wrong for them. `ledger` knows what should have arrived, from what the application and the wire
//! say (`wire`); `resources` knows what this process has of the system.

mod args;
mod broker;
mod client;
mod lane;
mod ledger;
mod line;
mod payload;
mod report;
mod resources;
mod run;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use args::Args;

#[global_allocator]
static HEAP: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

#[expect(clippy::print_stderr, reason = "it is a command")]
fn main() -> ExitCode {
    if std::env::args()
        .nth(1)
        .is_some_and(|first| first == broker::SERVE)
    {
        broker::serve();
        return ExitCode::SUCCESS;
    }
    match run::run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}
