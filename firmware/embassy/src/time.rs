//! Time for embassy, by the board's clock.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

/// The clock's interrupts, one each millisecond, look whether somebody is to be woken.
struct Ticks {
    queue: Mutex<RefCell<Queue>>,
    /// When that is.
    next: Mutex<Cell<u64>>,
}

embassy_time_driver::time_driver_impl!(static TICKS: Ticks = Ticks {
    queue: Mutex::new(RefCell::new(Queue::new())),
    next: Mutex::new(Cell::new(u64::MAX)),
});

/// Begins to wake.
pub(crate) fn start() {
    board::on_tick(|| {
        critical_section::with(|section| {
            if TICKS.next.borrow(section).get() <= board::now() {
                TICKS.wake(section);
            }
        });
    });
}

impl Ticks {
    /// Wakes all whose time has come.
    fn wake(&self, section: CriticalSection<'_>) {
        let next = self
            .queue
            .borrow_ref_mut(section)
            .next_expiration(board::now());
        self.next.borrow(section).set(next);
    }
}

impl Driver for Ticks {
    fn now(&self) -> u64 {
        board::now()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            let is_first = self.queue.borrow_ref_mut(section).schedule_wake(at, waker);
            if is_first {
                self.wake(section);
            }
        });
    }
}
