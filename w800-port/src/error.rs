//! The numbers that C sees, and the words for the log.

use mqtt_core::wire::{EncodeError, ReasonCode};
use mqtt_core::{Error, PeerError, Timeout, UsageError};
use transport_ws::{FrameError, RequestError, ResponseError};

/// What a C function returns instead of success.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Code(pub(crate) i32);

impl Code {
    /// `WM_ERR_MQTT_CLIENT_BASE`.
    const BASE: i32 = -5000;

    pub(crate) const INVALID_PARAM: Self = Self(-3);
    pub(crate) const BUSY: Self = Self(-4);
    pub(crate) const NO_INITED: Self = Self(-7);

    pub(crate) const FAILURE: Self = Self(Self::BASE - 1);
    #[expect(dead_code, reason = "the journal is to come")]
    pub(crate) const PERSISTENCE_ERROR: Self = Self(Self::BASE - 2);
    pub(crate) const DISCONNECTED: Self = Self(Self::BASE - 3);
    pub(crate) const MAX_MESSAGES_INFLIGHT: Self = Self(Self::BASE - 4);
    pub(crate) const BAD_UTF8_STRING: Self = Self(Self::BASE - 5);
    pub(crate) const NULL_PARAMETER: Self = Self(Self::BASE - 6);
    pub(crate) const TOPICNAME_TRUNCATED: Self = Self(Self::BASE - 7);
    pub(crate) const BAD_STRUCTURE: Self = Self(Self::BASE - 8);
    pub(crate) const BAD_QOS: Self = Self(Self::BASE - 9);
    pub(crate) const SSL_NOT_SUPPORTED: Self = Self(Self::BASE - 10);
    pub(crate) const BAD_MQTT_VERSION: Self = Self(Self::BASE - 11);
    pub(crate) const BAD_PROTOCOL: Self = Self(Self::BASE - 14);
    pub(crate) const BAD_MQTT_OPTION: Self = Self(Self::BASE - 15);
    pub(crate) const WRONG_MQTT_VERSION: Self = Self(Self::BASE - 16);
    pub(crate) const ZERO_LEN_WILL_TOPIC: Self = Self(Self::BASE - 17);
    pub(crate) const NO_MEMORY: Self = Self(Self::BASE - 99);
    /// A SUBACK of 0x80, whichever reason 5.0 gives.
    pub(crate) const SUBSCRIPTION_REFUSED: Self = Self(Self::BASE + 0x80);
}

/// What went wrong: the number, the words, and a number to print behind them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) text: &'static str,
    pub(crate) detail: Option<u32>,
}

impl Failure {
    pub(crate) const fn new(code: Code, text: &'static str) -> Self {
        Self {
            code,
            text,
            detail: None,
        }
    }

    const fn detailed(code: Code, text: &'static str, detail: u32) -> Self {
        Self {
            code,
            text,
            detail: Some(detail),
        }
    }

    pub(crate) const NO_MEMORY: Self = Self::new(Code::NO_MEMORY, "no memory");
    pub(crate) const NOT_CONNECTED: Self = Self::new(Code::DISCONNECTED, "not connected");
    pub(crate) const ENDED: Self = Self::new(Code::DISCONNECTED, "another call has ended it");
    pub(crate) const CLOSED: Self =
        Self::new(Code::FAILURE, "the server has closed the connection");
    pub(crate) const TOPIC: Self = Self::new(Code::BAD_UTF8_STRING, "the topic is not UTF-8");
    pub(crate) const LONG_TOPIC: Self = Self::new(
        Code::TOPICNAME_TRUNCATED,
        "the topic is longer than 65535 bytes",
    );
    pub(crate) const QOS: Self = Self::new(Code::BAD_QOS, "a QoS other than 0, 1, 2");

