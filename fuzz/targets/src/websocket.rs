//! The client's end of a WebSocket, against a server of arbitrary bytes.

use std::io::{self, Read, Write};

use transport_ws::{Engine, Event, FrameError, Handshake, MAX_CONTROL_FRAME, ResponseError};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use crate::input::{Cuts, head};

/// The longest frame that is taken. Above it only lengths are looked at.
const MAX_FRAME: u64 = 70_000;

/// What becomes of a stream of frames.
#[derive(Debug, Default, Eq, PartialEq)]
struct Outcome {
    data: Vec<u8>,
    /// Frames that were sent in answer.
    sent: Vec<u8>,
    end: Option<Result<Option<u16>, FrameError>>,
}

/// A seed for cuts, then frames as the server sends them.
pub(crate) fn frames(data: &[u8]) {
    let ([seed], stream) = head(data);
    let whole = ours(stream, Cuts::Whole);
    for cuts in Cuts::all(seed) {
        assert_eq!(ours(stream, cuts), whole);
    }
    compare(stream, &whole);
}

fn ours(stream: &[u8], mut cuts: Cuts) -> Outcome {
    let mut engine = Engine::new(MAX_FRAME);
    let mut outcome = Outcome::default();
    let mut calls = 0;
    let (mut from, mut to) = (0, 0);
    while to < stream.len() && engine.ended().is_none() {
        to += cuts.next(stream.len() - to);
        while from < to {
            calls += 1;
            let Ok(received) = engine.receive(&stream[from..to]) else {
                break;
            };
            assert!(received.consumed > 0);
            match received.event {
                Some(Event::Data(range)) => {
                    assert!(!range.is_empty() && range.end <= received.consumed);
                    outcome.data.extend_from_slice(&stream[from..to][range]);
                }
                Some(Event::Ping) => {}
                Some(Event::Closed) => {
                    assert!(engine.ended().is_some());
                    break;
                }
                None => assert_eq!(received.consumed, to - from),
            }
            from += received.consumed;
            answer(&mut engine, &mut outcome);
        }
    }
    answer(&mut engine, &mut outcome);
    outcome.end = engine.ended().map(|end| end.map(|()| engine.close_code()));
    // Work and answers are in proportion to what was received.
    assert!(calls <= stream.len());
    assert!(outcome.sent.len() <= 4 * stream.len() + 8);
    if let Some(Err(error)) = outcome.end {
        assert_eq!(engine.receive(b"\x82\x01a"), Err(error));
    }
    if outcome.end.is_some() {
        assert!(engine.write_data(b"x", [0; 4], &mut [0; 64]).is_err());
    }
    outcome
}

fn answer(engine: &mut Engine, outcome: &mut Outcome) {
    let mut out = [0; MAX_CONTROL_FRAME];
    let n = engine.write_control([0; 4], &mut out);
    assert!(!engine.has_control());
    outcome.sent.extend_from_slice(&out[..n]);
}

/// Another reader of the same frames, which joins messages.
fn compare(stream: &[u8], ours: &Outcome) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_frame_size(Some(MAX_FRAME as usize))
        .max_message_size(None);
    // They refuse a frame when they have all of it, and we as soon as it can be none.
    let mut padded = stream.to_vec();
    if matches!(ours.end, Some(Err(error)) if !is_stricter(error)) {
        padded.extend_from_slice(&PING.repeat(MAX_FRAME as usize / 2 + 100));
    }
    let mut theirs = WebSocket::from_raw_socket(Line(&padded), Role::Client, Some(config));
    let mut data = Vec::new();
    let mut is_refused = false;
    loop {
        match theirs.read() {
            Ok(Message::Binary(message)) => data.extend_from_slice(&message),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            // We do not go on here, and they would.
            Ok(Message::Text(_)) => {
                let error = ours.end.expect("an end").unwrap_err();
                assert!(is_stricter(error), "{error:?}");
                break;
            }
            Ok(Message::Close(frame)) => {
                let code = frame.map(|frame| frame.code.into());
                match ours.end {
                    Some(Err(_)) => is_refused = code == Some(1002),
                    // Registered for gateways after they wrote down which codes there are.
                    Some(Ok(Some(1014))) => assert_eq!(code, Some(1002)),
                    end => assert_eq!(end, Some(Ok(code))),
                }
                break;
            }
            Err(tungstenite::Error::Io(_)) => break,
            Err(_) => {
                is_refused = true;
                break;
            }
        }
    }
    let is_prefix = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a == b);
    assert!(is_prefix(&data, &ours.data), "data");
    match ours.end {
        Some(Err(error)) if is_stricter(error) => {}
        Some(Err(error)) => assert!(is_refused, "only we refuse: {error:?}"),
        _ => {
            assert!(ours.data.len() >= data.len(), "data that we do not see");
            assert!(!is_refused, "only they refuse");
        }
    }
}

/// What the standard requires or MQTT does, and the other reader does not look at: no text
/// [MQTT-6.0.0-1]; lengths in as few bytes as can be, which is one in control frames, and below 2^63
/// (5.2, 5.5).
fn is_stricter(error: FrameError) -> bool {
    use FrameError::{Length, LongControl, Text};
    matches!(error, Text | Length | LongControl)
}

/// A frame that means nothing.
const PING: &[u8; 2] = b"\x89\x00";

/// A server that has said all that it will say.
struct Line<'a>(&'a [u8]);

impl Read for Line<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(buf)
    }
}

impl Write for Line<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The nonce of RFC 6455, section 1.3, and what it is answered with.
const NONCE: [u8; 16] = *b"the sample nonce";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A response to the request for a WebSocket.
pub(crate) fn response(data: &[u8]) {
    let whole = Handshake::new(NONCE).read_response(data);
    let mut handshake = Handshake::new(NONCE);
    let mut piecewise = Ok(None);
    // The beginning decides, and each prefix is read.
    for n in 1..=data.len().min(4096) {
        piecewise = handshake.read_response(&data[..n]);
        if piecewise != Ok(None) {
            break;
        }
    }
    if data.len() <= 4096 {
        assert_eq!(piecewise, whole);
    }
    match whole {
        Ok(Some(len)) => {
            assert!(len <= data.len());
            assert!(is_consent(&data[..len]), "not for another parser");
        }
        Ok(None) => {}
        Err(error) => {
            assert!(!error.to_string().is_empty());
            // Nobody is turned away for the words alone. The other parser skips empty lines before a
            // response as before a request, where servers should (RFC 9112, 2.2).
            let is_after_a_line = data.starts_with(b"\n") || data.starts_with(b"\r\n");
            let is_only_strict = matches!(error, ResponseError::TooLong)
                || is_after_a_line && error == ResponseError::NotHttp;
            assert!(is_only_strict || !is_consent(data), "{error:?}");
        }
    }
}

/// What section 4.1 asks of a response, by another parser.
fn is_consent(data: &[u8]) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    if !matches!(response.parse(data), Ok(httparse::Status::Complete(_))) {
        return false;
    }
    let values = |name: &str| {
        let is_it = |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
        let fields = response.headers.iter().filter(is_it);
        let values = fields.map(|field| field.value.trim_ascii());
        values.filter(|value| !value.is_empty()).collect::<Vec<_>>()
    };
    let options = values("connection").join(&b","[..]);
    response.code == Some(101)
        && matches!(&values("upgrade")[..], [one] if one.eq_ignore_ascii_case(b"websocket"))
        && options
            .split(|byte| *byte == b',')
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        && values("sec-websocket-accept") == [ACCEPT]
        && values("sec-websocket-protocol") == [b"mqtt"]
        && values("sec-websocket-extensions").is_empty()
}
