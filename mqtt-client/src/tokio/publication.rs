use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use mqtt_core::wire::{PacketId, ReasonCode};

use super::deliveries::Key;
use super::error::DeliveryError;
use super::shared::Shared;

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
    /// Where the outcome will be.
    underway: Option<(Arc<Shared>, Key)>,
}

impl Publication {
    /// A message of QoS 0 that leaves with the next write.
    pub(super) const DONE: Self = Self {
        packet_id: None,
        underway: None,
    };

    pub(super) const fn underway(
        packet_id: Option<PacketId>,
        shared: Arc<Shared>,
        key: Key,
    ) -> Self {
        Self {
            packet_id,
            underway: Some((shared, key)),
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
        let Some((shared, key)) = &self.underway else {
            return Poll::Ready(Ok(ReasonCode::Success));
        };
        let outcome = shared.deliveries.poll(*key, cx);
        if outcome.is_ready() {
            self.underway = None;
        } else {
            shared.awaits();
        }
        outcome
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if let Some((shared, key)) = self.underway.take() {
            shared.deliveries.forget(key);
        }
    }
}
