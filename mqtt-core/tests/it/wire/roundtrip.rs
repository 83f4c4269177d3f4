//! Properties that hold for all packets and for all bytes.

use mqtt_core::wire::{EncodeError, List, Packet, PacketType, Properties, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::{version, versioned};
use super::{ALL, UNTOUCHED, decode, encode, frame};

/// Gives `then` the same packet with its lists rebuilt from their elements.
fn rebuilt<T>(packet: &Packet<'_>, then: impl FnOnce(&Packet<'_>) -> T) -> T {
    fn collect<'a, E: mqtt_core::wire::Element<'a>>(list: &List<'a, E>) -> Vec<E> {
        list.iter().collect()
    }
    fn with<'a, T>(
        packet: Packet<'a>,
        properties: impl FnOnce(&mut Packet<'a>) -> Option<&mut Properties<'a>>,
    ) -> T {
        todo!()
    }
    todo!()
}
