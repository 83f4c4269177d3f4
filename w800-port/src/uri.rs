//! Where a URI leads.

use crate::error::Failure;

/// What a URI names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint<'a> {
    pub(crate) tls: bool,
    pub(crate) websocket: bool,
    /// A name or an address; without the brackets of an IPv6 address.
    pub(crate) host: &'a str,
    /// Host and port as the URI has them, for HTTP.
    pub(crate) authority: &'a str,
    pub(crate) port: u16,
    /// What a WebSocket server is asked for.
    pub(crate) path: &'a str,
}

const SCHEMES: [(&str, bool, bool, u16); 6] = [
    ("mqtt", false, false, 1883),
    ("tcp", false, false, 1883),
    ("mqtts", true, false, 8883),
    ("ssl", true, false, 8883),
    ("ws", false, true, 80),
    ("wss", true, true, 443),
];

impl<'a> Endpoint<'a> {
    /// The beginning of an HTTP URI that leads there.
    pub(crate) const fn http(&self) -> &'static str {
        if self.tls { "https://" } else { "http://" }
    }

    /// Reads `scheme://host[:port][/path]`; without a scheme it is plain TCP.
    pub(crate) fn parse(uri: &'a str) -> Result<Self, Failure> {
        let (scheme, rest) = scheme(uri);
        let known = SCHEMES.iter().find(|(name, ..)| *name == scheme);
        let &(_, tls, websocket, port) = known.ok_or(Failure::SCHEME)?;
        let (authority, path) = split(rest, b'/').unwrap_or((rest, ""));
        let (host, behind) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = split(rest, b']').ok_or(Failure::HOST)?;
                (host, behind.strip_prefix(']').unwrap_or_default())
            }
            None => split(authority, b':').unwrap_or((authority, "")),
        };
        let digits = behind.strip_prefix(':');
        if digits.is_none() && !behind.is_empty() {
            return Err(Failure::HOST);
        }
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let has_other = |byte: u8| matches!(byte, b'@' | b'?' | b'#' | b'[' | b']');
        if host.is_empty() || !is_visible(host) || host.bytes().any(has_other) {
            return Err(Failure::HOST);
        }
        let port = match digits {
            Some(digits) => number(digits).ok_or(Failure::PORT)?,
            None => port,
        };
        let path = if path.is_empty() { "/mqtt" } else { path };
        Ok(Self {
            tls,
            websocket,
            host,
            authority,
            port,
            path,
        })
    }
}

/// What is before the first such byte, and the rest from there.
fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == at)?;
    text.split_at_checked(at)
}

/// The scheme, and what follows it.
fn scheme(uri: &str) -> (&str, &str) {
    let is_end = |three: &[u8]| three == b"://";
    let end = uri.as_bytes().windows(3).position(is_end);
    let split = end.and_then(|end| uri.split_at_checked(end));
    split.map_or(("mqtt", uri), |(scheme, rest)| {
        (scheme, rest.get(3..).unwrap_or_default())
    })
}

/// A port.
fn number(digits: &str) -> Option<u16> {
    let mut number: u16 = 0;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add((byte - b'0').into())?;
    }
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn parse(uri: &str) -> (bool, bool, &str, u16, &str) {
        let endpoint = Endpoint::parse(uri).unwrap();
        (
            endpoint.tls,
            endpoint.websocket,
            endpoint.host,
            endpoint.port,
            endpoint.path,
        )
    }

    #[test]
    fn schemes_and_their_ports() {
        assert_eq!(parse("mqtt://a.b"), (false, false, "a.b", 1883, "/mqtt"));
        assert_eq!(parse("tcp://a.b"), (false, false, "a.b", 1883, "/mqtt"));
        assert_eq!(parse("mqtts://a.b"), (true, false, "a.b", 8883, "/mqtt"));
        assert_eq!(parse("ssl://a.b"), (true, false, "a.b", 8883, "/mqtt"));
        assert_eq!(parse("ws://a.b"), (false, true, "a.b", 80, "/mqtt"));
        assert_eq!(parse("wss://a.b"), (true, true, "a.b", 443, "/mqtt"));
        assert_eq!(parse("a.b"), (false, false, "a.b", 1883, "/mqtt"));
        assert_eq!(parse("a.b:7"), (false, false, "a.b", 7, "/mqtt"));
        for uri in ["http://a.b", "MQTT://a.b", "://a.b", "mqtt ://a.b"] {
            let error = Endpoint::parse(uri).unwrap_err();
            assert_eq!(error.code(), Code::BAD_PROTOCOL, "{uri}");
        }
    }

    #[test]
    fn hosts_ports_and_paths() {
        assert_eq!(parse("ws://h:8083/").4, "/");
        assert_eq!(parse("ws://h:8083/a/b?c=d").4, "/a/b?c=d");
        assert_eq!(parse("wss://h/mqtt2"), (true, true, "h", 443, "/mqtt2"));
        assert_eq!(parse("mqtt://[::1]:65535").2, "::1");
        assert_eq!(parse("mqtt://[::1]:65535").3, 65_535);
        assert_eq!(parse("mqtt://[fe80::1]").3, 1883);
        assert_eq!(
            Endpoint::parse("ws://[::1]:80/x").unwrap().authority,
            "[::1]:80"
        );
        for uri in [
            "",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://h:",
            "mqtt://h:0",
            "mqtt://h:65536",
            "mqtt://h:1a",
            "mqtt://h:-1",
            "mqtt://[::1",
            "mqtt://[::1]x",
            "mqtt://[]:1",
            "mqtt://a b",
            "mqtt://u@h",
            "ws://h?x",
            "mqtt://::1",
        ] {
            let error = Endpoint::parse(uri).unwrap_err();
            assert_eq!(error.code(), Code::INVALID_PARAM, "{uri}");
        }
    }
}
