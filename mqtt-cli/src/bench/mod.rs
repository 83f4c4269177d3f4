//! `mqtt bench`: how many messages go through a broker, and how long they take.

mod report;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use mqtt_client::{Config, HeapStorage, Version};
use mqtt_core::Buffers;

use crate::args::{BenchArgs, Target};
use crate::connection::{self, Client, random_name};
#[cfg(feature = "demo")]
use crate::demo::broker::Broker;
use crate::failure::Failure;
use crate::signal::Interrupt;
use report::Report;
use worker::{Publisher, Subscriber};

/// How often to show how it goes.
const STEP: Duration = Duration::from_millis(100);
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
    let progress = Progress::default();
    let started = Instant::now();
    let mut report = Report::new(args, &broker.name);
    let result = thread::scope(|scope| {
        let subscribers: Vec<_> = subscribers
            .into_iter()
            .map(|client| {
                let subscriber = Subscriber {
                    target: &broker.target,
                    client,
                    progress: &progress,
                    started,
                    qos: args.qos,
                };
                scope.spawn(move || subscriber.run())
            })
            .collect();
        let publishers: Vec<_> = publishers
            .into_iter()
            .enumerate()
            .map(|(number, client)| {
                let publisher = Publisher {
                    args,
                    target: &broker.target,
                    topic: format!("{prefix}/{number}"),
                    client,
                    progress: &progress,
                    started,
                };
                scope.spawn(move || publisher.run())
            })
            .collect();
        let live = Live::new(args, started);
        while !publishers.iter().all(thread::ScopedJoinHandle::is_finished) {
            live.show(&progress);
            if interrupt.asked().is_err() {
                progress.is_over.store(true, Ordering::Relaxed);
            }
            thread::sleep(STEP);
        }
        progress.is_published.store(true, Ordering::Relaxed);
        while !subscribers
            .iter()
            .all(thread::ScopedJoinHandle::is_finished)
        {
            live.show(&progress);
            if interrupt.asked().is_err() {
                progress.is_over.store(true, Ordering::Relaxed);
            }
            thread::sleep(STEP / 10);
        }
        live.bar.finish_and_clear();
        let mut result = Ok(());
        for publisher in publishers {
            match publisher.join() {
                Ok(Ok(done)) => report.add_published(&done),
                Ok(Err(failure)) => result = result.and(Err(failure)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        for subscriber in subscribers {
            match subscriber.join() {
                Ok(Ok(done)) => report.add_received(&done),
                Ok(Err(failure)) => result = result.and(Err(failure)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        result
    });
    result?;
    let asked = interrupt.asked();
    report.print(asked.is_err())?;
    asked
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
    _embedded: Option<Broker>,
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
            if args.protocol_version == Version::V31 {
                return Err(Failure::usage(
                    "the embedded broker does not speak MQTT 3.1: name another broker with --host",
                ));
            }
            let scheme = args.broker.scheme();
            let broker = Broker::start()
                .map_err(|error| Failure::new(format!("Could not start the broker: {error}.")))?;
            Ok(Self {
                target: Target::embedded(&broker, scheme)?,
                name: format!("an embedded broker ({scheme})"),
                _embedded: Some(broker),
            })
        }
        #[cfg(not(feature = "demo"))]
        Err(Failure::usage(
            "this build has no embedded broker: name one with --host or --url",
        ))
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
