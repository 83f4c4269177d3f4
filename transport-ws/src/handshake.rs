use core::fmt::{self, Write};

use crate::response::{Head, is_token};
use crate::sha1::sha1;
use crate::{RequestError, ResponseError};

/// The sub-protocol of MQTT, in all versions `[MQTT-6.0.0-3]`.
const PROTOCOL: &str = "mqtt";

/// What every server appends to the key (1.3).
const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The request that asks a server for a WebSocket with the sub-protocol `mqtt`.
///
/// What is in it is checked before anything is written, so that nothing can smuggle in a line.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The host, with the port unless it is the scheme's own: `broker.example:8080`.
    pub authority: &'a str,
    /// The path, with the query if there is one: `/mqtt`.
    pub path: &'a str,
    /// The user name and password for basic authentication (RFC 7617).
    pub credentials: Option<(&'a str, &'a str)>,
    /// Names and values of further headers.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A handshake of which the response is still to come (RFC 6455, section 4.1).
#[derive(Clone, Debug)]
pub struct Handshake {
    nonce: [u8; 16],
    /// In so many bytes there is no end of the response.
    scanned: usize,
}

impl Handshake {
    /// Begins with a `nonce` of random bytes, another one for each connection.
    #[must_use]
    pub const fn new(nonce: [u8; 16]) -> Self {
        Self { nonce, scanned: 0 }
    }

    /// Writes the request to the beginning of `out` and returns its length.
    ///
    /// # Errors
    ///
    /// Fails when something in the request is not allowed, or when there is no room.
    pub fn write_request(
        &self,
        request: &Request<'_>,
        out: &mut [u8],
    ) -> Result<usize, RequestError> {
        let mut sink = Slice::new(out);
        self.request_to(request, &mut sink)?;
        Ok(sink.len)
    }

    /// Writes the request to a sink that fails only for want of room.
    pub(crate) fn request_to(
        &self,
        request: &Request<'_>,
        sink: &mut dyn Write,
    ) -> Result<(), RequestError> {
        request.check()?;
        self.put(request, sink).map_err(|_| RequestError::TooLong)
    }

    fn put(&self, request: &Request<'_>, sink: &mut dyn Write) -> fmt::Result {
        let Request {
            authority, path, ..
        } = request;
        // Without formatting, which firmware has no other use for.
        for text in ["GET ", path, " HTTP/1.1\r\nHost: ", authority] {
            sink.write_str(text)?;
        }
        sink.write_str("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ")?;
        put_base64(sink, self.nonce)?;
        sink.write_str("\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ")?;
        sink.write_str(PROTOCOL)?;
        sink.write_str("\r\n")?;
        if let Some((user, password)) = request.credentials {
            sink.write_str("Authorization: Basic ")?;
            put_base64(sink, user.bytes().chain(*b":").chain(password.bytes()))?;
            sink.write_str("\r\n")?;
        }
        for (name, value) in request.headers {
            for text in [name, ": ", value, "\r\n"] {
                sink.write_str(text)?;
            }
        }
        sink.write_str("\r\n")
    }

    /// Reads the response from `input`, which is everything that has come so far.
    ///
    /// Returns the length of the response, behind which frames begin, or `None` when more input is
    /// needed. Whoever gives a limited buffer fails with [`ResponseError::TooLong`] when it is full.
    ///
    /// # Errors
    ///
    /// Fails when the response is anything but consent.
    pub fn read_response(&mut self, input: &[u8]) -> Result<Option<usize>, ResponseError> {
        const START: &[u8] = b"HTTP/";

        if input.iter().zip(START).any(|(a, b)| a != b) {
            return Err(ResponseError::NotHttp);
        }
        let Some(end) = end_of_head(input, self.scanned) else {
            self.scanned = input.len();
            return Ok(None);
        };
        let head = Head::parse(input.get(..end).unwrap_or_default())?;
        self.judge(head)?;
        Ok(Some(end))
    }

