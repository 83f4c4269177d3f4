//! Where an encoder puts its bytes.
//!
//! Each packet describes its body once, over a [`Sink`]. A first pass counts the bytes and checks
//! the values, a second one writes them: length and bytes cannot disagree, and nothing is written
//! of a packet that cannot be written whole.

use core::mem;

use super::EncodeError;
use super::parse::{has_nul, var_int_len};

pub(crate) trait Sink {
    fn bytes(&mut self, bytes: &[u8]);

    /// A check that the packet must pass to be encodable; made by the first pass only.
    fn check(&mut self, check: impl FnOnce() -> Result<(), EncodeError>);

    fn require(&mut self, holds: bool, otherwise: EncodeError) {
        self.check(|| if holds { Ok(()) } else { Err(otherwise) });
    }

    fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn var_int(&mut self, mut value: u32) {
        loop {
            let low = value.to_le_bytes()[0] & 0x7F;
            value >>= 7;
            if value == 0 {
                return self.u8(low);
            }
            self.u8(low | 0x80);
        }
    }

    fn binary(&mut self, bytes: &[u8]) {
        let len = u16::try_from(bytes.len());
        self.require(len.is_ok(), EncodeError::FieldTooLong);
        self.u16(len.unwrap_or(u16::MAX));
        self.bytes(bytes);
    }

    fn string(&mut self, text: &str) {
        self.check(|| {
            if has_nul(text) {
                Err(EncodeError::NulCharacter)
            } else {
                Ok(())
            }
        });
        self.binary(text.as_bytes());
    }
}

/// The first pass: counts, and keeps the first objection.
#[derive(Default)]
pub(super) struct Count {
    len: usize,
    error: Option<EncodeError>,
}

impl Count {
    pub(super) fn finish(self) -> Result<usize, EncodeError> {
        self.error.map_or(Ok(self.len), Err)
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

impl Sink for Count {
    fn bytes(&mut self, bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len());
    }

    fn check(&mut self, check: impl FnOnce() -> Result<(), EncodeError>) {
        if self.error.is_none() {
            self.error = check().err();
        }
    }

    fn var_int(&mut self, value: u32) {
        self.len += var_int_len(value);
    }
}

/// The second pass: writes into a buffer that the first pass found long enough.
pub(super) struct Fill<'a>(pub(super) &'a mut [u8]);

impl Sink for Fill<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some((to, rest)) = mem::take(&mut self.0).split_at_mut_checked(bytes.len()) {
            to.copy_from_slice(bytes);
            self.0 = rest;
        }
    }

    fn check(&mut self, _: impl FnOnce() -> Result<(), EncodeError>) {}
}
