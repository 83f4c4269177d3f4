//! Where an encoder puts its bytes.
//!
//! Each packet describes its body once, over a [`Writer`]. A first pass counts the bytes and checks
//! the values, a second one writes them: length and bytes cannot disagree, and nothing is written
//! of a packet that cannot be written whole.
//!
//! Where code is scarce, both passes run the same code, since a second copy of it for each packet is
//! what an encoder mostly consists of. Elsewhere all of this is inlined into each pass, which leaves
//! a sum of lengths of the one and stores of the other.

use super::reader::has_nul;
use super::scan::WIDE;
use core::mem;

use super::{EncodeError, TopicName, Version};
use crate::buffers::copy;

/// More than a packet can have.
const MAX_LEN: usize = 1 << 30;

pub(crate) struct Writer<'a> {
    /// The version to write in; CONNECT sets its own.
    pub(super) version: Version,
    /// True in the first pass, in which nothing is written.
    is_first: bool,
    error: Option<EncodeError>,
    /// What is left of the packet's place; empty in the first pass.
    rest: &'a mut [u8],
    /// The number of bytes so far.
    len: usize,
}

impl<'a> Writer<'a> {
    /// The first pass: counts, and keeps the first objection.
    #[inline]
    pub(super) fn count(version: Version) -> Self {
        Self {
            is_first: true,
            ..Self::fill(version, &mut [])
        }
    }

    /// The second pass: writes into a buffer that the first pass found long enough.
    #[inline]
    pub(super) const fn fill(version: Version, place: &'a mut [u8]) -> Self {
        Self {
            version,
            is_first: false,
            error: None,
            rest: place,
            len: 0,
        }
    }

    /// The number of bytes so far.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The number of bytes, or the first objection.
    #[inline]
    pub(super) fn finish(&self) -> Result<usize, EncodeError> {
        self.error.map_or(Ok(self.len), Err)
    }

    /// A check that the packet must pass to be encodable; made by the first pass only.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline)]
    pub(super) fn check(&mut self, check: impl FnOnce() -> Result<(), EncodeError>) {
        if self.is_first {
            if let Err(error) = check() {
                self.fail(error);
            }
        }
    }

    #[inline]
    pub(super) fn require(&mut self, holds: bool, otherwise: EncodeError) {
        if !holds {
            self.fail(otherwise);
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), cold, inline(never))]
    pub(super) fn fail(&mut self, error: EncodeError) {
        self.error = first(self.error, error);
    }

    /// A part with its length before it.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn part(
        &mut self,
        count: impl FnOnce() -> Result<usize, EncodeError>,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) {
        if self.is_first {
            match count() {
                Ok(len) => self.skip(len),
                Err(error) => self.fail(error),
            }
        } else {
            let rest = mem::take(&mut self.rest);
            let len = fill(rest);
            self.rest = rest.get_mut(len..).unwrap_or_default();
        }
    }

    /// No sum of lengths overflows, whatever a list names how often: with 64 bits only one of fields
    /// that are refused for their length could, elsewhere there is a bound.
    #[inline]
    fn skip(&mut self, len: usize) {
        self.len = if WIDE {
            self.len.wrapping_add(len)
        } else {
            self.len.saturating_add(len).min(MAX_LEN)
        };
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline)]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.skip(bytes.len());
        if let Some((place, rest)) = mem::take(&mut self.rest).split_at_mut_checked(bytes.len()) {
            copy(place, bytes);
            self.rest = rest;
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.skip(N);
        if let Some((place, rest)) = mem::take(&mut self.rest).split_first_chunk_mut() {
            *place = bytes;
            self.rest = rest;
        }
    }

    #[inline]
    pub(super) fn u8(&mut self, value: u8) {
        self.array([value]);
    }

    #[inline]
    pub(super) fn u16(&mut self, value: u16) {
        self.array(value.to_be_bytes());
    }

    #[inline]
    pub(super) fn u32(&mut self, value: u32) {
        self.array(value.to_be_bytes());
    }

    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(super) fn var_int(&mut self, mut value: u32) {
        loop {
            let low = value.to_le_bytes()[0] & 0x7F;
            value >>= 7;
            if value == 0 {
                return self.u8(low);
            }
            self.u8(low | 0x80);
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline)]
    pub(super) fn binary(&mut self, bytes: &[u8]) {
        let len = u16::try_from(bytes.len());
        self.require(len.is_ok(), EncodeError::FieldTooLong);
        self.u16(len.unwrap_or(u16::MAX));
        self.bytes(bytes);
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn topic_name(&mut self, topic: &str) {
        self.check(|| match TopicName::new(topic) {
            Ok(_) => Ok(()),
            Err(_) => Err(EncodeError::TopicName),
        });
        self.binary(topic.as_bytes());
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn string(&mut self, text: &str) {
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

/// A branch that is not taken, where a choice between two values would have to be made.
#[cold]
#[cfg_attr(target_pointer_width = "64", inline(never))]
fn first(error: Option<EncodeError>, next: EncodeError) -> Option<EncodeError> {
    error.or(Some(next))
}
