use core::fmt;
use std::io;
use std::path::PathBuf;

/// Why a journal cannot be used, or not any longer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused or failed. The journal takes nothing more.
    Io {
        /// What was tried.
        operation: Operation,
        /// With what file or directory.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
    /// Another process has the journal open, or another [`FileJournal`](super::FileJournal).
    Locked(PathBuf),
    /// The file is something else.
    NotAJournal(PathBuf),
    /// The file is in a format of another version than this one knows.
    Version {
        /// The journal.
        path: PathBuf,
        /// The version of its format.
        version: u32,
    },
    /// The file is damaged where it was on stable storage already: not by a loss of power.
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
    },
    /// The core did not take a record back; most likely its buffers are too small. It holds some
    /// records now: begin again with another one.
    Restore(mqtt_core::Error),
    /// The core does not wait for its journal: [`Config::durability`](crate::Config::durability)
    /// is to be [`WriteAhead`](mqtt_core::Durability::WriteAhead).
    NotDurable,
    /// [`restore`](super::FileJournal::restore) comes before everything else, and once.
    OutOfTurn,
    /// An operation has failed before. What is in the file is safe: open it again.
    Poisoned(PathBuf),
}

/// What was tried with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// To find out where the file is, or to open it.
    Open,
    /// To lock the journal.
    Lock,
    /// To read the journal.
    Read,
    /// To create the file that is to be the next journal.
    Create,
    /// To write records.
    Append,
    /// To bring what was written to stable storage.
    Sync,
    /// To put the new file in the place of the old one.
    Replace,
    /// To bring the file's name to stable storage.
    SyncDirectory,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Lock => "lock",
            Self::Read => "read",
            Self::Create => "create",
            Self::Append => "write to",
            Self::Sync => "sync",
            Self::Replace => "replace",
            Self::SyncDirectory => "sync the directory",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io {
                operation,
                path,
                source,
            } => write!(f, "cannot {operation} {}: {source}", path.display()),
            Self::Locked(path) => write!(f, "{} is in use", path.display()),
            Self::NotAJournal(path) => write!(f, "{} is not a journal", path.display()),
            Self::Version { path, version } => {
                write!(f, "{} has format {version}", path.display())
            }
            Self::Corrupt { path, offset } => {
                write!(f, "{} is damaged at byte {offset}", path.display())
            }
            Self::Restore(error) => write!(f, "cannot restore the session: {error}"),
            Self::NotDurable => f.write_str("the client is not configured to write ahead"),
            Self::OutOfTurn => f.write_str("a journal is restored first, and once"),
            Self::Poisoned(path) => {
                write!(
                    f,
                    "{} was given up after an earlier failure",
                    path.display()
                )
            }
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Restore(error) => Some(error),
            _ => None,
        }
    }
}