    /// The server does not accept the connection. 3.1.1 has five codes, which 5.0 has, too.
    pub(crate) fn refused(code: ReasonCode) -> Self {
        let number = match code.connack_v3() {
            Some(v3) => Code(Code::BASE + i32::from(v3)),
            None => Code::FAILURE,
        };
        let text = match code {
            ReasonCode::UnsupportedProtocolVersion => "refused: protocol version",
            ReasonCode::ClientIdentifierNotValid => "refused: client identifier",
            ReasonCode::ServerUnavailable => "refused: server unavailable",
            ReasonCode::BadUserNameOrPassword => "refused: bad user name or password",
            ReasonCode::NotAuthorized => "refused: not authorised",
            _ => "refused, reason code",
        };
        Self::detailed(number, text, code as u32)
    }

    pub(crate) fn not_granted(code: ReasonCode) -> Self {
        let text = "the server refuses the subscription, reason code";
        Self::detailed(Code::SUBSCRIPTION_REFUSED, text, code as u32)
    }

    pub(crate) fn not_ended(code: ReasonCode) -> Self {
        let text = "the server does not end the subscription, reason code";
        Self::detailed(Code::FAILURE, text, code as u32)
    }

    /// A DISCONNECT of the server's.
    pub(crate) fn disconnected(code: ReasonCode) -> Self {
        let text = "the server disconnects, reason code";
        Self::detailed(Code::FAILURE, text, code as u32)
    }

    /// What a stream function of the port has returned.
    pub(crate) fn stream(error: i32) -> Self {
        const TLS: i32 = 0x1_0000;

        if error <= -TLS {
            let code = error.saturating_add(TLS);
            return Self::detailed(
                Code(Code::BASE.saturating_add(code)),
                "TLS error",
                code.unsigned_abs(),
            );
        }
        match error {
            -1 => Self::CLOSED,
            -3 => Self::new(Code::FAILURE, "the host's name has no address"),
            -4 => Self::new(Code::FAILURE, "nobody listens at that address and port"),
            -5 => Self::new(Code::FAILURE, "the network does not reach the server"),
            -6 => Self::new(Code::FAILURE, "the connection broke"),
            -7 => Self::new(Code::FAILURE, "the network gave up"),
            -8 => Self::NO_MEMORY,
            -9 => Self::new(Code::FAILURE, "all sockets are taken"),
            _ => Self::new(Code::FAILURE, "network error"),
        }
    }

    pub(crate) fn request(_: RequestError) -> Self {
        Self::new(
            Code::FAILURE,
            "host or path cannot stand in an HTTP request",
        )
    }

    pub(crate) fn response(error: ResponseError) -> Self {
        let text = match error {
            ResponseError::NotHttp => "no HTTP on that port",
            ResponseError::TooLong => "the WebSocket answer is longer than the receive buffer",
            ResponseError::Ended => "closed during the WebSocket handshake",
            ResponseError::Status(status) => {
                let text = "no WebSocket there: HTTP status";
                return Self::detailed(Code::FAILURE, text, status.into());
            }
            ResponseError::Protocol => "no sub-protocol mqtt there",
            _ => "the WebSocket answer is not valid",
        };
        Self::new(Code::FAILURE, text)
    }

    pub(crate) fn frame(error: FrameError) -> Self {
        let text = "the server broke the WebSocket protocol, status";
        Self::detailed(Code::FAILURE, text, error.close_code().into())
    }

    /// What the core says of a command, or of the server.
    pub(crate) fn core(error: Error) -> Self {
        let detail = error.code().into();
        let (code, text) = match error {
            Error::Timeout(Timeout::Connect) => (Code::FAILURE, "no answer to CONNECT in time"),
            Error::Timeout(_) => (Code::FAILURE, "the server is silent"),
            Error::Peer(PeerError::PacketTooLarge) => {
                (Code::FAILURE, "a packet too large for the receive buffer")
            }
            Error::Peer(PeerError::ReceiveMaximumExceeded) => (
                Code::FAILURE,
                "the server has more in flight than there is room for",
            ),
            Error::Peer(_) => (Code::FAILURE, "the server broke the protocol"),
            Error::Full(_) => (Code::MAX_MESSAGES_INFLIGHT, "no room for more in flight"),
            Error::Usage(error) => usage(error),
            _ => (Code::FAILURE, "the client failed"),
        };
        Self::detailed(code, text, detail)
    }
}

