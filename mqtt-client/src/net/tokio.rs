//! Connecting on tokio.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::time::Instant;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
use ::tokio::time::timeout_at;

use super::{Error, Options, Step, check};
use crate::uri::{Endpoint, Scheme};

/// What [`connect`] has connected: one layer over the other.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// `mqtt://`
    Tcp(TcpStream),
}

/// Does the same with each kind of stream.
macro_rules! each {
    ($stream:expr, $inner:ident => $result:expr) => {
        match $stream {
            Stream::Tcp($inner) => $result,
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
    let deadline = options.deadline();
    let (host, port) = options.peer(endpoint);
    let tcp = transport_tcp::tokio::TcpStream::connect(host, port, &options.tcp())
        .await
        .map_err(|error| options.unconnected(error))?;
    #[cfg_attr(not(feature = "proxy"), expect(unused_mut, reason = "for the proxy"))]
    let mut tcp = tcp.into_inner();
    #[cfg(feature = "proxy")]
    if let Some(proxy) = &options.proxy {
        let tunnel = super::proxy::tunnel(proxy, &mut tcp, &endpoint.host, endpoint.port);
        until(deadline, Step::Proxy, tunnel).await?;
    }
    match endpoint.scheme {
        Scheme::Mqtt => Ok(Stream::Tcp(tcp)),
        scheme => Err(Error::Unsupported(scheme)),
    }
}

/// Waits for a step until `deadline`, if there is one.
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
