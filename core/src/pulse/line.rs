//! One line of a worker's event file: `{"event_type": …, "payload": {…}, "timestamp"?, "n"?}`.
//!
//! A line is believed in its known fields and refused as a whole when a required one is
//! missing; unknown fields are ignored, unknown event types are counted, nothing is fatal.

use crate::codes::Code;
use crate::input::CheckpointRef;
use crate::moment::parse_timestamp;
use crate::pulse::v2::{ERROR_MESSAGE_BYTES_MAX, EVENT_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::pulse::word::{Numbers, Outcome, Word, WorkerError};
use crate::text::one_line;
use serde_json::{Map, Value};

/// Most metrics kept of one line.
const METRICS_MAX: usize = 64;
/// Longest name of a metric, stage or target, in bytes.
const NAME_BYTES_MAX: usize = 256;

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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// What is counted: `epoch`, `step`, `game`, `target`, `percent`.
    pub unit: String,
    /// Epochs done, with fraction.
    pub epoch: Option<f64>,
    /// Epochs in all.
    pub total_epochs: Option<f64>,
    /// Steps done.
    pub step: Option<f64>,
    /// Steps in all.
    pub total_steps: Option<f64>,
    /// Done in `unit`.
    pub done: Option<f64>,
    /// In all in `unit`.
    pub total: Option<f64>,
    /// Amount done when this attempt began.
    pub session_start: Option<f64>,
    /// Newest loss.
    pub loss: Option<f64>,
    /// Stage of the work.
    pub stage: Option<String>,
    /// For people.
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
    let event_type = object.get("event_type").and_then(Value::as_str).unwrap_or_default();
    let empty = Map::new();
    let payload = object.get("payload").and_then(Value::as_object).unwrap_or(&empty);
    let said = said(event_type, payload)?;
    Ok(Line {
        n: object.get("n").and_then(Value::as_u64),
        unix_ms: object.get("timestamp").and_then(parse_timestamp),
        said,
    })
}

fn said(event_type: &str, payload: &Map<String, Value>) -> Result<Said, LineError> {
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
        },
        "run_complete" => Word::RunComplete {
            status: outcome("run_complete", payload)?,
            final_loss: number(payload, "final_loss"),
            metrics: numbers(payload.get("metrics")),
            message: message(payload, MESSAGE_BYTES_MAX),
        },
        "checkpoint" => checkpoint(payload)?,
        other => {
            return Err(LineError::UnknownType { event_type: one_line(other, NAME_BYTES_MAX) });
        }
    };
    Ok(Said::Word(word))
}

fn progress(payload: &Map<String, Value>) -> Progress {
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
        message: name(payload, "message"),
    }
}

fn checkpoint(payload: &Map<String, Value>) -> Result<Word, LineError> {
    let action = payload.get("action").and_then(Value::as_str);
    if action != Some("saved") {
        return Err(LineError::Field { event_type: "checkpoint", field: "action", expected: "\"saved\"" });
    }
    let path = required("checkpoint", payload, "path", "an absolute path", |v| {
        v.as_str().filter(|p| p.starts_with('/') && !p.contains('\0')).map(str::to_owned)
    })?;
    let file_name = path.rsplit('/').next().unwrap_or(&path);
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem).to_owned();
    Ok(Word::CheckpointSaved(CheckpointRef {
        checkpoint_id: name(payload, "checkpoint_id").unwrap_or(stem),
        path,
        step: number(payload, "step").or_else(|| number(payload, "epoch")),
        size_bytes: payload.get("size_bytes").and_then(Value::as_u64),
        digest: name(payload, "digest"),
    }))
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

/// JSON has no NaN, so a number that arrives is finite unless its exponent overflowed.
fn number(payload: &Map<String, Value>, field: &str) -> Option<f64> {
    payload.get(field).and_then(Value::as_f64).filter(|n| n.is_finite())
}

fn numbers(value: Option<&Value>) -> Numbers {
    let Some(Value::Object(map)) = value else { return Numbers::new() };
    map.iter()
        .filter(|(_, v)| v.is_null() || v.is_number())
        .take(METRICS_MAX)
        .map(|(k, v)| (one_line(k, 64), v.as_f64().filter(|n| n.is_finite())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_by(line: &str) -> Said {
        parse(line.as_bytes()).unwrap().said
    }

    #[test]
    fn words_and_telemetry_take_their_lanes() {
        assert_eq!(
            said_by(r#"{"event_type":"stage_change","payload":{"new_stage":"evaluation"}}"#),
            Said::Word(Word::StageChange { previous_stage: None, new_stage: "evaluation".into() })
        );
        let Said::Telemetry(Telemetry::Progress(p)) =
            said_by(r#"{"event_type":"progress","payload":{"unit":"game","done":5,"total":10,"loss":0.5}}"#)
        else {
            panic!("progress expected")
        };
        assert_eq!((p.amount(), p.amount_total(), p.loss), (Some(5.0), Some(10.0), Some(0.5)));
    }

    #[test]
    fn numbers_that_are_not_finite_are_absent_not_zero() {
        let Said::Telemetry(Telemetry::Metric { metrics, .. }) =
            said_by(r#"{"event_type":"metric","payload":{"metrics":{"loss":null,"lr":0.1,"x":"no"}}}"#)
        else {
            panic!("metric expected")
        };
        assert_eq!(metrics, Numbers::from([("loss".into(), None), ("lr".into(), Some(0.1))]));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_field_named() {
        let cases: [(&str, &str); 9] = [
            ("", "JSON"),
            ("[1]", "JSON"),
            (r#"{"event_type":"progress""#, "JSON"),
            (r#"{"event_type":"dance"}"#, "dance"),
            (r#"{"payload":{}}"#, "event_type"),
            (r#"{"event_type":"stage_change","payload":{}}"#, "new_stage"),
            (r#"{"event_type":"run_complete","payload":{"status":"great"}}"#, "status"),
            (r#"{"event_type":"checkpoint","payload":{"action":"saved","path":"x"}}"#, "path"),
            (r#"{"event_type":"status","payload":{"status":7}}"#, "status"),
        ];
        for (line, word) in cases {
            let error = parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{line}: {error}");
        }
        assert!(matches!(parse(&vec![b' '; EVENT_BYTES_MAX + 1]), Err(LineError::TooLong { .. })));
        assert!(parse(b"\xff\xfe{}").is_err());
        assert!(parse("[".repeat(60_000).as_bytes()).is_err());
    }

    #[test]
    fn an_unknown_error_code_is_kept_as_unknown() {
        let Said::Word(Word::Error(error)) =
            said_by(r#"{"event_type":"error","payload":{"error_code":"weird code","message":"m\u001b[2J"}}"#)
        else {
            panic!("error expected")
        };
        assert_eq!((error.error_code, error.message.as_str()), (Code::unknown(), "m\\u{1b}[2J"));
    }
}
