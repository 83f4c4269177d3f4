use core::cell::RefCell;
use core::fmt;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};
use embedded_tls::{
    Aes128GcmSha256, CryptoRngCore, FlushPolicy, TLS_RECORD_OVERHEAD, TlsConfig, TlsConnection,
    TlsContext, TlsError, TlsReader, TlsWriter,
};
use rustls_pki_types::ServerName;

use super::pipe::{Input, Output, Pipe};
use super::verify::{Provider, signing_key};
use super::{Config, Error};

/// The most that a record of ours holds, and what is around it.
const LARGEST_RECORD: usize = 16_384 + TLS_RECORD_OVERHEAD;

/// A connected stream in two halves, and the memory for a TLS connection over it.
pub struct Link<'b, R, W> {
    read_buffer: &'b mut [u8],
    record: &'b mut [u8],
    pipe: Pipe<'b, R, W>,
}

impl<'b, R: Read, W: Write> Link<'b, R, W> {
    /// Takes the halves of a stream and memory.
    ///
    /// The buffer for reading must hold the largest record that the server sends: 16,640 bytes,
    /// unless it is known to send smaller ones. That for writing is used half for what is being
    /// gathered and half for what is being sent; 4,096 bytes are a good size, and 1,024 the least
    /// that is useful. With a client certificate, a half must hold that and 200 bytes more.
    pub fn new(
        reader: R,
        writer: W,
        read_buffer: &'b mut [u8],
        write_buffer: &'b mut [u8],
    ) -> Self {
        let half = (write_buffer.len() / 2).min(LARGEST_RECORD);
        let (record, output) = write_buffer.split_at_mut(half);
        Self {
            read_buffer,
            record,
            pipe: Pipe {
                input: RefCell::new(Input::new(reader)),
                output: RefCell::new(Output::new(writer, output)),
            },
        }
    }

    /// Makes a TLS connection.
    ///
    /// Dropping the future gives up, and so does a failure: the link is then of no use anymore.
    ///
    /// # Errors
    ///
    /// Fails when the stream does, and when the server is not to be trusted or does not want to
    /// talk to us.
    pub async fn connect(
        &mut self,
        config: &Config<'_>,
        rng: impl CryptoRngCore,
    ) -> Result<TlsStream<'_, 'b, R, W>, Error> {
        let host = server_name(config.host)?;
        if let Some(identity) = config.identity {
            signing_key(identity.key).ok_or(Error::InvalidKey)?;
        }
        // With less, `embedded-tls` would panic.
        if self.record.len() <= 2 * TLS_RECORD_OVERHEAD {
            return Err(Error::BufferTooSmall);
        }

        let pipe = &self.pipe;
        let mut tls = TlsConnection::new(pipe, self.read_buffer, self.record);
        tls.set_flush_policy(FlushPolicy::Relaxed);
        let mut tls_config = TlsConfig::new();
        if let ServerName::DnsName(name) = &host {
            tls_config = tls_config.with_server_name(name.as_ref());
        }
        if !config.alpn.is_empty() {
            tls_config = tls_config.with_alpn(config.alpn);
        }
        let mut provider = Provider::new(rng, config, host.clone());
        let result = tls.open(TlsContext::new(&tls_config, &mut provider)).await;
        if let Some(error) = provider.verifier.error.take() {
            return Err(error);
        }
        result.map_err(|error| pipe.error().unwrap_or_else(|| error.into()))?;
        if !provider.verifier.is_proven {
            return Err(Error::NotAuthenticated);
        }
        pipe.input.borrow_mut().is_open = true;
        Ok(TlsStream {
            tls,
            pipe,
            lacks_certificate: provider.is_asked && config.identity.is_none(),
        })
    }
}

impl<R, W> fmt::Debug for Link<'_, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Reads a host name, with a dot at its end or not, or an IP address, in brackets or not.
fn server_name(host: &str) -> Result<ServerName<'_>, Error> {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(Error::InvalidName)?,
        None => host,
    };
    match ServerName::try_from(bare) {
        Ok(ServerName::DnsName(_)) if bare.len() != host.len() => Err(Error::InvalidName),
        Ok(name) => Ok(name),
        Err(_) => Err(Error::InvalidName),
    }
}

type Connection<'l, 'b, R, W> = TlsConnection<'l, &'l Pipe<'b, R, W>, Aes128GcmSha256>;

/// A TLS connection.
pub struct TlsStream<'l, 'b, R: Read, W: Write> {
    tls: Connection<'l, 'b, R, W>,
    pipe: &'l Pipe<'b, R, W>,
    lacks_certificate: bool,
}

