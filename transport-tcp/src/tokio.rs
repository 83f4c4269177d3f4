//! The asynchronous stream, on tokio.
//!
//! Reads and writes of all types here are cancel-safe: when the future of a `read` or a `write` is
//! dropped before it is done, no byte has been taken from the stream or put into it. (Those of
//! `read_exact` and `write_all` are not, in any implementation.) There is no deadline to set, since
//! [`timeout`](::tokio::time::timeout) and `select!` do the same.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::Pin;
use std::io;
use std::time::Instant;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::{lookup_host, tcp};
use ::tokio::time::{self, timeout_at};

use crate::connect::{Attempts, interleaved, target, unbracketed};
use crate::{ConnectError, Options};

/// A TCP stream whose reads and writes are futures.
///
/// Nothing is buffered, and flushing does nothing.
#[derive(Debug)]
pub struct TcpStream {
    inner: ::tokio::net::TcpStream,
}

impl TcpStream {
    /// Connects to `host`, which is a name, an IPv4 address, or an IPv6 address in brackets or not.
    ///
    /// The addresses of a name are tried one after the other, both families in turn, and share
    /// [`connect_timeout`](Options::connect_timeout) with resolving the name. Dropping the future
    /// gives up.
    ///
    /// # Errors
    ///
    /// Fails when the name has no address, or when no address accepts in time.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with IO and time enabled.
    pub async fn connect(host: &str, port: u16, options: &Options) -> Result<Self, ConnectError> {
        let deadline = Instant::now().checked_add(options.connect_timeout);
        let addresses = until(deadline, lookup_host((unbracketed(host), port)))
            .await
            .map_err(|error| ConnectError::resolve(host, error))?;
        Self::first_of(&interleaved(addresses), deadline, options)
            .await
            .map_err(|attempts| attempts.into_error(Some(target(host, port))))
    }

    /// Connects to the first of `addresses` that accepts, trying them in the order given.
    ///
    /// For those who resolve names by themselves. [`connect`](Self::connect) explains the rest.
    ///
    /// # Errors
    ///
    /// Fails when there are no addresses, or when none accepts in time.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with IO and time enabled.
    pub async fn connect_to(
        addresses: &[SocketAddr],
        options: &Options,
    ) -> Result<Self, ConnectError> {
        let deadline = Instant::now().checked_add(options.connect_timeout);
        Self::first_of(addresses, deadline, options)
            .await
            .map_err(|attempts| attempts.into_error(None))
    }

    async fn first_of<'a>(
        addresses: &'a [SocketAddr],
        deadline: Option<Instant>,
        options: &Options,
    ) -> Result<Self, Attempts<'a>> {
        let mut attempts = Attempts::new(addresses, deadline);
        loop {
            let now = Instant::now();
            let Some((address, timeout)) = attempts.next(now) else {
                return Err(attempts);
            };
            let until_then = timeout.and_then(|timeout| now.checked_add(timeout));
            match until(until_then, connect(address, options)).await {
                Ok(inner) => return Ok(Self { inner }),
                Err(error) => attempts.failed(address, error),
            }
        }
    }

    /// Lends a half for reading and one for writing, which can be used at the same time.
    ///
    /// For halves to be moved to different tasks, see [`into_inner`](Self::into_inner) and
    /// [`into_split`](::tokio::net::TcpStream::into_split).
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        let (read, write) = self.inner.split();
        (ReadHalf { inner: read }, WriteHalf { inner: write })
    }

    /// Ends sending: the peer reads the end of the stream after what has been written.
    ///
    /// # Errors
    ///
    /// Fails when the system does, for instance on a connection already reset.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut self.inner).poll_shutdown(cx)).await
    }

    /// Returns tokio's stream.
    #[must_use]
    pub fn into_inner(self) -> ::tokio::net::TcpStream {
        self.inner
    }

    /// Returns tokio's stream, by reference.
    pub fn get_mut(&mut self) -> &mut ::tokio::net::TcpStream {
        &mut self.inner
    }

    /// Returns tokio's stream, by shared reference.
    #[must_use]
    pub fn get_ref(&self) -> &::tokio::net::TcpStream {
        &self.inner
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// Fails when the socket is no longer connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// Fails when the system does.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

async fn connect(address: SocketAddr, options: &Options) -> io::Result<::tokio::net::TcpStream> {
    let stream = ::tokio::net::TcpStream::connect(address).await?;
    if options.nodelay {
        stream.set_nodelay(true)?;
    }
    Ok(stream)
}

/// Waits for `future` until `deadline`, if there is one.
async fn until<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match deadline {
        Some(deadline) => timeout_at(time::Instant::from_std(deadline), future)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => future.await,
    }
}

impl From<::tokio::net::TcpStream> for TcpStream {
    fn from(inner: ::tokio::net::TcpStream) -> Self {
        Self { inner }
    }
}

/// The half of a [`TcpStream`] for reading.
#[derive(Debug)]
pub struct ReadHalf<'a> {
    inner: tcp::ReadHalf<'a>,
}

/// The half of a [`TcpStream`] for writing.
#[derive(Debug)]
pub struct WriteHalf<'a> {
    inner: tcp::WriteHalf<'a>,
}

async fn read(from: &mut (impl AsyncRead + Unpin), buf: &mut [u8]) -> io::Result<usize> {
    // Tokio would wait even so, here and in `write`.
    if buf.is_empty() {
        return Ok(0);
    }
    let mut buf = ReadBuf::new(buf);
    poll_fn(|cx| Pin::new(&mut *from).poll_read(cx, &mut buf)).await?;
    Ok(buf.filled().len())
}

async fn write(to: &mut (impl AsyncWrite + Unpin), buf: &[u8]) -> io::Result<usize> {
    if buf.is_empty() {
        return Ok(0);
    }
    poll_fn(|cx| Pin::new(&mut *to).poll_write(cx, buf)).await
}

impl embedded_io_async::ErrorType for TcpStream {
    type Error = io::Error;
}

impl embedded_io_async::Read for TcpStream {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read(&mut self.inner, buf).await
    }
}

impl embedded_io_async::Write for TcpStream {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        write(&mut self.inner, buf).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl embedded_io_async::ErrorType for ReadHalf<'_> {
    type Error = io::Error;
}

impl embedded_io_async::Read for ReadHalf<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read(&mut self.inner, buf).await
    }
}

impl embedded_io_async::ErrorType for WriteHalf<'_> {
    type Error = io::Error;
}

impl embedded_io_async::Write for WriteHalf<'_> {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        write(&mut self.inner, buf).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
