//! The public interface, over the loopback and over streams that misbehave. Nothing here depends on
//! how fast things happen: times are generous ones that end a test that would hang otherwise.

#[cfg(feature = "tokio")]
mod asynchronous;
mod blocking;
mod certificates;
mod config;
#[cfg(all(feature = "embedded", feature = "tokio"))]
mod embedded;
#[cfg(all(feature = "embedded", feature = "tokio"))]
mod impostor;
mod resumption;
mod server;
mod streams;

use core::time::Duration;

/// How long to wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes whose order shows.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    core::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(len)
    .collect()
}
