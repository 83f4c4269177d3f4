//! The server's side of a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mqtt_client::Version;
use mqtt_client::mqtt_core::wire::Packet;
use testkit::machine::PATIENCE;

/// Serves one connection in a thread of its own, after CONNECT; its port.
pub(crate) fn serve<T: Send + 'static>(
    version: Version,
    session: impl FnOnce(Peer) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut peer = Peer {
            stream,
            version,
            received: Vec::new(),
        };
        assert_eq!(peer.next()[0] >> 4, 1, "CONNECT");
        session(peer)
    });
    (port, thread)
}

/// A client, as a server sees it.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    version: Version,
    received: Vec<u8>,
}

impl Peer {
    /// Accepts the connection, without properties.
    pub(crate) fn accept(&mut self) {
        let connack: &[u8] = match self.version {
            Version::V5 => b"\x20\x03\0\0\0",
            _ => b"\x20\x02\0\0",
        };
        self.stream.write_all(connack).unwrap();
    }

    /// Says this; the client may have left.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says this as often as the client takes it within a time; how many bytes that were.
    pub(crate) fn say_for(&mut self, bytes: &[u8], time: Duration) -> usize {
        let end = std::time::Instant::now() + time;
        self.stream
            .set_write_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let (mut total, mut at) = (0, 0);
        while std::time::Instant::now() < end {
            match self.stream.write(&bytes[at..]) {
                Ok(n) => {
                    total += n;
                    at = (at + n) % bytes.len();
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        self.stream.set_write_timeout(Some(PATIENCE)).unwrap();
        total
    }

    /// The bytes of the next packet; empty at the end.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        loop {
            if let Ok(Some((_, len))) = Packet::decode(&self.received, self.version) {
                return self.received.drain(..len).collect();
            }
            let mut buf = [0; 4096];
            match self.stream.read(&mut buf) {
                Ok(n @ 1..) => self.received.extend(&buf[..n]),
                _ => return Vec::new(),
            }
        }
    }

    /// The last that the client says: DISCONNECT, or what comes before it just leaves.
    pub(crate) fn last(&mut self) -> Vec<u8> {
        let mut last = Vec::new();
        loop {
            let packet = self.next();
            if packet.is_empty() {
                return last;
            }
            last = packet;
            if last[0] == 0xE0 {
                return last;
            }
        }
    }

    /// Reads and forgets, until the client leaves.
    pub(crate) fn drain(mut self) -> usize {
        let mut buf = vec![0; 64 * 1024];
        let mut total = 0;
        while let Ok(n @ 1..) = self.stream.read(&mut buf) {
            total += n;
        }
        total
    }
}
