use core::{error, fmt};

/// Why a request is not sent: something in it would not arrive as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The authority is empty or has characters that none can have.
    Authority,
    /// The path does not begin with `/`, or has characters that have to be percent-encoded.
    Path,
    /// The name of an extra header is not a token of HTTP.
    HeaderName,
    /// The value of an extra header has a line break or another control character.
    HeaderValue,
    /// An extra header is one that the handshake itself sets.
    ReservedHeader,
    /// A user name with a colon, or a control character in the user name or the password.
    Credentials,
    /// There is no room for the request.
    TooLong,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "the host is not one that an HTTP request can name",
            Self::Path => {
                "the path has to begin with a slash, and all but visible ASCII percent-encoded"
            }
            Self::HeaderName => "the name of an extra header is not valid",
            Self::HeaderValue => "the value of an extra header has control characters",
            Self::ReservedHeader => "an extra header is one that the handshake sets by itself",
            Self::Credentials => {
                "basic authentication allows neither a colon in the user name nor control characters"
            }
            Self::TooLong => "the request is too long for the buffer",
        })
    }
}

impl error::Error for RequestError {}

/// Why the server's answer to the handshake is no consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// What came is not HTTP.
    NotHttp,
    /// What came begins like HTTP and goes on as something else.
    Malformed,
    /// The head of the response is longer than the limit, or has more than 64 fields.
    TooLong,
    /// The connection ended before the response did.
    Ended,
    /// The server answered with this status instead of 101.
    Status(u16),
    /// The field `Upgrade: websocket` is missing.
    Upgrade,
    /// The field `Connection: Upgrade` is missing.
    Connection,
    /// `Sec-WebSocket-Accept` is missing or does not belong to the request's key.
    Accept,
    /// The server did not choose the sub-protocol `mqtt` `[MQTT-6.0.0-4]`.
    Protocol,
    /// The server wants to use an extension that was not offered.
    Extension,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::NotHttp => "the server does not speak HTTP on this port",
            Self::Malformed => "the server's answer is malformed HTTP",
            Self::TooLong => "the server's answer is too long for a WebSocket handshake",
            Self::Ended => "the server closed the connection during the WebSocket handshake",
            Self::Status(status) => {
                let reason = reason(status);
                return write!(
                    f,
                    "the server answered HTTP {status}{reason} instead of 101"
                );
            }
            Self::Upgrade => "the server did not answer with \"Upgrade: websocket\"",
            Self::Connection => "the server did not answer with \"Connection: Upgrade\"",
            Self::Accept => "the server's Sec-WebSocket-Accept does not belong to our key",
            Self::Protocol => "the server did not agree to the sub-protocol mqtt",
            Self::Extension => "the server wants an extension that was not offered",
        })
    }
}

impl error::Error for ResponseError {}

/// What the answers one meets in practice are called, after a space.
fn reason(status: u16) -> &'static str {
    match status {
        200 => " OK",
        301 => " Moved Permanently",
        302 => " Found",
        307 => " Temporary Redirect",
        308 => " Permanent Redirect",
        400 => " Bad Request",
        401 => " Unauthorized",
        403 => " Forbidden",
        404 => " Not Found",
        405 => " Method Not Allowed",
        426 => " Upgrade Required",
        429 => " Too Many Requests",
        500 => " Internal Server Error",
        502 => " Bad Gateway",
        503 => " Service Unavailable",
        504 => " Gateway Timeout",
        _ => "",
    }
}

/// How the server broke the rules of RFC 6455, or those of MQTT over WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A reserved bit is set, though no extension was agreed upon (5.2).
    ReservedBits,
    /// The opcode has no meaning (5.2).
    Opcode(u8),
    /// The frame is masked, as only a client's frames are (5.1).
    Masked,
    /// A control frame is fragmented (5.5).
    FragmentedControl,
    /// A control frame has more than 125 bytes (5.5).
    LongControl,
    /// The length is not written in the shortest form, or has its highest bit set (5.2).
    Length,
    /// A frame continues a message that has not begun (5.4).
    Continuation,
    /// A message begins before the fragmented one before it has ended (5.4).
    Interleaved,
    /// The message is text, where MQTT is binary `[MQTT-6.0.0-1]`.
    Text,
    /// The frame is longer than the limit.
    TooLong,
    /// The body of a close frame is one byte, or its status is one that is never sent (7.4).
    CloseBody,
    /// The reason of a close frame is not UTF-8 (5.5.1).
    CloseReason,
    /// The connection ended inside of a message.
    Ended,
}

