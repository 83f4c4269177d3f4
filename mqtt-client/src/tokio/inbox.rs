//! The queue of a subscription: between the task that receives and whoever takes.

use core::fmt;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mqtt_core::wire::QoS;

use super::subscription::{Gap, Received};

/// What to do with a message of QoS 0 for a subscription whose queue is full.
///
/// Messages above QoS 0 always find room: they are acknowledged when they are taken, and the
/// server sends no more than [`Options::receive_maximum`](super::Options::receive_maximum) that
/// are not. Every message that is left out is counted, in a [`Gap`] at its place.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Overflow {
    /// Receive nothing more until there is room, so that the server has to wait. For no longer
    /// than a second, though, and not while somebody waits for an answer of the server's, since
    /// it may be their turn to make room: then as [`DropNewest`](Self::DropNewest) until
    /// messages are taken again.
    #[default]
    Wait,
    /// Leave it out.
    DropNewest,
    /// Leave out the oldest one of QoS 0 in its place.
    DropOldest,
}

#[derive(Debug)]
pub(super) struct Inbox {
    capacity: usize,
    overflow: Overflow,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// True from a wait in vain until messages are taken.
    is_lagging: bool,
    /// True if reception waits for room here.
    is_awaited: bool,
    /// True if nothing more comes.
    is_closed: bool,
    waker: Option<Waker>,
}

/// Without the messages.
impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.items.len())
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

/// The first connection of a session, and the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epochs {
    pub(super) connection: u64,
    pub(super) session: u64,
}

pub(super) type Item = Result<Received, Gap>;

/// What became of messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pushed {
    Open {
        /// How many were left out, or others in their place.
        missed: u64,
    },
    Closed,
}

impl Inbox {
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self {
            capacity: capacity.max(1),
            overflow,
            queue: Mutex::default(),
        }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues messages, with `may_wait` until there is one that has to be given again later, and
    /// returns how many were left out. What remains in `messages` has to wait, or comes too late
    /// for the subscription, which has ended.
    pub(super) fn push(&self, messages: &mut VecDeque<Item>, may_wait: bool) -> Pushed {
        let mut queue = self.lock();
        if queue.is_closed {
            return Pushed::Closed;
        }
        let missed = if queue.items.len() + messages.len() <= self.capacity {
            queue.items.append(messages);
            0
        } else {
            self.push_each(&mut queue, messages, may_wait)
        };
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        Pushed::Open { missed }
    }

    fn push_each(&self, queue: &mut Queue, messages: &mut VecDeque<Item>, may_wait: bool) -> u64 {
        let mut missed = 0;
        while let Some(item) = messages.pop_front() {
            let is_plain = |message: &Received| message.qos == QoS::AtMostOnce;
            if queue.items.len() < self.capacity || !item.as_ref().is_ok_and(is_plain) {
                queue.items.push_back(item);
                continue;
            }
            match self.overflow {
                Overflow::Wait if may_wait && !queue.is_lagging => {
                    queue.is_awaited = true;
                    messages.push_front(item);
                    break;
                }
                Overflow::DropOldest => {
                    queue.drop_oldest();
                    queue.items.push_back(item);
                }
                Overflow::Wait | Overflow::DropNewest => {
                    queue.is_lagging = true;
                    queue.drop_newest();
                }
            }
            missed += 1;
        }
        missed
    }

    /// Queues the news that something is missing. Nothing is queued without bound: a message that
    /// is too large finds the queue full like others, and the same news is no news.
    pub(super) fn push_gap(&self, gap: Gap) {
        let mut queue = self.lock();
        if queue.is_closed {
            return;
        }
        if matches!(gap, Gap::TooLarge { .. }) {
            if queue.items.len() < self.capacity {
                queue.items.push_back(Err(gap));
            } else {
                queue.drop_newest();
            }
        } else if !queue
            .items
            .iter()
            .any(|item| item.as_ref().err() == Some(&gap))
        {
            queue.items.push_back(Err(gap));
        }
        queue.wake();
    }

    /// There is a new connection, with the session that began with connection number `since`.
    /// What waits here of it at QoS 1 the server sends again, as it was not acknowledged. What
    /// waits here of an earlier session is not limited by the Receive Maximum any more, but by
    /// the capacity. Returns how many messages are left out for that.
    pub(super) fn reconnected(&self, since: Epochs) -> u64 {
        let mut queue = self.lock();
        queue.items.retain(|item| match item {
            Ok(message) if message.qos == QoS::AtLeastOnce => {
                message.receipt.epoch() < Some(since.connection)
            }
            _ => true,
        });
        let is_old = |item: &Item| {
            item.as_ref().is_ok_and(|message| match message.qos {
                QoS::AtMostOnce => false,
                QoS::AtLeastOnce => true,
                QoS::ExactlyOnce => message.receipt.epoch() < Some(since.session),
            })
        };
        let mut missed = 0;
        while queue.items.len() > self.capacity {
            let Some(at) = queue.items.iter().rposition(is_old) else {
                break;
            };
            queue.items.remove(at);
            missed += 1;
        }
        if missed > 0 {
            queue.items.push_back(Err(Gap::Missed(missed)));
        }
        missed
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.is_closed = true;
        queue.wake();
    }

