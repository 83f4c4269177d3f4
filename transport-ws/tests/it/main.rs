//! The public interface: the engine with all cuts of its input, and each stream against servers
//! that follow a script, over the loopback or in memory, and against an independent implementation.
//! Nothing here depends on how fast things happen.

#[cfg(feature = "tokio")]
mod asynchronous;
mod blocking;
#[cfg(feature = "embedded")]
mod embedded;
mod engine;

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Bytes, Message};

/// How long to wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;

/// A server's frame, with `first` as its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len @ ..126) => frame.push(len.to_be_bytes()[1]),
        Ok(len) => {
            frame.push(126);
            frame.extend(len.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// A client's frames: the first byte of each and its payload, without the mask.
fn deframe(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let first = take(&mut bytes, 1)[0];
        let second = take(&mut bytes, 1)[0];
        assert!(second & 0x80 != 0, "a client has to mask");
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut len = usize::from(second & 0x7f);
        if extended > 0 {
            len = take(&mut bytes, extended)
                .iter()
                .fold(0, |len, &byte| len << 8 | usize::from(byte));
        }
        let mask = take(&mut bytes, 4);
        let payload = take(&mut bytes, len).iter().zip(mask.iter().cycle());
        frames.push((first, payload.map(|(byte, key)| byte ^ key).collect()));
    }
    frames
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(n);
    *bytes = rest;
    taken
}

/// What of these frames is data, and what is in the others.
fn sorted(frames: Vec<(u8, Vec<u8>)>) -> (Vec<u8>, Vec<(u8, Vec<u8>)>) {
    let (data, control): (Vec<_>, Vec<_>) =
        frames.into_iter().partition(|&(first, _)| first == BINARY);
    (
        data.into_iter().flat_map(|(_, payload)| payload).collect(),
        control,
    )
}

/// The response that agrees with a request.
fn consent(request: &[u8]) -> Vec<u8> {
    let request = core::str::from_utf8(request).unwrap();
    assert!(request.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"));
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
    .into_bytes()
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

/// A server for one connection, on the loopback.
fn serve<T: Send + 'static>(
    server: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        server(stream)
    });
    (address, server)
}

/// The server's part of a handshake, with `early` in one piece with the response.
fn shake_hands(stream: &mut TcpStream, early: &[u8]) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let mut response = consent(&request);
    response.extend(early);
    stream.write_all(&response).unwrap();
}

/// An independent implementation as the server: sends back what it gets until the client closes.
///
/// What it sends is in fragments of different lengths with pings between them. Returns how many
/// frames came, and how many pongs.
#[allow(clippy::result_large_err)] // Tungstenite's own type.
fn echo(stream: TcpStream) -> (usize, usize) {
    let agree = |_: &Request, mut response: Response| {
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
        Ok(response)
    };
    let mut socket = tungstenite::accept_hdr(stream, agree).unwrap();
    let mut messages = 0;
    let mut pongs = 0;
    loop {
        match socket.read() {
            Ok(Message::Binary(data)) => {
                messages += 1;
                let lens = [1, 125, 126, 3, 7_000, 65_536, 2].into_iter().cycle();
                let mut at = 0;
                let mut opcode = Data::Binary;
                for len in lens {
                    let end = data.len().min(at + len);
                    let last = end == data.len();
                    let payload = data.slice(at..end);
                    let fragment = Frame::message(payload, OpCode::Data(opcode), last);
                    socket.send(Message::Frame(fragment)).unwrap();
                    if last {
                        break;
                    }
                    socket
                        .send(Message::Ping(Bytes::from_static(b"still there?")))
                        .unwrap();
                    at = end;
                    opcode = Data::Continue;
                }
            }
            Ok(Message::Pong(payload)) => {
                assert_eq!(&*payload, b"still there?");
                pongs += 1;
            }
            Ok(Message::Close(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(tungstenite::Error::ConnectionClosed) => return (messages, pongs),
            Err(error) => panic!("{error}"),
        }
    }
}
