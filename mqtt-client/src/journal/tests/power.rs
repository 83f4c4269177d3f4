//! What is left after losses of power and failures of the disk.

use std::time::Duration;

use proptest::prelude::*;

use super::super::Sync;
use super::super::error::Error;
use super::super::log::Log;
use super::rig::{Rig, Step};
use super::session::Fake;
use super::world::{Fault, SimDisk, World};

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![Just(Fault::PowerCut), Just(Fault::Error)];
    prop_oneof![
        5 => (0..200_usize, prop::bool::weighted(0.2)).prop_map(|(len, is_quotation)| {
            Step::Publish { len, is_quotation }
        }),
        1 => (60_000..70_000_usize).prop_map(|len| Step::Publish { len, is_quotation: false }),
        3 => any::<usize>().prop_map(Step::Done),
        5 => Just(Step::Save),
        1 => Just(Step::Sync),
        1 => Just(Step::Restart),
        2 => (0..12_usize, fault).prop_map(|(after, fault)| Step::Fault(after, fault)),
    ]
}

proptest! {
    /// Whatever happens, what was confirmed is there, in order, and of what was not, nothing or
    /// the beginning.
    #[test]
    fn what_is_confirmed_survives(
        steps in prop::collection::vec(step(), 1..60),
        policy in prop_oneof![
            3 => Just(Sync::Always),
            1 => Just(Sync::Interval(Duration::ZERO)),
            1 => Just(Sync::Interval(Duration::MAX)),
            1 => Just(Sync::Never),
        ],
        compact_above in prop_oneof![Just(0), 0..4000_u64],
        seed: u64,
    ) {
        let mut rig = Rig::new(policy, compact_above, seed);
        for step in &steps {
            rig.step(step);
        }
        rig.cut();
    }
}

/// What a process does until all of it is done or the power fails.
fn script() -> Vec<Step> {
    let mut steps = Vec::new();
    for n in 0..8 {
        for len in [0, 90, 7] {
            steps.push(Step::Publish {
                len: len + n,
                is_quotation: false,
            });
        }
        steps.push(Step::Save);
        steps.extend([Step::Done(0), Step::Done(1), Step::Save]);
    }
    steps
}

/// The power fails in each of all operations, with many outcomes each.
#[test]
fn power_cut_in_every_operation() {
    const ABOVE: u64 = 400;
    let rig = |seed| {
        let rig = Rig::new(Sync::Always, ABOVE, seed);
        let operations = rig.world.borrow().operations;
        (rig, operations)
    };
    let (mut undisturbed, before) = rig(0);
    let mut rewritten = 0;
    for step in script() {
        let len = undisturbed.log.len();
        undisturbed.step(&step);
        rewritten += usize::from(undisturbed.log.len() < len);
    }
    assert!(rewritten > 2, "{rewritten}");
    let operations = undisturbed.world.borrow().operations - before;
    for at in 0..operations {
        for seed in 0..50 {
            let (mut rig, _) = rig(seed);
            rig.world.borrow_mut().fail_after(at, Fault::PowerCut);
            for step in script() {
                rig.step(&step);
            }
            rig.cut();
        }
    }
}

/// Once a sync has failed, what it was for is not confirmed, even if it can be read.
#[test]
fn failed_sync_is_not_trusted() {
    let mut rig = Rig::new(Sync::Always, 1_000_000, 1);
    rig.step(&Step::Publish {
        len: 50,
        is_quotation: false,
    });
    // The record is appended, then synced.
    rig.world.borrow_mut().fail_after(1, Fault::Error);
    let result = rig.log.save(&mut rig.session);
    assert!(matches!(result, Err(Error::Io { .. })), "{result:?}");
    assert_eq!(rig.session.state.records, 0);
    rig.after(&result, false);
    // The next process could read it, and has brought it to stable storage elsewhere.
    assert_eq!(rig.session.state.records, 1);
    rig.cut();
    assert_eq!(rig.session.state.records, 1);
}

/// Rewriting writes no more than saving, whatever the session's size.
#[test]
fn rewriting_is_amortised() {
    let mut rig = Rig::new(Sync::Never, 1000, 2);
    for _ in 0..100 {
        rig.step(&Step::Publish {
            len: 100,
            is_quotation: false,
        });
    }
    rig.step(&Step::Save);
    let (mut saved, mut rewritten) = (0, 0);
    let mut step_len = 0;
    for n in 0..2000 {
        rig.step(&Step::Publish {
            len: 100,
            is_quotation: false,
        });
        rig.step(&Step::Done(n));
        let before = rig.log.len();
        rig.step(&Step::Save);
        let after = rig.log.len();
        if after > before {
            step_len = after - before;
        } else {
            rewritten += after;
        }
        saved += step_len;
        assert!(after < 40_000, "{after}");
    }
    assert!(rewritten > 0 && rewritten < saved, "{rewritten} {saved}");
}

/// Without a limit in time, nothing is synced before somebody asks.
#[test]
fn interval() {
    let hour = Duration::from_secs(3600);
    let mut rig = Rig::new(Sync::Interval(hour), 1_000_000, 3);
    assert_eq!(rig.log.deadline(), None);
    let before = std::time::Instant::now();
    rig.step(&Step::Publish {
        len: 50,
        is_quotation: false,
    });
    rig.step(&Step::Save);
    let due = rig.log.deadline().unwrap();
    assert!((before + hour..=std::time::Instant::now() + hour).contains(&due));
    rig.step(&Step::Publish {
        len: 50,
        is_quotation: false,
    });
    rig.step(&Step::Save);
    assert_eq!(rig.log.deadline(), Some(due), "the first record's");
    rig.step(&Step::Sync);
    assert_eq!(rig.log.deadline(), None);
    rig.cut();
    assert_eq!(rig.session.state.records, 2);

    // Or until the end.
    rig.step(&Step::Publish {
        len: 50,
        is_quotation: false,
    });
    rig.step(&Step::Save);
    rig.log.close();
    rig.cut();
    assert_eq!(rig.session.state.records, 3);
}

#[test]
fn restore_comes_first_and_once() {
    let world = World::new();
    let mut log = Log::open(SimDisk(world), Sync::Always).unwrap();
    let mut session = Fake::default();
    assert!(matches!(log.save(&mut session), Err(Error::OutOfTurn)));
    assert!(matches!(log.sync(), Err(Error::OutOfTurn)));
    log.restore(&mut session).unwrap();
    assert!(matches!(log.restore(&mut session), Err(Error::OutOfTurn)));
    log.save(&mut session).unwrap();
}
