//! Options of `mqtt sub`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use mqtt_client::QoS;

use super::connection::ConnectionArgs;
use super::properties::PropertyArg;
use super::target::Target;
use super::values::{qos, seconds, topic_filter};
use crate::failure::Failure;
use crate::format::Format;

/// Options of `mqtt sub`.
#[derive(Debug, Args)]
pub(crate) struct SubArgs {
    /// A topic to subscribe to, perhaps with wildcards (+ is one level, # all that follow);
    /// repeatable
    #[arg(short, long = "topic", value_name = "TOPIC", value_parser = topic_filter)]
    topics: Vec<String>,
    /// Do not print messages whose topic matches this; repeatable
    #[arg(short = 'T', long, value_name = "TOPIC", value_parser = topic_filter)]
    pub(crate) filter_out: Vec<String>,
    /// End this subscription of a kept session; repeatable
    #[arg(short = 'U', long, value_name = "TOPIC", value_parser = topic_filter)]
    pub(crate) unsubscribe: Vec<String>,
    /// The highest QoS to receive messages at: 0, 1 or 2
    #[arg(short, long, value_parser = qos, default_value = "0")]
    pub(crate) qos: QoS,
    /// Exit after this many messages
    #[arg(
        short = 'C',
        long,
        value_name = "MESSAGES",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) count: Option<u64>,
    /// Exit after this many seconds, with code 27
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Exit when the broker has acknowledged the subscriptions
    #[arg(short = 'E')]
    pub(crate) exit_after_sub: bool,
    /// Leave out messages that the broker has kept (those with the retain flag)
    #[arg(short = 'R', long = "no-retained", conflicts_with = "retained_only")]
    pub(crate) no_retained: bool,
    /// Take only messages that the broker has kept, and exit with the first other one
    #[arg(long)]
    pub(crate) retained_only: bool,
    /// Print the topic, too
    #[arg(short, long, conflicts_with_all = ["format", "json"], help_heading = "Output")]
    pub(crate) verbose: bool,
    /// Do not end messages with a new line
    #[arg(short = 'N', long = "no-newline", help_heading = "Output")]
    pub(crate) no_newline: bool,
    /// How to print a message
    #[arg(long, value_enum, default_value_t = Output::Text, help_heading = "Output")]
    output: Output,
    /// The same as --output json
    #[arg(long, conflicts_with = "output", help_heading = "Output")]
    json: bool,
    /// Print control characters as they are, even on a terminal, which then obeys whoever has
    /// published them
    #[arg(long, help_heading = "Output")]
    pub(crate) raw: bool,
    /// Print messages like this: %t topic, %p payload, %x and %X payload in hexadecimal, %l
    /// length, %q QoS, %r retain flag, %m packet identifier, %U Unix time, %I time as in ISO 8601,
    /// %j all as JSON, %J the same with the payload as JSON within, %%; 5.0: %C content type, %R
    /// response topic, %D correlation data, %E expiry, %F payload format, %S subscription
    /// identifier, %P user properties; \n, \r, \t, \e, \a, \0, \\
    #[arg(
        short = 'F',
        long,
        allow_hyphen_values = true,
        value_parser = Format::parse,
        conflicts_with_all = ["output", "json"],
        help_heading = "Output"
    )]
    format: Option<Format>,
    /// Count messages and bytes, and print what came of it on standard error at the end, and
    /// every so many seconds if there is a number
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = seconds,
        num_args = 0..=1,
        require_equals = true,
        help_heading = "Output"
    )]
    pub(crate) stats: Option<Option<Duration>>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Ways to print a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Output {
    /// The payload as it is
    Text,
    /// The payload in hexadecimal digits
    Hex,
    /// The payload as a table of bytes in hexadecimal and in ASCII
    Dump,
    /// A line of JSON with everything there is to know of the message
    Json,
    /// Nothing, for --stats
    None,
}

impl SubArgs {
    /// How to print messages; `None` if their payloads are to be printed as they are.
    pub(crate) fn format(&self) -> Option<Format> {
        match self.output {
            _ if self.format.is_some() => self.format.clone(),
            _ if self.json => Some(Format::json()),
            Output::Json => Some(Format::json()),
            Output::Hex => Some(Format::hex(self.verbose)),
            Output::Dump => Some(Format::dump(self.verbose)),
            Output::Text | Output::None => None,
        }
    }

    /// True if messages are not to be printed.
    pub(crate) fn is_silent(&self) -> bool {
        self.output == Output::None && !self.json && self.format.is_none()
    }

    /// The topics, from --topic and from the URL, where they are, and the properties.
    pub(crate) fn check(&self) -> Result<(Vec<&str>, Target, Vec<PropertyArg<'_>>), Failure> {
        let mut topics: Vec<_> = self.topics.iter().map(String::as_str).collect();
        if let Some(topic) = self.connection.broker.topic() {
            topic_filter(topic)
                .map_err(|why| Failure::usage(format!("invalid topic in --url: {why}")))?;
            topics.push(topic);
        }
        if topics.is_empty() && self.unsubscribe.is_empty() {
            return Err(super::no_topic());
        }
        let (target, properties) = self.connection.check()?;
        Ok((topics, target, properties))
    }
}
