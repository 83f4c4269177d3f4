use core::cell::{Cell, RefCell};
use core::future::Future;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::rc::Rc;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use transport_ws::embedded::WsStream;
use transport_ws::{Error, FrameError, Request, ResponseError};

use super::{BINARY, CLOSE, PING, PONG, consent, deframe, frame, pattern, sorted};

/// One direction of a connection in memory, through which a call lets few bytes at a time, and only
/// after it had to wait a few times.
#[derive(Clone, Default)]
struct Pipe(Rc<State>);

#[derive(Default)]
struct State {
    bytes: RefCell<VecDeque<u8>>,
    capacity: Cell<usize>,
    closed: Cell<bool>,
    /// Decides how long calls wait and how much they move.
    random: Cell<u32>,
}

impl Pipe {
    fn new(capacity: usize, seed: u32) -> Self {
        let pipe = Self::default();
        pipe.0.capacity.set(capacity);
        pipe.0.random.set(seed);
        pipe
    }

    fn random(&self, below: usize) -> usize {
        let next = self
            .0
            .random
            .get()
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.0.random.set(next);
        usize::try_from(next >> 8).unwrap() % below
    }

    fn give(&self, bytes: &[u8]) {
        self.0.bytes.borrow_mut().extend(bytes);
    }

    fn take(&self) -> Vec<u8> {
        self.0.bytes.borrow_mut().drain(..).collect()
    }

    /// Is pending now and then, and whenever `attempt` is; a call that was dropped has done nothing.
    async fn wait<T>(&self, mut attempt: impl FnMut() -> Option<T>) -> T {
        let mut waits = self.random(3);
        poll_fn(|_| {
            if waits > 0 {
                waits -= 1;
                return Poll::Pending;
            }
            attempt().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl ErrorType for Pipe {
    type Error = ErrorKind;
}

impl Read for Pipe {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let most = 1 + self.random(200);
        let n = self
            .wait(|| {
                let mut bytes = self.0.bytes.borrow_mut();
                let n = bytes.len().min(buf.len()).min(most);
                for (to, from) in buf.iter_mut().zip(bytes.drain(..n)) {
                    *to = from;
                }
                (n > 0 || self.0.closed.get()).then_some(n)
            })
            .await;
        Ok(n)
    }
}

impl Write for Pipe {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let most = 1 + self.random(200);
        let n = self
            .wait(|| {
                let mut bytes = self.0.bytes.borrow_mut();
                let room = self.0.capacity.get() - bytes.len();
                let n = room.min(buf.len()).min(most);
                bytes.extend(&buf[..n]);
                (n > 0).then_some(n)
            })
            .await;
        Ok(n)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.wait(|| Some(())).await;
        Ok(())
    }
}

/// Polls a future at most `polls` times, then drops it.
fn poll<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let cx = &mut Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}

/// Runs a future that has nobody to wait for.
fn finish<T>(future: impl Future<Output = T>) -> T {
    poll(1_000_000, future).expect("the future hangs")
}

const REQUEST: Request<'_> = Request {
    authority: "localhost",
    path: "/mqtt",
    credentials: None,
    headers: &[],
};

fn noise() -> impl FnMut(&mut [u8]) {
    let pipe = Pipe::new(0, 7);
    move |bytes| bytes.fill_with(|| u8::try_from(pipe.random(256)).unwrap())
}

/// Connects; `early` comes together with the response.
fn connect<'b>(
    input: &Pipe,
    output: &Pipe,
    early: &[u8],
    rx: &'b mut [u8],
    tx: &'b mut [u8],
) -> WsStream<'b, Pipe, Pipe, impl FnMut(&mut [u8]) + use<>> {
    output.0.capacity.set(usize::MAX);
    let connect = WsStream::connect(input.clone(), output.clone(), &REQUEST, rx, tx, noise());
    let server = async {
        while !output
            .0
            .bytes
            .borrow()
            .iter()
            .copied()
            .collect::<Vec<_>>()
            .ends_with(b"\r\n\r\n")
        {
            output.wait(|| Some(())).await;
        }
        input.give(&consent(&output.take()));
        input.give(early);
    };
    let mut both = pin!(async { tokio::join!(connect, server).0.unwrap() });
    finish(both.as_mut())
}

/// Frames with `data`, with pings and pongs among them, and the last ping.
fn frames(data: &[u8], seed: u32) -> (Vec<u8>, Vec<u8>) {
    let pipe = Pipe::new(0, seed);
    let mut bytes = Vec::new();
    let mut ping = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(pipe.random(300)));
        bytes.extend(frame(BINARY, piece));
        rest = after;
        if pipe.random(2) == 0 {
            ping = pattern(pipe.random(126));
            bytes.extend(frame(PING, &ping));
            bytes.extend(frame(PONG, b"nothing"));
        }
    }
    (bytes, ping)
}

