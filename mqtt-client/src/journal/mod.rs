//! A journal in a file: sessions that survive the process and the power.
//!
//! The core gives the changes of its session as [records](mqtt_core::Record) and holds back what
//! depends on them; a [`FileJournal`] brings them to stable storage and takes them back after a
//! restart. With [`blocking::Client::with_journal`](crate::blocking::Client::with_journal) the
//! driver does both:
//!
//! ```
//! use mqtt_client::journal::{FileJournal, Sync};
//! use mqtt_client::mqtt_core::Durability;
//! use mqtt_client::{Config, HeapStorage, Message, QoS, blocking::Client};
//! # use transport_tcp::TcpStream;
//!
//! # let directory = std::env::temp_dir().join(format!("mqtt-journal-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! # let path = directory.join("meter-17.journal");
//! let mut storage = HeapStorage::new(64 * 1024, 64 * 1024, 100);
//! let config = Config {
//!     clean_start: false,
//!     session_expiry: u32::MAX,
//!     durability: Durability::WriteAhead,
//!     ..Config::new("meter-17")
//! };
//! let journal = FileJournal::open(&path, Sync::Always)?;
//! let mut client = Client::<TcpStream>::new(config, storage.split()).with_journal(journal)?;
//!
//! let reading = Message::new("meter/17", b"4711 kWh").qos(QoS::ExactlyOnce);
//! client.core().publish(&reading)?; // there is no connection yet
//! client.save()?; // from here on, the power may fail
//! # drop(client);
//! #
//! # let mut storage = HeapStorage::new(64 * 1024, 64 * 1024, 100);
//! # let mut client = Client::<TcpStream>::new(config, storage.split())
//! #     .with_journal(FileJournal::open(&path, Sync::Always)?)?;
//! # assert_eq!(client.core().messages().next().unwrap().payload, b"4711 kWh");
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! What is promised depends on [`Sync`]. Whatever it says, a journal opens to some state that the
//! session had: records are missing only from the end, and none that was on stable storage.
//! `docs/JOURNAL.md` says what the records mean, and how to keep them in flash or EEPROM.
//!
//! # Files
//!
//! The journal is one file, readable for its owner only. Beside it are `NAME.lock`, which stays,
//! and for moments `NAME.new`, the next journal. One session has one journal: the lock keeps other
//! processes out, but nothing else that the names of two files would tell.

mod disk;
mod error;
mod format;
mod log;
#[cfg(test)]
mod tests;

use core::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use mqtt_core::{Client, Durability};

use disk::{Directory, Disk};
pub use error::{Error, Operation};
use log::Log;

/// How long a file may get before it is written anew, unless the session is larger.
const COMPACT_ABOVE: u64 = 1024 * 1024;

/// When records are brought to stable storage.
///
/// | | the process ends, or is killed | the power fails, or the system |
/// | --- | --- | --- |
/// | `Always` | nothing is lost | nothing is lost |
/// | `Interval` | nothing is lost | records confirmed in the last interval may be |
/// | `Never` | nothing is lost | all since the journal was last written anew may be |
///
/// "Lost" is of records that were confirmed to the core. A confirmed record that is gone may be a
/// message that the server has not got either, one that is sent again although the server has it
/// (even at QoS 2), or one received that is delivered again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sync {
    /// Before they are confirmed, with one sync for all that are there.
    #[default]
    Always,
    /// This much later at most, as long as somebody calls [`save`](FileJournal::save) by
    /// [`deadline`](FileJournal::deadline). The driver does while it is polled.
    Interval(Duration),
    /// When the operating system likes.
    Never,
}

/// A session's journal in a file.
///
/// It is [opened](Self::open), then [restored](Self::restore) to a core that has not been used, and
/// then [saves](Self::save) what the core has to record. After a failure it takes nothing more:
/// drop it and the core, and begin again with what is in the file.
pub struct FileJournal {
    log: Log<Directory>,
}

impl FileJournal {
    /// Opens the journal of this name, and locks it. If there is none, [`restore`](Self::restore)
    /// creates it.
    ///
    /// # Errors
    /// [`Error::Locked`] if it is open already; [`Error::NotAJournal`], [`Error::Version`] or
    /// [`Error::Corrupt`] if it cannot be read; [`Error::Io`].
    pub fn open(path: impl AsRef<Path>, sync: Sync) -> Result<Self, Error> {
        let disk = Directory::lock(path.as_ref())?;
        let log = Log::open(disk, sync)?;
        Ok(Self { log })
    }

    /// Sets how many bytes the file may get before it is written anew: 1 MiB if not set. The
    /// session as it is then takes the place of its history. Where the session itself is large the
    /// file grows to twice that first, so that all rewriting together writes no more than all
    /// saving.
    #[must_use]
    pub const fn compact_above(mut self, bytes: u64) -> Self {
        self.log.compact_above = bytes;
        self
    }

    /// How many bytes at the end of the file were not whole when it was opened: what the last write
    /// had brought there when the process or the power ended. None of it was confirmed, unless
    /// [`Sync`] says so.
    #[must_use]
    pub const fn cut(&self) -> u64 {
        self.log.cut()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.log.disk.path()
    }

    /// The length of the file in bytes, once it is restored.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.log.len()
    }

    /// Brings a core that has not been used to the state in which the journal ended, and writes the
    /// journal anew.
    ///
    /// # Errors
    /// [`Error::NotDurable`] if the core would not wait for the journal, [`Error::Restore`] if it
    /// has no room; then another core may be tried. [`Error::OutOfTurn`] the second time.
    /// [`Error::Io`] is final.
    pub fn restore(&mut self, core: &mut Client<'_>) -> Result<(), Error> {
        if core.durability() != Durability::WriteAhead {
            return Err(Error::NotDurable);
        }
        self.log.restore(core)
    }

    /// Writes all that the core has to record, brings it to stable storage as [`Sync`] says, and
    /// confirms it. Does what is due otherwise; without anything to do it costs nothing.
    ///
    /// # Errors
    /// [`Error::Io`], after which nothing is confirmed any more: [`Error::Poisoned`].
    /// [`Error::OutOfTurn`] before [`restore`](Self::restore).
    pub fn save(&mut self, core: &mut Client<'_>) -> Result<(), Error> {
        self.log.save(core)
    }

    /// Brings to stable storage what was saved so far, whatever [`Sync`] says.
    ///
    /// # Errors
    /// Those of [`save`](Self::save).
    pub fn sync(&mut self) -> Result<(), Error> {
        self.log.sync()
    }

    /// When to call [`save`](Self::save) though the core has nothing to record.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.log.deadline()
    }
}

/// What [`Sync::Interval`] has put off is done.
impl Drop for FileJournal {
    fn drop(&mut self) {
        self.log.close();
    }
}

impl fmt::Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileJournal")
            .field("path", &self.path())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}
