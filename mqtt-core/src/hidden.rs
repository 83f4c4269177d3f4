//! How secrets are shown.

use core::fmt;

/// Shows that there is something, and not what.
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
