//! The driver without a heap: over pipes of the test's own, polled by hand, with a clock that the
//! test sets; and over tokio's TCP to mosquitto.

mod broker;
mod cancel;
mod conversation;
mod faults;
mod stalls;
mod world;
