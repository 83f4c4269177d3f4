//! One version at one QoS: a subscriber, a publisher, and what arrives.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mqtt_client::{Config, Event, Filter, HeapStorage, Message, QoS, Version};
use mqtt_core::Error;

use super::tally::{Tally, payload};
use crate::args::Target;
use crate::connection::{self, Client, random_name};
use crate::failure::{self, Failure};

/// Follows the last message. A topic keeps its order, so what comes after this came twice.
const END: &[u8] = b"end";
/// How far the publisher may be ahead of the subscriber above QoS 0. Brokers that hold messages
/// for a slow subscriber begin to drop them at some number.
const AHEAD: u64 = 500;
/// How long to wait for a QoS 0 message that may be lost.
const GRACE: Duration = Duration::from_secs(1);
/// How long to wait before looking at what the other thread does.
const STEP: Duration = Duration::from_millis(50);
/// How many messages may be in flight. Before 5.0 a broker cannot say how many it takes, and
/// mosquitto silently drops QoS 2 messages beyond twenty.
const IN_FLIGHT: u16 = 20;

pub(super) struct Cell<'a> {
    pub(super) target: &'a Target,
    pub(super) version: Version,
    pub(super) qos: QoS,
    pub(super) count: u32,
    pub(super) size: usize,
    /// How long all of it may take.
    pub(super) timeout: Duration,
}

/// Why there is nothing to tally.
pub(super) enum Problem {
    /// The broker refuses this version.
    Version(String),
    /// There is no connection, and there would be none in any version.
    Connection(Failure),
    Other(String),
}

impl Problem {
    fn opening(failure: Failure) -> Self {
        if failure.is_version {
            Self::Version(failure.sentence)
        } else if failure.sentence.is_empty() {
            Self::Other("no answer in time".to_owned())
        } else {
            Self::Connection(failure)
        }
    }
}

/// What the two threads know of each other.
#[derive(Default)]
struct Progress {
    /// How many different messages have arrived.
    received: AtomicU64,
    /// The publisher is done.
    is_sent: AtomicBool,
    /// One of the two has given up.
    is_over: AtomicBool,
}

