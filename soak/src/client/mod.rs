//! The clients, one module for each driver.

mod blocking;
mod core;
mod embedded;
mod tokio;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use mqtt_client::net::Options;
use mqtt_client::uri::Endpoint;
use mqtt_client::{Config, QoS};
use testkit::Random;

use crate::lane::Lane;
use crate::ledger::{Shared, lock};

pub(crate) use blocking::run as blocking;
pub(crate) use embedded::run as embedded;
pub(crate) use tokio::run as tokio;

/// How long connecting may take, and CONNACK.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a line may be silent before it is asked, and again until it is given up.
const SILENCE: u16 = 2;
/// So many messages may be on their way while there is a connection; there is room for some more
/// when there is none. Before 5.0, mosquitto drops those beyond 20 without a word.
const ONLINE: usize = 15;
const IN_FLIGHT: u16 = 20;
/// More than there ever are. Before 5.0 a broker may send as many as it likes, and in 5.0 mosquitto
/// 2.0.11 exceeds the Receive Maximum after a lost connection.
const RECEIVE_MAXIMUM: u16 = 1024;
/// After this, what has not arrived may be missing, which the next message shows.
const NEXT_LAST: Duration = Duration::from_secs(3);

/// How long to wait after an attempt to connect in vain, and up to three times as long.
const RETRY: u64 = 20;

/// The longest wait for an event.
const TURN: Duration = Duration::from_millis(100);
/// The longest wait for room.
const ROOM: Duration = Duration::from_millis(20);

/// What all clients are to do.
#[derive(Debug, Default)]
pub(crate) struct Control(AtomicU8);

impl Control {
    const FINISH: u8 = 1;
    const ABORT: u8 = 2;

    /// Everything published is to arrive, and then the client ends.
    pub(crate) fn finish(&self) {
        self.0.store(Self::FINISH, Ordering::Relaxed);
    }

    /// The client ends at once.
    pub(crate) fn abort(&self) {
        self.0.store(Self::ABORT, Ordering::Relaxed);
    }

    fn is_finishing(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    fn is_aborted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::ABORT
    }
}

/// What a client is told.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) lane: Lane,
    pub(crate) id: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) options: Options,
    /// The authority's certificate, in DER.
    pub(crate) authority: Vec<u8>,
    pub(crate) ledger: Shared,
    pub(crate) control: Arc<Control>,
    pub(crate) random: Random,
    /// Messages a second.
    pub(crate) rate: f64,
    /// Where its journal is.
    pub(crate) journal: PathBuf,
}

impl Context {
    fn config(&self) -> Config<'_> {
        Config {
            version: self.lane.version(),
            clean_start: false,
            session_expiry: u32::MAX,
            keep_alive: SILENCE,
            ping_timeout: Duration::from_secs(SILENCE.into()),
            connect_timeout: TIMEOUT,
            ..Config::new(&self.id)
        }
    }

    /// How long to wait after an attempt to connect in vain.
    fn delay(random: &mut Random) -> Duration {
        Duration::from_millis(RETRY + random.below(2 * RETRY))
    }

    fn filter(&self) -> String {
        format!("soak/{}/+", self.id)
    }

    fn topic(&self, qos: QoS) -> String {
        format!("soak/{}/{}", self.id, qos as u8)
    }
}

/// When the next message is due, and of which QoS.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    due: Instant,
    levels: &'static [QoS],
    random: Random,
    /// When the last messages were published.
    last: Option<Instant>,
}

impl Pace {
    fn new(context: &Context) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / context.rate),
            due: Instant::now(),
            levels: context.lane.levels(),
            random: context.random.clone(),
            last: None,
        }
    }

    /// How long to wait for an event.
    fn patience(&self) -> Duration {
        match self.due.saturating_duration_since(Instant::now()) {
            // It is due, and there is no room for it.
            Duration::ZERO => ROOM,
            until_due => until_due.min(TURN),
        }
    }

    /// The QoS of a message to be published now, if one is due.
    fn take(&mut self) -> Option<QoS> {
        let now = Instant::now();
        if now < self.due {
            return None;
        }
        // What could not be published in time is not made up for.
        self.due = (self.due + self.interval).max(now);
        let level = self.random.below(self.levels.len() as u64);
        usize::try_from(level)
            .ok()
            .and_then(|level| self.levels.get(level))
            .copied()
    }

    /// At the end: true when a message of each QoS is to be published, which shows what is missing
    /// before it. Several times, as the broker may lose that one, too.
    fn is_last_due(&mut self) -> bool {
        let is_due = self.last.is_none_or(|last| last.elapsed() > NEXT_LAST);
        if is_due {
            self.last = Some(Instant::now());
        }
        is_due
    }
}

/// True if a client has nothing more to wait for.
fn is_complete(context: &Context, pace: &Pace) -> bool {
    pace.last.is_some() && lock(&context.ledger).outstanding() == 0
}
