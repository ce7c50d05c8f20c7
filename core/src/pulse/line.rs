//! One line of a worker's event file: `{"event_type": …, "payload": {…}, "timestamp"?, "n"?}`.
//!
//! A line is believed in its known fields and refused as a whole when a required one is
//! missing; unknown fields are ignored, unknown event types are counted, nothing is fatal.

mod checkpoint;
mod dialect;

use crate::codes::Code;
use crate::moment::parse_timestamp;
use crate::pulse::v2::{ERROR_MESSAGE_BYTES_MAX, EVENT_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::pulse::word::{DETAILS_BYTES_MAX, Numbers, Outcome, Word, WorkerError};
use crate::text::one_line;
use dialect::translate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most metrics kept of one line.
const METRICS_MAX: usize = 64;
/// Longest name of a metric, stage or target, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Longest text within the details of an error, in bytes.
const DETAIL_TEXT_BYTES_MAX: usize = 8 << 10;

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The worker's own counter, to count a line once that arrives by two doors.
    pub n: Option<u64>,
    /// Time by the worker's clock, Unix ms.
    pub unix_ms: Option<u64>,
    /// The content.
    pub said: Said,
}

/// Content of a line, by lane.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// For the ledger.
    Word(Word),
    /// For the telemetry slot.
    Telemetry(Telemetry),
}

/// Telemetry: the newest of each kind counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Telemetry {
    /// How far the work is.
    Progress(Progress),
    /// Named numbers.
    Metric {
        /// Step they belong to.
        step: Option<f64>,
        /// The numbers; `None` = not finite.
        metrics: Numbers,
    },
    /// Sign of life.
    Heartbeat,
}

/// How far the work is. All numbers are finite.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What is counted: `epoch`, `step`, `game`, `target`, `percent`.
    pub unit: String,
    /// Epochs done, with fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<f64>,
    /// Epochs in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_epochs: Option<f64>,
    /// Steps done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Steps in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<f64>,
    /// Done in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<f64>,
    /// In all in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// Amount done when this attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_start: Option<f64>,
    /// Newest loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Stage of the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Part of the work that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_target: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Progress {
    /// Amount done in the most telling unit at hand: its own, else steps, else epochs.
    #[must_use]
    pub fn amount(&self) -> Option<f64> {
        self.done.or(self.step).or(self.epoch)
    }

    /// Amount in all, in the unit of [`Progress::amount`].
    #[must_use]
    pub fn amount_total(&self) -> Option<f64> {
        if self.done.is_some() {
            self.total
        } else if self.step.is_some() {
            self.total_steps
        } else {
            self.total_epochs
        }
    }
}

/// Why a line was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than an event may be.
    #[error("line of {bytes} bytes is longer than the {EVENT_BYTES_MAX} an event may have")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not one JSON object.
    #[error("not one JSON object: {reason}")]
    Json {
        /// What the parser said.
        reason: String,
    },
    /// No kind of event, or one that nobody knows.
    #[error("event_type {event_type:?} is not known")]
    UnknownType {
        /// What was given.
        event_type: String,
    },
    /// A required field is missing or of the wrong type.
    #[error("{event_type}: payload field {field} is missing or is not {expected}")]
    Field {
        /// Kind of event.
        event_type: &'static str,
        /// Name of the field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// Reads one line (without its newline).
///
/// # Errors
/// A [`LineError`] that says what does not fit; the caller counts it and goes on.
pub fn parse(bytes: &[u8]) -> Result<Line, LineError> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(LineError::TooLong { bytes: bytes.len() });
    }
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| LineError::Json { reason: one_line(&error.to_string(), MESSAGE_BYTES_MAX) })?;
    let Value::Object(object) = value else {
        return Err(LineError::Json { reason: "it is another JSON value".to_owned() });
    };
    let (event_type, payload) = translate(&object);
    let unix_ms = object.get("timestamp").and_then(parse_timestamp);
    let said = said(event_type, &payload, unix_ms)?;
    Ok(Line { n: object.get("n").and_then(Value::as_u64), unix_ms, said })
}

