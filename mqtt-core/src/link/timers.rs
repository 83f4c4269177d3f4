use core::time::Duration;

use crate::error::Timeout;
use crate::time::Instant;

/// When something must be done though nothing happens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timers {
    now: Instant,
    /// The first moment that was told, from which [`seconds`](Self::seconds) count.
    epoch: Option<Instant>,
    /// When waiting for CONNACK ends.
    connect: Option<Instant>,
    /// The longest silence, if there is a limit.
    keep_alive: Option<Duration>,
    last_sent: Instant,
    last_received: Instant,
    /// When the PINGREQ was queued that has not left yet.
    queued: Option<Instant>,
    /// When the PINGREQ left that waits for PINGRESP longest.
    ping: Option<Instant>,
    ping_timeout: Duration,
}

/// PINGREQ leaves this much before the end of the keep-alive, so that it is on its way in time.
const MARGIN: Duration = Duration::from_millis(100);

impl Timers {
    /// Notes the time. A clock that goes backwards stands still here.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.epoch.get_or_insert(now);
    }

    /// How long the client has been told the time.
    pub(crate) fn seconds(&self) -> u32 {
        let epoch = self.epoch.unwrap_or(self.now);
        let seconds = self.now.saturating_since(epoch).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// The moment of these [`seconds`](Self::seconds).
    pub(crate) fn at(&self, seconds: u32) -> Instant {
        self.epoch.unwrap_or(self.now) + Duration::from_secs(seconds.into())
    }

    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn connecting(&mut self, timeout: Duration, ping_timeout: Duration) {
        *self = Self {
            now: self.now,
            epoch: self.epoch,
            connect: Some(self.now + timeout),
            last_sent: self.now,
            last_received: self.now,
            ping_timeout,
            ..Self::default()
        };
    }

    /// CONNACK is here; `keep_alive` in seconds, 0 for no limit.
    pub(crate) fn connected(&mut self, keep_alive: u16) {
        self.connect = None;
        self.keep_alive =
            (keep_alive > 0).then(|| Duration::from_secs(keep_alive.into()).saturating_sub(MARGIN));
    }

    /// The connection is over.
    pub(crate) fn stop(&mut self) {
        *self = Self {
            now: self.now,
            epoch: self.epoch,
            ..Self::default()
        };
    }

    pub(crate) fn sent(&mut self) {
        self.last_sent = self.now;
    }

    pub(crate) const fn received(&mut self) {
        self.last_received = self.now;
    }

    /// When the next PINGREQ is due. Silence of the server counts like our own, so that a link
    /// that only swallows is noticed, too; once asked, it may take its time.
    fn ping_due(&self) -> Option<Instant> {
        let silent_since = match (self.queued, self.ping) {
            (Some(_), _) => return None,
            (None, Some(_)) => self.last_sent,
            (None, None) => self.last_sent.min(self.last_received),
        };
        Some(silent_since + self.keep_alive?)
    }

    /// When waiting for PINGRESP ends. Whatever the server sends shows that it is there; until
    /// PINGREQ has left, so does whatever it takes.
    fn ping_deadline(&self) -> Option<Instant> {
        let waiting_since = match (self.ping, self.queued) {
            (Some(ping), _) => ping,
            (None, queued) => queued?.max(self.last_sent),
        };
        Some(waiting_since.max(self.last_received) + self.ping_timeout)
    }

    /// True if PINGREQ is to be queued now.
    pub(crate) fn wants_ping(&self) -> bool {
        self.ping_due().is_some_and(|due| due <= self.now)
    }

    pub(crate) const fn ping_queued(&mut self) {
        self.queued = Some(self.now);
    }

    /// All that was queued has left, and PINGREQ with it.
    pub(crate) fn queue_left(&mut self) {
        if self.queued.take().is_some() {
            self.ping = self.ping.or(Some(self.now));
        }
    }

    pub(crate) fn ping_answered(&mut self) {
        self.ping = None;
    }

    /// What was waited for too long.
    pub(crate) fn expired(&self) -> Option<Timeout> {
        if self.connect.is_some_and(|deadline| deadline <= self.now) {
            Some(Timeout::Connect)
        } else if self
            .ping_deadline()
            .is_some_and(|deadline| deadline <= self.now)
        {
            Some(Timeout::Ping)
        } else {
            None
        }
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.connect, self.ping_deadline(), self.ping_due()];
        deadlines.into_iter().flatten().min()
    }
}
