use core::cell::RefCell;
use core::fmt;

use embedded_io::{Error as _, ErrorKind};
use embedded_io_async::{ErrorType, Read, Write};

use super::Error;

const HEADER: usize = 5;
/// The least that an encrypted record has: its type and the tag of AES-GCM. `embedded-tls` 0.19
/// panics at one that is empty.
const LEAST: usize = 1 + 16;

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// What is between TLS and the stream below.
///
/// `embedded-tls` keeps its progress in futures: dropping one loses the header of a record that was
/// begun to be read, or a record that was begun to be written, together with its place in the
/// sequence, so that the next would be encrypted with the same nonce. Here the progress is kept in
/// the structs. Records to be sent go to memory, which never waits, and from there to the stream.
/// Of a record that is being received the header stays here, and is repeated to `embedded-tls` when
/// it begins again; the rest stays in its buffer.
pub(super) struct Pipe<'b, R, W> {
    pub(super) input: RefCell<Input<R>>,
    pub(super) output: RefCell<Output<'b, W>>,
}

pub(super) struct Input<R> {
    reader: R,
    header: [u8; HEADER],
    /// How much of the header has been read.
    known: usize,
    /// How much of the record after the header has been read, to the memory at this address.
    filled: usize,
    address: usize,
    /// Whether `embedded-tls` has the header and asks for the rest.
    is_told: bool,
    /// Whether anything at all has been received.
    has_begun: bool,
    /// Whether the handshake is over, after which nothing may be sent in plain text.
    pub(super) is_open: bool,
    /// What the reads have ended with.
    pub(super) error: Option<Error>,
}

pub(super) struct Output<'b, W> {
    writer: W,
    buffer: &'b mut [u8],
    start: usize,
    end: usize,
    error: Option<Error>,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            header: [0; HEADER],
            known: 0,
            filled: 0,
            address: 0,
            is_told: false,
            has_begun: false,
            is_open: false,
            error: None,
        }
    }

    /// Is called before `embedded-tls` begins to read a record, perhaps for the second time.
    pub(super) fn begin(&mut self) {
        self.is_told = false;
    }

    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        if self.is_told {
            self.read_rest(buf).await
        } else {
            self.read_header(buf).await
        }
    }

    async fn read_header(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        while self.known < HEADER {
            let n = receive(&mut self.reader, &mut self.header[self.known..]).await?;
            if n == 0 {
                return Err(if self.is_open {
                    Error::Truncated
                } else {
                    Error::ClosedInHandshake
                });
            }
            self.known += n;
        }
        let len = self.len();
        let is_tls = matches!(self.header[0], 20..=APPLICATION_DATA) && self.header[1] == 3;
        if !is_tls && !self.has_begun {
            return Err(Error::NotTls);
        }
        self.has_begun = true;
        let is_expected = match self.header[0] {
            APPLICATION_DATA => len >= LEAST,
            HANDSHAKE => len > 0 && !self.is_open,
            _ => !self.is_open,
        };
        let Some(to) = buf.get_mut(..HEADER).filter(|_| is_tls && is_expected) else {
            return Err(Error::Protocol(embedded_tls::TlsError::InvalidRecord));
        };
        to.copy_from_slice(&self.header);
        self.is_told = len > 0;
        if len == 0 {
            self.known = 0;
        }
        Ok(HEADER)
    }

    /// Reads all of the record's rest, which for `embedded-tls` is one step.
    ///
    /// When this future is dropped, the bytes read so far are in the caller's memory. It asks for
    /// the same again, with the same memory; that it is the same is checked.
    async fn read_rest(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        let address = buf.as_ptr().addr();
        if buf.len() != self.len() || (self.filled > 0 && self.address != address) {
            return Err(Error::Protocol(embedded_tls::TlsError::InternalError));
        }
        self.address = address;
        while self.filled < buf.len() {
            let n = receive(&mut self.reader, &mut buf[self.filled..]).await?;
            if n == 0 {
                return Err(if self.is_open {
                    Error::Truncated
                } else {
                    Error::ClosedInHandshake
                });
            }
            self.filled += n;
        }
        self.known = 0;
        self.filled = 0;
        self.is_told = false;
        Ok(buf.len())
    }

    fn len(&self) -> usize {
        u16::from_be_bytes([self.header[3], self.header[4]]).into()
    }
}

async fn receive(reader: &mut impl Read, buf: &mut [u8]) -> Result<usize, Error> {
    reader
        .read(buf)
        .await
        .map_err(|error| Error::Stream(error.kind()))
}

impl<'b, W: Write> Output<'b, W> {
    pub(super) fn new(writer: W, buffer: &'b mut [u8]) -> Self {
        Self {
            writer,
            buffer,
            start: 0,
            end: 0,
            error: None,
        }
    }

    /// Sends what is in memory. Nothing is lost when the future is dropped.
    pub(super) async fn drain(&mut self) -> Result<(), Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        while self.start < self.end {
            let result = self.writer.write(&self.buffer[self.start..self.end]).await;
            self.start += match result {
                // A stream that takes nothing, against the rules, is as good as gone.
                Ok(0) => return Err(self.failed(ErrorKind::WriteZero)),
                Ok(n) => n,
                Err(error) => return Err(self.failed(error.kind())),
            };
        }
        self.start = 0;
        self.end = 0;
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        self.drain().await?;
        match self.writer.flush().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error.kind())),
        }
    }

    fn failed(&mut self, kind: ErrorKind) -> Error {
        let error = Error::Stream(kind);
        if !error.is_passing() {
            self.error = Some(error.clone());
        }
        error
    }

    fn push(&mut self, buf: &[u8]) -> Result<usize, Error> {
        let room = self.buffer.get_mut(self.end..self.end + buf.len());
        room.ok_or(Error::BufferTooSmall)?.copy_from_slice(buf);
        self.end += buf.len();
        Ok(buf.len())
    }
}

/// What `embedded-tls` sees of an error. The error itself waits in [`Input`] or [`Output`].
#[derive(Debug)]
pub(super) struct Failed(ErrorKind);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Failed {}

impl embedded_io::Error for Failed {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

impl<R, W> ErrorType for &Pipe<'_, R, W> {
    type Error = Failed;
}

#[expect(
    clippy::await_holding_refcell_ref,
    reason = "each side has one user, which keeps it while it waits"
)]
impl<R: Read, W> Read for &Pipe<'_, R, W> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Failed> {
        let mut input = self.input.borrow_mut();
        let result = input.read(buf).await;
        result.map_err(|error| {
            let kind = error.kind();
            if !error.is_passing() {
                input.error = Some(error);
            }
            Failed(kind)
        })
    }
}

#[expect(
    clippy::await_holding_refcell_ref,
    reason = "each side has one user, which keeps it while it waits"
)]
impl<R, W: Write> Write for &Pipe<'_, R, W> {
    /// Does not wait, on which the rest relies.
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Failed> {
        let mut output = self.output.borrow_mut();
        let result = output.push(buf);
        result.map_err(|error| Failed(output.error.insert(error).kind()))
    }

    async fn flush(&mut self) -> Result<(), Failed> {
        let mut output = self.output.borrow_mut();
        let result = output.flush().await;
        result.map_err(|error| Failed(error.kind()))
    }
}

impl<R, W> Pipe<'_, R, W> {
    /// Returns the error behind one that `embedded-tls` reports.
    pub(super) fn error(&self) -> Option<Error> {
        let input = self.input.borrow().error.clone();
        input.or_else(|| self.output.borrow().error.clone())
    }
}
