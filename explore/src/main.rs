//! Explores scenarios and prints a table of them: those of the tests, with `deep` also those that
//! take longer, or else those with these names.

use std::process::ExitCode;
use std::{env, thread};

use explore::{explore, scenarios};

#[expect(clippy::print_stdout, reason = "what a command is for")]
fn main() -> ExitCode {
    let mut names: Vec<String> = env::args().skip(1).collect();
    let all = names.iter().any(|name| name == "deep");
    names.retain(|name| name != "deep");
    let threads = thread::available_parallelism().map_or(1, usize::from);
    println!("| scenario | | transitions | states | depth | time |");
    println!("| --- | --- | ---: | ---: | ---: | ---: |");
    let quick = scenarios::QUICK.iter().map(|scenario| (scenario, true));
    let deep = scenarios::DEEP.iter().map(|scenario| (scenario, all));
    let mut code = ExitCode::SUCCESS;
    for (scenario, is_default) in quick.chain(deep) {
        let is_named = names.iter().any(|name| name == scenario.name);
        if !(is_named || names.is_empty() && is_default) {
            continue;
        }
        let report = explore(scenario, threads);
        println!(
            "| `{}` | {scenario} | {} | {} | {} | {:.1} s |",
            scenario.name,
            report.transitions,
            report.states,
            report.depth,
            report.time.as_secs_f32(),
        );
        if let Some(fault) = report.fault {
            println!("\n{fault}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
