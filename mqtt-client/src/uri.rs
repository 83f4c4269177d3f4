//! Where a server is, and how to reach it: URIs such as `mqtts://user:password@example.com`.
//!
//! ```
//! use mqtt_client::uri::{Endpoint, Scheme};
//!
//! let endpoint: Endpoint = "mqtts://thermostat:s%40cret@[2001:db8::1]".parse()?;
//! assert_eq!(endpoint.scheme, Scheme::Mqtts);
//! assert_eq!((&*endpoint.host, endpoint.port), ("2001:db8::1", 8883));
//! assert_eq!(endpoint.username.as_deref(), Some("thermostat"));
//! assert_eq!(endpoint.password.as_deref(), Some(&b"s@cret"[..]));
//!
//! // To be connected to the server's WebSocket, at the path that most servers have it.
//! assert_eq!(Endpoint::try_from("wss://example.com")?.path, "/mqtt");
//! # Ok::<(), mqtt_client::uri::ParseError>(())
//! ```
//!
//! | scheme | transport | port |
//! | --- | --- | --- |
//! | `mqtt`, or `tcp` | TCP | 1883 |
//! | `mqtts`, or `ssl`, `tls` | TLS over TCP | 8883 |
//! | `ws` | WebSocket over TCP | 80 |
//! | `wss` | WebSocket over TLS over TCP | 443 |

use core::fmt;
use core::str::FromStr;

use mqtt_core::Config;
use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode,
};
use url::{Host, Url};

/// What is escaped in a user name: all but what no URI gives a meaning.
const USER: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is escaped in a path: what would otherwise not be read back.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// Where to find a server and whom to claim to be, as a URI says it.
///
/// Printing it, in either way, leaves out the password.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// How to reach the server.
    pub scheme: Scheme,
    /// An IPv4 address, an IPv6 address without brackets, or a name, in ASCII: `bücher.example` is
    /// `xn--bcher-kva.example` here.
    pub host: String,
    /// The port, which is that of the scheme if the URI has none.
    pub port: u16,
    /// What follows host and port.
    ///
    /// With WebSocket it is what the server is asked for: path and query, escaped as necessary;
    /// `/mqtt` if the URI has no path.
    ///
    /// Else connecting makes no use of it, and there are no such things as queries and fragments:
    /// it is all that follows, with escapes resolved, empty or from the first slash on. Programs
    /// can take what follows that slash as a topic, such as `#` in `mqtt://localhost/#`.
    pub path: String,
    /// The user name.
    pub username: Option<String>,
    /// The password, which may be any bytes. An empty one is none, as in any URL.
    pub password: Option<Vec<u8>>,
}

/// How to reach a server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// By TCP.
    Mqtt,
    /// By TLS over TCP.
    Mqtts,
    /// By WebSocket over TCP.
    Ws,
    /// By WebSocket over TLS over TCP.
    Wss,
}

impl Endpoint {
    /// The configuration of a client that shows the user name and the password of the URI.
    ///
    /// ```
    /// use mqtt_client::{Config, uri::Endpoint};
    ///
    /// let endpoint: Endpoint = "mqtt://user:pencil@localhost".parse()?;
    /// let config = Config { keep_alive: 30, ..endpoint.config("thermostat") };
    /// assert_eq!(config.username, Some("user"));
    /// # Ok::<(), mqtt_client::uri::ParseError>(())
    /// ```
    #[must_use]
    pub fn config<'a>(&'a self, client_id: &'a str) -> Config<'a> {
        Config {
            username: self.username.as_deref(),
            password: self.password.as_deref(),
            ..Config::new(client_id)
        }
    }
}

impl Scheme {
    /// The port of a server whose URI has none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// True if there is TLS.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// True if there is a WebSocket.
    #[must_use]
    pub const fn is_ws(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    fn of(text: &str) -> Result<Self, ParseError> {
        match &*text.to_ascii_lowercase() {
            "mqtt" | "tcp" => Ok(Self::Mqtt),
            "mqtts" | "ssl" | "tls" => Ok(Self::Mqtts),
            "ws" => Ok(Self::Ws),
            "wss" => Ok(Self::Wss),
            _ => Err(ParseError::UnknownScheme {
                scheme: text.to_owned(),
                known: "mqtt://, mqtts://, ws:// and wss://",
            }),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        })
    }
}

impl FromStr for Endpoint {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let Parts {
            scheme,
            authority,
            rest,
        } = Parts::split(text, "mqtt")?;
        let scheme = Scheme::of(scheme)?;
        let Authority {
            host,
            port,
            username,
            password,
        } = Authority::parse(authority)?;
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or(scheme.default_port()),
            path: if scheme.is_ws() {
                request_target(rest)?
            } else {
                path(rest)?
            },
            username: match username {
                Some(name) => Some(decoded(&name, "user name")?),
                None => None,
            },
            password,
        })
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = ParseError;

    fn try_from(text: &str) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, port, .. } = self;
        write!(f, "{scheme}://")?;
        if let Some(name) = &self.username {
            write!(f, "{}@", utf8_percent_encode(name, USER))?;
        }
        write!(f, "{}:{port}", Bracketed(&self.host))?;
        if scheme.is_ws() {
            // This is escaped already.
            f.write_str(&self.path)
        } else {
            utf8_percent_encode(&self.path, PATH).fmt(f)
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("path", &self.path)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| Hidden))
            .finish()
    }
}

/// Shows that there is something, and not what.
pub(crate) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Writes a host as it stands before a colon and a port.
pub(crate) struct Bracketed<'a>(pub(crate) &'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            host if host.contains(':') && !host.starts_with('[') => write!(f, "[{host}]"),
            host => f.write_str(host),
        }
    }
}

