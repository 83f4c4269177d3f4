use core::fmt;
use core::ops::Range;

use crate::FrameError;
use crate::frame::{self, FrameType, Header, MAX_CONTROL, MAX_RECEIVED_HEADER};

/// A frame limit that every MQTT packet is below: 1 GiB.
///
/// A frame is handed on piece by piece as it comes, and nothing is set aside for it. So a limit
/// protects no memory here; it only ends a connection that makes no sense.
pub const MAX_FRAME: u64 = 1 << 30;

/// The client's end of a WebSocket after the handshake: bytes in, bytes out.
///
/// The stream of bytes that the messages carry is what counts. Where frames and messages begin and
/// end is not told `[MQTT-6.0.0-2]`.
///
/// Received bytes go through [`receive`](Self::receive), which says where in them there is data;
/// [`write_data`](Self::write_data) makes frames of data to be sent. After each call there may be a
/// control frame to be sent ([`has_control`](Self::has_control)): [`write_control`] writes it.
///
/// [`write_control`]: Self::write_control
#[derive(Clone)]
pub struct Engine {
    max_frame: u64,
    /// The header of the next frame, as far as it is there.
    header: [u8; MAX_RECEIVED_HEADER],
    header_len: usize,
    /// What the payload of the current frame is, and how much of it is to come.
    payload: Payload,
    left: u64,
    /// A message has begun and its last frame has not come.
    fragmented: bool,
    /// The payload of a ping or close frame, received or to be sent back.
    body: [u8; MAX_CONTROL],
    body_len: usize,
    /// A pong with the body kept waits to be sent.
    pong: bool,
    /// A close frame, with or without a status, waits to be sent.
    close: Option<Option<u16>>,
    receiving: Receiving,
    /// A close frame waits to be sent or was sent.
    closed: bool,
}

#[derive(Clone, Copy)]
enum Payload {
    Data,
    Ping,
    Pong,
    Close,
}

#[derive(Clone, Copy)]
enum Receiving {
    Open,
    Closed(Option<u16>),
    Failed(FrameError),
}

/// What [`Engine::receive`] has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Received {
    /// How many bytes of the input it has dealt with; the rest is to be given again.
    pub consumed: usize,
    /// What it has come upon, or `None` when all of the input is consumed and more is needed.
    pub event: Option<Event>,
}

/// What is in the bytes received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These bytes of the input are data; never empty.
    Data(Range<usize>),
    /// A ping, to which [`Engine::write_control`] writes the answer.
    Ping,
    /// The server has closed the connection, and nothing else will come. The answer, if there is
    /// one, is written by [`Engine::write_control`].
    Closed,
}

/// This side is closed: it sends no more data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the WebSocket is closed")
    }
}

impl core::error::Error for Closed {}

impl Engine {
    /// Begins behind the handshake. Frames longer than `max_frame` end the connection.
    #[must_use]
    pub const fn new(max_frame: u64) -> Self {
        Self {
            max_frame,
            header: [0; MAX_RECEIVED_HEADER],
            header_len: 0,
            payload: Payload::Data,
            left: 0,
            fragmented: false,
            body: [0; MAX_CONTROL],
            body_len: 0,
            pong: false,
            close: None,
            receiving: Receiving::Open,
            closed: false,
        }
    }

    /// Reads `input`, the bytes that follow those consumed, up to the next [`Event`].
    ///
    /// Data is handed on as it comes, whether its frame is complete or not. Of several pings for
    /// which no answer was written, the last is answered (5.5.3).
    ///
    /// # Errors
    ///
    /// Fails when the server breaks the rules, and from then on always. There is a close frame to
    /// be sent then, if none was before.
    pub fn receive(&mut self, input: &[u8]) -> Result<Received, FrameError> {
        match self.receiving {
            Receiving::Open => {}
            Receiving::Closed(_) => {
                return Ok(Received {
                    consumed: input.len(),
                    event: Some(Event::Closed),
                });
            }
            Receiving::Failed(error) => return Err(error),
        }
        let received = self.next(input);
        if let Err(error) = received {
            self.fail(error);
        }
        received
    }

