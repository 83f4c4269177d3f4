use core::time::Duration;
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Instant;

use embedded_io::{Error as _, ErrorKind, ErrorType, Read, Write};
use proptest::prelude::*;
use transport_tcp::TcpStream;
use transport_ws::blocking::WsStream;
use transport_ws::{Error, FrameError, Options, RequestError, ResponseError};

use super::{
    BINARY, CLOSE, PATIENCE, PING, PONG, consent, deframe, echo, frame, pattern, serve,
    shake_hands, sorted,
};

type Tcp = WsStream<TcpStream>;

fn connect(address: SocketAddr) -> Result<Tcp, Error<std::io::Error>> {
    let mut tcp = TcpStream::connect_to(&[address], &transport_tcp::Options::default()).unwrap();
    tcp.set_deadline(Some(Instant::now() + PATIENCE));
    WsStream::connect(tcp, &address.to_string(), &Options::default())
}

/// Gives the next calls a moment.
fn deadline(stream: &mut Tcp, time: Duration) {
    stream.get_mut().set_deadline(Some(Instant::now() + time));
}

/// What a read or write has done, if it did not have to wait.
fn done<T>(result: Result<T, Error<std::io::Error>>) -> Option<T> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => None,
        result => Some(result.unwrap()),
    }
}

