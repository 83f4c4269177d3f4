//! Those who wait for room, first come, first served.

use core::task::Waker;
use std::collections::VecDeque;

/// A queue of tickets. The first one tries whenever there may be room, and keeps its place until
/// it has succeeded or given up.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    queue: VecDeque<(u64, Waker)>,
    last: u64,
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
        at == 0
    }

    /// Gives up the place, after success or without. The first one tries.
    pub(super) fn leave(&mut self, ticket: u64) {
        if let Ok(at) = self.find(ticket) {
            self.queue.remove(at);
            self.wake();
        }
    }

    /// There may be room.
    pub(super) fn wake(&self) {
        if let Some((_, waker)) = self.queue.front() {
            waker.wake_by_ref();
        }
    }

    fn find(&self, ticket: u64) -> Result<usize, usize> {
        self.queue
            .binary_search_by_key(&ticket, |&(other, _)| other)
    }
}
