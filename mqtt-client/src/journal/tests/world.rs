//! A disk that does the worst that a real one may.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::super::disk::{Disk, io};
use super::super::error::{Error, Operation};

/// Random numbers (`SplitMix64`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

/// A byte in a file, as far as power goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Durable,
    Pending,
    /// Its sync has failed: it can be read, but no other sync will try it again.
    Dropped,
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    fates: Vec<Fate>,
}

/// Which file has the journal's name, and which the name beside.
#[derive(Clone, Copy, Debug, Default)]
struct Names {
    journal: Option<usize>,
    beside: Option<usize>,
}

/// What is to go wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The power fails during the operation.
    PowerCut,
    /// The operation fails.
    Error,
}

#[derive(Debug, Default)]
pub(super) struct World {
    inodes: Vec<Inode>,
    names: Names,
    /// What the directory may be after a loss of power: first as it was when it was last synced.
    durable_names: Vec<Names>,
    /// The operations so far.
    pub(super) operations: usize,
    fault: Option<(usize, Fault)>,
    is_dark: bool,
    has_failed: bool,
}

impl World {
    pub(super) fn new() -> Rc<RefCell<Self>> {
        let world = Self {
            durable_names: vec![Names::default()],
            ..Self::default()
        };
        Rc::new(RefCell::new(world))
    }

    /// Something goes wrong after this many operations more.
    pub(super) fn fail_after(&mut self, operations: usize, fault: Fault) {
        self.fault = Some((self.operations + operations, fault));
    }

    /// True if the power has failed.
    pub(super) const fn is_dark(&self) -> bool {
        self.is_dark
    }

    /// True if something went wrong that was to.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// All bytes that anybody ever wrote, for payloads that look like a journal.
    pub(super) fn some_bytes(&self, random: &mut Random, len: usize) -> Vec<u8> {
        let all: Vec<u8> = self.inodes.iter().flat_map(|i| i.bytes.clone()).collect();
        let start = random.below(all.len() + 1);
        all[start..].iter().copied().take(len).collect()
    }

    /// The power is back. Of what was not synced, anything may be there.
    pub(super) fn power_up(&mut self, random: &mut Random) {
        self.is_dark = false;
        self.fault = None;
        self.names = self.durable_names[random.below(self.durable_names.len())];
        self.durable_names = vec![self.names];
        let block = [1, 16, 512][random.below(3)];
        // How many blocks there are to one that was not written.
        let whole = [1, 3, 20, usize::MAX][random.below(4)];
        let earlier: Vec<u8> = self
            .inodes
            .first()
            .map_or_else(Vec::new, |i| i.bytes.clone());
        for inode in &mut self.inodes {
            let durable = inode.fates.iter().rposition(|&fate| fate == Fate::Durable);
            let durable = durable.map_or(0, |at| at + 1);
            let len = durable + random.below(inode.bytes.len() - durable + 1);
            inode.bytes.truncate(len);
            inode.fates.truncate(len);
            for start in (0..len).step_by(block) {
                let what = match random.below(whole) {
                    0 => 1 + random.below(3),
                    _ => 0,
                };
                for at in start..len.min(start + block) {
                    if inode.fates[at] != Fate::Durable {
                        inode.bytes[at] = match what {
                            0 => inode.bytes[at],
                            1 => 0,
                            // What the blocks of the disk were before.
                            2 => earlier.get(at).copied().unwrap_or(0xAA),
                            _ => random.next().to_le_bytes()[0],
                        };
                    }
                }
            }
            // What is there now, is.
            inode.fates.fill(Fate::Durable);
        }
    }

    /// The process was killed: all that it wrote is there, but no more of it on stable storage.
    pub(super) fn restart(&mut self) {
        assert!(!self.is_dark);
        self.fault = None;
    }

    /// What is to go wrong with the next operation.
    fn begin(&mut self) -> Result<Option<Fault>, io::Error> {
        if self.is_dark {
            return Err(io::Error::other("no power"));
        }
        self.operations += 1;
        match self.fault {
            Some((at, fault)) if at < self.operations => {
                self.fault = None;
                self.has_failed = true;
                self.is_dark = fault == Fault::PowerCut;
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }

    fn rename(&mut self, names: Names) {
        self.names = names;
        self.durable_names.push(names);
    }
}

/// The disk, as one process sees it.
#[derive(Clone, Debug)]
pub(super) struct SimDisk(pub(super) Rc<RefCell<World>>);

impl SimDisk {
    /// Does `work`, or only a part of it.
    fn operate<T>(
        &self,
        operation: Operation,
        work: impl FnOnce(&mut World, Option<Fault>) -> T,
    ) -> Result<T, Error> {
        let world = &mut *self.0.borrow_mut();
        let fault = world
            .begin()
            .map_err(|error| io(operation, self.path(), error))?;
        let result = work(world, fault);
        match fault {
            None => Ok(result),
            Some(_) => Err(io(operation, self.path(), io::Error::other("fault"))),
        }
    }
}

impl Disk for SimDisk {
    type File = usize;

    fn path(&self) -> &Path {
        Path::new("journal")
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.operate(Operation::Read, |world, _| {
            let inode = world.names.journal?;
            Some(world.inodes[inode].bytes.clone())
        })
    }

    fn create(&mut self) -> Result<usize, Error> {
        self.operate(Operation::Create, |world, _| {
            world.inodes.push(Inode::default());
            let inode = world.inodes.len() - 1;
            world.rename(Names {
                beside: Some(inode),
                ..world.names
            });
            inode
        })
    }

    fn append(&mut self, &mut file: &mut usize, bytes: &[u8]) -> Result<(), Error> {
        self.operate(Operation::Append, |world, fault| {
            let inode = &mut world.inodes[file];
            let len = match fault {
                Some(Fault::Error) => bytes.len() / 2,
                // Of this, any part may be there in the end.
                _ => bytes.len(),
            };
            inode.bytes.extend_from_slice(&bytes[..len]);
            inode.fates.resize(inode.bytes.len(), Fate::Pending);
        })
    }

    fn sync(&mut self, &mut file: &mut usize) -> Result<(), Error> {
        self.operate(Operation::Sync, |world, fault| {
            let fate = match fault {
                None => Fate::Durable,
                Some(Fault::PowerCut) => return,
                Some(Fault::Error) => Fate::Dropped,
            };
            for old in &mut world.inodes[file].fates {
                if *old == Fate::Pending {
                    *old = fate;
                }
            }
        })
    }

    fn replace(&mut self) -> Result<(), Error> {
        self.operate(Operation::Replace, |world, fault| {
            if fault != Some(Fault::Error) {
                let journal = world.names.beside;
                assert!(journal.is_some());
                world.rename(Names {
                    journal,
                    beside: None,
                });
            }
        })
    }

    fn sync_directory(&mut self) -> Result<(), Error> {
        self.operate(Operation::SyncDirectory, |world, fault| {
            if fault.is_none() {
                world.durable_names = vec![world.names];
            }
        })
    }
}
