//! Packets that do not keep to the frames of a WebSocket, and frames that do not keep to packets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use mqtt_client::{QoS, Version};
use testkit::machine::PATIENCE;
use testkit::{Listener, Listeners};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::Role;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Message, WebSocket, accept_hdr};

use super::drivers::{self, Driver, Job};

/// Makes frames of some bytes.
type Frames = fn(&[u8]) -> Vec<Message>;

const FRAMES: [Frames; 5] = [single_bytes, empty_between, pings_between, whole, fragments];
const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn byte(byte: u8) -> Message {
    Message::binary(vec![byte])
}

/// A part of a message, a byte or none.
fn part(data: Data, bytes: &[u8], is_final: bool) -> Message {
    let opcode = OpCode::Data(data);
    Message::Frame(Frame::message(bytes.to_vec(), opcode, is_final))
}

fn single_bytes(bytes: &[u8]) -> Vec<Message> {
    bytes.iter().map(|b| byte(*b)).collect()
}

fn empty_between(bytes: &[u8]) -> Vec<Message> {
    let both = bytes.iter().map(|b| [byte(*b), Message::binary(vec![])]);
    both.flatten().collect()
}

fn pings_between(bytes: &[u8]) -> Vec<Message> {
    let both = bytes.iter().map(|b| {
        let ping = Message::Ping(vec![*b; usize::from(*b) % 126].into());
        [byte(*b), ping]
    });
    both.flatten().collect()
}

/// Whatever has come, which is often more than a packet.
fn whole(bytes: &[u8]) -> Vec<Message> {
    vec![Message::binary(bytes.to_vec())]
}

/// One message in fragments of a byte, with an empty one at each end and a ping after each.
fn fragments(bytes: &[u8]) -> Vec<Message> {
    let mut frames = vec![part(Data::Binary, &[], false)];
    for byte in bytes.chunks(1) {
        frames.push(part(Data::Continue, byte, false));
        frames.push(Message::Ping(byte.to_vec().into()));
    }
    frames.push(part(Data::Continue, &[], true));
    frames
}

/// Accepts one WebSocket and makes frames of what the server of plain MQTT says, until both have
/// closed.
fn bridge(listener: &TcpListener, server: SocketAddr, frames: Frames) {
    #[expect(clippy::result_large_err, reason = "tungstenite's")]
    let callback = |request: &Request, mut response: Response| {
        let protocol = request.headers()["Sec-WebSocket-Protocol"].clone();
        assert_eq!(protocol, "mqtt");
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        Ok(response)
    };
    let (client, _) = listener.accept().unwrap();
    client.set_nodelay(true).unwrap();
    let mut server = TcpStream::connect(server).unwrap();
    server.set_nodelay(true).unwrap();
    let mut reader = accept_hdr(client.try_clone().unwrap(), callback).unwrap();
    let writer = WebSocket::from_raw_socket(client, Role::Server, None);
    thread::scope(|scope| {
        let from_server = server.try_clone().unwrap();
        scope.spawn(move || down(from_server, writer, frames));
        while let Ok(message @ (Message::Binary(_) | Message::Pong(_))) = reader.read() {
            if message.is_binary() && server.write_all(&message.into_data()).is_err() {
                break;
            }
        }
        // It may be closed already.
        let _ = server.shutdown(Shutdown::Write);
    });
}

fn down(mut server: TcpStream, mut client: WebSocket<TcpStream>, frames: Frames) {
    let mut bytes = [0; 4096];
    loop {
        // What follows soon comes along.
        thread::sleep(Duration::from_millis(1));
        let n = server.read(&mut bytes).unwrap_or(0);
        if n == 0 {
            // The client need not wait for it.
            let _ = client.close(None);
            let _ = client.get_ref().shutdown(Shutdown::Write);
            return;
        }
        for frame in frames(&bytes[..n]) {
            client.write(frame).unwrap();
        }
        client.flush().unwrap();
    }
}

/// Some messages, each as often as its QoS says, in order.
fn exchange(run: Driver, listeners: &Listeners, frames: Frames, version: Version, qos: QoS) {
    let server = listeners.address(Listener::Tcp);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let uri = format!("ws://{}", listener.local_addr().unwrap());
    let job = Job {
        endpoint: uri.parse().unwrap(),
        certificates: &listeners.certificates,
        version,
        qos,
        count: 25,
        // Some are larger than the receive buffer.
        len: |number| 150 * (number % 8),
        // Before 5.0, mosquitto drops those beyond without a word.
        window: 20,
        patience: PATIENCE,
    };
    let received = thread::scope(|scope| {
        scope.spawn(|| bridge(&listener, server, frames));
        run(&job)
    });
    assert!(
        received.iter().copied().eq(0..job.count),
        "{version:?}, {qos:?}: {received:?}"
    );
}

fn all(run: Driver) {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    for frames in FRAMES {
        for version in VERSIONS {
            for qos in LEVELS {
                exchange(run, &listeners, frames, version, qos);
            }
        }
    }
}

#[test]
fn the_blocking_driver() {
    all(drivers::blocking);
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_driver() {
    all(drivers::embedded);
}

#[cfg(feature = "tokio")]
#[test]
fn the_tokio_client() {
    all(drivers::tokio);
}
