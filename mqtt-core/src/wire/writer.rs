//! Where an encoder puts its bytes.
//!
//! Each packet describes its body once, over a [`Writer`]. A first pass counts the bytes and checks
//! the values, a second one writes them: length and bytes cannot disagree, and nothing is written
//! of a packet that cannot be written whole. Both passes run the same code, since a second copy of
//! it for each packet is what an encoder mostly consists of.

use core::mem;

use super::reader::has_nul;
use super::{EncodeError, TopicName, Version};
use crate::buffers::copy;

pub(crate) struct Writer<'a> {
    /// The version to write in; CONNECT sets its own.
    pub(super) version: Version,
    /// What is left of the packet's place; `None` in the first pass.
    buffer: Option<&'a mut [u8]>,
    /// The number of bytes in the first pass.
    len: usize,
    checks: bool,
    error: Option<EncodeError>,
}

impl<'a> Writer<'a> {
    /// The first pass: counts, and keeps the first objection.
    pub(super) const fn count(version: Version) -> Self {
        Self {
            version,
            buffer: None,
            len: 0,
            checks: true,
            error: None,
        }
    }

    /// The second pass: writes into a buffer that the first pass found long enough.
    pub(super) const fn fill(version: Version, buffer: &'a mut [u8]) -> Self {
        Self {
            version,
            buffer: Some(buffer),
            len: 0,
            checks: false,
            error: None,
        }
    }

    /// Counts a part whose length stands before it. It is checked in the first pass only.
    pub(super) const fn count_part(&self) -> Writer<'static> {
        Writer {
            checks: self.checks,
            ..Writer::count(self.version)
        }
    }

    /// The part that was counted, as `put` writes it.
    pub(super) fn part(&mut self, counted: &Writer<'_>, put: impl FnOnce(&mut Self)) {
        if self.buffer.is_some() {
            return put(self);
        }
        self.len = self.len.saturating_add(counted.len);
        self.error = self.error.or(counted.error);
    }

    /// The number of bytes so far, however many they are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn finish(&self) -> Result<usize, EncodeError> {
        self.error.map_or(Ok(self.len), Err)
    }

    /// A check that the packet must pass to be encodable; made by the first pass only.
    pub(super) fn check(&mut self, check: impl FnOnce() -> Result<(), EncodeError>) {
        if self.error.is_none() && self.checks {
            self.error = check().err();
        }
    }

    pub(super) fn require(&mut self, holds: bool, otherwise: EncodeError) {
        if !holds {
            self.fail(otherwise);
        }
    }

    #[cold]
    #[inline(never)]
    fn fail(&mut self, error: EncodeError) {
        self.error = self.error.or(Some(error));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        match &mut self.buffer {
            None => self.len = self.len.saturating_add(bytes.len()),
            Some(buffer) => {
                if let Some((to, rest)) = mem::take(buffer).split_at_mut_checked(bytes.len()) {
                    copy(to, bytes);
                    *buffer = rest;
                }
            }
        }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
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
