use core::fmt;
use core::time::Duration;

use crate::auth::Authenticator;

/// Sizes and policies of a [`Client`](super::Client). The protocol's own settings are those of
/// [`Config`](crate::Config).
///
/// More fields may come, so that struct update syntax is the way to make one.
#[derive(Debug)]
pub struct Options {
    /// Bytes for packets to be sent, of which a quarter is for all but PUBLISH; 16 KiB by
    /// default. Payloads of an eighth and more are not copied there, so that it limits the size
    /// of no message.
    pub transmit_buffer: usize,
    /// How many messages above QoS 0, requests and large payloads may be in flight; 256 by
    /// default. Further ones wait their turn.
    pub max_in_flight: u16,
    /// How many received messages above QoS 0 may wait to be acknowledged; 256 by default, and
    /// at least 1. In 5.0 the server is told.
    ///
    /// Before, it cannot know, and mosquitto 2.0.11 sends all that it has queued whatever it was
    /// told. With more, nothing is received until some are acknowledged, except for who waits for
    /// an answer of the server's, which may be behind them: then there is room for more.
    pub receive_maximum: u16,
    /// The largest packet to be received; 16 MiB by default. A larger message is skipped and
    /// reported to the subscriptions that it was for. Memory is only taken as bytes arrive.
    pub max_packet: usize,
    /// How many bytes of large payloads, those that are not copied, may be in flight; 16 MiB by
    /// default. A single one may be larger.
    pub large_payloads: usize,
    /// Bytes for the topics of topic aliases, in each direction for which the configuration has
    /// them; 4 KiB by default.
    pub alias_buffer: usize,
    /// What becomes of messages that are published without a connection.
    pub offline: Offline,
    /// When to connect again.
    pub backoff: Backoff,
    /// How long opening a stream to one server may take; 30 seconds by default.
    pub open_timeout: Duration,
    /// For an extended authentication, 5.0 only: makes the authenticator of each connection. Its
    /// method is to be in [`Config::properties`](crate::Config::properties), too.
    pub authenticator: Option<MakeAuthenticator>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            transmit_buffer: 16 * 1024,
            max_in_flight: 256,
            receive_maximum: 256,
            max_packet: 16 * 1024 * 1024,
            large_payloads: 16 * 1024 * 1024,
            alias_buffer: 4 * 1024,
            offline: Offline::default(),
            backoff: Backoff::default(),
            open_timeout: Duration::from_secs(30),
            authenticator: None,
        }
    }
}

/// Makes an [`Authenticator`] for each connection.
pub struct MakeAuthenticator(Box<dyn Fn() -> Box<dyn Authenticator> + Send + Sync>);

impl MakeAuthenticator {
    /// Wraps the function that makes one.
    pub fn new<A: Authenticator + 'static>(make: impl Fn() -> A + Send + Sync + 'static) -> Self {
        Self(Box::new(move || Box::new(make())))
    }

    pub(super) fn make(&self) -> Box<dyn Authenticator> {
        (self.0)()
    }
}

impl fmt::Debug for MakeAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MakeAuthenticator")
    }
}

/// What becomes of a message that is published without a connection. Whatever it is, whoever
/// published it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Offline {
    /// It waits for the connection, at any QoS, as long as all that wait have no more than this
    /// many bytes; beyond, publishing fails at once. The default, with 1 MiB.
    Queue(usize),
    /// The same, but the oldest messages give way to the new one. Their
    /// [`Publication`](super::Publication)s say so, and [`Stats::dropped`](super::Stats::dropped)
    /// counts them.
    DropOldest(usize),
    /// Publishing fails at once.
    Reject,
}

impl Default for Offline {
    fn default() -> Self {
        Self::Queue(1024 * 1024)
    }
}

/// When to connect again: after a delay that doubles with each attempt in vain, up to a maximum,
/// half of it at random. Nothing skips the delay. A connection that lasted longer than its delay
/// begins them anew.
///
/// With several servers, all are tried between one delay and the next, first the one that accepted
/// last, or, if that connection did not last, the one behind it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// The first delay; 1 second by default.
    pub initial: Duration,
    /// The longest delay; 1 minute by default.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The delay before attempt `attempt`, counted from 0, with `random` bits for its half.
    pub(super) fn delay(&self, attempt: u32, random: u32) -> Duration {
        let doubled = self.initial.saturating_mul(1_u32 << attempt.min(31));
        let half = doubled.min(self.max) / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_and_differ_by_half() {
        let ms = Duration::from_millis;
        let backoff = Backoff {
            initial: ms(100),
            max: ms(1000),
        };
        for (attempt, shortest) in [(0, 50), (1, 100), (3, 400), (4, 500), (31, 500), (99, 500)] {
            assert_eq!(backoff.delay(attempt, 0), ms(shortest), "{attempt}");
            assert_eq!(backoff.delay(attempt, u32::MAX), ms(2 * shortest));
        }
        let endless = Backoff {
            max: Duration::MAX,
            ..backoff
        };
        assert!(endless.delay(64, 0) > ms(1 << 31));
    }
}
