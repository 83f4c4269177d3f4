//! What can be said on the command line. All that can be checked without a network is checked
//! here, so that it ends with exit code 2 and one line.

mod properties;
mod target;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand};
use mqtt_client::{QoS, Version};

use crate::failure::Failure;
use crate::format::Format;
use properties::PropertyArgs;
pub(crate) use properties::{Place, PropertyArg};
pub(crate) use target::{BrokerUrl, Target};
use values::{
    client_id, period, protocol_version, qos, seconds, session_expiry, topic_filter, topic_name,
};

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   the network, the broker or a file failed
  2   wrong options
  27  the time of --timeout is up";

const DEMO_EXIT_CODES: &str = "\
The broker is an embedded one on a free port of this machine, unless another is named.

Exit codes:
  0   every message arrived exactly as often as its QoS promises
  1   some did not, or the broker failed
  2   wrong options";

/// Publish and subscribe with MQTT 3.1, 3.1.1 and 5.0.
#[derive(Debug, Parser)]
#[command(name = "mqtt", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish messages, and wait until the broker has them.
    #[command(disable_help_flag = true, after_help = EXIT_CODES)]
    Pub(Box<PubArgs>),
    /// Subscribe to topics and print the messages.
    #[command(disable_help_flag = true, after_help = EXIT_CODES)]
    Sub(Box<SubArgs>),
    /// Send messages through a broker in every version and QoS, and check what arrives.
    #[command(disable_help_flag = true, after_help = DEMO_EXIT_CODES)]
    Demo(Box<DemoArgs>),
}

/// Where the broker is, and who we are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct BrokerArgs {
    /// The broker's name or address [default: localhost]
    #[arg(short = 'h', long, conflicts_with = "url")]
    host: Option<String>,
    /// The broker's port [default: 1883]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "url")]
    port: Option<u16>,
    /// All in one: mqtt://user:password@host:port/topic, where only the host is required
    #[arg(short = 'L', long, value_parser = BrokerUrl::parse)]
    url: Option<BrokerUrl>,
    /// The user name
    #[arg(short, long)]
    username: Option<String>,
    /// The password
    #[arg(short = 'P', long, value_name = "PASSWORD", allow_hyphen_values = true)]
    pw: Option<String>,
}

impl BrokerArgs {
    pub(crate) fn target(&self) -> Target {
        Target::new(
            self.host.as_deref(),
            self.port,
            self.url.as_ref(),
            self.username.as_deref(),
            self.pw.as_deref(),
        )
    }

    /// True if a broker was named, by whichever part of its address.
    pub(crate) const fn is_given(&self) -> bool {
        self.host.is_some() || self.port.is_some() || self.url.is_some()
    }

    /// The topic of the URL.
    pub(crate) fn topic(&self) -> Option<&str> {
        self.url.as_ref()?.topic.as_deref()
    }
}

/// How to connect.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The client identifier [default: mqtt- and random digits]
    #[arg(short, long, value_parser = client_id, conflicts_with = "id_prefix")]
    pub(crate) id: Option<String>,
    /// Begin the client identifier with this and append the process number
    #[arg(short = 'I', long, value_parser = client_id)]
    pub(crate) id_prefix: Option<String>,
    /// The version to speak: mqttv31 (or 31), mqttv311 (311), mqttv5 (5)
    #[arg(short = 'V', long, value_parser = protocol_version, default_value = "mqttv311")]
    pub(crate) protocol_version: Version,
    /// Seconds of silence after which the broker is asked if it is still there; 0 for never
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) keepalive: u16,
    /// Keep the session when the connection ends, and resume the one that was kept
    #[arg(short = 'c', long)]
    pub(crate) disable_clean_session: bool,
    /// Seconds for which the session is kept, -1 for ever; 5.0 only [default: -1 with -c, else 0]
    #[arg(
        short = 'x',
        long,
        value_name = "SECONDS",
        value_parser = session_expiry,
        allow_hyphen_values = true
    )]
    pub(crate) session_expiry_interval: Option<u32>,
    /// The topic of the will, which the broker publishes if this command dies
    #[arg(long, value_name = "TOPIC", value_parser = topic_name, help_heading = "Will")]
    pub(crate) will_topic: Option<String>,
    /// The message of the will
    #[arg(
        long,
        value_name = "MESSAGE",
        requires = "will_topic",
        allow_hyphen_values = true,
        help_heading = "Will"
    )]
    pub(crate) will_payload: Option<OsString>,
    /// The QoS of the will [default: 0]
    #[arg(
        long,
        value_name = "QOS",
        value_parser = qos,
        requires = "will_topic",
        help_heading = "Will"
    )]
    pub(crate) will_qos: Option<QoS>,
    /// Have the broker keep the will for later subscribers
    #[arg(long, requires = "will_topic", help_heading = "Will")]
    pub(crate) will_retain: bool,
    #[command(flatten)]
    properties: PropertyArgs,
    /// Show the packets on standard error
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    pub(crate) debug: bool,
    /// Do not print errors
    #[arg(long, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help, help_heading = "Output")]
    help: Option<bool>,
}

impl ConnectionArgs {
    /// No less than the properties of any packet take.
    pub(crate) fn properties_len(&self) -> usize {
        let texts = self.properties.0.iter().flatten();
        texts.map(|text| text.len() + 8).sum()
    }

