use core::fmt;

use crate::wire::{DecodeError, EncodeError, PacketType, ReasonCode};

/// What went wrong, grouped by whose fault it is and what to do now.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The server broke the protocol. The connection is over: send what
    /// [`transmit`](crate::Client::transmit) still holds (in 5.0 a DISCONNECT with
    /// [`PeerError::reason_code`]) and close.
    Peer(PeerError),
    /// The caller asked for something impossible. Nothing has changed.
    Usage(UsageError),
    /// There is no room now. Nothing has changed; [`Event::Writable`](crate::Event::Writable)
    /// tells when to try again.
    Full(Resource),
    /// The server was silent for too long. The connection is over: close it.
    Timeout(Timeout),
}

impl Error {
    /// True if the connection is over.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Peer(_) | Self::Timeout(_))
    }

    /// A number that stays the same from release to release, for C and for logs.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Peer(PeerError::Malformed(error)) => 0x0100 | *error as u16,
            Self::Peer(error) => 0x0200 | error.code() as u16,
            Self::Usage(UsageError::Encode(error)) => 0x0300 | *error as u16,
            Self::Usage(error) => 0x0400 | error.code() as u16,
            Self::Full(resource) => 0x0500 | *resource as u16,
            Self::Timeout(timeout) => 0x0600 | *timeout as u16,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(error) => write!(f, "the server broke the protocol: {error}"),
            Self::Usage(error) => error.fmt(f),
            Self::Full(resource) => write!(f, "no room now: {resource}"),
            Self::Timeout(timeout) => timeout.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

impl From<PeerError> for Error {
    fn from(error: PeerError) -> Self {
        Self::Peer(error)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Peer(PeerError::Malformed(error))
    }
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Usage(UsageError::Encode(error))
    }
}

impl From<Resource> for Error {
    fn from(resource: Resource) -> Self {
        Self::Full(resource)
    }
}

impl From<Timeout> for Error {
    fn from(timeout: Timeout) -> Self {
        Self::Timeout(timeout)
    }
}

/// How the server broke the protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PeerError {
    /// Bytes that are not a packet.
    Malformed(DecodeError),
    /// A packet that a server never sends, or not now.
    UnexpectedPacket(PacketType),
    /// An acknowledgement for an identifier that waits for none of its kind.
    UnknownPacketId(PacketType),
    /// More QoS 2 messages in flight than there are
    /// [`Buffers::inbound`](crate::Buffers::inbound) cells `[MQTT-3.3.4-9]`. Of QoS 1 they are left
    /// on the wire until others are acknowledged.
    ReceiveMaximumExceeded,
    /// A packet larger than the announced maximum, or than the receive buffer and not a PUBLISH
    /// `[MQTT-3.1.2-24]`.
    PacketTooLarge,
    /// A topic alias of 0 or beyond the announced maximum `[MQTT-3.3.2-8]`, `[MQTT-3.3.2-11]`.
    TopicAlias,
    /// Session present in answer to a clean start `[MQTT-3.2.2-2]`.
    SessionPresent,
    /// SUBACK or UNSUBACK with more or fewer reason codes than there were filters
    /// `[MQTT-3.8.4-6]`.
    ReasonCodeCount,
    /// A property that a server never sends in this packet `[MQTT-3.14.2-2]`, or another
    /// authentication method than ours `[MQTT-4.12.0-5]`.
    UnexpectedProperty,
    /// A topic alias that stands for no topic on this connection (3.3.4).
    UnknownTopicAlias,
    /// A topic that [`Buffers::aliases_in`](crate::Buffers::aliases_in) has no room for.
    TopicAliasRoom,
    /// A Maximum Packet Size with which no message can be acknowledged.
    MaximumPacketSize,
}

impl PeerError {
    /// The reason code for the DISCONNECT that answers this.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::Malformed(error) => error.reason_code(),
            Self::UnexpectedPacket(_)
            | Self::UnknownPacketId(_)
            | Self::SessionPresent
            | Self::ReasonCodeCount
            | Self::UnexpectedProperty
            | Self::UnknownTopicAlias => ReasonCode::ProtocolError,
            Self::TopicAliasRoom => ReasonCode::QuotaExceeded,
            Self::MaximumPacketSize => ReasonCode::ImplementationSpecificError,
            Self::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            Self::PacketTooLarge => ReasonCode::PacketTooLarge,
            Self::TopicAlias => ReasonCode::TopicAliasInvalid,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Malformed(_) => 0,
            Self::UnexpectedPacket(_) => 1,
            Self::UnknownPacketId(_) => 2,
            Self::ReceiveMaximumExceeded => 3,
            Self::PacketTooLarge => 4,
            Self::TopicAlias => 5,
            Self::SessionPresent => 6,
            Self::ReasonCodeCount => 7,
            Self::UnexpectedProperty => 8,
            Self::UnknownTopicAlias => 9,
            Self::TopicAliasRoom => 10,
            Self::MaximumPacketSize => 11,
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed packet: {error}"),
            Self::UnexpectedPacket(packet) => write!(f, "unexpected {packet}"),
            Self::UnknownPacketId(packet) => write!(f, "{packet} with an unknown identifier"),
            Self::ReceiveMaximumExceeded => f.write_str("too many messages in flight"),
            Self::PacketTooLarge => f.write_str("packet too large"),
            Self::TopicAlias => f.write_str("topic alias not agreed upon"),
            Self::SessionPresent => f.write_str("session present after a clean start"),
            Self::ReasonCodeCount => f.write_str("not one reason code for each filter"),
            Self::UnexpectedProperty => f.write_str("unexpected property"),
            Self::UnknownTopicAlias => f.write_str("topic alias that stands for no topic"),
            Self::TopicAliasRoom => f.write_str("no room for the topic of a topic alias"),
            Self::MaximumPacketSize => f.write_str("maximum packet size below any use"),
        }
    }
}

