use core::time::Duration;

use crate::error::{Error, Timeout};
use crate::time::Instant;

/// When something must be done though nothing happens.
///
/// The times of a connection are the low 32 bits of moments, and subtracted as such: they are
/// compared with limits of hours, not with each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    now: Instant,
    /// How long the client has been told the time, but for milliseconds.
    seconds: u32,
    sent: u32,
    received: u32,
    /// Since when CONNACK or PINGRESP is waited for, or PINGREQ is queued.
    waiting_since: u32,
    /// How long to wait for it.
    timeout: u32,
    /// The longest silence.
    keep_alive: u32,
    awaited: Awaited,
    /// True if there is a PINGREQ that has not left yet.
    is_ping_queued: bool,
    /// True once the time was told.
    is_told: bool,
    /// True if no PINGREQ becomes due at this moment any more.
    is_checked: bool,
    /// The milliseconds beyond `seconds`.
    millis: u16,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Awaited {
    Nothing,
    ConnAck,
    PingResp,
}

/// No limit: more than 49 days.
const NEVER: u32 = u32::MAX;

/// PINGREQ leaves this much before the end of the keep-alive, so that it is on its way in time.
const MARGIN: u32 = 100;

fn millis(duration: Duration) -> u32 {
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(NEVER);
    let millis = seconds.saturating_mul(1000);
    millis.saturating_add(duration.subsec_millis())
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self {
            now: Instant::from_millis(0),
            seconds: 0,
            sent: 0,
            received: 0,
            waiting_since: 0,
            timeout: NEVER,
            keep_alive: NEVER,
            awaited: Awaited::Nothing,
            is_ping_queued: false,
            is_told: false,
            is_checked: false,
            millis: 0,
        }
    }

    /// Notes the time. A clock that goes backwards stands still here.
    pub(crate) fn set_now(&mut self, now: Instant) {
        if now > self.now || !self.is_told {
            self.advance(now);
        }
    }

    fn advance(&mut self, now: Instant) {
        let mut passed = now.as_millis().saturating_sub(self.now.as_millis());
        self.now = now;
        self.is_checked = false;
        if !self.is_told {
            self.is_told = true;
            return;
        }
        // In steps only if nobody has told the time for 49 days; thus division is by 32 bits.
        while passed > 0 && self.seconds < u32::MAX {
            let step = u32::try_from(passed).unwrap_or(u32::MAX - 1000);
            let millis = step.saturating_add(self.millis.into());
            self.seconds = self.seconds.saturating_add(millis / 1000);
            self.millis = u16::try_from(millis % 1000).unwrap_or_default();
            passed -= u64::from(step);
        }
    }

    /// How long the client has been told the time.
    pub(crate) const fn seconds(&self) -> u32 {
        self.seconds
    }

    /// The moment of these [`seconds`](Self::seconds).
    pub(crate) fn at(&self, seconds: u32) -> Instant {
        let left = u64::from(seconds.saturating_sub(self.seconds)) * 1000;
        let left = left.saturating_sub(self.millis.into());
        self.now.plus_millis(left)
    }

    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low bits are what is wanted"
    )]
    const fn clock(&self) -> u32 {
        self.now.as_millis() as u32
    }

    /// How much time has passed since `moment`.
    const fn since(&self, moment: u32) -> u32 {
        self.clock().wrapping_sub(moment)
    }

    pub(crate) fn connecting(&mut self, timeout: Duration) {
        self.sent();
        self.received();
        self.wait_for(Awaited::ConnAck, timeout);
    }

    fn wait_for(&mut self, awaited: Awaited, timeout: Duration) {
        self.awaited = awaited;
        self.waiting_since = self.clock();
        self.timeout = millis(timeout);
    }

    /// CONNACK is here; `keep_alive` in seconds, 0 for no limit.
    pub(crate) fn connected(&mut self, keep_alive: u16, ping_timeout: Duration) {
        self.wait_for(Awaited::Nothing, ping_timeout);
        self.is_checked = false;
        if keep_alive > 0 {
            self.keep_alive = u32::from(keep_alive) * 1000 - MARGIN;
        }
    }

    /// The connection is over.
    pub(crate) const fn stop(&mut self) {
        self.awaited = Awaited::Nothing;
        self.is_ping_queued = false;
        self.keep_alive = NEVER;
    }

    pub(crate) const fn sent(&mut self) {
        self.sent = self.clock();
    }

    pub(crate) const fn received(&mut self) {
        self.received = self.clock();
    }

    /// True if PINGREQ is to be queued now. Silence only grows with time, so that it is looked at
    /// once for each moment.
    pub(crate) fn wants_ping(&mut self) -> bool {
        !core::mem::replace(&mut self.is_checked, true) && self.until_ping() == 0
    }

    pub(crate) fn ping_queued(&mut self) {
        self.is_ping_queued = true;
        if self.awaited == Awaited::Nothing {
            self.waiting_since = self.clock();
        }
    }

    /// All that was queued has left, and PINGREQ with it.
    pub(crate) fn queue_left(&mut self) {
        if self.is_ping_queued && self.awaited == Awaited::Nothing {
            self.awaited = Awaited::PingResp;
            self.waiting_since = self.clock();
        }
        self.is_ping_queued = false;
    }

    pub(crate) fn ping_answered(&mut self) {
        if self.awaited == Awaited::PingResp {
            self.awaited = Awaited::Nothing;
        }
    }

    /// Fails if something was waited for too long.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let timeout = match self.awaited {
            Awaited::ConnAck => Timeout::Connect,
            _ => Timeout::Ping,
        };
        if self.until_timeout() == 0 {
            return Err(timeout.into());
        }
        Ok(())
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let left = self.until_ping().min(self.until_timeout());
        (left != NEVER).then(|| self.now.plus_millis(left.into()))
    }

    /// How long until the next PINGREQ is due. Silence of the server counts like our own, so that
    /// a link that only swallows is noticed, too; once asked, it may take its time.
    fn until_ping(&self) -> u32 {
        if self.is_ping_queued || self.keep_alive == NEVER {
            return NEVER;
        }
        let mut silence = self.since(self.sent);
        if self.awaited != Awaited::PingResp {
            silence = silence.max(self.since(self.received));
        }
        self.keep_alive.saturating_sub(silence)
    }

    /// How long to wait yet. Whatever the server sends shows that it is there; until PINGREQ has
    /// left, so does whatever it takes.
    fn until_timeout(&self) -> u32 {
        let mut waiting = self.since(self.waiting_since);
        match self.awaited {
            Awaited::ConnAck => {}
            Awaited::PingResp => waiting = waiting.min(self.since(self.received)),
            Awaited::Nothing if self.is_ping_queued => {
                waiting = waiting
                    .min(self.since(self.received))
                    .min(self.since(self.sent));
            }
            Awaited::Nothing => return NEVER,
        }
        if self.timeout == NEVER {
            return NEVER;
        }
        self.timeout.saturating_sub(waiting)
    }
}
