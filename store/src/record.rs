//! Ledger rows ↔ core's records: the one place where a fact becomes bytes and back.
//!
//! A row's body is `{"record": …, "pulse": …}`: the fact from which runs are rebuilt, and the
//! event as the world hears of it, frozen at the moment it was decided.

use crate::row::Row;
use resus_core::event::Record;
use resus_core::fleet::Recorded;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Why a row could not be written or read as a record.
#[derive(Debug, thiserror::Error)]
#[error("run {run_id}, seq {seq}: the record does not fit its format: {source}")]
pub struct RecordError {
    /// The run.
    pub run_id: String,
    /// Place of the record.
    pub seq: u64,
    /// What does not fit.
    pub source: serde_json::Error,
}

#[derive(Serialize)]
struct BodyOut<'a> {
    record: &'a Record,
    pulse: &'a resus_core::pulse::v2::Envelope,
}

#[derive(Deserialize)]
struct RecordIn {
    record: Record,
}

#[derive(Deserialize)]
struct PulseIn {
    pulse: Value,
}

#[derive(Deserialize)]
struct PulseTextIn<'a> {
    #[serde(borrow)]
    pulse: &'a RawValue,
}

/// The row of a record.
///
/// # Errors
/// [`RecordError`] if it can't be written as JSON.
pub fn to_row(recorded: &Recorded) -> Result<Row, RecordError> {
    let record = &recorded.record;
    let body = serde_json::to_string(&BodyOut { record, pulse: &recorded.envelope })
        .map_err(|source| RecordError { run_id: record.run_id.to_string(), seq: record.seq, source })?;
    Ok(Row {
        run_id: record.run_id.to_string(),
        seq: record.seq,
        attempt: record.attempt.0,
        unix_ms: record.at.unix_ms,
        kind: record.event.name().to_owned(),
        body,
    })
}

/// The record of a row.
///
/// # Errors
/// [`RecordError`] if the body is not one that this version knows.
pub fn to_record(row: &Row) -> Result<Record, RecordError> {
    read::<RecordIn>(row).map(|body| body.record)
}

/// The PULSE event of a row, as JSON.
///
/// # Errors
/// [`RecordError`] if the body is not one that this version knows.
pub fn to_pulse(row: &Row) -> Result<Value, RecordError> {
    read::<PulseIn>(row).map(|body| body.pulse)
}

/// The PULSE event of a row, as the JSON text that was written.
///
/// # Errors
/// [`RecordError`] if the body is not one that this version knows.
pub fn to_pulse_text(row: &Row) -> Result<&str, RecordError> {
    read::<PulseTextIn<'_>>(row).map(|body| body.pulse.get())
}

fn read<'a, T: Deserialize<'a>>(row: &'a Row) -> Result<T, RecordError> {
    serde_json::from_str(&row.body).map_err(|source| RecordError {
        run_id: row.run_id.clone(),
        seq: row.seq,
        source,
    })
}
