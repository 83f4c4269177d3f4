//! What dies with the connection: the phase, the timers, the server's limits, packets other than
//! PUBLISH on their way out, a payload on its way in, topic aliases.

mod aliases;
mod control;
mod server;
mod timers;

pub(crate) use aliases::Aliases;
pub(crate) use control::{ACK_LEN, Control};
pub(crate) use server::Server;
pub(crate) use timers::Timers;

use crate::wire::{PacketId, QoS};

/// How far the connection has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// There is none.
    Offline,
    /// CONNECT is on its way or waits for its answer.
    Connecting,
    /// CONNACK was received.
    Online,
    /// Our DISCONNECT ends the connection once all messages before it are sent.
    Closing,
    /// The connection is over, for whatever reason; at most a DISCONNECT is still to be sent.
    Closed,
}

/// What the next input is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    /// The beginning of a packet.
    Packet,
    /// A part of the payload of a PUBLISH that is being streamed.
    Payload(Payload),
}

/// The payload of a PUBLISH that is larger than the receive buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload {
    /// How many bytes were read.
    pub(crate) offset: usize,
    /// How many are to come.
    pub(crate) left: usize,
    /// The message, if it is above QoS 0.
    pub(crate) message: Option<(PacketId, QoS)>,
    /// False if the application has the message already.
    pub(crate) is_new: bool,
}
