use core::ops::Add;
use core::time::Duration;

/// A moment on the caller's monotonic clock: milliseconds since any fixed moment.
///
/// The core never asks for the time, it is told. Going backwards does no harm.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// `millis` milliseconds after the clock's zero.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the clock's zero.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    pub(crate) const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = duration.as_secs().saturating_mul(1000);
        self.plus_millis(millis)
            .plus_millis(duration.subsec_millis().into())
    }
}

/// The standard library's clock, counted from its creation.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct Clock(std::time::Instant);

#[cfg(feature = "std")]
impl Clock {
    /// A clock that shows zero now.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two clocks are never the same")]
    pub fn new() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::default() + self.0.elapsed()
    }

    /// The standard library's name for a moment of this clock; `None` beyond what it can name.
    #[must_use]
    pub fn to_std(&self, instant: Instant) -> Option<std::time::Instant> {
        self.0.checked_add(Duration::from_millis(instant.0))
    }
}