/// Every future is dropped after a few polls or none, so at every point at which it waits.
#[test]
fn dropped_futures_lose_nothing() {
    for seed in 0..200 {
        let random = Pipe::new(0, seed);
        let (input, output) = (Pipe::new(0, seed), Pipe::new(0, !seed));
        let (rx, tx) = (&mut [0; 300], &mut [0; 400]);
        let (to_read, to_write) = (pattern(3_000), pattern(3_500));
        let (bytes, ping) = frames(&to_read, seed);
        let at = random.random(100);
        let mut stream = connect(&input, &output, &bytes[..at], rx, tx);
        input.give(&bytes[at..]);
        output.0.capacity.set(50);

        let mut received: Vec<u8> = Vec::new();
        let mut sent: Vec<u8> = Vec::new();
        let mut written = 0;
        let mut turns = 0;
        let mut flushed = false;
        while received.len() < to_read.len() || written < to_write.len() || !flushed {
            turns += 1;
            assert!(turns < 200_000, "seed {seed} hangs");
            // Halves come and go, too.
            let (mut reader, mut writer) = stream.split();
            match random.random(4) {
                0 => {
                    let mut buf = [0; 100];
                    let len = 1 + random.random(100);
                    match poll(random.random(5), reader.read(&mut buf[..len])) {
                        Some(Ok(n)) => received.extend(&buf[..n]),
                        None | Some(Err(Error::Interrupted)) => {}
                        Some(Err(error)) => panic!("{error}"),
                    }
                }
                1 if written < to_write.len() => {
                    let end = to_write.len().min(written + 1 + random.random(600));
                    let write = writer.write(&to_write[written..end]);
                    if let Some(n) = poll(random.random(5), write) {
                        written += n.unwrap();
                        flushed = false;
                    }
                }
                2 => flushed |= poll(random.random(20), writer.flush()) == Some(Ok(())),
                _ => sent.extend(output.take()),
            }
        }
        // The last ping may have come after the last flush, and with it what is behind the data.
        output.0.capacity.set(usize::MAX);
        let (mut reader, mut writer) = stream.split();
        input.0.closed.set(true);
        loop {
            match finish(reader.read(&mut [0; 10])) {
                Ok(0) => break,
                Err(Error::Interrupted) => finish(writer.flush()).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        finish(writer.close()).unwrap();
        sent.extend(output.take());

        let (data, mut control) = sorted(deframe(&sent));
        assert!(received == to_read, "seed {seed}");
        assert!(data == to_write, "seed {seed}");
        assert_eq!(
            control.pop(),
            Some((CLOSE, vec![0x03, 0xe8])),
            "seed {seed}"
        );
        if !ping.is_empty() {
            assert_eq!(control.pop(), Some((PONG, ping)), "seed {seed}");
        }
        assert!(control.iter().all(|&(first, _)| first == PONG));
    }
}

/// A read and a write wait at the same time, and a write that cannot go on does not stop reading.
#[test]
fn both_halves_at_once() {
    let (input, output) = (Pipe::new(0, 1), Pipe::new(0, 2));
    let (rx, tx) = (&mut [0; 512], &mut [0; 512]);
    let (to_read, to_write) = (pattern(20_000), pattern(10_000));
    let (bytes, _) = frames(&to_read, 3);
    let mut stream = connect(&input, &output, &[], rx, tx);
    output.0.capacity.set(10);
    input.give(&bytes);
    let (mut reader, mut writer) = stream.split();
    let all_read = Cell::new(false);
    let read = async {
        let mut received: Vec<u8> = Vec::new();
        let mut buf = [0; 1_000];
        while received.len() < to_read.len() {
            match reader.read(&mut buf).await {
                Ok(n) => received.extend(&buf[..n]),
                Err(error) => assert_eq!(error, Error::Interrupted),
            }
        }
        assert!(received == to_read);
        all_read.set(true);
    };
    let write = async {
        for piece in to_write.chunks(700) {
            writer.write_all(piece).await.unwrap();
            writer.flush().await.unwrap();
        }
    };
    let mut sent = Vec::new();
    let server = async {
        // Nothing is taken until everything was read.
        output.wait(|| all_read.get().then_some(())).await;
        while sorted_len(&sent) < to_write.len() {
            output
                .wait(|| (!output.0.bytes.borrow().is_empty()).then_some(()))
                .await;
            sent.extend(output.take());
        }
    };
    finish(async { tokio::join!(read, write, server) });
    let (data, control) = sorted(deframe(&sent));
    assert!(data == to_write);
    assert!(!control.is_empty());
}

/// How much data there is for certain: headers are shorter than 9 bytes, and there are few pongs.
fn sorted_len(sent: &[u8]) -> usize {
    let mut rest = sent;
    let mut data = 0;
    while rest.len() >= 8 {
        let (len, header) = match rest[1] & 0x7f {
            126 => (usize::from(u16::from_be_bytes([rest[2], rest[3]])), 8),
            len => (usize::from(len), 6),
        };
        if rest.len() < header + len {
            break;
        }
        data += if rest[0] == BINARY { len } else { 0 };
        rest = &rest[header + len..];
    }
    data
}

#[test]
fn writes_before_a_flush_leave_together() {
    let (input, output) = (Pipe::new(0, 1), Pipe::new(0, 2));
    let (rx, tx) = (&mut [0; 512], &mut [0; 512]);
    let mut stream = connect(&input, &output, &frame(PING, b"x"), rx, tx);
    let (mut reader, mut writer) = stream.split();
    // Nothing waits, so one poll is enough.
    assert_eq!(poll(1, writer.write(b"a")), Some(Ok(1)));
    assert_eq!(poll(1, writer.write(b"")), Some(Ok(0)));
    assert_eq!(poll(1, writer.write(b"bc")), Some(Ok(2)));
    assert_eq!(output.take(), b"");
    assert_eq!(finish(reader.read(&mut [0; 9])), Err(Error::Interrupted));
    finish(writer.flush()).unwrap();
    assert_eq!(
        deframe(&output.take()),
        [
            (BINARY, b"a".to_vec()),
            (BINARY, b"bc".to_vec()),
            (PONG, b"x".to_vec())
        ]
    );
    // More than there is room for is taken in part.
    assert_eq!(finish(writer.write(&[0; 1_000])), Ok(512 - 8));
}

#[test]
fn ends() {
    let (input, output) = (Pipe::new(0, 1), Pipe::new(0, 2));
    let mut buf = [0; 100];
    {
        let (rx, tx) = (&mut [0; 512], &mut [0; 512]);
        let mut stream = connect(&input, &output, &frame(CLOSE, b"\x03\xe9"), rx, tx);
        let (mut reader, mut writer) = stream.split();
        assert_eq!(finish(reader.read(&mut buf)), Err(Error::Interrupted));
        finish(writer.flush()).unwrap();
        assert_eq!(finish(reader.read(&mut buf)), Ok(0));
        assert_eq!(finish(writer.write(b"x")), Err(Error::Closed));
        assert_eq!(deframe(&output.take()), [(CLOSE, vec![0x03, 0xe9])]);
        assert_eq!(stream.close_code(), Some(1001));
    }
    {
        let (rx, tx) = (&mut [0; 512], &mut [0; 512]);
        let mut stream = connect(&input, &output, &frame(0x81, b"x"), rx, tx);
        let (mut reader, mut writer) = stream.split();
        assert_eq!(finish(reader.read(&mut buf)), Err(Error::Interrupted));
        finish(writer.flush()).unwrap();
        let error = Err(Error::Frame(FrameError::Text));
        assert_eq!(finish(reader.read(&mut buf)), error);
        assert_eq!(deframe(&output.take()), [(CLOSE, vec![0x03, 0xeb])]);
        let _ = stream.into_inner();
    }
}

#[test]
fn refused_handshakes() {
    let attempt = |response: &[u8], rx: usize, tx: usize| {
        let (input, output) = (Pipe::new(0, 1), Pipe::new(usize::MAX, 2));
        input.give(response);
        input.0.closed.set(true);
        let (mut rx, mut tx) = (vec![0; rx], vec![0; tx]);
        let connect = WsStream::connect(input, output, &REQUEST, &mut rx, &mut tx, noise());
        finish(connect).map(|_| ()).unwrap_err()
    };
    for (response, rx, error) in [
        (
            &b"HTTP/1.1 401 Unauthorized\r\n\r\n"[..],
            100,
            ResponseError::Status(401),
        ),
        (b"HTTP/1.1 401 Unauthorized\r\n", 10, ResponseError::TooLong),
        (b"HTTP/1.1 401", 100, ResponseError::Ended),
        (b"", 0, ResponseError::TooLong),
    ] {
        assert_eq!(attempt(response, rx, 512), Error::Response(error));
    }
    let error = transport_ws::RequestError::TooLong;
    assert_eq!(attempt(b"", 100, 100), Error::Request(error));
}