    fn next(&mut self, input: &[u8]) -> Result<Received, FrameError> {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            if self.left == 0 {
                let (n, header) = self.header(rest)?;
                at += n;
                let Some(header) = header else {
                    continue;
                };
                self.begin(&header)?;
            } else {
                let n = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
                self.left -= n as u64;
                at += n;
                match self.payload {
                    Payload::Data => {
                        return Ok(Received {
                            consumed: at,
                            event: Some(Event::Data(at - n..at)),
                        });
                    }
                    Payload::Pong => {}
                    Payload::Ping | Payload::Close => {
                        // It fits, since the length of control frames was checked.
                        append(&mut self.body, &mut self.body_len, rest.get(..n));
                    }
                }
            }
            if self.left == 0 {
                if let Some(event) = self.end()? {
                    return Ok(Received {
                        consumed: at,
                        event: Some(event),
                    });
                }
            }
        }
        Ok(Received {
            consumed: at,
            event: None,
        })
    }

    /// Takes from `input` what belongs to the next header, and returns it when it is complete.
    fn header(&mut self, input: &[u8]) -> Result<(usize, Option<Header>), FrameError> {
        let mut at = 0;
        loop {
            let header = self.header.get(..self.header_len).unwrap_or_default();
            match frame::parse(header, self.max_frame)? {
                Ok(header) => {
                    self.header_len = 0;
                    return Ok((at, Some(header)));
                }
                Err(_) if at == input.len() => return Ok((at, None)),
                Err(missing) => {
                    let n = missing.min(input.len() - at);
                    let piece = input.get(at..).and_then(|rest| rest.get(..n));
                    append(&mut self.header, &mut self.header_len, piece);
                    at += n;
                }
            }
        }
    }

    /// Begins a frame.
    fn begin(&mut self, header: &Header) -> Result<(), FrameError> {
        self.payload = match header.frame_type {
            FrameType::Text | FrameType::Binary if self.fragmented => {
                return Err(FrameError::Interleaved);
            }
            FrameType::Text => return Err(FrameError::Text),
            FrameType::Continuation if !self.fragmented => return Err(FrameError::Continuation),
            FrameType::Binary | FrameType::Continuation => {
                self.fragmented = !header.last;
                Payload::Data
            }
            FrameType::Ping => Payload::Ping,
            FrameType::Pong => Payload::Pong,
            FrameType::Close => Payload::Close,
        };
        if let Payload::Ping | Payload::Close = self.payload {
            // The body is needed, so a pong that was not sent by now gives way.
            self.pong = false;
            self.body_len = 0;
        }
        self.left = header.payload_len;
        Ok(())
    }

    /// Ends a frame, of which everything is there.
    fn end(&mut self) -> Result<Option<Event>, FrameError> {
        match self.payload {
            Payload::Ping if !self.closed => {
                self.pong = true;
                Ok(Some(Event::Ping))
            }
            Payload::Close => {
                let code = close_code(self.body())?;
                self.receiving = Receiving::Closed(code);
                self.close_with(code);
                Ok(Some(Event::Closed))
            }
            Payload::Ping | Payload::Pong | Payload::Data => Ok(None),
        }
    }

    fn body(&self) -> &[u8] {
        self.body.get(..self.body_len).unwrap_or_default()
    }

    /// Says that the connection has ended and no more input will come.
    ///
    /// Many servers close a connection without a close frame, so between messages that is as good
    /// as one.
    ///
    /// # Errors
    ///
    /// Fails inside of a message, and when receiving has failed before.
    pub fn end_of_input(&mut self) -> Result<(), FrameError> {
        match self.receiving {
            Receiving::Open if self.left > 0 || self.header_len > 0 || self.fragmented => {
                self.fail(FrameError::Ended);
                Err(FrameError::Ended)
            }
            Receiving::Open => {
                self.receiving = Receiving::Closed(None);
                Ok(())
            }
            Receiving::Closed(_) => Ok(()),
            Receiving::Failed(error) => Err(error),
        }
    }

    /// Returns whether receiving has ended, in order or not, so that nothing more will come.
    #[must_use]
    pub fn ended(&self) -> Option<Result<(), FrameError>> {
        match self.receiving {
            Receiving::Open => None,
            Receiving::Closed(_) => Some(Ok(())),
            Receiving::Failed(error) => Some(Err(error)),
        }
    }

    /// Returns the status with which the server has closed the connection, if it gave one.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        match self.receiving {
            Receiving::Closed(code) => code,
            _ => None,
        }
    }

    /// Writes a frame with as much of `payload` as there is room for in `out`.
    ///
    /// Returns how many bytes of `payload` are in it, and its length. Both are 0 for an empty
    /// payload and when there is no room, which takes 7 bytes. `mask` has to be unpredictable and
    /// another one for each frame (10.3).
    ///
    /// # Errors
    ///
    /// Fails when this side is closed, be it by the server's wish.
    pub fn write_data(
        &mut self,
        payload: &[u8],
        mask: [u8; 4],
        out: &mut [u8],
    ) -> Result<(usize, usize), Closed> {
        if self.closed {
            return Err(Closed);
        }
        let taken = frame::payload_for(payload.len(), out.len());
        let Some(payload) = payload.get(..taken).filter(|payload| !payload.is_empty()) else {
            return Ok((0, 0));
        };
        let frame = frame::write(FrameType::Binary, payload, mask, out);
        Ok(frame.map_or((0, 0), |written| (taken, written)))
    }

    /// Returns whether a control frame waits to be sent.
    #[must_use]
    pub fn has_control(&self) -> bool {
        self.pong || self.close.is_some()
    }

    /// Writes a control frame that waits to be sent, and returns its length.
    ///
    /// That is 0 when none waits, or when there is no room for it: [`MAX_CONTROL_FRAME`] bytes are
    /// always enough. There may be another one behind it. `mask` is as for
    /// [`write_data`](Self::write_data).
    pub fn write_control(&mut self, mask: [u8; 4], out: &mut [u8]) -> usize {
        if self.pong {
            let pong = frame::write(FrameType::Pong, self.body(), mask, out);
            self.pong = pong.is_none();
            return pong.unwrap_or(0);
        }
        let Some(code) = self.close else {
            return 0;
        };
        let code = code.map(u16::to_be_bytes);
        let body = code.as_ref().map_or(&[][..], |code| code);
        let close = frame::write(FrameType::Close, body, mask, out);
        if close.is_some() {
            self.close = None;
        }
        close.unwrap_or(0)
    }

    /// Closes this side: a close frame (1000) is to be sent, and nothing after it.
    ///
    /// The server may send data until it closes its side in answer.
    pub fn close(&mut self) {
        self.close_with(Some(1000));
    }

    fn close_with(&mut self, code: Option<u16>) {
        if !self.closed {
            self.closed = true;
            self.close = Some(code);
        }
    }

    fn fail(&mut self, error: FrameError) {
        self.receiving = Receiving::Failed(error);
        self.close_with(Some(error.close_code()));
    }
}

