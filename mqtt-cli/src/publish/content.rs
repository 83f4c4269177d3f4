//! What `mqtt pub` publishes.

use std::fs::File;
use std::io;

use indicatif::{ProgressBar, ProgressStyle};

use super::input::Content;
use crate::args::PubArgs;
use crate::failure::Failure;

/// Below this it is over before anybody could read a progress bar.
const LARGE: u64 = 4 * 1024 * 1024;

/// The content that the options name.
pub(super) fn content(args: &PubArgs) -> Result<Content, Failure> {
    if args.stdin_line {
        return Ok(Content::Lines);
    }
    if let Some(text) = &args.message {
        return Ok(Content::Text(text.as_encoded_bytes().to_vec()));
    }
    if let Some(path) = &args.file {
        return File::open(path)
            .and_then(Content::file)
            .map_err(|error| Failure::file(format_args!("the file {}", path.display()), &error));
    }
    if args.stdin_file {
        return Content::stream(io::stdin().lock())
            .map_err(|error| Failure::file("standard input", &error));
    }
    Ok(Content::Text(Vec::new()))
}

/// A bar on standard error, if that is a terminal and it takes long enough to be of use.
pub(super) fn progress(args: &PubArgs, len: usize) -> ProgressBar {
    let total = (len as u64).saturating_mul(args.repeat);
    let connection = &args.connection;
    if total < LARGE || connection.quiet || connection.debug {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
    );
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
