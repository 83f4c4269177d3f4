//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::lane::{Broker, Driver, Protocol, Transport};

/// Runs many clients, on lines that fail and with brokers that restart, and counts what arrives.
///
/// Each client publishes numbered messages of QoS 0, 1 and 2 to itself, through a proxy of its own.
/// It fails if anything is lost or doubled that should not be, overtaken, acknowledged twice or
/// sent against the rules, if memory grows, or if a file descriptor, thread or task is left over.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// How long faults go on; what is on its way then has another minute.
    #[arg(long, default_value = "2m", value_parser = duration)]
    pub(crate) time: Duration,

    /// How long everything runs before the resources are looked at for the first time.
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) warm_up: Duration,

    /// How many clients.
    #[arg(long, default_value_t = 16)]
    pub(crate) clients: usize,

    /// How many messages a client publishes in a second.
    #[arg(long, default_value_t = 20.0)]
    pub(crate) rate: f64,

    /// How long it is between restarts, of one broker or another, on average.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub(crate) restart_every: Duration,

    /// What decides on all faults; a random number by default. When what happens is the machine's to say.
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// Only these drivers.
    #[arg(long, value_delimiter = ',')]
    pub(crate) driver: Vec<Driver>,

    /// Only these transports.
    #[arg(long, value_delimiter = ',')]
    pub(crate) transport: Vec<Transport>,

    /// Only these brokers.
    #[arg(long, value_delimiter = ',')]
    pub(crate) broker: Vec<Broker>,

    /// Only these versions of the protocol.
    #[arg(long, value_delimiter = ',')]
    pub(crate) version: Vec<Protocol>,

    /// Where to write, after a failure, what the clients concerned and the brokers did last.
    #[arg(long, default_value = "soak-logs")]
    pub(crate) logs: PathBuf,

    /// Print the summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Such as `90s`, `2m` or `8h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        _ => (text, 1.0),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "a number and s, m or h".to_owned())?;
    Duration::try_from_secs_f64(number * unit).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments() {
        Args::command().debug_assert();
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("8h"), Ok(Duration::from_secs(8 * 3600)));
        assert!(duration("soon").is_err());
        assert!(duration("-1s").is_err());
    }
}