    fn judge(&self, head: Head<'_>) -> Result<(), ResponseError> {
        if head.status != 101 {
            return Err(ResponseError::Status(head.status));
        }
        let fields = |name: &'static str| {
            head.fields()
                .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
                .map(|(_, value)| value)
                .filter(|value| !value.is_empty())
        };
        // There is one of that name, and this is its value.
        let is = |name: &'static str, value: &dyn Fn(&[u8]) -> bool| {
            let mut values = fields(name);
            values.next().is_some_and(value) && values.next().is_none()
        };
        if !is("Upgrade", &|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(ResponseError::Upgrade);
        }
        let mut options = fields("Connection").flat_map(|value| value.split(|&byte| byte == b','));
        if !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade")) {
            return Err(ResponseError::Connection);
        }
        let accept = self.accept();
        if !is("Sec-WebSocket-Accept", &|value| value == accept) {
            return Err(ResponseError::Accept);
        }
        if fields("Sec-WebSocket-Extensions").next().is_some() {
            return Err(ResponseError::Extension);
        }
        if !is("Sec-WebSocket-Protocol", &|value| {
            value == PROTOCOL.as_bytes()
        }) {
            return Err(ResponseError::Protocol);
        }
        Ok(())
    }

    /// What the server proves with that it has understood the key (4.2.2).
    fn accept(&self) -> [u8; 28] {
        let mut key = [0; 24];
        let mut accept = [0; 28];
        // Both are exactly as long as 16 and 20 bytes in base64.
        let _ = put_base64(&mut Slice::new(&mut key), self.nonce);
        let hash = sha1(key.into_iter().chain(*GUID));
        let _ = put_base64(&mut Slice::new(&mut accept), hash);
        accept
    }
}

impl Request<'_> {
    fn check(&self) -> Result<(), RequestError> {
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if self.authority.is_empty()
            || !visible(self.authority)
            || self.authority.contains(['/', '?', '#', '@'])
        {
            return Err(RequestError::Authority);
        }
        if !self.path.starts_with('/') || !visible(self.path) || self.path.contains('#') {
            return Err(RequestError::Path);
        }
        let control = |text: &str| text.bytes().any(|byte| byte.is_ascii_control());
        if let Some((user, password)) = self.credentials {
            if user.contains(':') || control(user) || control(password) {
                return Err(RequestError::Credentials);
            }
        }
        for (name, value) in self.headers {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(RequestError::HeaderName);
            }
            if self.is_reserved(name) {
                return Err(RequestError::ReservedHeader);
            }
            if value
                .bytes()
                .any(|byte| byte.is_ascii_control() && byte != b'\t')
            {
                return Err(RequestError::HeaderValue);
            }
        }
        Ok(())
    }

    /// Whether the handshake sets the header `name`, or would mean something else with it.
    fn is_reserved(&self, name: &str) -> bool {
        const NAMES: [&str; 5] = [
            "Host",
            "Upgrade",
            "Connection",
            "Content-Length",
            "Transfer-Encoding",
        ];
        const PREFIX: &str = "Sec-WebSocket-";

        let is = |other| name.eq_ignore_ascii_case(other);
        NAMES.into_iter().any(is)
            || name
                .get(..PREFIX.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
            || (self.credentials.is_some() && is("Authorization"))
    }
}

/// Finds the end of the empty line in `input`, of which `scanned` bytes are known not to have it.
fn end_of_head(input: &[u8], scanned: usize) -> Option<usize> {
    // The parser takes a line feed alone for the end of a line, too.
    let ends = |end: &usize| {
        let head = input.get(..*end).unwrap_or_default();
        head.ends_with(b"\n\n") || head.ends_with(b"\n\r\n")
    };
    (scanned + 1..=input.len()).find(ends)
}

/// Writes `bytes` in base64, some at a time, so that they need not be in one place.
fn put_base64(sink: &mut dyn Write, bytes: impl IntoIterator<Item = u8>) -> fmt::Result {
    let mut bytes = bytes.into_iter();
    while let Some(a) = bytes.next() {
        let (b, c) = (bytes.next(), bytes.next());
        let group = u32::from_be_bytes([0, a, b.unwrap_or(0), c.unwrap_or(0)]);
        sink.write_char(digit(group >> 18))?;
        sink.write_char(digit(group >> 12))?;
        sink.write_char(if b.is_some() { digit(group >> 6) } else { '=' })?;
        sink.write_char(if c.is_some() { digit(group) } else { '=' })?;
    }
    Ok(())
}

/// The digit of base64 for the lowest six bits.
fn digit(bits: u32) -> char {
    const UPPER: u8 = b'A';
    const LOWER: u8 = b'a' - 26;
    const NUMBER: u8 = b'0'.wrapping_sub(52);

    match (bits & 0x3f) as u8 {
        bits @ ..26 => (UPPER + bits).into(),
        bits @ 26..52 => (LOWER + bits).into(),
        bits @ 52..62 => NUMBER.wrapping_add(bits).into(),
        62 => '+',
        _ => '/',
    }
}

