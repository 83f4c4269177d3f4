//! Parsers of the data types that packets are made of, on nom.
//!
//! They see only bytes of one packet, whole, so running out of bytes is an error here; that a
//! packet has not arrived in full is decided before, from its fixed header.

pub(super) use nom::bytes::complete::take;
pub(super) use nom::number::complete::{be_u16, be_u32, u8 as be_u8};

use super::DecodeError;

pub(crate) type Parsed<'i, T> = nom::IResult<&'i [u8], T, DecodeError>;

pub(super) const fn fail<T>(error: DecodeError) -> Result<T, nom::Err<DecodeError>> {
    Err(nom::Err::Error(error))
}

/// The value of a parser that must have used all of its input.
pub(super) fn all<T>(parsed: Parsed<'_, T>) -> Result<T, DecodeError> {
    match parsed {
        Ok(([], value)) => Ok(value),
        Ok(_) => Err(DecodeError::TrailingBytes),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
        Err(nom::Err::Incomplete(_)) => Err(DecodeError::Truncated),
    }
}

pub(super) fn binary(i: &[u8]) -> Parsed<'_, &[u8]> {
    let (i, len) = be_u16(i)?;
    take(len)(i)
}

pub(super) fn string(i: &[u8]) -> Parsed<'_, &str> {
    let (i, bytes) = binary(i)?;
    match core::str::from_utf8(bytes) {
        Ok(text) if !has_nul(text) => Ok((i, text)),
        Ok(_) => fail(DecodeError::NulCharacter),
        Err(_) => fail(DecodeError::Utf8),
    }
}

/// Without an early exit, so that it compiles to vector instructions.
pub(super) fn has_nul(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte == 0))
}

/// A variable byte integer of 5.0 in its shortest form `[MQTT-1.5.5-1]`.
pub(super) fn var_int(i: &[u8]) -> Parsed<'_, u32> {
    match var_int_prefix(i) {
        Some(Ok((value, len))) if len == var_int_len(value) => {
            Ok((i.get(len..).unwrap_or(&[]), value))
        }
        Some(_) => fail(DecodeError::VariableByteInteger),
        None => fail(DecodeError::Truncated),
    }
}

/// The variable byte integer at the front of `i` with its length, `None` when it is cut off.
pub(super) fn var_int_prefix(i: &[u8]) -> Option<Result<(u32, usize), DecodeError>> {
    let mut value = 0;
    for (at, &byte) in i.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            return Some(Ok((value, at + 1)));
        }
    }
    if i.len() < 4 {
        None
    } else {
        Some(Err(DecodeError::VariableByteInteger))
    }
}

pub(super) const fn var_int_len(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}
