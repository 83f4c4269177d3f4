//! Codecs and engines without I/O: this client's, and others', doing the same.
//!
//! [`benches`] are all operations there are, by name; an [`Operation`] is ready to be repeated and
//! has shown that its result is right. What measures them is in `benches/`: time
//! (`codec`, `engine`), instructions (`instructions`), the heap (`allocations`).

use std::hint::black_box;

pub mod callgrind;
pub mod codec;
pub mod engine;
pub mod guard;
pub mod packet;

/// This client.
pub const OURS: &str = "mqtt-core";

/// An operation that can be had.
pub struct Bench {
    /// `codec` or `engine`.
    pub table: &'static str,
    /// What is to be done, such as `encode PUBACK, 5.0`.
    pub case: String,
    /// The protocol's version, `3.1.1` or `5.0`.
    pub version: packet::Version,
    /// Who does it, such as `mqttrs 0.4.1`.
    pub client: &'static str,
    /// About how many instructions it has, to choose how often to repeat it.
    pub weight: u64,
    /// How many messages are in a repetition. What is measured is told for one.
    pub per_run: u64,
    build: Box<dyn Fn() -> Operation>,
}

impl Bench {
    /// Prepares it, and checks its result once.
    ///
    /// # Panics
    ///
    /// If the result is wrong.
    #[must_use]
    pub fn build(&self) -> Operation {
        (self.build)()
    }
}

/// Something to be repeated.
pub struct Operation(Box<dyn FnMut(u64)>);

impl Operation {
    /// `operation` is one repetition.
    fn new<R>(mut operation: impl FnMut() -> R + 'static) -> Self {
        Self(Box::new(move |n| {
            for _ in 0..n {
                black_box(operation());
            }
        }))
    }

    /// Does it `n` times.
    pub fn run(&mut self, n: u64) {
        (self.0)(n);
    }
}

/// All operations, by table and case, with all that can do it one after the other.
#[must_use]
pub fn benches() -> Vec<Bench> {
    let mut all = codec::benches();
    all.extend(engine::benches());
    all
}

#[cfg(test)]
mod tests {
    /// Building an operation checks its result.
    #[test]
    fn every_operation_has_the_right_result() {
        for bench in super::benches() {
            if bench.per_run <= 1024 {
                bench.build().run(1);
            }
        }
    }
}
