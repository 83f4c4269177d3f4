//! What goes wrong on the lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use testkit::{Direction, End, Faults, Random};

/// How often what was planned. A connection may be over before it comes to that.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    pub(crate) closes: AtomicU64,
    pub(crate) resets: AtomicU64,
    pub(crate) half_closes: AtomicU64,
    pub(crate) black_holes: AtomicU64,
    pub(crate) delays: AtomicU64,
    pub(crate) throttles: AtomicU64,
    pub(crate) chops: AtomicU64,
}

/// The faults of the connections of a line, one after the other.
pub(crate) fn plan(
    mut random: Random,
    planned: &Arc<Planned>,
) -> impl FnMut(usize) -> Faults + use<> {
    let planned = Arc::clone(planned);
    move |_| {
        let mut faults = Faults::default();
        let end = Some((end_at(&mut random), end(&mut random, &planned)));
        let direction = if random.below(2) == 0 {
            &mut faults.up
        } else {
            &mut faults.down
        };
        direction.end = end;
        slow(&mut faults.up, &mut random, &planned);
        slow(&mut faults.down, &mut random, &planned);
        faults
    }
}

/// From a part of the first packet to some thousand packets, every order of magnitude as often.
fn end_at(random: &mut Random) -> u64 {
    let magnitude = random.below(15);
    1 + random.below(16 << magnitude)
}

fn end(random: &mut Random, planned: &Planned) -> End {
    let (end, counter) = match random.below(20) {
        0..9 => (End::Close, &planned.closes),
        9..15 => (End::Reset, &planned.resets),
        15..18 => (End::HalfClose, &planned.half_closes),
        _ => (End::BlackHole, &planned.black_holes),
    };
    counter.fetch_add(1, Ordering::Relaxed);
    end
}

/// A line is slow in one way at most.
fn slow(direction: &mut Direction, random: &mut Random, planned: &Planned) {
    let counter = match random.below(10) {
        0 => {
            direction.delay = Duration::from_millis(1 + random.below(60));
            &planned.delays
        }
        1 => {
            direction.rate = Some(u32::try_from(4000 + random.below(40_000)).unwrap_or(u32::MAX));
            &planned.throttles
        }
        2 => {
            direction.chunk = Some(usize::try_from(1 + random.below(40)).unwrap_or(1));
            &planned.chops
        }
        _ => return,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}