impl<'b, R: Read, W: Write> TlsStream<'_, 'b, R, W> {
    /// Lends a half for reading and one for writing, which can be used at the same time.
    pub fn split(&mut self) -> (ReadHalf<'_, 'b, R, W>, WriteHalf<'_, 'b, R, W>) {
        let (reader, writer) = self.tls.split();
        (
            ReadHalf {
                tls: reader,
                pipe: self.pipe,
                lacks_certificate: self.lacks_certificate,
            },
            WriteHalf {
                tls: writer,
                pipe: self.pipe,
            },
        )
    }

    /// Flushes, and tells the server that nothing more follows (`close_notify`).
    ///
    /// The stream below is not closed. When the server has ended the connection before, it is not
    /// told anymore.
    ///
    /// # Errors
    ///
    /// Fails when the stream below does.
    pub async fn close(mut self) -> Result<(), Error> {
        self.split().1.flush().await?;
        if !self.tls.is_opened() {
            return Ok(());
        }
        let pipe = self.pipe;
        match self.tls.close().await {
            Ok(_) => Ok(()),
            Err((_, error)) => Err(pipe.error().unwrap_or_else(|| error.into())),
        }
    }
}

impl<R: Read, W: Write> fmt::Debug for TlsStream<'_, '_, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

/// The half of a [`TlsStream`] for reading.
pub struct ReadHalf<'a, 'b, R, W> {
    tls: TlsReader<'a, &'a Pipe<'b, R, W>, Aes128GcmSha256>,
    pipe: &'a Pipe<'b, R, W>,
    lacks_certificate: bool,
}

impl<R, W> fmt::Debug for ReadHalf<'_, '_, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<R, W> ErrorType for ReadHalf<'_, '_, R, W> {
    type Error = Error;
}

impl<R: Read, W> Read for ReadHalf<'_, '_, R, W> {
    /// Reads. No byte is lost when the future is dropped.
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        let ended = |error: Error| match error {
            Error::Closed => Ok(0),
            error => Err(error),
        };
        {
            let mut input = self.pipe.input.borrow_mut();
            if let Some(error) = &input.error {
                return ended(error.clone());
            }
            input.begin();
        }
        let error = match self.tls.read(buf).await {
            Ok(n) => return Ok(n),
            Err(TlsError::ConnectionClosed | TlsError::MissingHandshake) => Error::Closed,
            // That is all that it says of an alert.
            Err(TlsError::InternalError) if self.lacks_certificate => {
                Error::ClientCertificateRequired
            }
            Err(TlsError::InternalError) => Error::EndedByAlert,
            Err(error) => error.into(),
        };
        if error.is_passing() {
            return Err(error);
        }
        // The stream's own error is there already.
        ended(
            self.pipe
                .input
                .borrow_mut()
                .error
                .get_or_insert(error)
                .clone(),
        )
    }
}

/// The half of a [`TlsStream`] for writing.
pub struct WriteHalf<'a, 'b, R, W> {
    tls: TlsWriter<'a, &'a Pipe<'b, R, W>, Aes128GcmSha256>,
    pipe: &'a Pipe<'b, R, W>,
}

impl<R, W> fmt::Debug for WriteHalf<'_, '_, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}

impl<R, W> ErrorType for WriteHalf<'_, '_, R, W> {
    type Error = Error;
}

#[expect(
    clippy::await_holding_refcell_ref,
    reason = "the output has one user, which keeps it while it waits"
)]
impl<R, W: Write> Write for WriteHalf<'_, '_, R, W> {
    /// Gathers bytes, for one record until the next flush, and sends the last one if need be.
    /// Nothing is lost, and nothing has been taken, when the future is dropped.
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        // So that there is room for a record, should this one become full.
        self.pipe.output.borrow_mut().drain().await?;
        at_once(self.tls.write(buf))
    }

    /// Sends what has been written. Nothing is lost when the future is dropped.
    async fn flush(&mut self) -> Result<(), Error> {
        self.pipe.output.borrow_mut().drain().await?;
        at_once(self.tls.flush())?;
        self.pipe.output.borrow_mut().flush().await
    }
}

/// Polls a future that has nothing to wait for, since it writes to memory.
fn at_once<T>(future: impl Future<Output = Result<T, TlsError>>) -> Result<T, Error> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.map_err(Error::from),
        Poll::Pending => Err(Error::Protocol(TlsError::InternalError)),
    }
}
