use core::fmt;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::str::FromStr;
use core::task::{Context, Poll, Waker};
use std::io::{self, Read, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio_socks::io::AsyncSocket;
use tokio_socks::tcp::socks5::Socks5Stream;
use transport_tcp::{ConnectError, TcpStream};

use crate::uri::{Authority, Bracketed, ParseError, Parts, decoded};

/// The longest answer of an HTTP proxy; that of hyper and curl is of the same order.
const MAX_HEAD: usize = 8 * 1024;
/// The most headers in it.
const MAX_HEADERS: usize = 64;

/// A proxy to connect through.
///
/// It is made from a URI: `http://[user:password@]host[:port]` for one that understands HTTP's
/// CONNECT, with basic authentication, or `socks5://[user:password@]host[:port]` for SOCKS5. The
/// ports are 80 and 1080 unless said. The name of the server goes to the proxy as it is, who has to
/// resolve it; `socks5h://`, with which other programs ask for that, is the same as `socks5://`.
///
/// ```
/// let proxy: mqtt_client::net::Proxy = "http://user:secret@proxy.example:3128".parse()?;
/// // The password is not shown.
/// assert_eq!(proxy.to_string(), "http://proxy.example:3128");
/// # Ok::<(), mqtt_client::uri::ParseError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    protocol: Protocol,
    pub(super) host: String,
    pub(super) port: u16,
    /// User name and password.
    user: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Protocol {
    Http,
    Socks5,
}

impl FromStr for Proxy {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let Parts {
            scheme,
            authority,
            rest,
        } = Parts::split(text, "http")?;
        let (protocol, default_port) = match &*scheme.to_ascii_lowercase() {
            "http" => (Protocol::Http, 80),
            "socks5" | "socks5h" => (Protocol::Socks5, 1080),
            _ => {
                return Err(ParseError::UnknownScheme {
                    scheme: scheme.to_owned(),
                    known: "http://, socks5:// and socks5h://",
                });
            }
        };
        let Authority {
            host,
            port,
            username,
            password,
        } = Authority::parse(authority)?;
        if !matches!(rest, "" | "/") {
            return Err(ParseError::ProxyPath);
        }
        let user = if username.is_some() || password.is_some() {
            let name = decoded(&username.unwrap_or_default(), "user name")?;
            let password = String::from_utf8(password.unwrap_or_default());
            let password = password.map_err(|_| ParseError::NotUtf8("password"))?;
            Some((name, password))
        } else {
            None
        };
        if let Some((name, password)) = &user {
            match protocol {
                Protocol::Http if name.contains(':') => {
                    let why = "a user name with a colon cannot be shown to an HTTP proxy";
                    return Err(ParseError::ProxyUser(why));
                }
                Protocol::Socks5
                    if [name, password]
                        .map(String::len)
                        .iter()
                        .any(|n| !(1..=255).contains(n)) =>
                {
                    let why = "SOCKS5 has user names and passwords of 1 to 255 bytes";
                    return Err(ParseError::ProxyUser(why));
                }
                _ => {}
            }
        }
        Ok(Self {
            protocol,
            host,
            port: port.unwrap_or(default_port),
            user,
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}:{}", Bracketed(&self.host), self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Has the proxy connect `stream` to a server.
pub(super) fn tunnel_blocking(
    proxy: &Proxy,
    stream: &mut TcpStream,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    let future = pin!(tunnel(proxy, Ready(stream), host, port));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("nothing here is ever pending"),
    }
}

/// A blocking stream that looks like an asynchronous one which is always ready.
struct Ready<'a>(&'a mut TcpStream);

impl AsyncSocket for Ready<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Read::read(self.0, buf))
    }

    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Write::write(self.0, buf))
    }
}

/// Has the proxy connect `socket` to a server. Takes no byte from it that the server has sent.
pub(super) async fn tunnel(
    proxy: &Proxy,
    socket: impl AsyncSocket + Unpin,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    match (proxy.protocol, &proxy.user) {
        (Protocol::Http, _) => http_connect(proxy, socket, host, port).await,
        (Protocol::Socks5, None) => Socks5Stream::connect_with_socket(socket, (host, port))
            .await
            .map(drop)
            .map_err(|error| ProxyError::socks(error, false)),
        (Protocol::Socks5, Some((name, password))) => {
            Socks5Stream::connect_with_password_and_socket(socket, (host, port), name, password)
                .await
                .map(drop)
                .map_err(|error| ProxyError::socks(error, true))
        }
    }
}

