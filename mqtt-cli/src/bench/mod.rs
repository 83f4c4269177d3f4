//! `mqtt bench`: how many messages go through a broker, and how long they take.

mod report;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use mqtt_client::{Config, HeapStorage, Version};
use mqtt_core::Buffers;

use crate::args::{BenchArgs, Target};
use crate::connection::{self, Client, random_name};
use crate::demo;
use crate::failure::Failure;
use crate::signal::Interrupt;
use report::Report;
use worker::{Done, Publisher, Subscriber};

/// How often to show how it goes.
const STEP: Duration = Duration::from_millis(50);
/// How many messages may be on their way to a subscriber of 5.0.
const RECEIVE: u16 = 1000;

/// What the threads know of each other.
#[derive(Debug, Default)]
struct Progress {
    published: AtomicU64,
    /// By all subscribers together.
    received: AtomicU64,
    /// Every publisher is done.
    is_published: AtomicBool,
    /// A thread has given up, or a signal has come.
    is_over: AtomicBool,
}

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let broker = Place::new(args)?;
    let prefix = args.topic.clone();
    let prefix = prefix.unwrap_or_else(|| format!("mqtt-bench/{}", random_name()));
    let names = |count: u16| -> Vec<_> { (0..count).map(|_| random_name()).collect() };
    let (publisher_ids, subscriber_ids) = (names(args.publishers), names(args.subscribers));
    let size = args.size as usize;
    let topic_len = prefix.len() + 8;

    // Before 5.0 a server may have any number of messages in flight.
    let receive = if args.protocol_version == Version::V5 {
        RECEIVE
    } else {
        u16::MAX
    };
    let rx = 2 * (size + topic_len) + 64 * 1024;
    let mut memory: Vec<_> = subscriber_ids
        .iter()
        .map(|_| HeapStorage::new(rx, 16 * 1024, receive))
        .collect();
    let mut subscribers = Vec::new();
    for (id, memory) in subscriber_ids.iter().zip(&mut memory) {
        let mut client = open(args, &broker, id, memory)?;
        worker::subscribe(
            &mut client,
            &broker.target,
            &format!("{prefix}/+"),
            args.qos,
        )?;
        subscribers.push(client);
    }
    let tx = Buffers::MAX_CONTROL + 2 * (size + topic_len) + 64 * 1024;
    let mut memory: Vec<_> = publisher_ids
        .iter()
        .map(|_| HeapStorage::new(16 * 1024, tx, args.inflight))
        .collect();
    let mut publishers = Vec::new();
    for (id, memory) in publisher_ids.iter().zip(&mut memory) {
        publishers.push(open(args, &broker, id, memory)?);
    }

    // Until here a signal ends the command at once.
    let interrupt = Interrupt::watch()?;
    let report = measure(args, &broker, &prefix, publishers, subscribers, &interrupt)?;
    let asked = interrupt.asked();
    report.print(asked.is_err())?;
    asked
}

/// Runs each client on a thread of its own, until all are done.
fn measure<'a>(
    args: &'a BenchArgs,
    broker: &'a Place,
    prefix: &str,
    publishers: Vec<Client<'_>>,
    subscribers: Vec<Client<'_>>,
    interrupt: &Interrupt,
) -> Result<Report<'a>, Failure> {
    let progress = Progress::default();
    let started = Instant::now();
    let target = &broker.target;
    thread::scope(|scope| {
        let mut receiving = Vec::new();
        for client in subscribers {
            let subscriber = Subscriber {
                target,
                client,
                progress: &progress,
                started,
                qos: args.qos,
            };
            receiving.push(scope.spawn(move || subscriber.run()));
        }
        let mut publishing = Vec::new();
        for (number, client) in publishers.into_iter().enumerate() {
            let publisher = Publisher {
                args,
                target,
                topic: format!("{prefix}/{number}"),
                client,
                progress: &progress,
                started,
            };
            publishing.push(scope.spawn(move || publisher.run()));
        }
        let live = Live::new(args, started);
        let wait_for = |threads: &[ScopedJoinHandle<'_, _>]| {
            while !threads.iter().all(ScopedJoinHandle::is_finished) {
                live.show(&progress);
                if interrupt.asked().is_err() {
                    progress.is_over.store(true, Ordering::Relaxed);
                }
                thread::sleep(STEP);
            }
        };
        wait_for(&publishing);
        progress.is_published.store(true, Ordering::Relaxed);
        wait_for(&receiving);
        live.bar.finish_and_clear();

        let mut report = Report::new(args, &broker.name);
        for done in joined(publishing)? {
            report.add_published(&done);
        }
        for done in joined(receiving)? {
            report.add_received(&done);
        }
        Ok(report)
    })
}

/// What the threads have done, or the failure of the first of them.
fn joined(threads: Vec<ScopedJoinHandle<'_, Result<Done, Failure>>>) -> Result<Vec<Done>, Failure> {
    let join = |thread: ScopedJoinHandle<'_, _>| {
        let result = thread.join();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    };
    threads.into_iter().map(join).collect()
}

fn open<'b>(
    args: &'b BenchArgs,
    broker: &'b Place,
    id: &'b str,
    memory: &'b mut HeapStorage,
) -> Result<Client<'b>, Failure> {
    let config = Config {
        version: args.protocol_version,
        ..broker.target.endpoint.config(id)
    };
    let mut client = Client::new(config, memory.split());
    connection::open(&mut client, &broker.target, &config, None, None)?;
    Ok(client)
}

/// Where the broker is.
struct Place {
    target: Target,
    name: String,
    #[cfg(feature = "demo")]
    _embedded: Option<demo::broker::Broker>,
}

impl Place {
    fn new(args: &BenchArgs) -> Result<Self, Failure> {
        if args.broker.is_given() {
            let target = args.broker.target()?;
            return Ok(Self {
                name: target.to_string(),
                target,
                #[cfg(feature = "demo")]
                _embedded: None,
            });
        }
        #[cfg(feature = "demo")]
        {
            let scheme = args.broker.scheme();
            let broker = demo::start_broker(&[args.protocol_version])?;
            Ok(Self {
                target: Target::embedded(&broker, scheme)?,
                name: format!("an embedded broker ({scheme})"),
                _embedded: Some(broker),
            })
        }
        #[cfg(not(feature = "demo"))]
        Err(demo::no_broker())
    }
}

/// A line on standard error, if that is a terminal.
struct Live {
    bar: ProgressBar,
    started: Instant,
}

impl Live {
    fn new(args: &BenchArgs, started: Instant) -> Self {
        let bar = if args.quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self {
            bar: bar.with_style(style),
            started,
        }
    }

    fn show(&self, progress: &Progress) {
        let millis = self.started.elapsed().as_millis().max(1);
        let shown = |count: &AtomicU64| {
            let count = count.load(Ordering::Relaxed);
            let rate = u128::from(count) * 1000 / millis;
            let rate = HumanCount(u64::try_from(rate).unwrap_or(u64::MAX));
            format!("{} ({rate}/s)", HumanCount(count))
        };
        self.bar.set_message(format!(
            "published {}, received {}",
            shown(&progress.published),
            shown(&progress.received)
        ));
        self.bar.tick();
    }
}