fn usage(error: UsageError) -> (Code, &'static str) {
    match error {
        UsageError::NotConnected => (Code::DISCONNECTED, "not connected"),
        UsageError::BufferTooSmall => (Code::FAILURE, "too long for the transmit buffer"),
        UsageError::MaximumPacketSize => (Code::FAILURE, "longer than the server accepts"),
        UsageError::MaximumQoS => (Code::FAILURE, "the server does not support this QoS"),
        UsageError::RetainNotAvailable => (Code::FAILURE, "the server retains no messages"),
        UsageError::Encode(EncodeError::TopicName) => {
            (Code::FAILURE, "the topic is empty or has wildcards")
        }
        UsageError::Encode(EncodeError::TopicFilter) => {
            (Code::FAILURE, "the topic filter is not valid")
        }
        UsageError::Encode(EncodeError::FieldTooLong) => {
            (Code::TOPICNAME_TRUNCATED, "longer than 65535 bytes")
        }
        UsageError::Encode(EncodeError::ClientId) => (
            Code::FAILURE,
            "an empty client identifier needs clean_session",
        ),
        _ => (Code::FAILURE, "the call is not possible"),
    }
}

/// A line of text in a fixed place, cut off where that ends, with a NUL behind it.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    bytes: [u8; Self::SIZE],
    len: usize,
}

impl Text {
    const SIZE: usize = 112;

    pub(crate) const EMPTY: Self = Self {
        bytes: [0; Self::SIZE],
        len: 0,
    };

    pub(crate) fn push(&mut self, text: &[u8]) {
        // The last byte stays NUL.
        let room = self.bytes.get_mut(self.len..Self::SIZE - 1);
        for (to, from) in room.unwrap_or_default().iter_mut().zip(text) {
            *to = *from;
            self.len += 1;
        }
    }

    pub(crate) fn push_number(&mut self, mut number: u32) {
        let mut digits = [0; 10];
        let mut len = 0;
        for place in digits.iter_mut().rev() {
            // A digit fits a byte.
            *place = b'0' + (number % 10) as u8;
            number /= 10;
            len += 1;
            if number == 0 {
                break;
            }
        }
        self.push(digits.get(digits.len() - len..).unwrap_or_default());
    }

    pub(crate) fn push_hex(&mut self, number: u32) {
        self.push(b"0x");
        let mut begun = false;
        for shift in [28, 24, 20, 16, 12, 8, 4, 0] {
            let digit = (number >> shift & 0xf) as u8;
            begun |= digit != 0 || shift < 8;
            if begun {
                self.push(&[if digit < 10 {
                    b'0' + digit
                } else {
                    b'a' - 10 + digit
                }]);
            }
        }
    }

    /// The text with its NUL.
    pub(crate) const fn as_c(&self) -> &[u8; Self::SIZE] {
        &self.bytes
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The last failure, as it can be asked for.
#[derive(Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) code: i32,
    pub(crate) text: Text,
}

impl Trouble {
    pub(crate) const NONE: Self = Self {
        code: 0,
        text: Text::EMPTY,
    };

    /// Notes it. `reason` is what the port has to add.
    pub(crate) fn set(&mut self, failure: Failure, reason: Option<&[u8]>) {
        self.code = failure.code.0;
        self.text = Text::EMPTY;
        self.text.push(failure.text.as_bytes());
        if let Some(detail) = failure.detail {
            self.text.push(b" ");
            self.text.push_hex(detail);
        }
        if let Some(reason) = reason {
            self.text.push(b": ");
            self.text.push(reason);
        }
    }
}
