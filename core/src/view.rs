//! What readers see of a run: its state and its newest telemetry in one document, the same
//! for `ps`, `status --json` and the HTTP API.

use crate::event::Failure;
use crate::ids::{RunId, Slug};
use crate::input::{CheckpointRef, Exit};
use crate::moment::{Moment, rfc3339};
use crate::pause::{PauseCause, PauseStep};
use crate::phase::Phase;
use crate::pulse::payload::restarting;
use crate::pulse::v2::Status;
use crate::pulse::word::Numbers;
use crate::run::Run;
use crate::slot::Slot;
use crate::watch::Health;
use serde::{Deserialize, Deserializer, Serialize};

/// A run as shown. Times are RFC 3339 UTC, durations seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// Identity.
    #[serde(deserialize_with = "an_id")]
    pub run_id: String,
    /// What people call it.
    #[serde(deserialize_with = "a_slug")]
    pub name: String,
    /// Kind of training.
    #[serde(deserialize_with = "a_slug")]
    pub workload: String,
    /// Machine.
    #[serde(deserialize_with = "a_slug")]
    pub node: String,
    /// Where it is, in our words: `preparing`, `running`, `stopping`, `waiting`, …
    pub phase: String,
    /// Where it is, in the words of PULSE.
    pub status: Status,
    /// Present or last attempt.
    pub attempt: u32,
    /// Newest ledger event.
    pub seq: u64,
    /// Failures since the last healthy progress, each of which led to a retry or the end.
    pub failures: u32,
    /// Retries since the last healthy progress.
    #[serde(default)]
    pub retries: u32,
    /// Retries allowed in the window.
    pub retries_max: u32,
    /// Process id of the worker, while it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How far it is.
    pub progress: ProgressView,
    /// Newest numbers of the worker; null = not finite.
    pub metrics: Numbers,
    /// Lines of this attempt's event file that were refused.
    #[serde(default)]
    pub refused_lines: u64,
    /// What is known of the worker's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Since the amount done last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_age_s: Option<f64>,
    /// Bytes of the worker's events that have not been read yet.
    #[serde(default)]
    pub behind_bytes: u64,
    /// One line for people.
    pub message: String,
    /// When it was accepted.
    pub accepted_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Since acceptance.
    pub age_s: f64,
    /// From acceptance to the end, or until now.
    #[serde(default)]
    pub duration_s: f64,
    /// When the retry is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_in_s: Option<f64>,
    /// Seconds until the present rung of a stop ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_left_s: Option<f64>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// How the last worker ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// The newest verified checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointRef>,
    /// A newer one that the worker announced and that is still to be read back: the run goes on
    /// from it, if it verifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_unread: Option<CheckpointRef>,
    /// The checkpoint that this attempt resumed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_from: Option<CheckpointRef>,
    /// Its pause, from the wish for it to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseView>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_why: Option<String>,
    /// When the output of some attempts was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_pruned_at: Option<String>,
    /// The command, with its secrets masked ([`crate::secret`]).
    pub argv: Vec<String>,
}

/// A pause as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseView {
    /// How far it has come.
    pub step: PauseStep,
    /// Why it began.
    pub cause: PauseCause,
    /// Who asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProgressView {
    /// What is counted.
    pub unit: String,
    /// Done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<f64>,
    /// In all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// Newest loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Units per second of this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds to go at that rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_s: Option<f64>,
    /// The same if it goes on as fast as at its best of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_low_s: Option<f64>,
    /// And as slowly as at its worst of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_high_s: Option<f64>,
    /// Stage of the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