    /// The checks that concern more than one option.
    fn check(&self) -> Result<Vec<PropertyArg<'_>>, Failure> {
        let v5 = self.protocol_version == Version::V5;
        if self.disable_clean_session && self.id.is_none() {
            return Err(Failure::usage(
                "--disable-clean-session needs an identifier to find the session by: add --id",
            ));
        }
        let target = self.broker.target();
        if target.password.is_some() && target.username.is_none() && !v5 {
            return Err(Failure::usage(
                "a password needs a user name before MQTT 5.0: add --username",
            ));
        }
        if self.session_expiry_interval.is_some() && !v5 {
            return Err(Failure::usage(
                "--session-expiry-interval needs MQTT 5.0: add -V 5",
            ));
        }
        if !self.properties.0.is_empty() && !v5 {
            return Err(Failure::usage("--property needs MQTT 5.0: add -V 5"));
        }
        self.properties.parse().map_err(Failure::usage)
    }
}

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
    /// The topic, from --topic or from the URL, and the properties.
    pub(crate) fn check(&self) -> Result<(&str, Vec<PropertyArg<'_>>), Failure> {
        let topic = match (self.topic.as_deref(), self.connection.broker.topic()) {
            (Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "there are two topics, one in --topic and one in --url: leave one out",
                ));
            }
            (None, None) => return Err(no_topic()),
            (Some(topic), None) => topic,
            (None, Some(topic)) => {
                topic_name(topic)
                    .map_err(|why| Failure::usage(format!("invalid topic in --url: {why}")))?;
                topic
            }
        };
        Ok((topic, self.connection.check()?))
    }
}

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
    #[arg(short, long, conflicts_with = "format", help_heading = "Output")]
    pub(crate) verbose: bool,
    /// Do not end messages with a new line
    #[arg(short = 'N', long = "no-newline", help_heading = "Output")]
    pub(crate) no_newline: bool,
    /// Print messages like this: %t topic, %p payload, %x and %X payload in hexadecimal, %l
    /// length, %q QoS, %r retain flag, %m packet identifier, %U Unix time, %%; 5.0: %C content
    /// type, %R response topic, %D correlation data, %E expiry, %F payload format, %S
    /// subscription identifier, %P user properties; \n, \r, \t, \e, \a, \0, \\
    #[arg(
        short = 'F',
        long,
        allow_hyphen_values = true,
        value_parser = Format::parse,
        help_heading = "Output"
    )]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl SubArgs {
    /// The topics, from --topic and from the URL, and the properties.
    pub(crate) fn check(&self) -> Result<(Vec<&str>, Vec<PropertyArg<'_>>), Failure> {
        let mut topics: Vec<_> = self.topics.iter().map(String::as_str).collect();
        if let Some(topic) = self.connection.broker.topic() {
            topic_filter(topic)
                .map_err(|why| Failure::usage(format!("invalid topic in --url: {why}")))?;
            topics.push(topic);
        }
        if topics.is_empty() && self.unsubscribe.is_empty() {
            return Err(no_topic());
        }
        Ok((topics, self.connection.check()?))
    }
}

fn no_topic() -> Failure {
    Failure::usage("there is no topic: name one with --topic, or after the host in --url")
}

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
}

/// What is wrong with the command line, as one line.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let mut line = match (
        error.kind(),
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
        std::error::Error::source(error),
    ) {
        (
            ErrorKind::ValueValidation,
            Some(ContextValue::String(option)),
            Some(ContextValue::String(value)),
            Some(why),
        ) => {
            let option = option.split(' ').next().unwrap_or_default();
            format!(
                "invalid value '{}' for {option}: {why}",
                value.escape_debug()
            )
        }
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing)), ..)
            if missing
                .iter()
                .any(|option| option.contains("--null-message")) =>
        {
            "there is nothing to publish: choose one of --message, --file, --stdin-line, \
             --stdin-file and --null-message"
                .to_owned()
        }
        _ => {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let words: Vec<_> = first.split_whitespace().collect();
            words.join(" ").trim_start_matches("error: ").to_owned()
        }
    };
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| error.get(kind));
    match suggestion {
        Some(ContextValue::String(name)) => line.push_str(&format!("; did you mean {name}?")),
        Some(ContextValue::Strings(names)) => {
            line.push_str(&format!("; did you mean {}?", names.join(" or ")));
        }
        _ => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_fit_on_one_line() {
        for (args, expected) in [
            (
                "mqtt pub -t a -m b -q 3",
                "invalid value '3' for --qos: a QoS is 0, 1 or 2",
            ),
            (
                "mqtt pub -t a",
                "there is nothing to publish: choose one of --message, --file, --stdin-line, \
                 --stdin-file and --null-message",
            ),
            (
                "mqtt pub -t a --mesage b",
                "unexpected argument '--mesage' found; did you mean --message?",
            ),
            (
                "mqtt sub -t a --will-retain",
                "the following required arguments were not provided: --will-topic <TOPIC>",
            ),
        ] {
            let error = Cli::try_parse_from(args.split(' ')).unwrap_err();
            assert_eq!(one_line(&error), expected);
        }
    }
}
