//! A proxy that makes faults.

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What is read at once.
const READ: usize = 64 * 1024;

/// So many bytes are under way at most if they take time.
const UNDER_WAY: usize = 1024 * 1024;

/// So much time may be made up for on a line with a rate.
const SLACK: Duration = Duration::from_millis(20);

/// The faults of a connection. There are none by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// From the client to the server.
    pub up: Direction,
    /// From the server to the client.
    pub down: Direction,
}

/// The faults of one direction of a connection. There are none by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direction {
    /// How long a byte is under way. It does not limit how many are.
    pub delay: Duration,
    /// How many bytes pass in a second, at least 1.
    pub rate: Option<u32>,
    /// How many bytes are written at once, at least 1.
    pub chunk: Option<usize>,
    /// True if nothing is read, so that whoever writes finds no more room at some time.
    pub is_paused: bool,
    /// What happens after so many bytes since the beginning of the connection.
    pub end: Option<(u64, End)>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Both sides find the end of the stream.
    Close,
    /// Both sides find a connection that was reset. Bytes before that may be lost.
    Reset,
    /// Whoever reads in this direction finds the end of the stream, and the rest of what is written
    /// in it is lost. The other direction goes on.
    HalfClose,
    /// What is written in this direction from here on is lost, and nobody finds an end.
    BlackHole,
}

type Plan = Box<dyn FnMut(usize) -> Faults + Send>;

/// Passes bytes on to a server, with faults. Everything ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Ends the thread when it is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    control: Mutex<Control>,
    connections: AtomicUsize,
    cuts: AtomicUsize,
    up: AtomicU64,
    down: AtomicU64,
}

struct Control {
    server: SocketAddr,
    plan: Plan,
    /// The faults of connections that may be open.
    open: Vec<watch::Sender<Faults>>,
}

impl Proxy {
    /// Starts a proxy without faults, in a thread of its own.
    pub fn start(server: SocketAddr) -> Self {
        Self::with(server, |_| Faults::default())
    }

    /// Starts a proxy where `plan` says the faults of each connection; the first is number 0.
    pub fn with(server: SocketAddr, plan: impl FnMut(usize) -> Faults + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            control: Mutex::new(Control {
                server,
                plan: Box::new(plan),
                open: Vec::new(),
            }),
            connections: AtomicUsize::new(0),
            cuts: AtomicUsize::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener).unwrap();
                    accept(&listener, &shared, stopped).await;
                });
            })
        };
        Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where clients connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the plan for the connections to come; those that are open keep their faults.
    pub fn plan(&self, plan: impl FnMut(usize) -> Faults + Send + 'static) {
        self.shared.control.lock().unwrap().plan = Box::new(plan);
    }

    /// Passes the connections to come on to another server.
    pub fn redirect(&self, server: SocketAddr) {
        self.shared.control.lock().unwrap().server = server;
    }

    /// Gives these faults to all connections, those that are open and those to come.
    pub fn set(&self, faults: Faults) {
        let mut control = self.shared.control.lock().unwrap();
        control.plan = Box::new(move |_| faults);
        for open in &control.open {
            open.send_replace(faults);
        }
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many of them ended as planned, by [`End::Close`] or [`End::Reset`].
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// How many bytes were passed on to the server.
    pub fn bytes_up(&self) -> u64 {
        self.shared.up.load(Ordering::Relaxed)
    }

    /// How many bytes were passed on to clients.
    pub fn bytes_down(&self) -> u64 {
        self.shared.down.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .field("connections", &self.connections())
            .field("cuts", &self.cuts())
            .finish_non_exhaustive()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let mut tasks = JoinSet::new();
    loop {
        let client = select! {
            _ = &mut stopped => break,
            Some(_) = tasks.join_next() => continue,
            client = listener.accept() => client,
        };
        let Ok((client, _)) = client else { continue };
        let (server, faults) = {
            let mut control = shared.control.lock().unwrap();
            let number = shared.connections.fetch_add(1, Ordering::Relaxed);
            let (sender, receiver) = watch::channel((control.plan)(number));
            control.open.retain(|open| !open.is_closed());
            control.open.push(sender);
            (control.server, receiver)
        };
        tasks.spawn(connection(client, server, faults, Arc::clone(shared)));
    }
}

/// Why a connection is over.
enum Over {
    Planned(End),
    /// One side is gone.
    Broken,
}

async fn connection(
    mut client: TcpStream,
    server: SocketAddr,
    faults: watch::Receiver<Faults>,
    shared: Arc<Shared>,
) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let over = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::try_join!(
            pump(from_client, to_server, faults.clone(), |f| f.up, &shared.up),
            pump(from_server, to_client, faults, |f| f.down, &shared.down),
        )
    };
    let Err(over) = over else { return };
    if let Over::Planned(_) = over {
        shared.cuts.fetch_add(1, Ordering::Relaxed);
    }
    for mut stream in [client, server] {
        if let Over::Planned(End::Close) = over {
            let _ = stream.shutdown().await;
            // The system would reset a connection on which something was not read.
            let mut buf = [0; 4096];
            while stream.try_read(&mut buf).is_ok_and(|n| n > 0) {}
        } else {
            let _ = stream.set_zero_linger();
        }
    }
}

