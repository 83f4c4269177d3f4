//! A run from its begin to its end.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mqtt_client::net;
use testkit::machine::TempDir;
use testkit::{Faults, Proxy, Random};
use tokio::runtime::{Builder, Runtime};
use transport_tls::{Connector, Roots, Source};

use crate::HEAP;
use crate::args::Args;
use crate::broker::Running;
use crate::client::{self, Context, Control};
use crate::lane::{Broker, Choice, Driver, Lane, Transport};
use crate::ledger::{Ledger, Shared, lock};
use crate::line::{self, Planned};
use crate::report::{Report, progress, write_log};
use crate::resources::{self, Snapshot};

/// How long what is on its way may take when there are no more faults.
const LAST: Duration = Duration::from_secs(60);
/// How long a client may take to end when it has to.
const END: Duration = Duration::from_secs(20);
/// How long the memory is left alone between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The longest time without a connection that is told apart from longer ones, in milliseconds.
const HOUR: u64 = 3_600_000;
/// So many looks at memory are kept.
const LOOKS: usize = 4096;
/// How long it is between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// What there is while clients come and go.
struct World {
    lanes: Vec<Lane>,
    brokers: Vec<(Broker, Running)>,
    /// The line of each client.
    proxies: Vec<Proxy>,
    runtime: Runtime,
    dir: TempDir,
    planned: Arc<Planned>,
    random: Random,
}

/// What clients have done until they ended.
pub(crate) struct Outcome {
    pub(crate) ledgers: Vec<Shared>,
    /// Milliseconds from the end of a connection to the next.
    pub(crate) recoveries: Histogram<u64>,
    pub(crate) restarts: BTreeMap<String, u64>,
    /// What was allocated, from time to time.
    pub(crate) heap: Vec<usize>,
    /// How often memory was looked at, and every how many times it was taken down.
    looks: usize,
    every: usize,
    pub(crate) time: Duration,
}

/// Runs; false if something was wrong, which is then reported.
pub(crate) fn run(args: &Args) -> io::Result<bool> {
    let seed = match args.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(io::Error::other)? >> 32,
    };
    let mut world = World::new(args, seed)?;
    progress(&format!("seed {seed}, {} clients", world.lanes.len()));
    let warm = world.clients(args, args.warm_up, "warm-up")?;
    let before = Snapshot::take(HEAP.allocated());
    drop(warm);
    let before = Snapshot {
        heap: HEAP.allocated(),
        ..before
    };
    let outcome = world.clients(args, args.time, "soak")?;

    let mut problems = Vec::new();
    let alive = world.runtime.metrics().num_alive_tasks();
    if alive > 0 {
        problems.push(format!("{alive} tasks are left"));
    }
    problems.extend(resources::growth(&outcome.heap));
    // What the ledgers hold is ours.
    let (report, ledgers) = Report::of(&world.lanes, outcome, &world.planned, &world.proxies);
    report.write_logs(&args.logs, &ledgers)?;
    drop(ledgers);
    let (after, left) = before.compare(|| HEAP.allocated());
    problems.extend(left);
    let is_good = report.print(args, seed, &before, &after, &problems);
    if !is_good {
        for (broker, running) in &world.brokers {
            if let Some(log) = running.log() {
                write_log(&args.logs, *broker, &log)?;
            }
        }
        progress(&format!("the logs are in {}", args.logs.display()));
    }
    Ok(is_good)
}

impl World {
    fn new(args: &Args, seed: u64) -> io::Result<Self> {
        let choice = Choice {
            drivers: &args.driver,
            transports: &args.transport,
            brokers: &args.broker,
            protocols: &args.version,
        };
        let mut lanes = Lane::choose(args.clients, &choice);
        let mut brokers = Vec::new();
        for broker in [Broker::Mosquitto, Broker::Mqtt5] {
            if lanes.iter().any(|lane| lane.broker == broker) {
                match Running::start(broker) {
                    Some(running) => brokers.push((broker, running)),
                    None => lanes.retain(|lane| lane.broker != broker),
                }
            }
        }
        if lanes.is_empty() {
            return Err(io::Error::other("there is nothing to run"));
        }
        let mut world = Self {
            proxies: Vec::new(),
            lanes,
            brokers,
            runtime: Builder::new_multi_thread()
                .worker_threads(2)
                .thread_keep_alive(Duration::from_millis(500))
                .enable_all()
                .build()?,
            dir: TempDir::new(),
            planned: Arc::default(),
            random: Random::new(seed),
        };
        world.proxies = world
            .lanes
            .iter()
            .map(|lane| Proxy::start(world.broker(lane.broker).address(lane.transport)))
            .collect();
        Ok(world)
    }