fn said(event_type: &str, payload: &Map<String, Value>, unix_ms: Option<u64>) -> Result<Said, LineError> {
    let word = match event_type {
        "progress" => return Ok(Said::Telemetry(Telemetry::Progress(progress(payload)))),
        "metric" => {
            let metrics = numbers(payload.get("metrics"));
            return Ok(Said::Telemetry(Telemetry::Metric { step: number(payload, "step"), metrics }));
        }
        "heartbeat" => return Ok(Said::Telemetry(Telemetry::Heartbeat)),
        "status" => Word::Status {
            status: required("status", payload, "status", "a status word", |v| {
                serde_json::from_value(v.clone()).ok()
            })?,
            message: message(payload, MESSAGE_BYTES_MAX),
        },
        "error" => Word::Error(WorkerError {
            error_code: Code::new(payload.get("error_code").and_then(Value::as_str).unwrap_or_default()),
            message: message(payload, ERROR_MESSAGE_BYTES_MAX),
            is_retryable: payload.get("is_retryable").and_then(Value::as_bool),
            fatal: payload.get("fatal").and_then(Value::as_bool).unwrap_or(false),
            target: name(payload, "target"),
            count: count(payload),
            details: payload.get("details").and_then(details),
        }),
        "stage_change" => Word::StageChange {
            previous_stage: name(payload, "previous_stage"),
            new_stage: required_name("stage_change", payload, "new_stage")?,
        },
        "target_start" => Word::TargetStart {
            target: required_name("target_start", payload, "target")?,
            target_index: payload.get("target_index").and_then(Value::as_u64),
            total_targets: payload.get("total_targets").and_then(Value::as_u64),
        },
        "target_complete" => Word::TargetComplete {
            target: required_name("target_complete", payload, "target")?,
            status: outcome("target_complete", payload)?,
            metrics: numbers(payload.get("metrics")),
            best_auc: number(payload, "best_auc"),
            models_trained: payload.get("models_trained").and_then(Value::as_u64),
            duration_seconds: number(payload, "duration_seconds"),
        },
        "run_complete" => Word::RunComplete {
            status: outcome("run_complete", payload)?,
            final_loss: number(payload, "final_loss"),
            metrics: numbers(payload.get("metrics")),
            message: message(payload, MESSAGE_BYTES_MAX),
            duration_seconds: number(payload, "duration_seconds"),
            epochs_completed: number(payload, "epochs_completed"),
        },
        "checkpoint" => checkpoint::saved(payload, unix_ms)?,
        other => {
            return Err(LineError::UnknownType { event_type: one_line(other, NAME_BYTES_MAX) });
        }
    };
    Ok(Said::Word(word))
}

/// The progress that a payload tells; what does not fit is left out.
pub(crate) fn progress(payload: &Map<String, Value>) -> Progress {
    Progress {
        unit: name(payload, "unit").unwrap_or_else(|| "step".to_owned()),
        epoch: number(payload, "epoch"),
        total_epochs: number(payload, "total_epochs"),
        step: number(payload, "step"),
        total_steps: number(payload, "total_steps"),
        done: number(payload, "done"),
        total: number(payload, "total"),
        session_start: number(payload, "session_start"),
        loss: number(payload, "loss"),
        stage: name(payload, "stage"),
        current_target: name(payload, "current_target"),
        message: name(payload, "message"),
    }
}

fn required<T>(
    event_type: &'static str,
    payload: &Map<String, Value>,
    field: &'static str,
    expected: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, LineError> {
    payload.get(field).and_then(read).ok_or(LineError::Field { event_type, field, expected })
}

fn required_name(
    event_type: &'static str,
    payload: &Map<String, Value>,
    field: &'static str,
) -> Result<String, LineError> {
    name(payload, field).ok_or(LineError::Field { event_type, field, expected: "a text" })
}

fn outcome(event_type: &'static str, payload: &Map<String, Value>) -> Result<Outcome, LineError> {
    required(event_type, payload, "status", "success, failed, skipped or cancelled", |v| {
        serde_json::from_value(v.clone()).ok()
    })
}

fn name(payload: &Map<String, Value>, field: &str) -> Option<String> {
    payload.get(field).and_then(Value::as_str).map(|text| one_line(text, NAME_BYTES_MAX))
}

fn message(payload: &Map<String, Value>, bytes_max: usize) -> String {
    payload.get("message").and_then(Value::as_str).map(|text| one_line(text, bytes_max)).unwrap_or_default()
}

/// How often an error happened; at least once.
fn count(payload: &Map<String, Value>) -> u32 {
    let count = payload.get("count").and_then(Value::as_u64).unwrap_or(1);
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

/// Details of an error, cut to their size: of a long text the end is kept, where a traceback
/// names what happened; what is still too long is only counted.
fn details(value: &Value) -> Option<Value> {
    let mut object = value.as_object()?.clone();
    for value in object.values_mut() {
        if let Value::String(text) = value
            && text.len() > DETAIL_TEXT_BYTES_MAX
        {
            let from = text.ceil_char_boundary(text.len() - DETAIL_TEXT_BYTES_MAX);
            *text = format!("…{}", text.get(from..).unwrap_or_default());
        }
    }
    let bytes = Value::Object(object.clone()).to_string().len();
    if bytes <= DETAILS_BYTES_MAX {
        return Some(Value::Object(object));
    }
    Some(serde_json::json!({"left_out_bytes": bytes}))
}

/// JSON has no NaN, so a number that arrives is finite unless its exponent overflowed.
fn number(payload: &Map<String, Value>, field: &str) -> Option<f64> {
    payload.get(field).and_then(Value::as_f64).filter(|n| n.is_finite())
}

/// The named numbers of a payload.
pub(crate) fn numbers(value: Option<&Value>) -> Numbers {
    let Some(Value::Object(map)) = value else { return Numbers::new() };
    map.iter()
        .filter(|(_, v)| v.is_null() || v.is_number())
        .take(METRICS_MAX)
        .map(|(k, v)| (one_line(k, 64), v.as_f64().filter(|n| n.is_finite())))
        .collect()
}

#[cfg(test)]
mod tests;
