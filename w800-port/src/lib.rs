//! The MQTT client of the W800's SDK: the vendor's C functions over `mqtt-core`.
//!
//! `include/wm_mqtt_client.h` is what an application sees, `include/wm_mqtt_port.h` what the chip
//! has to provide. In between:
//!
//! - `ffi` has the C functions and types, `port` calls the chip, `journal` the application, and
//!   `memory` cuts up the block that a client gets at `init`. These four are all that is `unsafe`.
//! - `api` is what the functions do, `library` the state they share, `wait` how they wait.
//! - `task` is the background task, which does all input and output; `client` is what it does for
//!   one client, `socket` the WebSocket part of that, `incoming` its received messages, `events`
//!   its events on their way to the event task.
//! - `config` and `uri` check what an application asks for, `error` has the numbers and the words.
//!
//! There is no heap of Rust's, no atomic operation (they would be library calls on this CPU), no
//! unwinding, and no way to panic: a build for the chip in which one is left does not link.

#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(any(test, not(target_os = "none")))]
extern crate std;

mod api;
mod client;
mod config;
mod error;
mod events;
#[allow(unsafe_code)]
mod ffi;
mod incoming;
#[cfg_attr(not(feature = "journal"), path = "no_journal.rs")]
#[allow(unsafe_code)]
mod journal;
mod library;
#[allow(unsafe_code)]
mod memory;
#[allow(unsafe_code)]
mod port;
mod socket;
mod task;
#[cfg(all(test, feature = "v5", feature = "journal"))]
mod tests;
mod uri;
mod wait;

/// Whatever still panics shows itself by the name of a function that nobody has.
#[cfg(all(not(test), target_os = "none"))]
#[panic_handler]
#[allow(unsafe_code)]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn w800_port_has_a_way_to_panic() -> !;
    }
    // SAFETY: it is never linked.
    unsafe { w800_port_has_a_way_to_panic() }
}
