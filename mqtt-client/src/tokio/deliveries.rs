//! What becomes of messages: where each [`Publication`](super::Publication) looks.

use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::DeliveryError;
use super::publication::Outcome;

/// A table of messages on their way, so that a message costs no allocation of its own. It has its own
/// lock, since whoever looks at a publication need not wait until the task has written.
///
/// An entry is there until both sides are done with it: the task has told the outcome, and the
/// publication has taken it or was dropped.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    table: Mutex<Table>,
}

/// The number of an entry.
pub(super) type Key = usize;

#[derive(Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    /// The first of those that are free.
    free: Option<Key>,
    /// How many are waited for.
    awaited: usize,
    is_closed: bool,
}

#[derive(Debug)]
enum Entry {
    /// With the next one that is free.
    Free(Option<Key>),
    /// With whoever waits.
    Underway(Option<Waker>),
    /// Underway, and nobody wants to know.
    Forgotten,
    Over(Outcome),
}

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message sets off.
    pub(super) fn begin(&self) -> Key {
        let mut table = self.lock();
        let Some(key) = table.free else {
            table.entries.push(Entry::Underway(None));
            return table.entries.len() - 1;
        };
        if let Some(entry) = table.entries.get_mut(key) {
            let was = core::mem::replace(entry, Entry::Underway(None));
            table.free = match was {
                Entry::Free(next) => next,
                _ => None,
            };
        }
        key
    }

    /// The end of a message, to be told once.
    pub(super) fn end(&self, key: Key, outcome: Outcome) {
        let waker = self.lock().end(key, outcome);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The outcome, if there is one, for the one who asks and asks only until then.
    pub(super) fn poll(&self, key: Key, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut table = self.lock();
        let table = &mut *table;
        match table.entries.get_mut(key) {
            Some(Entry::Underway(waker)) if !table.is_closed => {
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => {
                        *waker = Some(cx.waker().clone());
                        table.awaited += 1;
                    }
                }
                Poll::Pending
            }
            Some(Entry::Over(_)) => match table.release(key) {
                Entry::Over(outcome) => Poll::Ready(outcome),
                _ => Poll::Ready(Err(DeliveryError::Closed)),
            },
            _ => Poll::Ready(Err(DeliveryError::Closed)),
        }
    }

    /// Nobody wants to know any more.
    pub(super) fn forget(&self, key: Key) {
        // What is in the entry is dropped without the lock.
        let _ = self.lock().forget(key);
    }

    /// True if somebody waits for an outcome.
    pub(super) fn is_awaited(&self) -> bool {
        self.lock().awaited > 0
    }

    /// No outcome will be told any more.
    pub(super) fn close(&self) {
        let mut wakers = Vec::new();
        {
            let mut table = self.lock();
            table.is_closed = true;
            table.awaited = 0;
            for entry in &mut table.entries {
                if let Entry::Underway(waker) = entry {
                    wakers.extend(waker.take());
                }
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Table {
    fn end(&mut self, key: Key, outcome: Outcome) -> Option<Waker> {
        let entry = self.entries.get_mut(key)?;
        match entry {
            Entry::Underway(waker) => {
                let waker = waker.take();
                *entry = Entry::Over(outcome);
                self.awaited -= usize::from(waker.is_some() && !self.is_closed);
                waker
            }
            Entry::Forgotten => {
                self.release(key);
                None
            }
            Entry::Free(_) | Entry::Over(_) => None,
        }
    }

    fn forget(&mut self, key: Key) -> Option<Entry> {
        let entry = self.entries.get_mut(key)?;
        match entry {
            Entry::Underway(waker) => {
                self.awaited -= usize::from(waker.is_some() && !self.is_closed);
                Some(core::mem::replace(entry, Entry::Forgotten))
            }
            Entry::Over(_) => Some(self.release(key)),
            Entry::Free(_) | Entry::Forgotten => None,
        }
    }

    /// Makes an entry free, and returns what was there.
    fn release(&mut self, key: Key) -> Entry {
        let free = Entry::Free(self.free);
        match self.entries.get_mut(key) {
            Some(entry) => {
                self.free = Some(key);
                core::mem::replace(entry, free)
            }
            None => free,
        }
    }
}

#[cfg(test)]
mod tests {
    use mqtt_core::wire::ReasonCode;

    use super::*;

    const OK: Outcome = Ok(ReasonCode::Success);

    fn poll(deliveries: &Deliveries, key: Key) -> Poll<bool> {
        let mut cx = Context::from_waker(Waker::noop());
        deliveries.poll(key, &mut cx).map(|outcome| outcome.is_ok())
    }

    #[test]
    fn whoever_is_last_makes_room() {
        let deliveries = Deliveries::default();
        let (taken, forgotten, late) = (deliveries.begin(), deliveries.begin(), deliveries.begin());
        assert_eq!(poll(&deliveries, taken), Poll::Pending);
        deliveries.end(taken, OK);
        assert_eq!(poll(&deliveries, taken), Poll::Ready(true));
        deliveries.forget(forgotten);
        deliveries.end(forgotten, OK);
        deliveries.end(late, OK);
        deliveries.forget(late);
        let again = [deliveries.begin(), deliveries.begin(), deliveries.begin()];
        assert_eq!(again, [late, forgotten, taken]);
        assert_eq!(deliveries.begin(), 3);
    }

    /// The answer counts as soon as it is there, not when somebody looks at it.
    #[test]
    fn those_who_wait_are_counted() {
        let deliveries = Deliveries::default();
        let (one, two) = (deliveries.begin(), deliveries.begin());
        assert!(!deliveries.is_awaited());
        assert_eq!(poll(&deliveries, one), Poll::Pending);
        assert_eq!(poll(&deliveries, one), Poll::Pending);
        assert_eq!(poll(&deliveries, two), Poll::Pending);
        deliveries.end(one, OK);
        assert!(deliveries.is_awaited());
        deliveries.forget(two);
        assert!(!deliveries.is_awaited());
    }

    #[test]
    fn after_the_end_nothing_is_waited_for() {
        let deliveries = Deliveries::default();
        let (one, two) = (deliveries.begin(), deliveries.begin());
        assert_eq!(poll(&deliveries, one), Poll::Pending);
        deliveries.end(two, OK);
        deliveries.close();
        assert_eq!(poll(&deliveries, one), Poll::Ready(false));
        assert_eq!(poll(&deliveries, two), Poll::Ready(true));
        assert!(!deliveries.is_awaited());
    }
}