impl FrameError {
    /// Returns the status to close the connection with (7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::CloseReason => 1007,
            Self::TooLong => 1009,
            _ => 1002,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::ReservedBits => "the server sent a WebSocket frame with reserved bits set",
            Self::Opcode(opcode) => {
                return write!(
                    f,
                    "the server sent a WebSocket frame of unknown type {opcode}"
                );
            }
            Self::Masked => "the server sent a masked WebSocket frame",
            Self::FragmentedControl => "the server sent a fragmented control frame",
            Self::LongControl => "the server sent a control frame of more than 125 bytes",
            Self::Length => "the server sent a WebSocket frame with an invalid length",
            Self::Continuation => "the server continued a WebSocket message that had not begun",
            Self::Interleaved => "the server began a WebSocket message inside of another one",
            Self::Text => "the server sent text, and MQTT needs binary frames",
            Self::TooLong => "the server sent a WebSocket frame longer than the limit",
            Self::CloseBody => "the server sent a close frame with an invalid status",
            Self::CloseReason => "the server sent a close frame whose reason is not UTF-8",
            Self::Ended => "the connection ended inside of a WebSocket message",
        })
    }
}

impl error::Error for FrameError {}

/// What can go wrong with a WebSocket stream over a stream whose errors are `E`.
///
/// Its text is the whole sentence; there is no source to be printed after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E> {
    /// The stream below failed, or its time is over.
    Io(E),
    /// The handshake was not begun.
    Request(RequestError),
    /// The handshake failed.
    Response(ResponseError),
    /// The server broke the protocol. A close frame that says so is to be flushed, if possible.
    Frame(FrameError),
    /// There is nothing to read yet; flush, because an answer to the server may wait to be sent,
    /// and read again.
    Interrupted,
    /// This side is closed, and nothing more can be written.
    Closed,
    /// The stream below takes no more bytes.
    WriteZero,
    /// The system has no random bytes.
    #[cfg(feature = "std")]
    Random,
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Response(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
            Self::Interrupted => f.write_str("nothing to read yet; flush, then read again"),
            Self::Closed => f.write_str("the WebSocket is closed"),
            Self::WriteZero => f.write_str("the connection takes no more bytes"),
            #[cfg(feature = "std")]
            Self::Random => f.write_str("the system has no random bytes"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> error::Error for Error<E> {}

impl<E: embedded_io::Error> embedded_io::Error for Error<E> {
    fn kind(&self) -> embedded_io::ErrorKind {
        use embedded_io::ErrorKind;

        match self {
            Self::Io(error) => error.kind(),
            Self::Request(_) => ErrorKind::InvalidInput,
            Self::Response(ResponseError::Ended) | Self::Frame(FrameError::Ended) => {
                ErrorKind::ConnectionAborted
            }
            Self::Response(_) | Self::Frame(_) => ErrorKind::InvalidData,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Closed => ErrorKind::BrokenPipe,
            Self::WriteZero => ErrorKind::WriteZero,
            #[cfg(feature = "std")]
            Self::Random => ErrorKind::Other,
        }
    }
}

impl<E> From<RequestError> for Error<E> {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl<E> From<ResponseError> for Error<E> {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}

impl<E> From<FrameError> for Error<E> {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        for (error, text) in [
            (
                ResponseError::Status(403),
                "the server answered HTTP 403 Forbidden instead of 101",
            ),
            (
                ResponseError::Status(599),
                "the server answered HTTP 599 instead of 101",
            ),
            (
                ResponseError::Protocol,
                "the server did not agree to the sub-protocol mqtt",
            ),
        ] {
            assert_eq!(error.to_string(), text);
            let error = Error::<core::convert::Infallible>::from(error);
            assert_eq!(error.to_string(), text);
        }
        let error = Error::Io(embedded_io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "TimedOut");
        assert_eq!(
            embedded_io::Error::kind(&error),
            embedded_io::ErrorKind::TimedOut
        );
    }
}
