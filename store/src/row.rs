//! What is appended: rows of events, cursors, and the batches they travel in.

use crate::run_id::{self, BadRunId};

/// Longest event body in bytes. The largest event of the protocol carries 8 KiB of traceback;
/// anything near this limit is a bug upstream and must not become part of every replay.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest event kind in bytes: kinds are short words such as `checkpoint`.
pub const KIND_BYTES_MAX: usize = 64;
/// Longest cursor name in bytes: cursors are named by code, not by people.
pub const CURSOR_NAME_BYTES_MAX: usize = 64;

/// One event as the ledger keeps it. The ledger does not look into `kind` or `body`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Run the event belongs to: `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`.
    pub run_id: String,
    /// Number of the event within its run: 1, 2, 3 … without gaps.
    pub seq: u64,
    /// Attempt of the run the event belongs to; 0 before the first worker.
    pub attempt: u32,
    /// Wall-clock time of the event in Unix milliseconds. Never used for order.
    pub unix_ms: u64,
    /// Name of the kind of event, 1 to [`KIND_BYTES_MAX`] bytes.
    pub kind: String,
    /// The event itself as JSON text, at most [`BODY_BYTES_MAX`] bytes.
    pub body: String,
}

/// A named position that a reader of the ledger wants to find again after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Name of the cursor, 1 to [`CURSOR_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// The value it is set to, replacing the previous one.
    pub value: u64,
}

/// Rows and cursors that become durable together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The caller's number for this batch, handed back with its outcome.
    pub ticket: u64,
    /// Events to append, in order. May be empty: the batch is then a barrier, or moves cursors.
    pub rows: Vec<Row>,
    /// Cursors to set in the same transaction.
    pub cursors: Vec<Cursor>,
}

impl Batch {
    /// A batch of events.
    #[must_use]
    pub fn of_rows(ticket: u64, rows: Vec<Row>) -> Self {
        Self { ticket, rows, cursors: Vec::new() }
    }

    /// A batch that only moves one cursor.
    #[must_use]
    pub fn of_cursor(ticket: u64, name: impl Into<String>, value: u64) -> Self {
        Self { ticket, rows: Vec::new(), cursors: vec![Cursor { name: name.into(), value }] }
    }
}

/// Why a batch can never be appended as it is: a mistake of the caller, or a run that is
/// already damaged. Repeating the same batch gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run id does not match its grammar.
    #[error(transparent)]
    BadRunId(#[from] BadRunId),
    /// The event does not follow the newest one of its run.
    #[error("run {run_id} expects event {expected} next, not {found}")]
    Gap {
        /// Run of the event.
        run_id: String,
        /// The only sequence number that would be accepted.
        expected: u64,
        /// The sequence number given.
        found: u64,
    },
    /// The kind is empty or too long.
    #[error("event {seq} of run {run_id} has a kind of {bytes} bytes, allowed are 1 to {KIND_BYTES_MAX}")]
    KindLength {
        /// Run of the event.
        run_id: String,
        /// Number of the event.
        seq: u64,
        /// Length of the kind.
        bytes: usize,
    },
    /// The body is too long.
    #[error("event {seq} of run {run_id} has a body of {bytes} bytes, allowed are {BODY_BYTES_MAX}")]
    BodyTooLong {
        /// Run of the event.
        run_id: String,
        /// Number of the event.
        seq: u64,
        /// Length of the body.
        bytes: usize,
    },
    /// A number is larger than an SQLite integer (2^63 - 1).
    #[error("{what} {value} is larger than a ledger can hold")]
    TooLarge {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// The newest row of the run is not the one its head names, so nothing may be chained to it.
    #[error("run {run_id} is damaged at event {seq}, nothing can be appended to it")]
    Damaged {
        /// The damaged run.
        run_id: String,
        /// Sequence number its head names.
        seq: u64,
    },
    /// The cursor name is empty or too long.
    #[error("a cursor name has {bytes} bytes, allowed are 1 to {CURSOR_NAME_BYTES_MAX}")]
    CursorName {
        /// Length of the name.
        bytes: usize,
    },
}

impl Row {
    /// Checks everything about the row that does not depend on its neighbours.
    ///
    /// # Errors
    /// A [`Refusal`] that names the first field out of bounds.
    pub fn check(&self) -> Result<(), Refusal> {
        run_id::check(&self.run_id)?;
        fits("event number", self.seq)?;
        fits("event time", self.unix_ms)?;
        let (run_id, seq) = (|| self.run_id.clone(), self.seq);
        if self.kind.is_empty() || self.kind.len() > KIND_BYTES_MAX {
            return Err(Refusal::KindLength { run_id: run_id(), seq, bytes: self.kind.len() });
        }
        if self.body.len() > BODY_BYTES_MAX {
            return Err(Refusal::BodyTooLong { run_id: run_id(), seq, bytes: self.body.len() });
        }
        Ok(())
    }
}

impl Cursor {
    /// Checks name and value.
    ///
    /// # Errors
    /// [`Refusal::CursorName`] or [`Refusal::TooLarge`].
    pub fn check(&self) -> Result<(), Refusal> {
        if self.name.is_empty() || self.name.len() > CURSOR_NAME_BYTES_MAX {
            return Err(Refusal::CursorName { bytes: self.name.len() });
        }
        fits("cursor value", self.value).map(drop)
    }
}

/// The number as SQLite stores it.
fn fits(what: &'static str, value: u64) -> Result<i64, Refusal> {
    i64::try_from(value).map_err(|_| Refusal::TooLarge { what, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row { run_id: "r1".into(), seq: 1, attempt: 0, unix_ms: 1, kind: "status".into(), body: "{}".into() }
    }

    #[test]
    fn a_row_within_bounds_is_accepted() {
        let widest = Row { kind: "k".repeat(KIND_BYTES_MAX), body: "b".repeat(BODY_BYTES_MAX), ..row() };
        assert_eq!(widest.check(), Ok(()));
        assert_eq!(Row { seq: i64::MAX as u64, unix_ms: i64::MAX as u64, ..row() }.check(), Ok(()));
    }

    #[test]
    fn each_field_out_of_bounds_is_refused_by_name() {
        let bad_id = Row { run_id: "../x".into(), ..row() };
        assert!(matches!(bad_id.check(), Err(Refusal::BadRunId(_))));
        let no_kind = Row { kind: String::new(), ..row() };
        assert!(matches!(no_kind.check(), Err(Refusal::KindLength { bytes: 0, .. })));
        let long_kind = Row { kind: "k".repeat(KIND_BYTES_MAX + 1), ..row() };
        assert!(matches!(long_kind.check(), Err(Refusal::KindLength { .. })));
        let long_body = Row { body: "b".repeat(BODY_BYTES_MAX + 1), ..row() };
        assert!(matches!(long_body.check(), Err(Refusal::BodyTooLong { .. })));
        let far_future = Row { unix_ms: u64::MAX, ..row() };
        assert!(matches!(far_future.check(), Err(Refusal::TooLarge { what: "event time", .. })));
    }

    #[test]
    fn a_cursor_needs_a_name_and_a_storable_value() {
        let cursor = |name: &str, value| Cursor { name: name.into(), value }.check();
        assert_eq!(cursor("nats", 7), Ok(()));
        assert!(matches!(cursor("", 7), Err(Refusal::CursorName { bytes: 0 })));
        assert!(matches!(cursor("nats", u64::MAX), Err(Refusal::TooLarge { .. })));
    }
}
