//! Replay: every run of the ledger, verified row by row, one run at a time.

use crate::chain::{Damage, Verifier};
use crate::row::Row;
use crate::run_id;
use crate::sqlite::{event_columns, is_damage, newest_pos, stored_head, stored_row};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// One run as replay found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// Every row ever committed for the run, from 1 on, unchanged.
    Verified {
        /// The run.
        run_id: String,
        /// Its rows in sequence order.
        rows: Vec<Row>,
    },
    /// The run's rows do not verify from some place on. They stay in the ledger as they are.
    Damaged {
        /// The run; shown with replacement characters if its own id cannot be read.
        run_id: String,
        /// The rows before the damage, from 1 on, unchanged.
        good_rows: Vec<Row>,
        /// Sequence number of the first row that cannot be trusted.
        at_seq: u64,
        /// What is wrong there.
        reason: Damage,
    },
}

/// What a replay saw in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Runs whose rows verified.
    pub runs_verified: u64,
    /// Runs reported as damaged.
    pub runs_damaged: u64,
    /// Rows that were committed once and are in the ledger no more. Rows are never deleted, so
    /// anything but 0 means that part of the ledger was lost, possibly whole runs.
    pub rows_missing: u64,
}

/// Why a replay could not be carried out at all.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The ledger is closed since a reopening failed; see [`CommitError::Reopen`].
    ///
    /// [`CommitError::Reopen`]: crate::CommitError::Reopen
    #[error("ledger {} is closed after a failed reopening", path.display())]
    Closed {
        /// The ledger.
        path: PathBuf,
    },
    /// A query failed, and not because of damage that can be laid to one run.
    #[error("failed to replay ledger {}", path.display())]
    Sqlite {
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// Visits every run in the order of run ids. Memory is bounded by the largest single run.
pub(crate) fn replay(
    connection: &Connection,
    path: &Path,
    mut visit: impl FnMut(Replayed),
) -> Result<ReplaySummary, ReplayError> {
    let failed = |source| ReplayError::Sqlite { path: path.into(), source };
    let mut summary = ReplaySummary::default();
    for id in run_ids(connection).map_err(failed)? {
        let run = replay_run(connection, id).map_err(failed)?;
        match &run {
            Replayed::Verified { .. } => summary.runs_verified += 1,
            Replayed::Damaged { .. } => summary.runs_damaged += 1,
        }
        visit(run);
    }
    summary.rows_missing = rows_missing(connection).map_err(failed)?;
    Ok(summary)
}

/// Ids of all runs that have rows or a head, as raw bytes: a damaged id may not be text.
fn run_ids(connection: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    connection
        .prepare("SELECT CAST(run_id AS BLOB) FROM heads UNION SELECT CAST(run_id AS BLOB) FROM events")?
        .query_map([], |cells| cells.get(0))?
        .collect()
}

fn replay_run(connection: &Connection, id: Vec<u8>) -> rusqlite::Result<Replayed> {
    let run_id = match String::from_utf8(id) {
        Ok(run_id) if run_id::check(&run_id).is_ok() => run_id,
        Ok(run_id) => return Ok(unreadable_id(run_id)),
        Err(error) => return Ok(unreadable_id(String::from_utf8_lossy(error.as_bytes()).into_owned())),
    };
    let mut good_rows = Vec::new();
    let mut verifier = Verifier::default();
    match walk(connection, &run_id, &mut verifier, &mut good_rows) {
        Ok(()) => Ok(Replayed::Verified { run_id, rows: good_rows }),
        Err(Stop::Damage(reason)) => {
            Ok(Replayed::Damaged { run_id, good_rows, at_seq: verifier.next_seq(), reason })
        }
        Err(Stop::Sqlite(error)) => Err(error),
    }
}

fn unreadable_id(run_id: String) -> Replayed {
    let reason = Damage::Unreadable { detail: "the run id is not one".into() };
    Replayed::Damaged { run_id, good_rows: Vec::new(), at_seq: 1, reason }
}

/// Why the walk over a run ended early: its own damage, or a failure that says nothing about it.
enum Stop {
    Damage(Damage),
    Sqlite(rusqlite::Error),
}

impl From<Damage> for Stop {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) {
            Self::Damage(Damage::Unreadable { detail: error.to_string() })
        } else {
            Self::Sqlite(error)
        }
    }
}

fn walk(
    connection: &Connection,
    run_id: &str,
    verifier: &mut Verifier,
    good_rows: &mut Vec<Row>,
) -> Result<(), Stop> {
    let unreadable = |detail| Damage::Unreadable { detail };
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        event_columns!(),
        " FROM events e WHERE e.run_id = ?1 ORDER BY e.seq"
    ))?;
    let mut found = statement.query([run_id])?;
    while let Some(cells) = found.next()? {
        let stored = stored_row(cells).map_err(unreadable)?;
        verifier.accept(stored.pos, &stored.row, stored.crc)?;
        good_rows.push(stored.row);
    }
    let head = stored_head(connection, run_id)?.transpose().map_err(unreadable)?;
    Ok(verifier.finish(head)?)
}

/// Positions are given out without gaps, so the newest one says how many rows there must be.
fn rows_missing(connection: &Connection) -> rusqlite::Result<u64> {
    let present: i64 = connection.query_row("SELECT count(*) FROM events", [], |cells| cells.get(0))?;
    Ok(newest_pos(connection)?.saturating_sub(u64::try_from(present).unwrap_or(0)))
}
