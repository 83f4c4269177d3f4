//! In place of `journal`, in a build without it.

use core::convert::Infallible;

use mqtt_core::{Client, Config};

use crate::error::Failure;

/// `wm_mqtt_client_journal_t`
#[derive(Clone, Copy)]
pub(crate) struct RawJournal;

/// There is none.
pub(crate) struct Journal(Infallible);

impl Journal {
    pub(crate) const unsafe fn new(_: RawJournal) -> Result<Self, Failure> {
        Err(Failure::NO_JOURNAL)
    }

    pub(crate) const fn restore(&mut self, _: &mut Client<'_>, _: usize) -> Result<(), Failure> {
        match self.0 {}
    }

    pub(crate) const fn save(&mut self, _: &mut Client<'_>) -> Result<(), Failure> {
        match self.0 {}
    }

    pub(crate) const fn forget(&mut self) {
        match self.0 {}
    }
}

pub(crate) const fn durable(config: Config<'static>, _: bool) -> Config<'static> {
    config
}