impl Cell<'_> {
    pub(super) fn run(&self) -> Result<Tally, Problem> {
        let deadline = Instant::now() + self.timeout;
        let (id, topic) = (random_name(), random_name());
        let topic = format!("{topic}/{}/{}", self.version, self.qos as u8);
        let subscriber_config = self.config(&id);
        let id = random_name();
        let publisher_config = self.config(&id);

        let memory = self.size * 2 + 256 * 1024;
        // Before 5.0 a server may have any number of messages in flight.
        let mut storage = HeapStorage::new(memory, 64 * 1024, u16::MAX);
        let mut subscriber = Client::new(subscriber_config, storage.split());
        let open = |client: &mut Client<'_>, config| {
            connection::open(client, self.target, config, None, Some(deadline))
                .map_err(Problem::opening)
        };
        open(&mut subscriber, &subscriber_config)?;
        self.subscribe(&mut subscriber, &topic, deadline)?;

        let mut storage = HeapStorage::new(64 * 1024, memory, IN_FLIGHT);
        let mut publisher = Client::new(publisher_config, storage.split());
        open(&mut publisher, &publisher_config)?;

        let progress = Progress::default();
        let started = Instant::now();
        let (sent, mut tally) = thread::scope(|scope| {
            let receiving =
                scope.spawn(|| self.receive(&mut subscriber, &progress, started, deadline));
            let sent = self.send(&mut publisher, &topic, &progress, deadline);
            if sent.1.is_some() {
                progress.is_over.store(true, Ordering::Relaxed);
            }
            progress.is_sent.store(true, Ordering::Relaxed);
            match receiving.join() {
                Ok(tally) => (sent, tally),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        // The publisher's trouble may be the cause of the subscriber's.
        tally.unfinished = sent.1.or(tally.unfinished);
        tally.sent = sent.0;
        Ok(tally)
    }

    fn config<'b>(&'b self, id: &'b str) -> Config<'b> {
        Config {
            version: self.version,
            ..self.target.endpoint.config(id)
        }
    }

    fn subscribe(
        &self,
        client: &mut Client<'_>,
        topic: &str,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let request = client.core().subscribe(&[Filter::new(topic, self.qos)]);
        request.map_err(|error| Problem::Other(error.to_string()))?;
        loop {
            let left = connection::left(Some(deadline));
            let event = client.poll(left);
            match event.map_err(|error| Problem::Other(error.to_string()))? {
                Some((Event::Subscribed(suback), _)) => {
                    return match suback.codes.iter().next() {
                        Some(code) if code.is_error() => Err(Problem::Other(format!(
                            "the subscription was refused: {}",
                            failure::said(code, &suback.properties)
                        ))),
                        Some(code) if code as u8 != self.qos as u8 => {
                            Err(Problem::Other(format!("the broker offers {code}")))
                        }
                        _ => Ok(()),
                    };
                }
                _ if connection::is_over(Some(deadline)) => {
                    return Err(Problem::Other("no answer to SUBSCRIBE in time".to_owned()));
                }
                _ => {}
            }
        }
    }

    /// Publishes everything. Returns how many messages were handed over, and what went wrong.
    fn send(
        &self,
        client: &mut Client<'_>,
        topic: &str,
        progress: &Progress,
        deadline: Instant,
    ) -> (u32, Option<String>) {
        let mut sent = 0;
        let problem = self
            .try_send(client, topic, progress, deadline, &mut sent)
            .err();
        (sent, problem)
    }

    fn try_send(
        &self,
        client: &mut Client<'_>,
        topic: &str,
        progress: &Progress,
        deadline: Instant,
        sent: &mut u32,
    ) -> Result<(), String> {
        for number in 0..self.count {
            let payload = payload(number, self.size);
            let is_ahead = || {
                let received = progress.received.load(Ordering::Relaxed);
                self.qos > QoS::AtMostOnce && u64::from(number) >= received + AHEAD
            };
            while is_ahead() {
                self.poll(client, progress, deadline, Duration::from_millis(1))?;
            }
            self.publish(client, topic, &payload, progress, deadline)?;
            *sent += 1;
        }
        self.publish(client, topic, END, progress, deadline)?;
        loop {
            let flushed = client
                .flush(Duration::ZERO)
                .map_err(|error| error.to_string())?;
            if flushed && client.core().in_flight() == 0 {
                break;
            }
            self.poll(client, progress, deadline, Duration::from_millis(1))?;
        }
        let left = connection::left(Some(deadline)).unwrap_or_default();
        client.disconnect(left).map_err(|error| error.to_string())
    }

    fn publish(
        &self,
        client: &mut Client<'_>,
        topic: &str,
        payload: &[u8],
        progress: &Progress,
        deadline: Instant,
    ) -> Result<(), String> {
        let message = Message::new(topic, payload).qos(self.qos);
        loop {
            match client.core().publish(&message) {
                Ok(_) => return Ok(()),
                Err(Error::Full(_)) => self.poll(client, progress, deadline, STEP)?,
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Sends and receives.
    fn poll(
        &self,
        client: &mut Client<'_>,
        progress: &Progress,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<(), String> {
        if connection::is_over(Some(deadline)) {
            let waiting = client.core().in_flight();
            return Err(format!(
                "not done after {} s, with {waiting} not acknowledged",
                self.timeout.as_secs()
            ));
        }
        if progress.is_over.load(Ordering::Relaxed) {
            return Err("the subscriber has ended".to_owned());
        }
        match client
            .poll(Some(timeout))
            .map_err(|error| error.to_string())?
        {
            Some((Event::Published(ack), _)) if ack.code.is_error() => Err(format!(
                "a message was refused: {}",
                failure::said(ack.code, &ack.properties)
            )),
            Some((Event::Disconnected(packet), _)) => Err(format!(
                "the broker hung up: {}",
                failure::said(packet.code, &packet.properties)
            )),
            _ => Ok(()),
        }
    }

    /// Receives until nothing more is to come.
    fn receive(
        &self,
        client: &mut Client<'_>,
        progress: &Progress,
        started: Instant,
        deadline: Instant,
    ) -> Tally {
        let mut tally = Tally::new(self.count, self.size);
        let problem = self
            .try_receive(client, progress, started, deadline, &mut tally)
            .err();
        if problem.is_some() {
            progress.is_over.store(true, Ordering::Relaxed);
        }
        tally.unfinished = problem;
        tally
    }

    fn try_receive(
        &self,
        client: &mut Client<'_>,
        progress: &Progress,
        started: Instant,
        deadline: Instant,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let mut last = None;
        loop {
            match client.poll(Some(STEP)).map_err(|error| error.to_string())? {
                Some((Event::Publish(publish), _)) if publish.payload == END => break,
                Some((Event::Publish(publish), _)) => {
                    tally.add(publish.payload);
                    last = Some(Instant::now());
                    tally.time = started.elapsed();
                    progress.received.store(tally.distinct(), Ordering::Relaxed);
                }
                Some((Event::Disconnected(packet), _)) => {
                    let reason = failure::said(packet.code, &packet.properties);
                    return Err(format!("the broker hung up: {reason}"));
                }
                _ => {}
            }
            if progress.is_over.load(Ordering::Relaxed) {
                break;
            }
            if self.qos == QoS::AtMostOnce && progress.is_sent.load(Ordering::Relaxed) {
                let since = *last.get_or_insert_with(Instant::now);
                if since.elapsed() >= GRACE {
                    break;
                }
            }
            if connection::is_over(Some(deadline)) {
                return Err(format!("not done after {} s", self.timeout.as_secs()));
            }
        }
        // The acknowledgement of the last message leaves with the next call.
        client
            .poll(Some(Duration::ZERO))
            .map_err(|error| error.to_string())?;
        let left = connection::left(Some(deadline)).unwrap_or_default();
        client.disconnect(left).map_err(|error| error.to_string())
    }
}
