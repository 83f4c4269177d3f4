//! Whole clients over loopback, against others.
//!
//! A benchmark runs each client as a process of its own, [given](job::Job) what to do, against a
//! [broker](broker) that does nothing but answer; the process [says](job::Outcome) what it took.
//! The processor time, the memory and the system calls of a process are then its client's.

pub mod broker;
pub mod calls;
pub mod engine;
pub mod feeder;
pub mod job;
pub mod meter;
pub mod ours;
pub mod pace;
pub mod packets;
mod poll_loop;
pub mod socket;

/// The topic of all messages.
pub const TOPIC: &str = "plant/line-4/sensor-17";

/// The name of the client in the protocol.
pub const CLIENT_ID: &str = "bench";

/// The payload with which a subscriber says that it is ready.
pub const READY: &[u8] = b"ready";

/// The payload of the last message of a run.
pub const END: &[u8] = b"end";
