use std::io;
use std::time::Instant;

use transport_tcp::TcpStream;

use super::{Error, Options};
use crate::uri::{Endpoint, Scheme};

/// What [`connect`](super::connect) has connected: one layer over the other.
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

impl Stream {
    /// The handshakes of all layers over TCP, until the stream's deadline.
    pub(super) fn handshakes(
        tcp: TcpStream,
        endpoint: &Endpoint,
        _options: &Options,
    ) -> Result<Self, Error> {
        match endpoint.scheme {
            Scheme::Mqtt => Ok(Self::Tcp(tcp)),
            scheme => Err(Error::Unsupported(scheme)),
        }
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
}
