//! How targets take their input apart, so that seeds can be written by hand.

use mqtt_core::wire::Version;

/// The version that a byte stands for: its own number, or any.
pub(crate) fn version(byte: u8) -> Version {
    match byte {
        3 => Version::V31,
        4 => Version::V311,
        5 => Version::V5,
        _ => [Version::V31, Version::V311, Version::V5][usize::from(byte % 3)],
    }
}

/// The first `N` bytes, zero where there are none, and the rest.
pub(crate) fn head<const N: usize>(data: &[u8]) -> ([u8; N], &[u8]) {
    let (first, rest) = data.split_at(N.min(data.len()));
    let mut head = [0; N];
    head[..first.len()].copy_from_slice(first);
    (head, rest)
}

/// Appends a variable byte integer.
pub(crate) fn put_var_int(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// A packet of this first byte and body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    put_var_int(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

/// Numbers that look random and follow from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u8) -> Self {
        Self(u64::from(seed))
    }

    /// A number from 1 to `max`.
    pub(crate) fn up_to(&mut self, max: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        1 + (self.0 >> 33) as usize % max.max(1)
    }
}

/// How bytes come in pieces.
#[derive(Clone, Debug)]
pub(crate) enum Cuts {
    Whole,
    Bytes,
    Random(Random),
}

impl Cuts {
    /// Each way to cut, the last one by this seed.
    pub(crate) fn all(seed: u8) -> [Self; 3] {
        [Self::Whole, Self::Bytes, Self::Random(Random::new(seed))]
    }

    /// How many of `left` bytes come next.
    pub(crate) fn next(&mut self, left: usize) -> usize {
        match self {
            Self::Whole => left,
            Self::Bytes => 1.min(left),
            Self::Random(random) => {
                let most = if random.up_to(3) == 1 { 400 } else { 9 };
                random.up_to(most).min(left)
            }
        }
    }
}
