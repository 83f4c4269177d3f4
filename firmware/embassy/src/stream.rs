//! A call as an asynchronous stream.

use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};
use modem::{Receiver, Sender, Serial};

/// The call has ended.
#[derive(Debug)]
pub(crate) struct NoCarrier;

impl fmt::Display for NoCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no carrier")
    }
}

impl core::error::Error for NoCarrier {}

impl Error for NoCarrier {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}

impl From<modem::NoCarrier> for NoCarrier {
    fn from(_: modem::NoCarrier) -> Self {
        Self
    }
}

/// What is received.
pub(crate) struct Reader<'m, S>(pub &'m mut Receiver<S>);

/// What is sent.
pub(crate) struct Writer<'m, S>(pub &'m mut Sender<S>);

impl<S: Serial> Reader<'_, S> {
    /// Waits until the call is answered.
    pub(crate) async fn connected(&mut self) -> Result<(), NoCarrier> {
        poll_fn(|cx| {
            board::wake_on_received(cx.waker());
            match self.0.is_connected() {
                Ok(false) => Poll::Pending,
                result => Poll::Ready(result.map(|_| ()).map_err(NoCarrier::from)),
            }
        })
        .await
    }
}

impl<S> ErrorType for Reader<'_, S> {
    type Error = NoCarrier;
}

impl<S> ErrorType for Writer<'_, S> {
    type Error = NoCarrier;
}

impl<S: Serial> Read for Reader<'_, S> {
    async fn read(&mut self, space: &mut [u8]) -> Result<usize, NoCarrier> {
        poll_fn(|cx| {
            board::wake_on_received(cx.waker());
            match self.0.read(space)? {
                0 if !space.is_empty() => Poll::Pending,
                len => Poll::Ready(Ok(len)),
            }
        })
        .await
    }
}

impl<S: Serial> Write for Writer<'_, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, NoCarrier> {
        poll_fn(|cx| {
            board::wake_on_room(cx.waker());
            match self.0.write(bytes) {
                0 if !bytes.is_empty() => Poll::Pending,
                len => Poll::Ready(Ok(len)),
            }
        })
        .await
    }

    /// What was written leaves by itself.
    async fn flush(&mut self) -> Result<(), NoCarrier> {
        Ok(())
    }
}
