//! MQTT over WebSocket.

use std::rc::Rc;
use std::string::String;
use std::vec;
use std::vec::Vec;

use core::cell::RefCell;

use mqtt_core::wire::{Packet, Version};

use super::fake::{self, Line, Told, serve_bytes, settle, world};
use super::{App, CONFIG, agree, why};
use crate::ffi::RawConfig;

const WS: RawConfig = RawConfig {
    uri: c"ws://broker:8083/path".as_ptr(),
    ..CONFIG
};

/// A server over WebSocket: the request is noted, control frames as well.
fn websocket(answer: &'static str) -> Rc<RefCell<Vec<String>>> {
    let seen = Rc::new(RefCell::new(vec![]));
    let log = seen.clone();
    serve(answer, move |what| log.borrow_mut().push(what), agree);
    seen
}

/// A server of packets over WebSocket. Each message of it comes in two frames.
pub(super) fn serve(
    answer: &'static str,
    mut log: impl FnMut(String) + 'static,
    mut server: impl FnMut(&mut Line, &Packet<'_>) + 'static,
) {
    let mut inner = Vec::new();
    serve_bytes(move |line, bytes| {
        if bytes.starts_with(b"G") {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                return 0;
            };
            let request = String::from_utf8(bytes[..end].to_vec()).unwrap();
            line.to_client.extend(answer.bytes());
            log(request);
            inner.clear();
            return end + 4;
        }
        let Some((opcode, data, n)) = unmask(bytes) else {
            return 0;
        };
        if opcode != 2 {
            log(std::format!("{opcode} {data:?}"));
            if opcode == 8 {
                line.at_end = -1;
            }
            return n;
        }
        inner.extend(data);
        while let Some((packet, n)) = Packet::decode(&inner, Version::V311).unwrap() {
            let mut said = Line::default();
            server(&mut said, &packet);
            line.at_end = line.at_end.min(said.at_end);
            let said: Vec<u8> = said.to_client.into();
            for (i, half) in said.chunks(said.len().max(2) / 2).enumerate() {
                line.to_client.push_back(if i == 0 { 0x02 } else { 0x00 });
                match half.len() {
                    len @ ..126 => line.to_client.push_back(len as u8),
                    len => {
                        line.to_client.push_back(126);
                        line.to_client.extend((len as u16).to_be_bytes());
                    }
                }
                line.to_client.extend(half);
            }
            if !said.is_empty() {
                line.to_client.extend([0x80, 0]);
            }
            inner.drain(..n);
        }
        n
    });
}

fn unmask(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    assert_eq!(
        (first & 0xf0, second & 0x80),
        (0x80, 0x80),
        "final and masked"
    );
    let (len, rest) = match second & 0x7f {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        len => (usize::from(len), rest),
    };
    let (mask, rest) = rest.split_first_chunk::<4>()?;
    let data = rest
        .get(..len)?
        .iter()
        .zip(mask.iter().cycle())
        .map(|(a, b)| a ^ b)
        .collect();
    Some((first & 0x0f, data, bytes.len() - rest.len() + len))
}

/// The key is of the random numbers of the tests, which begin anew with each stream.
pub(super) const CONSENT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: C0KNTFNnh+gdHKc74QhErvyuvvg=\r\n\
    Sec-WebSocket-Protocol: mqtt\r\n\r\n";

#[test]
fn a_day_in_the_life() {
    let seen = websocket(CONSENT);
    let app = App::new(&WS);
    assert_eq!(app.connect(), 0, "{:?} {:?}", why(app.0), seen.borrow());
    assert_eq!(app.subscribe(c"a", 1), 1);
    assert_eq!(app.publish(c"a", &[7; 700], 1), 2);
    settle();
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, Told::Published(2)]
    );
    world(|world| world.line().to_client.extend(b"\x89\x02hi"));
    settle();
    assert_eq!(app.disconnect(), 0);
    let seen = seen.borrow();
    let lines: Vec<_> = seen[0].lines().collect();
    assert_eq!(lines[0], "GET /path HTTP/1.1");
    for line in [
        "Host: broker:8083",
        "Origin: http://broker:8083",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: mqtt",
    ] {
        assert!(lines.contains(&line), "{lines:?}");
    }
    // A pong, and the close behind DISCONNECT.
    assert_eq!(seen[1..], ["10 [104, 105]", "8 [3, 232]"]);
}

#[test]
fn no_websocket_there() {
    for (answer, text) in [
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "no WebSocket there: HTTP status 0x194",
        ),
        ("SSH-2.0", "no HTTP on that port"),
        (
            "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n",
            "the WebSocket answer is not valid",
        ),
    ] {
        websocket(answer);
        let app = App::new(&WS);
        assert_eq!(app.connect(), -5001);
        assert_eq!(why(app.0), (-5001, text.into()));
    }
    // 256 bytes are received.
    websocket(
        "HTTP/1.1 200 OK\r\nX: 23456789 23456789 23456789 23456789 23456789 23456789 23456789 \
        23456789 23456789 23456789 23456789 23456789 23456789 23456789 23456789 23456789 23456789 \
        23456789 23456789 23456789 23456789 23456789 23456789 23456789 23456789 23456789 23456789",
    );
    let app = App::new(&WS);
    assert_eq!(app.connect(), -5001);
    assert_eq!(
        why(app.0).1,
        "the WebSocket answer is longer than the receive buffer"
    );
}

#[test]
fn the_server_closes_the_websocket() {
    websocket(CONSENT);
    let app = App::new(&WS);
    assert_eq!(app.connect(), 0);
    world(|world| world.line().to_client.extend(b"\x88\x02\x03\xe9"));
    settle();
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, Told::Lost(app.client())]
    );
    world(|world| assert!(world.line().is_closed));
}

#[test]
fn a_text_frame() {
    websocket(CONSENT);
    let app = App::new(&WS);
    assert_eq!(app.connect(), 0);
    world(|world| world.line().to_client.extend(b"\x81\x01a"));
    settle();
    world(fake::World::take_told);
    assert_eq!(
        why(app.0).1,
        "the server broke the WebSocket protocol, status 0x3eb"
    );
}
