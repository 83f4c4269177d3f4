//! WebSocket and TLS alone, against the libraries below them; many connections.
//!
//! [`ws`] and [`tls`] are what this project has and what it is compared with, as [`Contender`]s: the
//! same messages through each, over [memory](pipe) in place of a network. What has come out is
//! checked after each round, outside of the time that is measured, by a library that did not take
//! part.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub mod pipe;
mod round;
pub mod tls;
pub mod ws;

pub use round::Contender;

/// The lengths of messages, and how they are called.
pub const SIZES: [(usize, &str); 4] = [
    (64, "64 B"),
    (4 << 10, "4 KiB"),
    (64 << 10, "64 KiB"),
    (1 << 20, "1 MiB"),
];

/// The buffer into which the layers read.
const READ: usize = 64 << 10;

/// The outcome of a future that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("memory does not wait"),
    }
}

/// The name of a package that this one depends on, with the version that it is built with.
///
/// # Panics
///
/// If there is no such package.
#[must_use]
pub fn package(name: &str) -> String {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let dependencies = LOCK
        .split("[[package]]")
        .find(|package| package.contains("\nname = \"layers\"\n"))
        .expect("this package is in the lock file");
    // `name`, or `name version` where there are several.
    let versioned = dependencies
        .split('"')
        .find(|it| it.split(' ').next() == Some(name))
        .unwrap_or_else(|| panic!("{name} is no dependency"));
    if versioned != name {
        return versioned.to_owned();
    }
    let version = LOCK
        .split_once(&format!("\nname = \"{name}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next())
        .expect("each package has a version");
    format!("{name} {version}")
}