impl core::error::Error for PeerError {}

/// How the caller asked for something impossible.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum UsageError {
    /// A packet that cannot be written.
    Encode(EncodeError),
    /// The connection is not open, or is being closed.
    NotConnected,
    /// [`connect`](crate::Client::connect) while there is a connection.
    AlreadyConnected,
    /// [`acknowledge`](crate::Client::acknowledge) for a message that waits for none.
    UnknownPacketId,
    /// [`Buffers::tx`](crate::Buffers::tx) can never hold this packet.
    BufferTooSmall,
    /// A property that the client sets itself, or that contradicts an earlier packet.
    Property,
    /// Another version, durability or client identifier while there are messages, which are kept
    /// for this one.
    InFlight,
    /// AUTH although CONNECT had no authentication method `[MQTT-4.12.0-7]`, to re-authenticate
    /// before CONNACK `[MQTT-4.12.1-1]`, or with a code that only a server sends.
    Authentication,
    /// A QoS above the server's Maximum QoS `[MQTT-3.2.2-11]`.
    MaximumQoS,
    /// A retained message to a server that has none `[MQTT-3.2.2-14]`.
    RetainNotAvailable,
    /// A packet above the server's Maximum Packet Size `[MQTT-3.2.2-15]`.
    MaximumPacketSize,
    /// A wildcard in a filter for a server without them.
    WildcardNotAvailable,
    /// A shared subscription on a server without them.
    SharedNotAvailable,
    /// A subscription identifier for a server without them.
    SubscriptionIdentifierNotAvailable,
    /// A topic alias beyond the server's Topic Alias Maximum `[MQTT-3.3.2-9]`, that stands for no
    /// topic, or for one that [`Buffers::aliases_out`](crate::Buffers::aliases_out) has no room
    /// for; or one for a lent payload, or above QoS 0 for the journal.
    TopicAlias,
    /// A payload together with the length of one that stays with the application.
    Payload,
    /// An acknowledgement with properties while earlier ones are due, or its record: only its code
    /// can be kept until then.
    OutOfOrder,
    /// A record that is damaged, or that does not follow from those before.
    Record,
}

impl UsageError {
    const fn code(self) -> u8 {
        match self {
            Self::Encode(_) => 0,
            Self::NotConnected => 1,
            Self::AlreadyConnected => 2,
            Self::UnknownPacketId => 3,
            Self::BufferTooSmall => 4,
            Self::Property => 5,
            Self::InFlight => 6,
            Self::Authentication => 7,
            Self::MaximumQoS => 8,
            Self::RetainNotAvailable => 9,
            Self::MaximumPacketSize => 10,
            Self::WildcardNotAvailable => 11,
            Self::SharedNotAvailable => 12,
            Self::SubscriptionIdentifierNotAvailable => 13,
            Self::TopicAlias => 14,
            Self::Payload => 15,
            Self::OutOfOrder => 16,
            Self::Record => 17,
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encode(error) => return error.fmt(f),
            Self::NotConnected => "not connected",
            Self::AlreadyConnected => "already connected",
            Self::UnknownPacketId => "no message of this identifier waits for acknowledgement",
            Self::BufferTooSmall => "the packet does not fit the transmit buffer",
            Self::Property => "the application cannot set this property here",
            Self::InFlight => "messages of another session are in flight",
            Self::Authentication => "no extended authentication is possible now",
            Self::MaximumQoS => "the server does not support this QoS",
            Self::RetainNotAvailable => "the server does not support retained messages",
            Self::MaximumPacketSize => "the packet is larger than the server accepts",
            Self::WildcardNotAvailable => "the server does not support wildcard subscriptions",
            Self::SharedNotAvailable => "the server does not support shared subscriptions",
            Self::SubscriptionIdentifierNotAvailable => {
                "the server does not support subscription identifiers"
            }
            Self::TopicAlias => "the topic alias cannot be used here",
            Self::Payload => "the payload is given twice",
            Self::OutOfOrder => "earlier acknowledgements are due first",
            Self::Record => "the record does not follow from those before",
        })
    }
}

impl core::error::Error for UsageError {}

/// What there is no room in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum Resource {
    /// As many messages are in flight as the server's Receive Maximum allows `[MQTT-3.3.4-7]`.
    Window = 1,
    /// Every slot holds a message or a request.
    Slots,
    /// The part of the transmit buffer that holds messages.
    Messages,
    /// The part of the transmit buffer that holds all other packets.
    Control,
}

impl Resource {
    /// For sets of them.
    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Window => "the server's receive maximum is reached",
            Self::Slots => "all slots are taken",
            Self::Messages => "the transmit buffer is full of messages",
            Self::Control => "the transmit buffer is full of control packets",
        })
    }
}

/// What was waited for in vain.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum Timeout {
    /// No CONNACK in time.
    Connect = 1,
    /// No PINGRESP, nor anything else, in time.
    Ping,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the server did not answer CONNECT in time",
            Self::Ping => "the server did not answer PINGREQ in time",
        })
    }
}