/// Passes bytes on until there are no more in this direction, or the connection is over.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut faults: watch::Receiver<Faults>,
    direction: fn(&Faults) -> Direction,
    counter: &AtomicU64,
) -> Result<(), Over> {
    let mut buf = BytesMut::new();
    // What is under way, and when it arrives.
    let mut queue: VecDeque<(Instant, Bytes)> = VecDeque::new();
    let mut passed = 0;
    let mut is_open = true;
    // When the line is free again.
    let mut free = Instant::now();
    loop {
        let direction = direction(&faults.borrow_and_update());
        let left = match direction.end {
            Some((at, end)) if passed >= at => {
                match end {
                    End::Close | End::Reset => return Err(Over::Planned(end)),
                    End::HalfClose => drop(to.shutdown().await),
                    End::BlackHole => {}
                }
                let lost = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
                return match (lost, end) {
                    (Ok(_), End::HalfClose) => Ok(()),
                    // Nobody waits for an end that is lost, too.
                    _ => Err(Over::Broken),
                };
            }
            Some((at, _)) => usize::try_from(at - passed).unwrap(),
            None => usize::MAX,
        };
        if direction.is_paused {
            faults.changed().await.map_err(|_| Over::Broken)?;
            continue;
        }
        if !is_open && queue.is_empty() {
            return to.shutdown().await.map_err(|_| Over::Broken);
        }
        let next = queue.front().map(|(due, _)| *due.max(&free));
        let now = Instant::now();
        if let Some((_, bytes)) = queue.front_mut()
            && next <= Some(now)
        {
            // A slow line passes a hundredth of a second's bytes at once.
            let at_once = direction
                .rate
                .map_or(usize::MAX, |rate| rate as usize / 100);
            let chunk = direction.chunk.unwrap_or(usize::MAX);
            let len = bytes.len().min(left).min(chunk).min(at_once.max(1));
            let n = select! {
                n = to.write(&bytes[..len]) => n.map_err(|_| Over::Broken)?,
                _ = faults.changed() => continue,
            };
            bytes.advance(n);
            if bytes.is_empty() {
                queue.pop_front();
            }
            if let Some(rate) = direction.rate {
                free = free.max(now - SLACK) + Duration::from_secs(n as u64) / rate;
            }
            passed += n as u64;
            counter.fetch_add(n as u64, Ordering::Relaxed);
            continue;
        }
        let has_room = if direction.delay.is_zero() {
            queue.is_empty()
        } else {
            queue.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < UNDER_WAY
        };
        buf.reserve(READ);
        select! {
            changed = faults.changed() => changed.map_err(|_| Over::Broken)?,
            () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
            n = from.read_buf(&mut buf), if is_open && has_room => {
                is_open = n.map_err(|_| Over::Broken)? > 0;
                if is_open {
                    queue.push_back((Instant::now() + direction.delay, buf.split().freeze()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::{self, Shutdown};
    use std::pin::Pin;
    use std::sync::mpsc;
    use std::task::{Context, Poll};

    use super::*;
    use crate::machine::{PATIENCE, wait_for};

    /// A server that sends everything back.
    fn echo() -> SocketAddr {
        let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(|| {
                    let stream = stream.unwrap();
                    let _ = io::copy(&mut &stream, &mut &stream);
                    let _ = stream.shutdown(Shutdown::Write);
                });
            }
        });
        address
    }

    fn connect(proxy: &Proxy) -> net::TcpStream {
        let stream = net::TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn up(direction: Direction) -> Faults {
        Faults {
            up: direction,
            ..Faults::default()
        }
    }

    fn down(direction: Direction) -> Faults {
        Faults {
            down: direction,
            ..Faults::default()
        }
    }

    fn end(at: u64, end: End) -> Direction {
        Direction {
            end: Some((at, end)),
            ..Direction::default()
        }
    }

    /// Sends this and returns what comes back, up to the end of the stream.
    fn exchange(proxy: &Proxy, bytes: &[u8]) -> Vec<u8> {
        let mut stream = connect(proxy);
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    }

    #[test]
    fn without_faults_everything_passes() {
        let proxy = Proxy::start(echo());
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut stream = connect(&proxy);
        let mut reader = stream.try_clone().unwrap();
        let reader = thread::spawn(move || {
            let mut received = Vec::new();
            reader.read_to_end(&mut received).unwrap();
            received
        });
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(reader.join().unwrap() == bytes);
        assert_eq!(proxy.bytes_up(), 1_000_000);
        assert_eq!(proxy.bytes_down(), 1_000_000);
        assert_eq!((proxy.connections(), proxy.cuts()), (1, 0));
    }

    #[test]
    fn a_delay_is_one_of_all_bytes_under_way() {
        let delay = Duration::from_millis(150);
        let direction = Direction {
            delay,
            ..Direction::default()
        };
        let both = Faults {
            up: direction,
            down: direction,
        };
        let proxy = Proxy::with(echo(), move |_| both);
        let mut stream = connect(&proxy);
        let begin = Instant::now();
        for n in 0..20 {
            stream.write_all(&[n]).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        let mut received = [0; 20];
        stream.read_exact(&mut received).unwrap();
        let elapsed = begin.elapsed();
        assert!(elapsed >= 2 * delay, "{elapsed:?}");
        assert!(elapsed < 20 * delay, "{elapsed:?}");
        assert!(received.is_sorted());
    }

    #[test]
    fn a_rate_limits_the_bytes_of_a_second() {
        let direction = Direction {
            rate: Some(100_000),
            ..Direction::default()
        };
        let proxy = Proxy::with(echo(), move |_| up(direction));
        let begin = Instant::now();
        let bytes = [7; 30_000];
        assert_eq!(exchange(&proxy, &bytes), bytes);
        let elapsed = begin.elapsed();
        assert!(elapsed >= Duration::from_millis(250), "{elapsed:?}");
    }

    /// Remembers the sizes of all writes.
    #[derive(Default)]
    struct Sizes(Vec<usize>);

    impl AsyncWrite for Sizes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push(buf.len());
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_chunk_limits_each_write() {
        let direction = Direction {
            chunk: Some(2),
            ..Direction::default()
        };
        let (_sender, faults) = watch::channel(up(direction));
        let mut sizes = Sizes::default();
        let passed = AtomicU64::new(0);
        let over = pump(&[7; 5][..], &mut sizes, faults, |f| f.up, &passed).await;
        assert!(over.is_ok());
        assert_eq!(sizes.0, [2, 2, 1]);
    }

    #[test]
    fn whoever_writes_into_a_pause_finds_no_room_until_it_is_over() {
        let pause = Direction {
            is_paused: true,
            ..Direction::default()
        };
        let proxy = Proxy::start(echo());
        let mut stream = connect(&proxy);
        proxy.set(up(pause));
        let patience = Duration::from_millis(300);
        stream.set_write_timeout(Some(patience)).unwrap();
        let mut written = 0;
        let error = loop {
            match stream.write(&[7; 65536]) {
                Ok(n) => written += n,
                Err(error) => break error,
            }
            assert!(written < 256 * 1024 * 1024, "where is all this?");
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(proxy.bytes_up(), 0);

        proxy.set(Faults::default());
        let mut received = vec![0; written];
        stream.read_exact(&mut received).unwrap();
        assert_eq!(proxy.bytes_up(), written as u64);
    }

    #[test]
    fn a_connection_is_closed_at_a_byte_as_planned() {
        let proxy = Proxy::with(echo(), |number| match number {
            0 => down(end(3, End::Close)),
            1 => up(end(0, End::Close)),
            _ => Faults::default(),
        });
        assert_eq!(exchange(&proxy, b"hello"), b"hel");
        assert_eq!(exchange(&proxy, b""), b"");
        assert_eq!(exchange(&proxy, b"hello"), b"hello");
        assert_eq!((proxy.connections(), proxy.cuts()), (3, 2));

        let mut stream = connect(&proxy);
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        proxy.set(up(end(0, End::Close)));
        assert_eq!(stream.read(&mut [0; 5]).unwrap(), 0);
    }

    #[test]
    fn a_connection_is_reset_at_a_byte() {
        let proxy = Proxy::with(echo(), |_| up(end(3, End::Reset)));
        let mut stream = connect(&proxy);
        stream.write_all(b"hello").unwrap();
        let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(proxy.bytes_up(), 3);
        assert_eq!(proxy.cuts(), 1);
    }

    #[test]
    fn one_direction_goes_on_after_a_half_close() {
        let proxy = Proxy::with(echo(), |_| down(end(3, End::HalfClose)));
        let mut stream = connect(&proxy);
        stream.write_all(b"hello").unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"hel");
        stream.write_all(b" world").unwrap();
        wait_for("the rest", || (proxy.bytes_up() == 11).then_some(()));
        assert_eq!((proxy.bytes_down(), proxy.cuts()), (3, 0));
    }

    #[test]
    fn a_black_hole_swallows_the_rest_until_somebody_leaves() {
        let proxy = Proxy::with(echo(), |_| down(end(3, End::BlackHole)));
        let mut stream = connect(&proxy);
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 3]).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        stream.write_all(b" world").unwrap();
        wait_for("the rest", || (proxy.bytes_up() == 11).then_some(()));
        assert_eq!((proxy.bytes_down(), proxy.cuts()), (3, 0));
        stream.shutdown(Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read(&mut [0]).unwrap_or_default();
    }

    #[test]
    fn connections_to_come_go_to_another_server() {
        let nobody = {
            let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            listener.local_addr().unwrap()
        };
        let proxy = Proxy::start(nobody);
        assert_eq!(exchange(&proxy, b""), b"");
        proxy.redirect(echo());
        assert_eq!(exchange(&proxy, b"hello"), b"hello");
    }

    #[test]
    fn a_server_that_is_gone_is_the_end_of_a_connection() {
        let address = {
            let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            listener.local_addr().unwrap()
        };
        let proxy = Proxy::start(address);
        assert_eq!(connect(&proxy).read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn everything_ends_with_the_proxy() {
        let (sender, receiver) = mpsc::channel();
        let proxy = Proxy::start(echo());
        let address = proxy.address();
        let mut stream = connect(&proxy);
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        thread::spawn(move || {
            drop(proxy);
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        let error = net::TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}
