use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{self, Shutdown, ToSocketAddrs};
use std::time::Instant;

use crate::connect::{Attempts, interleaved, target, unbracketed};
use crate::{ConnectError, Options};

/// A TCP stream whose reads and writes block, at most until a deadline.
///
/// Reads and writes are those of [`embedded_io`] and of [`std::io`] alike. Each is one system
/// call, plus one now and then to adjust the socket's time-out when there is a
/// [deadline](Self::set_deadline). Interrupted calls are repeated; nothing is buffered, and
/// flushing does nothing.
///
/// Time-outs and the blocking mode belong to the socket, not to the handle, and this type keeps
/// track of both. Who [duplicates](net::TcpStream::try_clone) the socket must leave them alone.
#[derive(Debug)]
pub struct TcpStream {
    inner: net::TcpStream,
    deadline: Option<Instant>,
    /// What the socket is set to.
    nonblocking: bool,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

#[derive(Clone, Copy)]
enum Side {
    Read,
    Write,
}

impl TcpStream {
    /// Connects to `host`, which is a name, an IPv4 address, or an IPv6 address in brackets or not.
    ///
    /// The addresses of a name are tried one after the other, both families in turn, and share
    /// [`connect_timeout`](Options::connect_timeout). Time for resolving the name comes on top.
    ///
    /// # Errors
    ///
    /// Fails when the name has no address, or when no address accepts in time.
    pub fn connect(host: &str, port: u16, options: &Options) -> Result<Self, ConnectError> {
        let addresses = (unbracketed(host), port)
            .to_socket_addrs()
            .map_err(|error| ConnectError::resolve(host, error))?;
        Self::first_of(&interleaved(addresses), options)
            .map_err(|attempts| attempts.into_error(Some(target(host, port))))
    }

    /// Connects to the first of `addresses` that accepts, trying them in the order given.
    ///
    /// For those who resolve names by themselves. [`connect`](Self::connect) explains the rest.
    ///
    /// # Errors
    ///
    /// Fails when there are no addresses, or when none accepts in time.
    pub fn connect_to(addresses: &[SocketAddr], options: &Options) -> Result<Self, ConnectError> {
        Self::first_of(addresses, options).map_err(|attempts| attempts.into_error(None))
    }

    fn first_of<'a>(addresses: &'a [SocketAddr], options: &Options) -> Result<Self, Attempts<'a>> {
        let deadline = Instant::now().checked_add(options.connect_timeout);
        let mut attempts = Attempts::new(addresses, deadline);
        while let Some((address, timeout)) = attempts.next(Instant::now()) {
            match connect(address, timeout, options) {
                Ok(inner) => return Ok(Self::new(inner)),
                Err(error) => attempts.failed(address, error),
            }
        }
        Err(attempts)
    }

    /// Wraps a socket known to be blocking and without time-outs.
    fn new(inner: net::TcpStream) -> Self {
        Self {
            inner,
            deadline: None,
            nonblocking: false,
            read_timeout: None,
            write_timeout: None,
        }
    }

    /// Sets until when reads and writes may wait; `None`, as at first, for as long as it takes.
    ///
    /// One that has to wait longer fails with [`TimedOut`](io::ErrorKind::TimedOut), has
    /// transferred nothing, and may be repeated. With a deadline that has passed, reads still
    /// return the bytes that are there and writes still take what the socket has room for, without
    /// waiting.
    ///
    /// `TimedOut` always means this deadline: a connection on which the system gave up for want of
    /// acknowledgements fails with [`ConnectionAborted`](io::ErrorKind::ConnectionAborted).
    ///
    /// This call itself costs nothing; the socket is adjusted when needed.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Ends sending, receiving or both.
    ///
    /// # Errors
    ///
    /// Fails as [`std::net::TcpStream::shutdown`] does, for instance on a connection already reset.
    pub fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }

    /// Returns the socket, in blocking mode and without time-outs.
    #[must_use]
    pub fn into_inner(mut self) -> net::TcpStream {
        // Failures mean that nothing blocks anymore, and show when the socket is used.
        let _ = self.set_nonblocking(false);
        let _ = self.set_timeout(Side::Read, None);
        let _ = self.set_timeout(Side::Write, None);
        self.inner
    }

    /// Returns the deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
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

    /// Returns the socket, for setting options; not the time-outs nor the blocking mode.
    #[must_use]
    pub fn get_ref(&self) -> &net::TcpStream {
        &self.inner
    }

    /// Repeats `attempt`, a read or a write, until it has a result or the deadline has passed.
    fn wait<T>(
        &mut self,
        side: Side,
        mut attempt: impl FnMut(&net::TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut exact = false;
        let mut refused = None;
        loop {
            // In non-blocking mode, left over from earlier, nothing need be set to find out
            // whether there is something to wait for.
            if !self.nonblocking {
                if let Err(error) = self.prepare(side, exact) {
                    // macOS refuses time-outs on a socket closed both ways, which never blocks.
                    refused = Some(error);
                    self.set_nonblocking(true)?;
                }
            }
            match attempt(&self.inner) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_waiting_over(&error) => {
                    if let Some(error) = refused {
                        return Err(error);
                    }
                    if self.deadline.is_some_and(|at| at <= Instant::now()) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    if self.nonblocking {
                        self.set_nonblocking(false)?;
                    } else {
                        exact = true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error));
                }
                result => return result,
            }
        }
    }

    /// Sets the socket up for waiting until the deadline or, unless `exact`, not quite as long.
    fn prepare(&mut self, side: Side, exact: bool) -> io::Result<()> {
        let Some(deadline) = self.deadline else {
            return self.set_timeout(side, None);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return self.set_nonblocking(true);
        }
        let current = match side {
            Side::Read => self.read_timeout,
            Side::Write => self.write_timeout,
        };
        self.set_timeout(side, Some(timeout_for(left, current, exact)))
    }

    fn set_timeout(&mut self, side: Side, timeout: Option<Duration>) -> io::Result<()> {
        match side {
            Side::Read if self.read_timeout != timeout => {
                self.inner.set_read_timeout(timeout)?;
                self.read_timeout = timeout;
            }
            Side::Write if self.write_timeout != timeout => {
                self.inner.set_write_timeout(timeout)?;
                self.write_timeout = timeout;
            }
            _ => {}
        }
        Ok(())
    }

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        if self.nonblocking != nonblocking {
            self.inner.set_nonblocking(nonblocking)?;
            self.nonblocking = nonblocking;
        }
        Ok(())
    }
}

