use std::io;
use std::time::Instant;

use transport_tcp::TcpStream;
#[cfg(feature = "tls")]
use transport_tls::blocking::TlsStream;
#[cfg(feature = "ws")]
use transport_ws::blocking::WsStream;

use super::{Error, Options};
use crate::uri::{Endpoint, Scheme};

/// What [`connect`](super::connect) has connected: one layer over the other.
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

/// Does the same with each kind of stream, and makes the same kind of error of each.
macro_rules! each {
    ($stream:expr, $inner:ident => $result:expr) => {
        match $stream {
            Stream::Tcp($inner) => $result,
            #[cfg(feature = "tls")]
            Stream::Tls($inner) => {
                let $inner = &mut **$inner;
                $result.map_err(io::Error::from)
            }
            #[cfg(feature = "ws")]
            Stream::Ws($inner) => {
                let $inner = &mut **$inner;
                $result.map_err(ws_error)
            }
            #[cfg(all(feature = "tls", feature = "ws"))]
            Stream::Wss($inner) => {
                let $inner = &mut **$inner;
                $result.map_err(ws_error)
            }
        }
    };
}

impl Stream {
    /// The handshakes of all layers over TCP, until the stream's deadline.
    #[cfg_attr(
        not(any(feature = "tls", feature = "ws")),
        expect(unused_variables, reason = "they are for the layers")
    )]
    pub(super) fn handshakes(
        tcp: TcpStream,
        endpoint: &Endpoint,
        options: &Options,
    ) -> Result<Self, Error> {
        Ok(match endpoint.scheme {
            Scheme::Mqtt => Self::Tcp(tcp),
            #[cfg(feature = "tls")]
            Scheme::Mqtts => Self::Tls(Box::new(tls(tcp, endpoint, options)?)),
            #[cfg(feature = "ws")]
            Scheme::Ws => Self::Ws(Box::new(ws(tcp, endpoint, options)?)),
            #[cfg(all(feature = "tls", feature = "ws"))]
            Scheme::Wss => {
                let tls = tls(tcp, endpoint, options)?;
                Self::Wss(Box::new(ws(tls, endpoint, options)?))
            }
            #[cfg(not(all(feature = "tls", feature = "ws")))]
            scheme => return Err(Error::Unsupported(scheme)),
        })
    }
}

#[cfg(feature = "tls")]
fn tls<S>(stream: S, endpoint: &Endpoint, options: &Options) -> Result<TlsStream<S>, Error>
where
    S: embedded_io::Read + embedded_io::Write + embedded_io::ErrorType<Error = io::Error>,
{
    Ok(options.connector()?.connect(&endpoint.host, stream)?)
}

#[cfg(feature = "ws")]
fn ws<S>(stream: S, endpoint: &Endpoint, options: &Options) -> Result<WsStream<S>, Error>
where
    S: embedded_io::Read + embedded_io::Write,
    Error: From<transport_ws::Error<S::Error>>,
{
    let (authority, options) = options.request(endpoint)?;
    Ok(WsStream::connect(stream, &authority, &options)?)
}

/// An error of the stream below as it is, another one inside of one.
#[cfg(feature = "ws")]
pub(super) fn ws_error<E>(error: transport_ws::Error<E>) -> io::Error
where
    E: embedded_io::Error + core::error::Error + Into<io::Error> + Send + Sync + 'static,
{
    use embedded_io::Error as _;
    match error {
        transport_ws::Error::Io(error) => error.into(),
        error => io::Error::new(error.kind().into(), error),
    }
}

impl embedded_io::ErrorType for Stream {
    type Error = io::Error;
}

impl embedded_io::Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        each!(self, stream => embedded_io::Read::read(stream, buf))
    }
}

impl embedded_io::Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        each!(self, stream => embedded_io::Write::write(stream, buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        each!(self, stream => embedded_io::Write::flush(stream))
    }
}

impl crate::Stream for Stream {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        each!(self, stream => crate::Stream::set_deadline(stream, deadline))
    }

    fn close(&mut self) -> io::Result<()> {
        each!(self, stream => crate::Stream::close(stream))
    }
}
