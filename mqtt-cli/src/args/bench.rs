//! Options of `mqtt bench`.

use std::time::Duration;

use clap::{ArgAction, Args};
use mqtt_client::{QoS, Version};

use super::connection::BrokerArgs;
use super::values::{protocol_version, qos, rate, seconds, topic_name};

/// Options of `mqtt bench`. Without a broker named, an embedded one is measured.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// How many clients publish
    #[arg(
        long,
        value_name = "CLIENTS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub(crate) publishers: u16,
    /// How many clients subscribe; each receives every message
    #[arg(
        long,
        value_name = "CLIENTS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(..=1000)
    )]
    pub(crate) subscribers: u16,
    /// Messages from each publisher [default: as many as there are in --duration]
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Seconds for which to publish [default: 5, or no limit with --count]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Bytes in each message
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(8..=16 << 20)
    )]
    pub(crate) size: u32,
    /// 0: at most once, 1: at least once, 2: exactly once
    #[arg(short, long, value_parser = qos, default_value = "0")]
    pub(crate) qos: QoS,
    /// Messages that each publisher sends in a second [default: as many as possible]
    #[arg(long, value_name = "MESSAGES", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// How many messages of QoS 1 and 2 a publisher may have in flight; before 5.0, brokers may
    /// drop more
    #[arg(
        short = 'M',
        long = "inflight",
        value_name = "COUNT",
        default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) inflight: u16,
    /// Publisher n publishes to TOPIC/n [default: mqtt-bench/ and random digits]
    #[arg(short, long, value_parser = topic_name)]
    pub(crate) topic: Option<String>,
    /// The version to speak: mqttv31 (or 31), mqttv311 (311), mqttv5 (5)
    #[arg(short = 'V', long, value_parser = protocol_version, default_value = "mqttv5")]
    pub(crate) protocol_version: Version,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// Print the figures as JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Do not show how it goes, nor errors
    #[arg(long, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help, help_heading = "Output")]
    help: Option<bool>,
    /// Print version
    #[arg(long, action = ArgAction::Version, help_heading = "Output")]
    version: Option<bool>,
}

impl BenchArgs {
    /// How long to publish.
    pub(crate) fn duration(&self) -> Option<Duration> {
        let default = self.count.is_none().then_some(Duration::from_secs(5));
        self.duration.or(default)
    }
}
