//! The public interface, over the loopback. Nothing here depends on how fast things happen: times
//! are lower bounds, or generous upper ones that end a test that would hang otherwise.

#[cfg(feature = "tokio")]
mod asynchronous;
mod blocking;

use core::net::SocketAddr;
use core::time::Duration;
use std::net::{TcpListener, TcpStream};

/// How long to wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A listener on any port of `host`, or `None`, with a message, where its family is missing.
#[allow(clippy::print_stderr)]
fn listener_on(host: &str) -> Option<TcpListener> {
    TcpListener::bind((host, 0))
        .inspect_err(|error| eprintln!("skipped: cannot listen on {host}: {error}"))
        .ok()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Accepts the connection whose other end is `from`.
fn accept(listener: &TcpListener, from: SocketAddr) -> TcpStream {
    loop {
        // There may be a stray one, meant for the same port in the other family.
        let (stream, address) = listener.accept().unwrap();
        if address == from {
            return stream;
        }
    }
}

/// Bytes whose order shows.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    core::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(len)
    .collect()
}
