//! How calls wait for the background task.

use mqtt_core::wire::PacketId;

use crate::error::Code;
use crate::port::{self, Semaphore};

/// How many calls may wait at the same time, over all clients.
const MOST: usize = 16;

/// What a call waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum For {
    /// A connection, or that there will be none.
    Connection,
    /// The end of one.
    End,
    /// The answer to a request, or that a large message was sent.
    Answer(PacketId),
    /// Room for another message.
    Room,
}

#[derive(Clone, Copy)]
enum State {
    Free,
    Waiting,
    Done(i32),
}

#[derive(Clone, Copy)]
struct Waiter {
    /// Made when it is first needed, and kept.
    semaphore: Option<Semaphore>,
    client: u32,
    reason: For,
    state: State,
    /// When what it waits for has come nearer; 0: it has not.
    moved: u32,
}

/// Calls that wait.
pub(crate) struct Waiters([Waiter; MOST]);

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(usize);

impl Waiters {
    pub(crate) const NONE: Self = Self(
        [Waiter {
            semaphore: None,
            client: 0,
            reason: For::Room,
            state: State::Free,
            moved: 0,
        }; MOST],
    );

    /// Registers a call; `None` if too many wait already, or there is no memory.
    pub(crate) fn enter(&mut self, client: u32, reason: For) -> Option<Ticket> {
        let is_free = |waiter: &Waiter| matches!(waiter.state, State::Free);
        // One that has its semaphore, if possible.
        let at = self
            .0
            .iter()
            .position(|waiter| is_free(waiter) && waiter.semaphore.is_some())
            .or_else(|| self.0.iter().position(is_free))?;
        let waiter = self.0.get_mut(at)?;
        if waiter.semaphore.is_none() {
            waiter.semaphore = Some(Semaphore::new()?);
        }
        waiter.client = client;
        waiter.reason = reason;
        waiter.state = State::Waiting;
        waiter.moved = 0;
        Some(Ticket(at))
    }

    /// True if a call waits for this.
    pub(crate) fn has(&self, client: u32, reason: For) -> bool {
        self.0.iter().any(|waiter| waiter.waits(client, reason))
    }

    /// Has those who wait for this wait anew.
    pub(crate) fn prolong(&mut self, client: u32, reason: For) {
        for waiter in &mut self.0 {
            if waiter.waits(client, reason) {
                waiter.moved = port::now().max(1);
            }
        }
    }

    /// Ends the waiting of those who wait for this.
    pub(crate) fn complete(&mut self, client: u32, reason: For, result: i32) {
        for waiter in &mut self.0 {
            if waiter.waits(client, reason) {
                waiter.finish(result);
            }
        }
    }

    /// Ends all waiting on a client.
    pub(crate) fn complete_all(&mut self, client: u32, result: Code) {
        for waiter in &mut self.0 {
            if waiter.client == client {
                waiter.finish(result.0);
            }
        }
    }

    fn moved(&self, ticket: Ticket) -> Option<u32> {
        let moved = self.0.get(ticket.0)?.moved;
        (moved != 0).then_some(moved)
    }

    fn leave(&mut self, ticket: Ticket) -> Look {
        let Some(waiter) = self.0.get_mut(ticket.0) else {
            return Look::Over;
        };
        match (waiter.state, waiter.semaphore) {
            (State::Waiting, Some(semaphore)) => Look::Wait(semaphore),
            (State::Done(result), _) => {
                waiter.state = State::Free;
                Look::Done(result)
            }
            _ => Look::Over,
        }
    }

    /// Gives up waiting.
    fn give_up(&mut self, ticket: Ticket) {
        if let Some(waiter) = self.0.get_mut(ticket.0) {
            waiter.state = State::Free;
        }
    }
}

impl Waiter {
    fn waits(&self, client: u32, reason: For) -> bool {
        matches!(self.state, State::Waiting) && self.client == client && self.reason == reason
    }

    fn finish(&mut self, result: i32) {
        if matches!(self.state, State::Waiting) {
            self.state = State::Done(result);
            if let Some(semaphore) = self.semaphore {
                semaphore.post();
            }
        }
    }
}

enum Look {
    Wait(Semaphore),
    Done(i32),
    Over,
}

/// A moment that is to come.
#[derive(Clone, Copy)]
pub(crate) struct Until {
    begun: u32,
    ms: u32,
}

impl Until {
    pub(crate) fn after(ms: u32) -> Self {
        Self {
            begun: port::now(),
            ms,
        }
    }

    /// The milliseconds that are left.
    pub(crate) fn left(self) -> u32 {
        self.ms.saturating_sub(port::now().wrapping_sub(self.begun))
    }
}

/// Waits for the result; `None` if it did not come in time.
pub(crate) fn wait(ticket: Ticket, mut until: Until) -> Option<i32> {
    loop {
        let look = port::locked(|library| {
            let look = library.waiters.leave(ticket);
            if let Some(moved) = library.waiters.moved(ticket) {
                until.begun = moved;
            }
            if matches!(look, Look::Wait(_)) && until.left() == 0 {
                library.waiters.give_up(ticket);
                return Look::Over;
            }
            look
        });
        match look {
            Look::Done(result) => return Some(result),
            Look::Over => return None,
            Look::Wait(semaphore) => semaphore.pend(until.left()),
        }
    }
}