impl RunView {
    /// The view of `run` with its telemetry at `now`.
    #[must_use]
    pub fn of(run: &Run, slot: &Slot, node: &str, now: Moment) -> Self {
        let left_s = |due: u64| due.saturating_sub(now.mono_ms) as f64 / 1000.0;
        let complete = run.heard.complete.as_ref();
        let metrics = match complete {
            Some(complete) if !complete.metrics.is_empty() => complete.metrics.clone(),
            Some(_) | None => slot.metrics.clone(),
        };
        Self {
            run_id: run.id.to_string(),
            name: run.spec.name.to_string(),
            workload: run.spec.workload.to_string(),
            node: node.to_owned(),
            phase: run.phase.as_str().to_owned(),
            status: run.status,
            attempt: run.attempt.0,
            seq: run.seq,
            failures: run.failures(),
            retries: run.retries(),
            retries_max: run.spec.policy.retry.max,
            pid: run.worker.as_ref().map(|w| w.pid),
            progress: progress(run, slot, now),
            metrics,
            refused_lines: slot.refused_lines,
            health: None,
            progress_age_s: None,
            behind_bytes: 0,
            message: message(run, slot, now),
            accepted_at: rfc3339(run.accepted_at.unix_ms),
            ended_at: run.ended_at.map(|at| rfc3339(at.unix_ms)),
            age_s: since(run.accepted_at, now),
            duration_s: since(run.accepted_at, run.ended_at.unwrap_or(now)),
            retry_in_s: run.deadline_mono_ms.filter(|_| run.phase == Phase::Waiting).map(left_s),
            grace_left_s: run.deadline_mono_ms.filter(|_| run.phase.is_stopping()).map(left_s),
            last_failure: run.last_failure.clone(),
            last_exit: run.last_exit,
            checkpoint: run.checkpoint.clone(),
            checkpoint_unread: run.newest_unread().cloned(),
            resumed_from: run.resumed_from.clone(),
            pause: run.pause.as_ref().map(|pause| PauseView {
                step: pause.step,
                cause: pause.cause,
                requested_by: pause.requested_by.clone(),
            }),
            ended_why: run.ended_why.map(|why| why.code()),
            output_pruned_at: run.output_pruned.as_ref().map(|pruned| rfc3339(pruned.at_unix_ms)),
            argv: run.argv_shown.to_vec(),
        }
    }
}

/// Names are shown, and typed again, as they are: of the daemon of another machine, too, they are
/// believed only in their grammar.
fn an_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    RunId::deserialize(deserializer).map(String::from)
}

fn a_slug<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Slug::deserialize(deserializer).map(String::from)
}

/// By the wall clock, which goes on across a reboot.
fn since(earlier: Moment, later: Moment) -> f64 {
    later.unix_ms.saturating_sub(earlier.unix_ms) as f64 / 1000.0
}

fn progress(run: &Run, slot: &Slot, now: Moment) -> ProgressView {
    let known = slot.progress.as_ref();
    let final_loss = run.heard.complete.as_ref().and_then(|c| c.final_loss);
    let live = run.phase == Phase::Running;
    let eta = slot.eta(now).filter(|_| live);
    ProgressView {
        unit: known.map_or_else(String::new, |p| p.unit.clone()),
        done: known.and_then(|p| p.amount()).or(run.reached.map(|r| r.done)),
        total: known.and_then(|p| p.amount_total()).or(run.reached.and_then(|r| r.total)),
        loss: final_loss.or(slot.loss),
        rate: slot.rate(now).filter(|_| live),
        eta_s: eta.map(|eta| eta.eta_s),
        eta_low_s: eta.map(|eta| eta.low_s),
        eta_high_s: eta.map(|eta| eta.high_s),
        stage: run.heard.stage.clone().or_else(|| known.and_then(|p| p.stage.clone())),
    }
}

fn message(run: &Run, slot: &Slot, now: Moment) -> String {
    let failure =
        || run.last_failure.as_ref().map(|f| format!("{}: {}", f.code, f.message)).unwrap_or_default();
    let said = || {
        let newest = slot.progress.as_ref().and_then(|p| p.message.clone());
        newest.unwrap_or_else(|| run.heard.message.clone())
    };
    match run.phase {
        Phase::Waiting => {
            let code = run.last_failure.as_ref().map_or("UNKNOWN", |f| f.code.as_str());
            restarting(run, run.deadline_mono_ms.unwrap_or(0).saturating_sub(now.mono_ms), code)
        }
        Phase::Failed => failure(),
        Phase::Cancelled => "cancelled by user".to_owned(),
        Phase::Done => run.heard.complete.as_ref().map(|c| c.message.clone()).unwrap_or_default(),
        Phase::Choosing
        | Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed => said(),
    }
}
