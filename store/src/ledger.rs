//! The ledger: the one writing connection to the event database.

use crate::append::{self, BatchResult, Part};
use crate::open::{self, LostHistory, OpenError};
use crate::reader::{ReadError, Reader};
use crate::replay::{self, ReplayError, ReplaySummary, Replayed};
use crate::row::{Batch, Cursor, Refusal, Row};
use crate::state::{StateDir, StateError};
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};

/// The event database, open for appending. One per state folder: its owner holds the
/// [`StateLock`](crate::lock::StateLock).
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    /// `None` after a reopening that failed; the next one tries again.
    connection: Option<Connection>,
}

/// Why a transaction was not, or may not have been, committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another connection holds the write lock. Nothing was written.
    #[error("ledger {} is locked by another connection", path.display())]
    Busy {
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// There is no room. The transaction was undone.
    #[error("no space left for ledger {}", path.display())]
    DiskFull {
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Writing or syncing failed: what is on disk is not known until the ledger is reopened.
    #[error("failed to write ledger {}", path.display())]
    Write {
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// After a failed write the ledger could not be opened again.
    #[error("failed to reopen the ledger after a failed write")]
    Reopen(#[from] OpenError),
    /// After a failed write the log could not be moved into the file, so nothing found in it may
    /// be called durable yet.
    #[error("failed to settle the log of ledger {} after a failed write: {detail}", path.display())]
    Unsettled {
        /// The ledger.
        path: PathBuf,
        /// What stood in the way.
        detail: String,
    },
}

impl CommitError {
    /// True when the transaction may be on disk although it was not acknowledged.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::DiskFull { .. } => false,
            Self::Write { .. } | Self::Reopen(_) | Self::Unsettled { .. } => true,
        }
    }

    fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.into();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, source },
            Some(ErrorCode::DiskFull) => Self::DiskFull { path, source },
            _ => Self::Write { path, source },
        }
    }
}

