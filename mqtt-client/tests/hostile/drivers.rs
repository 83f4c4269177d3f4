//! Each driver with an application that takes what comes, and what that costs.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use mqtt_client::net::{self, Options};
use mqtt_client::uri::Endpoint;
use mqtt_client::{Config, Event, Filter, HeapStorage, QoS, Version};
use testkit::Certificates;
use tokio::time::{sleep, timeout};
use transport_tls::{Connector, Roots, Source};

use crate::HEAP;

/// What a client is to do.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) scheme: &'static str,
    pub(crate) version: Version,
    pub(crate) keep_alive: u16,
    pub(crate) topic_alias_maximum: u16,
    /// True if it subscribes to everything.
    pub(crate) subscribes: bool,
    /// How long it rests after each event.
    pub(crate) nap: Duration,
    /// How long it stays if nothing ends the connection.
    pub(crate) stay: Duration,
}

impl Job {
    pub(crate) const fn new(version: Version) -> Self {
        Self {
            scheme: "mqtt",
            version,
            keep_alive: 60,
            topic_alias_maximum: 0,
            subscribes: false,
            nap: Duration::ZERO,
            stay: Duration::from_secs(20),
        }
    }

    fn config(self) -> Config<'static> {
        Config {
            version: self.version,
            keep_alive: self.keep_alive,
            ping_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(2),
            topic_alias_maximum: self.topic_alias_maximum,
            ..Config::new("victim")
        }
    }
}

/// Those of servers; clients trust the authority.
pub(crate) static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(Certificates::new);

fn options() -> Options {
    let tls = transport_tls::Options {
        roots: Roots::Only(vec![Source::Der(CERTIFICATES.ca.certificate_der.clone())]),
        ..transport_tls::Options::default()
    };
    Options {
        tls: Some(Connector::new(&tls).unwrap()),
        ..Options::default()
    }
}

/// What a client says when it stays to the end.
pub(crate) const STAYED: &str = "still connected";

/// How it went.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The error, or [`STAYED`].
    pub(crate) said: String,
    /// What the server said at the end, if it did.
    pub(crate) farewell: Option<String>,
    /// How many messages the application got.
    pub(crate) messages: usize,
    pub(crate) time: Duration,
    /// The processor time of the client's thread, to a hundredth of a second.
    pub(crate) processor: Duration,
    /// How much more memory there was than before, at most.
    pub(crate) memory: usize,
}

pub(crate) type Run = fn(&Endpoint, Job, &mut Seen);

/// The names of the drivers, and how to run them.
pub(crate) const DRIVERS: [(&str, Run); 3] = [
    ("blocking", blocking),
    ("tokio", on_tokio),
    ("embedded", embedded),
];

