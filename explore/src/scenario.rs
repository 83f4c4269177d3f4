//! What is explored: how many messages, how much room, which faults.

use std::fmt;

use mqtt_core::wire::{QoS, Version};
use mqtt_core::{Acknowledgement, Config, Durability};

/// How often something may happen; `None` is any number of times.
pub type Limit = Option<u8>;

/// A small world, all of whose histories are explored.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name, for the command and the report.
    pub name: &'static str,
    /// The protocol.
    pub version: Version,
    /// The messages that the application publishes, in this order.
    pub outgoing: &'static [QoS],
    /// The messages that the server has for the application, in this order.
    pub incoming: &'static [QoS],
    /// The client's slots: how many messages it keeps.
    pub slots: usize,
    /// The server's Receive Maximum; 5.0 only.
    pub window: u16,
    /// How many messages the client takes at a time.
    pub inbound: usize,
    /// True if the server has any number of messages in flight, whatever it was told.
    pub greedy: bool,
    /// True if the application acknowledges, in any order.
    pub manual: bool,
    /// True if messages may be turned down, by the broker and, if it acknowledges, by the
    /// application; 5.0 only.
    pub refusals: bool,
    /// True if the session is to survive a loss of power.
    pub durable: bool,
    /// True if the journal begins anew now and then.
    pub compact: bool,
    /// True if a packet may be sent in two parts.
    pub parts: bool,
    /// How often the connection breaks.
    pub cuts: Limit,
    /// How often the application ends the connection, to begin another one.
    pub goodbyes: Limit,
    /// How often the server forgets the session.
    pub losses: Limit,
    /// How often the power goes.
    pub power_cuts: Limit,
}

impl Scenario {
    pub(crate) const fn is_v5(&self) -> bool {
        matches!(self.version, Version::V5)
    }

    pub(crate) fn config(&self) -> Config<'static> {
        Config {
            version: self.version,
            clean_start: false,
            session_expiry: if self.is_v5() { u32::MAX } else { 0 },
            // Time stands still: what a time-out does, a cut does as well.
            keep_alive: 0,
            acknowledgement: if self.manual {
                Acknowledgement::Manual
            } else {
                Acknowledgement::Automatic
            },
            durability: if self.durable {
                Durability::WriteAhead
            } else {
                Durability::Ram
            },
            ..Config::new("c")
        }
    }

    /// How many messages of QoS 1 and 2 the server takes at a time.
    pub(crate) const fn server_window(&self) -> usize {
        if self.is_v5() {
            self.window as usize
        } else {
            usize::MAX
        }
    }
}

/// In a few words, for tables.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            outgoing,
            incoming,
            slots,
            window,
            inbound,
            ..
        } = *self;
        write!(f, "{}", self.version)?;
        if !outgoing.is_empty() {
            write!(f, ", sends {}, {slots} slots", levels(outgoing))?;
            if self.is_v5() {
                write!(f, ", window {window}")?;
            }
        }
        if !incoming.is_empty() {
            write!(f, ", receives {}, window {inbound}", levels(incoming))?;
        }
        for (is_so, what) in [
            (self.parts, "in parts"),
            (self.greedy, "greedy"),
            (self.manual, "by hand"),
            (self.refusals, "refusals"),
            (self.goodbyes != Some(0), "goodbyes"),
            (self.durable, "durable"),
            (self.compact, "compacting"),
        ] {
            if is_so {
                write!(f, ", {what}")?;
            }
        }
        let power_cuts = if self.durable { self.power_cuts } else { None };
        for (limit, what) in [
            (self.cuts, "cuts"),
            (self.losses, "lost sessions"),
            (power_cuts, "power cuts"),
        ] {
            if let Some(limit) = limit {
                write!(f, ", up to {limit} {what}")?;
            }
        }
        Ok(())
    }
}

fn levels(messages: &[QoS]) -> String {
    messages
        .iter()
        .map(|&qos| char::from(b'0' + qos as u8))
        .collect()
}
