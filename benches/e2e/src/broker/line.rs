//! What is below MQTT, without ever waiting: every call that would fails with `WouldBlock`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::job::Transport;

/// A connection to a client. `flush` sends what `write` has taken and not sent.
pub(super) trait Line: Read + Write + Send {}

impl<S: Read + Write + Send> Line for S {}

/// The line over a connection that has just come in.
pub(super) fn open(
    tcp: TcpStream,
    transport: Transport,
    tls: Option<&Arc<ServerConfig>>,
) -> io::Result<Box<dyn Line>> {
    Ok(match (transport, tls) {
        (Transport::Tcp, _) => Box::new(tcp),
        (Transport::Tls, Some(config)) => {
            let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(connection, tcp))
        }
        (Transport::Tls, None) => return Err(io::Error::other("no certificate")),
        (Transport::Ws, _) => Box::new(WebSocket::accept(tcp)?),
    })
}

/// The server's side of WebSocket, as far as MQTT needs it: binary frames, no answers to control
/// frames.
struct WebSocket {
    tcp: TcpStream,
    input: Box<[u8]>,
    /// What is in there, not looked at.
    head: usize,
    tail: usize,
    /// What is left of the current frame's payload, its mask, and where in the mask it is.
    left: usize,
    mask: [u8; 4],
    is_skipped: bool,
    output: Vec<u8>,
    /// How much of `output` was written.
    written: usize,
}

/// As much as goes into a frame.
const FRAME: usize = 16 * 1024;

impl WebSocket {
    /// Waits for the request, and answers it.
    fn accept(tcp: TcpStream) -> io::Result<Self> {
        let mut this = Self {
            tcp,
            input: vec![0; 256 * 1024].into(),
            head: 0,
            tail: 0,
            left: 0,
            mask: [0; 4],
            is_skipped: false,
            output: Vec::with_capacity(FRAME + 16),
            written: 0,
        };
        this.tcp.set_nonblocking(false)?;
        let request = loop {
            let n = this.tcp.read(&mut this.input[this.tail..])?;
            if n == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            this.tail += n;
            let text = &this.input[..this.tail];
            if let Some(end) = text.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                this.head = end + 4;
                break String::from_utf8_lossy(&text[..end]).into_owned();
            }
        };
        let key = request.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then(|| value.trim())
        });
        let key = key.ok_or_else(|| io::Error::other("not a WebSocket request"))?;
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        write!(
            this.tcp,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        )?;
        this.tcp.set_nonblocking(true)?;
        Ok(this)
    }

    /// Reads the head of a frame, if it is there.
    fn frame(&mut self) -> io::Result<bool> {
        let bytes = &self.input[self.head..self.tail];
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(false);
        };
        let more = match second & 0x7f {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        let Some((len, mask)) = rest.get(..more + 4).map(|rest| rest.split_at(more)) else {
            return Ok(false);
        };
        if second < 0x80 {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "a frame without a mask",
            ));
        }
        self.left = match more {
            0 => usize::from(second & 0x7f),
            _ => len
                .iter()
                .fold(0, |len, &byte| len << 8 | usize::from(byte)),
        };
        self.mask.copy_from_slice(mask);
        self.is_skipped = first & 8 != 0;
        self.head += 2 + more + 4;
        Ok(true)
    }

    /// Takes what is there of payloads.
    fn take(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            if self.left == 0 && !self.frame()? {
                return Ok(filled);
            }
            let mut n = self.left.min(self.tail - self.head);
            if !self.is_skipped {
                n = n.min(buf.len() - filled);
                let to = &mut buf[filled..filled + n];
                to.copy_from_slice(&self.input[self.head..self.head + n]);
                unmask(to, self.mask);
                self.mask.rotate_left(n % 4);
                filled += n;
            }
            self.head += n;
            self.left -= n;
            if n == 0 && self.left > 0 {
                return Ok(filled);
            }
        }
    }
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let word = u32::from_ne_bytes(mask);
    let mut chunks = bytes.chunks_exact_mut(4);
    for chunk in &mut chunks {
        let masked = u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        chunk.copy_from_slice(&(masked ^ word).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

impl Read for WebSocket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.take(buf)?;
            if n > 0 {
                return Ok(n);
            }
            self.input.copy_within(self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
            match self.tcp.read(&mut self.input[self.tail..])? {
                0 => return Ok(0),
                n => self.tail += n,
            }
        }
    }
}

impl Write for WebSocket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let buf = buf.get(..FRAME).unwrap_or(buf);
        self.output.push(0x82);
        match buf.len() {
            len @ 0..126 => self.output.push(len as u8),
            len @ 126..0x1_0000 => {
                self.output.push(126);
                self.output.extend((len as u16).to_be_bytes());
            }
            len => {
                self.output.push(127);
                self.output.extend((len as u64).to_be_bytes());
            }
        }
        self.output.extend(buf);
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(buf.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            self.written += self.tcp.write(&self.output[self.written..])?;
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }
}
