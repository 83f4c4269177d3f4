//! Random commands, answers, cuts, reconnects and losses of power in little memory. In the
//! [simulation] a model broker looks at the protocol, a reference model at what becomes of messages.

mod simulation;

use std::cell::Cell;
use std::env;
use std::panic;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use mqtt_core::wire::{QoS, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use super::pair::Rng;
use simulation::{Step, Terms, World, qos, simulate};

fn world() -> impl Strategy<Value = World> {
    let flags = (any::<[bool; 5]>(), prop::bool::weighted(0.2));
    let sizes = (48..140usize, 72..600usize, 1..9usize, 1..6usize);
    let aliases = (0..5u16, 0..80usize);
    (flags, sizes, aliases).prop_map(|((flags, assigned), sizes, aliases)| {
        let [is_v5, durable, manual, forgetful, automatic_aliases] = flags;
        let (rx, tx, slots, inbound) = sizes;
        World {
            version: if is_v5 { Version::V5 } else { Version::V311 },
            durable,
            manual,
            assigned: assigned && is_v5,
            forgetful,
            rx,
            tx,
            slots,
            inbound,
            aliases_in: aliases.0,
            aliases_out: aliases.1,
            automatic_aliases,
        }
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let is_good = prop::bool::weighted(0.7);
    let limits = (1..9u16, 24..200u32, 0..3u8, 0..4u16, 0..4u8);
    (is_good, prop::bool::weighted(0.95), limits).prop_map(|(keep, accept, limits)| {
        let (receive_maximum, size, level, topic_alias_maximum, strict) = limits;
        Terms {
            keep,
            accept,
            receive_maximum,
            maximum_packet_size: if strict == 0 { size } else { u32::MAX },
            maximum_qos: if strict == 1 {
                qos(level)
            } else {
                QoS::ExactlyOnce
            },
            topic_alias_maximum,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let n = || prop_oneof![1..10usize, 1..400usize];
    let which = || prop_oneof![Just(0), 0..8usize];
    let rarely = || prop::bool::weighted(0.1);
    let times = || prop_oneof![1 => 0..3usize, 5 => Just(usize::MAX)];
    let interval = prop_oneof![3 => Just(None), 1 => (1..20u32).prop_map(Some)];
    let alias = prop_oneof![3 => Just(0), 1 => 1..5u16];
    let lent = prop::bool::weighted(0.2);
    prop_oneof![
        8 => (0..3u8, 0..120usize, lent, interval, alias).prop_map(
            |(qos, len, lent, interval, alias)| Step::Publish { qos, len, lent, interval, alias }
        ),
        1 => Just(Step::Subscribe),
        1 => Just(Step::Unsubscribe),
        9 => n().prop_map(Step::Send),
        9 => (n(), times()).prop_map(|(n, times)| Step::Receive(n, times)),
        1 => (0..6_000u64).prop_map(Step::Tick),
        4 => (which(), rarely(), rarely()).prop_map(
            |(which, refuse, with_reason)| Step::Acknowledge { which, refuse, with_reason }
        ),
        9 => (which(), rarely()).prop_map(|(which, refuse)| Step::Answer { which, refuse }),
        5 => (0..3u8, 0..120usize, any::<bool>()).prop_map(
            |(qos, len, with_alias)| Step::BrokerPublish { qos, len, with_alias }
        ),
        8 => times().prop_map(Step::Journal),
        1 => Just(Step::Compact),
        2 => (1..6usize).prop_map(Step::Run),
        1 => (terms(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
            |(terms, rest, later)| Step::Reconnect { terms, rest, later }
        ),
        1 => (0..4usize, terms(), rarely(), any::<bool>()).prop_map(
            |(written, terms, later, happens)| if happens {
                Step::PowerCut { written, terms, later }
            } else {
                Step::Send(1000)
            }
        ),
        1 => (terms(), 0..10u8).prop_map(|(terms, which)| match which {
            0 => Step::Disconnect(terms),
            1 => Step::BrokerDisconnect,
            _ => Step::Send(1000),
        }),
    ]
}

/// How many cases share a seed.
const BATCH: u64 = 1_000;

thread_local! {
    /// While failing steps are made fewer, their failures are of no interest.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs the cases of one seed.
#[expect(clippy::print_stdout, reason = "only shown when the test fails")]
fn run(seed: u64, cases: u32) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: number("PROPTEST_MAX_SHRINK_ITERS").unwrap_or(20_000),
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    IS_QUIET.set(true);
    let result = runner.run(&(world(), vec(step(), 0..300)), |(world, steps)| {
        simulate(world, steps);
        Ok(())
    });
    IS_QUIET.set(false);
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, (world, steps))) => {
            println!("RANDOM_SEED={seed} finds this again: {reason}\n{world:?}");
            steps.iter().for_each(|step| println!("{step:?}"));
            simulate(world, steps);
            panic!("this time it did not fail");
        }
        Err(error) => panic!("{error}"),
    }
}

fn number<T: FromStr>(variable: &str) -> Option<T> {
    env::var(variable).ok()?.parse().ok()
}

/// Whatever happens: every message arrives as often as its QoS says, unchanged, in order, and the
/// application is told once what became of it.
///
/// Always the same cases, unless `RANDOM_SEED` says where to begin, and `PROPTEST_CASES` how many
/// there are.
#[test]
fn every_message_is_accounted_for() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !IS_QUIET.get() {
            print(info);
        }
    }));
    let first = number("RANDOM_SEED").unwrap_or(0);
    let cases = number("PROPTEST_CASES").unwrap_or(BATCH);
    let end = first + cases.div_ceil(BATCH);
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let cases = (cases - (seed - first) * BATCH).min(BATCH);
                    run(seed, u32::try_from(cases).unwrap());
                }
            });
        }
    });
}

/// A long life of publishing and acknowledging out of order, through arenas of all sizes.
#[test]
#[expect(clippy::print_stdout, reason = "only shown when the test fails")]
fn a_long_life() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut rng = Rng(seed);
        let world = World {
            version: [Version::V311, Version::V5][rng.below(2)],
            durable: rng.one_in(2),
            manual: false,
            assigned: false,
            forgetful: false,
            rx: 64,
            tx: 72 + rng.below(600),
            slots: 1 + rng.below(20),
            inbound: 1,
            aliases_in: 0,
            aliases_out: 0,
            automatic_aliases: false,
        };
        let steps = (0..2_000).map(|_| match rng.below(7) {
            0 | 1 => Step::Publish {
                qos: u8::try_from(rng.below(3)).unwrap(),
                len: rng.below(120),
                lent: rng.one_in(10),
                interval: None,
                alias: 0,
            },
            2 => Step::Send(1 + rng.below(200)),
            3 => Step::Receive(100, usize::MAX),
            4 if rng.one_in(50) => Step::PowerCut {
                written: rng.below(4),
                terms: Terms::BEST,
                later: false,
            },
            4 => Step::Journal(usize::MAX),
            _ => {
                let which = if rng.one_in(2) { 0 } else { rng.below(20) };
                Step::Answer {
                    which,
                    refuse: rng.one_in(20),
                }
            }
        });
        simulate(world, steps.collect::<Vec<_>>());
    }
}
