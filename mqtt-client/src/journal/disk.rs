//! What a journal asks of a file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs4::TryLockError;

use super::error::{Error, Operation};

/// A journal's place in a file system: the file itself, and one beside that is to replace it.
pub(super) trait Disk {
    type File;

    /// The name of the journal, for errors.
    fn path(&self) -> &Path;

    /// All of the journal; `None` if there is none.
    fn read(&mut self) -> Result<Option<Vec<u8>>, Error>;

    /// Creates the file beside, empty.
    fn create(&mut self) -> Result<Self::File, Error>;

    fn append(&mut self, file: &mut Self::File, bytes: &[u8]) -> Result<(), Error>;

    /// Brings all that was appended to stable storage.
    fn sync(&mut self, file: &mut Self::File) -> Result<(), Error>;

    /// Makes the file beside the journal.
    fn replace(&mut self) -> Result<(), Error>;

    /// Brings the names of the files to stable storage.
    fn sync_directory(&mut self) -> Result<(), Error>;
}

/// A real one, locked.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    beside: PathBuf,
    /// Not the journal, which is replaced now and then.
    _lock: File,
}

impl Directory {
    pub(super) fn lock(path: &Path) -> Result<Self, Error> {
        let failed = |operation| move |source| io(operation, path, source);
        // A link stays one when the journal is replaced, and a process may change its directory.
        let path = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(path),
            result => result,
        }
        .map_err(failed(Operation::Open))?;
        let lock_path = with_suffix(&path, ".lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = private(&mut options)
            .open(&lock_path)
            .map_err(|source| io(Operation::Lock, &lock_path, source))?;
        // Not the method: since Rust 1.89 the standard library has one of the same name.
        match fs4::FileExt::try_lock(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked(path)),
            Err(TryLockError::Error(source)) => {
                return Err(io(Operation::Lock, &lock_path, source));
            }
        }
        Ok(Self {
            beside: with_suffix(&path, ".new"),
            path,
            _lock: lock,
        })
    }
}

impl Disk for Directory {
    type File = File;

    fn path(&self) -> &Path {
        &self.path
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(Operation::Read, &self.path, error)),
        }
    }

    fn create(&mut self) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        private(&mut options)
            .open(&self.beside)
            .map_err(|source| io(Operation::Create, &self.beside, source))
    }

    fn append(&mut self, file: &mut File, bytes: &[u8]) -> Result<(), Error> {
        file.write_all(bytes)
            .map_err(|source| io(Operation::Append, &self.path, source))
    }

    fn sync(&mut self, file: &mut File) -> Result<(), Error> {
        file.sync_data()
            .map_err(|source| io(Operation::Sync, &self.path, source))
    }

    fn replace(&mut self) -> Result<(), Error> {
        fs::rename(&self.beside, &self.path)
            .map_err(|source| io(Operation::Replace, &self.path, source))
    }

    #[cfg(unix)]
    fn sync_directory(&mut self) -> Result<(), Error> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| io(Operation::SyncDirectory, directory, source))
    }

    /// Elsewhere a directory cannot be synced, or need not be.
    #[cfg(not(unix))]
    fn sync_directory(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

pub(super) fn io(operation: Operation, path: &Path, source: io::Error) -> Error {
    Error::Io {
        operation,
        path: path.to_owned(),
        source,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// A new file is for its owner alone: messages may be secret.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
