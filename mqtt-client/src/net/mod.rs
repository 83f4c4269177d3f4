//! Connecting to what a URI names: TCP, perhaps through a proxy, perhaps TLS and WebSocket over it.
//!
//! ```no_run
//! use mqtt_client::{HeapStorage, blocking::Client, net, uri::Endpoint};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Or mqtt://, ws://, wss://: see the module `uri`.
//! let endpoint: Endpoint = "mqtts://user:secret@broker.example".parse()?;
//! let mut storage = HeapStorage::new(64 * 1024, 64 * 1024, 100);
//! let mut client = Client::new(endpoint.config("thermostat"), storage.split());
//! client.connect(net::connect(&endpoint, &net::Options::default())?)?;
//! # Ok(())
//! # }
//! ```
//!
//! [`connect`](fn@connect) waits on the calling thread. With feature `tokio`, `tokio::connect` in
//! this module does the same as a future, with the same [`Options`] and the same [`Error`].
//!
//! `mqtts` needs feature `tls`, `ws` needs `ws`, and `wss` both.
//!
//! # TLS
//!
//! Without further ado a server has to have a certificate of an authority that the system trusts.
//! For anything else, and in any program that connects more than once, make a connector and keep
//! it: clones share the sessions that can be resumed.
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mqtt_client::net::{self, transport_tls::{Connector, Identity, Options, Roots, Source}};
//!
//! let tls = Connector::new(&Options {
//!     roots: Roots::Only(vec![Source::File("ca.crt".into())]),
//!     // For servers that demand it.
//!     identity: Some(Identity {
//!         certificate: Source::File("client.crt".into()),
//!         key: Source::File("client.key".into()),
//!     }),
//!     ..Options::default()
//! })?;
//! let options = net::Options { tls: Some(tls), ..net::Options::default() };
//! let stream = net::connect(&"mqtts://192.0.2.1:8884".parse()?, &options)?;
//! # Ok(())
//! # }
//! ```
//!
//! # WebSocket
//!
//! The path and the query are those of the URI, and the sub-protocol is `mqtt`. The user name and
//! the password of the URI are for the MQTT server, with
//! [`Endpoint::config`](crate::uri::Endpoint::config). Web servers that want them too are shown them
//! with `ws_basic_auth`; `ws` has credentials for the web server alone, and further headers.
//!
//! ```no_run
//! # #[cfg(feature = "ws")]
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mqtt_client::net;
//!
//! let options = net::Options { ws_basic_auth: true, ..net::Options::default() };
//! let stream = net::connect(&"wss://user:secret@broker.example/mqtt".parse()?, &options)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Proxies
//!
//! ```no_run
//! # #[cfg(feature = "proxy")]
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mqtt_client::net;
//!
//! let options = net::Options {
//!     // Or socks5://
//!     proxy: Some("http://user:secret@proxy.example:3128".parse()?),
//!     ..net::Options::default()
//! };
//! let stream = net::connect(&"mqtt://broker.example".parse()?, &options)?;
//! # Ok(())
//! # }
//! ```

mod error;
#[cfg(feature = "proxy")]
mod proxy;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;

use core::time::Duration;
use std::time::Instant;

use transport_tcp::TcpStream;

pub use error::{Error, Step};
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyError};
pub use stream::Stream;
pub use transport_tcp;
#[cfg(feature = "tls")]
pub use transport_tls;
#[cfg(feature = "ws")]
pub use transport_ws;

#[cfg(feature = "ws")]
use crate::uri::Bracketed;
use crate::uri::{Endpoint, Scheme};

