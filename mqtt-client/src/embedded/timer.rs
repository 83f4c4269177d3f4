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
