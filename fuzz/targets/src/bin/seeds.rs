//! Seeds as libFuzzer wants them, and findings as text.
//!
//!     cargo run -p targets --bin seeds             # every target's seeds, to corpus/TARGET
//!     cargo run -p targets --bin seeds FILE...     # inputs as text, for files in seeds/TARGET
//!     cargo run -p targets --bin seeds --list      # the targets, and what must hold

use std::{env, fs, io};

use targets::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let files: Vec<_> = env::args().skip(1).collect();
    if files == ["--list"] {
        for target in TARGETS {
            println!("{:<20} {}", target.name, target.property);
        }
        return Ok(());
    }
    for file in &files {
        println!("# {file}\n{}", seeds::to_text(&fs::read(file)?));
    }
    if files.is_empty() {
        for target in TARGETS {
            let folder = seeds::folder().join("../corpus").join(target.name);
            fs::create_dir_all(&folder)?;
            let seeds = seeds::of(target.name)?;
            for seed in &seeds {
                fs::write(folder.join(&seed.name), &seed.bytes)?;
            }
            println!("{:<20} {} seeds", target.name, seeds.len());
        }
    }
    Ok(())
}
