//! Ctrl-C, and what else asks this command to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::Failure;

/// From now on, the first SIGINT or SIGTERM asks to end in order. The second one ends at once.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    pub(crate) fn watch() -> Result<Self, Failure> {
        let number = Arc::new(AtomicUsize::new(0));
        let is_second = Arc::new(AtomicBool::new(false));
        let watch = |signal| -> io::Result<()> {
            // In this order: the first one finds the flag not set.
            flag::register_conditional_shutdown(signal, 128 + signal, is_second.clone())?;
            flag::register(signal, is_second.clone())?;
            flag::register_usize(signal, number.clone(), signal.unsigned_abs() as usize)?;
            Ok(())
        };
        let result = [SIGINT, SIGTERM].into_iter().try_for_each(watch);
        result.map_err(|error| Failure::new(format!("Could not wait for signals: {error}.")))?;
        Ok(Self(number))
    }

    /// How to end, if that was asked for.
    pub(crate) fn asked(&self) -> Result<(), Failure> {
        match u8::try_from(self.0.load(Ordering::Relaxed)) {
            Ok(0) | Err(_) => Ok(()),
            Ok(signal) => Err(Failure::signal(signal)),
        }
    }
}
