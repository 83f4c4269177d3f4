//! Runs images in an emulator against mosquitto:
//!
//!     host IMAGE...
//!
//! An image is the path of an ELF file. Each does every task in both versions; a line for each
//! says how that went, and the first failure ends it all with what was seen.

mod clients;
mod emulator;
mod line;
mod plan;
mod task;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use emulator::Image;
use task::{TASKS, run};

fn main() -> ExitCode {
    let images: Vec<String> = std::env::args().skip(1).collect();
    for path in &images {
        let image = match Image::open(Path::new(path)) {
            Ok(image) => image,
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        };
        let mut stack = None;
        for version in ["3.1.1", "5.0"] {
            for task in TASKS {
                let start = Instant::now();
                let outcome = run(&image, version, task);
                let took = start.elapsed().as_secs_f32();
                let title = format!("{:10} {version:6} {:9}", image.name, task.name);
                match outcome {
                    Ok(outcome) => {
                        println!("{title} ok, {took:4.1} s  {}", outcome.summary);
                        stack = stack.max(outcome.stack);
                    }
                    Err(report) => {
                        println!("{title} FAILED, {took:4.1} s");
                        eprintln!("{report}");
                        return ExitCode::FAILURE;
                    }
                }
            }
        }
        if let Some(stack) = stack {
            println!("{:10} takes {stack} bytes of stack", image.name);
        }
    }
    ExitCode::SUCCESS
}
