//! The whole client, and a server that says anything.

mod bytes;
mod commands;

use mqtt_core::wire::{Property, Version};
use mqtt_core::{Acknowledgement, Buffers, Config, Inbound, Slot};

pub(crate) use bytes::bytes;
pub(crate) use commands::commands;

/// The memory of a client.
struct Memory {
    rx: Vec<u8>,
    tx: Vec<u8>,
    slots: Vec<Slot>,
    inbound: Vec<Inbound>,
    aliases_in: Vec<u8>,
    aliases_out: Vec<u8>,
}

impl Memory {
    fn new(rx: usize, tx: usize, slots: usize, inbound: usize) -> Self {
        Self {
            rx: vec![0; rx],
            tx: vec![0; tx],
            slots: vec![Slot::EMPTY; slots],
            inbound: vec![Inbound::EMPTY; inbound],
            aliases_in: vec![0; 64],
            aliases_out: vec![0; 64],
        }
    }

    fn split(&mut self) -> (&mut [u8], Buffers<'_>) {
        let Self {
            rx,
            tx,
            slots,
            inbound,
            aliases_in,
            aliases_out,
        } = self;
        let buffers = Buffers {
            tx,
            slots,
            inbound,
            aliases_in,
            aliases_out,
        };
        (rx, buffers)
    }
}

const RX: usize = 96;

fn config(version: Version, options: u8) -> Config<'static> {
    Config {
        version,
        clean_start: options & 1 == 0,
        session_expiry: if version == Version::V5 { 60 } else { 0 },
        topic_alias_maximum: if version == Version::V5 && options & 2 != 0 {
            3
        } else {
            0
        },
        acknowledgement: if options & 4 == 0 {
            Acknowledgement::Automatic
        } else {
            Acknowledgement::Manual
        },
        properties: if version == Version::V5 && options & 8 != 0 {
            &[Property::AuthenticationMethod("m")]
        } else {
            &[]
        },
        max_whole: RX,
        ..Config::new("c")
    }
}
