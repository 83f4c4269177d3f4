use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use ::tokio::sync::oneshot;
use mqtt_core::wire::{PacketId, ReasonCode};

use super::error::DeliveryError;
use super::shared::{Awaited, Shared};

/// What became of a message: the server's reason code, success of some kind.
pub(super) type Outcome = Result<ReasonCode, DeliveryError>;

/// A message on its way, and a future of what becomes of it.
///
/// It resolves to the reason code of PUBACK, at QoS 2 that of the exchange's end, and outlives
/// connections. At QoS 0, and for a message that had to wait for a connection, it resolves once
/// the message was handed to one. It need not be awaited: the message is on its way without.
#[derive(Debug)]
pub struct Publication {
    packet_id: Option<PacketId>,
    state: State,
}

#[derive(Debug)]
enum State {
    Done,
    Underway {
        shared: Arc<Shared>,
        outcome: oneshot::Receiver<Outcome>,
        /// Present while somebody waits.
        awaited: Option<Awaited>,
    },
}

impl Publication {
    /// A message of QoS 0 that leaves with the next write.
    pub(super) const DONE: Self = Self {
        packet_id: None,
        state: State::Done,
    };

    pub(super) const fn underway(
        packet_id: Option<PacketId>,
        shared: Arc<Shared>,
        outcome: oneshot::Receiver<Outcome>,
    ) -> Self {
        Self {
            packet_id,
            state: State::Underway {
                shared,
                outcome,
                awaited: None,
            },
        }
    }

    /// The packet identifier; `None` at QoS 0, or if there was no connection.
    #[must_use]
    pub const fn packet_id(&self) -> Option<PacketId> {
        self.packet_id
    }
}

impl Future for Publication {
    type Output = Result<ReasonCode, DeliveryError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let State::Underway {
            shared,
            outcome,
            awaited,
        } = &mut self.state
        else {
            return Poll::Ready(Ok(ReasonCode::Success));
        };
        let outcome = match Pin::new(outcome).poll(cx) {
            Poll::Ready(outcome) => outcome.unwrap_or(Err(DeliveryError::Closed)),
            Poll::Pending => {
                awaited.get_or_insert_with(|| Awaited::new(shared));
                return Poll::Pending;
            }
        };
        self.state = State::Done;
        Poll::Ready(outcome)
    }
}
