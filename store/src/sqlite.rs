//! Reading and classifying what SQLite gives back; shared by the writing and reading sides.

use crate::chain::Head;
use crate::row::Row;
use rusqlite::{Connection, ErrorCode, OptionalExtension};
use std::time::Duration;

/// Columns of an event in the order [`stored_row`] expects them, for `events` named `e`.
macro_rules! event_columns {
    () => {
        "e.pos, e.run_id, e.seq, e.attempt, e.unix_ms, e.kind, e.body, e.crc"
    };
}
pub(crate) use event_columns;

/// How long a connection waits for a lock of another one. In WAL mode readers never block the
/// writer; what is waited for is a checkpoint or somebody's `sqlite3` shell.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// An event as stored.
#[derive(Debug)]
pub(crate) struct StoredRow {
    pub pos: u64,
    pub row: Row,
    pub crc: u32,
}

/// Converts one result row that starts with the [`event_columns`]. The error is a sentence about
/// the first cell that is not what it must be: a damaged page can hold anything.
pub(crate) fn stored_row(cells: &rusqlite::Row<'_>) -> Result<StoredRow, String> {
    Ok(StoredRow {
        pos: unsigned(cells, 0, "pos")?,
        row: Row {
            run_id: text(cells, 1, "run_id")?,
            seq: unsigned(cells, 2, "seq")?,
            attempt: unsigned(cells, 3, "attempt")?,
            unix_ms: unsigned(cells, 4, "unix_ms")?,
            kind: text(cells, 5, "kind")?,
            body: text(cells, 6, "body")?,
        },
        crc: unsigned(cells, 7, "crc")?,
    })
}

fn text(cells: &rusqlite::Row<'_>, index: usize, name: &str) -> Result<String, String> {
    cells.get(index).map_err(|error| format!("column {name}: {error}"))
}

/// A non-negative integer cell that fits `T`.
pub(crate) fn unsigned<T: TryFrom<i64>>(
    cells: &rusqlite::Row<'_>,
    index: usize,
    name: &str,
) -> Result<T, String> {
    let number: i64 = cells.get(index).map_err(|error| format!("column {name}: {error}"))?;
    T::try_from(number).map_err(|_| format!("column {name}: {number} is out of range"))
}

/// The number as SQLite stores it. Callers have checked the range; a larger one would fail the
/// statement, never wrap.
pub(crate) fn integer(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// The head kept for a run, if there is one. The inner error says why it cannot be read.
pub(crate) fn stored_head(
    connection: &Connection,
    run_id: &str,
) -> rusqlite::Result<Option<Result<Head, String>>> {
    connection
        .prepare_cached("SELECT seq, crc FROM heads WHERE run_id = ?1")?
        .query_row([run_id], |cells| {
            let seq = unsigned(cells, 0, "seq");
            Ok(seq.and_then(|seq| Ok(Head { seq, crc: unsigned(cells, 1, "crc")? })))
        })
        .optional()
}

/// Position of the newest row ever committed, 0 before the first. It comes from SQLite's own
/// counter and from the rows, whichever is higher, so rows that vanished do not lower it.
pub(crate) fn newest_pos(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),
                        coalesce((SELECT max(pos) FROM events), 0))",
        )?
        .query_row([], |cells| cells.get::<_, i64>(0))
        .map(|pos| u64::try_from(pos).unwrap_or(0))
}

/// True when the error says that stored bytes are bad or cannot be read, as opposed to the
/// request or the moment being bad.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SystemIoFailure)
    )
}
