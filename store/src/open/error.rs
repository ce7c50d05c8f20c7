//! Why a ledger was not opened, and what an operator can do about it.

use crate::schema::MigrateError;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// Why a ledger was not opened. In every case the files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no ledger at the path.
    #[error("there is no ledger at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There are run folders, but the ledger that describes them is missing or empty.
    #[error("ledger {} is {state}, but there is a folder of run {run} beside it", path.display())]
    Lost {
        /// Where the ledger belongs.
        path: PathBuf,
        /// `missing` or `empty`.
        state: &'static str,
        /// One of the runs that have a folder.
        run: String,
    },
    /// A write-ahead log lies where a new ledger would be created and would be taken for its own.
    #[error("there is no ledger at {}, but the log of one: {}", path.display(), stray.display())]
    StrayLog {
        /// Where the ledger belongs.
        path: PathBuf,
        /// The log found.
        stray: PathBuf,
    },
    /// A new ledger was to be created where there is a file already.
    #[error("{} exists already", path.display())]
    Exists {
        /// The path in the way.
        path: PathBuf,
    },
    /// The path is a link, a folder, a pipe or a device.
    #[error("ledger {} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is not an SQLite database, or is cut inside its header.
    #[error("{} is not a ledger: {detail}", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// What is wrong with its first bytes.
        detail: String,
    },
    /// The file is an SQLite database of another program.
    #[error("{} is a database of another program (application id {found:#010x})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The application id found.
        found: u32,
    },
    /// A newer version of this program wrote the file.
    #[error("ledger {} has version {found}, this program knows versions up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version of the file.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// The file's pages or schema do not hold together.
    #[error("ledger {} is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first fault found.
        detail: String,
    },
    /// An older file could not be brought to the current version.
    #[error("ledger {}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        source: MigrateError,
    },
    /// The file system cannot hold a write-ahead log.
    #[error("ledger {} cannot use a write-ahead log here, only mode {mode:?}", path.display())]
    NoLog {
        /// The file.
        path: PathBuf,
        /// The journal mode SQLite fell back to.
        mode: String,
    },
    /// A file operation failed.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// A database operation failed.
    #[error("failed to {what} ledger {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// What an operator can do about it, as a sentence for its own line; `None` where the
    /// message and its source say all there is.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing { .. } => "start a daemon once to create it, or name another state folder",
            Self::Lost { .. } => {
                "put the ledger back from a copy; or accept that its history is gone and let the daemon create an empty one"
            }
            Self::StrayLog { .. } => {
                "put the ledger back beside its log; or move the log away if the ledger is lost"
            }
            Self::Exists { .. } => "open it instead, or move it away first",
            Self::NotAFile { .. } => "move it away, or name another state folder",
            Self::NotALedger { .. } | Self::Damaged { .. } => {
                "nothing was changed: keep the file together with its -wal and -shm, and put a copy that verifies in their place"
            }
            Self::Foreign { .. } => "nothing was changed: name another state folder",
            Self::Newer { .. } => "nothing was changed: use the newer program, or another state folder",
            Self::NoLog { .. } => "put the state folder on a local file system",
            Self::Migrate { .. } => {
                "the file is still at its old version: the program that wrote it can read it"
            }
            Self::Io { .. } | Self::Sqlite { .. } => return None,
        })
    }
}

/// Sorts an SQLite error into damage of the file and everything else.
pub(crate) fn describe(path: &Path, what: &'static str, source: rusqlite::Error) -> OpenError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Damaged { path: path.into(), detail: source.to_string() }
        }
        _ => OpenError::Sqlite { path: path.into(), what, source },
    }
}