    fn broker(&self, broker: Broker) -> &Running {
        let found = self.brokers.iter().find(|(other, _)| *other == broker);
        &found.expect("it was started").1
    }

    /// Has the clients run for a while, and waits until everything has arrived.
    fn clients(&mut self, args: &Args, time: Duration, name: &str) -> io::Result<Outcome> {
        let begin = Instant::now();
        let control = Arc::new(Control::default());
        let mut ledgers = Vec::new();
        let mut clients = Vec::new();
        for n in 0..self.lanes.len() {
            let context = self.context(n, name, args, &control);
            ledgers.push(Arc::clone(&context.ledger));
            self.proxies[n].plan(line::plan(self.random.split(), &self.planned));
            clients.push(self.spawn(n, context)?);
        }
        let mut outcome = Outcome {
            ledgers,
            recoveries: Histogram::new_with_bounds(1, HOUR, 2).map_err(io::Error::other)?,
            restarts: BTreeMap::new(),
            heap: Vec::with_capacity(LOOKS),
            looks: 0,
            every: 1,
            time: Duration::ZERO,
        };
        self.disturb(args, begin, time, &mut outcome);
        for proxy in &self.proxies {
            proxy.set(Faults::default());
        }
        control.finish();
        self.join(clients, &control, &mut outcome);
        outcome.look();
        outcome.time = begin.elapsed();
        Ok(outcome)
    }

    fn context(&mut self, n: usize, name: &str, args: &Args, control: &Arc<Control>) -> Context {
        let lane = self.lanes[n];
        let scheme = match lane.transport {
            Transport::Tcp => "mqtt",
            Transport::Tls => "mqtts",
            Transport::Ws => "ws",
        };
        let uri = format!("{scheme}://localhost:{}", self.proxies[n].address().port());
        let authority = self.broker(lane.broker).authority().to_vec();
        let tls = transport_tls::Options {
            roots: Roots::Only(vec![Source::Der(authority.clone())]),
            ..transport_tls::Options::default()
        };
        Context {
            lane,
            id: format!("{name}-{n}"),
            endpoint: uri.parse().expect("a URI"),
            options: net::Options {
                tls: Some(Connector::new(&tls).expect("a certificate")),
                timeout: client::TIMEOUT,
                ..net::Options::default()
            },
            authority,
            ledger: Arc::new(
                Ledger::new(lane.broker == Broker::Mqtt5, lane.driver == Driver::Tokio).into(),
            ),
            control: Arc::clone(control),
            random: self.random.split(),
            rate: args.rate,
            journal: self.dir.path().join(format!("{name}-{n}.journal")),
        }
    }

    /// Starts a client.
    fn spawn(&self, n: usize, context: Context) -> io::Result<Client> {
        let run: fn(&Context) = match self.lanes[n].driver {
            Driver::Blocking | Driver::Journal => client::blocking,
            Driver::Embedded => client::embedded,
            Driver::Tokio => return Ok(Client::Task(self.runtime.spawn(client::tokio(context)))),
        };
        let thread = thread::Builder::new().name(format!("client {n}"));
        Ok(Client::Thread(thread.spawn(move || run(&context))?))
    }

    /// Restarts brokers, and looks at memory, until the time is up or something is wrong.
    fn disturb(&mut self, args: &Args, begin: Instant, time: Duration, outcome: &mut Outcome) {
        let next = |random: &mut Random| {
            let average = u64::try_from(args.restart_every.as_millis()).unwrap_or(u64::MAX);
            Instant::now() + Duration::from_millis(average / 2 + random.below(average.max(1)))
        };
        let mut restart = next(&mut self.random);
        let mut line = begin + PROGRESS;
        while begin.elapsed() < time && outcome.problems() == 0 {
            thread::sleep(LOOK.min(time.saturating_sub(begin.elapsed())));
            outcome.look();
            if Instant::now() > restart {
                let what = self.disturb_one();
                *outcome.restarts.entry(what).or_default() += 1;
                restart = next(&mut self.random);
            }
            if Instant::now() > line {
                progress(&outcome.line(begin.elapsed()));
                line += PROGRESS;
            }
        }
    }

