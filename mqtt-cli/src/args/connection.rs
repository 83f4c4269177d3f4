//! Options of every connection.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use mqtt_client::uri::Endpoint;
#[cfg(feature = "demo")]
use mqtt_client::uri::Scheme;
use mqtt_client::{QoS, Version};

use super::password::Secret;
use super::properties::{PropertyArg, PropertyArgs};
use super::target::{BrokerUrl, Target};
use super::transport::TransportArgs;
use super::values::{client_id, host, protocol_version, qos, session_expiry, topic_name};
use crate::failure::Failure;

/// Where the broker is, and who we are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct BrokerArgs {
    /// The broker's name or address [default: localhost]
    #[arg(short = 'h', long, value_parser = host, conflicts_with = "url")]
    pub(super) host: Option<String>,
    /// The broker's port [default: 1883, with TLS 8883, with --ws 80, with both 443]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "url")]
    pub(super) port: Option<u16>,
    /// All in one: mqtt://user:password@host:port/topic, where only the host is required; the same
    /// with mqtts://; ws:// and wss:// with the path of the WebSocket in place of the topic
    #[arg(short = 'L', long, value_parser = BrokerUrl::parse)]
    pub(super) url: Option<BrokerUrl>,
    /// The user name
    #[arg(short, long)]
    pub(super) username: Option<String>,
    /// The password; others may see it in the list of processes
    #[arg(short = 'P', long, value_name = "PASSWORD", allow_hyphen_values = true)]
    pub(super) pw: Option<Secret>,
    /// Read the password from this file, - for standard input, without the end of its line;
    /// without any password, that of the environment variable MQTT_PASSWORD is shown with the user
    /// name
    #[expect(clippy::doc_markdown, reason = "help is printed as it is")]
    #[arg(long, value_name = "FILE", conflicts_with = "pw")]
    pub(super) password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) transport: TransportArgs,
}

impl BrokerArgs {
    /// Where to connect to. Certificates are read here.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        Target::new(self)
    }

    /// True if a broker was named, by whichever part of its address, or what it needs.
    pub(crate) fn is_given(&self) -> bool {
        let is_address = self.host.is_some() || self.port.is_some() || self.url.is_some();
        is_address || self.transport.is_for_a_broker()
    }

    /// The transport, as far as options of its own name it.
    #[cfg(feature = "demo")]
    pub(crate) fn scheme(&self) -> Scheme {
        self.transport.scheme(Scheme::Mqtt)
    }

    /// True if standard input begins with the password.
    pub(super) fn takes_stdin(&self) -> bool {
        self.password_file.as_deref() == Some(Path::new("-"))
    }

    /// The topic of the URL.
    pub(crate) fn topic(&self) -> Option<&str> {
        self.url.as_ref()?.topic()
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
    /// Print version
    #[arg(long, action = ArgAction::Version, help_heading = "Output")]
    version: Option<bool>,
}

impl ConnectionArgs {
    /// No less than the properties of any packet take.
    pub(crate) fn properties_len(&self) -> usize {
        let texts = self.properties.0.iter().flatten();
        texts.map(|text| text.len() + 8).sum()
    }

    /// The checks that concern more than one option.
    pub(super) fn check(&self) -> Result<(Target, Vec<PropertyArg<'_>>), Failure> {
        let v5 = self.protocol_version == Version::V5;
        if self.disable_clean_session && self.id.is_none() {
            return Err(Failure::usage(
                "--disable-clean-session needs an identifier to find the session by: add --id",
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
        let properties = self.properties.parse().map_err(Failure::usage)?;
        let target = self.broker.target()?;
        let Endpoint {
            username, password, ..
        } = &target.endpoint;
        if password.is_some() && username.is_none() && !v5 {
            return Err(Failure::usage(
                "a password needs a user name before MQTT 5.0: add --username",
            ));
        }
        Ok((target, properties))
    }
}
