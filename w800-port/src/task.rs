//! The background task: all input and output of all clients.

use mqtt_core::Instant;

use crate::client::Next;
use crate::events::Event;
use crate::memory;
use crate::port;

/// Looks after all clients for ever.
pub(crate) extern "C" fn run() {
    loop {
        port::wait(round());
    }
}

/// Looks after all clients once, and says how many milliseconds there is nothing to do.
pub(crate) fn round() -> u32 {
    let mut next: Option<Instant> = None;
    let mut at = 0;
    while let Some(id) = port::locked(|library| library.after(at)) {
        at = id;
        if let Some(due) = serve(id) {
            next = Some(next.map_or(due, |next| next.min(due)));
        }
    }
    port::locked(|library| {
        while library.owed > 0 && port::post(Event::Disconnected).is_ok() {
            library.owed -= 1;
        }
        let now = library.now();
        let until = |due: Instant| {
            let ms = due.as_millis().saturating_sub(now.as_millis());
            // Less than for ever.
            u32::try_from(ms).unwrap_or(u32::MAX).min(MOST)
        };
        let wait = next.map_or(u32::MAX, until);
        if library.owed > 0 {
            wait.min(RETRY)
        } else {
            wait
        }
    })
}

/// A day: long before the clock wraps around twice.
const MOST: u32 = 86_400_000;
const RETRY: u32 = 20;

/// Does for one client what can be done now, and says when to come back.
fn serve(id: u32) -> Option<Instant> {
    let mut next = port::locked(|library| {
        let (client, mut cx) = library.get(id)?;
        Some(client.advance(&mut cx))
    })?;
    // A handshake takes its time, so the lock is not held. The stream stays, as nobody else closes.
    while let Next::Step(stream) = next {
        let result = stream.step();
        next = port::locked(|library| {
            let (client, mut cx) = library.get(id)?;
            Some(client.stepped(result, &mut cx))
        })?;
    }
    bury(id);
    match next {
        Next::At(at) => at,
        Next::Step(_) => None,
    }
}

/// Frees a client that `deinit` has left behind, if it is closed by now.
fn bury(id: u32) {
    port::locked(|library| {
        let is_due = library
            .get(id)
            .is_some_and(|(client, _)| client.is_orphan() && client.is_closed());
        if let Some(client) = is_due.then(|| library.remove(id)).flatten() {
            library.owed = library.owed.saturating_add(client.owed());
            memory::destroy(client);
        }
    });
}
