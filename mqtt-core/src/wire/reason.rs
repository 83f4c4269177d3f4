use core::fmt;

use super::list::Sealed;
use super::reader::Reader;
use super::writer::Writer;
use super::{DecodeError, PacketType, Version};

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// The result of an operation, or the reason for an ending.
        ///
        /// The codes of 5.0. The return codes of 3.1.1's CONNACK are read as the 5.0 codes of
        /// the same meaning, and its SUBACK failure is [`UnspecifiedError`](Self::UnspecifiedError).
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum ReasonCode {
            $($(#[$doc])* $name = $value,)*
        }

        impl ReasonCode {
            /// The code of this number.
            #[must_use]
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reason_codes! {
    /// Success; also Normal disconnection and Granted QoS 0.
    Success = 0x00, "success";
    /// Granted QoS 1.
    GrantedQoS1 = 0x01, "granted QoS 1";
    /// Granted QoS 2.
    GrantedQoS2 = 0x02, "granted QoS 2";
    /// Disconnect with Will Message.
    DisconnectWithWill = 0x04, "disconnect with will message";
    /// No matching subscribers.
    NoMatchingSubscribers = 0x10, "no matching subscribers";
    /// No subscription existed.
    NoSubscriptionExisted = 0x11, "no subscription existed";
    /// Continue authentication.
    ContinueAuthentication = 0x18, "continue authentication";
    /// Re-authenticate.
    ReAuthenticate = 0x19, "re-authenticate";
    /// Unspecified error.
    UnspecifiedError = 0x80, "unspecified error";
    /// Malformed Packet.
    MalformedPacket = 0x81, "malformed packet";
    /// Protocol Error.
    ProtocolError = 0x82, "protocol error";
    /// Implementation specific error.
    ImplementationSpecificError = 0x83, "implementation specific error";
    /// Unsupported Protocol Version.
    UnsupportedProtocolVersion = 0x84, "unsupported protocol version";
    /// Client Identifier not valid.
    ClientIdentifierNotValid = 0x85, "client identifier not valid";
    /// Bad User Name or Password.
    BadUserNameOrPassword = 0x86, "bad user name or password";
    /// Not authorized.
    NotAuthorized = 0x87, "not authorized";
    /// Server unavailable.
    ServerUnavailable = 0x88, "server unavailable";
    /// Server busy.
    ServerBusy = 0x89, "server busy";
    /// Banned.
    Banned = 0x8A, "banned";
    /// Server shutting down.
    ServerShuttingDown = 0x8B, "server shutting down";
    /// Bad authentication method.
    BadAuthenticationMethod = 0x8C, "bad authentication method";
    /// Keep Alive timeout.
    KeepAliveTimeout = 0x8D, "keep alive timeout";
    /// Session taken over.
    SessionTakenOver = 0x8E, "session taken over";
    /// Topic Filter invalid.
    TopicFilterInvalid = 0x8F, "topic filter invalid";
    /// Topic Name invalid.
    TopicNameInvalid = 0x90, "topic name invalid";
    /// Packet Identifier in use.
    PacketIdentifierInUse = 0x91, "packet identifier in use";
    /// Packet Identifier not found.
    PacketIdentifierNotFound = 0x92, "packet identifier not found";
    /// Receive Maximum exceeded.
    ReceiveMaximumExceeded = 0x93, "receive maximum exceeded";
    /// Topic Alias invalid.
    TopicAliasInvalid = 0x94, "topic alias invalid";
    /// Packet too large.
    PacketTooLarge = 0x95, "packet too large";
    /// Message rate too high.
    MessageRateTooHigh = 0x96, "message rate too high";
    /// Quota exceeded.
    QuotaExceeded = 0x97, "quota exceeded";
    /// Administrative action.
    AdministrativeAction = 0x98, "administrative action";
    /// Payload format invalid.
    PayloadFormatInvalid = 0x99, "payload format invalid";
    /// Retain not supported.
    RetainNotSupported = 0x9A, "retain not supported";
    /// QoS not supported.
    QoSNotSupported = 0x9B, "QoS not supported";
    /// Use another server.
    UseAnotherServer = 0x9C, "use another server";
    /// Server moved.
    ServerMoved = 0x9D, "server moved";
    /// Shared Subscriptions not supported.
    SharedSubscriptionsNotSupported = 0x9E, "shared subscriptions not supported";
    /// Connection rate exceeded.
    ConnectionRateExceeded = 0x9F, "connection rate exceeded";
    /// Maximum connect time.
    MaximumConnectTime = 0xA0, "maximum connect time";
    /// Subscription Identifiers not supported.
    SubscriptionIdentifiersNotSupported = 0xA1, "subscription identifiers not supported";
    /// Wildcard Subscriptions not supported.
    WildcardSubscriptionsNotSupported = 0xA2, "wildcard subscriptions not supported";
}

impl ReasonCode {
    /// True for 0x80 and above: the operation failed.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// True if only a server gives this reason in a DISCONNECT (table 3-10).
    pub(crate) fn is_disconnect_of_server(self) -> bool {
        !DISCONNECT_OF_CLIENT.contains(self)
    }

    /// True if `packet` may carry this code in `version`.
    pub(super) fn fits(self, packet: PacketType, version: Version) -> bool {
        let is_v5 = version.is_v5();
        let fitting: &Codes = match packet {
            PacketType::ConnAck if is_v5 => &CONNACK,
            PacketType::ConnAck => &CODES_V3,
            PacketType::SubAck if is_v5 => &SUBACK,
            PacketType::SubAck => &SUBACK_V3,
            _ if !is_v5 => &SUCCESS,
            PacketType::PubAck | PacketType::PubRec => &PUBACK,
            PacketType::PubRel | PacketType::PubComp => &PUBREL,
            PacketType::UnsubAck => &UNSUBACK,
            PacketType::Disconnect => &DISCONNECT,
            PacketType::Auth => &AUTH,
            _ => &NONE,
        };
        fitting.contains(self)
    }

    /// The code of a 3.1.1 CONNACK.
    pub(super) fn from_connack_v3(code: u8) -> Option<Self> {
        CONNACK_V3.get(usize::from(code)).copied()
    }

    /// The return code that 3.1.1's CONNACK has for this reason, if it has one.
    #[must_use]
    pub const fn connack_v3(self) -> Option<u8> {
        Some(match self {
            Self::Success => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::ServerUnavailable => 3,
            Self::BadUserNameOrPassword => 4,
            Self::NotAuthorized => 5,
            _ => return None,
        })
    }

    /// Reads the code of a 5.0 packet, or of SUBACK in any version.
    pub(super) fn read_for(r: &mut Reader<'_>, packet: PacketType) -> Self {
        let code = Self::read(r);
        r.require(code.fits(packet, r.version), DecodeError::ReasonCode);
        code
    }
}

impl<'a> Sealed<'a> for ReasonCode {
    fn read(r: &mut Reader<'a>) -> Self {
        let code = Self::from_u8(r.u8());
        r.require(code.is_some(), DecodeError::ReasonCode);
        code.unwrap_or(Self::Success)
    }

    fn put(&self, out: &mut Writer<'_>) {
        out.u8(*self as u8);
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

use ReasonCode as R;

/// By the return codes that 3.1.1 has for them.
const CONNACK_V3: [R; 6] = [
    R::Success,
    R::UnsupportedProtocolVersion,
    R::ClientIdentifierNotValid,
    R::ServerUnavailable,
    R::BadUserNameOrPassword,
    R::NotAuthorized,
];

/// A set of codes, a bit for each: those below 0x20 and those from 0x80 on.
struct Codes {
    fine: u32,
    errors: u64,
}

impl Codes {
    const fn of(codes: &[R]) -> Self {
        Self { fine: 0, errors: 0 }.and(codes)
    }

    const fn and(mut self, mut codes: &[R]) -> Self {
        while let [code, rest @ ..] = codes {
            let code = *code as u8;
            if code < 0x80 {
                self.fine |= 1 << code;
            } else {
                self.errors |= 1 << (code - 0x80);
            }
            codes = rest;
        }
        self
    }

    #[inline]
    const fn contains(&self, code: R) -> bool {
        let code = code as u8;
        if code < 0x80 {
            self.fine >> (code & 31) & 1 != 0
        } else {
            self.errors >> (code & 63) & 1 != 0
        }
    }
}

const NONE: Codes = Codes::of(&[]);

const SUCCESS: Codes = Codes::of(&[R::Success]);

const CODES_V3: Codes = Codes::of(&CONNACK_V3);

const CONNACK: Codes = Codes::of(&[
    R::Success,
    R::UnspecifiedError,
    R::MalformedPacket,
    R::ProtocolError,
    R::ImplementationSpecificError,
    R::UnsupportedProtocolVersion,
    R::ClientIdentifierNotValid,
    R::BadUserNameOrPassword,
    R::NotAuthorized,
    R::ServerUnavailable,
    R::ServerBusy,
    R::Banned,
    R::BadAuthenticationMethod,
    R::TopicNameInvalid,
    R::PacketTooLarge,
    R::QuotaExceeded,
    R::PayloadFormatInvalid,
    R::RetainNotSupported,
    R::QoSNotSupported,
    R::UseAnotherServer,
    R::ServerMoved,
    R::ConnectionRateExceeded,
]);

/// Also of PUBREC.
const PUBACK: Codes = Codes::of(&[
    R::Success,
    R::NoMatchingSubscribers,
    R::UnspecifiedError,
    R::ImplementationSpecificError,
    R::NotAuthorized,
    R::TopicNameInvalid,
    R::PacketIdentifierInUse,
    R::QuotaExceeded,
    R::PayloadFormatInvalid,
]);

/// Also of PUBCOMP.
const PUBREL: Codes = Codes::of(&[R::Success, R::PacketIdentifierNotFound]);

const SUBACK_V3: Codes = Codes::of(&[
    R::Success,
    R::GrantedQoS1,
    R::GrantedQoS2,
    R::UnspecifiedError,
]);

const SUBACK: Codes = Codes::of(&[
    R::Success,
    R::GrantedQoS1,
    R::GrantedQoS2,
    R::UnspecifiedError,
    R::ImplementationSpecificError,
    R::NotAuthorized,
    R::TopicFilterInvalid,
    R::PacketIdentifierInUse,
    R::QuotaExceeded,
    R::SharedSubscriptionsNotSupported,
    R::SubscriptionIdentifiersNotSupported,
    R::WildcardSubscriptionsNotSupported,
]);

const UNSUBACK: Codes = Codes::of(&[
    R::Success,
    R::NoSubscriptionExisted,
    R::UnspecifiedError,
    R::ImplementationSpecificError,
    R::NotAuthorized,
    R::TopicFilterInvalid,
    R::PacketIdentifierInUse,
]);

const DISCONNECT_OF_CLIENT: Codes = Codes::of(&[
    R::Success,
    R::DisconnectWithWill,
    R::UnspecifiedError,
    R::MalformedPacket,
    R::ProtocolError,
    R::ImplementationSpecificError,
    R::TopicNameInvalid,
    R::ReceiveMaximumExceeded,
    R::TopicAliasInvalid,
    R::PacketTooLarge,
    R::MessageRateTooHigh,
    R::QuotaExceeded,
    R::AdministrativeAction,
    R::PayloadFormatInvalid,
]);

const DISCONNECT: Codes = DISCONNECT_OF_CLIENT.and(&[
    R::NotAuthorized,
    R::ServerBusy,
    R::ServerShuttingDown,
    R::BadAuthenticationMethod,
    R::KeepAliveTimeout,
    R::SessionTakenOver,
    R::TopicFilterInvalid,
    R::RetainNotSupported,
    R::QoSNotSupported,
    R::UseAnotherServer,
    R::ServerMoved,
    R::SharedSubscriptionsNotSupported,
    R::ConnectionRateExceeded,
    R::MaximumConnectTime,
    R::SubscriptionIdentifiersNotSupported,
    R::WildcardSubscriptionsNotSupported,
]);

const AUTH: Codes = Codes::of(&[R::Success, R::ContinueAuthentication, R::ReAuthenticate]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_number() {
        let codes = (0..=u8::MAX).filter_map(ReasonCode::from_u8);
        assert_eq!(codes.clone().count(), 43);
        assert!(
            codes
                .clone()
                .all(|code| ReasonCode::from_u8(code as u8) == Some(code))
        );
    }

    #[test]
    fn connack_codes_of_3_1_1_map_both_ways() {
        for code in 0..=u8::MAX {
            let reason = ReasonCode::from_connack_v3(code);
            assert_eq!(reason.is_some(), code <= 5);
            assert!(reason.is_none_or(|reason| reason.connack_v3() == Some(code)));
        }
    }
}
