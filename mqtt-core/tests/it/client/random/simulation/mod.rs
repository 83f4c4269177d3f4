//! Client, broker and model, and what is done to them. The fuzz targets in `fuzz` use this, too, and
//! so it knows of nothing but the public API and the standard library.

mod app;
mod broker;
mod heads;
mod model;
mod note;
mod sim;
mod storage;

use mqtt_core::wire::{QoS, Version};

pub(crate) use broker::Terms;
pub(crate) use sim::simulate;

/// The QoS of this number.
pub(crate) const fn qos(level: u8) -> QoS {
    match QoS::from_u8(level) {
        Some(qos) => qos,
        None => panic!("no QoS"),
    }
}

/// What does not change in the life of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) version: Version,
    pub(crate) durable: bool,
    pub(crate) manual: bool,
    /// The server names the client; 5.0 only.
    pub(crate) assigned: bool,
    /// The server forgets the session now and then.
    pub(crate) forgetful: bool,
    pub(crate) rx: usize,
    pub(crate) tx: usize,
    pub(crate) slots: usize,
    pub(crate) inbound: usize,
    /// How many aliases the server may use.
    pub(crate) aliases_in: u16,
    pub(crate) aliases_out: usize,
    pub(crate) automatic_aliases: bool,
}

impl World {
    fn is_v5(&self) -> bool {
        self.version == Version::V5
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Publish {
        qos: u8,
        len: usize,
        lent: bool,
        interval: Option<u32>,
        alias: u16,
    },
    Subscribe,
    Unsubscribe,
    /// So many bytes reach the broker.
    Send(usize),
    /// So many bytes reach the client, which is asked so often for events.
    Receive(usize, usize),
    Tick(u64),
    Acknowledge {
        which: usize,
        refuse: bool,
        with_reason: bool,
    },
    Answer {
        which: usize,
        refuse: bool,
    },
    BrokerPublish {
        qos: u8,
        len: usize,
        with_alias: bool,
    },
    /// So many records are written to stable storage.
    Journal(usize),
    /// The journal begins anew.
    Compact,
    /// The connection breaks, after all that can be was sent if there is time for the `rest`, and
    /// another one is opened, at once or `later`.
    Reconnect {
        terms: Terms,
        rest: bool,
        later: bool,
    },
    /// The power goes when so many records of those that wait were written.
    PowerCut {
        written: usize,
        terms: Terms,
        later: bool,
    },
    Disconnect(Terms),
    BrokerDisconnect,
    /// For so many rounds all goes well.
    Run(usize),
}
