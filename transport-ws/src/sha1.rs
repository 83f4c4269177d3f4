//! SHA-1 (FIPS 180-4, section 6.1) of what a handshake hashes. It proves nothing but that the server
//! has understood; the crate `sha1`, to which a test compares, is six times as large and keeps bounds
//! checks that firmware would rather not have.

/// The hash of 60 bytes: the key and what servers append to it.
pub(crate) fn sha1(message: impl IntoIterator<Item = u8>) -> [u8; 20] {
    const LEN: u8 = 60;

    // The length is known, so the padding is: a one, zeros, and the length in bits.
    let mut bytes = message.into_iter().take(LEN.into()).chain([0x80]).fuse();
    let mut state = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in 0..2 {
        let mut words = [0_u32; 16];
        for word in &mut words {
            let mut byte = || bytes.next().unwrap_or(0);
            *word = u32::from_be_bytes([byte(), byte(), byte(), byte()]);
        }
        if block == 1 {
            words[15] = 8 * u32::from(LEN);
        }
        compress(&mut state, &mut words);
    }
    let [a, b, c, d, e] = state.map(u32::to_be_bytes);
    let mut hash = [0; 20];
    for (to, from) in hash.iter_mut().zip([a, b, c, d, e].as_flattened()) {
        *to = *from;
    }
    hash
}

fn compress(state: &mut [u32; 5], words: &mut [u32; 16]) {
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for round in 0..80 {
        if round >= 16 {
            let word = words[(round + 13) & 15]
                ^ words[(round + 8) & 15]
                ^ words[(round + 2) & 15]
                ^ words[round & 15];
            words[round & 15] = word.rotate_left(1);
        }
        let (f, k) = match round {
            ..20 => (b & c | !b & d, 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(f)
            .wrapping_add(e)
            .wrapping_add(k)
            .wrapping_add(words[round & 15]);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (to, from) in state.iter_mut().zip([a, b, c, d, e]) {
        *to = to.wrapping_add(from);
    }
}

#[cfg(test)]
mod tests {
    use sha1::{Digest, Sha1};

    use super::sha1;

    #[test]
    fn same_as_the_crate() {
        for seed in 0..100_u8 {
            let mut message = [0; 60];
            for (i, byte) in (0..).zip(&mut message) {
                *byte = seed.wrapping_mul(31) ^ i << 2;
            }
            assert_eq!(sha1(message), *Sha1::digest(message));
        }
    }
}
