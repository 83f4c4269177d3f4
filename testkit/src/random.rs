//! Numbers that can be had again.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// Numbers without a pattern, the same for the same seed (Steele, Lea, Flood: `SplitMix64`).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins at this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Others, which are the same for the same seed, too.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// Begins at the seed that `MQTT_TEST_SEED` says, or at another one each time. A test that
    /// fails shows which it was.
    #[expect(clippy::print_stderr, reason = "shown if the test fails")]
    pub fn from_env() -> Self {
        let seed = env::var("MQTT_TEST_SEED").map_or_else(
            |_| RandomState::new().hash_one(0),
            |seed| seed.parse().expect("MQTT_TEST_SEED"),
        );
        eprintln!("MQTT_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
