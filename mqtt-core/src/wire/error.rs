use core::fmt;

use super::{ReasonCode, TopicError};

/// Why received bytes are not a packet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum DecodeError {
    /// A packet type that this version does not have.
    PacketType = 1,
    /// Flag bits of the fixed header that this packet type does not allow `[MQTT-2.1.3-1]`.
    Flags,
    /// A variable byte integer longer than four bytes or, in 5.0, than it needs to be
    /// `[MQTT-1.5.5-1]`.
    VariableByteInteger,
    /// A field reaches past the end of its packet.
    Truncated,
    /// Bytes are left over after the last field.
    TrailingBytes,
    /// A string is not well-formed UTF-8 `[MQTT-1.5.4-1]`.
    Utf8,
    /// A string holds U+0000 `[MQTT-1.5.4-2]`.
    NulCharacter,
    /// A packet identifier of zero `[MQTT-2.2.1-3]`.
    PacketIdZero,
    /// A QoS of 3, or DUP set at QoS 0 `[MQTT-3.3.1-4]`, `[MQTT-3.3.1-2]`.
    QoS,
    /// A protocol name and level that are not one of the three versions `[MQTT-3.1.2-1]`.
    Protocol,
    /// CONNECT flags that contradict each other or set the reserved bit `[MQTT-3.1.2-3]`.
    ConnectFlags,
    /// An empty client identifier where this version and the clean start flag do not allow one.
    ClientId,
    /// CONNACK flags other than session present `[MQTT-3.2.2-1]`, or session present together
    /// with a refusal `[MQTT-3.2.2-6]`.
    ConnAckFlags,
    /// A topic name that is empty where none may be, or holds a wildcard `[MQTT-3.3.2-2]`.
    TopicName,
    /// A topic name that is empty without a topic alias in its place.
    NoTopic,
    /// A topic filter with a misplaced wildcard or a malformed `$share` prefix `[MQTT-4.7.1-1]`.
    TopicFilter,
    /// A QoS or Retain Handling of 3, or No Local on a shared subscription `[MQTT-3.8.3-4]`.
    SubscriptionOptions,
    /// Reserved bits of the subscription options `[MQTT-3.8.3-5]`.
    ReservedOptions,
    /// No filter, or no reason code, where at least one must stand `[MQTT-3.8.3-2]`.
    EmptyList,
    /// A property that does not exist or does not belong to this packet.
    PropertyNotAllowed,
    /// A property that may stand only once stands twice.
    PropertyRepeated,
    /// A property with a value outside its range.
    PropertyValue,
    /// A topic alias of zero `[MQTT-3.3.2-8]`.
    TopicAlias,
    /// Authentication data without a method, or AUTH without one.
    AuthenticationMethod,
    /// A reason code that does not exist or does not belong to this packet.
    ReasonCode,
}

impl DecodeError {
    pub(super) const fn of_topic_name(error: TopicError) -> Self {
        match error {
            TopicError::NulCharacter => Self::NulCharacter,
            _ => Self::TopicName,
        }
    }

    /// The reason code for the DISCONNECT, or CONNACK, that answers such bytes.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::Protocol => ReasonCode::UnsupportedProtocolVersion,
            Self::ClientId => ReasonCode::ClientIdentifierNotValid,
            Self::TopicAlias => ReasonCode::TopicAliasInvalid,
            Self::NoTopic
            | Self::SubscriptionOptions
            | Self::EmptyList
            | Self::PropertyRepeated
            | Self::PropertyValue
            | Self::AuthenticationMethod
            | Self::ReasonCode => ReasonCode::ProtocolError,
            _ => ReasonCode::MalformedPacket,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PacketType => "unknown packet type",
            Self::Flags => "invalid fixed header flags",
            Self::VariableByteInteger => "invalid variable byte integer",
            Self::Truncated => "a field reaches past the end of the packet",
            Self::TrailingBytes => "bytes left over after the last field",
            Self::Utf8 => "string is not UTF-8",
            Self::NulCharacter => "string holds U+0000",
            Self::PacketIdZero => "packet identifier is zero",
            Self::QoS => "invalid QoS",
            Self::Protocol => "unsupported protocol name or version",
            Self::ConnectFlags => "invalid CONNECT flags",
            Self::ClientId => "empty client identifier not allowed here",
            Self::ConnAckFlags => "invalid CONNACK flags",
            Self::TopicName => "invalid topic name",
            Self::NoTopic => "neither topic name nor topic alias",
            Self::TopicFilter => "invalid topic filter",
            Self::SubscriptionOptions => "invalid subscription options",
            Self::ReservedOptions => "reserved subscription options",
            Self::EmptyList => "empty list",
            Self::PropertyNotAllowed => "property does not belong to this packet",
            Self::PropertyRepeated => "property stands more than once",
            Self::PropertyValue => "property value out of range",
            Self::TopicAlias => "topic alias is zero",
            Self::AuthenticationMethod => "authentication method missing",
            Self::ReasonCode => "reason code does not belong to this packet",
        })
    }
}