/// Why rows were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The rows can never be appended as they are.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why the ledger of a state folder was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenInError {
    /// The ledger itself.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The run folders could not be listed.
    #[error("failed to compare the ledger with the run folders")]
    Folders(#[from] StateError),
    /// The ledger could not be asked whether it has rows.
    #[error("failed to compare the ledger with the run folders")]
    Rows(#[from] ReadError),
}

impl Ledger {
    /// Opens an existing ledger: checks that it is one, that this program knows its version and
    /// that its pages hold together, then migrates it.
    ///
    /// # Errors
    /// [`OpenError`]; the file is then as it was, or at the last whole version.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { path: path.into(), connection: Some(open::open_existing(path)?) })
    }

    /// Creates an empty ledger where there is none, readable by its owner only, and opens it.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when anything is at `path`, [`OpenError::StrayLog`] when the log of
    /// a former ledger is beside it, and the errors of [`Ledger::open`].
    pub fn create(path: &Path) -> Result<Self, OpenError> {
        open::create(path)?;
        Self::open(path)
    }

    /// Opens the ledger of a state folder, creating it on the very first start. A ledger that is
    /// missing or empty while run folders exist is a loss, not a first start: every run folder is
    /// made after the run's first event.
    ///
    /// # Errors
    /// [`OpenError::Lost`] for such a loss unless it is accepted; else as [`Ledger::open`].
    pub fn open_in(state: &StateDir, lost: LostHistory) -> Result<Self, OpenInError> {
        let path = state.ledger();
        let run = state.run_ids()?.into_iter().next();
        let refuse = |state| match &run {
            Some(run) if lost == LostHistory::Refuse => {
                Err(OpenError::Lost { path: path.clone(), state, run: run.clone() })
            }
            _ => Ok(()),
        };
        match Self::open(&path) {
            Ok(ledger) => {
                if ledger.reader()?.last_pos()? == 0 {
                    refuse("empty")?;
                }
                Ok(ledger)
            }
            Err(OpenError::Missing { .. }) => {
                refuse("missing")?;
                Ok(Self::create(&path)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where the ledger is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new reading connection, usable on another thread.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be opened.
    pub fn reader(&self) -> Result<Reader, ReadError> {
        Reader::open(&self.path)
    }

    /// Appends rows, of one run or several, in one synced transaction: all or none. Returns the
    /// global position of the last one.
    ///
    /// # Errors
    /// [`AppendError::Refused`] when a row is out of bounds or not the next of its run;
    /// [`AppendError::Commit`] when writing failed.
    pub fn append(&mut self, rows: &[Row]) -> Result<u64, AppendError> {
        let parts = [Part { rows, cursors: &[] }];
        match self.transact(&parts)?.into_iter().next() {
            Some(result) => Ok(result?),
            None => Ok(0),
        }
    }

    /// Appends whole batches in one synced transaction. A batch that can never be appended is
    /// left out alone, and its place in the answer says why.
    ///
    /// # Errors
    /// [`CommitError`] when the transaction as a whole failed.
    pub fn append_batches(&mut self, batches: &[&Batch]) -> Result<Vec<BatchResult>, CommitError> {
        let parts: Vec<Part<'_>> =
            batches.iter().map(|batch| Part { rows: &batch.rows, cursors: &batch.cursors }).collect();
        self.transact(&parts)
    }

    /// Sets a cursor in a synced transaction of its own.
    ///
    /// # Errors
    /// [`AppendError`] as for [`Ledger::append`].
    pub fn set_cursor(&mut self, name: &str, value: u64) -> Result<(), AppendError> {
        let cursors = [Cursor { name: name.into(), value }];
        let parts = [Part { rows: &[], cursors: &cursors }];
        self.transact(&parts)?.into_iter().try_for_each(|result| result.map(drop))?;
        Ok(())
    }

    /// Visits every run, verified or damaged; one damaged run never hides another.
    ///
    /// # Errors
    /// [`ReplayError`] when the ledger cannot be read at all.
    pub fn replay(&self, visit: impl FnMut(Replayed)) -> Result<ReplaySummary, ReplayError> {
        let Some(connection) = &self.connection else {
            return Err(ReplayError::Closed { path: self.path.clone() });
        };
        replay::replay(connection, &self.path, visit)
    }

    /// Starts over after a write of doubtful outcome: closes the connection, opens the file with
    /// every check, moves the whole log into the file so that nothing found afterwards rests on
    /// pages whose sync failed, and says for each batch whether it is durable (the position of
    /// its last row) or must be appended again (`None`).
    ///
    /// # Errors
    /// [`CommitError::Reopen`] or [`CommitError::Unsettled`]; the outcome is then still in doubt.
    pub fn settle(&mut self, batches: &[&Batch]) -> Result<Vec<Option<u64>>, CommitError> {
        self.connection = None;
        let connection = open::open_existing(&self.path)?;
        append::settle_log(&connection)
            .map_err(|detail| CommitError::Unsettled { path: self.path.clone(), detail })?;
        let durable = batches
            .iter()
            .map(|batch| append::find(&connection, &batch.rows))
            .collect::<rusqlite::Result<_>>()
            .map_err(|error| CommitError::of(&self.path, error))?;
        self.connection = Some(connection);
        Ok(durable)
    }

    fn transact(&mut self, parts: &[Part<'_>]) -> Result<Vec<BatchResult>, CommitError> {
        let path = &self.path;
        let Some(connection) = &mut self.connection else {
            let detail = "the last reopening failed".into();
            return Err(CommitError::Unsettled { path: path.clone(), detail });
        };
        append::write(connection, parts).map_err(|error| CommitError::of(path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: u64) -> Row {
        let body = format!(r#"{{"n":{seq},"filler":"{}"}}"#, "x".repeat(1000));
        Row { run_id: "a".into(), seq, attempt: 1, unix_ms: 5, kind: "status".into(), body }
    }

    fn limit_pages(ledger: &Ledger, pages: u32) {
        let connection = ledger.connection.as_ref().expect("open");
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).expect("a limit");
    }

    #[test]
    fn every_commit_is_synced_and_every_check_is_on() {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let mut ledger = Ledger::create(&folder.path().join("ledger.db")).expect("a new ledger");
        for reopened in [false, true] {
            if reopened {
                ledger.settle(&[]).expect("settled");
            }
            let connection = ledger.connection.as_ref().expect("open");
            let pragma = |name| connection.pragma_query_value::<i64, _>(None, name, |cells| cells.get(0));
            assert_eq!(pragma("synchronous"), Ok(2), "FULL");
            assert_eq!(pragma("foreign_keys"), Ok(1));
            assert_eq!(pragma("cell_size_check"), Ok(1));
            assert_eq!(pragma("trusted_schema"), Ok(0));
            let mode: String =
                connection.pragma_query_value(None, "journal_mode", |cells| cells.get(0)).expect("a mode");
            assert_eq!(mode, "wal");
        }
    }

    /// SQLite's own page limit gives the very error that a full disk gives.
    #[test]
    fn a_full_disk_undoes_the_transaction_and_leaves_no_doubt() {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let mut ledger = Ledger::create(&folder.path().join("ledger.db")).expect("a new ledger");
        limit_pages(&ledger, 24);
        let mut written = 0;
        let error = loop {
            match ledger.append(&[row(written + 1), row(written + 2)]) {
                Ok(_) => written += 2,
                Err(error) => break error,
            }
        };
        assert!(written > 0, "some fitted");
        let AppendError::Commit(error @ CommitError::DiskFull { .. }) = error else { panic!("{error}") };
        assert!(!error.is_doubtful());
        let reader = ledger.reader().expect("a reader");
        assert_eq!(reader.last_pos().expect("readable"), written, "no half transaction");
        limit_pages(&ledger, 1000);
        ledger.append(&[row(written + 1), row(written + 2)]).expect("there is room again");
        let mut found = 0;
        let summary = ledger.replay(|run| match run {
            Replayed::Verified { rows, .. } => found += rows.len() as u64,
            Replayed::Damaged { reason, .. } => panic!("{reason}"),
        });
        assert_eq!((found, summary.expect("a replay").rows_missing), (written + 2, 0));
    }
}
