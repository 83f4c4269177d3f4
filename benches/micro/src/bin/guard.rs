//! Whether the codec or the engine has become slower, by instructions.
//!
//!     cargo run --release -p micro --no-default-features             # compares with the table
//!     cargo run --release -p micro --no-default-features -- --update # writes it anew

use std::io;
use std::process::ExitCode;

use micro::{callgrind, guard};

fn main() -> io::Result<ExitCode> {
    if callgrind::within() {
        return Ok(ExitCode::SUCCESS);
    }
    if std::env::args().nth(1).as_deref() == Some("--update") {
        guard::update()?;
    } else if !guard::check()? {
        println!(
            "If it is the price of something worth it, write the table anew:\n    \
             cargo run --release -p micro --no-default-features -- --update"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
