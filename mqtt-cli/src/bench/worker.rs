//! The clients of `mqtt bench`, each on a thread of its own.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mqtt_client::{Event, Filter, Message, QoS};
use mqtt_core::wire::{Disconnect, PacketId};
use mqtt_core::{Error, Resource};

use super::Progress;
use crate::args::{BenchArgs, Target};
use crate::connection::{self, Client};
use crate::failure::{self, Failure};

/// How long to wait before looking at what the other threads do.
const STEP: Duration = Duration::from_millis(50);
/// So many bytes leave together.
const BATCH: usize = 16 * 1024;
/// Waiting for the network is not more exact than this.
const COARSE: Duration = Duration::from_millis(5);
/// Waiting for nothing else is.
const FINE: Duration = Duration::from_micros(200);
/// How long to wait for a message after everything was published.
const GRACE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How long the broker has for the last acknowledgements.
const LAST: Duration = Duration::from_secs(10);
/// The moment of a message, at the beginning of its payload.
const STAMP: usize = 8;

/// Times in nanoseconds, to about one per cent.
pub(super) type Times = Histogram<u64>;

pub(super) fn times() -> Times {
    Histogram::new(2).expect("two digits are possible")
}

fn record(times: &mut Times, since: Instant, now: Instant) {
    let time = now.saturating_duration_since(since).as_nanos();
    // It grows as it must.
    let _ = times.record(u64::try_from(time).unwrap_or(u64::MAX).max(1));
}

/// What one client has done.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) messages: u64,
    /// Since everything began.
    pub(super) time: Duration,
    pub(super) times: Times,
    /// Messages that the broker has turned down.
    pub(super) refused: u64,
}

pub(super) struct Publisher<'a, 'b> {
    pub(super) args: &'a BenchArgs,
    pub(super) target: &'a Target,
    pub(super) topic: String,
    pub(super) client: Client<'b>,
    pub(super) progress: &'a Progress,
    pub(super) started: Instant,
}

/// What has not been acknowledged, and since when.
#[derive(Default)]
struct Pending {
    since: HashMap<PacketId, Instant>,
    refused: u64,
}

impl Publisher<'_, '_> {
    pub(super) fn run(mut self) -> Result<Done, Failure> {
        let mut times = times();
        let mut pending = Pending::default();
        let result = self.publish_all(&mut times, &mut pending);
        if result.is_err() {
            self.progress.is_over.store(true, Ordering::Relaxed);
        }
        let messages = result?;
        let time = self.started.elapsed();
        connection::close(&mut self.client, self.target)?;
        Ok(Done {
            messages,
            time,
            times,
            refused: pending.refused,
        })
    }

    fn publish_all(&mut self, times: &mut Times, pending: &mut Pending) -> Result<u64, Failure> {
        let count = self.args.count.unwrap_or(u64::MAX);
        let end = self.args.duration().map(|duration| self.started + duration);
        let mut payload = vec![b'.'; self.args.size as usize];
        let mut sent = 0;
        while sent < count && !self.is_over() && !connection::is_over(end) {
            let now = Instant::now();
            // A message that is late because others took long has waited, too.
            let due = match self.args.rate {
                Some(rate) => self.started + seconds(sent, rate),
                None => now,
            };
            if due > now {
                self.wait(due - now, times, pending)?;
                continue;
            }
            let stamp = due.saturating_duration_since(self.started).as_nanos();
            let stamp = u64::try_from(stamp).unwrap_or(u64::MAX);
            payload[..STAMP].copy_from_slice(&stamp.to_le_bytes());
            let message = Message::new(&self.topic, &payload).qos(self.args.qos);
            match self.client.core().publish(&message) {
                Ok(id) => {
                    pending.since.extend(id.map(|id| (id, due)));
                    sent += 1;
                    self.progress.published.fetch_add(1, Ordering::Relaxed);
                    if self.client.core().transmit().len() >= BATCH {
                        self.flush()?;
                        self.poll(Duration::ZERO, times, pending)?;
                    }
                }
                // Only an acknowledgement makes room.
                Err(Error::Full(Resource::Window)) => self.poll(STEP, times, pending)?,
                Err(Error::Full(_)) => {
                    self.flush()?;
                    let is_sent = self.client.core().transmit().is_empty();
                    let patience = if is_sent && self.args.qos > QoS::AtMostOnce {
                        STEP
                    } else {
                        Duration::ZERO
                    };
                    self.poll(patience, times, pending)?;
                }
                Err(Error::Usage(error)) => return Err(Failure::request(error)),
                Err(error) => return Err(Failure::client(self.target, &error.into(), false)),
            }
        }
        let deadline = Instant::now() + LAST;
        while !(pending.since.is_empty() && self.flush()?) {
            self.poll(STEP, times, pending)?;
            if connection::is_over(Some(deadline)) {
                return Err(Failure::new(format!(
                    "The broker at {} has not acknowledged everything after {} s.",
                    self.target,
                    LAST.as_secs()
                )));
            }
        }
        Ok(sent)
    }

    fn is_over(&self) -> bool {
        self.progress.is_over.load(Ordering::Relaxed)
    }

