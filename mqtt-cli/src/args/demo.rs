//! Options of `mqtt demo`.

use std::time::Duration;

use clap::{ArgAction, Args};
use mqtt_client::Version;

use super::connection::BrokerArgs;
use super::values::{protocol_version, seconds};

/// Options of `mqtt demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Messages for each version and QoS
    #[arg(
        long,
        value_name = "MESSAGES",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    pub(crate) count: u32,
    /// Bytes in each message
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(8..=16 << 20)
    )]
    pub(crate) size: u32,
    /// The versions to try, with commas between [default: all that the broker speaks]
    #[arg(long, value_name = "VERSIONS", value_parser = protocol_version, value_delimiter = ',')]
    pub(crate) versions: Vec<Version>,
    /// Seconds that each line of the table may take
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print version
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,
}
