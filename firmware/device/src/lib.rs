//! What the images do, whatever drives them: the [`Application`], its [`Journal`], and a loop that
//! blocks ([`blocking`]).
//!
//! The host says what to do by a line of words:
//!
//! - the version of MQTT, 3.1.1 or 5.0;
//! - what to do: `exchange`, `stream`, `numbers` or `journal`;
//! - for `journal`, how often the power is to fail while it is written.

#![no_std]

mod application;
pub mod blocking;
mod journal;
mod start;

use core::time::Duration;

use mqtt_core::wire::Version;
use mqtt_core::{Config, Durability, Storage};

pub use application::{Application, Failure};
pub use journal::{Flash, Journal, State};
pub use start::{Counters, Start, finish};

/// The name of the session.
pub const NAME: &str = "device";

/// The size of the receive buffer.
pub const RECEIVE: usize = 512;

/// The size of the transmit buffer.
const TRANSMIT: usize = 1024;

/// How many messages may be in flight each way; mosquitto has no more either, if not told otherwise.
const IN_FLIGHT: usize = 20;

/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// The memory of a client.
pub type Memory = Storage<RECEIVE, TRANSMIT, IN_FLIGHT>;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// In which version.
    pub version: Version,
    /// What.
    pub task: Task,
    /// How often the power fails while the journal is written.
    pub failures: u32,
}

/// What an image can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Task {
    /// A message at each QoS to itself, and one at each from somebody else; then silence.
    Exchange,
    /// Messages four times as large as the receive buffer.
    Stream,
    /// Numbered messages both ways, over connections that are lost, until the host's last.
    Numbers,
    /// The same, and over losses of power.
    Journal,
}

impl Job {
    /// Reads the host's line; `None` if it is none.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let version = match words.next()? {
            "3.1.1" => Version::V311,
            "5.0" => Version::V5,
            _ => return None,
        };
        let task = match words.next()? {
            "exchange" => Task::Exchange,
            "stream" => Task::Stream,
            "numbers" => Task::Numbers,
            "journal" => Task::Journal,
            _ => return None,
        };
        let failures = words.next().map_or(Some(0), |word| word.parse().ok())?;
        Some(Self {
            version,
            task,
            failures,
        })
    }

    /// How many bytes of the journal can be written after this start until the power fails. In the
    /// first, second, third start there is some more each time, so it fails at ever other places.
    pub const fn power(&self, start: u32) -> usize {
        if start < self.failures {
            300 + 97 * start as usize
        } else {
            usize::MAX
        }
    }

    /// How to connect.
    pub const fn config(&self) -> Config<'static> {
        let keeps_session = matches!(self.task, Task::Numbers | Task::Journal);
        Config {
            version: self.version,
            clean_start: !keeps_session,
            session_expiry: if keeps_session { u32::MAX } else { 0 },
            keep_alive: if matches!(self.task, Task::Exchange) {
                2
            } else {
                30
            },
            // A machine that has much to do may not be taken for a server that is silent.
            connect_timeout: PATIENCE,
            ping_timeout: PATIENCE,
            durability: match self.task {
                Task::Journal => Durability::WriteAhead,
                _ => Durability::Ram,
            },
            ..Config::new(NAME)
        }
    }
}