/// Reads until the end, with flushes as a driver makes them.
fn read_to_end<S: Read + Write>(stream: &mut WsStream<S>) -> Result<Vec<u8>, Error<S::Error>> {
    let mut data = Vec::new();
    let mut buf = [0; 1000];
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return Ok(data),
            Ok(n) => data.extend(&buf[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        stream.flush()?;
    }
}

#[test]
fn against_another_implementation() {
    let (address, server) = serve(echo);
    let mut stream = connect(address).unwrap();
    let data = pattern(1 << 20);
    let mut sent = 0;
    let mut received: Vec<u8> = Vec::new();
    let mut buf = vec![0; 100_000];
    let mut writes = 0;
    let end = Instant::now() + PATIENCE;
    while received.len() < data.len() {
        assert!(Instant::now() < end);
        // Both directions get full: neither may wait for the other.
        deadline(&mut stream, Duration::from_millis(5));
        let step = [1, 125, 126, 50_000, 65_535, 65_536, 300_000][writes % 7];
        if let Some(n) = done(stream.write(&data[sent..data.len().min(sent + step)])) {
            sent += n;
            writes += usize::from(n > 0);
        }
        done(stream.flush());
        if let Some(n) = done(stream.read(&mut buf)) {
            assert!(n > 0);
            received.extend(&buf[..n]);
        }
    }
    assert!(received == data);

    deadline(&mut stream, PATIENCE);
    stream.close().unwrap();
    assert!(matches!(stream.write(b"x"), Err(Error::Closed)));
    assert_eq!(read_to_end(&mut stream).unwrap(), b"");
    assert_eq!(stream.close_code(), Some(1000));
    let (frames, pongs) = server.join().unwrap();
    assert_eq!(frames, writes);
    assert!(pongs > 0);
}

#[test]
fn frames_that_come_with_the_response() {
    let (address, server) = serve(|mut stream| {
        let mut early = frame(PING, b"a");
        early.extend(frame(BINARY, b"early"));
        early.extend(&frame(BINARY, b"later")[..3]);
        shake_hands(&mut stream, &early);
        stream.write_all(b"ater").unwrap();
        stream.write_all(&frame(CLOSE, b"")).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        deframe(&rest)
    });
    let mut stream = connect(address).unwrap();
    // One byte at a time.
    let mut data = Vec::new();
    loop {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => data.extend(byte),
            Err(Error::Interrupted) => stream.flush().unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(data, b"earlylater");
    drop(stream);
    assert_eq!(
        server.join().unwrap(),
        [(PONG, b"a".to_vec()), (CLOSE, vec![])]
    );
}

#[test]
fn time_outs_lose_nothing() {
    let (go, wait) = mpsc::channel::<()>();
    let (address, server) = serve(move |mut stream| {
        shake_hands(&mut stream, &[]);
        stream.write_all(&frame(BINARY, b"ab")[..3]).unwrap();
        wait.recv_timeout(PATIENCE).unwrap();
        stream.write_all(b"b").unwrap();
        let mut sent = Vec::new();
        stream.read_to_end(&mut sent).unwrap();
        sorted(deframe(&sent))
    });
    let mut stream = connect(address).unwrap();
    let mut buf = [0; 10];
    assert_eq!(stream.read(&mut buf).unwrap(), 1);
    deadline(&mut stream, Duration::ZERO);
    assert_eq!(
        stream.read(&mut buf).unwrap_err().kind(),
        ErrorKind::TimedOut
    );

    let data = pattern(100_000);
    let mut sent = Vec::new();
    loop {
        match stream.write(&data) {
            Ok(n) => sent.extend(&data[..n]),
            Err(error) if error.kind() == ErrorKind::TimedOut => break,
            Err(error) => panic!("{error}"),
        }
        assert!(sent.len() < 1 << 30, "the connection does not get full");
    }
    assert_eq!(stream.write(&data).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(stream.flush().unwrap_err().kind(), ErrorKind::TimedOut);
    go.send(()).unwrap();
    deadline(&mut stream, PATIENCE);
    assert_eq!(stream.read(&mut buf).unwrap(), 1);
    stream.write_all(b"end").unwrap();
    stream.close().unwrap();
    drop(stream);
    sent.extend(b"end");
    let (data, control) = server.join().unwrap();
    assert!(data == sent);
    assert_eq!(control, [(CLOSE, 1000_u16.to_be_bytes().to_vec())]);
}

#[test]
fn refused_handshakes() {
    let cases: [(&[u8], ResponseError); 5] = [
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            ResponseError::Status(404),
        ),
        (b"\x15\x03\x03\x00\x02\x02\x46", ResponseError::NotHttp),
        (b"HTTP/1.1 101 Switching", ResponseError::Ended),
        (b"", ResponseError::Ended),
        (&[b'H'; 1], ResponseError::Ended),
    ];
    for (response, expected) in cases {
        let (address, server) = serve(move |mut stream| {
            let mut request = [0; 16];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(response).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        match connect(address) {
            Err(Error::Response(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
        server.join().unwrap();
    }
    // Without end.
    let (address, server) = serve(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 101 ");
        while stream.write_all(&[b'x'; 1000]).is_ok() {}
    });
    assert!(matches!(
        connect(address),
        Err(Error::Response(ResponseError::TooLong))
    ));
    server.join().unwrap();
    // Silent.
    let (address, server) = serve(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut tcp = TcpStream::connect_to(&[address], &transport_tcp::Options::default()).unwrap();
    tcp.set_deadline(Some(Instant::now()));
    let error = WsStream::connect(tcp, "localhost", &Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    server.join().unwrap();
}

/// A stream in memory that follows a script.
#[derive(Debug, Default)]
struct Script {
    reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// What the next writes take at most; the rest of them take all.
    writes: VecDeque<Result<usize, ErrorKind>>,
    written: Vec<Vec<u8>>,
    flushes: usize,
    agreed: bool,
}

impl ErrorType for Script {
    type Error = ErrorKind;
}

impl Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        if !self.agreed {
            self.agreed = true;
            let response = consent(&self.written.concat());
            self.written.clear();
            self.flushes = 0;
            self.reads.push_front(Ok(response));
            self.reads.push_front(Err(ErrorKind::Interrupted));
        }
        match self.reads.pop_front() {
            None => Ok(0),
            Some(Err(error)) => Err(error),
            Some(Ok(mut bytes)) => {
                let n = bytes.len().min(buf.len());
                buf[..n].copy_from_slice(&bytes[..n]);
                bytes.drain(..n);
                if !bytes.is_empty() {
                    self.reads.push_front(Ok(bytes));
                }
                Ok(n)
            }
        }
    }
}

impl Write for Script {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let n = match self.writes.pop_front() {
            Some(n) => n?.min(buf.len()),
            None => buf.len(),
        };
        self.written.push(buf[..n].to_vec());
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.flushes += 1;
        Ok(())
    }
}

fn scripted(reads: impl IntoIterator<Item = Result<Vec<u8>, ErrorKind>>) -> WsStream<Script> {
    let script = Script {
        reads: reads.into_iter().collect(),
        ..Default::default()
    };
    let mut stream = WsStream::connect(script, "localhost", &Options::default()).unwrap();
    stream.get_mut().flushes = 0;
    stream
}

#[test]
fn write_is_one_frame_and_one_write() {
    let mut stream = scripted([]);
    for len in [1, 125, 126, 65_535, 65_536] {
        let data = pattern(len);
        assert_eq!(stream.write(&data), Ok(len));
        let written = core::mem::take(&mut stream.get_mut().written);
        assert_eq!(written.len(), 1);
        assert_eq!(deframe(&written[0]), [(BINARY, data)]);
    }
    assert_eq!(stream.write(&[0; 65_537]), Ok(65_536));
    assert_eq!(stream.write(&[]), Ok(0));
    stream.flush().unwrap();
    assert_eq!(
        (stream.get_ref().written.len(), stream.get_ref().flushes),
        (1, 1)
    );
}

#[test]
fn masks_differ() {
    let mut stream = scripted([]);
    for _ in 0..200 {
        stream.write_all(b"\0\0\0\0").unwrap();
    }
    let mut masks: Vec<_> = stream
        .get_ref()
        .written
        .iter()
        .map(|frame| &frame[2..6])
        .collect();
    masks.sort_unstable();
    masks.dedup();
    assert!(masks.len() > 195);
}

#[test]
fn short_and_failing_writes() {
    let mut stream = scripted([]);
    stream.get_mut().writes = [Ok(3), Err(ErrorKind::TimedOut)].into();
    // Taken, and on its way in part.
    assert_eq!(stream.write(b"abc"), Ok(3));
    stream.get_mut().writes = [Ok(1), Err(ErrorKind::TimedOut)].into();
    assert_eq!(stream.write(b"x"), Err(Error::Io(ErrorKind::TimedOut)));
    stream.get_mut().writes = [Err(ErrorKind::TimedOut)].into();
    assert_eq!(stream.flush(), Err(Error::Io(ErrorKind::TimedOut)));
    assert_eq!(stream.write(b"def"), Ok(3));
    let frames = deframe(&stream.get_ref().written.concat());
    assert_eq!(
        frames,
        [(BINARY, b"abc".to_vec()), (BINARY, b"def".to_vec())]
    );

    stream.get_mut().writes = [Ok(0)].into();
    assert_eq!(stream.write(b"a"), Err(Error::WriteZero));
    stream.get_mut().writes = [Err(ErrorKind::BrokenPipe)].into();
    assert_eq!(stream.flush(), Err(Error::Io(ErrorKind::BrokenPipe)));
}

#[test]
fn reads_that_ask_for_a_flush() {
    let mut stream = scripted([
        Ok(frame(PING, b"1")),
        Err(ErrorKind::TimedOut),
        Ok([frame(PING, b"2"), frame(BINARY, b"x"), frame(PING, b"3")].concat()),
        Ok(frame(CLOSE, b"\x03\xe8")),
    ]);
    let mut buf = [0; 100];
    assert_eq!(stream.read(&mut buf), Err(Error::Interrupted));
    assert!(stream.get_ref().written.is_empty());
    // Without the flush, reading goes on.
    assert_eq!(stream.read(&mut buf), Err(Error::Io(ErrorKind::TimedOut)));
    assert_eq!(stream.read(&mut buf), Ok(1));
    stream.flush().unwrap();
    let pong = |body: &[u8]| (PONG, body.to_vec());
    let frames = deframe(&stream.get_ref().written.concat());
    assert_eq!(frames, [pong(b"1"), pong(b"2"), pong(b"3")]);
    assert_eq!(stream.read(&mut buf), Err(Error::Interrupted));
    for _ in 0..2 {
        assert_eq!(stream.read(&mut buf), Ok(0));
    }
    assert_eq!(stream.write(b"x"), Err(Error::Closed));
    stream.flush().unwrap();
    let frames = deframe(&stream.get_ref().written.concat());
    assert_eq!(frames[3..], [(CLOSE, vec![0x03, 0xe8])]);
}

#[test]
fn violations_are_told_to_both_sides() {
    let mut stream = scripted([Ok([frame(BINARY, b"x"), frame(0x81, b"text")].concat())]);
    let mut buf = [0; 100];
    assert_eq!(stream.read(&mut buf), Ok(1));
    stream.flush().unwrap();
    assert_eq!(stream.read(&mut buf), Err(Error::Frame(FrameError::Text)));
    let frames = deframe(&stream.get_ref().written.concat());
    assert_eq!(frames, [(CLOSE, 1003_u16.to_be_bytes().to_vec())]);

    let mut stream = scripted([Ok(frame(0xc2, b""))]);
    assert_eq!(stream.read(&mut buf), Err(Error::Interrupted));
    for _ in 0..2 {
        assert_eq!(
            stream.read(&mut buf),
            Err(Error::Frame(FrameError::ReservedBits))
        );
    }
}

#[test]
fn ends_without_a_close_frame() {
    let mut buf = [0; 100];
    let mut stream = scripted([Ok(frame(BINARY, b"x"))]);
    assert_eq!(stream.read(&mut buf), Ok(1));
    assert_eq!(stream.read(&mut buf), Ok(0));
    let mut stream = scripted([Ok(frame(BINARY, b"xy")[..3].to_vec())]);
    assert_eq!(stream.read(&mut buf), Ok(1));
    for _ in 0..2 {
        assert_eq!(stream.read(&mut buf), Err(Error::Frame(FrameError::Ended)));
    }
}

/// A server that sends frames without data forever cannot keep a read from returning.
#[test]
fn frames_without_data() {
    let empty = core::iter::repeat_n(Ok(frame(BINARY, b"")), 1_000);
    let mut stream = scripted(empty);
    assert_eq!(stream.read(&mut [0; 100]), Err(Error::Interrupted));
    let left = stream.get_ref().reads.len();
    assert!(left > 0 && left < 1_000, "{left}");
    // Nor can pings that nobody reads the answers of fill the memory.
    let pings = core::iter::repeat_n(Ok(frame(PING, &[0; 125]).repeat(100)), 100);
    let mut stream = scripted(pings);
    while stream.read(&mut [0; 100_000]) == Err(Error::Interrupted) {}
    stream.flush().unwrap();
    let frames = deframe(&stream.get_ref().written.concat());
    assert!(frames.len() < 20 && frames.iter().all(|(first, _)| *first == PONG));
}

#[test]
fn requests_that_are_refused_are_not_sent() {
    let options = Options {
        headers: vec![("X".to_owned(), "a\r\nY: b".to_owned())],
        ..Default::default()
    };
    let mut script = Script::default();
    let error = WsStream::connect(&mut script, "localhost", &options).unwrap_err();
    assert_eq!(error, Error::Request(RequestError::HeaderValue));
    assert!(script.written.is_empty());
}

#[test]
fn options_reach_the_request() {
    let options = Options {
        path: "/other".to_owned(),
        credentials: Some(("user".to_owned(), "secret".to_owned())),
        headers: vec![("Origin".to_owned(), "http://example.com".to_owned())],
        max_frame: 2,
    };
    let mut script = Script {
        writes: [Err(ErrorKind::TimedOut)].into(),
        ..Default::default()
    };
    let error = WsStream::connect(&mut script, "localhost", &options).unwrap_err();
    assert_eq!(error, Error::Io(ErrorKind::TimedOut));
    // In pieces.
    let mut script = Script {
        writes: [Ok(1), Ok(100)].into(),
        agreed: true,
        ..Default::default()
    };
    let error = WsStream::connect(&mut script, "localhost", &options).unwrap_err();
    assert_eq!(error, Error::Response(ResponseError::Ended));
    let request = String::from_utf8(script.written.concat()).unwrap();
    assert!(request.starts_with("GET /other HTTP/1.1\r\nHost: localhost\r\n"));
    assert!(request.contains("\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
    assert!(request.ends_with("\r\nOrigin: http://example.com\r\n\r\n"));
    assert!(!format!("{options:?}").contains("secret"));

    let script = Script {
        reads: [Ok(frame(BINARY, b"abc"))].into(),
        ..Default::default()
    };
    let mut stream = WsStream::connect(script, "localhost", &options).unwrap();
    assert_eq!(
        read_to_end(&mut stream),
        Err(Error::Frame(FrameError::TooLong))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever the pieces that come and the buffers they are read into.
    #[test]
    fn any_pieces_into_any_buffers(
        frames in prop::collection::vec((prop_oneof![Just(BINARY), Just(PING), Just(PONG)],
            prop::collection::vec(any::<u8>(), 0..125)), 0..20),
        pieces in prop::collection::vec(1..300_usize, 1..10),
        bufs in prop::collection::vec(1..300_usize, 1..10),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, body)| frame(*first, body)).collect();
        let mut rest = &bytes[..];
        let mut reads = Vec::new();
        for n in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*n));
            reads.push(Ok(piece.to_vec()));
            rest = after;
        }
        let mut stream = scripted(reads);
        let mut data: Vec<u8> = Vec::new();
        for n in bufs.iter().cycle() {
            let mut buf = vec![0; *n];
            match stream.read(&mut buf) {
                Ok(0) => break,
                Ok(n) => data.extend(&buf[..n]),
                Err(error) => prop_assert_eq!(error, Error::Interrupted),
            }
            stream.flush().unwrap();
        }
        let of = |kind| frames.iter().filter(move |(first, _)| *first == kind);
        prop_assert_eq!(data, of(BINARY).flat_map(|(_, body)| body.clone()).collect::<Vec<_>>());
        let pongs = deframe(&stream.get_ref().written.concat());
        prop_assert_eq!(pongs, of(PING).map(|(_, b)| (PONG, b.clone())).collect::<Vec<_>>());
    }
}
