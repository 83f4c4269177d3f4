//! What goes wrong, in sentences that say what to do.

mod connect;

use std::fmt::Display;
use std::io;

use mqtt_client::blocking;
use mqtt_core::wire::{ConnAck, Disconnect, EncodeError, Properties, Property, ReasonCode};
use mqtt_core::{Config, Error, Timeout, UsageError};

use crate::args::Target;

/// Exit code: the network, the broker or a file failed.
const FAILED: u8 = 1;
/// Exit code: wrong options.
pub(crate) const USAGE: u8 = 2;
/// Exit code: the time is up.
const TIMED_OUT: u8 = 27;

/// Why the command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: u8,
    /// For people; may be empty.
    pub(crate) sentence: String,
    /// True if the broker seems not to speak the version of the protocol.
    pub(crate) is_version: bool,
}

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self {
            exit: FAILED,
            sentence: sentence.into(),
            is_version: false,
        }
    }

    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self {
            exit: USAGE,
            ..Self::new(sentence)
        }
    }

    /// The time of --timeout is up.
    pub(crate) fn timed_out() -> Self {
        Self {
            exit: TIMED_OUT,
            ..Self::new("")
        }
    }

    /// A signal has asked to end; as shells count, this is no success.
    pub(crate) fn signal(number: u8) -> Self {
        Self {
            exit: 128 + number,
            ..Self::new("")
        }
    }

    /// The broker's refusal of the connection.
    pub(crate) fn refused(target: &Target, config: &Config<'_>, connack: &ConnAck<'_>) -> Self {
        let advice = match connack.code {
            ReasonCode::UnsupportedProtocolVersion => format!(
                " It does not speak MQTT {}: choose another version with --protocol-version.",
                config.version
            ),
            ReasonCode::ClientIdentifierNotValid => format!(
                " The client identifier was {}: choose another with --id.",
                config.client_id
            ),
            ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized => {
                match (config.username, config.password) {
                    (None, _) => {
                        " Give a user name with --username and a password with --password-file."
                            .to_owned()
                    }
                    (_, None) => " Give a password with --password-file.".to_owned(),
                    _ => " Check the user name and the password.".to_owned(),
                }
            }
            ReasonCode::ServerUnavailable | ReasonCode::ServerBusy => " Try later.".to_owned(),
            ReasonCode::RetainNotSupported => " Leave out --will-retain.".to_owned(),
            ReasonCode::QoSNotSupported => " Choose a lower --will-qos.".to_owned(),
            _ => String::new(),
        };
        Self {
            is_version: connack.code == ReasonCode::UnsupportedProtocolVersion,
            ..Self::new(format!(
                "The broker at {target} refuses the connection: {}.{advice}",
                said(connack.code, &connack.properties)
            ))
        }
    }

    /// The broker's DISCONNECT.
    pub(crate) fn disconnected(packet: &Disconnect<'_>, client_id: &str) -> Self {
        let advice = if packet.code == ReasonCode::SessionTakenOver {
            format!(
                " Another client has connected as {client_id}: \
                 choose another identifier with --id."
            )
        } else {
            String::new()
        };
        Self::new(format!(
            "The broker has closed the connection: {}.{advice}",
            said(packet.code, &packet.properties)
        ))
    }

    /// A call of the client failed, before CONNACK if `is_connecting`.
    pub(crate) fn client(
        target: &Target,
        error: &blocking::Error<io::Error>,
        is_connecting: bool,
    ) -> Self {
        use blocking::Error as E;
        // Servers that do not like what they get may be quick to go.
        let is_closed_at_once = is_connecting
            && match error {
                E::Unanswered | E::Closed => true,
                E::Stream(error) => matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::UnexpectedEof
                ),
                _ => false,
            };
        let sentence = match error {
            _ if is_closed_at_once => format!(
                "{target} has closed the connection in place of an answer. If it is an MQTT \
                 broker, it may not speak this version: choose another with --protocol-version.{}",
                if target.endpoint.scheme.is_tls() {
                    ""
                } else {
                    " If it wants TLS, say so with --cafile or --tls-use-os-certs, or in --url."
                }
            ),
            E::Closed => format!("The broker at {target} has closed the connection."),
            E::Stream(error) => return Self::stream(target, error),
            E::Protocol(Error::Timeout(Timeout::Connect)) => format!(
                "{target} has accepted the connection but does not answer. Is it an MQTT broker?"
            ),
            E::Protocol(Error::Timeout(_)) => {
                format!("The broker at {target} does not answer anymore.")
            }
            E::Protocol(Error::Peer(error)) if is_connecting => {
                format!("{target} does not speak MQTT as it should: {error}. Is it a broker?")
            }
            E::Protocol(Error::Usage(error)) => return Self::request(*error),
            E::Unsent => {
                format!(
                    "The broker at {target} did not take everything before the connection ended."
                )
            }
            error => format!("The connection to {target} has failed: {error}."),
        };
        Self {
            is_version: is_closed_at_once,
            ..Self::new(sentence)
        }
    }

    /// The client or, as it has said in CONNACK, the broker cannot do what was asked.
    pub(crate) fn request(error: UsageError) -> Self {
        let advice = match error {
            UsageError::MaximumQoS => " Choose a lower one with --qos.",
            UsageError::RetainNotAvailable => " Leave out --retain.",
            UsageError::WildcardNotAvailable => " Choose topics without + and #.",
            UsageError::MaximumPacketSize
            | UsageError::BufferTooSmall
            | UsageError::Encode(EncodeError::PacketTooLarge) => " Send it in smaller pieces.",
            UsageError::Encode(EncodeError::PasswordWithoutUsername) => {
                " Give a user name with --username."
            }
            _ => "",
        };
        Self::new(format!("This cannot be sent: {error}.{advice}"))
    }

    /// A file or standard input failed.
    pub(crate) fn file(what: impl Display, error: &io::Error) -> Self {
        Self::new(format!("Could not read {what}: {error}."))
    }
}

/// A reason, in the broker's own words if it has some.
pub(crate) fn said(code: ReasonCode, properties: &Properties<'_>) -> String {
    let mut text = code.to_string();
    for property in properties {
        match property {
            Property::ReasonString(words) if !words.is_empty() => {
                text = format!("{text} ({})", words.escape_debug());
            }
            Property::ServerReference(server) => {
                text = format!("{text}, use {}", server.escape_debug());
            }
            _ => {}
        }
    }
    text
}
