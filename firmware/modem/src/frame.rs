//! Frames.

const END: u8 = 0xC0;
const ESC: u8 = 0xDB;
const ESC_END: u8 = 0xDC;
const ESC_ESC: u8 = 0xDD;

/// The most bytes of a frame besides its data: two ends, the kind, an escaped number.
pub(crate) const OVERHEAD: usize = 5;

/// What a frame says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The device wants a call. Any other is over.
    Dial,
    /// The device ends the call.
    HangUp,
    /// The call is answered.
    Connected,
    /// The call is over, or was not answered.
    NoCarrier,
    /// Bytes of the call.
    Data,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Dial,
        Self::HangUp,
        Self::Connected,
        Self::NoCarrier,
        Self::Data,
    ];

    const fn byte(self) -> u8 {
        match self {
            Self::Dial => b'D',
            Self::HangUp => b'H',
            Self::Connected => b'C',
            Self::NoCarrier => b'N',
            Self::Data => b'=',
        }
    }
}

/// Writes a frame, byte by byte.
pub fn encode(kind: Kind, call: u8, data: &[u8], mut write: impl FnMut(u8)) {
    // It also ends what a reset has cut short.
    write(END);
    for &byte in [kind.byte(), call].iter().chain(data) {
        let escaped = match byte {
            END => ESC_END,
            ESC => ESC_ESC,
            byte => {
                write(byte);
                continue;
            }
        };
        write(ESC);
        write(escaped);
    }
    write(END);
}

/// What a [`Decoder`] has found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Item {
    /// A frame without data, of this call.
    Sign(Kind, u8),
    /// A byte of this call.
    Byte(u8, u8),
}

/// Reads frames, byte by byte.
#[derive(Debug)]
pub struct Decoder {
    place: Place,
    is_escaped: bool,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// In a frame of which the beginning is not known, or that is none.
    Unknown,
    Start,
    Call(Kind),
    Rest(Kind, u8),
}

impl Decoder {
    /// Waits for the beginning of a frame.
    pub const fn new() -> Self {
        Self {
            place: Place::Unknown,
            is_escaped: false,
        }
    }

    /// Takes the next byte of the line.
    pub fn push(&mut self, byte: u8) -> Option<Item> {
        let byte = match byte {
            END => {
                self.is_escaped = false;
                let place = core::mem::replace(&mut self.place, Place::Start);
                return match place {
                    Place::Rest(kind, call) if kind != Kind::Data => Some(Item::Sign(kind, call)),
                    _ => None,
                };
            }
            ESC => {
                self.is_escaped = true;
                return None;
            }
            ESC_END if self.is_escaped => END,
            ESC_ESC if self.is_escaped => ESC,
            byte => byte,
        };
        self.is_escaped = false;
        match self.place {
            Place::Unknown => {}
            Place::Start => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.byte() == byte);
                self.place = kind.map_or(Place::Unknown, Place::Call);
            }
            Place::Call(kind) => self.place = Place::Rest(kind, byte),
            Place::Rest(Kind::Data, call) => return Some(Item::Byte(call, byte)),
            Place::Rest(..) => self.place = Place::Unknown,
        }
        None
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn decode(decoder: &mut Decoder, line: &[u8]) -> Vec<Item> {
        line.iter().filter_map(|&byte| decoder.push(byte)).collect()
    }

    fn frame(kind: Kind, call: u8, data: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        encode(kind, call, data, |byte| line.push(byte));
        line
    }

    #[test]
    fn every_byte_passes() {
        let data: Vec<u8> = (0..=255).collect();
        for call in 0..=255 {
            let line = frame(Kind::Data, call, &data);
            assert!(line.len() <= OVERHEAD + 2 * data.len());
            let bytes: Vec<Item> = data.iter().map(|&byte| Item::Byte(call, byte)).collect();
            assert_eq!(decode(&mut Decoder::new(), &line), bytes);
        }
    }

    #[test]
    fn a_frame_that_is_cut_off_at_any_byte_does_no_harm_to_the_next() {
        let next = frame(Kind::Dial, 7, &[]);
        for cut in [
            frame(Kind::Data, 6, &[1, END, 2, ESC]),
            frame(Kind::HangUp, 6, &[]),
        ] {
            for at in 0..cut.len() {
                let mut decoder = Decoder::new();
                for item in decode(&mut decoder, &cut[..at]) {
                    assert!(matches!(item, Item::Byte(6, _)), "{item:?}");
                }
                let found = decode(&mut decoder, &next);
                assert_eq!(found.last(), Some(&Item::Sign(Kind::Dial, 7)), "{at}");
                let mut decoder = Decoder::new();
                decode(&mut decoder, &cut[at..]);
                assert_eq!(decode(&mut decoder, &next), [Item::Sign(Kind::Dial, 7)]);
            }
        }
    }
}