/// How to connect.
///
/// More fields may come, and some depend on features, so that struct update syntax is the way to
/// make one: `Options { timeout, ..Options::default() }`.
#[derive(Clone, Debug)]
pub struct Options {
    /// For the TCP connection.
    pub tcp: transport_tcp::Options,
    /// For TLS, with feature `tls`: what certificates to trust and to show.
    ///
    /// Without, the server has to have a certificate that the system trusts. Its certificates are
    /// then read for each connection, and no session is resumed: a program that connects more
    /// than once makes one and keeps it.
    #[cfg(feature = "tls")]
    pub tls: Option<transport_tls::Connector>,
    /// For WebSocket, with feature `ws`; but the path is that of the URI.
    #[cfg(feature = "ws")]
    pub ws: transport_ws::Options,
    /// True to show the URI's user name and password to the web server, too, by HTTP's basic
    /// authentication. `false` by default: they are meant for the MQTT server behind it.
    ///
    /// [`transport_ws::Options::credentials`] can have others for the web server.
    #[cfg(feature = "ws")]
    pub ws_basic_auth: bool,
    /// Through what to connect, with feature `proxy`. No environment variable is looked at.
    #[cfg(feature = "proxy")]
    pub proxy: Option<Proxy>,
    /// How long all of it may take; 10 seconds by default, and [`Duration::MAX`] is without end.
    /// The TCP connection has a limit of its own besides.
    ///
    /// Only [`connect`](fn@connect) may take longer, because the system's resolver of names cannot
    /// be interrupted and has time-outs of its own.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tcp: transport_tcp::Options::default(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "ws")]
            ws: transport_ws::Options::default(),
            #[cfg(feature = "ws")]
            ws_basic_auth: false,
            #[cfg(feature = "proxy")]
            proxy: None,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// Where the TCP connection goes.
    fn peer<'a>(&'a self, endpoint: &'a Endpoint) -> (&'a str, u16) {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &self.proxy {
            return (&proxy.host, proxy.port);
        }
        (&endpoint.host, endpoint.port)
    }

    fn tcp(&self) -> transport_tcp::Options {
        let mut tcp = self.tcp.clone();
        tcp.connect_timeout = tcp.connect_timeout.min(self.timeout);
        tcp
    }

    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.timeout)
    }

    #[cfg(feature = "tls")]
    fn connector(&self) -> Result<transport_tls::Connector, Error> {
        match &self.tls {
            Some(connector) => Ok(connector.clone()),
            None => transport_tls::Connector::new(&transport_tls::Options::default())
                .map_err(Error::TlsConfig),
        }
    }

    /// What to ask a web server for: the authority, and the rest.
    #[cfg(feature = "ws")]
    fn request(&self, endpoint: &Endpoint) -> Result<(String, transport_ws::Options), Error> {
        let mut authority = Bracketed(&endpoint.host).to_string();
        if endpoint.port != endpoint.scheme.default_port() {
            authority += &format!(":{}", endpoint.port);
        }
        let mut options = self.ws.clone();
        options.path.clone_from(&endpoint.path);
        if self.ws_basic_auth && (endpoint.username.is_some() || endpoint.password.is_some()) {
            let password = endpoint.password.clone().unwrap_or_default();
            let password = String::from_utf8(password)
                .map_err(|_| Error::Request(transport_ws::RequestError::Credentials))?;
            options.credentials = Some((endpoint.username.clone().unwrap_or_default(), password));
        }
        Ok((authority, options))
    }

    /// Whose failure it is that there is no TCP connection.
    fn unconnected(&self, error: transport_tcp::ConnectError) -> Error {
        #[cfg(feature = "proxy")]
        if self.proxy.is_some() {
            return Error::Proxy(ProxyError::Connect(error));
        }
        Error::Connect(error)
    }
}

/// Connects on the calling thread.
///
/// # Errors
/// Those of each layer, and the time-out for all of them.
pub fn connect(endpoint: &Endpoint, options: &Options) -> Result<Stream, Error> {
    check(endpoint.scheme)?;
    let deadline = options.deadline();
    let (host, port) = options.peer(endpoint);
    let mut tcp = TcpStream::connect(host, port, &options.tcp())
        .map_err(|error| options.unconnected(error))?;
    tcp.set_deadline(deadline);
    #[cfg(feature = "proxy")]
    if let Some(proxy) = &options.proxy {
        proxy::tunnel_blocking(proxy, &mut tcp, &endpoint.host, endpoint.port)?;
    }
    let mut stream = Stream::handshakes(tcp, endpoint, options)?;
    let _ = crate::Stream::set_deadline(&mut stream, None);
    Ok(stream)
}

/// Fails if the scheme needs a feature that is not there, before anything is sent.
fn check(scheme: Scheme) -> Result<(), Error> {
    if scheme.is_tls() && !cfg!(feature = "tls") || scheme.is_ws() && !cfg!(feature = "ws") {
        return Err(Error::Unsupported(scheme));
    }
    Ok(())
}
