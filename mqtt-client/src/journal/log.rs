//! The journal over any disk.
//!
//! A file is only ever appended to. What was cut off or damaged at its end is never repaired in
//! place: whoever has restored a file goes on in a new one, which takes the place of the old one
//! when it is whole and on stable storage. So a record that was only in the memory of the operating
//! system when it was read, left by a process that died, is safe before anything builds on it; and
//! a sync that failed is never tried again on the same file, where the second try could succeed
//! without having written anything.

use std::mem;
use std::time::Instant;

use mqtt_core::{Client, Record};

use super::disk::Disk;
use super::error::Error;
use super::format::{self, Contents, Damage, Salt};
use super::{COMPACT_ABOVE, Sync};

/// Whose records these are.
pub(super) trait Session {
    fn journal(&self) -> impl Iterator<Item = Record<'_>>;
    fn journaled(&mut self, n: usize);
    fn restore(&mut self, record: &Record<'_>) -> Result<(), mqtt_core::Error>;
    fn snapshot(&self) -> impl Iterator<Item = Record<'_>>;
}

impl Session for Client<'_> {
    fn journal(&self) -> impl Iterator<Item = Record<'_>> {
        self.journal()
    }

    fn journaled(&mut self, n: usize) {
        self.journaled(n);
    }

    fn restore(&mut self, record: &Record<'_>) -> Result<(), mqtt_core::Error> {
        self.restore(record)
    }

    fn snapshot(&self) -> impl Iterator<Item = Record<'_>> {
        self.snapshot()
    }
}

#[derive(Debug)]
pub(super) struct Log<D: Disk> {
    pub(super) disk: D,
    sync: Sync,
    pub(super) compact_above: u64,
    state: State<D::File>,
    /// How many bytes were cut off.
    cut: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum State<F> {
    /// This was in the file, and is to be restored.
    Read(Option<Contents>),
    Open(Tail<F>),
    /// Something has failed. Nobody knows what is in the file.
    Poisoned,
}

/// Where the next records go.
#[derive(Debug)]
struct Tail<F> {
    file: F,
    salt: Salt,
    len: u64,
    /// How much of it is on stable storage.
    synced: u64,
    /// When the rest is to be.
    due: Option<Instant>,
    /// How long it was at first, with nothing but the session.
    first_len: u64,
}

impl<D: Disk> Log<D> {
    pub(super) fn open(mut disk: D, sync: Sync) -> Result<Self, Error> {
        let contents = match disk.read()?.map(Contents::new).transpose() {
            Ok(contents) => contents,
            Err(damage) => {
                let path = disk.path().to_owned();
                return Err(match damage {
                    Damage::NotAJournal => Error::NotAJournal(path),
                    Damage::Version(version) => Error::Version { path, version },
                    Damage::Corrupt(offset) => Error::Corrupt { path, offset },
                });
            }
        };
        Ok(Self {
            disk,
            sync,
            compact_above: COMPACT_ABOVE,
            cut: contents.as_ref().map_or(0, Contents::cut),
            state: State::Read(contents),
            buffer: Vec::new(),
        })
    }

    pub(super) const fn cut(&self) -> u64 {
        self.cut
    }

    pub(super) fn restore(&mut self, session: &mut impl Session) -> Result<(), Error> {
        let State::Read(contents) = &self.state else {
            return Err(self.out_of_turn());
        };
        for record in contents.iter().flat_map(Contents::records) {
            session.restore(&record).map_err(Error::Restore)?;
        }
        self.poisoning(|log| log.rewrite(session))
    }

    pub(super) fn save(&mut self, session: &mut impl Session) -> Result<(), Error> {
        if !matches!(self.state, State::Open(_)) {
            return Err(self.out_of_turn());
        }
        self.poisoning(|log| {
            // Once some are confirmed there may be others.
            loop {
                let n = log.append(session)?;
                log.sync_by_policy()?;
                if n == 0 {
                    break;
                }
                session.journaled(n);
            }
            if log.is_long() {
                log.rewrite(session)?;
            }
            Ok(())
        })
    }

