//! Calls over a serial line.
//!
//! A serial line has no connections. This is the modem that makes some: a call is dialled, it is
//! answered or not, carries bytes both ways, and ends from either side. Both ends of the line speak
//! in frames of SLIP (RFC 1055), which any byte that goes missing damages no further than to the
//! next frame, so a device that is reset in the middle of one needs no care. In a frame are its
//! [`Kind`], the number of the call and, in one of data, bytes. The number is how an end knows
//! what is left over from earlier calls.

#![no_std]

mod frame;

pub use frame::{Decoder, Item, Kind, encode};

/// A serial port with memory for some bytes each way.
pub trait Serial {
    /// Takes the next received byte, if there is one.
    fn read(&mut self) -> Option<u8>;

    /// How many bytes there is room for.
    fn room(&self) -> usize;

    /// Sends a byte; waits where there is no room.
    fn write(&mut self, byte: u8);
}

/// The call is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoCarrier;

/// The device's end of the line.
#[derive(Debug)]
pub struct Modem<S> {
    /// What comes in.
    pub receiver: Receiver<S>,
    /// What goes out.
    pub sender: Sender<S>,
}

/// What comes in over the line. It may be used while the [`Sender`] is.
#[derive(Debug)]
pub struct Receiver<S> {
    serial: S,
    decoder: Decoder,
    call: u8,
    state: State,
}

/// What goes out over the line.
#[derive(Debug)]
pub struct Sender<S> {
    serial: S,
    call: u8,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Dialling,
    Connected,
    Over,
}

impl<S: Serial + Copy> Modem<S> {
    /// A modem without a call.
    pub const fn new(serial: S) -> Self {
        Self {
            receiver: Receiver {
                serial,
                decoder: Decoder::new(),
                call: 0,
                state: State::Over,
            },
            sender: Sender { serial, call: 0 },
        }
    }

    /// Begins a call, and ends the one before. The number is to be another one than those of the
    /// last calls, also over a reset.
    pub fn dial(&mut self, call: u8) {
        self.receiver.call = call;
        self.receiver.state = State::Dialling;
        self.sender.call = call;
        self.sender.sign(Kind::Dial);
    }

    /// Ends the call.
    pub fn hang_up(&mut self) {
        self.receiver.state = State::Over;
        self.sender.sign(Kind::HangUp);
    }
}

impl<S: Serial> Receiver<S> {
    /// True once the call is answered.
    ///
    /// # Errors
    /// The call is over.
    pub fn is_connected(&mut self) -> Result<bool, NoCarrier> {
        if self.state == State::Dialling {
            // Data follows the answer, so this reads none.
            self.read(&mut [])?;
        }
        Ok(self.state == State::Connected)
    }

    /// Reads what has arrived, which may be nothing.
    ///
    /// # Errors
    /// The call is over.
    pub fn read(&mut self, space: &mut [u8]) -> Result<usize, NoCarrier> {
        let mut len = 0;
        while self.state == State::Dialling || len < space.len() {
            if self.state == State::Over {
                break;
            }
            let Some(byte) = self.serial.read() else {
                break;
            };
            match self.decoder.push(byte) {
                Some(Item::Byte(call, byte)) if call == self.call => {
                    if let Some(place) = space.get_mut(len) {
                        *place = byte;
                        len += 1;
                    }
                }
                Some(Item::Sign(Kind::Connected, call)) if call == self.call => {
                    self.state = State::Connected;
                }
                Some(Item::Sign(Kind::NoCarrier, call)) if call == self.call => {
                    self.state = State::Over;
                }
                _ => {}
            }
        }
        // What came before the end is given first.
        if len == 0 && self.state == State::Over {
            Err(NoCarrier)
        } else {
            Ok(len)
        }
    }
}

impl<S: Serial> Sender<S> {
    /// Sends as many of these bytes as there is room for, which may be none.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        // Each byte may become two.
        let room = self.serial.room().saturating_sub(frame::OVERHEAD) / 2;
        let bytes = &bytes[..bytes.len().min(room)];
        if !bytes.is_empty() {
            encode(Kind::Data, self.call, bytes, |byte| self.serial.write(byte));
        }
        bytes.len()
    }

    fn sign(&mut self, kind: Kind) {
        encode(kind, self.call, &[], |byte| self.serial.write(byte));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::vec::Vec;

    use super::*;

    /// A line of which a test has the other end.
    #[derive(Default)]
    struct Line {
        to_device: RefCell<VecDeque<u8>>,
        from_device: RefCell<Vec<u8>>,
    }

    impl Line {
        fn say(&self, kind: Kind, call: u8, data: &[u8]) {
            let mut line = self.to_device.borrow_mut();
            encode(kind, call, data, |byte| line.push_back(byte));
        }

        fn heard(&self) -> Vec<Item> {
            let mut decoder = Decoder::new();
            let bytes = self.from_device.take();
            bytes
                .into_iter()
                .filter_map(|byte| decoder.push(byte))
                .collect()
        }
    }

    impl Serial for &Line {
        fn read(&mut self) -> Option<u8> {
            self.to_device.borrow_mut().pop_front()
        }

        fn room(&self) -> usize {
            20 - self.from_device.borrow().len()
        }

        fn write(&mut self, byte: u8) {
            self.from_device.borrow_mut().push(byte);
        }
    }

    #[test]
    fn a_call() {
        let line = Line::default();
        let mut modem = Modem::new(&line);
        modem.dial(1);
        assert_eq!(line.heard(), [Item::Sign(Kind::Dial, 1)]);
        assert_eq!(modem.receiver.is_connected(), Ok(false));
        line.say(Kind::Connected, 1, &[]);
        line.say(Kind::Data, 1, b"hello");
        assert_eq!(modem.receiver.is_connected(), Ok(true));

        let mut space = [0; 3];
        assert_eq!(modem.receiver.read(&mut space), Ok(3));
        assert_eq!(&space, b"hel");
        // What came before the end is there before the end.
        line.say(Kind::NoCarrier, 1, &[]);
        assert_eq!(modem.receiver.read(&mut space), Ok(2));
        assert_eq!(modem.receiver.read(&mut space), Err(NoCarrier));
    }

    #[test]
    fn what_is_left_of_earlier_calls_is_dropped() {
        let line = Line::default();
        let mut modem = Modem::new(&line);
        modem.dial(1);
        line.say(Kind::Connected, 1, &[]);
        line.say(Kind::Data, 1, b"old");
        line.say(Kind::NoCarrier, 1, &[]);
        modem.dial(2);
        assert_eq!(modem.receiver.is_connected(), Ok(false));
        line.say(Kind::Connected, 2, &[]);
        line.say(Kind::Data, 1, b"old");
        line.say(Kind::NoCarrier, 1, &[]);
        line.say(Kind::Data, 2, b"new");
        assert_eq!(modem.receiver.is_connected(), Ok(true));
        let mut space = [0; 9];
        assert_eq!(modem.receiver.read(&mut space), Ok(3));
        assert_eq!(&space[..3], b"new");
    }

    #[test]
    fn no_more_is_written_than_there_is_room_for() {
        let line = Line::default();
        let mut modem = Modem::new(&line);
        modem.dial(1);
        line.heard();
        let bytes = [0xC0; 20];
        assert_eq!(modem.sender.write(&bytes), 7);
        assert_eq!(modem.sender.write(&bytes), 0);
        assert_eq!(line.heard(), [Item::Byte(1, 0xC0); 7]);
    }
}
