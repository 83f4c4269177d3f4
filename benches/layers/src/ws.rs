//! WebSocket, a client's end: messages to masked frames, and a server's frames to messages.
//!
//! Ours is a stream of bytes, as MQTT has use for no messages; a write of it is a frame, as a message
//! is for the others. Each is flushed.

use std::io::Cursor;

use bytes::Bytes;
use embedded_io::{Read as _, Write as _};
use fastwebsockets::{Frame, OpCode, Payload};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use transport_ws::{Engine, Event, MAX_FRAME, Options};
use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Error, Message, WebSocket};

use crate::pipe::Pipe;
use crate::round::Last;
use crate::{Contender, at_once, package};

/// All that send `message`, of a `size`, and all that receive it.
#[must_use]
pub fn contenders(message: &'static [u8], size: &str) -> Vec<Contender> {
    let bench = Bench {
        message,
        bytes: Bytes::from_static(message),
        send: format!("WebSocket, send {size}"),
        receive: format!("WebSocket, receive {size}"),
    };
    [
        bench.engine(),
        bench.blocking(),
        bench.on_tokio(),
        bench.tungstenite(),
        bench.tokio_tungstenite(),
        bench.fastwebsockets(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

struct Bench {
    message: &'static [u8],
    bytes: Bytes,
    send: String,
    receive: String,
}

/// A mask as good as any: what is compared is not who has the best random numbers.
const MASK: [u8; 4] = [0x5a, 0x13, 0xc7, 0x8e];

impl Bench {
    fn sending(&self, client: String, pipe: &Pipe, send: impl FnMut() + 'static) -> Contender {
        Contender::sending(
            self.send.clone(),
            client,
            pipe,
            self.message,
            send,
            unmasked,
        )
    }

    fn receiving(
        &self,
        client: String,
        pipe: &Pipe,
        receive: impl FnMut(usize, &mut [u8]) -> Last + 'static,
    ) -> Contender {
        let message = self.bytes.clone();
        let encode = move |n, wire: &mut Vec<u8>| frames(&message, n, wire);
        let case = self.receive.clone();
        Contender::receiving(case, client, pipe, self.message, encode, receive)
    }

    fn engine(&self) -> [Contender; 2] {
        let client = "transport-ws engine".to_owned();
        let message = self.message;
        let pipe = Pipe::default();
        let mut sender = Engine::new(MAX_FRAME);
        let mut out = vec![0; message.len() + 14];
        let below = pipe.clone();
        let send = move || {
            let (taken, n) = sender.write_data(message, MASK, &mut out).expect("open");
            assert_eq!(taken, message.len());
            below.send(&out[..n]);
        };
        let sending = self.sending(client.clone(), &pipe, send);

        let pipe = Pipe::default();
        let mut receiver = Engine::new(MAX_FRAME);
        let below = pipe.clone();
        let receive = move |bytes, buf: &mut [u8]| {
            let mut left = bytes;
            let mut last = 0..0;
            while left > 0 {
                let n = below.receive(buf).expect("there is more");
                let mut at = 0;
                while at < n {
                    let received = receiver.receive(&buf[at..n]).expect("valid frames");
                    if let Some(Event::Data(data)) = received.event {
                        left -= data.len();
                        last = at + data.start..at + data.end;
                    }
                    at += received.consumed;
                }
            }
            Last::InBuffer(last)
        };
        [sending, self.receiving(client, &pipe, receive)]
    }

    fn blocking(&self) -> [Contender; 2] {
        let client = "transport-ws blocking".to_owned();
        let message = self.message;
        let connect = || {
            let pipe = Pipe::with_server(accept);
            let stream = transport_ws::blocking::WsStream::connect(
                pipe.clone(),
                "localhost",
                &Options::default(),
            );
            (pipe, stream.expect("the server agrees"))
        };
        let (pipe, mut stream) = connect();
        let send = move || {
            stream.write_all(message).expect("memory");
            stream.flush().expect("memory");
        };
        let sending = self.sending(client.clone(), &pipe, send);

        let (pipe, mut stream) = connect();
        let receive = move |bytes, buf: &mut [u8]| {
            let (mut left, mut last) = (bytes, 0);
            while left > 0 {
                last = stream.read(buf).expect("there is more");
                left -= last;
            }
            Last::InBuffer(0..last)
        };
        [sending, self.receiving(client, &pipe, receive)]
    }

    fn on_tokio(&self) -> [Contender; 2] {
        let client = "transport-ws tokio".to_owned();
        let message = self.message;
        let connect = || {
            let pipe = Pipe::with_server(accept);
            let below = pipe.clone();
            let options = Options::default();
            let stream = transport_ws::tokio::WsStream::connect(below, "localhost", &options);
            (pipe, at_once(stream).expect("the server agrees"))
        };
        let (pipe, mut stream) = connect();
        let send = move || {
            at_once(stream.write_all(message)).expect("memory");
            at_once(stream.flush()).expect("memory");
        };
        let sending = self.sending(client.clone(), &pipe, send);

        let (pipe, mut stream) = connect();
        let receive = move |bytes, buf: &mut [u8]| {
            let (mut left, mut last) = (bytes, 0);
            while left > 0 {
                last = at_once(stream.read(buf)).expect("there is more");
                left -= last;
            }
            Last::InBuffer(0..last)
        };
        [sending, self.receiving(client, &pipe, receive)]
    }

    fn tungstenite(&self) -> [Contender; 2] {
        let client = package("tungstenite");
        let message = self.bytes.clone();
        let pipe = Pipe::default();
        let mut socket = WebSocket::from_raw_socket(pipe.clone(), Role::Client, None);
        let send = move || {
            let message = Message::Binary(message.clone());
            socket.send(message).expect("memory");
        };
        let sending = self.sending(client.clone(), &pipe, send);

        let pipe = Pipe::default();
        let mut socket = WebSocket::from_raw_socket(pipe.clone(), Role::Client, None);
        let receive = move |bytes, _: &mut [u8]| {
            messages(bytes, || match socket.read() {
                Ok(Message::Binary(message)) => message,
                other => panic!("{other:?} is no message"),
            })
        };
        [sending, self.receiving(client, &pipe, receive)]
    }

    fn tokio_tungstenite(&self) -> [Contender; 2] {
        let client = package("tokio-tungstenite");
        let message = self.bytes.clone();
        let connect = || {
            let pipe = Pipe::default();
            let socket = WebSocketStream::from_raw_socket(pipe.clone(), Role::Client, None);
            (pipe, at_once(socket))
        };
        let (pipe, mut socket) = connect();
        let send = move || {
            let message = Message::Binary(message.clone());
            at_once(socket.send(message)).expect("memory");
        };
        let sending = self.sending(client.clone(), &pipe, send);

        let (pipe, mut socket) = connect();
        let receive = move |bytes, _: &mut [u8]| {
            messages(bytes, || match at_once(socket.next()) {
                Some(Ok(Message::Binary(message))) => message,
                other => panic!("{other:?} is no message"),
            })
        };
        [sending, self.receiving(client, &pipe, receive)]
    }

    fn fastwebsockets(&self) -> [Contender; 2] {
        let client = package("fastwebsockets");
        let message = self.message;
        let pipe = Pipe::default();
        let mut socket = fastwebsockets::WebSocket::after_handshake(pipe.clone(), CLIENT);
        let send = move || {
            let frame = Frame::binary(Payload::Borrowed(message));
            at_once(socket.write_frame(frame)).expect("memory");
            at_once(socket.flush()).expect("memory");
        };
        let sending = self.sending(client.clone(), &pipe, send);

        let pipe = Pipe::default();
        let mut socket = fastwebsockets::WebSocket::after_handshake(pipe.clone(), CLIENT);
        let receive = move |bytes, buf: &mut [u8]| {
            let mut left = bytes;
            loop {
                let frame = at_once(socket.read_frame()).expect("there is more");
                assert!(frame.opcode == OpCode::Binary);
                left -= frame.payload.len();
                if left == 0 {
                    let n = frame.payload.len().min(buf.len());
                    let end = frame.payload.len() - n;
                    buf[..n].copy_from_slice(&frame.payload[end..]);
                    return Last::InBuffer(0..n);
                }
            }
        };
        [sending, self.receiving(client, &pipe, receive)]
    }
}

const CLIENT: fastwebsockets::Role = fastwebsockets::Role::Client;

/// Receives messages of so many bytes together, and returns the last.
fn messages(bytes: usize, mut next: impl FnMut() -> Bytes) -> Last {
    let mut left = bytes;
    loop {
        let message = next();
        left -= message.len();
        if left == 0 {
            return Last::Message(message);
        }
    }
}

/// The server's part of the handshake.
fn accept(request: &mut Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(std::mem::take(request)).expect("a request is text");
    let key = text
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .expect("a request has a key");
    let accept = derive_accept_key(key.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    response.into_bytes()
}

/// A server's frames with the message in it, `n` times.
fn frames(message: &Bytes, n: usize, wire: &mut Vec<u8>) {
    let mut server = WebSocket::from_raw_socket(Cursor::new(wire), Role::Server, None);
    for _ in 0..n {
        let message = Message::Binary(message.clone());
        server.send(message).expect("memory");
    }
}

/// The data in a client's frames, as a server reads them.
fn unmasked(wire: &[u8]) -> Vec<u8> {
    let mut server = WebSocket::from_raw_socket(Cursor::new(wire.to_vec()), Role::Server, None);
    let mut data = Vec::new();
    loop {
        match server.read() {
            Ok(Message::Binary(message)) => data.extend_from_slice(&message),
            // Between two messages.
            Err(Error::Protocol(ResetWithoutClosingHandshake)) => return data,
            other => panic!("{other:?} is no message"),
        }
    }
}