    pub(super) fn sync(&mut self) -> Result<(), Error> {
        if !matches!(self.state, State::Open(_)) {
            return Err(self.out_of_turn());
        }
        self.poisoning(Self::sync_all)
    }

    /// Does what a session was promised, at the end.
    pub(super) fn close(&mut self) {
        if !matches!(self.sync, Sync::Never) {
            // Nobody is there to be told.
            let _ = self.sync();
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Open(tail) => tail.due,
            _ => None,
        }
    }

    pub(super) const fn len(&self) -> u64 {
        match &self.state {
            State::Open(tail) => tail.len,
            _ => 0,
        }
    }

    /// After a failure nothing is confirmed any more.
    fn poisoning<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let result = operation(self);
        if result.is_err() {
            self.state = State::Poisoned;
        }
        result
    }

    fn out_of_turn(&self) -> Error {
        match self.state {
            State::Poisoned => Error::Poisoned(self.disk.path().to_owned()),
            _ => Error::OutOfTurn,
        }
    }

    /// Writes what there is to write, and returns how many records that were.
    fn append(&mut self, session: &impl Session) -> Result<usize, Error> {
        let State::Open(tail) = &mut self.state else {
            return Ok(0);
        };
        let mut records = session.journal();
        let mut count = 0;
        loop {
            let n = format::batch(
                &mut self.buffer,
                &mut records,
                tail.salt,
                tail.len,
                tail.synced,
            );
            if n == 0 {
                return Ok(count);
            }
            self.disk.append(&mut tail.file, &self.buffer)?;
            tail.len += self.buffer.len() as u64;
            count += n;
        }
    }

    fn sync_by_policy(&mut self) -> Result<(), Error> {
        let State::Open(tail) = &mut self.state else {
            return Ok(());
        };
        if tail.len == tail.synced {
            return Ok(());
        }
        let is_due = match self.sync {
            Sync::Always => true,
            Sync::Interval(interval) => {
                let now = Instant::now();
                tail.due = tail.due.or_else(|| now.checked_add(interval));
                tail.due.is_some_and(|due| due <= now)
            }
            Sync::Never => false,
        };
        if is_due {
            self.sync_all()?;
        }
        Ok(())
    }

    fn sync_all(&mut self) -> Result<(), Error> {
        if let State::Open(tail) = &mut self.state {
            if tail.len > tail.synced {
                self.disk.sync(&mut tail.file)?;
            }
            tail.synced = tail.len;
            tail.due = None;
        }
        Ok(())
    }

    /// True if at least half of the file is history, so that writing the other half again costs no
    /// more than was written since.
    fn is_long(&self) -> bool {
        let State::Open(tail) = &self.state else {
            return false;
        };
        tail.len > self.compact_above.max(tail.first_len.saturating_mul(2))
    }

    /// Goes on in a new file, which begins with the session as it is.
    fn rewrite(&mut self, session: &impl Session) -> Result<(), Error> {
        let salt = Salt::new();
        let mut file = self.disk.create()?;
        let head = format::file_head(salt);
        self.disk.append(&mut file, &head)?;
        let mut len = head.len() as u64;
        let mut records = session.snapshot();
        loop {
            // The file gets its name when all of it is on stable storage: as seen from any batch,
            // all before is. An empty one says so of the last.
            let n = format::batch(&mut self.buffer, &mut records, salt, len, len);
            self.disk.append(&mut file, &self.buffer)?;
            len += self.buffer.len() as u64;
            if n == 0 {
                break;
            }
        }
        self.disk.sync(&mut file)?;
        self.disk.replace()?;
        self.disk.sync_directory()?;
        let tail = Tail {
            file,
            salt,
            len,
            synced: len,
            due: None,
            first_len: len,
        };
        // The old file, if there was one, is closed here.
        drop(mem::replace(&mut self.state, State::Open(tail)));
        Ok(())
    }
}
