use core::fmt;

use mqtt_core::UsageError;

#[cfg(feature = "std")]
use crate::auth;
#[cfg(feature = "journal")]
use crate::journal;

/// What is said of a server that says nothing.
pub(crate) const UNANSWERED: &str = "the server has closed the connection before it answered \
                                     (is this a TLS or WebSocket port?)";

/// Why a call of a client failed. `E` is the error of its stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The server broke the protocol or was silent, or the caller asked for something impossible.
    Protocol(mqtt_core::Error),
    /// The stream failed.
    Stream(E),
    /// The server closed or reset the stream before it said anything.
    Unanswered,
    /// The server closed the stream.
    Closed,
    /// The stream is closed after a refusal or DISCONNECT.
    Disconnected,
    /// The connection was closed before everything queued was sent.
    Unsent,
    /// The extended authentication failed on our side.
    #[cfg(feature = "std")]
    Authentication(auth::Error),
    /// The journal has failed. Drop the client and begin again with what the journal holds.
    #[cfg(feature = "journal")]
    Journal(journal::Error),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Stream(error) => error.fmt(f),
            Self::Unanswered => f.write_str(UNANSWERED),
            Self::Closed => f.write_str("the server has closed the connection"),
            Self::Disconnected => f.write_str("the connection is closed"),
            Self::Unsent => f.write_str("the connection was closed before everything was sent"),
            #[cfg(feature = "std")]
            Self::Authentication(error) => error.fmt(f),
            #[cfg(feature = "journal")]
            Self::Journal(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::Stream(error) => Some(error),
            Self::Unanswered | Self::Closed | Self::Disconnected | Self::Unsent => None,
            #[cfg(feature = "std")]
            Self::Authentication(error) => Some(error),
            #[cfg(feature = "journal")]
            Self::Journal(error) => Some(error),
        }
    }
}

#[cfg(any(feature = "embedded", feature = "std"))]
impl<E: embedded_io::Error> Error<E> {
    /// The same, of a stream on which nothing has been received.
    pub(crate) fn unanswered(self) -> Self {
        use embedded_io::ErrorKind as Kind;
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

impl<E> From<mqtt_core::Error> for Error<E> {
    fn from(error: mqtt_core::Error) -> Self {
        Self::Protocol(error)
    }
}

impl<E> From<UsageError> for Error<E> {
    fn from(error: UsageError) -> Self {
        Self::Protocol(error.into())
    }
}

#[cfg(feature = "std")]
impl<E> From<auth::Error> for Error<E> {
    fn from(error: auth::Error) -> Self {
        Self::Authentication(error)
    }
}
