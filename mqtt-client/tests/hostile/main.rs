//! Servers that mean harm, over real sockets, and each driver.
//!
//! Whatever they send costs bounded memory (a counting allocator says how much), bounded time and
//! processor time, and ends, if it is against the rules, with the right reason on the wire and an
//! error that the application understands.
//!
//! What such servers do to the protocol alone is in `mqtt-core/tests/it/client/violations.rs` and
//! `hostile.rs` there; handshakes that stall are in `mqtt-client/tests/it/faults.rs`.

mod drivers;
mod floods;
mod moments;
mod server;
mod trickles;
mod websocket;

#[global_allocator]
static HEAP: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);
