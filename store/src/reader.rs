//! Reading connections: pages of events for the publisher, the panel and the command line.
//!
//! A reader sees committed rows only and never blocks the writer. It is `Send` and not `Sync`:
//! open one per thread. Every row is checked against the checksum before it in its run; the
//! whole chain is the business of replay.

use crate::chain::{Damage, cursor_crc, link};
use crate::open::{self, OpenError};
use crate::row::Row;
use crate::sqlite::{BUSY_TIMEOUT, event_columns, newest_pos, stored_row, unsigned};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, params};
use std::path::{Path, PathBuf};

/// Most events one call returns, whatever was asked for: it bounds the memory of a page.
pub const PAGE_ROWS_MAX: u32 = 10_000;

/// A read-only connection to the ledger.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: Connection,
}

/// An event together with its place in the global order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Global position: 1, 2, 3 … in the order of commits, over all runs.
    pub pos: u64,
    /// The event, or what is known of a row that does not verify. Such a row must be shown as
    /// damaged and never be published as a fact.
    pub content: Result<Row, DamagedRow>,
}

/// A row that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {} of run {} is damaged: {reason}", or_unknown(seq), or_unknown(run_id))]
pub struct DamagedRow {
    /// Its run, as far as it can be read.
    pub run_id: Option<String>,
    /// Its sequence number, as far as it can be read.
    pub seq: Option<u64>,
    /// What is wrong.
    pub reason: Damage,
}

fn or_unknown(field: &Option<impl ToString>) -> String {
    field.as_ref().map_or_else(|| "?".into(), ToString::to_string)
}

/// Why reading failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The ledger cannot be opened for reading.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A query failed.
    #[error("failed to read {what} from ledger {}", path.display())]
    Sqlite {
        /// The ledger.
        path: PathBuf,
        /// What was asked for.
        what: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A cursor does not fit its checksum. Its reader starts from a position it knows to be safe.
    #[error("cursor {name} in ledger {} is damaged", path.display())]
    DamagedCursor {
        /// The ledger.
        path: PathBuf,
        /// Name of the cursor.
        name: String,
    },
}

/// An event joined with the checksum of the row before it in its run.
macro_rules! checked_events {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            ", before.crc FROM events e
             LEFT JOIN events before ON before.run_id = e.run_id AND before.seq = e.seq - 1 ",
            $condition
        )
    };
}

impl Reader {
    /// Opens an existing ledger for reading. The file is not checked as a whole and never
    /// migrated: that is the daemon's business.
    ///
    /// # Errors
    /// [`ReadError::Open`] when there is no ledger of a known version at `path`.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        open::inspect(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |source| open::describe(path, "open", source);
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection.pragma_update(None, "trusted_schema", false).map_err(failed)?;
        Ok(Self { path: path.into(), connection })
    }

    /// Events of one run with a sequence number above `after_seq`, in order, at most `limit`
    /// (and [`PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// [`ReadError::Sqlite`].
    pub fn events(&self, run_id: &str, after_seq: u64, limit: u32) -> Result<Vec<Entry>, ReadError> {
        let sql = checked_events!("WHERE e.run_id = ?1 AND e.seq > ?2 ORDER BY e.seq LIMIT ?3");
        self.page("events of a run", sql, params![run_id, bound(after_seq), page_size(limit)])
    }

    /// Events of all runs after global position `pos`, in the order they were committed, at most
    /// `limit` (and [`PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// [`ReadError::Sqlite`].
    pub fn since(&self, pos: u64, limit: u32) -> Result<Vec<Entry>, ReadError> {
        let sql = checked_events!("WHERE e.pos > ?1 ORDER BY e.pos LIMIT ?2");
        self.page("events", sql, params![bound(pos), page_size(limit)])
    }

    /// Position of the newest event ever committed; 0 for an empty ledger.
    ///
    /// # Errors
    /// [`ReadError::Sqlite`].
    pub fn last_pos(&self) -> Result<u64, ReadError> {
        newest_pos(&self.connection).map_err(self.failed("the newest position"))
    }

    /// Ids of all runs, in text order.
    ///
    /// # Errors
    /// [`ReadError::Sqlite`].
    pub fn run_ids(&self) -> Result<Vec<String>, ReadError> {
        let query = || {
            let mut statement = self.connection.prepare_cached("SELECT run_id FROM heads ORDER BY run_id")?;
            statement.query_map([], |cells| cells.get(0))?.collect::<rusqlite::Result<_>>()
        };
        query().map_err(self.failed("run ids"))
    }

    /// The value of a cursor; `None` if it was never set.
    ///
    /// # Errors
    /// [`ReadError::DamagedCursor`] or [`ReadError::Sqlite`].
    pub fn cursor(&self, name: &str) -> Result<Option<u64>, ReadError> {
        let query = || {
            self.connection
                .prepare_cached("SELECT value, crc FROM cursors WHERE name = ?1")?
                .query_row([name], |cells| {
                    Ok(unsigned::<u64>(cells, 0, "value")
                        .and_then(|value| Ok((value, unsigned::<u32>(cells, 1, "crc")?))))
                })
                .optional()
        };
        match query().map_err(self.failed("a cursor"))? {
            None => Ok(None),
            Some(Ok((value, crc))) if cursor_crc(name, value) == crc => Ok(Some(value)),
            Some(_) => Err(ReadError::DamagedCursor { path: self.path.clone(), name: name.into() }),
        }
    }

    fn page(&self, what: &'static str, sql: &str, values: impl Params) -> Result<Vec<Entry>, ReadError> {
        let query = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_map(values, entry)?.collect::<rusqlite::Result<_>>()
        };
        query().map_err(self.failed(what))
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(rusqlite::Error) -> ReadError {
        let path = self.path.clone();
        move |source| ReadError::Sqlite { path, what, source }
    }
}

/// A lower bound as SQLite compares it: nothing is above the largest integer.
fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn page_size(limit: u32) -> u32 {
    limit.min(PAGE_ROWS_MAX)
}

fn entry(cells: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let pos: i64 = cells.get(0)?;
    let content = stored_row(cells).map_err(|detail| DamagedRow {
        run_id: cells.get(1).ok(),
        seq: unsigned(cells, 2, "seq").ok(),
        reason: Damage::Unreadable { detail },
    });
    let content = content.and_then(|stored| {
        let before = if stored.row.seq == 1 { Ok(0) } else { unsigned(cells, 8, "crc of the row before") };
        let computed = before.map(|previous| link(previous, &stored.row));
        let reason = match computed {
            Ok(computed) if computed == stored.crc => return Ok(stored.row),
            Ok(computed) => Damage::Checksum { stored: stored.crc, computed },
            Err(_) => Damage::Gap { found: stored.row.seq },
        };
        Err(DamagedRow { run_id: Some(stored.row.run_id), seq: Some(stored.row.seq), reason })
    });
    Ok(Entry { pos: u64::try_from(pos).unwrap_or(0), content })
}
