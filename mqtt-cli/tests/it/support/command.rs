//! Running commands with a deadline.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};

use super::wait_for;

/// The `mqtt` command with these arguments.
pub(crate) fn mqtt(args: &[&str]) -> Running {
    Running::start(env!("CARGO_BIN_EXE_mqtt"), args)
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    #[track_caller]
    pub(crate) fn stdout(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Asserts that the command failed with this code and one line, and returns the line.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        let line = self
            .stderr
            .strip_suffix('\n')
            .unwrap_or_else(|| panic!("{self:?}"));
        assert!(!line.contains('\n'), "more than one line: {line}");
        let sentence = line.strip_prefix("mqtt: ");
        sentence
            .unwrap_or_else(|| panic!("no name: {line}"))
            .to_owned()
    }
}

/// A command, killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    pub(crate) fn start(program: &str, args: &[impl AsRef<OsStr>]) -> Self {
        Self::spawn(Command::new(program).args(args))
    }

    /// Nobody reads what the command prints.
    pub(crate) fn start_unread(program: &str, args: &[impl AsRef<OsStr>]) -> Self {
        Self::spawn_unread(Command::new(program).args(args))
    }

    /// The same with what else there is to say of a command.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut running = Self::spawn_unread(command);
        running.stdout = running.child.stdout.take().map(collect);
        running
    }

    fn spawn_unread(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stderr: child.stderr.take().map(collect),
            stdout: None,
            child,
        }
    }

    /// Ends the reading side of what the command prints.
    pub(crate) fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Gives the command this input, and waits for its end.
    pub(crate) fn with_input(mut self, input: &[u8]) -> Finished {
        self.stdin().write_all(input).unwrap();
        self.wait()
    }

    /// Sends the command a signal, such as INT.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Kills the command without a chance to say goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end of the command.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Finished {
        drop(self.child.stdin.take());
        let status = wait_for("a command to end", || self.child.try_wait().unwrap());
        let joined = |reader: Option<JoinHandle<_>>| reader.map(|reader| reader.join().unwrap());
        Finished {
            code: status.code(),
            stdout: joined(self.stdout.take()).unwrap_or_default(),
            stderr: String::from_utf8(joined(self.stderr.take()).unwrap_or_default()).unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}
