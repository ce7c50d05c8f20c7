//! The state of a run in one document, for whoever comes late: the value of a key in KV
//! `pulse_state`, and what goes on from it.
//!
//! A late joiner subscribes and buffers, reads the snapshot, and hands every buffered and every
//! later event to [`StateSnapshot::apply`]. What it has then is what the daemon would write
//! into the snapshot at that time: the tests prove it for any history and any cut. Only two
//! things are as of the snapshot and do not move: `v1`, which needs what is not on the wire
//! (a new one comes on its own subject), and the run's name.
//!
//! The two lanes may arrive one ahead of the other. Each has its own place, so the order
//! between them does not matter for where it ends.

use crate::ids::{Attempt, RunId, Slug};
use crate::moment::parse_timestamp;
use crate::pulse::line::{self, Progress};
use crate::pulse::payload::REMOVED;
use crate::pulse::told::{Stamp, Told};
use crate::pulse::v1::SnapshotV1;
use crate::pulse::v2::EventType;
use crate::pulse::word::Numbers;
use crate::run::Run;
use crate::slot::{METRICS_MAX, Slot};
use crate::telemetry::coalescer::superseded;
use crate::watch::Health;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where the newest telemetry of a run stands. Places are compared in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct TelemetryPlace {
    /// The attempt it is about.
    #[serde(rename = "telemetry_attempt")]
    pub attempt: Attempt,
    /// Newest class A event before it.
    pub after_seq: u64,
    /// Its tick; 0 = none yet.
    pub tick: u64,
}

/// A run, folded. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateSnapshot {
    /// Version of PULSE: 2.
    pub v: u32,
    /// The run.
    pub training_id: RunId,
    /// What people call it.
    pub name: String,
    /// Kind of training.
    pub workload: Slug,
    /// Machine.
    pub node: Slug,
    /// What the class A events add up to: `attempt`, `seq`, `status`, …
    #[serde(flatten)]
    pub told: Told,
    /// What is known of the worker's life: of the newest heartbeat, nothing without a worker.
    #[serde(default)]
    pub health: Option<Health>,
    /// The newest telemetry in here.
    #[serde(flatten)]
    pub telemetry: TelemetryPlace,
    /// How far this attempt is. Amounts are those of the newest report that has any; of loss,
    /// stage, target and message each is the newest that was said.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// Newest numbers of this attempt by name, at most 64; null = not finite.
    #[serde(default)]
    pub metrics: Numbers,
    /// The v1 snapshot, as of this document.
    pub v1: SnapshotV1,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is in the snapshot now.
    Taken,
    /// It is older than the snapshot, or of an attempt that is over.
    Old,
    /// Class A events between it and the snapshot are missing: read the snapshot again.
    Gap {
        /// Sequence number that was due.
        expected: u64,
        /// Sequence number of the event.
        got: u64,
    },
    /// It is not an event of this run, or telemetry of a kind that is not known.
    Other,
}

impl StateSnapshot {
    /// Of a run and its telemetry. `telemetry` is the place of the newest telemetry that went
    /// out (read it before the slot: what is said twice does no harm, what is left out does),
    /// `health` and `v1` are the shell's to know.
    #[must_use]
    pub fn of(
        run: &Run,
        slot: &Slot,
        health: Option<Health>,
        v1: SnapshotV1,
        telemetry: TelemetryPlace,
        node: &Slug,
    ) -> Self {
        let of_this_attempt = slot.attempt == run.attempt;
        Self {
            v: 2,
            training_id: run.id.clone(),
            name: run.spec.name.to_string(),
            workload: run.spec.workload.clone(),
            node: node.clone(),
            told: run.told.clone(),
            health: health.filter(|_| run.worker.is_some()),
            telemetry,
            progress: slot.said.clone().filter(|_| of_this_attempt),
            metrics: if of_this_attempt { slot.metrics.clone() } else { Numbers::new() },
            v1,
        }
    }