/// A slice as a sink for text.
struct Slice<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Slice<'a> {
    const fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }
}

impl Write for Slice<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.checked_add(text.len()).ok_or(fmt::Error)?;
        let room = self.out.get_mut(self.len..end).ok_or(fmt::Error)?;
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.len = end;
        Ok(())
    }
}

/// Without the password and the headers, which often are secrets as well.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("authority", &self.authority)
            .field("path", &self.path)
            .field("user", &self.credentials.map(|(user, _)| user))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;
    use crate::response::MAX_FIELDS;

    /// The key of RFC 6455, section 1.3: `dGhlIHNhbXBsZSBub25jZQ==`.
    const NONCE: [u8; 16] = *b"the sample nonce";

    const REQUEST: Request<'_> = Request {
        authority: "broker.example:8080",
        path: "/mqtt?a=b",
        credentials: None,
        headers: &[],
    };

    fn write(request: &Request<'_>) -> Result<String, RequestError> {
        let mut out = [0; 512];
        let n = Handshake::new(NONCE).write_request(request, &mut out)?;
        Ok(core::str::from_utf8(&out[..n]).unwrap().to_owned())
    }

    #[test]
    fn request() {
        let plain = "GET /mqtt?a=b HTTP/1.1\r\n\
            Host: broker.example:8080\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Protocol: mqtt\r\n\r\n";
        assert_eq!(write(&REQUEST).unwrap(), plain);

        let full = Request {
            // The example of RFC 7617.
            credentials: Some(("Aladdin", "open sesame")),
            headers: &[("Origin", "http://example.com"), ("X-Token", "ä\t1")],
            ..REQUEST
        };
        let expected = format!(
            "{}Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\
             Origin: http://example.com\r\nX-Token: ä\t1\r\n\r\n",
            &plain[..plain.len() - 2]
        );
        assert_eq!(write(&full).unwrap(), expected);
        for len in 0..expected.len() {
            let result = Handshake::new(NONCE).write_request(&full, &mut vec![0; len]);
            assert_eq!(result, Err(RequestError::TooLong));
        }
    }

    #[test]
    fn base64_of_any_length() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foob", "Zm9vYg=="),
        ] {
            let mut out = String::new();
            put_base64(&mut out, bytes.bytes()).unwrap();
            assert_eq!(out, text);
        }
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        let mut out = String::new();
        put_base64(&mut out, all.iter().copied()).unwrap();
        assert_eq!(out, BASE64_STANDARD.encode(&all));
    }

    #[test]
    fn requests_that_are_refused() {
        use RequestError::*;

        for authority in ["", "a b", "a\r\nX: y", "a/b", "u@a", "bücher.example"] {
            assert_eq!(
                write(&Request {
                    authority,
                    ..REQUEST
                }),
                Err(Authority)
            );
        }
        for path in ["", "mqtt", "/a b", "/a\r\n", "/ä", "/a#b", "/\0"] {
            assert_eq!(write(&Request { path, ..REQUEST }), Err(Path));
        }
        for pair in [("a:b", "c"), ("a\n", "c"), ("a", "c\r")] {
            let credentials = Some(pair);
            assert_eq!(
                write(&Request {
                    credentials,
                    ..REQUEST
                }),
                Err(Credentials)
            );
        }
        for (name, value, error) in [
            ("", "a", HeaderName),
            ("A B", "a", HeaderName),
            ("A:", "a", HeaderName),
            ("A\r\nB", "a", HeaderName),
            ("Ä", "a", HeaderName),
            ("A", "a\r\nB: c", HeaderValue),
            ("A", "a\nB: c", HeaderValue),
            ("A", "\0", HeaderValue),
            ("host", "a", ReservedHeader),
            ("Connection", "close", ReservedHeader),
            ("Content-Length", "1", ReservedHeader),
            (
                "sec-websocket-extensions",
                "permessage-deflate",
                ReservedHeader,
            ),
        ] {
            let headers = &[("Ok", "fine"), (name, value)];
            assert_eq!(write(&Request { headers, ..REQUEST }), Err(error), "{name}");
        }
        let headers = &[("authorization", "Bearer x")];
        assert!(write(&Request { headers, ..REQUEST }).is_ok());
        let credentials = Some(("a", ""));
        assert_eq!(
            write(&Request {
                headers,
                credentials,
                ..REQUEST
            }),
            Err(ReservedHeader)
        );
    }

    /// A response that agrees, with the lines that `edit` makes of each of its own.
    fn response(edit: impl Fn(&str) -> String) -> Vec<u8> {
        let lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: WebSocket",
            "connection: keep-alive, upgrade",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "Sec-WebSocket-Protocol: mqtt",
        ];
        let mut text: String = lines.iter().map(|line| edit(line) + "\r\n").collect();
        text += "\r\n";
        text.into_bytes()
    }

    /// The same, with the line that begins with `start` replaced by `with`.
    fn replaced(start: &str, with: &str) -> Result<Option<usize>, ResponseError> {
        let response = response(|line| {
            let line = if line.starts_with(start) { with } else { line };
            line.to_owned()
        });
        Handshake::new(NONCE).read_response(&response)
    }

    #[test]
    fn consent() {
        let whole = response(str::to_owned);
        let len = whole.len();
        assert_eq!(Handshake::new(NONCE).read_response(&whole), Ok(Some(len)));

        // Byte by byte, and with a frame behind it.
        let mut handshake = Handshake::new(NONCE);
        for n in 0..len {
            assert_eq!(handshake.read_response(&whole[..n]), Ok(None), "{n}");
        }
        let mut more = whole.clone();
        more.extend(b"\x82\x01a\r\n\r\n");
        assert_eq!(handshake.read_response(&more), Ok(Some(len)));
        // Less input than before is no reason to panic.
        let mut handshake = Handshake::new(NONCE);
        assert_eq!(handshake.read_response(&whole[..50]), Ok(None));
        assert_eq!(handshake.read_response(&whole[..20]), Ok(None));

        let extra = replaced("Upgrade", "Upgrade: websocket\r\nSec-WebSocket-Extensions:");
        assert!(extra.is_ok());
    }

    #[test]
    fn refusal() {
        use ResponseError::*;

        let no = "X-Other: 1";
        for (start, with, error) in [
            ("HTTP", "HTTP/1.1 403 Forbidden", Status(403)),
            ("HTTP", "HTTP/1.0 200 OK", Status(200)),
            ("HTTP", "HTTP/1.1 100", Status(100)),
            ("HTTP", "HTTP/1.1 10", Malformed),
            ("HTTP", "HTTP/9.9 101 Switching Protocols", Malformed),
            ("HTTP", "HTTX/1.1 101 Switching Protocols", NotHttp),
            ("HTTP", "\x16\x03\x01", NotHttp),
            ("Upgrade", no, Upgrade),
            ("Upgrade", "Upgrade: h2c", Upgrade),
            ("connection", no, Connection),
            ("connection", "Connection: close", Connection),
            ("connection", "Connection: upgraded", Connection),
            ("Sec-WebSocket-Accept", no, Accept),
            (
                "Sec-WebSocket-Accept",
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=",
                Accept,
            ),
            ("Sec-WebSocket-Protocol", no, Protocol),
            (
                "Sec-WebSocket-Protocol",
                "Sec-WebSocket-Protocol:",
                Protocol,
            ),
            (
                "Sec-WebSocket-Protocol",
                "Sec-WebSocket-Protocol: mqttv3.1",
                Protocol,
            ),
            (
                "Sec-WebSocket-Protocol",
                "Sec-WebSocket-Protocol: mqtt, amqp",
                Protocol,
            ),
            (
                "Sec-WebSocket-Protocol",
                "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Protocol: mqtt",
                Protocol,
            ),
            (
                "Upgrade",
                "Upgrade: websocket\r\nSec-WebSocket-Extensions: x",
                Extension,
            ),
            ("Upgrade", "no colon", Malformed),
            ("Upgrade", "Upgrade: websocket\r\n folded", Malformed),
        ] {
            assert_eq!(replaced(start, with), Err(error), "{with}");
        }
        let many = "X: y\r\n".repeat(MAX_FIELDS);
        assert_eq!(replaced("Upgrade", many.trim_end()), Err(TooLong));
        for len in 0..4 {
            assert_eq!(
                Handshake::new(NONCE).read_response(&b"HTTP"[..len]),
                Ok(None)
            );
        }
        assert_eq!(Handshake::new(NONCE).read_response(b"\x20"), Err(NotHttp));
    }
}
