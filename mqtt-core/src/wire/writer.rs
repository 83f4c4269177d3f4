//! Where an encoder puts its bytes.
//!
//! Each packet describes its body once, over a [`Writer`]. A first pass counts the bytes and checks
//! the values, a second one writes them: length and bytes cannot disagree, and nothing is written
//! of a packet that cannot be written whole. Both passes run the same code, since a second copy of
//! it for each packet is what an encoder mostly consists of.

use super::reader::{has_nul, var_int_len};
use super::{EncodeError, TopicName, Version};
use crate::buffers::{copy, shift};

/// More than a packet can have.
const MAX_LEN: usize = 1 << 30;

pub(crate) struct Writer<'a> {
    /// The version to write in; CONNECT sets its own.
    pub(super) version: Version,
    /// True in the first pass, in which nothing is written.
    is_first: bool,
    error: Option<EncodeError>,
    /// The packet's place; empty in the first pass.
    buffer: &'a mut [u8],
    /// The number of bytes so far.
    len: usize,
}

impl<'a> Writer<'a> {
    /// The first pass: counts, and keeps the first objection.
    pub(super) fn count(version: Version) -> Self {
        Self {
            is_first: true,
            ..Self::fill(version, &mut [])
        }
    }

    /// The second pass: writes into a buffer that the first pass found long enough.
    pub(super) const fn fill(version: Version, buffer: &'a mut [u8]) -> Self {
        Self {
            version,
            is_first: false,
            error: None,
            buffer,
            len: 0,
        }
    }

    /// The number of bytes so far.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn finish(&self) -> Result<usize, EncodeError> {
        self.error.map_or(Ok(self.len), Err)
    }

    /// A check that the packet must pass to be encodable; made by the first pass only.
    #[inline]
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

    #[cold]
    #[inline(never)]
    pub(super) fn fail(&mut self, error: EncodeError) {
        self.error = self.error.or(Some(error));
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(place) = self.buffer.get_mut(self.len..end) {
            copy(place, bytes);
        }
        // A bound, so that no sum of lengths overflows, whatever a list names how often.
        self.len = end.min(MAX_LEN);
    }

    #[inline]
    pub(super) fn u8(&mut self, value: u8) {
        if let Some(place) = self.buffer.get_mut(self.len) {
            *place = value;
        }
        self.len += 1;
    }

    #[inline]
    pub(super) fn u16(&mut self, value: u16) {
        let [high, low] = value.to_be_bytes();
        self.u8(high);
        self.u8(low);
    }

    #[inline]
    pub(super) fn u32(&mut self, value: u32) {
        for byte in value.to_be_bytes() {
            self.u8(byte);
        }
    }

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

    /// Puts before all that stands from `start` on how many bytes these are.
    pub(super) fn insert_len(&mut self, start: usize) {
        let end = self.len;
        let len = u32::try_from(end - start).unwrap_or(u32::MAX);
        let len_len = var_int_len(len);
        shift(self.buffer, start..end, start + len_len);
        self.len = start;
        self.var_int(len);
        self.len = end + len_len;
    }

    #[inline]
    pub(super) fn binary(&mut self, bytes: &[u8]) {
        let len = u16::try_from(bytes.len());
        self.require(len.is_ok(), EncodeError::FieldTooLong);
        self.u16(len.unwrap_or(u16::MAX));
        self.bytes(bytes);
    }

    pub(super) fn topic_name(&mut self, topic: &str) {
        self.check(|| match TopicName::new(topic) {
            Ok(_) => Ok(()),
            Err(_) => Err(EncodeError::TopicName),
        });
        self.binary(topic.as_bytes());
    }

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
