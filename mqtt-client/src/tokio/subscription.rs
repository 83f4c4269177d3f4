use core::fmt;
use core::future::poll_fn;
use core::ops::Deref;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, ready};
use std::collections::VecDeque;
use std::sync::Arc;

use futures_core::Stream;
use mqtt_core::OwnedPublish;
use mqtt_core::wire::{PacketId, QoS, ReasonCode};

use super::client::Handle;
use super::error::SubscribeError;
use super::inbox::{Inbox, Item};
use super::shared::{Answer, Phase};

/// The messages of a subscription, in order of arrival, in a bounded queue of its own.
///
/// A [`Stream`], and [`recv`](Self::recv) does the same. A message above QoS 0 is acknowledged
/// when it is taken from here, or, with
/// [`Acknowledgement::Manual`](mqtt_core::Acknowledgement::Manual), by
/// [`Client::acknowledge`](super::Client::acknowledge).
///
/// Dropping it ends the subscription, unless another one has the same filter, and acknowledges what
/// was not taken. Only if the last handle of the client is dropped right after, or was before, the
/// server keeps the messages for the session's next connection. For it to keep the subscription,
/// too, call [`Client::disconnect`](super::Client::disconnect) before.
///
/// It outlives connections: when the server has lost the session, the client subscribes again. If
/// the server then refuses, [`Gap::Refused`] says so.
#[derive(Debug)]
pub struct Subscription {
    handle: Arc<Handle>,
    key: u64,
    inbox: Arc<Inbox>,
    /// Moved here from the inbox, to be taken next.
    taken: VecDeque<Item>,
    granted: Box<[Result<QoS, ReasonCode>]>,
}

impl Subscription {
    pub(super) fn new(handle: Arc<Handle>, key: u64, inbox: Arc<Inbox>) -> Self {
        Self {
            handle,
            key,
            inbox,
            taken: VecDeque::new(),
            granted: Box::default(),
        }
    }

    pub(super) fn granted_by(mut self, granted: Box<[Result<QoS, ReasonCode>]>) -> Self {
        self.granted = granted;
        self
    }

    /// For each filter, in their order, the QoS that the server has granted, or why it refuses.
    /// At least one was granted.
    pub fn granted(&self) -> &[Result<QoS, ReasonCode>] {
        &self.granted
    }

    /// The next message, or the news that something is missing; `None` when the client is closed.
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Result<Received, Gap>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) as a poll function.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Received, Gap>>> {
        let item = match self.taken.pop_front() {
            Some(item) => item,
            None => {
                let Some(is_awaited) = ready!(self.inbox.poll_take(&mut self.taken, cx)) else {
                    return Poll::Ready(None);
                };
                if is_awaited {
                    self.handle.shared.lock().wake();
                }
                let Some(item) = self.taken.pop_front() else {
                    return Poll::Pending;
                };
                item
            }
        };
        Poll::Ready(Some(item.map(|mut message| {
            if self.handle.is_automatic {
                self.handle
                    .shared
                    .acknowledge(&mut message, ReasonCode::Success);
            }
            message
        })))
    }

    /// Ends the subscription and waits until the server has confirmed it, or the connection has
    /// ended; then the server is told on the next one. Dropping the future changes nothing.
    ///
    /// # Errors
    /// [`SubscribeError::Refused`] if the server had no such subscription or does not end it.
    pub async fn unsubscribe(self) -> Result<(), SubscribeError> {
        let (sender, answer) = Answer::new(&self.handle.shared);
        let is_online = self
            .handle
            .shared
            .lock()
            .unsubscribe(self.key, Some(sender));
        drop(self);
        if !is_online {
            return Ok(());
        }
        answer.await.unwrap_or(Err(SubscribeError::Closed))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.inbox.close();
        let mut state = self.handle.shared.lock();
        state.unsubscribe(self.key, None);
        let mut left = core::mem::take(&mut self.taken);
        loop {
            let messages = left.drain(..).flatten();
            state
                .discarded
                .extend(messages.filter(|message| message.packet_id.is_some()));
            let mut cx = Context::from_waker(core::task::Waker::noop());
            if !matches!(
                self.inbox.poll_take(&mut left, &mut cx),
                Poll::Ready(Some(_))
            ) {
                break;
            }
        }
        if state.phase != Phase::Online {
            state.discard();
        }
    }
}