/// Runs a driver, to a server at this port. What the test and the server allocate meanwhile counts.
pub(crate) fn run(run: Run, port: u16, job: Job) -> Seen {
    let endpoint = format!("{}://localhost:{port}", job.scheme)
        .parse()
        .unwrap();
    let mut seen = Seen {
        said: String::new(),
        farewell: None,
        messages: 0,
        time: Duration::ZERO,
        processor: Duration::ZERO,
        memory: 0,
    };
    let (before, highest_before) = (HEAP.allocated(), HEAP.max_allocated());
    let (is_over, highest) = (AtomicBool::new(false), AtomicUsize::new(before));
    thread::scope(|scope| {
        // The allocator knows the highest of all times only; tests in one process share that.
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                highest.fetch_max(HEAP.allocated(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let client = scope.spawn(|| {
            let (begin, processor) = (Instant::now(), processor_time());
            run(&endpoint, job, &mut seen);
            seen.time = begin.elapsed();
            seen.processor = processor_time().saturating_sub(processor);
        });
        let result = client.join();
        is_over.store(true, Ordering::Relaxed);
        result.unwrap();
    });
    let of_all_times = HEAP.max_allocated();
    if of_all_times > highest_before {
        highest.fetch_max(of_all_times, Ordering::Relaxed);
    }
    seen.memory = highest.into_inner() - before;
    seen
}

/// User and system time of this thread; only Linux says.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // What follows the thread's name, which may be anything.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(10 * ticks)
}

fn blocking(endpoint: &Endpoint, job: Job, seen: &mut Seen) {
    use mqtt_client::blocking::Client;

    let stream = match net::connect(endpoint, &options()) {
        Ok(stream) => stream,
        Err(error) => return seen.said = error.to_string(),
    };
    let end = Instant::now() + job.stay;
    let mut storage = HeapStorage::new(1024, 4096, 4);
    let mut client = Client::new(job.config(), storage.split());
    client.connect(stream).unwrap();
    while Instant::now() < end {
        match client.poll(Some(Duration::from_millis(50))) {
            Ok(Some((event, core))) => {
                if matches!(event, Event::Connected(_)) && job.subscribes {
                    core.subscribe(&[Filter::new("#", QoS::ExactlyOnce)])
                        .unwrap();
                }
                note(&event, seen);
                thread::sleep(job.nap);
            }
            Ok(None) => {}
            Err(error) => return seen.said = error.to_string(),
        }
    }
    seen.said = STAYED.to_owned();
}

fn note(event: &Event<'_>, seen: &mut Seen) {
    match event {
        Event::Publish(_) | Event::PublishStart { .. } => seen.messages += 1,
        Event::Disconnected(disconnect) => {
            seen.farewell = Some(format!("{:?} {:?}", disconnect.code, disconnect.properties));
        }
        _ => {}
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn on_tokio(endpoint: &Endpoint, job: Job, seen: &mut Seen) {
    use mqtt_client::tokio::{Client, Options, Server, Status};

    runtime().block_on(async {
        let server = Server::at(endpoint.clone(), options());
        let options = Options {
            receive_maximum: 4,
            ..Options::default()
        };
        let client = Client::new(&job.config(), [server], options).unwrap();
        let mut status = client.status();
        let connected = timeout(job.stay, client.connect()).await;
        if let Err(error) = connected.expect("an answer in time") {
            return seen.said = error.to_string();
        }
        let messages = &mut seen.messages;
        let application = async {
            if job.subscribes {
                let subscription = client.subscribe("#", QoS::ExactlyOnce).await;
                // A server that breaks the protocol may answer what it likes.
                if let Ok(mut subscription) = subscription {
                    while let Some(message) = subscription.recv().await {
                        *messages += usize::from(message.is_ok());
                        sleep(job.nap).await;
                    }
                }
            }
            std::future::pending::<()>().await;
        };
        let end = async {
            loop {
                match &*status.borrow_and_update() {
                    Status::Waiting { error, .. } | Status::Idle { error: Some(error) } => {
                        return error.to_string();
                    }
                    _ => {}
                }
                status.changed().await.unwrap();
            }
        };
        seen.said = tokio::select! {
            said = timeout(job.stay, end) => said.unwrap_or_else(|_| STAYED.to_owned()),
            () = application => String::new(),
        };
    });
}

fn embedded(endpoint: &Endpoint, job: Job, seen: &mut Seen) {
    use mqtt_client::embedded::{Client, Timer};
    use mqtt_client::mqtt_core::Instant;
    use transport_tcp::tokio::TcpStream;

    struct TokioTimer(tokio::time::Instant);

    impl Timer for TokioTimer {
        fn now(&self) -> Instant {
            Instant::default() + self.0.elapsed()
        }

        async fn wait_until(&mut self, at: Instant) {
            sleep(at.saturating_since(self.now())).await;
        }
    }

    async fn exchange<R, W>(reader: R, writer: W, job: Job, seen: &mut Seen)
    where
        R: embedded_io_async::Read,
        W: embedded_io_async::Write<Error = R::Error>,
        R::Error: std::fmt::Display,
    {
        let mut storage = HeapStorage::new(1024, 4096, 4);
        let timer = TokioTimer(tokio::time::Instant::now());
        let mut client = Client::new(job.config(), storage.split(), timer);
        let mut connection = client.connect(reader, writer).unwrap();
        let all = async {
            loop {
                match connection.poll().await {
                    Ok(Some((event, core))) => {
                        if matches!(event, Event::Connected(_)) && job.subscribes {
                            core.subscribe(&[Filter::new("#", QoS::ExactlyOnce)])
                                .unwrap();
                        }
                        note(&event, seen);
                        if !job.nap.is_zero() {
                            sleep(job.nap).await;
                        }
                    }
                    Ok(None) => {}
                    Err(error) => return error.to_string(),
                }
            }
        };
        let said = timeout(job.stay, all).await;
        seen.said = said.unwrap_or_else(|_| STAYED.to_owned());
    }

    runtime().block_on(async {
        let options = transport_tcp::Options::default();
        let tcp = TcpStream::connect(&endpoint.host, endpoint.port, &options).await;
        let mut tcp = tcp.unwrap();
        let (reader, writer) = tcp.split();
        if job.scheme == "mqtt" {
            return exchange(reader, writer, job, seen).await;
        }
        if job.scheme == "mqtts" {
            let authorities = [&*CERTIFICATES.ca.certificate_der];
            let config = transport_tls::embedded::Config::new("localhost", &authorities);
            let (mut rx, mut tx) = (vec![0; 16_640], vec![0; 4096]);
            let mut link = transport_tls::embedded::Link::new(reader, writer, &mut rx, &mut tx);
            let mut stream = match link.connect(&config, rand_core::OsRng).await {
                Ok(stream) => stream,
                Err(error) => return seen.said = error.to_string(),
            };
            let (reader, writer) = stream.split();
            return exchange(reader, writer, job, seen).await;
        }
        let request = transport_ws::Request {
            authority: &endpoint.host,
            path: &endpoint.path,
            credentials: None,
            headers: &[],
        };
        let (mut rx, mut tx) = ([0; 512], [0; 2048]);
        let random = |bytes: &mut [u8]| bytes.fill(0xA5);
        let handshake = transport_ws::embedded::WsStream::connect(
            reader, writer, &request, &mut rx, &mut tx, random,
        );
        match handshake.await {
            Ok(mut stream) => {
                let (reader, writer) = stream.split();
                exchange(reader, writer, job, seen).await;
            }
            Err(error) => seen.said = error.to_string(),
        }
    });
}