    /// Restarts a broker, or has it stand still, and says so.
    fn disturb_one(&mut self) -> String {
        let count = self.brokers.len() as u64;
        let n = usize::try_from(self.random.below(count)).unwrap_or(0);
        let pause = Duration::from_millis(50 + self.random.below(1500));
        let is_frozen = self.random.below(3) == 0 && self.brokers[n].1.freeze(pause);
        let (broker, running) = &mut self.brokers[n];
        let broker = *broker;
        if is_frozen {
            return format!("{broker:?} stands still").to_lowercase();
        }
        running.restart(pause);
        for (lane, proxy) in self.lanes.iter().zip(&self.proxies) {
            if lane.broker == broker {
                proxy.redirect(self.broker(broker).address(lane.transport));
            }
        }
        format!("{broker:?} restarts").to_lowercase()
    }

    /// Waits until the clients have ended.
    fn join(&self, clients: Vec<Client>, control: &Control, outcome: &mut Outcome) {
        let deadline = Instant::now() + LAST;
        while !clients.iter().all(Client::is_finished) && Instant::now() < deadline {
            thread::sleep(LOOK);
            outcome.look();
            if outcome.problems() > 0 {
                break;
            }
        }
        let ledgers = outcome.ledgers.iter();
        for (client, ledger) in clients.iter().zip(ledgers.clone()) {
            let mut ledger = lock(ledger);
            if !client.is_finished() && Instant::now() >= deadline {
                let what = ledger.describe();
                ledger.problem(format!("not everything arrived: {what}"));
            }
        }
        control.abort();
        let deadline = Instant::now() + END;
        while !clients.iter().all(Client::is_finished) && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        for (client, ledger) in clients.into_iter().zip(ledgers) {
            if !client.is_finished() {
                lock(ledger).problem("the client does not end");
            } else if !client.has_succeeded(&self.runtime) {
                lock(ledger).problem("the client has panicked");
            }
            lock(ledger).balance();
        }
    }
}

/// A client at work.
enum Client {
    Thread(JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
}

impl Client {
    fn is_finished(&self) -> bool {
        match self {
            Self::Thread(thread) => thread.is_finished(),
            Self::Task(task) => task.is_finished(),
        }
    }

    /// False if one that is finished has panicked.
    fn has_succeeded(self, runtime: &Runtime) -> bool {
        match self {
            Self::Thread(thread) => thread.join().is_ok(),
            Self::Task(task) => runtime.block_on(task).is_ok(),
        }
    }
}

impl Outcome {
    /// Takes down how much memory there is, and how long clients were without a connection.
    fn look(&mut self) {
        self.looks += 1;
        if self.looks.is_multiple_of(self.every) {
            self.heap.push(HEAP.allocated());
        }
        if self.heap.len() == LOOKS {
            // As many as can be, but not more and more.
            let mut n = 0;
            self.heap.retain(|_| {
                n += 1;
                n % 2 == 0
            });
            self.every *= 2;
        }
        for ledger in &self.ledgers {
            for recovery in lock(ledger).recoveries() {
                let millis = u64::try_from(recovery.as_millis()).unwrap_or(u64::MAX);
                self.recoveries.saturating_record(millis);
            }
        }
    }

    fn problems(&self) -> usize {
        self.ledgers
            .iter()
            .map(|ledger| lock(ledger).problems().len())
            .sum()
    }

    /// How far it is.
    fn line(&self, time: Duration) -> String {
        let mut messages = 0;
        let mut connections = 0;
        for ledger in &self.ledgers {
            let sums = lock(ledger).sums;
            messages += sums.arrived.iter().sum::<u64>();
            connections += sums.connections;
        }
        let restarts: u64 = self.restarts.values().sum();
        let heap = self.heap.last().unwrap_or(&0) / 1024;
        let seconds = time.as_secs();
        format!(
            "{seconds:5} s  {messages} messages, {connections} connections, {restarts} restarts, {heap} KiB"
        )
    }
}
