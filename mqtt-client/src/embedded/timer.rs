use mqtt_core::Instant;

/// A monotonic clock that can wake.
///
/// ```
/// use mqtt_client::embedded::Timer;
/// use mqtt_client::mqtt_core::Instant;
///
/// /// On tokio.
/// struct TokioTimer(tokio::time::Instant);
///
/// impl Timer for TokioTimer {
///     fn now(&self) -> Instant {
///         Instant::default() + self.0.elapsed()
///     }
///
///     async fn wait_until(&mut self, at: Instant) {
///         tokio::time::sleep(at.saturating_since(self.now())).await;
///     }
/// }
/// ```
pub trait Timer {
    /// The time now.
    fn now(&self) -> Instant;

    /// Waits until this moment. The future may be dropped before.
    fn wait_until(&mut self, at: Instant) -> impl Future<Output = ()>;
}

/// The [`Timer`] of embassy-time.
#[cfg(feature = "embassy")]
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbassyTimer;

#[cfg(feature = "embassy")]
impl Timer for EmbassyTimer {
    fn now(&self) -> Instant {
        Instant::from_millis(embassy_time::Instant::now().as_millis())
    }

    async fn wait_until(&mut self, at: Instant) {
        // Ticks are rounded down, in both directions.
        let at = embassy_time::Instant::try_from_millis(at.as_millis())
            .and_then(|at| at.checked_add(embassy_time::Duration::from_ticks(1)));
        match at {
            Some(at) => embassy_time::Timer::at(at).await,
            None => core::future::pending().await,
        }
    }
}

#[cfg(all(test, feature = "embassy"))]
mod tests {
    use core::pin::pin;
    use core::task::{Context, Waker};

    use embassy_time::{Duration, MockDriver};

    use super::*;

    #[test]
    fn embassy_wakes_at_the_moment_and_not_before() {
        let driver = MockDriver::get();
        let mut context = Context::from_waker(Waker::noop());
        let at = Instant::from_millis(250);
        let (mut timer, mut other) = (EmbassyTimer, EmbassyTimer);
        let mut wait = pin!(timer.wait_until(at));
        // More than ticks can count.
        let mut never = pin!(other.wait_until(Instant::from_millis(u64::MAX)));
        assert!(wait.as_mut().poll(&mut context).is_pending());
        driver.advance(Duration::from_micros(249_999));
        assert!(wait.as_mut().poll(&mut context).is_pending());
        assert!(EmbassyTimer.now() < at);
        driver.advance(Duration::from_micros(2));
        assert!(wait.as_mut().poll(&mut context).is_ready());
        assert!(EmbassyTimer.now() >= at);
        assert!(never.as_mut().poll(&mut context).is_pending());
    }
}
