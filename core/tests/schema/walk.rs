//! Random histories of runs, the same every time, and what is told in them.

use crate::support::*;
use resus_core::checkpoint::CheckpointFormat;
use resus_core::fleet::Fleet;
use resus_core::ids::{Attempt, Slug};
use resus_core::input::{CheckpointRef, Exit, Fact, Input, Reached};
use resus_core::moment::Moment;
use resus_core::pulse::line::{self, Said, Telemetry};
use resus_core::slot::Slot;
use resus_core::spec::{Contract, Flow, Spec};
use serde_json::{Value, json};

/// Lines that say all that a worker can say, and lines that say as little as it may.
const LINES: [&str; 21] = [
    r#"{"event_type":"status","payload":{"status":"running","message":"loading"}}"#,
    r#"{"event_type":"status","payload":{"status":"cooling_down"}}"#,
    r#"{"event_type":"error","payload":{"error_code":"CUDA_OOM","message":"m","is_retryable":true,"fatal":false,
        "target":"EURUSD","count":3,"details":{"exception":"E"}},"timestamp":1795000000}"#,
    r#"{"event_type":"error","payload":{"error_code":"NAN_LOSS","is_retryable":true,"fatal":true}}"#,
    r#"{"event_type":"error","payload":{}}"#,
    r#"{"event_type":"stage_change","payload":{"previous_stage":"one","new_stage":"two"}}"#,
    r#"{"event_type":"stage_change","payload":{"new_stage":"two"}}"#,
    r#"{"event_type":"target_start","payload":{"target":"EURUSD","target_index":0,"total_targets":9}}"#,
    r#"{"event_type":"target_start","payload":{"target":"EURUSD"}}"#,
    r#"{"event_type":"target_complete","payload":{"target":"EURUSD","status":"success","metrics":{"auc":0.7,"x":null},
        "best_auc":0.7,"models_trained":4,"duration_seconds":3.5}}"#,
    r#"{"event_type":"target_complete","payload":{"target":"EURUSD","status":"skipped"}}"#,
    r#"{"event_type":"run_complete","payload":{"status":"success","final_loss":0.25,"metrics":{"loss":0.25},
        "message":"fine","duration_seconds":60,"epochs_completed":3}}"#,
    r#"{"event_type":"run_complete","payload":{"status":"cancelled"}}"#,
    r#"{"event_type":"checkpoint","payload":{"action":"saved","path":"/c/ck-9.prsm","checkpoint_id":"ck-9","step":9,
        "epoch":0.5,"size_bytes":77,"digest":"crc32:00","duration_s":1.5}}"#,
    r#"{"event_type":"checkpoint","payload":{"action":"saved","path":"/c/ck-9.prsm"}}"#,
    r#"{"event_type":"checkpoint","payload":{"action":"saved","path":"/c/step-12","step":12,"health":"finite",
        "loss":0.25,"metrics":{"auc":0.7,"x":null}},"timestamp":1795000000}"#,
    r#"{"event_type":"progress","payload":{"unit":"step","epoch":1,"total_epochs":3,"step":5,"total_steps":9,"done":5,
        "total":9,"session_start":1,"loss":0.5,"stage":"two","current_target":"EURUSD","message":"m"}}"#,
    r#"{"event_type":"progress","payload":{"done":7}}"#,
    r#"{"event_type":"metric","payload":{"step":5,"metrics":{"loss":0.5,"grad_norm":null}}}"#,
    r#"{"event_type":"metric","payload":{}}"#,
    r#"{"event_type":"heartbeat"}"#,
];

/// Inputs that lead a run through its life.
const LIKELY: [&str; 7] =
    ["picked none", "picked older", "started", "sign of life", "deadline", "restore", "restored"];

/// One history, as far as it has come.
pub struct Walk {
    pub fleet: Fleet,
    pub slot: Slot,
    pub now: Moment,
    /// Every telemetry that was said.
    pub telemetry: Vec<Telemetry>,
    /// The envelopes of the ledger so far, as JSON.
    pub told: Vec<Value>,
    chance: u64,
}

