//! What survives a lost connection: messages in flight, packet identifiers, received QoS 2
//! identifiers. Knows packets, but neither time nor connections.

mod arena;
mod inbox;
mod outbox;
#[cfg(feature = "durability")]
mod record;
mod slots;

pub use inbox::Inbound;
pub(crate) use inbox::{Delivery, Due, Inbox};
pub use outbox::Lent;
pub(crate) use outbox::{Outbox, Settled};
#[cfg(feature = "durability")]
pub use record::Record;
pub use slots::Slot;
pub(crate) use slots::State;