impl Stream for Subscription {
    type Item = Result<Received, Gap>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

/// A received message: an [`OwnedPublish`], which can be cloned without copying the payload.
#[derive(Debug)]
pub struct Received {
    publish: OwnedPublish,
    pub(super) receipt: Receipt,
}

impl Received {
    pub(super) const fn new(publish: OwnedPublish, receipt: Receipt) -> Self {
        Self { publish, receipt }
    }

    /// The message alone, for other tasks.
    #[must_use]
    pub fn into_publish(self) -> OwnedPublish {
        self.publish
    }
}

impl Deref for Received {
    type Target = OwnedPublish;

    fn deref(&self) -> &OwnedPublish {
        &self.publish
    }
}

/// The right to acknowledge a message, once.
#[derive(Debug)]
pub(super) struct Receipt(Option<Inner>);

#[derive(Debug)]
enum Inner {
    One(Due),
    /// Of several subscriptions, the last one to take it acknowledges.
    Shared(Arc<(AtomicUsize, Due)>),
}

/// Which message is to be acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Due {
    pub(super) id: PacketId,
    /// The number of the connection at QoS 1, of the session at QoS 2: after its end the server
    /// may use the identifier for another message.
    pub(super) epoch: u64,
}

impl Receipt {
    pub(super) fn of(due: Option<Due>) -> Self {
        Self(due.map(Inner::One))
    }

    /// Receipts for `n` subscriptions.
    pub(super) fn split(due: Option<Due>, n: usize) -> impl Iterator<Item = Self> {
        let shared = due
            .filter(|_| n > 1)
            .map(|due| Arc::new((AtomicUsize::new(n), due)));
        (0..n).map(move |_| match &shared {
            Some(shared) => Self(Some(Inner::Shared(Arc::clone(shared)))),
            None => Self(due.map(Inner::One)),
        })
    }

    /// To which connection or session the message belongs; `None` at QoS 0.
    pub(super) fn epoch(&self) -> Option<u64> {
        self.0.as_ref().map(|inner| match inner {
            Inner::One(due) => due.epoch,
            Inner::Shared(shared) => shared.1.epoch,
        })
    }

    /// What is to be acknowledged now.
    pub(super) fn take(&mut self) -> Option<Due> {
        match self.0.take()? {
            Inner::One(due) => Some(due),
            Inner::Shared(shared) => {
                let (left, due) = &*shared;
                (left.fetch_sub(1, Ordering::AcqRel) == 1).then_some(*due)
            }
        }
    }
}

/// Something that a subscription did not get.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Gap {
    /// So many messages found the queue full: of QoS 0, too large, or of a session that the
    /// server has lost.
    Missed(u64),
    /// A message was larger than [`Options::max_packet`](super::Options::max_packet). It is
    /// acknowledged.
    TooLarge {
        /// Its topic.
        topic: Box<str>,
        /// The length of its payload.
        len: usize,
    },
    /// The server had lost the session, and refuses to renew the subscription to these filters.
    Refused(Box<[(Box<str>, ReasonCode)]>),
    /// The server had lost the session, and by its limits the subscription cannot be renewed.
    Usage(mqtt_core::UsageError),
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missed(n) => write!(f, "{n} messages found the queue full"),
            Self::TooLarge { topic, len } => {
                write!(f, "a message of {len} bytes to {topic} is too large")
            }
            Self::Refused(filters) => {
                f.write_str("the server refuses to renew the subscription")?;
                let mut separator = ": ";
                for (filter, code) in filters {
                    write!(f, "{separator}{filter} ({code})")?;
                    separator = ", ";
                }
                Ok(())
            }
            Self::Usage(error) => write!(f, "the subscription cannot be renewed: {error}"),
        }
    }
}

impl core::error::Error for Gap {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_acknowledges() {
        let due = Due {
            id: PacketId::new(1).unwrap(),
            epoch: 3,
        };
        let mut receipts: Vec<_> = Receipt::split(Some(due), 3).collect();
        assert_eq!(receipts[1].take(), None);
        assert_eq!(receipts[1].take(), None);
        assert_eq!(receipts[0].take(), None);
        assert_eq!(receipts[2].take(), Some(due));
        assert_eq!(receipts[2].take(), None);
        assert_eq!(
            Receipt::split(Some(due), 1).next().unwrap().take(),
            Some(due)
        );
        assert_eq!(Receipt::split(None, 1).next().unwrap().take(), None);
    }
}