/// A URI in three pieces.
pub(crate) struct Parts<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: &'a str,
    /// Path, query and fragment.
    pub(crate) rest: &'a str,
}

impl<'a> Parts<'a> {
    /// Who forgets the scheme is reminded of `usual`.
    pub(crate) fn split(text: &'a str, usual: &str) -> Result<Self, ParseError> {
        let text = text.trim_ascii();
        // The standard of URLs drops them silently.
        if text.contains(|c: char| c.is_ascii_control()) {
            return Err(ParseError::ControlCharacter);
        }
        let is_scheme = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        let (scheme, after) = match text.split_once("://") {
            Some((scheme, after)) if is_scheme(scheme) => (scheme, after),
            _ => return Err(ParseError::missing_scheme(text, usual)),
        };
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        Ok(Self {
            scheme,
            authority,
            rest,
        })
    }
}

/// What is between the slashes of a URI.
pub(crate) struct Authority {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// Still with its escapes.
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
}

impl Authority {
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
        if !host.starts_with('[') && host.matches(':').count() > 1 {
            return Err(ParseError::NoBrackets);
        }
        if host.is_empty() || host.starts_with(':') {
            return Err(ParseError::EmptyHost);
        }
        // Whether the standard of URLs knows a scheme decides how it reads the host, and which port
        // it drops as the default one. No scheme of ours may be one that it knows; the host is then
        // read as if it were.
        let url = Url::parse(&format!("mqtt://{text}")).map_err(|error| match error {
            url::ParseError::InvalidPort => ParseError::Port,
            error => ParseError::Host(error),
        })?;
        let host = match Host::parse(url.host_str().unwrap_or_default()) {
            Ok(Host::Domain(name)) => name,
            Ok(Host::Ipv4(address)) => address.to_string(),
            Ok(Host::Ipv6(address)) => address.to_string(),
            Err(error) => return Err(ParseError::Host(error)),
        };
        if url.port() == Some(0) {
            return Err(ParseError::Port);
        }
        Ok(Self {
            host,
            port: url.port(),
            username: Some(url.username())
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            password: url
                .password()
                .map(|password| percent_decode_str(password).collect()),
        })
    }
}

/// What to ask a web server for.
fn request_target(rest: &str) -> Result<String, ParseError> {
    if rest.contains('#') {
        return Err(ParseError::Fragment);
    }
    let path = if rest.starts_with('/') { "" } else { "/mqtt" };
    // Nothing that can follow a host is refused.
    let url = Url::parse(&format!("ws://host{path}{rest}")).map_err(ParseError::Host)?;
    Ok(match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

/// What may be a topic.
fn path(rest: &str) -> Result<String, ParseError> {
    if rest.starts_with(['?', '#']) {
        return Err(ParseError::NoSlash);
    }
    decoded(rest, "path")
}

pub(crate) fn decoded(text: &str, what: &'static str) -> Result<String, ParseError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(ParseError::NotUtf8(what)),
    }
}

/// Why a text is no URI of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ParseError {
    /// It does not begin with a scheme. This is what it might have been.
    MissingScheme(String),
    /// It begins with another scheme than those known.
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// Those that there are.
        known: &'static str,
    },
    /// There is no host.
    EmptyHost,
    /// The host is neither a name nor an address.
    Host(url::ParseError),
    /// There are several colons, as in an IPv6 address without its brackets.
    NoBrackets,
    /// The port is not a number from 1 to 65535.
    Port,
    /// What this names is not UTF-8 when its escapes are resolved.
    NotUtf8(&'static str),
    /// There is a control character, such as a line break.
    ControlCharacter,
    /// `#` in the URI of a WebSocket, where it would begin what no server is told.
    Fragment,
    /// `?` or `#` directly after the host, where a slash is missing.
    NoSlash,
    /// Something follows the host and the port of a proxy.
    ProxyPath,
    /// A user name or password that cannot be shown to a proxy, and why.
    ProxyUser(&'static str),
}

impl ParseError {
    fn missing_scheme(text: &str, usual: &str) -> Self {
        // The text may be shown to everybody, and there may be a password before the `@`.
        let host = text.rsplit('@').next().unwrap_or_default();
        let host = match host.trim_start_matches([':', '/']) {
            "" => "localhost",
            host => host,
        };
        Self::MissingScheme(format!("{usual}://{host}"))
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingScheme(guess) => {
                write!(
                    f,
                    "a scheme is missing at the beginning: did you mean {guess}?"
                )
            }
            Self::UnknownScheme { scheme, known } => {
                write!(f, "{scheme}:// is unknown: there are {known}")
            }
            Self::EmptyHost => f.write_str("there is no host after ://"),
            Self::Host(error) => write!(f, "the host is not valid: {error}"),
            Self::NoBrackets => f.write_str("an IPv6 address belongs in brackets, as in [::1]"),
            Self::Port => f.write_str("a port is a number from 1 to 65535"),
            Self::NotUtf8(what) => write!(f, "the {what} is not UTF-8"),
            Self::ControlCharacter => {
                f.write_str("there is a line break or another control character")
            }
            Self::Fragment => {
                f.write_str("with ws:// and wss:// there is no #: write %23 if you mean it")
            }
            Self::ProxyPath => f.write_str("nothing may follow the host and the port of a proxy"),
            Self::ProxyUser(why) => f.write_str(why),
            Self::NoSlash => f.write_str("a slash is missing between the host and ? or #"),
        }
    }
}

impl core::error::Error for ParseError {}
