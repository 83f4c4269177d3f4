//! Options of `mqtt pub`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use mqtt_client::QoS;

use super::connection::ConnectionArgs;
use super::properties::PropertyArg;
use super::target::Target;
use super::values::{period, qos, topic_name};
use crate::failure::Failure;

/// Options of `mqtt pub`.
#[derive(Debug, Args)]
#[command(group(
    ArgGroup::new("what")
        .required(true)
        .args(["message", "file", "stdin_line", "stdin_file", "null_message"])
))]
pub(crate) struct PubArgs {
    /// The topic to publish to
    #[arg(short, long, value_parser = topic_name)]
    topic: Option<String>,
    /// Publish this text
    #[arg(short, long, allow_hyphen_values = true)]
    pub(crate) message: Option<OsString>,
    /// Publish the content of this file
    #[arg(short, long)]
    pub(crate) file: Option<PathBuf>,
    /// Publish each line of standard input
    #[arg(short = 'l', long)]
    pub(crate) stdin_line: bool,
    /// Publish all of standard input as one message
    #[arg(short = 's', long)]
    pub(crate) stdin_file: bool,
    /// Publish an empty message; with -r it removes the one that the broker has kept
    #[arg(short, long)]
    pub(crate) null_message: bool,
    /// 0: at most once, 1: at least once, 2: exactly once
    #[arg(short, long, value_parser = qos, default_value = "0")]
    pub(crate) qos: QoS,
    /// Have the broker keep the message for later subscribers
    #[arg(short, long)]
    pub(crate) retain: bool,
    /// Publish the message this often
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with = "stdin_line"
    )]
    pub(crate) repeat: u64,
    /// Seconds between the messages of --repeat, such as 0.5
    #[arg(long, value_name = "SECONDS", value_parser = period, requires = "repeat")]
    pub(crate) repeat_delay: Option<Duration>,
    /// How many messages of QoS 1 and 2 may be in flight; before 5.0, brokers may drop more
    #[arg(
        short = 'M',
        long,
        value_name = "COUNT",
        default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) max_inflight: u16,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl PubArgs {
    /// The topic, from --topic or from the URL, where to publish, and the properties.
    pub(crate) fn check(&self) -> Result<(&str, Target, Vec<PropertyArg<'_>>), Failure> {
        let topic = match (self.topic.as_deref(), self.connection.broker.topic()) {
            (Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "there are two topics, one in --topic and one in --url: leave one out",
                ));
            }
            (None, None) => return Err(super::no_topic()),
            (Some(topic), None) => topic,
            (None, Some(topic)) => {
                topic_name(topic)
                    .map_err(|why| Failure::usage(format!("invalid topic in --url: {why}")))?;
                topic
            }
        };
        if (self.stdin_line || self.stdin_file) && self.connection.broker.takes_stdin() {
            return Err(Failure::usage(
                "standard input cannot be both the password and what to publish: \
                 name a file with --password-file or --file",
            ));
        }
        let (target, properties) = self.connection.check()?;
        Ok((topic, target, properties))
    }
}
