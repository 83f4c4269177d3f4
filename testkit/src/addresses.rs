//! Addresses at which nobody answers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tokio::net::TcpSocket;

/// An address that refuses connections while the value lives: its port is taken by a socket that
/// does not listen.
#[derive(Debug)]
pub struct Refusing {
    /// Where.
    pub address: SocketAddr,
    _socket: TcpSocket,
}

impl Refusing {
    /// Takes a free port.
    pub fn bind() -> Self {
        let socket = socket();
        Self {
            address: socket.local_addr().unwrap(),
            _socket: socket,
        }
    }
}

/// An address at which connecting gets no answer while the value lives: a listener with a full
/// queue, for which Linux drops further requests. Other systems refuse them.
#[derive(Debug)]
pub struct Silent {
    /// Where.
    pub address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Silent {
    /// Fills the queue of a listener at a free port.
    pub fn bind() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        // The standard library has no say in the length of the queue.
        let listener = runtime.block_on(async { socket().listen(0).unwrap().into_std().unwrap() });
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            queue.push(stream);
            assert!(queue.len() < 100, "the queue does not fill up");
        }
        Self {
            address,
            _listener: listener,
            _queue: queue,
        }
    }
}

fn socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket
}
