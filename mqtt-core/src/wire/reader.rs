//! What a decoder reads from.
//!
//! A [`Reader`] sees only bytes of one packet, whole, so running out of bytes is an error here;
//! that a packet has not arrived in full is decided before, from its fixed header.
//!
//! It keeps the first objection and then has nothing left to read. So a decoder is a list of
//! fields, without a way out after each, and asks at its [end](Reader::end) whether all went well.

use core::num::NonZeroU16;

use nom::Input;

use super::scan::{WIDE, any_zero};
use super::topic::check_name;
use super::{DecodeError, List, PacketId, TopicError, TopicFilter, Version};

pub(crate) struct Reader<'a> {
    /// The version to read in; CONNECT names its own.
    pub(super) version: Version,
    rest: &'a [u8],
    error: Option<DecodeError>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8], version: Version) -> Self {
        Self {
            version,
            rest: bytes,
            error: None,
        }
    }

    /// Whether all went well so far.
    #[inline]
    pub(super) fn result(&self) -> Result<(), DecodeError> {
        self.error.map_or(Ok(()), Err)
    }

    /// Whether all went well and nothing is left.
    #[inline]
    pub(super) fn end(&mut self) -> Result<(), DecodeError> {
        self.require(self.is_empty(), DecodeError::TrailingBytes);
        self.result()
    }

    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), cold, inline(never))]
    pub(super) fn fail(&mut self, error: DecodeError) {
        self.error = self.error.or(Some(error));
        self.rest = &[];
    }

    #[inline]
    pub(super) fn require(&mut self, holds: bool, otherwise: DecodeError) {
        if !holds {
            self.fail(otherwise);
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        if let Ok(len) = self.rest.slice_index(len) {
            let (rest, taken) = self.rest.take_split(len);
            self.rest = rest;
            taken
        } else {
            self.fail(DecodeError::Truncated);
            &[]
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).first_chunk().copied().unwrap_or([0; N])
    }

    #[inline]
    pub(super) fn u8(&mut self) -> u8 {
        if let Some((byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            *byte
        } else {
            self.fail(DecodeError::Truncated);
            0
        }
    }

    #[inline]
    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    #[inline]
    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline)]
    pub(super) fn var_int(&mut self) -> u32 {
        match var_int_prefix(self.rest, self.version) {
            Ok((value, len)) => {
                self.take(len);
                value
            }
            Err(error) => {
                self.fail(error);
                0
            }
        }
    }

    #[inline]
    pub(super) fn binary(&mut self) -> &'a [u8] {
        let len = self.u16();
        self.take(len.into())
    }

    #[inline]
    pub(super) fn string(&mut self) -> &'a str {
        let text = self.text();
        self.require(!has_nul(text), DecodeError::NulCharacter);
        text
    }

    /// A string, checked; if it is not `wanted`, perhaps an empty one in its place.
    #[inline]
    pub(super) fn string_if(&mut self, wanted: bool) -> &'a str {
        if wanted || !WIDE {
            return self.string();
        }
        let bytes = self.binary();
        // Most are of ASCII alone, which is found out sooner than what else UTF-8 may be.
        if any_zero(bytes, |byte| 0x7F_u8.saturating_sub(byte.wrapping_sub(1))) {
            if let Err(error) = check_string(bytes) {
                self.fail(error);
            }
        }
        ""
    }

    #[inline]
    pub(super) fn topic_name(&mut self) -> &'a str {
        let topic = self.text();
        self.require_topic_name(topic);
        topic
    }

    #[inline]
    pub(super) fn require_topic_name(&mut self, topic: &str) {
        if let Err(error) = check_name(topic) {
            self.fail(DecodeError::of_topic_name(error));
        }
    }

    pub(super) fn require_topic_filter(&mut self, filter: &str) {
        match TopicFilter::new(filter) {
            Ok(_) => {}
            Err(TopicError::NulCharacter) => self.fail(DecodeError::NulCharacter),
            Err(_) => self.fail(DecodeError::TopicFilter),
        }
    }

    /// A string that is still to be searched for U+0000.
    #[inline]
    pub(super) fn text(&mut self) -> &'a str {
        let text = core::str::from_utf8(self.binary());
        self.require(text.is_ok(), DecodeError::Utf8);
        text.unwrap_or_default()
    }

    #[inline]
    pub(super) fn packet_id(&mut self) -> PacketId {
        let id = PacketId::new(self.u16());
        self.require(id.is_some(), DecodeError::PacketIdZero);
        id.unwrap_or(PacketId::from(NonZeroU16::MIN))
    }

    /// Elements to the end of the packet, at least one, as `element` reads them.
    #[inline]
    pub(super) fn list<T>(&mut self, element: impl Fn(&mut Self) -> T) -> List<'a, T> {
        let raw = self.rest;
        self.require(!raw.is_empty(), DecodeError::EmptyList);
        while !self.is_empty() {
            element(self);
        }
        List::from_checked(raw)
    }
}

#[inline(never)]
fn check_string(bytes: &[u8]) -> Result<(), DecodeError> {
    let text = core::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?;
    if has_nul(text) {
        return Err(DecodeError::NulCharacter);
    }
    Ok(())
}

#[inline]
pub(super) fn has_nul(text: &str) -> bool {
    any_zero(text.as_bytes(), |byte| byte)
}

/// The variable byte integer at the front of `i` with its length, which 5.0 wants to be as short as
/// possible `[MQTT-1.5.5-1]`. When it is cut off, the error is [`DecodeError::Truncated`].
#[inline]
pub(super) fn var_int_prefix(i: &[u8], version: Version) -> Result<(u32, usize), DecodeError> {
    match i {
        [byte @ 0..0x80, ..] if WIDE => Ok(((*byte).into(), 1)),
        _ => long_var_int(i, version),
    }
}

fn long_var_int(i: &[u8], version: Version) -> Result<(u32, usize), DecodeError> {
    let mut value = 0;
    for (at, &byte) in i.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            let is_shortest = byte != 0 || at == 0 || !version.is_v5();
            let read = is_shortest.then_some((value, at + 1));
            return read.ok_or(DecodeError::VariableByteInteger);
        }
    }
    Err(if i.len() < 4 {
        DecodeError::Truncated
    } else {
        DecodeError::VariableByteInteger
    })
}

/// The length of a variable byte integer: a byte for each seven bits.
pub(super) const fn var_int_len(value: u32) -> usize {
    (38 - (value | 1).leading_zeros()) as usize / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    proptest! {
        /// A string that is not wanted is checked as one that is.
        #[test]
        fn strings_that_are_not_wanted(
            text in prop_oneof![
                "[ -~\x01\x7F]{0,40}\0?[a-z]{0,3}".prop_map(String::into_bytes),
                "[a-zäß\u{80}]{0,40}\0?".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..40),
                ("[a-z]{0,20}", prop_oneof![Just(0x7F), Just(0x80), any::<u8>()], "[a-z]{0,20}")
                    .prop_map(|(before, byte, after)| {
                        [before.as_bytes(), &[byte], after.as_bytes()].concat()
                    }),
            ],
            cut in 0..3_usize,
        ) {
            let mut bytes = Vec::from(u16::try_from(text.len()).unwrap().to_be_bytes());
            bytes.extend(text);
            bytes.truncate(bytes.len() - cut.saturating_sub(1));
            let end = |wanted| {
                let mut r = Reader::new(&bytes, Version::NEWEST);
                r.string_if(wanted);
                (r.len(), r.result())
            };
            prop_assert_eq!(end(false), end(true));
        }
    }
}
