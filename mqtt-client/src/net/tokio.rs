//! Connecting on tokio.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
#[cfg(any(feature = "proxy", feature = "tls", feature = "ws"))]
use std::time::Instant;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
#[cfg(any(feature = "proxy", feature = "tls", feature = "ws"))]
use ::tokio::time::timeout_at;
#[cfg(feature = "tls")]
use transport_tls::tokio::TlsStream;
#[cfg(feature = "ws")]
use transport_ws::tokio::WsStream;

#[cfg(any(feature = "proxy", feature = "tls", feature = "ws"))]
use super::Step;
use super::{Error, Options, check};
use crate::uri::{Endpoint, Scheme};

/// What [`connect`] has connected: one layer over the other.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// `mqtt://`
    Tcp(TcpStream),
    /// `mqtts://`
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
    /// `ws://`
    #[cfg(feature = "ws")]
    Ws(Box<WsStream<TcpStream>>),
    /// `wss://`
    #[cfg(all(feature = "tls", feature = "ws"))]
    Wss(Box<WsStream<TlsStream<TcpStream>>>),
}

/// Does the same with each kind of stream.
macro_rules! each {
    ($stream:expr, $inner:ident => $result:expr) => {
        match $stream {
            Stream::Tcp($inner) => $result,
            #[cfg(feature = "tls")]
            Stream::Tls($inner) => $result,
            #[cfg(feature = "ws")]
            Stream::Ws($inner) => $result,
            #[cfg(all(feature = "tls", feature = "ws"))]
            Stream::Wss($inner) => $result,
        }
    };
}

/// Connects. Dropping the future gives up.
///
/// # Errors
/// Those of each layer, and the time-out for all of them.
///
/// # Panics
/// Outside of a tokio runtime with IO and time enabled.
pub async fn connect(endpoint: &Endpoint, options: &Options) -> Result<Stream, Error> {
    check(endpoint.scheme)?;
    #[cfg_attr(
        not(any(feature = "proxy", feature = "tls", feature = "ws")),
        expect(unused_variables, reason = "it is for the layers")
    )]
    let deadline = options.deadline();
    let (host, port) = options.peer(endpoint);
    let tcp = transport_tcp::tokio::TcpStream::connect(host, port, &options.tcp())
        .await
        .map_err(|error| options.unconnected(error))?;
    #[cfg_attr(
        not(feature = "proxy"),
        expect(unused_mut, reason = "it is for the proxy")
    )]
    let mut tcp = tcp.into_inner();
    #[cfg(feature = "proxy")]
    if let Some(proxy) = &options.proxy {
        let tunnel = super::proxy::tunnel(proxy, &mut tcp, &endpoint.host, endpoint.port);
        until(deadline, Step::Proxy, tunnel).await?;
    }
    Ok(match endpoint.scheme {
        Scheme::Mqtt => Stream::Tcp(tcp),
        #[cfg(feature = "tls")]
        Scheme::Mqtts => Stream::Tls(Box::new(tls(tcp, endpoint, options, deadline).await?)),
        #[cfg(feature = "ws")]
        Scheme::Ws => Stream::Ws(Box::new(ws(tcp, endpoint, options, deadline).await?)),
        #[cfg(all(feature = "tls", feature = "ws"))]
        Scheme::Wss => {
            let tls = tls(tcp, endpoint, options, deadline).await?;
            Stream::Wss(Box::new(ws(tls, endpoint, options, deadline).await?))
        }
        #[cfg(not(all(feature = "tls", feature = "ws")))]
        scheme => return Err(Error::Unsupported(scheme)),
    })
}

#[cfg(feature = "tls")]
async fn tls(
    tcp: TcpStream,
    endpoint: &Endpoint,
    options: &Options,
    deadline: Option<Instant>,
) -> Result<TlsStream<TcpStream>, Error> {
    let connector = options.connector()?;
    let handshake = connector.connect_tokio(&endpoint.host, tcp);
    until(deadline, Step::Tls, handshake).await
}

#[cfg(feature = "ws")]
async fn ws<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    endpoint: &Endpoint,
    options: &Options,
    deadline: Option<Instant>,
) -> Result<WsStream<S>, Error> {
    let (authority, options) = options.request(endpoint)?;
    let handshake = WsStream::connect(stream, &authority, &options);
    until(deadline, Step::WebSocket, handshake).await
}

/// Waits for a step until `deadline`, if there is one.
#[cfg(any(feature = "proxy", feature = "tls", feature = "ws"))]
async fn until<T, E: Into<Error>>(
    deadline: Option<Instant>,
    step: Step,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match deadline {
        Some(deadline) => timeout_at(deadline.into(), future)
            .await
            .map_err(|_| Error::TimedOut(step))?
            .map_err(Into::into),
        None => future.await.map_err(Into::into),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
