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
    /// The TCP connection failed during this.
    Io(Step, io::Error),
    /// There is no TLS to begin with: the system's certificates cannot be read.
    #[cfg(feature = "tls")]
    TlsConfig(transport_tls::ConfigError),
    /// The TLS handshake failed.
    #[cfg(feature = "tls")]
    Tls(transport_tls::TlsError),
    /// The options, the URI's path or its host are nothing to ask a web server for.
    #[cfg(feature = "ws")]
    Request(transport_ws::RequestError),
    /// The server does not agree to a WebSocket with MQTT in it.
    #[cfg(feature = "ws")]
    WebSocket(transport_ws::ResponseError),
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
            Self::Io(_, error) => error.kind(),
            #[cfg(feature = "tls")]
            Self::TlsConfig(_) => io::ErrorKind::InvalidInput,
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.kind(),
            #[cfg(feature = "ws")]
            Self::Request(_) => io::ErrorKind::InvalidInput,
            #[cfg(feature = "ws")]
            Self::WebSocket(transport_ws::ResponseError::Ended) => io::ErrorKind::UnexpectedEof,
            #[cfg(feature = "ws")]
            Self::WebSocket(transport_ws::ResponseError::Status(401 | 403)) => {
                io::ErrorKind::PermissionDenied
            }
            #[cfg(feature = "ws")]
            Self::WebSocket(_) => io::ErrorKind::InvalidData,
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
            Self::TimedOut(step) => write!(f, "the server did not answer in time, {step}"),
            Self::Io(step, error) => {
                write!(f, "the connection failed {step}: {error}")?;
                // Servers that do not understand what they get may do so.
                let is_end = matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                );
                if *step == Step::Tls && is_end {
                    f.write_str(" (is this a plain port?)")?;
                }
                Ok(())
            }
            #[cfg(feature = "tls")]
            Self::TlsConfig(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
            #[cfg(feature = "ws")]
            Self::Request(error) => error.fmt(f),
            #[cfg(feature = "ws")]
            Self::WebSocket(error) => error.fmt(f),
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
            Self::Io(_, error) => Some(error),
            #[cfg(feature = "tls")]
            Self::TlsConfig(error) => Some(error),
            #[cfg(feature = "tls")]
            Self::Tls(error) => Some(error),
            #[cfg(feature = "ws")]
            Self::Request(error) => Some(error),
            #[cfg(feature = "ws")]
            Self::WebSocket(error) => Some(error),
            #[cfg(feature = "proxy")]
            Self::Proxy(error) => Some(error),
            Self::TimedOut(_) | Self::Unsupported(_) => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proxy => "at the proxy",
            Self::Tls => "in the TLS handshake",
            Self::WebSocket => "in the WebSocket handshake",
        })
    }
}

#[cfg(any(feature = "tls", feature = "ws"))]
impl Error {
    /// The stream failed during `step`, on which may be another step's error.
    fn of_stream(step: Step, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            return Self::TimedOut(step);
        }
        #[cfg(feature = "tls")]
        return match error.downcast() {
            Ok(error) => Self::Tls(error),
            Err(error) => Self::Io(step, error),
        };
        #[cfg(not(feature = "tls"))]
        Self::Io(step, error)
    }
}

#[cfg(feature = "tls")]
impl From<transport_tls::Error<io::Error>> for Error {
    fn from(error: transport_tls::Error<io::Error>) -> Self {
        Self::of_stream(Step::Tls, error.into())
    }
}

#[cfg(feature = "ws")]
impl<E> From<transport_ws::Error<E>> for Error
where
    E: embedded_io::Error + core::error::Error + Into<io::Error> + Send + Sync + 'static,
{
    fn from(error: transport_ws::Error<E>) -> Self {
        match error {
            transport_ws::Error::Request(error) => Self::Request(error),
            transport_ws::Error::Response(error) => Self::WebSocket(error),
            error => Self::of_stream(Step::WebSocket, super::stream::ws_error(error)),
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