impl Walk {
    /// A history that follows from its number.
    pub fn begin(number: u64) -> Self {
        let contract = if number.is_multiple_of(5) { Contract::Opaque } else { Contract::Pulse };
        let flow = Flow { flow_run_id: "f".into(), flow_id: "nightly".into(), flow_step_id: "train".into() };
        let flow = Some(flow).filter(|_| number.is_multiple_of(3));
        let (fleet, step) = accepted(Spec { flow, ..spec(contract, policy()) }, at(0));
        let told = step.recorded.iter().map(|r| serde_json::to_value(&r.envelope).unwrap()).collect();
        let (slot, telemetry) = (Slot::default(), Vec::new());
        let mut walk = Self { fleet, slot, now: at(0), telemetry, told, chance: number };
        walk.slot.begin_attempt(Attempt(1));
        walk
    }

    fn below(&mut self, bound: usize) -> usize {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) as usize % bound
    }

    /// One more thing happens.
    pub fn step(&mut self) {
        self.now = at(self.now.mono_ms + [0, 10, 700, 11_000, 60_000, 120_000][self.below(6)]);
        let (attempt, upto) = (run(&self.fleet).attempt, run(&self.fleet).upto);
        let mut all: Vec<Input> = inputs(attempt, upto).into_iter().map(|(_, input)| input).collect();
        // What leads further is likely, so that there is something to tell.
        let likely = LIKELY[self.below(LIKELY.len())];
        let choice = self.below(4);
        let next = match choice {
            0 => input(likely, attempt, upto),
            1 => match self.line() {
                Some(said) => Input::Observed { attempt, fact: said },
                None => return,
            },
            2 if self.below(4) == 0 => {
                let seen = Exit { cpu_ms: 5, max_rss_bytes: 7, unix_ms: Some(1), ..Exit::with_code(75) };
                let reached = Some(Reached { done: 8.0, total: Some(9.0) });
                Input::Observed { attempt, fact: Fact::Exited { exit: seen, reached } }
            }
            2 if self.below(2) == 0 => {
                let Some(announced) = run(&self.fleet).candidates.last().cloned() else { return };
                let is_ours = announced.path.ends_with(".prsm");
                let format = if is_ours { CheckpointFormat::Prsm } else { CheckpointFormat::Manifest };
                let checkpoint = CheckpointRef { format, ..announced };
                Input::Observed { attempt, fact: Fact::CheckpointChecked { checkpoint, refusal: None } }
            }
            _ => all.swap_remove(self.below(all.len())),
        };
        let Ok(step) = self.fleet.step(&run_id(), &next, self.now) else { return };
        self.told.extend(step.recorded.iter().map(|r| serde_json::to_value(&r.envelope).unwrap()));
        self.slot.begin_attempt(run(&self.fleet).attempt);
    }

    fn line(&mut self) -> Option<Fact> {
        let text = LINES[self.below(LINES.len())];
        let line = line::parse(text.as_bytes()).unwrap();
        match line.said {
            Said::Word(word) => {
                let upto = run(&self.fleet).upto + 1;
                Some(Fact::Said { word, said_unix_ms: line.unix_ms, at_units: Some(1.0), upto })
            }
            Said::Telemetry(telemetry) => {
                self.slot.fold(telemetry.clone(), None, self.now);
                self.telemetry.push(telemetry);
                None
            }
        }
    }
}

/// The node of every history.
pub fn node() -> Slug {
    Slug::new("n1").unwrap()
}

/// The envelope of telemetry, as the daemon makes it.
pub fn envelope_of(telemetry: &Telemetry, tick: u64) -> Value {
    use resus_core::pulse::v2::{Envelope, EventType, Place, Source};
    use resus_core::telemetry::coalescer::Emission;
    let emission = Emission { tick, said_unix_ms: None, telemetry: telemetry.clone() };
    let (event_type, mut payload) = emission.payload(5);
    if event_type == EventType::Heartbeat {
        payload.insert("health".into(), json!(resus_core::watch::Health::Stale));
        payload.insert("progress_age_s".into(), json!(1.5));
    }
    let envelope = Envelope {
        event_type,
        place: Place::Telemetry { after_seq: 1, tick },
        training_id: run_id(),
        attempt: Attempt(1),
        unix_ms: 1_795_000_000_000,
        workload: node(),
        node: node(),
        source: Source::Worker,
        flow: None,
        payload: payload.into(),
    };
    serde_json::to_value(envelope).unwrap()
}
