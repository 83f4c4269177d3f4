//! The wire format: bytes to packets and packets to bytes, with no state.
//!
//! All fifteen control packets of MQTT 3.1, 3.1.1 and 5.0, in both directions. One set of types
//! serves every version: 3.1.1 is 5.0 without properties and with fewer reason codes, and the
//! [`Version`] given to a call decides what is read and written.
//!
//! - A packet borrows: strings, payloads and lists point into the input, nothing is copied.
//! - A packet that [`Packet::decode`] returned is valid as far as one packet alone can tell. Its
//!   lists ([`List`]) were checked once and are then read by an iterator that cannot fail.
//! - [`Packet::encode`] checks everything before it writes the first byte.
//! - Input that ends early is `Ok(None)`, never an error.
//! - Where code is scarce: a program that calls [`Publish::encode`], [`ConnAck::decode`] and so on
//!   instead of [`Packet`]'s is linked with the packets that it names only.
//!
//! ```
//! use mqtt_core::wire::{Packet, Publish, Version};
//!
//! let mut buffer = [0; 64];
//! let packet = Packet::from(Publish::new("greeting", b"hello"));
//! let n = packet.encode(Version::V5, &mut buffer)?;
//!
//! assert_eq!(Packet::decode(&buffer[..n - 1], Version::V5), Ok(None));
//! assert_eq!(Packet::decode(&buffer[..n], Version::V5), Ok(Some((packet, n))));
//! # Ok::<(), mqtt_core::wire::EncodeError>(())
//! ```

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
mod frame;
mod list;
mod packet;
mod property;
mod publish;
mod reader;
mod reason;
mod scan;
mod stored;
mod subscribe;
mod topic;
mod types;
mod writer;

pub use ack::Ack;
pub(crate) use ack::AckKind;
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use error::{DecodeError, EncodeError};
pub(crate) use frame::{Body, encodable, encoded_len, packet_len, write};
pub use frame::{FixedHeader, MAX_REMAINING_LENGTH, PacketType};
pub use list::{Element, Iter, List};
pub use packet::Packet;
pub(crate) use property::PropertyId;
pub use property::{Properties, Property};
pub use publish::Publish;
pub(crate) use publish::head_len;
pub use reason::ReasonCode;
pub(crate) use scan::WIDE;
#[cfg(feature = "durability")]
pub(crate) use stored::decode_head;
pub(crate) use stored::{
    Envelope, decode_stored, expiry_at, has_alias, head, head_start, is_enveloped, remove_alias,
};
pub use subscribe::{Filter, RetainHandling, SubAck, Subscribe, UnsubAck, Unsubscribe};
pub use topic::{TopicError, TopicFilter, TopicName};
pub(crate) use topic::{has_wildcard, is_shared};
pub use types::{PacketId, QoS, Version};
