//! A world for one connection: two pipes, a server, a clock, and nobody who polls by himself.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mqtt_client::Version;
use mqtt_client::embedded::Timer;
use mqtt_client::mqtt_core::Instant;
use mqtt_client::mqtt_core::wire::Packet;

/// What a server answers to a packet.
pub(super) type Script = Box<dyn FnMut(Packet<'_>) -> Vec<u8>>;

/// What the two ends of the connection, the clock and the test share.
pub(super) struct World {
    version: Version,
    now: Cell<u64>,
    /// What somebody waits for, in milliseconds.
    deadline: Cell<Option<u64>>,
    /// True if polling again may help.
    is_woken: Cell<bool>,
    pub(super) down: RefCell<Pipe>,
    pub(super) up: RefCell<Pipe>,
    /// All that the client has sent, and how much of it the server has dealt with.
    pub(super) sent: RefCell<Vec<u8>>,
    served: Cell<usize>,
    script: RefCell<Script>,
    /// False while the server does nothing.
    pub(super) is_serving: Cell<bool>,
    /// True if the server does not close its side after DISCONNECT.
    pub(super) stays_open: Cell<bool>,
    /// How often futures were polled, and whether one is to be dropped after that many.
    pub(super) polls: Cell<usize>,
    drops: RefCell<Box<dyn FnMut(usize) -> bool>>,
}

pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    pub(super) capacity: usize,
    /// The most that is read or written at a time.
    pub(super) chunk: usize,
    /// True if each read and write has to be tried twice.
    pub(super) hesitates: bool,
    hesitated: bool,
    pub(super) is_closed: bool,
    pub(super) is_broken: bool,
}

