use core::fmt;
use core::ops::Range;

use edge_ws::{FrameHeader, FrameType};

use crate::FrameError;
use crate::frame::{self, MAX_CONTROL, MAX_RECEIVED_HEADER};

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
    control: Control,
    receiving: Receiving,
    /// A close frame is waiting to be sent, or was sent.
    closed: bool,
}

#[derive(Clone, Copy)]
enum Payload {
    Data,
    Ping,
    Pong,
    Close,
}

/// The control frame that waits to be sent.
#[derive(Clone, Copy)]
enum Control {
    None,
    /// With the body kept.
    Pong,
    Close(Option<u16>),
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
            control: Control::None,
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
        while at < input.len() {
            let rest = &input[at..];
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
                        self.body[self.body_len..][..n].copy_from_slice(&rest[..n]);
                        self.body_len += n;
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
    fn header(&mut self, input: &[u8]) -> Result<(usize, Option<FrameHeader>), FrameError> {
        let mut at = 0;
        loop {
            match frame::parse(&self.header[..self.header_len], self.max_frame)? {
                Ok(header) => {
                    self.header_len = 0;
                    return Ok((at, Some(header)));
                }
                Err(_) if at == input.len() => return Ok((at, None)),
                Err(missing) => {
                    let n = missing.min(input.len() - at);
                    self.header[self.header_len..][..n].copy_from_slice(&input[at..][..n]);
                    self.header_len += n;
                    at += n;
                }
            }
        }
    }

    /// Begins a frame.
    fn begin(&mut self, header: &FrameHeader) -> Result<(), FrameError> {
        self.payload = match header.frame_type {
            FrameType::Text(_) | FrameType::Binary(_) if self.fragmented => {
                return Err(FrameError::Interleaved);
            }
            FrameType::Text(_) => return Err(FrameError::Text),
            FrameType::Binary(fragmented) => {
                self.fragmented = fragmented;
                Payload::Data
            }
            FrameType::Continue(_) if !self.fragmented => return Err(FrameError::Continuation),
            FrameType::Continue(last) => {
                self.fragmented = !last;
                Payload::Data
            }
            FrameType::Ping => Payload::Ping,
            FrameType::Pong => Payload::Pong,
            FrameType::Close => Payload::Close,
        };
        if let Payload::Ping | Payload::Close = self.payload {
            // The body is needed, so a pong that was not sent by now gives way.
            if let Control::Pong = self.control {
                self.control = Control::None;
            }
            self.body_len = 0;
        }
        self.left = header.payload_len;
        Ok(())
    }

    /// Ends a frame, of which everything is there.
    fn end(&mut self) -> Result<Option<Event>, FrameError> {
        match self.payload {
            Payload::Ping if !self.closed => {
                self.control = Control::Pong;
                Ok(Some(Event::Ping))
            }
            Payload::Close => {
                let code = close_code(&self.body[..self.body_len])?;
                self.receiving = Receiving::Closed(code);
                self.close_with(code);
                Ok(Some(Event::Closed))
            }
            Payload::Ping | Payload::Pong | Payload::Data => Ok(None),
        }
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
        if taken == 0 {
            return Ok((0, 0));
        }
        let frame = frame::write(FrameType::Binary(false), &payload[..taken], mask, out);
        Ok(frame.map_or((0, 0), |written| (taken, written)))
    }

    /// Returns whether a control frame waits to be sent.
    #[must_use]
    pub fn has_control(&self) -> bool {
        !matches!(self.control, Control::None)
    }

    /// Writes the control frame that waits to be sent, and returns its length.
    ///
    /// That is 0 when none waits, or when there is no room for it: [`MAX_CONTROL_FRAME`] bytes are
    /// always enough. `mask` is as for [`write_data`](Self::write_data).
    pub fn write_control(&mut self, mask: [u8; 4], out: &mut [u8]) -> usize {
        let written = match self.control {
            Control::None => return 0,
            Control::Pong => frame::write(FrameType::Pong, &self.body[..self.body_len], mask, out),
            Control::Close(Some(code)) => {
                frame::write(FrameType::Close, &code.to_be_bytes(), mask, out)
            }
            Control::Close(None) => frame::write(FrameType::Close, &[], mask, out),
        };
        if written.is_some() {
            self.control = Control::None;
        }
        written.unwrap_or(0)
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
            self.control = Control::Close(code);
        }
    }

    fn fail(&mut self, error: FrameError) {
        self.receiving = Receiving::Failed(error);
        self.close_with(Some(error.close_code()));
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
