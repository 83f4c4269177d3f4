//! Connecting to what a URI names.

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

use crate::uri::{Endpoint, Scheme};

/// How to connect.
///
/// More fields may come, and some depend on features, so that struct update syntax is the way to
/// make one: `Options { timeout, ..Options::default() }`.
#[derive(Clone, Debug)]
pub struct Options {
    /// For the TCP connection.
    pub tcp: transport_tcp::Options,
    /// Through what to connect, with feature `proxy`. No environment variable is looked at.
    #[cfg(feature = "proxy")]
    pub proxy: Option<Proxy>,
    /// How long all of it may take; 10 seconds by default, and [`Duration::MAX`] is without end.
    ///
    /// Only [`connect`](fn@connect) may take longer, because the system's resolver of names cannot
    /// be interrupted and has time-outs of its own.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tcp: transport_tcp::Options::default(),
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
    Stream::handshakes(tcp, endpoint, options)
}

/// Fails if the scheme needs a feature that is not there, before anything is sent.
fn check(scheme: Scheme) -> Result<(), Error> {
    if scheme.is_tls() && !cfg!(feature = "tls") || scheme.is_ws() && !cfg!(feature = "ws") {
        return Err(Error::Unsupported(scheme));
    }
    Ok(())
}