impl Pipe {
    fn new() -> RefCell<Self> {
        RefCell::new(Self {
            bytes: VecDeque::new(),
            capacity: usize::MAX,
            chunk: usize::MAX,
            hesitates: false,
            hesitated: false,
            is_closed: false,
            is_broken: false,
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    fn hesitate(&mut self) -> bool {
        self.hesitated = self.hesitates && !self.hesitated;
        self.hesitated
    }
}

impl World {
    pub(super) fn new(
        version: Version,
        script: impl FnMut(Packet<'_>) -> Vec<u8> + 'static,
    ) -> Rc<Self> {
        Rc::new(Self {
            version,
            now: Cell::new(0),
            deadline: Cell::new(None),
            is_woken: Cell::new(false),
            down: Pipe::new(),
            up: Pipe::new(),
            sent: RefCell::default(),
            served: Cell::new(0),
            script: RefCell::new(Box::new(script)),
            is_serving: Cell::new(true),
            stays_open: Cell::new(false),
            polls: Cell::new(0),
            drops: RefCell::new(Box::new(|_| false)),
        })
    }

    /// Has a future dropped when this says so, after each poll.
    pub(super) fn drop_when(&self, drops: impl FnMut(usize) -> bool + 'static) {
        *self.drops.borrow_mut() = Box::new(drops);
    }

    /// One byte at a time, each only when asked twice.
    pub(super) fn crawl(&self) {
        for pipe in [&self.up, &self.down] {
            pipe.borrow_mut().chunk = 1;
            pipe.borrow_mut().hesitates = true;
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(super) fn halves(self: &Rc<Self>) -> (Reader, Writer) {
        (Reader(Rc::clone(self)), Writer(Rc::clone(self)))
    }

    pub(super) fn timer(self: &Rc<Self>) -> FakeTimer {
        FakeTimer(Rc::clone(self))
    }

    /// Polls a future until it is done, lets the server work meanwhile, and time pass when nothing
    /// else can happen. `None` if the future was dropped.
    pub(super) fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            self.polls.set(self.polls.get() + 1);
            self.deadline.set(None);
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Some(output);
            }
            self.serve();
            if (self.drops.borrow_mut())(self.polls.get()) {
                return None;
            }
            if !self.is_woken.take() {
                let deadline = self.deadline.get().expect("nothing more can happen");
                self.now.set(deadline.max(self.now.get()));
            }
        }
    }

    /// Has the server take what was sent, and answer each whole packet.
    pub(super) fn serve(&self) {
        if !self.is_serving.get() {
            return;
        }
        let mut up = self.up.borrow_mut();
        let mut sent = self.sent.borrow_mut();
        if up.bytes.is_empty() {
            return;
        }
        // There is room again, and perhaps an answer.
        self.is_woken.set(true);
        sent.extend(up.bytes.drain(..));
        while let Some((packet, n)) =
            Packet::decode(&sent[self.served.get()..], self.version).unwrap()
        {
            let mut down = self.down.borrow_mut();
            // The server closes its side, too.
            let is_last = matches!(packet, Packet::Disconnect(_)) && !self.stays_open.get();
            down.is_closed |= is_last;
            let answer = (self.script.borrow_mut())(packet);
            self.served.set(self.served.get() + n);
            down.push(&answer);
        }
    }

    /// What the server says by itself.
    pub(super) fn say<'a>(&self, packet: impl Into<Packet<'a>>) {
        let bytes = encode(self.version, packet);
        self.down.borrow_mut().push(&bytes);
    }

    /// The names of the packets that the client has sent.
    pub(super) fn names(&self) -> Vec<String> {
        self.serve();
        names(&self.sent.borrow(), self.version)
    }
}

pub(super) fn encode<'a>(version: Version, packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let packet = packet.into();
    let mut bytes = vec![0; packet.encoded_len(version).unwrap()];
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

pub(super) fn names(mut bytes: &[u8], version: Version) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((packet, n)) = Packet::decode(bytes, version).unwrap() {
        names.push(packet.packet_type().to_string());
        bytes = &bytes[n..];
    }
    assert!(bytes.is_empty(), "cut off: {bytes:?}");
    names
}

/// The client's half for reading.
pub(super) struct Reader(Rc<World>);

/// The client's half for writing.
pub(super) struct Writer(Rc<World>);

impl embedded_io_async::ErrorType for Reader {
    type Error = io::Error;
}

impl embedded_io_async::ErrorType for Writer {
    type Error = io::Error;
}

impl embedded_io_async::Read for Reader {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(!buf.is_empty());
        poll_fn(|_| {
            let mut pipe = self.0.down.borrow_mut();
            if pipe.bytes.is_empty() {
                return match (pipe.is_broken, pipe.is_closed) {
                    (true, _) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                    (_, true) => Poll::Ready(Ok(0)),
                    _ => Poll::Pending,
                };
            }
            if pipe.hesitate() {
                self.0.is_woken.set(true);
                return Poll::Pending;
            }
            let n = buf.len().min(pipe.chunk).min(pipe.bytes.len());
            for (to, from) in buf.iter_mut().zip(pipe.bytes.drain(..n)) {
                *to = from;
            }
            Poll::Ready(Ok(n))
        })
        .await
    }
}

impl embedded_io_async::Write for Writer {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        assert!(!buf.is_empty());
        poll_fn(|_| {
            let mut pipe = self.0.up.borrow_mut();
            if pipe.is_broken {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let room = pipe.room();
            if room == 0 {
                return Poll::Pending;
            }
            if pipe.hesitate() {
                self.0.is_woken.set(true);
                return Poll::Pending;
            }
            let n = buf.len().min(pipe.chunk).min(room);
            pipe.push(&buf[..n]);
            Poll::Ready(Ok(n))
        })
        .await
    }

    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|_| {
            if self.0.up.borrow_mut().hesitate() {
                self.0.is_woken.set(true);
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

/// A clock that the world sets.
pub(super) struct FakeTimer(Rc<World>);

impl Timer for FakeTimer {
    fn now(&self) -> Instant {
        Instant::from_millis(self.0.now())
    }

    async fn wait_until(&mut self, at: Instant) {
        poll_fn(|_| {
            if self.now() >= at {
                return Poll::Ready(());
            }
            self.0.deadline.set(Some(at.as_millis()));
            Poll::Pending
        })
        .await;
    }
}