    /// The run is gone: no event follows, and its key in the bucket of states is gone as well.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.told.reason == REMOVED
    }

    /// Folds in an event of the wire, an envelope of either class. Anything else changes nothing.
    pub fn apply(&mut self, envelope: &Value) -> Applied {
        let number = |field: &str| envelope.get(field).and_then(Value::as_u64);
        let is_ours = number("v") == Some(2)
            && envelope.get("training_id").and_then(Value::as_str) == Some(self.training_id.as_str());
        let attempt = number("attempt").and_then(|attempt| u32::try_from(attempt).ok()).map(Attempt);
        let kind = envelope.get("event_type").filter(|kind| kind.is_string());
        let (true, Some(attempt), Some(kind)) = (is_ours, attempt, kind) else { return Applied::Other };
        let kind = EventType::deserialize(kind).ok();
        let payload = envelope.get("payload").unwrap_or(&Value::Null);
        match (number("seq"), number("after_seq"), number("tick")) {
            (Some(seq), _, _) => {
                let unix_ms =
                    envelope.get("timestamp").and_then(parse_timestamp).unwrap_or(self.told.unix_ms);
                self.apply_fact(Stamp { attempt, seq, unix_ms }, kind, payload)
            }
            (None, Some(after_seq), Some(tick)) => {
                self.apply_telemetry(TelemetryPlace { attempt, after_seq, tick }, kind, payload)
            }
            (None, _, _) => Applied::Other,
        }
    }

    fn apply_fact(&mut self, stamp: Stamp, kind: Option<EventType>, payload: &Value) -> Applied {
        let expected = self.told.seq.saturating_add(1);
        if stamp.attempt < self.told.attempt || stamp.seq < expected {
            return Applied::Old;
        }
        if stamp.seq > expected {
            return Applied::Gap { expected, got: stamp.seq };
        }
        let had_worker = self.told.pid.is_some();
        self.told.hear(stamp, kind, payload);
        if self.telemetry.attempt < stamp.attempt {
            self.begin_attempt();
        }
        // What is known of a worker that is gone counts no more; that of a newer one does.
        if had_worker && self.told.pid.is_none() && self.telemetry.attempt <= stamp.attempt {
            self.health = None;
        }
        Applied::Taken
    }

    fn apply_telemetry(
        &mut self,
        place: TelemetryPlace,
        kind: Option<EventType>,
        payload: &Value,
    ) -> Applied {
        let nothing = Map::new();
        let payload = payload.as_object().unwrap_or(&nothing);
        let Some(kind) = kind.filter(|kind| !kind.is_class_a()) else { return Applied::Other };
        if place.attempt < self.told.attempt || place <= self.telemetry {
            return Applied::Old;
        }
        if place.attempt > self.telemetry.attempt {
            self.begin_attempt();
        }
        self.telemetry = place;
        match kind {
            EventType::Progress => {
                let newer = line::progress(payload);
                self.progress = Some(match self.progress.take() {
                    Some(older) => superseded(older, newer),
                    None => newer,
                });
            }
            EventType::Metric => {
                for (name, value) in line::numbers(payload.get("metrics")) {
                    if self.metrics.len() < METRICS_MAX || self.metrics.contains_key(&name) {
                        self.metrics.insert(name, value);
                    }
                }
            }
            EventType::Heartbeat => self.hear_heartbeat(place, payload),
            EventType::Status
            | EventType::Error
            | EventType::StageChange
            | EventType::TargetStart
            | EventType::TargetComplete
            | EventType::RunComplete
            | EventType::Checkpoint
            | EventType::Worker => {}
        }
        Applied::Taken
    }

    /// A heartbeat that was overtaken by the end of its worker says nothing any more.
    fn hear_heartbeat(&mut self, place: TelemetryPlace, payload: &Map<String, Value>) {
        let is_ahead = place.attempt > self.told.attempt || place.after_seq > self.told.seq;
        let health = payload.get("health").and_then(|health| Health::deserialize(health).ok());
        if let Some(health) = health.filter(|_| is_ahead || self.told.pid.is_some()) {
            self.health = Some(health);
        }
    }

    fn begin_attempt(&mut self) {
        (self.progress, self.health) = (None, None);
        self.metrics.clear();
    }
}
