//! A proxy that cuts connections.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Passes bytes on to a server, and ends each connection after a random number of them in either
/// direction.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    cuts: AtomicUsize,
    /// True if no more cuts are to be planned.
    is_calm: AtomicBool,
    is_over: AtomicBool,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || accept(&listener, server, &shared));
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::Relaxed)
    }

    /// Leaves connections that begin from now on alone.
    pub(crate) fn calm_down(&self) {
        self.state.is_calm.store(true, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // The listener waits for somebody.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The two streams of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    is_cut: AtomicBool,
}

impl Pair {
    fn end(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, state: &Arc<State>) {
    let mut random = Random::new();
    let mut connections = Vec::new();
    for client in listener.incoming() {
        if state.is_over.load(Ordering::Relaxed) {
            break;
        }
        let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else {
            continue;
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let pair = Arc::new(Pair {
            client,
            server,
            is_cut: AtomicBool::new(false),
        });
        let pumps = [true, false].map(|is_upward| {
            let is_calm = state.is_calm.load(Ordering::Relaxed);
            let budget = if is_calm { usize::MAX } else { random.budget() };
            let (pair, state) = (Arc::clone(&pair), Arc::clone(state));
            thread::spawn(move || {
                let Pair { client, server, .. } = &*pair;
                let (from, to) = if is_upward {
                    (client, server)
                } else {
                    (server, client)
                };
                if pump(from, to, budget) && !pair.is_cut.swap(true, Ordering::Relaxed) {
                    state.cuts.fetch_add(1, Ordering::Relaxed);
                }
                pair.end();
            })
        });
        // Closed when both have ended.
        connections.push((Arc::downgrade(&pair), pumps));
    }
    for (pair, pumps) in connections {
        if let Some(pair) = pair.upgrade() {
            pair.end();
        }
        for pump in pumps {
            let _ = pump.join();
        }
    }
}

/// Passes on `budget` bytes; true if there were as many.
fn pump(mut from: &TcpStream, mut to: &TcpStream, mut budget: usize) -> bool {
    let mut buf = [0; 4096];
    while budget > 0 {
        let len = budget.min(buf.len());
        let Ok(n @ 1..) = from.read(&mut buf[..len]) else {
            return false;
        };
        if to.write_all(&buf[..n]).is_err() {
            return false;
        }
        budget -= n;
    }
    true
}

/// Numbers without a pattern, the same for the same seed (Steele, Lea, Flood: `SplitMix64`).
struct Random(u64);

impl Random {
    #[expect(clippy::print_stderr, reason = "shown if the test fails")]
    fn new() -> Self {
        let seed = env::var("MQTT_TEST_SEED").map_or_else(
            |_| RandomState::new().hash_one(0),
            |seed| seed.parse().expect("MQTT_TEST_SEED"),
        );
        eprintln!("MQTT_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % end).unwrap()
    }

    /// From a part of the first packet to some hundred packets, every order of magnitude as often.
    fn budget(&mut self) -> usize {
        let magnitude = self.below(14);
        1 + self.below(16 << magnitude)
    }
}