fn connect(
    address: SocketAddr,
    timeout: Option<Duration>,
    options: &Options,
) -> io::Result<net::TcpStream> {
    let stream = match timeout {
        Some(timeout) => net::TcpStream::connect_timeout(&address, timeout),
        None => net::TcpStream::connect(address),
    }?;
    if options.nodelay {
        stream.set_nodelay(true)?;
    }
    Ok(stream)
}

/// Whether the socket's time-out is over or, in non-blocking mode, there is nothing to be had.
fn is_waiting_over(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::WouldBlock => true,
        // Elsewhere this is the connection itself failing.
        io::ErrorKind::TimedOut => cfg!(windows),
        _ => false,
    }
}

/// Chooses the socket's time-out when `left` is left until the deadline, keeping the `current` one
/// if it will do.
///
/// Setting it costs a system call, and what is left differs from one call to the next. So it is set
/// somewhat short, which leaves it good for a while, and the `exact` rest is set only when it has
/// run out with nothing to read or write: idle connections pay, busy ones do not.
fn timeout_for(left: Duration, current: Option<Duration>, exact: bool) -> Duration {
    match current {
        _ if exact => left,
        Some(current) if current <= left && current >= left / 4 => current,
        _ => left - left / 4,
    }
}

/// Takes over a connected socket, whatever its blocking mode and time-outs have been.
impl From<net::TcpStream> for TcpStream {
    fn from(inner: net::TcpStream) -> Self {
        // Failures mean that nothing blocks anymore, and show when the socket is used.
        let _ = inner.set_nonblocking(false);
        let _ = inner.set_read_timeout(None);
        let _ = inner.set_write_timeout(None);
        Self::new(inner)
    }
}

impl Read for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // The system might wait for data even so.
        if buf.is_empty() {
            return Ok(0);
        }
        self.wait(Side::Read, |mut stream| stream.read(buf))
    }

    fn read_vectored(&mut self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        self.wait(Side::Read, |mut stream| stream.read_vectored(bufs))
    }
}

impl Write for TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.wait(Side::Write, |mut stream| stream.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.wait(Side::Write, |mut stream| stream.write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl embedded_io::ErrorType for TcpStream {
    type Error = io::Error;
}

impl embedded_io::Read for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(self, buf)
    }
}

impl embedded_io::Write for TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Write::write(self, buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl embedded_io::ReadReady for TcpStream {
    fn read_ready(&mut self) -> io::Result<bool> {
        self.set_nonblocking(true)?;
        loop {
            match self.inner.peek(&mut [0]) {
                Ok(_) => return Ok(true),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(false),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_is_kept_while_it_will_do() {
        let s = Duration::from_secs;
        assert_eq!(timeout_for(s(60), None, false), s(45));
        assert_eq!(timeout_for(s(60), Some(s(45)), false), s(45));
        assert_eq!(timeout_for(s(45), Some(s(45)), false), s(45));
        assert_eq!(timeout_for(s(180), Some(s(45)), false), s(45));
        // Would wait too long, or wake up far too early.
        assert_eq!(timeout_for(s(44), Some(s(45)), false), s(33));
        assert_eq!(timeout_for(s(184), Some(s(45)), false), s(138));
        assert_eq!(timeout_for(s(60), Some(s(45)), true), s(60));
        // Never zero, which the system would take for "forever" or refuse.
        let ns = Duration::from_nanos(1);
        assert_eq!(timeout_for(ns, None, false), ns);
        assert_eq!(timeout_for(ns, Some(ns), true), ns);
    }

    /// A busy stream with a deadline that moves along sets its time-out a few times at most.
    #[test]
    fn timeout_is_set_rarely() {
        let mut current = None;
        let mut sets = 0;
        for round in 0..100_000_u64 {
            let left = Duration::from_micros(60_000_000 - round % 30_000 * 1_000);
            let timeout = timeout_for(left, current, false);
            assert!(timeout <= left);
            sets += u32::from(current != Some(timeout));
            current = Some(timeout);
        }
        assert!(sets <= 3, "{sets}");
    }
}
