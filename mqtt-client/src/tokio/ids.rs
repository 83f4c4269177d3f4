//! Tables by packet identifier.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use mqtt_core::wire::PacketId;

/// A map whose hashes cost one multiplication: nobody but ourselves chooses the identifiers of our
/// packets.
pub(super) type IdMap<T> = HashMap<PacketId, T, BuildHasherDefault<IdHasher>>;

#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u16(byte.into());
        }
    }

    fn write_u16(&mut self, id: u16) {
        // The golden ratio spreads numbers that count up.
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