    fn wait(
        &mut self,
        time: Duration,
        times: &mut Times,
        pending: &mut Pending,
    ) -> Result<(), Failure> {
        if time > 2 * COARSE {
            return self.poll(STEP.min(time - COARSE), times, pending);
        }
        self.poll(Duration::ZERO, times, pending)?;
        thread::sleep(FINE.min(time));
        Ok(())
    }

    /// Sends all there is, and returns true if that took not too long.
    fn flush(&mut self) -> Result<bool, Failure> {
        let flushed = self.client.flush(STEP);
        flushed.map_err(|error| Failure::client(self.target, &error, false))
    }

    /// Looks at everything that has come, for which it waits if there is nothing.
    fn poll(
        &mut self,
        patience: Duration,
        times: &mut Times,
        pending: &mut Pending,
    ) -> Result<(), Failure> {
        let mut patience = patience;
        loop {
            let event = self.client.poll(Some(patience));
            match event.map_err(|error| Failure::client(self.target, &error, false))? {
                Some((Event::Published(ack), _)) => {
                    if let Some(since) = pending.since.remove(&ack.packet_id) {
                        record(times, since, Instant::now());
                    }
                    pending.refused += u64::from(ack.code.is_error());
                }
                Some((Event::Disconnected(packet), _)) => {
                    return Err(hung_up(&packet));
                }
                Some(_) => {}
                None => return Ok(()),
            }
            patience = Duration::ZERO;
        }
    }
}

fn hung_up(packet: &Disconnect<'_>) -> Failure {
    let reason = failure::said(packet.code, &packet.properties);
    Failure::new(format!("The broker has closed the connection: {reason}."))
}

/// When message `number` is due at this rate.
fn seconds(number: u64, rate: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "after centuries")]
    let seconds = number as f64 / rate;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
}

/// Subscribes, and waits for the broker's consent.
pub(super) fn subscribe(
    client: &mut Client<'_>,
    target: &Target,
    topic: &str,
    qos: QoS,
) -> Result<(), Failure> {
    let failed = |error| Failure::client(target, &error, false);
    let request = client.core().subscribe(&[Filter::new(topic, qos)]);
    request.map_err(|error| failed(error.into()))?;
    let deadline = Instant::now() + LAST;
    loop {
        match client.poll(Some(STEP)).map_err(failed)? {
            Some((Event::Subscribed(suback), _)) => {
                return match suback.codes.iter().next() {
                    Some(code) if code.is_error() => Err(Failure::new(format!(
                        "The broker refuses the subscription to {topic}: {}.",
                        failure::said(code, &suback.properties)
                    ))),
                    _ => Ok(()),
                };
            }
            Some((Event::Disconnected(packet), _)) => {
                return Err(hung_up(&packet));
            }
            _ if connection::is_over(Some(deadline)) => {
                return Err(Failure::new(format!(
                    "The broker at {target} does not answer the subscription."
                )));
            }
            _ => {}
        }
    }
}

pub(super) struct Subscriber<'a, 'b> {
    pub(super) target: &'a Target,
    pub(super) client: Client<'b>,
    pub(super) progress: &'a Progress,
    pub(super) started: Instant,
    pub(super) qos: QoS,
}

impl Subscriber<'_, '_> {
    pub(super) fn run(mut self) -> Result<Done, Failure> {
        let result = self.receive();
        if result.is_err() {
            self.progress.is_over.store(true, Ordering::Relaxed);
        }
        result
    }

    fn receive(&mut self) -> Result<Done, Failure> {
        let mut done = Done {
            messages: 0,
            time: Duration::ZERO,
            times: times(),
            refused: 0,
        };
        let grace = GRACE[usize::from(self.qos > QoS::AtMostOnce)];
        let mut quiet_since = None;
        loop {
            let event = self.client.poll(Some(STEP));
            match event.map_err(|error| Failure::client(self.target, &error, false))? {
                Some((Event::Publish(publish), _)) => {
                    let now = Instant::now();
                    let stamp = publish.payload.first_chunk();
                    let sent = stamp.map(|stamp| Duration::from_nanos(u64::from_le_bytes(*stamp)));
                    // Others may publish here, too.
                    if let Some(sent) = sent.and_then(|sent| self.started.checked_add(sent)) {
                        record(&mut done.times, sent, now);
                    }
                    done.messages += 1;
                    done.time = now.saturating_duration_since(self.started);
                    self.progress.received.fetch_add(1, Ordering::Relaxed);
                    quiet_since = None;
                    continue;
                }
                Some((Event::Disconnected(packet), _)) => {
                    return Err(hung_up(&packet));
                }
                _ => {}
            }
            if self.progress.is_published.load(Ordering::Relaxed) {
                let since = *quiet_since.get_or_insert_with(Instant::now);
                let published = self.progress.published.load(Ordering::Relaxed);
                if done.messages >= published
                    || since.elapsed() >= grace
                    || self.progress.is_over.load(Ordering::Relaxed)
                {
                    break;
                }
            }
        }
        connection::close(&mut self.client, self.target)?;
        Ok(done)
    }
}
