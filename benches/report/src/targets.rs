//! What there is to run.

/// A bench target, or several that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name in `--only`, and that of the folder of what it finds.
    pub name: &'static str,
    /// What it does, for who waits for it.
    pub about: &'static str,
    /// The package it is in.
    pub package: &'static str,
    /// Its name in that package.
    pub bench: &'static str,
    /// Arguments of the bench in an ordinary run.
    pub args: &'static [&'static str],
    /// The same, in a quick one.
    pub quick: &'static [&'static str],
    /// How many seconds it takes, as long as nothing better is known.
    pub seconds: f64,
}

/// In the order in which they are run.
pub const TARGETS: [Target; 7] = [
    Target {
        name: "codec",
        about: "bytes and packets",
        package: "micro",
        bench: "codec",
        args: &[],
        quick: &["--quick"],
        seconds: 120.0,
    },
    Target {
        name: "engine",
        about: "protocol without input and output",
        package: "micro",
        bench: "engine",
        args: &[],
        quick: &["--quick"],
        seconds: 60.0,
    },
    Target {
        name: "allocations",
        about: "uses of the heap",
        package: "micro",
        bench: "allocations",
        args: &[],
        quick: &[],
        seconds: 10.0,
    },
    Target {
        name: "instructions",
        about: "instructions, counted by valgrind",
        package: "micro",
        bench: "instructions",
        args: &[],
        quick: &[],
        seconds: 60.0,
    },
    Target {
        name: "e2e",
        about: "whole clients over loopback",
        package: "e2e",
        bench: "e2e",
        args: &[],
        quick: &["--rounds", "1", "--seconds", "0.05"],
        seconds: 400.0,
    },
    Target {
        name: "layers",
        about: "WebSocket and TLS alone",
        package: "layers",
        bench: "layers",
        args: &[
            "--warm-up-time=0.05",
            "--measurement-time=0.2",
            "--sample-size=20",
        ],
        quick: &["--quick"],
        seconds: 60.0,
    },
    Target {
        name: "many",
        about: "1,000 connections in a process",
        package: "layers",
        bench: "many",
        args: &[],
        quick: &[],
        seconds: 60.0,
    },
];
