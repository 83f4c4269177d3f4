//! Memory in place of a connection.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection whose other end is in the same thread. It never waits.
///
/// All clones are the same.
#[derive(Clone, Default)]
pub struct Pipe(Rc<RefCell<Ends>>);

#[derive(Default)]
struct Ends {
    incoming: Vec<u8>,
    /// How much of it was read.
    read: usize,
    outgoing: Vec<u8>,
    server: Option<Server>,
}

/// Takes what was sent, if anything, and returns the answer.
type Server = Box<dyn FnMut(&mut Vec<u8>) -> Vec<u8>>;

impl Pipe {
    /// A server that is asked whenever there is nothing to read.
    pub fn with_server(server: impl FnMut(&mut Vec<u8>) -> Vec<u8> + 'static) -> Self {
        let pipe = Self::default();
        pipe.0.borrow_mut().server = Some(Box::new(server));
        pipe
    }

    /// Has `fill` write what is to be read, in place of all that is read already.
    ///
    /// # Panics
    ///
    /// If there was something left to read.
    pub fn fill(&self, fill: impl FnOnce(&mut Vec<u8>)) {
        let ends = &mut *self.0.borrow_mut();
        assert_eq!(ends.read, ends.incoming.len(), "all was read");
        ends.incoming.clear();
        ends.read = 0;
        fill(&mut ends.incoming);
    }

    /// Forgets what was written, and keeps the memory of it.
    pub fn clear(&self) {
        self.0.borrow_mut().outgoing.clear();
    }

    /// Lends what was written.
    pub fn written<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.0.borrow().outgoing)
    }

    /// Reads.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is nothing.
    pub fn receive(&self, buf: &mut [u8]) -> io::Result<usize> {
        let ends = &mut *self.0.borrow_mut();
        if ends.read == ends.incoming.len()
            && let Some(server) = &mut ends.server
        {
            ends.incoming = server(&mut ends.outgoing);
            ends.read = 0;
        }
        let left = &ends.incoming[ends.read..];
        if left.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = left.len().min(buf.len());
        buf[..n].copy_from_slice(&left[..n]);
        ends.read += n;
        Ok(n)
    }

    /// Writes, all of it.
    pub fn send(&self, buf: &[u8]) -> usize {
        self.0.borrow_mut().outgoing.extend_from_slice(buf);
        buf.len()
    }
}

impl io::Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(buf)
    }
}

impl io::Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(self.send(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl embedded_io::ErrorType for Pipe {
    type Error = io::Error;
}

impl embedded_io::Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(buf)
    }
}

impl embedded_io::Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(self.send(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl embedded_io_async::Read for Pipe {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(buf)
    }
}

impl embedded_io_async::Write for Pipe {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(self.send(buf))
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let taken = self.receive(buf.initialize_unfilled())?;
        buf.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.send(buf)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
