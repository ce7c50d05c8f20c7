//! What the class A events of a run add up to for a reader of the wire. The daemon folds it
//! from its own records and a subscriber from what arrives, with the same function: so both
//! always agree.

use crate::codes::Code;
use crate::ids::Attempt;
use crate::input::CheckpointRef;
use crate::moment::{parse_timestamp, rfc3339};
use crate::pulse::v2::{ERROR_MESSAGE_BYTES_MAX, EventType, MESSAGE_BYTES_MAX, Status};
use crate::text::one_line;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Where a class A event stands, and when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The attempt it is about.
    pub attempt: Attempt,
    /// Place in the run's order.
    pub seq: u64,
    /// Time at the source, Unix ms.
    pub unix_ms: u64,
}

/// The fold of the class A events of a run, as they are on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Attempt of the newest event.
    pub attempt: Attempt,
    /// Sequence number of the newest event.
    pub seq: u64,
    /// Where the run is.
    pub status: Status,
    /// Where it was before the newest `status` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Status>,
    /// Why, as a code, of the newest `status` event.
    pub reason: String,
    /// One line for people, of the newest `status` event.
    pub message: String,
    /// When the newest event happened, Unix ms; RFC 3339 on the wire.
    #[serde(rename = "timestamp", serialize_with = "as_rfc3339", deserialize_with = "from_timestamp")]
    pub unix_ms: u64,
    /// Process id of the worker, from its start to its exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The newest `error` event, of whatever attempt.
    #[serde(default)]
    pub last_error: Option<ToldError>,
    /// The checkpoint that was read back last, of those whose numbers are not known not to be
    /// finite; nothing while that one has turned out to be corrupt, was deleted or is not trusted
    /// any more, until the next one verifies.
    #[serde(default)]
    pub last_checkpoint: Option<CheckpointRef>,
}

/// An `error` event in short; its details stay in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToldError {
    /// The attempt it happened in.
    pub attempt: Attempt,
    /// Sequence number of the event.
    pub seq: u64,
    /// When, Unix ms; RFC 3339 on the wire.
    #[serde(rename = "timestamp", serialize_with = "as_rfc3339", deserialize_with = "from_timestamp")]
    pub unix_ms: u64,
    /// Class of the failure.
    pub error_code: Code,
    /// For people, at most 1 KiB.
    pub message: String,
    /// Whether another attempt makes sense, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_retryable: Option<bool>,
    /// The attempt ended, or will end, because of it.
    pub fatal: bool,
    /// The part of the work it struck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How often it happened.
    pub count: u32,
}

fn as_rfc3339<S: Serializer>(unix_ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*unix_ms))
}

fn from_timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    parse_timestamp(&value).ok_or_else(|| serde::de::Error::custom("timestamp is not a time"))
}

impl Default for Told {
    /// Before the first event.
    fn default() -> Self {
        Self {
            attempt: Attempt(0),
            seq: 0,
            status: Status::Idle,
            previous: None,
            reason: String::new(),
            message: String::new(),
            unix_ms: 0,
            pid: None,
            last_error: None,
            last_checkpoint: None,
        }
    }
}

impl Told {
    /// Folds in the next event. A type that is not known counts for the order only, and so
    /// does a payload that does not have the form of its type.
    pub fn hear(&mut self, stamp: Stamp, event_type: Option<EventType>, payload: &Value) {
        if stamp.attempt != self.attempt {
            self.pid = None;
        }
        (self.attempt, self.seq, self.unix_ms) = (stamp.attempt, stamp.seq, stamp.unix_ms);
        match event_type {
            Some(EventType::Status) => self.hear_status(payload),
            Some(EventType::Error) => self.last_error = Some(error(stamp, payload)),
            Some(EventType::Checkpoint) => self.hear_checkpoint(payload),
            Some(EventType::Worker) => self.hear_worker(payload),
            Some(
                EventType::Progress
                | EventType::Metric
                | EventType::StageChange
                | EventType::TargetStart
                | EventType::TargetComplete
                | EventType::RunComplete
                | EventType::Heartbeat,
            )
            | None => {}
        }
    }

    fn hear_status(&mut self, payload: &Value) {
        let word = |field: &str| payload.get(field).and_then(|word| Status::deserialize(word).ok());
        let Some(status) = word("status") else { return };
        self.status = status;
        self.previous = word("previous");
        self.reason = text(payload, "reason", MESSAGE_BYTES_MAX).unwrap_or_default();
        self.message = text(payload, "message", MESSAGE_BYTES_MAX).unwrap_or_default();
    }

    fn hear_worker(&mut self, payload: &Value) {
        match payload.get("action").and_then(Value::as_str) {
            Some("started" | "adopted") => {
                let pid = payload.get("pid").and_then(Value::as_u64);
                self.pid = pid.and_then(|pid| u32::try_from(pid).ok()).or(self.pid);
            }
            Some("exited") => self.pid = None,
            Some(_) | None => {}
        }
    }

    fn hear_checkpoint(&mut self, payload: &Value) {
        let known = |path: &str| self.last_checkpoint.as_ref().is_some_and(|c| c.path == path);
        match payload.get("action").and_then(Value::as_str) {
            Some("verified" | "restored") => {
                let checkpoint = CheckpointRef::deserialize(payload).ok();
                if let Some(checkpoint) = checkpoint.filter(|checkpoint| !checkpoint.is_poisoned()) {
                    self.last_checkpoint = Some(checkpoint);
                }
            }
            Some("corrupt" | "pruned" | "set_aside") => {
                if payload.get("path").and_then(Value::as_str).is_some_and(known) {
                    self.last_checkpoint = None;
                }
            }
            Some(_) | None => {}
        }
    }
}

fn error(stamp: Stamp, payload: &Value) -> ToldError {
    let flag = |field: &str| payload.get(field).and_then(Value::as_bool);
    let count = payload.get("count").and_then(Value::as_u64).unwrap_or(1);
    ToldError {
        attempt: stamp.attempt,
        seq: stamp.seq,
        unix_ms: stamp.unix_ms,
        error_code: Code::new(payload.get("error_code").and_then(Value::as_str).unwrap_or_default()),
        message: text(payload, "message", ERROR_MESSAGE_BYTES_MAX).unwrap_or_default(),
        is_retryable: flag("is_retryable"),
        fatal: flag("fatal").unwrap_or(false),
        target: text(payload, "target", MESSAGE_BYTES_MAX),
        count: u32::try_from(count).unwrap_or(u32::MAX),
    }
}

fn text(payload: &Value, field: &str, bytes_max: usize) -> Option<String> {
    payload.get(field).and_then(Value::as_str).map(|text| one_line(text, bytes_max))
}
