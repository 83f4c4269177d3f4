use std::time::Instant;

/// A byte stream whose reads and writes give up at a deadline.
///
/// `embedded-io` has no notion of time, and a client must send PINGREQ though nothing arrives.
pub trait Stream: embedded_io::Read + embedded_io::Write {
    /// Sets when reads and writes give up, for all that follow; `None` is never.
    ///
    /// They then fail with [`embedded_io::ErrorKind::TimedOut`], and no byte is lost. What can be
    /// done without waiting is done even after the deadline.
    ///
    /// # Errors
    /// If the stream cannot keep deadlines.
    fn set_deadline(&mut self, deadline: Option<Instant>) -> Result<(), Self::Error>;

    /// Tells the other side that nothing more follows, if the stream has a way to say so. What it
    /// still sends can be read.
    ///
    /// # Errors
    /// If that cannot be sent, or not before the deadline.
    fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<S: Stream> Stream for &mut S {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> Result<(), Self::Error> {
        (**self).set_deadline(deadline)
    }

    fn close(&mut self) -> Result<(), Self::Error> {
        (**self).close()
    }
}

#[cfg(feature = "tcp")]
impl Stream for transport_tcp::TcpStream {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> Result<(), Self::Error> {
        Self::set_deadline(self, deadline);
        Ok(())
    }
}

#[cfg(feature = "tls")]
impl<S: Stream> Stream for transport_tls::blocking::TlsStream<S> {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> Result<(), Self::Error> {
        let stream = self.get_mut();
        stream
            .set_deadline(deadline)
            .map_err(transport_tls::Error::Stream)
    }

    fn close(&mut self) -> Result<(), Self::Error> {
        Self::close(self)
    }
}

#[cfg(feature = "ws")]
impl<S: Stream> Stream for transport_ws::blocking::WsStream<S> {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> Result<(), Self::Error> {
        let stream = self.get_mut();
        stream
            .set_deadline(deadline)
            .map_err(transport_ws::Error::Io)
    }

    fn close(&mut self) -> Result<(), Self::Error> {
        Self::close(self)
    }
}
