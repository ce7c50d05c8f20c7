//! The append transaction: plan each batch against the heads of its runs, then insert it.

use crate::chain::{Head, cursor_crc};
use crate::row::{Cursor, Refusal, Row};
use crate::sqlite::{event_columns, integer, newest_pos, stored_head, stored_row};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;

/// The answer for one batch of a transaction: the position of its last row (of the newest row
/// before it for a batch without rows), or why it was left out.
pub type BatchResult = Result<u64, Refusal>;

/// One batch without its ticket.
pub(crate) struct Part<'a> {
    pub rows: &'a [Row],
    pub cursors: &'a [Cursor],
}

/// Heads by run.
type Heads<'a> = BTreeMap<&'a str, Head>;

/// What inserting a part will write besides its own fields.
struct Plan<'a> {
    /// The checksum of each row, in order.
    crcs: Vec<u32>,
    /// Where each run of the part ends after it.
    ends: Heads<'a>,
}

/// Appends every part that fits in one transaction.
pub(crate) fn write(connection: &mut Connection, parts: &[Part<'_>]) -> rusqlite::Result<Vec<BatchResult>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut heads = Heads::new();
    let mut last_pos = newest_pos(&transaction)?;
    let mut results = Vec::with_capacity(parts.len());
    for part in parts {
        match plan(&transaction, &heads, part)? {
            Ok(plan) => {
                last_pos = insert(&transaction, &plan, part)?.unwrap_or(last_pos);
                heads.extend(plan.ends);
                results.push(Ok(last_pos));
            }
            Err(refusal) => results.push(Err(refusal)),
        }
    }
    transaction.commit()?;
    Ok(results)
}

/// Checks a part against the heads left by the parts before it. Nothing of a part is written
/// before all of it has passed, so a refused one needs no undoing.
fn plan<'a>(
    connection: &Connection,
    heads: &Heads<'a>,
    part: &Part<'a>,
) -> rusqlite::Result<Result<Plan<'a>, Refusal>> {
    let mut plan = Plan { crcs: Vec::with_capacity(part.rows.len()), ends: Heads::new() };
    for row in part.rows {
        if let Err(refusal) = row.check() {
            return Ok(Err(refusal));
        }
        let run_id = row.run_id.as_str();
        let head = match plan.ends.get(run_id).or_else(|| heads.get(run_id)) {
            Some(head) => Ok(*head),
            None => trusted_head(connection, run_id)?,
        };
        match head.and_then(|head| head.append(row)) {
            Ok(end) => {
                plan.crcs.push(end.crc);
                plan.ends.insert(run_id, end);
            }
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(part.cursors.iter().try_for_each(Cursor::check).map(|()| plan))
}

/// The head of the run, if its newest row agrees with it: rows chained to a head that was
/// changed could never be verified.
fn trusted_head(connection: &Connection, run_id: &str) -> rusqlite::Result<Result<Head, Refusal>> {
    let damaged = |seq| Ok(Err(Refusal::Damaged { run_id: run_id.into(), seq }));
    let kept = match stored_head(connection, run_id)? {
        None => None,
        Some(Ok(head)) => Some(head),
        Some(Err(_)) => return damaged(0),
    };
    let newest: Option<(i64, i64)> = connection
        .prepare_cached("SELECT seq, crc FROM events WHERE run_id = ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([run_id], |cells| Ok((cells.get(0)?, cells.get(1)?)))
        .optional()?;
    match (kept, newest) {
        (None, None) => Ok(Ok(Head::default())),
        (Some(head), Some(row)) if row == (integer(head.seq)?, i64::from(head.crc)) => Ok(Ok(head)),
        (kept, _) => damaged(kept.unwrap_or_default().seq),
    }
}

/// Writes a planned part; returns the position of its last row, if it has rows.
fn insert(transaction: &Transaction<'_>, plan: &Plan<'_>, part: &Part<'_>) -> rusqlite::Result<Option<u64>> {
    let mut set_head = transaction.prepare_cached(
        "INSERT INTO heads (run_id, seq, crc) VALUES (?1, ?2, ?3)
         ON CONFLICT (run_id) DO UPDATE SET seq = excluded.seq, crc = excluded.crc",
    )?;
    for (run_id, end) in &plan.ends {
        set_head.execute(params![run_id, integer(end.seq)?, end.crc])?;
    }
    let mut add_row = transaction.prepare_cached(
        "INSERT INTO events (run_id, seq, attempt, unix_ms, kind, body, crc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for (row, crc) in part.rows.iter().zip(&plan.crcs) {
        let (seq, unix_ms) = (integer(row.seq)?, integer(row.unix_ms)?);
        add_row.execute(params![row.run_id, seq, row.attempt, unix_ms, row.kind, row.body, crc])?;
    }
    let last_pos = u64::try_from(transaction.last_insert_rowid()).ok().filter(|_| !part.rows.is_empty());
    let mut set_cursor = transaction.prepare_cached(
        "INSERT INTO cursors (name, value, crc) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, crc = excluded.crc",
    )?;
    for cursor in part.cursors {
        let crc = cursor_crc(&cursor.name, cursor.value);
        set_cursor.execute(params![cursor.name, integer(cursor.value)?, crc])?;
    }
    Ok(last_pos)
}

/// Position of the last of `rows` if all of them are in the ledger exactly as given. `None` for
/// a batch without rows: setting its cursors again is harmless.
pub(crate) fn find(connection: &Connection, rows: &[Row]) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        event_columns!(),
        " FROM events e WHERE e.run_id = ?1 AND e.seq = ?2"
    ))?;
    let mut last_pos = None;
    for row in rows {
        // A number no ledger can hold is in none; appending it again will say so.
        let Ok(seq) = integer(row.seq) else { return Ok(None) };
        let found =
            statement.query_row(params![row.run_id, seq], |cells| Ok(stored_row(cells))).optional()?;
        match found {
            Some(Ok(stored)) if stored.row == *row => last_pos = Some(stored.pos),
            _ => return Ok(None),
        }
    }
    Ok(last_pos)
}

/// Moves the whole log into the file and syncs it. The error says what stood in the way.
pub(crate) fn settle_log(connection: &Connection) -> Result<(), String> {
    let (busy, in_log, moved): (i64, i64, i64) = connection
        .query_row("PRAGMA wal_checkpoint(FULL)", [], |cells| {
            Ok((cells.get(0)?, cells.get(1)?, cells.get(2)?))
        })
        .map_err(|error| error.to_string())?;
    if busy != 0 || in_log != moved {
        return Err(format!("a reader holds {moved} of {in_log} pages back"));
    }
    Ok(())
}
