//! What all clients share.

use mqtt_core::Instant;

use crate::client::{Client, Context};
use crate::error::Trouble;
use crate::ffi::Handle;
use crate::wait::Waiters;

/// The state behind the library's lock.
pub(crate) struct Library {
    /// The clients, by their numbers: a list through them.
    first: Option<&'static mut Client>,
    pub(crate) waiters: Waiters,
    /// Ends of connections of clients that are gone, which the event task had no room for.
    pub(crate) owed: usize,
    /// The number of the last client.
    last_id: u32,
    pub(crate) is_started: bool,
    /// Why the last `init` has failed.
    pub(crate) trouble: Trouble,
    /// The port's clock, and how often it has wrapped around.
    clock: u32,
    wraps: u32,
}

impl Library {
    pub(crate) const fn new() -> Self {
        Self {
            first: None,
            waiters: Waiters::NONE,
            owed: 0,
            last_id: 0,
            is_started: false,
            trouble: Trouble::NONE,
            clock: 0,
            wraps: 0,
        }
    }

    /// The time. Asked for at least every 49 days while anything is going on.
    pub(crate) fn now(&mut self) -> Instant {
        let now = crate::port::now();
        if now < self.clock {
            self.wraps = self.wraps.wrapping_add(1);
        }
        self.clock = now;
        Instant::from_millis(u64::from(self.wraps) << 32 | u64::from(now))
    }

    /// The number for another client.
    pub(crate) const fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    pub(crate) fn add(&mut self, client: &'static mut Client) -> *mut Handle {
        let handle = &raw mut client.handle;
        let mut at = &mut self.first;
        while let Some(next) = at {
            at = &mut next.next;
        }
        *at = Some(client);
        handle
    }

    /// Takes out a client.
    pub(crate) fn remove(&mut self, id: u32) -> Option<&'static mut Client> {
        let mut at = &mut self.first;
        while at.as_ref().is_some_and(|client| client.id != id) {
            at = &mut at.as_mut()?.next;
        }
        let client = at.take()?;
        *at = client.next.take();
        Some(client)
    }

    /// The client of a handle, unless that is none.
    pub(crate) fn find(&mut self, handle: *const Handle) -> Option<(&mut Client, Context<'_>)> {
        let is_it = |client: &Client| {
            core::ptr::eq(&raw const client.handle, handle)
                && !client.is_dying()
                && !client.handle.client.is_null()
        };
        self.first_that(is_it)
    }

    /// The client of this number.
    pub(crate) fn get(&mut self, id: u32) -> Option<(&mut Client, Context<'_>)> {
        self.first_that(|client| client.id == id)
    }

    /// The number of the next client after this one.
    pub(crate) fn after(&mut self, id: u32) -> Option<u32> {
        self.first_that(|client| client.id > id)
            .map(|(client, _)| client.id)
    }

    fn first_that(
        &mut self,
        is_it: impl Fn(&Client) -> bool,
    ) -> Option<(&mut Client, Context<'_>)> {
        let now = self.now();
        let mut at = self.first.as_deref_mut();
        while let Some(client) = at {
            if is_it(client) {
                let context = Context {
                    now,
                    waiters: &mut self.waiters,
                };
                return Some((client, context));
            }
            at = client.next.as_deref_mut();
        }
        None
    }
}
