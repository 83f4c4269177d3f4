//! What a web server can do before any MQTT, and instead of it.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mqtt_client::Version;
use testkit::machine::PATIENCE;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;

use crate::drivers::{DRIVERS, Job, run};

const MEMORY: usize = 1024 * 1024;

/// Serves one connection in a thread of its own; its port.
fn serve(session: impl FnOnce(TcpStream) + Send + 'static) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        session(stream);
    });
    (port, thread)
}

/// A connection after the handshakes of WebSocket and MQTT, without a WebSocket over it.
fn agreed(stream: TcpStream) -> TcpStream {
    #[expect(clippy::result_large_err, reason = "it is tungstenite's")]
    let agree = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let protocol = HeaderValue::from_static("mqtt");
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        Ok(response)
    };
    let mut web = tungstenite::accept_hdr(&stream, agree).unwrap();
    // CONNECT.
    web.read().unwrap();
    web.send(b"\x20\x02\0\0".to_vec().into()).unwrap();
    drop(web);
    stream
}

/// Sends this until the client leaves or should have, and reads nothing.
fn flood(stream: &mut TcpStream, frames: &[u8]) {
    let end = Instant::now() + Duration::from_secs(15);
    while Instant::now() < end && stream.write_all(frames).is_ok() {}
}

const JOB: Job = Job {
    scheme: "ws",
    keep_alive: 1,
    ..Job::new(Version::V311)
};

#[test]
fn an_answer_whose_headers_never_end() {
    for (name, driver) in DRIVERS {
        let (port, server) = serve(|mut stream| {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\n")
                .unwrap();
            flood(&mut stream, b"X-More: of the same\r\n");
        });
        let seen = run(driver, port, JOB);
        server.join().unwrap();
        let what = format!("{name}, {seen:?}");
        assert!(seen.said.contains("too long"), "{what}");
        assert!(seen.memory < MEMORY, "{what}");
        assert!(seen.time < Duration::from_secs(5), "{what}");
    }
}

#[test]
fn an_answer_of_one_line_that_never_ends() {
    for (name, driver) in DRIVERS {
        let (port, server) = serve(|mut stream| flood(&mut stream, &[b'H'; 100]));
        let seen = run(driver, port, JOB);
        server.join().unwrap();
        let what = format!("{name}, {seen:?}");
        assert!(!seen.said.is_empty(), "{what}");
        assert!(seen.memory < MEMORY, "{what}");
        assert!(seen.time < Duration::from_secs(5), "{what}");
    }
}

/// Frames are there all the time, and no MQTT is in them: that is silence, and ends in time.
#[track_caller]
fn is_silence(what: &str, begin: &'static [u8], frame: &'static [u8]) {
    for (name, driver) in DRIVERS {
        let (port, server) = serve(move |stream| {
            let mut stream = agreed(stream);
            stream.write_all(begin).unwrap();
            flood(&mut stream, &frame.repeat(500));
        });
        let seen = run(driver, port, JOB);
        let what = format!("{what}, {name}, {seen:?}");
        server.join().unwrap();
        assert_eq!(
            seen.said, "the server did not answer PINGREQ in time",
            "{what}"
        );
        assert!(seen.memory < MEMORY, "{what}");
        assert!(seen.time < Duration::from_secs(10), "{what}");
    }
}

#[test]
fn fragments_of_nothing_without_end_are_silence() {
    is_silence("fragments", b"\x02\0", b"\0\0");
}

#[test]
fn pings_without_end_are_silence() {
    is_silence("pings", b"", b"\x89\x04ping");
}

#[test]
fn pongs_without_end_are_silence() {
    is_silence("pongs", b"", b"\x8A\x04pong");
}
