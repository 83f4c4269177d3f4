use core::error::Error as StdError;
use core::fmt;
use std::io;
use std::sync::Arc;

use mqtt_core::UsageError;
use mqtt_core::wire::ReasonCode;

use crate::auth;
use crate::error::UNANSWERED;

/// Why there is no client of this configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// No CONNECT can be made from it.
    Config(mqtt_core::Error),
    /// It has an authentication method, but
    /// [`Options::authenticator`](super::Options::authenticator) is missing, or the reverse.
    Authenticator,
    /// Sessions of this client are not kept in a journal: only
    /// [`Durability::Ram`](mqtt_core::Durability::Ram) is possible.
    Durability,
    /// There is no server to connect to.
    NoServer,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Authenticator => {
                f.write_str("an authentication method needs an authenticator, and the reverse")
            }
            Self::Durability => f.write_str("this client keeps no journal"),
            Self::NoServer => f.write_str("there is no server to connect to"),
        }
    }
}

impl StdError for ConfigError {}

impl From<mqtt_core::Error> for ConfigError {
    fn from(error: mqtt_core::Error) -> Self {
        Self::Config(error)
    }
}

/// Why there is no connection, or no longer one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// No stream to the server could be opened.
    Open(Arc<dyn StdError + Send + Sync>),
    /// Opening the stream took longer than [`Options::open_timeout`](super::Options::open_timeout).
    OpenTimeout,
    /// The server has refused the connection.
    Refused(Reason),
    /// The server has ended the connection, and said why; 5.0 only.
    Disconnected(Reason),
    /// The server has closed or reset the stream before it said anything.
    Unanswered,
    /// The server has closed the stream.
    Closed,
    /// The stream has failed.
    Stream(Arc<io::Error>),
    /// The server broke the protocol or was silent.
    Protocol(mqtt_core::Error),
    /// The extended authentication failed on our side.
    Authentication(auth::Error),
    /// [`disconnect`](super::Client::disconnect) was called.
    Requested,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::OpenTimeout => f.write_str("no connection to the server in time"),
            Self::Refused(reason) => write!(f, "the server refuses the connection: {reason}"),
            Self::Disconnected(reason) => {
                write!(f, "the server has ended the connection: {reason}")
            }
            Self::Unanswered => f.write_str(UNANSWERED),
            Self::Closed => f.write_str("the server has closed the connection"),
            Self::Stream(error) => write!(f, "the connection has failed: {error}"),
            Self::Protocol(error) => error.fmt(f),
            Self::Authentication(error) => error.fmt(f),
            Self::Requested => f.write_str("disconnected"),
        }
    }
}

impl ConnectionError {
    /// The same, of a stream on which nothing has been received.
    pub(super) fn unanswered(self) -> Self {
        use io::ErrorKind as Kind;
        match self {
            Self::Closed => Self::Unanswered,
            Self::Stream(error)
                if matches!(
                    error.kind(),
                    Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe
                ) =>
            {
                Self::Unanswered
            }
            error => error,
        }
    }
}

impl StdError for ConnectionError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Open(error) => Some(&**error),
            Self::Stream(error) => Some(&**error),
            Self::Protocol(error) => Some(error),
            Self::Authentication(error) => Some(error),
            _ => None,
        }
    }
}

/// A reason code of the server's, with what else it had to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// The code.
    pub code: ReasonCode,
    /// The server's words, 5.0 only.
    pub text: Option<Box<str>>,
    /// Another server to use, 5.0 only.
    pub server_reference: Option<Box<str>>,
}

impl Reason {
    pub(super) fn new(code: ReasonCode, properties: &mqtt_core::wire::Properties<'_>) -> Self {
        use mqtt_core::wire::Property;
        let mut reason = Self {
            code,
            text: None,
            server_reference: None,
        };
        for property in properties {
            match property {
                Property::ReasonString(text) => reason.text = Some(text.into()),
                Property::ServerReference(server) => reason.server_reference = Some(server.into()),
                _ => {}
            }
        }
        reason
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if let Some(text) = &self.text {
            write!(f, " ({})", text.escape_debug())?;
        }
        if let Some(server) = &self.server_reference {
            write!(f, ", use {}", server.escape_debug())?;
        }
        Ok(())
    }
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PublishError {
    /// It breaks a rule of the protocol or a limit of the server.
    Usage(UsageError),
    /// There is no connection, and [`Offline::Reject`](super::Offline::Reject) was chosen; or it is
    /// about to end, as [`disconnect`](super::Client::disconnect) was called.
    Offline,
    /// There is no connection, and there are enough messages that wait for one.
    QueueFull,
    /// There is no room now; only [`try_publish`](super::Client::try_publish) says so.
    Full,
    /// The client is no more.
    Closed,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Offline => f.write_str("there is no connection"),
            Self::QueueFull => f.write_str("there is no connection, and its queue is full"),
            Self::Full => f.write_str("no room now"),
            Self::Closed => f.write_str("the client is closed"),
        }
    }
}

impl StdError for PublishError {}

/// Why a message that was taken did not reach the server, as far as is known.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The server has turned it down.
    Refused(Reason),
    /// The server has lost the session, so that it is not known whether it had the message; or
    /// the message expired before it was sent, or, at QoS 0, was not sent to its end.
    Lost,
    /// It gave way to newer ones: [`Offline::DropOldest`](super::Offline::DropOldest).
    Dropped,
    /// By the time of the connection the server, by its limits, does not take it.
    Usage(UsageError),
    /// The client was closed before.
    Closed,
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the server refuses the message: {reason}"),
            Self::Lost => f.write_str("the message may be lost"),
            Self::Dropped => f.write_str("the message gave way to newer ones"),
            Self::Usage(error) => error.fmt(f),
            Self::Closed => f.write_str("the client was closed before the message was delivered"),
        }
    }
}

impl StdError for DeliveryError {}

/// Why there is no subscription, or its end is not known.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// It breaks a rule of the protocol or a limit of the server.
    Usage(UsageError),
    /// The server has refused all its filters, for these reasons.
    Refused(Box<[ReasonCode]>),
    /// The client is no more.
    Closed,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Refused(codes) => {
                f.write_str("the server refuses the subscription")?;
                let mut separator = ": ";
                for code in codes {
                    write!(f, "{separator}{code}")?;
                    separator = ", ";
                }
                Ok(())
            }
            Self::Closed => f.write_str("the client is closed"),
        }
    }
}

impl StdError for SubscribeError {}

/// The connection ended, but not in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DisconnectError {
    /// The time was over. So many messages were not through; those above QoS 0 stay for the next
    /// connection.
    Unfinished(usize),
    /// The connection failed meanwhile, or there was none while messages waited.
    Connection(ConnectionError),
}

impl fmt::Display for DisconnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished(n) => write!(f, "disconnected with {n} messages not through"),
            Self::Connection(error) => error.fmt(f),
        }
    }
}

impl StdError for DisconnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unfinished(_) => None,
            Self::Connection(error) => Some(error),
        }
    }
}