    /// Moves all that is queued to `taken`, which is empty. Ready with `None` if nothing more
    /// comes, else with whether reception waits for the room that this made.
    pub(super) fn poll_take(
        &self,
        taken: &mut VecDeque<Item>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<bool>> {
        let mut queue = self.lock();
        if queue.items.is_empty() {
            if queue.is_closed {
                return Poll::Ready(None);
            }
            queue.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        core::mem::swap(&mut queue.items, taken);
        queue.is_lagging = false;
        Poll::Ready(Some(core::mem::take(&mut queue.is_awaited)))
    }
}

impl Queue {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn drop_newest(&mut self) {
        match self.items.back_mut() {
            Some(Err(Gap::Missed(n))) => *n += 1,
            _ => self.items.push_back(Err(Gap::Missed(1))),
        }
    }

    /// Puts a gap in the place of the oldest message of QoS 0, or behind all others.
    fn drop_oldest(&mut self) {
        let is_plain = |item: &Item| item.as_ref().is_ok_and(|m| m.qos == QoS::AtMostOnce);
        let Some(at) = self.items.iter().position(is_plain) else {
            return self.drop_newest();
        };
        match at
            .checked_sub(1)
            .and_then(|before| self.items.get_mut(before))
        {
            Some(Err(Gap::Missed(n))) => {
                *n += 1;
                self.items.remove(at);
            }
            _ => {
                if let Some(item) = self.items.get_mut(at) {
                    *item = Err(Gap::Missed(1));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::task::Waker;

    use bytes::Bytes;
    use mqtt_core::OwnedPublish;
    use mqtt_core::wire::Publish;

    use super::*;
    use crate::tokio::subscription::Receipt;

    fn message(payload: &'static str, qos: QoS) -> Received {
        let publish = Publish {
            qos,
            ..Publish::new("t", payload.as_bytes())
        };
        let receipt = Receipt::split(None, 1).next().unwrap();
        Received::new(OwnedPublish::new(&publish, &Bytes::new()), receipt)
    }

    fn push(inbox: &Inbox, message: Received, may_wait: bool) -> (Pushed, usize) {
        let mut messages = VecDeque::from([Ok(message)]);
        let pushed = inbox.push(&mut messages, may_wait);
        (pushed, messages.len())
    }

    /// Pushes the messages of these names, those in capitals at QoS 1, and shows what is there.
    fn filled(inbox: &Inbox, names: &[&'static str]) -> String {
        let qos = |name: &str| {
            if name == name.to_uppercase() {
                QoS::AtLeastOnce
            } else {
                QoS::AtMostOnce
            }
        };
        let messages = names.iter().map(|name| Ok(message(name, qos(name))));
        let mut messages: VecDeque<_> = messages.collect();
        inbox.push(&mut messages, false);
        assert!(messages.is_empty());
        taken(inbox)
    }

    fn taken(inbox: &Inbox) -> String {
        let mut items = VecDeque::new();
        let mut cx = Context::from_waker(Waker::noop());
        if inbox.poll_take(&mut items, &mut cx).is_pending() {
            return String::new();
        }
        let shown = items.iter().map(|item| match item {
            Ok(message) => String::from_utf8(message.payload.to_vec()).unwrap(),
            Err(Gap::Missed(n)) => format!("-{n}"),
            Err(other) => format!("{other:?}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn overflow_is_counted_in_its_place() {
        let oldest = Inbox::new(2, Overflow::DropOldest);
        assert_eq!(filled(&oldest, &["a", "b"]), "a b");
        // The gap takes a place, too.
        assert_eq!(filled(&oldest, &["a", "b", "c", "d"]), "-2 c d");
        assert_eq!(filled(&oldest, &["A", "B", "c"]), "A B -1 c");
        let newest = Inbox::new(2, Overflow::DropNewest);
        assert_eq!(filled(&newest, &["a", "b", "c", "d"]), "a b -2");
        assert_eq!(filled(&newest, &["a", "B", "c", "D", "e"]), "a B -1 D -1");
        assert_eq!(taken(&newest), "");
    }

    #[test]
    fn no_news_without_bound() {
        let inbox = Inbox::new(1, Overflow::Wait);
        for _ in 0..3 {
            inbox.push_gap(Gap::Refused(Box::default()));
            let (topic, len) = ("t".into(), 9);
            inbox.push_gap(Gap::TooLarge { topic, len });
        }
        assert_eq!(taken(&inbox), "Refused([]) -3");
    }

    #[test]
    fn waiting_is_left_to_the_one_who_pushes() {
        let inbox = Inbox::new(1, Overflow::Wait);
        let push = |name| push(&inbox, message(name, QoS::AtMostOnce), true);
        let taken_in = (Pushed::Open { missed: 0 }, 0);
        assert_eq!(push("a"), taken_in);
        assert_eq!(push("b"), (Pushed::Open { missed: 0 }, 1));
        let mut items = VecDeque::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(
            inbox.poll_take(&mut items, &mut cx),
            Poll::Ready(Some(true))
        );
        assert_eq!(push("b"), taken_in);
        // Given up waiting: the next ones are left out until some are taken.
        let mut messages = VecDeque::from([Ok(message("c", QoS::AtMostOnce))]);
        let missed = Pushed::Open { missed: 1 };
        assert_eq!(inbox.push(&mut messages, false), missed);
        assert_eq!(push("d"), (missed, 0));
        assert_eq!(taken(&inbox), "b -2");
        assert_eq!(push("e"), taken_in);
        inbox.close();
        assert_eq!(push("f"), (Pushed::Closed, 1));
    }
}
