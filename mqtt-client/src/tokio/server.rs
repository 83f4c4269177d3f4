use core::error::Error as StdError;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use std::sync::Arc;

use ::tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to a server. What of it must be the same for every server is a
/// trait object, so that one client may use different transports in turn.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Opening = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, OpenError>> + Send>>;

/// Why no stream could be opened.
pub(super) type OpenError = Arc<dyn StdError + Send + Sync>;

/// A server, and how to open a stream to it.
#[derive(Clone)]
pub struct Server {
    name: Arc<str>,
    open: Arc<dyn Fn() -> Opening + Send + Sync>,
    #[cfg(feature = "net")]
    pub(super) endpoint: Option<Arc<crate::uri::Endpoint>>,
}

impl Server {
    /// A server to which `open` opens a stream, over any transport. The name is for people.
    ///
    /// ```
    /// use mqtt_client::tokio::Server;
    /// use tokio::net::UnixStream;
    ///
    /// let server = Server::new("broker.sock", || UnixStream::connect("/run/broker.sock"));
    /// ```
    pub fn new<F, S, E>(name: &str, open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<S, E>> + Send + 'static,
        S: Stream + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let open = move || -> Opening {
            let opening = open();
            Box::pin(async move {
                match opening.await {
                    Ok(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
                    Err(error) => Err(Arc::new(error) as OpenError),
                }
            })
        };
        Self {
            name: name.into(),
            open: Arc::new(open),
            #[cfg(feature = "net")]
            endpoint: None,
        }
    }

    /// The server that a URI names, such as `mqtts://user:secret@broker.example`; see the module
    /// [`uri`](crate::uri). Its user name and password are used unless the configuration has some.
    ///
    /// # Errors
    /// The URI is not one of a server.
    #[cfg(feature = "net")]
    pub fn from_uri(uri: &str) -> Result<Self, crate::uri::ParseError> {
        Ok(Self::at(uri.parse()?, crate::net::Options::default()))
    }

    /// The server at an endpoint, by way of what `options` say.
    #[cfg(feature = "net")]
    #[must_use]
    pub fn at(endpoint: crate::uri::Endpoint, options: crate::net::Options) -> Self {
        let endpoint = Arc::new(endpoint);
        let options = Arc::new(options);
        let name = endpoint.to_string();
        let shared = Arc::clone(&endpoint);
        let open = move || {
            let (endpoint, options) = (Arc::clone(&shared), Arc::clone(&options));
            async move { crate::net::tokio::connect(&endpoint, &options).await }
        };
        Self {
            endpoint: Some(endpoint),
            ..Self::new(&name, open)
        }
    }

    pub(super) fn open(&self) -> impl Future<Output = Result<Box<dyn Stream>, OpenError>> + use<> {
        (self.open)()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.name).finish()
    }
}
