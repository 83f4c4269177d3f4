use core::fmt;
use std::io;

use transport_tcp::ConnectError;

#[cfg(feature = "proxy")]
use super::ProxyError;
use crate::uri::Scheme;

/// Why there is no connection.
///
/// Its text is one sentence with everything in it, so that printing the
/// [source](core::error::Error::source) as well would repeat a part.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The host has no address, or no address accepts a TCP connection in time.
    Connect(ConnectError),
    /// What accepted the TCP connection did not do this in time.
    TimedOut(Step),
    /// The proxy does not connect us.
    #[cfg(feature = "proxy")]
    Proxy(ProxyError),
    /// This program was built without what the scheme needs.
    Unsupported(Scheme),
}

/// What comes after the TCP connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// The proxy connects to the server.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket handshake.
    WebSocket,
}

impl Error {
    /// The kind of the failure, for deciding what to do next.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Connect(error) => error.kind(),
            Self::TimedOut(_) => io::ErrorKind::TimedOut,
            #[cfg(feature = "proxy")]
            Self::Proxy(error) => error.kind(),
            Self::Unsupported(_) => io::ErrorKind::Unsupported,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::TimedOut(Step::Proxy) => f.write_str("the proxy did not answer in time"),
            Self::TimedOut(Step::Tls) => {
                f.write_str("the server did not answer in time, in the TLS handshake")
            }
            Self::TimedOut(Step::WebSocket) => {
                f.write_str("the server did not answer in time, in the WebSocket handshake")
            }
            #[cfg(feature = "proxy")]
            Self::Proxy(error) => error.fmt(f),
            Self::Unsupported(scheme) => {
                let what = if scheme.is_tls() && !cfg!(feature = "tls") {
                    "TLS"
                } else {
                    "WebSockets"
                };
                write!(
                    f,
                    "this program was built without {what}, which {scheme}:// needs"
                )
            }
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            #[cfg(feature = "proxy")]
            Self::Proxy(error) => Some(error),
            Self::TimedOut(_) | Self::Unsupported(_) => None,
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

#[cfg(feature = "proxy")]
impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        match error {
            ProxyError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                Self::TimedOut(Step::Proxy)
            }
            error => Self::Proxy(error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}
