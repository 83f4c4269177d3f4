//! The journal of sessions: its modules, the rig of its tests, and what is done with them.

mod reader;
mod writer;

use std::time::Duration;

#[path = "../../../../mqtt-client/src/journal/disk.rs"]
#[expect(dead_code, reason = "a real directory is for the tests of that crate")]
mod disk;
#[path = "../../../../mqtt-client/src/journal/error.rs"]
#[expect(dead_code, unreachable_pub, reason = "what only a real directory says")]
mod error;
#[path = "../../../../mqtt-client/src/journal/format.rs"]
mod format;
#[path = "../../../../mqtt-client/src/journal/log.rs"]
#[expect(dead_code, reason = "deadlines are those of a clock")]
mod log;
#[path = "../../../../mqtt-client/src/journal/tests"]
mod tests {
    pub(super) mod rig;
    mod session;
    #[expect(dead_code, reason = "not every test asks for the same")]
    pub(super) mod world;
}

pub(crate) use reader::run as reader;
pub(crate) use writer::run as writer;

/// As in the crate.
const COMPACT_ABOVE: u64 = 1024 * 1024;

/// When records are brought to stable storage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sync {
    Always,
    Interval(Duration),
    Never,
}
