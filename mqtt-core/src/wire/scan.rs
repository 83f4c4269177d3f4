//! Looking for bytes that must not be there, in strings.

/// True on machines with room for code that is only there to be fast. Elsewhere the least code is
/// wanted, which looks at a byte after the other.
pub(crate) const WIDE: bool = cfg!(target_pointer_width = "64");

/// True if `of` makes 0 of any of `bytes`.
#[inline]
pub(super) fn any_zero(bytes: &[u8], of: impl Fn(u8) -> u8 + Copy) -> bool {
    if WIDE {
        any_zero_wide(bytes, of)
    } else {
        bytes.iter().any(|byte| of(*byte) == 0)
    }
}

/// As many at a time as can be, by their minimum, which is one vector instruction. Blocks may
/// overlap.
#[inline(never)]
fn any_zero_wide(bytes: &[u8], of: impl Fn(u8) -> u8 + Copy) -> bool {
    if bytes.len() >= 32 {
        return any_zero_long(bytes, of);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return either_has_zero::<16>(first, last, of);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return either_has_zero::<8>(first, last, of);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return either_has_zero::<4>(first, last, of);
    }
    bytes.iter().any(|byte| of(*byte) == 0)
}

#[inline(never)]
fn any_zero_long(bytes: &[u8], of: impl Fn(u8) -> u8 + Copy) -> bool {
    // Not those that would be left to be looked at one by one.
    let blocks = bytes.get(..bytes.len() / 32 * 32).unwrap_or_default();
    let last = bytes.len().saturating_sub(32);
    least(blocks, of) == 0 || any_zero_wide(bytes.get(last + 1..).unwrap_or_default(), of)
}

#[inline(never)]
fn least(bytes: &[u8], of: impl Fn(u8) -> u8) -> u8 {
    let all = bytes.iter();
    all.fold(u8::MAX, |least, byte| least.min(of(*byte)))
}

/// Without an early exit and on its own, so that it compiles to vector instructions.
#[inline(never)]
fn either_has_zero<const N: usize>(first: &[u8; N], last: &[u8; N], of: impl Fn(u8) -> u8) -> bool {
    let pairs = first.iter().zip(last);
    pairs.fold(false, |found, (a, b)| found | (of(*a).min(of(*b)) == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    proptest! {
        #[test]
        fn finds_what_is_there(
            len in 0..300usize,
            at in 0..300usize,
            byte in prop_oneof![Just(b'+'), Just(b'+' | 0x80), any::<u8>()],
        ) {
            let at = at % len.max(1);
            let mut bytes = vec![b'x'; len];
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let of = |byte: u8| (byte ^ b'+') & 0x7F;
            prop_assert_eq!(any_zero(&bytes, of), bytes.iter().any(|byte| of(*byte) == 0));
        }
    }
}
