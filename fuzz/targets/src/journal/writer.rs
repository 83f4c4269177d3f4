//! Journals while they are written, on a disk that fails and loses power: the rig of the tests of
//! that crate, steered by the input.

use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};

use super::Sync;
use super::tests::rig::{Rig, Step};
use super::tests::world::Fault;

/// Whatever [`arbitrary`] makes of the input: a policy, then steps.
pub(crate) fn run(data: &[u8]) {
    let _ = live(&mut Unstructured::new(data));
}

fn live(u: &mut Unstructured<'_>) -> Result<()> {
    let policy = match u.int_in_range(0..=5)? {
        0..=2 => Sync::Always,
        3 => Sync::Interval(Duration::ZERO),
        4 => Sync::Interval(Duration::MAX),
        _ => Sync::Never,
    };
    let compact_above = u64::from(u8::arbitrary(u)?) * 16;
    let mut rig = Rig::new(policy, compact_above, u8::arbitrary(u)?.into());
    for _ in 0..100 {
        if u.is_empty() {
            break;
        }
        rig.step(&step(u)?);
    }
    rig.cut();
    Ok(())
}

fn step(u: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match u.int_in_range(0..=12)? {
        0..=2 => Step::Publish {
            len: usize::from(u8::arbitrary(u)?),
            is_quotation: false,
        },
        3 => Step::Publish {
            len: usize::from(u8::arbitrary(u)?),
            is_quotation: true,
        },
        // More than one batch.
        4 => Step::Publish {
            len: 60_000 + usize::from(u8::arbitrary(u)?) * 40,
            is_quotation: false,
        },
        5 | 6 => Step::Done(u8::arbitrary(u)?.into()),
        7 | 8 => Step::Save,
        9 => Step::Sync,
        10 => Step::Restart,
        other => {
            let fault = if other == 11 {
                Fault::PowerCut
            } else {
                Fault::Error
            };
            Step::Fault(u.int_in_range(0..=15)?, fault)
        }
    })
}