impl core::error::Error for DecodeError {}

/// Why a packet cannot be written. Nothing was written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum EncodeError {
    /// The buffer is shorter than [`Packet::encoded_len`](super::Packet::encoded_len).
    BufferTooSmall = 1,
    /// A string or binary field of over 65,535 bytes `[MQTT-4.7.3-3]`.
    FieldTooLong,
    /// A string holds U+0000 `[MQTT-1.5.4-2]`.
    NulCharacter,
    /// A packet of over 268,435,455 bytes after its fixed header.
    PacketTooLarge,
    /// A topic name that is empty, too long, or holds a wildcard or U+0000 `[MQTT-3.3.2-2]`.
    TopicName,
    /// A topic filter that [`TopicFilter::new`](super::TopicFilter::new) refuses.
    TopicFilter,
    /// A packet identifier missing at QoS 1 or 2, or present at QoS 0 `[MQTT-2.2.1-2]`.
    PacketId,
    /// DUP set at QoS 0 `[MQTT-3.3.1-2]`.
    Dup,
    /// An empty client identifier where this version and the clean start flag do not allow one
    /// `[MQTT-3.1.3-7]`.
    ClientId,
    /// Session present together with a refusal, or in 3.1 `[MQTT-3.2.2-6]`.
    SessionPresent,
    /// A password without a user name before 5.0 `[MQTT-3.1.2-22]`.
    PasswordWithoutUsername,
    /// No filter, or no reason code, where at least one must stand `[MQTT-3.8.3-2]`.
    EmptyList,
    /// No Local on a shared subscription `[MQTT-3.8.3-4]`.
    NoLocalShared,
    /// A property that does not belong to this packet.
    PropertyNotAllowed,
    /// A property that may stand only once stands twice.
    PropertyRepeated,
    /// A property with a value outside its range.
    PropertyValue,
    /// Authentication data without a method, or AUTH without one.
    AuthenticationMethod,
    /// A reason code that does not belong to this packet or does not exist in this version.
    ReasonCode,
    /// A packet, property or option that this version does not have.
    Version,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BufferTooSmall => "buffer too small",
            Self::FieldTooLong => "field longer than 65,535 bytes",
            Self::NulCharacter => "string holds U+0000",
            Self::PacketTooLarge => "packet longer than 268,435,455 bytes",
            Self::TopicName => "invalid topic name",
            Self::TopicFilter => "invalid topic filter",
            Self::PacketId => "packet identifier does not fit the QoS",
            Self::Dup => "DUP set at QoS 0",
            Self::ClientId => "empty client identifier not allowed here",
            Self::SessionPresent => "session present does not fit here",
            Self::PasswordWithoutUsername => "password without a user name",
            Self::EmptyList => "empty list",
            Self::NoLocalShared => "No Local on a shared subscription",
            Self::PropertyNotAllowed => "property does not belong to this packet",
            Self::PropertyRepeated => "property stands more than once",
            Self::PropertyValue => "property value out of range",
            Self::AuthenticationMethod => "authentication method missing",
            Self::ReasonCode => "reason code does not belong to this packet",
            Self::Version => "not available in this version of the protocol",
        })
    }
}

impl core::error::Error for EncodeError {}
