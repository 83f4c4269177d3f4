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
    #[cfg(feature = "journal")]
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

/// What can go wrong: the number, and the words.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct What {
    code: Code,
    text: &'static str,
    detail: Detail,
}

/// What the number behind the words is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Detail {
    None,
    /// To be printed.
    Number,
    /// Of the TLS library, without its sign. It is part of the number that C sees.
    Tls,
}

/// What went wrong. Two words, so that results of functions stay in registers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    what: &'static What,
    detail: u32,
}

macro_rules! failures {
    ($($(#[$when:meta])* $name:ident = $code:ident, $text:literal;)*) => {
        impl Failure {
            $($(#[$when])* pub(crate) const $name: Self = Self {
                what: &What { code: Code::$code, text: $text, detail: Detail::None },
                detail: 0,
            };)*
        }
    };
}

failures! {
    // init
    NO_CONFIG = INVALID_PARAM, "config is NULL";
    NO_URI = INVALID_PARAM, "uri is NULL";
    URI_UTF8 = BAD_UTF8_STRING, "uri is not UTF-8";
    SCHEME = BAD_PROTOCOL, "the URI's scheme is not one of mqtt, tcp, mqtts, ssl, ws, wss";
    HOST = INVALID_PARAM, "the URI has no valid host";
    PORT = INVALID_PARAM, "the URI's port is not one of 1 to 65535";
    CLIENT_ID_UTF8 = BAD_UTF8_STRING, "client_id is not UTF-8";
    AUTH_MODE = INVALID_PARAM, "auth_mode is not one of 0 to 3";
    OPTIONS_SIZE = BAD_STRUCTURE, "the size of the options is not theirs";
    VERSION = BAD_MQTT_VERSION, "mqtt_version is not one of 0, 3, 4, 5";
    EXPIRY = BAD_MQTT_OPTION, "session_expiry needs MQTT 5.0";
    #[cfg(not(feature = "journal"))]
    NO_JOURNAL = BAD_MQTT_OPTION, "the library was built without the journal";
    #[cfg(feature = "journal")]
    JOURNAL_FUNCTIONS = BAD_STRUCTURE, "the journal lacks a function";
    #[cfg(feature = "journal")]
    PERSISTENCE = PERSISTENCE_ERROR, "the application's journal has failed";
    NO_MEMORY = NO_MEMORY, "no memory";

    // connect
    NO_TLS = SSL_NOT_SUPPORTED, "the library was built without TLS";
    NO_CA = NULL_PARAMETER, "auth_mode calls for a ca";
    NO_CERT = NULL_PARAMETER, "auth_mode calls for cert and key";
    WILL_TOPIC = ZERO_LEN_WILL_TOPIC, "the will's topic is empty";
    LOGIN_UTF8 = BAD_UTF8_STRING, "user name, password or will's topic is not UTF-8";
    LATE = FAILURE, "no connection within 30 seconds";
    NAME = FAILURE, "the host's name has no address";
    REFUSED = FAILURE, "nobody listens at that address and port";
    UNREACHABLE = FAILURE, "the network does not reach the server";
    GAVE_UP = FAILURE, "the network gave up";
    NO_SOCKET = FAILURE, "all sockets are taken";
    NOT_HTTP = FAILURE, "no HTTP on that port";
    LONG_ANSWER = FAILURE, "the WebSocket answer is longer than the receive buffer";
    NO_ANSWER = FAILURE, "closed during the WebSocket handshake";
    NO_SUBPROTOCOL = FAILURE, "no sub-protocol mqtt there";
    BAD_ANSWER = FAILURE, "the WebSocket answer is not valid";
    BAD_REQUEST = FAILURE, "host or path cannot stand in an HTTP request";
    EMPTY_CLIENT_ID = FAILURE, "an empty client identifier needs clean_session";

    // what a call asks for
    BUSY = BUSY, "too many calls wait";
    NOT_CONNECTED = DISCONNECTED, "not connected";
    ENDED = DISCONNECTED, "another call has ended it";
    CUT = DISCONNECTED, "the connection broke before the answer came";
    NO_TOPIC = INVALID_PARAM, "topic is NULL";
    TOPIC = BAD_UTF8_STRING, "the topic is not UTF-8";
    LONG_TOPIC = TOPICNAME_TRUNCATED, "the topic is longer than 65535 bytes";
    NUL_IN_TOPIC = TOPICNAME_TRUNCATED, "the topic has a NUL in it";
    LONG_FIELD = TOPICNAME_TRUNCATED, "longer than 65535 bytes";
    TOPIC_NAME = FAILURE, "the topic is empty or has wildcards";
    TOPIC_FILTER = FAILURE, "the topic filter is not valid";
    QOS = BAD_QOS, "a QoS other than 0, 1, 2";
    SUBSCRIPTION_VERSION = WRONG_MQTT_VERSION, "options of a subscription need MQTT 5.0";
    SUBSCRIPTION_OPTIONS = INVALID_PARAM, "there are no such options of a subscription";
    SILENT = FAILURE, "no answer within 10 seconds";
    FULL = MAX_MESSAGES_INFLIGHT, "as many messages are in flight as there may be";
    BUFFER = FAILURE, "too long for the transmit buffer";
    PACKET_SIZE = FAILURE, "longer than the server accepts";
    SERVER_QOS = FAILURE, "the server does not support this QoS";
    RETAIN = FAILURE, "the server retains no messages";

    // connections
    CLOSED = FAILURE, "the server has closed the connection";
    RESET = FAILURE, "the connection broke";
    NETWORK = FAILURE, "network error";
    NO_CONNACK = FAILURE, "no answer to CONNECT in time";
    NO_PINGRESP = FAILURE, "the server is silent";
    PACKET = FAILURE, "a packet too large for the receive buffer";
    TOO_MANY = FAILURE, "the server has more in flight than there is room for";
    DISCARDED = FAILURE, "a message was discarded: too long";
    TAKEN_BACK = FAILURE, "a message was not sent in time";
}

impl Failure {
    const fn detailed(what: &'static What, detail: u32) -> Self {
        Self { what, detail }
    }

    pub(crate) const fn code(self) -> Code {
        match self.what.detail {
            // The library's codes have 16 bits.
            Detail::Tls => Code(Code::BASE - (self.detail & 0xffff) as i32),
            _ => self.what.code,
        }
    }

    /// The server does not accept the connection. 3.1.1 has five codes, which 5.0 has, too.
    pub(crate) fn refused(code: ReasonCode) -> Self {
        const fn what(v3: i32, text: &'static str) -> What {
            What {
                code: Code(Code::BASE + v3),
                text,
                detail: Detail::Number,
            }
        }
        let what = match code.connack_v3() {
            Some(1) => const { &what(1, "refused: protocol version") },
            Some(2) => const { &what(2, "refused: client identifier") },
            Some(3) => const { &what(3, "refused: server unavailable") },
            Some(4) => const { &what(4, "refused: bad user name or password") },
            Some(5) => const { &what(5, "refused: not authorised") },
            _ => const { &what(-1, "refused, reason code") },
        };
        Self::detailed(what, code as u32)
    }

    pub(crate) fn not_granted(code: ReasonCode) -> Self {
        const WHAT: What = What {
            code: Code::SUBSCRIPTION_REFUSED,
            text: "the server refuses the subscription, reason code",
            detail: Detail::Number,
        };
        Self::detailed(&WHAT, code as u32)
    }

    pub(crate) fn not_ended(code: ReasonCode) -> Self {
        const WHAT: What = What {
            code: Code::FAILURE,
            text: "the server does not end the subscription, reason code",
            detail: Detail::Number,
        };
        Self::detailed(&WHAT, code as u32)
    }

    /// A DISCONNECT of the server's.
    pub(crate) fn disconnected(code: ReasonCode) -> Self {
        const WHAT: What = What {
            code: Code::FAILURE,
            text: "the server disconnects, reason code",
            detail: Detail::Number,
        };
        Self::detailed(&WHAT, code as u32)
    }

    /// What a stream function of the port has returned.
    pub(crate) fn stream(error: i32) -> Self {
        const TLS: i32 = 0x1_0000;
        const WHAT: What = What {
            code: Code::FAILURE,
            text: "TLS error",
            detail: Detail::Tls,
        };

        if error <= -TLS {
            return Self::detailed(&WHAT, error.saturating_add(TLS).unsigned_abs());
        }
        match error {
            -1 => Self::CLOSED,
            -3 => Self::NAME,
            -4 => Self::REFUSED,
            -5 => Self::UNREACHABLE,
            -6 => Self::RESET,
            -7 => Self::GAVE_UP,
            -8 => Self::NO_MEMORY,
            -9 => Self::NO_SOCKET,
            _ => Self::NETWORK,
        }
    }

    pub(crate) fn request(_: RequestError) -> Self {
        Self::BAD_REQUEST
    }

    pub(crate) fn response(error: ResponseError) -> Self {
        const STATUS: What = What {
            code: Code::FAILURE,
            text: "no WebSocket there: HTTP status",
            detail: Detail::Number,
        };
        match error {
            ResponseError::NotHttp => Self::NOT_HTTP,
            ResponseError::TooLong => Self::LONG_ANSWER,
            ResponseError::Ended => Self::NO_ANSWER,
            ResponseError::Status(status) => Self::detailed(&STATUS, status.into()),
            ResponseError::Protocol => Self::NO_SUBPROTOCOL,
            _ => Self::BAD_ANSWER,
        }
    }

    pub(crate) fn frame(error: FrameError) -> Self {
        const WHAT: What = What {
            code: Code::FAILURE,
            text: "the server broke the WebSocket protocol, status",
            detail: Detail::Number,
        };
        Self::detailed(&WHAT, error.close_code().into())
    }

    /// What the core says of a command, or of the server.
    pub(crate) fn core(error: Error) -> Self {
        const PEER: What = What {
            code: Code::FAILURE,
            text: "the server broke the protocol",
            detail: Detail::Number,
        };
        match error {
            Error::Timeout(Timeout::Connect) => Self::NO_CONNACK,
            Error::Timeout(_) => Self::NO_PINGRESP,
            Error::Peer(PeerError::PacketTooLarge) => Self::PACKET,
            Error::Peer(PeerError::ReceiveMaximumExceeded) => Self::TOO_MANY,
            Error::Full(_) => Self::FULL,
            Error::Usage(error) => Self::usage(error),
            _ => Self::detailed(&PEER, error.code().into()),
        }
    }

    fn usage(error: UsageError) -> Self {
        const WHAT: What = What {
            code: Code::FAILURE,
            text: "the call is not possible",
            detail: Detail::Number,
        };
        match error {
            UsageError::NotConnected => Self::NOT_CONNECTED,
            UsageError::BufferTooSmall => Self::BUFFER,
            UsageError::MaximumPacketSize => Self::PACKET_SIZE,
            UsageError::MaximumQoS => Self::SERVER_QOS,
            UsageError::RetainNotAvailable => Self::RETAIN,
            UsageError::Encode(EncodeError::TopicName) => Self::TOPIC_NAME,
            UsageError::Encode(EncodeError::TopicFilter) => Self::TOPIC_FILTER,
            UsageError::Encode(EncodeError::FieldTooLong) => Self::LONG_FIELD,
            UsageError::Encode(EncodeError::ClientId) => Self::EMPTY_CLIENT_ID,
            error => Self::detailed(&WHAT, Error::Usage(error).code().into()),
        }
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
        self.code = failure.code().0;
        self.text = Text::EMPTY;
        self.text.push(failure.what.text.as_bytes());
        match failure.what.detail {
            Detail::None => {}
            Detail::Number => {
                self.text.push(b" ");
                self.text.push_hex(failure.detail);
            }
            Detail::Tls => {
                self.text.push(b" -");
                self.text.push_hex(failure.detail);
            }
        }
        if let Some(reason) = reason {
            self.text.push(b": ");
            self.text.push(reason);
        }
    }
}
