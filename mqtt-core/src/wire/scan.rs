//! Looking for bytes that must not be there, in the strings of hot packets.

/// True on machines with room for code that is only there to be fast. Elsewhere the least code is
/// wanted, which looks at a byte after the other.
pub(crate) const WIDE: bool = cfg!(target_pointer_width = "64");

/// True if any of `bytes` is `wanted`.
#[inline]
pub(super) fn contains(bytes: &[u8], wanted: impl Fn(u8) -> bool + Copy) -> bool {
    if WIDE {
        contains_wide(bytes, wanted)
    } else {
        bytes.iter().any(|byte| wanted(*byte))
    }
}

/// As many at a time as can be. The first and the last of them may overlap.
#[inline(never)]
fn contains_wide(bytes: &[u8], wanted: impl Fn(u8) -> bool + Copy) -> bool {
    if bytes.len() >= 64 {
        return contains_many(bytes, wanted);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return either_contains::<32>(first, last, wanted);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return either_contains::<16>(first, last, wanted);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return either_contains::<8>(first, last, wanted);
    }
    bytes.iter().any(|byte| wanted(*byte))
}

#[inline(never)]
fn contains_many(mut bytes: &[u8], wanted: impl Fn(u8) -> bool + Copy) -> bool {
    while let Some((block, rest)) = bytes.split_at_checked(64) {
        if let (Some(first), Some(last)) = (block.first_chunk(), block.last_chunk()) {
            if either_contains::<32>(first, last, wanted) {
                return true;
            }
        }
        bytes = rest;
    }
    contains_wide(bytes, wanted)
}

/// Without an early exit and on its own, so that it compiles to vector instructions.
#[inline(never)]
fn either_contains<const N: usize>(
    first: &[u8; N],
    last: &[u8; N],
    wanted: impl Fn(u8) -> bool,
) -> bool {
    let pairs = first.iter().zip(last);
    pairs.fold(false, |found, (a, b)| found | wanted(*a) | wanted(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    proptest! {
        #[test]
        fn finds_what_is_there(len in 0..300usize, at in 0..300usize, byte in any::<u8>()) {
            let mut bytes = vec![b'x'; len];
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let is_wanted = |byte| byte == b'+' || byte >= 0x80;
            prop_assert_eq!(contains_wide(&bytes, is_wanted), bytes.iter().any(|byte| is_wanted(*byte)));
        }
    }
}
