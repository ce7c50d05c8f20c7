//! PULSE v2: the envelope, the event types, the status words.

use crate::ids::{Attempt, RunId, Slug};
use crate::moment::rfc3339;
use crate::spec::Flow;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Hard limit of one event on the wire, in bytes.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;
/// Longest status message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 256;
/// Longest error message, in bytes.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 1024;

/// Where a run is, in the words of PULSE v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted, nothing started.
    Idle,
    /// Being started, or waiting for a retry.
    Preparing,
    /// Training.
    Running,
    /// Held.
    Paused,
    /// Complete but for the end of the process.
    CoolingDown,
    /// Ended well.
    Done,
    /// Ended in a failure.
    Error,
    /// Ended on request.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Preparing,
        Self::Running,
        Self::Paused,
        Self::CoolingDown,
        Self::Done,
        Self::Error,
        Self::Cancelled,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::CoolingDown => "cooling_down",
            Self::Done => "done",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// Done, error or cancelled.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Done | Self::Error | Self::Cancelled => true,
            Self::Idle | Self::Preparing | Self::Running | Self::Paused | Self::CoolingDown => false,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Kinds of events. The lane (ledger or telemetry) follows from the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// Where the run is.
    Status,
    /// How far it is (telemetry).
    Progress,
    /// Named numbers (telemetry).
    Metric,
    /// Something failed.
    Error,
    /// The work entered another stage.
    StageChange,
    /// A part of the work began.
    TargetStart,
    /// A part of the work ended.
    TargetComplete,
    /// The worker's own word that it is finished.
    RunComplete,
    /// Life of a checkpoint.
    Checkpoint,
    /// Life of a worker process.
    Worker,
    /// Sign of life (telemetry).
    Heartbeat,
}

impl EventType {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Progress,
        Self::Metric,
        Self::Error,
        Self::StageChange,
        Self::TargetStart,
        Self::TargetComplete,
        Self::RunComplete,
        Self::Checkpoint,
        Self::Worker,
        Self::Heartbeat,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Progress => "progress",
            Self::Metric => "metric",
            Self::Error => "error",
            Self::StageChange => "stage_change",
            Self::TargetStart => "target_start",
            Self::TargetComplete => "target_complete",
            Self::RunComplete => "run_complete",
            Self::Checkpoint => "checkpoint",
            Self::Worker => "worker",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// Class A: never dropped, in the ledger before anyone hears of it.
    #[must_use]
    pub fn is_class_a(self) -> bool {
        match self {
            Self::Status
            | Self::Error
            | Self::StageChange
            | Self::TargetStart
            | Self::TargetComplete
            | Self::RunComplete
            | Self::Checkpoint
            | Self::Worker => true,
            Self::Progress | Self::Metric | Self::Heartbeat => false,
        }
    }
}

/// Who asserts an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The worker said it.
    Worker,
    /// Resus observed or decided it.
    Supervisor,
    /// A user asked for it.
    User,
}

/// Where an event stands in the order of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Class A: durable, contiguous from 1.
    Ledger {
        /// Sequence number within the run.
        seq: u64,
    },
    /// Class B: after a ledger event, in the order of ticks.
    Telemetry {
        /// Newest class A event before it.
        after_seq: u64,
        /// Grows per run and never goes back.
        tick: u64,
    },
}

/// An event as published: the payload, and all that the daemon stamps on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Kind of event.
    pub event_type: EventType,
    /// Place in the run's order.
    pub place: Place,
    /// The run.
    pub training_id: RunId,
    /// The attempt it is about; the fencing token.
    pub attempt: Attempt,
    /// Time at the source, Unix ms.
    pub unix_ms: u64,
    /// Kind of training.
    pub workload: Slug,
    /// Machine.
    pub node: Slug,
    /// Who asserts it.
    pub source: Source,
    /// Where the run comes from.
    pub flow: Option<Flow>,
    /// What happened.
    pub payload: Value,
}

impl Envelope {
    /// `<training_id>.<attempt>.<seq>`: identity of a class A event, and its deduplication id.
    #[must_use]
    pub fn event_id(&self) -> Option<String> {
        match self.place {
            Place::Ledger { seq } => Some(format!("{}.{}.{seq}", self.training_id, self.attempt)),
            Place::Telemetry { .. } => None,
        }
    }
}

/// The wire form: one JSON object, keys in the order of the protocol page.
impl Serialize for Envelope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("v", &2)?;
        map.serialize_entry("event_type", &self.event_type)?;
        match self.place {
            Place::Ledger { seq } => {
                map.serialize_entry("event_id", &self.event_id())?;
                map.serialize_entry("seq", &seq)?;
            }
            Place::Telemetry { after_seq, tick } => {
                map.serialize_entry("after_seq", &after_seq)?;
                map.serialize_entry("tick", &tick)?;
            }
        }
        map.serialize_entry("training_id", &self.training_id)?;
        map.serialize_entry("attempt", &self.attempt)?;
        map.serialize_entry("timestamp", &rfc3339(self.unix_ms))?;
        map.serialize_entry("workload", &self.workload)?;
        map.serialize_entry("node", &self.node)?;
        map.serialize_entry("source", &self.source)?;
        if let Some(flow) = &self.flow {
            map.serialize_entry("flow_run_id", &flow.flow_run_id)?;
            map.serialize_entry("flow_id", &flow.flow_id)?;
            map.serialize_entry("flow_step_id", &flow.flow_step_id)?;
        }
        map.serialize_entry("payload", &self.payload)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_envelope_has_the_documented_form() {
        let envelope = Envelope {
            event_type: EventType::Checkpoint,
            place: Place::Ledger { seq: 184 },
            training_id: RunId::new("0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77").unwrap(),
            attempt: Attempt(2),
            unix_ms: 1_795_320_826_123,
            workload: Slug::new("othello").unwrap(),
            node: Slug::new("gpu-a1").unwrap(),
            source: Source::Supervisor,
            flow: None,
            payload: json!({"action": "verified"}),
        };
        assert_eq!(
            serde_json::to_string(&envelope).unwrap(),
            concat!(
                r#"{"v":2,"event_type":"checkpoint","event_id":"0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77.2.184","#,
                r#""seq":184,"training_id":"0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77","attempt":2,"#,
                r#""timestamp":"2026-11-22T04:13:46.123Z","workload":"othello","node":"gpu-a1","#,
                r#""source":"supervisor","payload":{"action":"verified"}}"#
            )
        );
    }

    #[test]
    fn telemetry_has_no_event_id() {
        let envelope = Envelope {
            event_type: EventType::Progress,
            place: Place::Telemetry { after_seq: 3, tick: 9 },
            training_id: RunId::new("r").unwrap(),
            attempt: Attempt(1),
            unix_ms: 0,
            workload: Slug::new("w").unwrap(),
            node: Slug::new("n").unwrap(),
            source: Source::Worker,
            flow: None,
            payload: json!({}),
        };
        let wire = serde_json::to_value(&envelope).unwrap();
        assert_eq!((wire.get("event_id"), wire.get("seq")), (None, None));
        assert_eq!((&wire["after_seq"], &wire["tick"]), (&json!(3), &json!(9)));
    }
}