/// Puts `piece` behind the first `len` bytes of `place`, where there is room for it.
fn append(place: &mut [u8], len: &mut usize, piece: Option<&[u8]>) {
    let room = place.get_mut(*len..).unwrap_or_default();
    for (to, from) in room.iter_mut().zip(piece.unwrap_or_default()) {
        *to = *from;
        *len += 1;
    }
}

/// The longest control frame that a client sends.
pub const MAX_CONTROL_FRAME: usize = 2 + 4 + MAX_CONTROL;

/// Reads the body of a close frame (5.5.1).
fn close_code(body: &[u8]) -> Result<Option<u16>, FrameError> {
    let (code, reason) = match body {
        [] => return Ok(None),
        [_] => return Err(FrameError::CloseBody),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    // Reserved, or meant for reports that are not sent: 1004 to 1006, 1015 (7.4).
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(FrameError::CloseBody);
    }
    if core::str::from_utf8(reason).is_err() {
        return Err(FrameError::CloseReason);
    }
    Ok(Some(code))
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("ended", &self.ended())
            .field("close_code", &self.close_code())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Masks nothing, so that what is sent can be read.
    const CLEAR: [u8; 4] = [0; 4];

    /// What the engine makes of `input`: the data, and the control frames sent in answer.
    fn run(engine: &mut Engine, mut input: &[u8]) -> Result<(Vec<u8>, Vec<u8>), FrameError> {
        let mut data = Vec::new();
        let mut sent = Vec::new();
        while !input.is_empty() {
            let received = engine.receive(input)?;
            match received.event {
                Some(Event::Data(range)) => {
                    assert!(!range.is_empty());
                    data.extend_from_slice(&input[range]);
                }
                Some(Event::Ping) => assert!(engine.has_control()),
                Some(Event::Closed) => assert_eq!(engine.ended(), Some(Ok(()))),
                None => assert_eq!(received.consumed, input.len()),
            }
            assert!(received.consumed > 0);
            input = &input[received.consumed..];
            sent.extend_from_slice(&control(engine));
        }
        Ok((data, sent))
    }

    fn control(engine: &mut Engine) -> Vec<u8> {
        let mut out = [0; MAX_CONTROL_FRAME];
        let n = engine.write_control(CLEAR, &mut out);
        assert!(!engine.has_control());
        out[..n].to_vec()
    }

    fn ok(input: &[u8]) -> (Vec<u8>, Vec<u8>) {
        run(&mut Engine::new(MAX_FRAME), input).unwrap()
    }

    #[test]
    fn data() {
        let none = Vec::new();
        assert_eq!(ok(b"\x82\x03abc"), (b"abc".to_vec(), none.clone()));
        assert_eq!(ok(b"\x82\x00\x82\x01a\x82\x01b").0, b"ab");
        // Section 5.7: unmasked, in fragments; but binary.
        assert_eq!(ok(b"\x02\x03Hel\x80\x02lo").0, b"Hello");
        assert_eq!(ok(b"\x02\x00\x00\x01a\x00\x00\x80\x01b\x82\x01c").0, b"abc");
        // Pongs that nobody asked for are nothing (5.5.3).
        assert_eq!(ok(b"\x8a\x02xx\x82\x01a\x8a\x00"), (b"a".to_vec(), none));

        let mut input = vec![0x82, 0x7e, 0x01, 0x00];
        input.extend([0x55; 256]);
        assert_eq!(ok(&input).0, [0x55; 256]);
        let mut input = vec![0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
        input.resize(10 + 65_536, 0x55);
        assert_eq!(ok(&input).0, [0x55; 65_536]);
    }

    #[test]
    fn data_is_handed_on_before_its_frame_is_complete() {
        let mut engine = Engine::new(u64::MAX);
        let received = engine
            .receive(b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffab")
            .unwrap();
        assert_eq!(received.consumed, 12);
        assert_eq!(received.event, Some(Event::Data(10..12)));
        assert_eq!(engine.receive(b"c").unwrap().event, Some(Event::Data(0..1)));
    }

    #[test]
    fn pings_are_answered() {
        assert_eq!(
            ok(b"\x02\x01a\x89\x05Hello\x80\x01b"),
            (b"ab".to_vec(), b"\x8a\x85\0\0\0\0Hello".to_vec())
        );
        assert_eq!(
            ok(b"\x89\x00\x89\x01x").1,
            b"\x8a\x80\0\0\0\0\x8a\x81\0\0\0\0x"
        );
        let mut ping = vec![0x89, 125];
        ping.extend([7; 125]);
        assert_eq!(ok(&ping).1[6..], [7; 125]);
    }

    #[test]
    fn last_ping_counts() {
        let mut engine = Engine::new(MAX_FRAME);
        for ping in [b"\x89\x01a", b"\x89\x01b"] {
            assert_eq!(engine.receive(ping).unwrap().event, Some(Event::Ping));
        }
        assert_eq!(engine.write_control(CLEAR, &mut [0; 6]), 0);
        assert_eq!(control(&mut engine), b"\x8a\x81\0\0\0\0b");
    }

    #[test]
    fn server_closes() {
        let mut engine = Engine::new(MAX_FRAME);
        let (data, sent) = run(&mut engine, b"\x82\x01a\x88\x05\x03\xe9bye\x82\x01b").unwrap();
        assert_eq!(
            (data, sent),
            (b"a".to_vec(), b"\x88\x82\0\0\0\0\x03\xe9".to_vec())
        );
        assert_eq!(engine.close_code(), Some(1001));
        assert_eq!(engine.write_data(b"x", CLEAR, &mut [0; 100]), Err(Closed));
        assert_eq!(run(&mut engine, b"\x89\x00"), Ok((vec![], vec![])));
        engine.close();
        assert!(!engine.has_control());

        let mut engine = Engine::new(MAX_FRAME);
        assert_eq!(
            run(&mut engine, b"\x88\x00").unwrap().1,
            b"\x88\x80\0\0\0\0"
        );
        assert_eq!(engine.close_code(), None);
    }

    #[test]
    fn client_closes() {
        let mut engine = Engine::new(MAX_FRAME);
        engine.close();
        assert_eq!(engine.write_data(b"x", CLEAR, &mut [0; 100]), Err(Closed));
        // Data still comes; pings are too late.
        let received = engine.receive(b"\x89\x00\x82\x01a").unwrap();
        assert_eq!(received.event, Some(Event::Data(4..5)));
        assert_eq!(control(&mut engine), b"\x88\x82\0\0\0\0\x03\xe8");
        assert_eq!(run(&mut engine, b"\x88\x02\x03\xe8"), Ok((vec![], vec![])));
        assert_eq!(engine.ended(), Some(Ok(())));
    }

    #[test]
    fn pongs_before_a_close() {
        let mut engine = Engine::new(MAX_FRAME);
        let _ = engine.receive(b"\x89\x01a").unwrap();
        engine.close();
        let mut out = [0; MAX_CONTROL_FRAME];
        assert_eq!(engine.write_control(CLEAR, &mut out), 7);
        assert_eq!(out[..7], *b"\x8a\x81\0\0\0\0a");
        assert_eq!(control(&mut engine), b"\x88\x82\0\0\0\0\x03\xe8");

        // The server that closes needs none anymore.
        let mut engine = Engine::new(MAX_FRAME);
        let _ = engine.receive(b"\x89\x01a").unwrap();
        let _ = engine.receive(b"\x88\x02\x03\xe8").unwrap();
        assert_eq!(control(&mut engine), b"\x88\x82\0\0\0\0\x03\xe8");
    }

    #[test]
    fn violations() {
        use FrameError::*;

        #[rustfmt::skip]
        let cases: &[(&[u8], FrameError, u16)] = &[
            (b"\xc2\x00", ReservedBits, 1002),
            (b"\xa2\x00", ReservedBits, 1002),
            (b"\x99\x00", ReservedBits, 1002),
            (b"\x83\x00", Opcode(3), 1002),
            (b"\x87\x00", Opcode(7), 1002),
            (b"\x8b\x00", Opcode(11), 1002),
            (b"\x8f\x00", Opcode(15), 1002),
            (b"\x82\x80", Masked, 1002),
            (b"\x89\xfd", Masked, 1002),
            (b"\x09\x00", FragmentedControl, 1002),
            (b"\x08\x00", FragmentedControl, 1002),
            (b"\x89\x7e", LongControl, 1002),
            (b"\x88\x7f", LongControl, 1002),
            (b"\x82\x7e\x00\x7d", Length, 1002),
            (b"\x82\x7f\0\0\0\0\0\0\xff\xff", Length, 1002),
            (b"\x82\x7f\x80\0\0\0\0\0\0\0", Length, 1002),
            (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", Length, 1002),
            (b"\x80\x00", Continuation, 1002),
            (b"\x00\x00", Continuation, 1002),
            (b"\x82\x00\x80\x00", Continuation, 1002),
            (b"\x02\x01a\x82\x00", Interleaved, 1002),
            (b"\x02\x01a\x81\x00", Interleaved, 1002),
            (b"\x81\x00", Text, 1003),
            (b"\x01\x05", Text, 1003),
            (b"\x82\x7f\0\0\0\0\x40\0\0\x01", TooLong, 1009),
            (b"\x88\x01\x03", CloseBody, 1002),
            (b"\x88\x02\x03\xed", CloseBody, 1002),
            (b"\x88\x02\x03\xe7", CloseBody, 1002),
            (b"\x88\x02\x13\x88", CloseBody, 1002),
            (b"\x88\x03\x03\xe8\xff", CloseReason, 1007),
        ];
        for &(input, error, code) in cases {
            let mut engine = Engine::new(MAX_FRAME);
            assert_eq!(run(&mut engine, input), Err(error), "{input:x?}");
            assert_eq!(engine.receive(b"\x82\x01a"), Err(error));
            assert_eq!(engine.ended(), Some(Err(error)));
            let mut close = b"\x88\x82\0\0\0\0".to_vec();
            close.extend(code.to_be_bytes());
            assert_eq!(control(&mut engine), close, "{input:x?}");
            assert_eq!(engine.write_data(b"x", CLEAR, &mut [0; 100]), Err(Closed));
        }
    }

    #[test]
    fn limit_of_frames() {
        let mut engine = Engine::new(3);
        assert_eq!(run(&mut engine, b"\x82\x03abc").unwrap().0, b"abc");
        assert_eq!(run(&mut engine, b"\x82\x04"), Err(FrameError::TooLong));
    }

    #[test]
    fn end_of_input() {
        for input in [&b""[..], b"\x82\x01a", b"\x89\x01a", b"\x88\x02\x03\xe8"] {
            let mut engine = Engine::new(MAX_FRAME);
            run(&mut engine, input).unwrap();
            assert_eq!(engine.end_of_input(), Ok(()));
            assert_eq!(engine.ended(), Some(Ok(())));
        }
        for input in [
            &b"\x82"[..],
            b"\x82\x7e\x01",
            b"\x82\x02a",
            b"\x02\x01a",
            b"\x89\x01",
        ] {
            let mut engine = Engine::new(MAX_FRAME);
            run(&mut engine, input).unwrap();
            assert_eq!(engine.end_of_input(), Err(FrameError::Ended));
            assert_eq!(engine.end_of_input(), Err(FrameError::Ended));
        }
    }

    #[test]
    fn writing() {
        let mut engine = Engine::new(MAX_FRAME);
        let mut out = [0; 300];
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        assert_eq!(engine.write_data(b"Hello", mask, &mut out), Ok((5, 11)));
        assert_eq!(
            out[..11],
            [
                0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
            ]
        );
        assert_eq!(
            engine.write_data(b"Hello", CLEAR, &mut out[..8]),
            Ok((2, 8))
        );
        assert_eq!(out[..8], *b"\x82\x82\0\0\0\0He");
        assert_eq!(
            engine.write_data(b"Hello", CLEAR, &mut out[..6]),
            Ok((0, 0))
        );
        assert_eq!(engine.write_data(b"", CLEAR, &mut out), Ok((0, 0)));
        assert_eq!(
            engine.write_data(&[0; 200], CLEAR, &mut out),
            Ok((200, 208))
        );
        assert_eq!(out[..4], [0x82, 0xfe, 0, 200]);
    }

    #[test]
    fn is_small() {
        assert!(size_of::<Engine>() <= 200, "{}", size_of::<Engine>());
    }
}
