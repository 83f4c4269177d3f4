//! Where a broker is.

use std::fmt;

use mqtt_client::net;
use mqtt_client::uri::{Endpoint, Scheme};

#[cfg(feature = "demo")]
use transport_tls::{Connector, Roots, Source};

use super::connection::BrokerArgs;
use super::password;
#[cfg(feature = "demo")]
use crate::demo::broker::Broker;
use crate::failure::Failure;

const DEFAULT_HOST: &str = "localhost";

/// A broker's address, how to reach it, and what to show at its door.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) options: net::Options,
    /// True if the address came from --url.
    pub(crate) is_url: bool,
}

impl Target {
    /// Options of their own have precedence over parts of the URL. Certificates are read here.
    pub(super) fn new(args: &BrokerArgs) -> Result<Self, Failure> {
        let mut endpoint = endpoint(args)?;
        args.transport.check(endpoint.scheme)?;
        if let Some(name) = &args.username {
            endpoint.username = Some(name.clone());
        }
        if let Some(password) = password::given(args)? {
            endpoint.password = Some(password);
        } else if endpoint.username.is_some() && endpoint.password.is_none() {
            endpoint.password = password::of_the_environment();
        }
        Ok(Self {
            options: args.transport.options(endpoint.scheme)?,
            endpoint,
            is_url: args.url.is_some(),
        })
    }

    /// The broker of this process.
    #[cfg(feature = "demo")]
    pub(crate) fn embedded(broker: &Broker, scheme: Scheme) -> Result<Self, Failure> {
        let address = broker.address(scheme);
        let tls = transport_tls::Options {
            roots: Roots::Only(vec![Source::Pem(broker.authority().into())]),
            ..transport_tls::Options::default()
        };
        let tls = Connector::new(&tls).map_err(|error| Failure::tls_config(&error))?;
        Ok(Self {
            endpoint: Endpoint {
                scheme,
                host: address.ip().to_string(),
                port: address.port(),
                path: "/mqtt".to_owned(),
                username: None,
                password: None,
            },
            options: net::Options {
                tls: Some(tls),
                ..net::Options::default()
            },
            is_url: false,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint {
            scheme, host, port, ..
        } = &self.endpoint;
        write!(f, "{host} port {port}")?;
        match scheme {
            Scheme::Mqtt => Ok(()),
            scheme => write!(f, " ({scheme})"),
        }
    }
}

fn endpoint(args: &BrokerArgs) -> Result<Endpoint, Failure> {
    if let Some(url) = &args.url {
        return Ok(url.with_scheme(args.transport.scheme(url.endpoint.scheme)));
    }
    let scheme = args.transport.scheme(Scheme::Mqtt);
    let host = args.host.as_deref().unwrap_or(DEFAULT_HOST);
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let mut endpoint = Endpoint {
        scheme,
        host: bare.unwrap_or(host).to_owned(),
        port: args.port.unwrap_or(scheme.default_port()),
        path: String::new(),
        username: None,
        password: None,
    };
    if scheme.is_ws() {
        let path = args.transport.ws_path.as_deref().unwrap_or_default();
        let invalid =
            |why: &str| Failure::usage(format!("invalid value '{path}' for --ws-path: {why}"));
        if !path.is_empty() && !path.starts_with('/') {
            return Err(invalid("it begins with a slash"));
        }
        // Read as it is in a URL.
        let url = BrokerUrl::parse(&format!("ws://host{path}")).map_err(|why| invalid(&why))?;
        endpoint.path = url.endpoint.path;
    }
    Ok(endpoint)
}

/// `mqtts://[user[:password]@]host[:port][/topic]`, `wss://[user[:password]@]host[:port][/path]`.
#[derive(Clone, Debug)]
pub(crate) struct BrokerUrl {
    endpoint: Endpoint,
    text: String,
}

impl BrokerUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let endpoint: Endpoint = text.parse().map_err(|why| format!("{why}"))?;
        Ok(Self {
            endpoint,
            text: text.to_owned(),
        })
    }

    /// What it means with this scheme, which may have another port.
    fn with_scheme(&self, scheme: Scheme) -> Endpoint {
        if scheme == self.endpoint.scheme {
            return self.endpoint.clone();
        }
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let url = format!("{scheme}://{rest}").parse();
        url.unwrap_or_else(|_| self.endpoint.clone())
    }

    /// What follows the host, if that is not the path of a WebSocket.
    pub(super) fn topic(&self) -> Option<&str> {
        let topic = self.endpoint.path.strip_prefix('/')?;
        (!self.endpoint.scheme.is_ws() && !topic.is_empty()).then_some(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics() {
        let topic = |text| BrokerUrl::parse(text).unwrap().topic().map(str::to_owned);
        assert_eq!(topic("mqtt://h"), None);
        assert_eq!(topic("mqtt://h/"), None);
        assert_eq!(topic("mqtts://h//a//../b?c").as_deref(), Some("/a//../b?c"));
        assert_eq!(topic("mqtt://h/a/+/b c/#").as_deref(), Some("a/+/b c/#"));
        assert_eq!(topic("mqtt://h/%C3%BC/50%").as_deref(), Some("ü/50%"));
        assert_eq!(topic("wss://h/path"), None);
    }

    #[test]
    fn tls_has_another_port() {
        for (text, expected) in [
            ("mqtt://me@h/t", "mqtts://me@h:8883/t"),
            ("tcp://h:1883", "mqtts://h:1883"),
        ] {
            let endpoint = BrokerUrl::parse(text).unwrap().with_scheme(Scheme::Mqtts);
            assert_eq!(endpoint.to_string(), expected);
        }
    }
}
