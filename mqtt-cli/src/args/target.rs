//! Where a broker is.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 1883;

/// A broker's address, and what to show at its door.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    /// True if the address came from --url.
    pub(crate) is_url: bool,
}

impl Target {
    /// Options of their own have precedence over parts of the URL.
    pub(super) fn new(
        host: Option<&str>,
        port: Option<u16>,
        url: Option<&BrokerUrl>,
        username: Option<&str>,
        password: Option<&str>,
    ) -> Self {
        let host = host.or(url.map(|url| &*url.host)).unwrap_or(DEFAULT_HOST);
        let port = port.or(url.and_then(|url| url.port));
        let username = username.map(str::to_owned);
        let password = password.map(|text| text.as_bytes().to_vec());
        Self {
            host: host.to_owned(),
            port: port.unwrap_or(DEFAULT_PORT),
            username: username.or_else(|| url?.username.clone()),
            password: password.or_else(|| url?.password.clone()),
            is_url: url.is_some(),
        }
    }

    /// A broker on this machine.
    #[cfg(feature = "demo")]
    pub(crate) fn local(address: std::net::SocketAddr) -> Self {
        let host = address.ip().to_string();
        Self::new(Some(&host), Some(address.port()), None, None, None)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

/// `mqtt://[user[:password]@]host[:port][/topic]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BrokerUrl {
    host: String,
    port: Option<u16>,
    username: Option<String>,
    password: Option<Vec<u8>>,
    pub(crate) topic: Option<String>,
}

impl BrokerUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // To a URL, `#`, `?` and `..` mean something else than to a topic, so the topic comes off
        // first: it is all that follows the first slash after the host.
        let host_at = text.find("://").map_or(0, |at| at + 3);
        let (address, topic) = match text.get(host_at..).and_then(|rest| rest.split_once('/')) {
            Some((host, topic)) => (&text[..host_at + host.len()], topic),
            None => (text, ""),
        };
        let url = Url::parse(address).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => "it does not begin with mqtt://".to_owned(),
            error => error.to_string(),
        })?;
        match url.scheme() {
            "mqtt" => {}
            scheme @ ("mqtts" | "ws" | "wss") => {
                return Err(format!(
                    "this build speaks plain mqtt:// only, it has no {}",
                    if scheme == "mqtts" {
                        "TLS"
                    } else {
                        "WebSockets"
                    },
                ));
            }
            _ => return Err("it does not begin with mqtt://".to_owned()),
        }
        let host = match url.host_str() {
            Some(host) if !host.is_empty() => host,
            _ => return Err("there is no host after mqtt://".to_owned()),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a topic comes after a slash: mqtt://host/topic".to_owned());
        }
        if url.port() == Some(0) {
            return Err("a port is a number from 1 to 65535".to_owned());
        }
        let username = match url.username() {
            "" => None,
            name => Some(decoded(name)?),
        };
        Ok(Self {
            host: decoded(host)?,
            port: url.port(),
            username,
            password: url.password().map(|pw| percent_decode_str(pw).collect()),
            topic: match topic {
                "" => None,
                topic => Some(decoded(topic)?),
            },
        })
    }
}

fn decoded(text: &str) -> Result<String, String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(format!("{text} is not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = BrokerUrl::parse("mqtt://me:s%40cret@example.com:1884/a/+/b c/#").unwrap();
        assert_eq!(url.host, "example.com");
        assert_eq!(url.port, Some(1884));
        assert_eq!(url.username.as_deref(), Some("me"));
        assert_eq!(url.password.as_deref(), Some(&b"s@cret"[..]));
        assert_eq!(url.topic.as_deref(), Some("a/+/b c/#"));

        let url = BrokerUrl::parse("mqtt://[::1]").unwrap();
        assert_eq!((&*url.host, url.port, url.topic), ("[::1]", None, None));

        let topic = |text| BrokerUrl::parse(text).unwrap().topic;
        assert_eq!(topic("mqtt://h/"), None);
        assert_eq!(topic("mqtt://h//a//../b?c").as_deref(), Some("/a//../b?c"));
        assert_eq!(topic("mqtt://h/%C3%BC/50%").as_deref(), Some("ü/50%"));
    }

    #[test]
    fn refused_urls() {
        for (text, why) in [
            ("", "it does not begin with mqtt://"),
            ("localhost", "it does not begin with mqtt://"),
            ("localhost:1883/a", "it does not begin with mqtt://"),
            ("http://localhost/a", "it does not begin with mqtt://"),
            (
                "mqtts://h/a",
                "this build speaks plain mqtt:// only, it has no TLS",
            ),
            (
                "wss://h/a",
                "this build speaks plain mqtt:// only, it has no WebSockets",
            ),
            ("mqtt://", "there is no host after mqtt://"),
            ("mqtt:///a", "there is no host after mqtt://"),
            ("mqtt://h:99999/a", "invalid port number"),
            ("mqtt://h:0/a", "a port is a number from 1 to 65535"),
            (
                "mqtt://h#a",
                "a topic comes after a slash: mqtt://host/topic",
            ),
            ("mqtt://h/%FF", "%FF is not UTF-8"),
        ] {
            assert_eq!(BrokerUrl::parse(text), Err(why.to_owned()), "{text}");
        }
    }
}