/// RFC 9110 section 9.3.6.
async fn http_connect(
    proxy: &Proxy,
    mut socket: impl AsyncSocket + Unpin,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    // A line break would be the end of the header.
    if !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ProxyError::Host);
    }
    let target = format!("{}:{port}", Bracketed(host));
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some((name, password)) = &proxy.user {
        request += "Proxy-Authorization: Basic ";
        BASE64_STANDARD.encode_string(format!("{name}:{password}"), &mut request);
        request += "\r\n";
    }
    request += "\r\n";
    let mut left = request.as_bytes();
    while !left.is_empty() {
        match poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, left)).await? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            n => left = &left[n..],
        }
    }

    let mut head = Vec::new();
    while head.len() < MAX_HEAD {
        // What follows the head is the server's.
        let mut byte = [0];
        if poll_fn(|cx| Pin::new(&mut socket).poll_read(cx, &mut byte)).await? == 0 {
            return Err(ProxyError::Closed);
        }
        head.extend(byte);
        // Who speaks another protocol is found out at once.
        if head.len() > b"HTTP/1.1 200 ".len() && byte != *b"\n" {
            continue;
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&head) {
            Ok(status) if status.is_partial() => {}
            Ok(_) => {
                return match response.code.unwrap_or_default() {
                    200..=299 => Ok(()),
                    407 => Err(ProxyError::Authentication {
                        was_given: proxy.user.is_some(),
                    }),
                    code => Err(ProxyError::Status(code)),
                };
            }
            Err(_) => return Err(ProxyError::NotAProxy),
        }
    }
    Err(ProxyError::NotAProxy)
}

/// Why there is no connection through a proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// There is none to the proxy itself.
    Connect(ConnectError),
    /// The one to the proxy failed.
    Io(io::Error),
    /// The proxy closed the one to it, without an answer.
    Closed,
    /// The proxy demands a user name and a password, or does not accept those that it was shown.
    Authentication {
        /// True if it was shown some.
        was_given: bool,
    },
    /// An HTTP proxy refuses, with this status.
    Status(u16),
    /// A SOCKS5 proxy is not allowed to connect to the server.
    NotAllowed,
    /// The server refused the proxy's connection.
    ConnectionRefused,
    /// The proxy has no route to the server's network.
    NetworkUnreachable,
    /// The proxy did not find the server, or got no answer from it.
    HostUnreachable,
    /// The proxy cannot connect to this kind of address.
    AddressType,
    /// The proxy failed and does not say why.
    Failed,
    /// What answered does not speak the protocol of such a proxy.
    NotAProxy,
    /// The server's host is nothing that can be said to a proxy.
    Host,
}

impl ProxyError {
    /// The kind of the failure, for deciding what to do next.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        use io::ErrorKind;
        match self {
            Self::Connect(error) => error.kind(),
            Self::Io(error) => error.kind(),
            Self::Closed => ErrorKind::UnexpectedEof,
            Self::Authentication { .. } | Self::NotAllowed | Self::Status(403) => {
                ErrorKind::PermissionDenied
            }
            Self::ConnectionRefused => ErrorKind::ConnectionRefused,
            Self::NetworkUnreachable => ErrorKind::NetworkUnreachable,
            // What proxies say if they cannot resolve or reach a host, or did not in time.
            Self::HostUnreachable | Self::Status(502..=504) => ErrorKind::HostUnreachable,
            Self::AddressType => ErrorKind::Unsupported,
            Self::NotAProxy => ErrorKind::InvalidData,
            Self::Host => ErrorKind::InvalidInput,
            Self::Failed | Self::Status(_) => ErrorKind::Other,
        }
    }

    fn socks(error: tokio_socks::Error, was_given: bool) -> Self {
        use tokio_socks::Error as E;
        match error {
            E::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            E::Io(error) => Self::Io(error),
            E::NoAcceptableAuthMethods | E::AuthorizationRequired | E::PasswordAuthFailure(_) => {
                Self::Authentication { was_given }
            }
            E::ConnectionNotAllowedByRuleset => Self::NotAllowed,
            E::ConnectionRefused => Self::ConnectionRefused,
            E::NetworkUnreachable => Self::NetworkUnreachable,
            E::HostUnreachable | E::TtlExpired => Self::HostUnreachable,
            E::AddressTypeNotSupported | E::CommandNotSupported => Self::AddressType,
            E::GeneralSocksServerFailure => Self::Failed,
            E::InvalidTargetAddress("overlong domain") => Self::Host,
            _ => Self::NotAProxy,
        }
    }
}

impl From<io::Error> for ProxyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect(error) => return write!(f, "no proxy: {error}"),
            Self::Io(error) => return write!(f, "the connection to the proxy failed: {error}"),
            Self::Status(code) => return write!(f, "the proxy refuses, with status {code}"),
            Self::Closed => "the proxy closed the connection without an answer",
            Self::Authentication { was_given: false } => {
                "the proxy demands a user name and a password"
            }
            Self::Authentication { was_given: true } => {
                "the proxy does not accept the user name and the password"
            }
            Self::NotAllowed => "the proxy is not allowed to connect to this server",
            Self::ConnectionRefused => "the server refused the connection of the proxy",
            Self::NetworkUnreachable => "the proxy cannot reach the network of the server",
            Self::HostUnreachable => "the proxy cannot reach the server",
            Self::AddressType => "the proxy cannot connect to such an address",
            Self::Failed => "the proxy failed to connect to the server",
            Self::NotAProxy => "what answered is not such a proxy",
            Self::Host => "the host is nothing that can be said to a proxy",
        })
    }
}

impl core::error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
