//! A network of a test's own.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::machine::{program, unique};

/// A network namespace (Linux): interfaces, addresses and ports that nobody else has. It goes when it
/// is dropped, with the interfaces in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with its loopback up. `None`, after a message, if there is no `ip` on this machine,
    /// which in CI there has to be, or if it is not allowed.
    #[expect(clippy::print_stderr, reason = "says why there is none")]
    pub fn new() -> Option<Self> {
        program("ip")?;
        let name = unique("mqtt-test");
        let made = ip(["netns", "add", &name]);
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr);
            eprintln!("no network namespace: {}", why.trim());
            return None;
        }
        let namespace = Self { name };
        namespace.ip(["link", "set", "lo", "up"]);
        Some(namespace)
    }

    /// `ip`, for what is in here.
    pub fn ip<const N: usize>(&self, arguments: [&str; N]) {
        let done = self.try_ip(arguments);
        assert_eq!(done, Ok(()), "ip {arguments:?}");
    }

    /// The same, for what may not be allowed.
    ///
    /// # Errors
    ///
    /// What `ip` says of it.
    pub fn try_ip<const N: usize>(&self, arguments: [&str; N]) -> Result<(), String> {
        let done = ip(["-n", &self.name].into_iter().chain(arguments));
        if done.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    /// A program that runs in here.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(["netns", "del", &self.name]);
    }
}

fn ip(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
