//! What a client's process is to do, and what it says of it.

use std::error::Error;
use std::io::Read as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What to do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Work {
    /// Publish as fast as the window allows.
    Publish,
    /// Receive what the broker sends.
    Receive,
    /// Publish at a fixed rate, whatever has become of earlier messages.
    Latency,
    /// Receive what the broker sends, and pause after each message.
    Slow,
}

/// What is below MQTT.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Transport {
    /// TCP alone.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    Ws,
}

/// All that a client's process is told, as JSON on its standard input.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Job {
    /// Which of the program's clients.
    pub client: String,
    /// What to do.
    pub work: Work,
    /// What is below MQTT.
    pub transport: Transport,
    /// The broker's port on 127.0.0.1.
    pub port: u16,
    /// 5 for MQTT 5.0, 4 for 3.1.1.
    pub level: u8,
    /// The quality of service of the messages.
    pub qos: u8,
    /// The length of a payload.
    pub size: usize,
    /// How many messages above QoS 0 may be unacknowledged.
    pub window: u16,
    /// What to set TCP_NODELAY to; `None` is what the client does by itself.
    pub nodelay: Option<bool>,
    /// For how long to begin messages.
    pub millis: u64,
    /// How many to begin in a second, for [`Work::Latency`].
    pub rate: u32,
    /// How long to pause after each, for [`Work::Slow`].
    pub pause_millis: u64,
    /// The file with the certificate of the authority to trust, for [`Transport::Tls`].
    pub ca: String,
}

impl Job {
    /// Reads it from the standard input.
    ///
    /// # Errors
    /// What the system or the JSON parser says.
    pub fn read() -> Result<Self, Box<dyn Error>> {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }

    /// True if the broker is the one that sends.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        matches!(self.work, Work::Receive | Work::Slow)
    }

    /// For how long to begin messages.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// How long to pause after each.
    #[must_use]
    pub const fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_millis)
    }

    /// The payload of all messages.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        payload(self.size)
    }
}

/// The payload of a message.
#[must_use]
pub fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|i| b'a' + (i % 26) as u8).collect()
}

/// What a client's process says, as JSON on its standard output.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Outcome {
    /// How many messages were published and, above QoS 0, acknowledged, or how many were received.
    pub messages: u64,
    /// How long that took, in nanoseconds.
    pub nanos: u64,
    /// Processor time of the process for it, user and system, in nanoseconds.
    pub cpu_nanos: u64,
    /// System calls that write.
    pub writes: u64,
    /// System calls that read.
    pub reads: u64,
    /// The most memory that the process ever had (VmHWM), in KiB.
    pub peak_kib: u64,
    /// How long it took from when a message was to be begun until it was through, in nanoseconds:
    /// the median, and what 99 % and 99.9 % do not exceed.
    pub latencies: Option<[u64; 3]>,
    /// Messages that the client says it has left out.
    pub missed: u64,
    /// The client's version, if only it knows.
    pub version: String,
}

impl Outcome {
    /// The outcome, if it is one of this job.
    ///
    /// # Errors
    /// There was no message, or it does not say how long messages took though that was the job.
    pub fn checked(self, job: &Job) -> Result<Self, Box<dyn Error>> {
        if self.messages == 0 {
            return Err("no message".into());
        }
        if job.work == Work::Latency && self.latencies.is_none() {
            return Err("no latencies".into());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A median of nothing is no number, which no report can show.
    #[test]
    fn a_run_without_what_was_to_be_measured_has_failed() {
        let mut job = Job {
            client: String::new(),
            work: Work::Latency,
            transport: Transport::Tcp,
            port: 0,
            level: 5,
            qos: 1,
            size: 64,
            window: 100,
            nodelay: None,
            millis: 0,
            rate: 1000,
            pause_millis: 0,
            ca: String::new(),
        };
        let outcome = Outcome {
            messages: 1,
            ..Outcome::default()
        };
        let error = outcome.clone().checked(&job).unwrap_err();
        assert_eq!(error.to_string(), "no latencies");
        let complete = Outcome {
            latencies: Some([1, 2, 3]),
            ..outcome.clone()
        };
        assert!(complete.checked(&job).is_ok());
        job.work = Work::Publish;
        assert!(outcome.checked(&job).is_ok());
        assert!(Outcome::default().checked(&job).is_err());
    }
}
