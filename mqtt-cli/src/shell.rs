//! `mqtt completions` and `mqtt man`: made from the options themselves.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::{Cli, ManArgs, exit_codes};
use crate::failure::Failure;

pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mqtt", &mut text);
    print(&text)
}

pub(crate) fn man(args: &ManArgs) -> Result<(), Failure> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let Some(directory) = &args.out else {
        let page = args.page.as_deref();
        let command = page.and_then(|name| root.find_subcommand(name));
        return print(&page_of(command.unwrap_or(&root)));
    };
    let write = |command: &Command| write_page(directory, command);
    fs::create_dir_all(directory)
        .and_then(|()| write(&root))
        .and_then(|()| root.get_subcommands().try_for_each(write))
        .map_err(|error| {
            Failure::new(format!(
                "Could not write the pages to {}: {error}.",
                directory.display()
            ))
        })
}

fn write_page(directory: &Path, command: &Command) -> io::Result<()> {
    let name = Man::new(command.clone()).get_filename();
    fs::write(directory.join(name), page_of(command))
}

fn page_of(command: &Command) -> Vec<u8> {
    let man = Man::new(command.clone().after_help(None))
        .source(concat!("mqtt ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    let _ = man.render(&mut page); // A vector takes everything.
    let mut end = Roff::new();
    end.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit_codes(command.get_name()) {
        end.control("TP", []);
        end.text([bold(code.to_string())]);
        end.text([roman(*meaning)]);
    }
    page.extend(end.to_roff().into_bytes());
    page
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("Could not print this: {error}.")))
        }
        _ => Ok(()),
    }
}
