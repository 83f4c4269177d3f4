//! Those who wait for room, first come, first served.

use core::task::Waker;
use std::collections::VecDeque;

/// A queue of tickets. The first one tries whenever there may be room, and keeps its place until
/// it has succeeded or given up.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    queue: VecDeque<(u64, Waker)>,
    last: u64,
    /// True if the first one was woken and has not tried since.
    is_woken: bool,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes a place at the end.
    pub(super) fn join(&mut self, waker: &Waker) -> u64 {
        self.last += 1;
        self.queue.push_back((self.last, waker.clone()));
        self.last
    }

    /// Keeps the place, but wakes this one. True if it is the first.
    pub(super) fn stay(&mut self, ticket: u64, waker: &Waker) -> bool {
        let Ok(at) = self.find(ticket) else {
            return false;
        };
        if let Some((_, own)) = self.queue.get_mut(at) {
            own.clone_from(waker);
        }
        self.is_woken &= at != 0;
        at == 0
    }

    /// Gives up the place, after success or without. The first one tries.
    pub(super) fn leave(&mut self, ticket: u64) {
        if let Ok(at) = self.find(ticket) {
            self.queue.remove(at);
            self.is_woken &= at != 0;
            self.wake();
        }
    }

    /// There may be room. Once is enough, however many acknowledgements have made it.
    pub(super) fn wake(&mut self) {
        if self.is_woken {
            return;
        }
        if let Some((_, waker)) = self.queue.front() {
            self.is_woken = true;
            waker.wake_by_ref();
        }
    }

    fn find(&self, ticket: u64) -> Result<usize, usize> {
        self.queue
            .binary_search_by_key(&ticket, |&(other, _)| other)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_first_is_woken_once_until_it_has_tried() {
        let counts: [Arc<Count>; 2] = Default::default();
        let wakers = counts.clone().map(Waker::from);
        let woken = || {
            counts
                .each_ref()
                .map(|count| count.0.swap(0, Ordering::Relaxed))
        };
        let mut waiters = Waiters::default();
        let tickets = wakers.each_ref().map(|waker| waiters.join(waker));
        waiters.wake();
        waiters.wake();
        assert_eq!(woken(), [1, 0]);
        // It has found no room.
        assert!(waiters.stay(tickets[0], &wakers[0]));
        waiters.wake();
        assert_eq!(woken(), [1, 0]);
        // The second one does not take its turn.
        assert!(!waiters.stay(tickets[1], &wakers[1]));
        waiters.wake();
        assert_eq!(woken(), [0, 0]);
        // The first one has found room, or given up.
        waiters.leave(tickets[0]);
        assert_eq!(woken(), [0, 1]);
        waiters.leave(tickets[1]);
        waiters.wake();
        assert_eq!(woken(), [0, 0]);
    }
}
