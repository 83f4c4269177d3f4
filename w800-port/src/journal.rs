//! The application's journal: records of the session that survive a loss of power.

use core::ffi::{c_int, c_void};

use mqtt_core::{Client, Config, Durability, Record};

use crate::error::Failure;
use crate::memory::copy;
use crate::port::Heap;

/// `wm_mqtt_client_journal_t`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawJournal {
    pub(crate) context: *mut c_void,
    pub(crate) append: Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> c_int>,
    pub(crate) read: Option<unsafe extern "C" fn(*mut c_void, u32, *mut c_void, usize) -> c_int>,
    pub(crate) reset: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
}

/// So many records, and it begins anew when the session has nothing in it.
const MANY: u32 = 64;

/// A journal in use.
pub(crate) struct Journal {
    raw: RawJournal,
    /// How many records there are.
    len: u32,
    /// Something has failed, and nobody knows what is in it.
    is_broken: bool,
}

impl Journal {
    /// # Safety
    /// The functions are what the header says, and may be called for as long as this is there.
    pub(crate) const unsafe fn new(raw: RawJournal) -> Result<Self, Failure> {
        if raw.append.is_none() || raw.read.is_none() || raw.reset.is_none() {
            return Err(Failure::JOURNAL_FUNCTIONS);
        }
        Ok(Self {
            raw,
            len: 0,
            is_broken: false,
        })
    }

    /// Gives a client, which has no session yet, what is in the journal. A record is no longer than
    /// `longest`.
    pub(crate) fn restore(
        &mut self,
        client: &mut Client<'_>,
        longest: usize,
    ) -> Result<(), Failure> {
        let mut buffer = Heap::new(longest).ok_or(Failure::NO_MEMORY)?;
        loop {
            let bytes = buffer.bytes();
            let read = self.raw.read.ok_or(Failure::PERSISTENCE)?;
            let place = bytes.as_mut_ptr().cast();
            // SAFETY: as the header says; so many bytes are there to be written.
            let n = unsafe { read(self.raw.context, self.len, place, bytes.len()) };
            let n = usize::try_from(n).map_err(|_| Failure::PERSISTENCE)?;
            if n == 0 {
                return Ok(());
            }
            let record = bytes.get(..n).and_then(|bytes| {
                let (head, body) = bytes.split_first_chunk()?;
                Record::from_parts(*head, body)
            });
            let record = record.ok_or(Failure::PERSISTENCE)?;
            client.restore(&record).map_err(|_| Failure::PERSISTENCE)?;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Has all on stable storage that the client waits for.
    pub(crate) fn save(&mut self, client: &mut Client<'_>) -> Result<(), Failure> {
        let mut is_new = false;
        while !self.is_broken {
            let mut n = 0;
            for record in client.journal() {
                if !self.append(&record) {
                    break;
                }
                n += 1;
            }
            client.journaled(n);
            is_new |= n > 0;
            if n == 0 {
                break;
            }
        }
        if is_new && self.len >= MANY && !self.is_broken {
            self.shorten(client);
        }
        if self.is_broken {
            return Err(Failure::PERSISTENCE);
        }
        Ok(())
    }

    /// Begins anew, if no message would be lost though the power failed in the middle of that.
    fn shorten(&mut self, client: &Client<'_>) {
        let is_state = |record| matches!(record, Record::Connected { .. } | Record::Disconnected);
        if client.snapshot().all(is_state) {
            self.reset();
            for record in client.snapshot() {
                self.append(&record);
            }
        }
    }

    /// Forgets the session.
    pub(crate) fn forget(&mut self) {
        if !self.is_broken {
            self.reset();
        }
    }

    fn reset(&mut self) {
        self.len = 0;
        // SAFETY: as the header says.
        let result = self
            .raw
            .reset
            .map(|reset| unsafe { reset(self.raw.context) });
        self.is_broken |= result != Some(0);
    }

    /// Adds a record. False if that has failed, now or before.
    fn append(&mut self, record: &Record<'_>) -> bool {
        let (head, body) = (record.head(), record.body());
        let whole = Heap::new(head.len().saturating_add(body.len()));
        let result = whole.zip(self.raw.append).map(|(mut whole, append)| {
            let bytes = whole.bytes();
            copy(bytes, &head);
            copy(bytes.get_mut(head.len()..).unwrap_or_default(), body);
            // SAFETY: as the header says; so many bytes are there to be read.
            unsafe { append(self.raw.context, bytes.as_ptr().cast(), bytes.len()) }
        });
        self.is_broken |= result != Some(0);
        self.len = self.len.saturating_add(1);
        !self.is_broken
    }
}

/// A configuration for a client with a journal, or without.
pub(crate) fn durable(config: Config<'static>, has_journal: bool) -> Config<'static> {
    Config {
        durability: if has_journal {
            Durability::WriteAhead
        } else {
            Durability::Ram
        },
        ..config
    }
}
