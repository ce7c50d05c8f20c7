//! What the world hears of a ledger event: its PULSE type, who asserts it, its payload.
//!
//! One ledger event is exactly one class A event, so the sequence numbers of the ledger are
//! those of the wire.

mod checkpoint;
mod pause;
mod removal;

pub(crate) use pause::failures;
pub use removal::REMOVED;

use crate::event::{Event, Record};
use crate::explain::settings;
use crate::input::CheckpointRef;
use crate::moment::rfc3339;
use crate::pause::PauseStep;
use crate::phase::Phase;
use crate::policy::Overrides;
use crate::pulse::v2::{EventType, Source, Status};
use crate::pulse::word::Word;
use crate::run::Run;
use serde_json::{Map, Value, json};

/// Kind, asserter and payload of a record. `run` is the state after it, `before` the status
/// the run had before.
#[must_use]
pub fn of(record: &Record, before: Status, run: &Run) -> (EventType, Source, Value) {
    use EventType::{Checkpoint, Error, Status as StatusType, Worker};
    let supervisor = |kind, payload| (kind, Source::Supervisor, payload);
    match &record.event {
        Event::Accepted { .. } => {
            (StatusType, Source::User, status(before, run, "ACCEPTED", "accepted", Map::new()))
        }
        Event::AttemptBegun { requested_by, restore, anew, .. } => supervisor(
            StatusType,
            begun(record, before, run, requested_by.as_deref(), restore.as_deref(), *anew),
        ),
        Event::CheckpointRefused(_)
        | Event::CheckpointVerified(_)
        | Event::CheckpointPruned { .. }
        | Event::CheckpointsDoubted { .. }
        | Event::Restored { .. } => supervisor(Checkpoint, checkpoint::of(&record.event)),
        Event::CheckpointPinned { .. } => (Checkpoint, Source::User, checkpoint::of(&record.event)),
        Event::Configured { changes, requested_by } => {
            (StatusType, Source::User, configured(changes, requested_by, before, run))
        }
        Event::OutputPruned { .. } | Event::Removed { .. } => {
            (StatusType, Source::User, removal::status_of(record, before, run))
        }
        Event::Said { word, .. } => said(word, before, run),
        Event::Failed(failure) => supervisor(
            Error,
            json!({
                "error_code": failure.code, "message": failure.message,
                "is_retryable": failure.retried, "fatal": !failure.retried, "count": 1,
            }),
        ),
        Event::RetryScheduled { delay_ms, .. } => {
            let mut extra = Map::new();
            extra.insert("retry_at".to_owned(), rfc3339(record.at.unix_ms.saturating_add(*delay_ms)).into());
            extra.insert("retries".to_owned(), run.failures().into());
            extra.insert("retries_max".to_owned(), run.spec.policy.retry.max.into());
            let code = run.last_failure.as_ref().map_or("UNKNOWN", |f| f.code.as_str());
            let message = restarting(run, *delay_ms, code);
            supervisor(StatusType, status(before, run, code, &message, extra))
        }
        Event::WorkerReady { .. } | Event::CoolingBegun => {
            supervisor(StatusType, status(before, run, &record.why.code(), &run.heard.message, Map::new()))
        }
        Event::Ended { .. } => supervisor(StatusType, ended(record, before, run)),
        Event::PauseBegun { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::CheckpointRequested { .. }
        | Event::CheckpointUndelivered => supervisor(StatusType, pause::status_of(record, before, run)),
        Event::ErrorRateExceeded(exceeded) => supervisor(Error, pause::error_rate(exceeded)),
        Event::SpawnOrdered { .. }
        | Event::WorkerStarted(_)
        | Event::WorkerSpoke
        | Event::StopBegun { .. }
        | Event::Escalated { .. }
        | Event::StillAlive
        | Event::WorkerExited { .. }
        | Event::Adopted
        | Event::OrderRepeated
        | Event::PauseEscalated { .. }
        | Event::Hung { .. }
        | Event::Rebooted { .. } => supervisor(Worker, worker(&record.event, run)),
    }
}

fn begun(
    record: &Record,
    before: Status,
    run: &Run,
    requested_by: Option<&str>,
    restore: Option<&CheckpointRef>,
    anew: bool,
) -> Value {
    let by = requested_by.map(|by| ("requested_by".to_owned(), by.into()));
    let from = match restore {
        Some(checkpoint) => Some(format!(" from checkpoint {}", checkpoint.checkpoint_id)),
        None => anew.then(|| " without a checkpoint".to_owned()),
    };
    let message = format!("starting attempt {}{}", run.attempt, from.unwrap_or_default());
    status(before, run, &record.why.code(), &message, by.into_iter().collect())
}

fn configured(changes: &Overrides, requested_by: &str, before: Status, run: &Run) -> Value {
    let extra = [("requested_by", requested_by.into()), ("changes", json!(changes))];
    let extra = extra.map(|(field, value): (&str, Value)| (field.to_owned(), value));
    let message = format!("settings changed: {}", settings(changes));
    status(before, run, "CONFIGURED", &message, Map::from_iter(extra))
}

/// The line shown while a run waits for its retry, e.g. `Restarting 2/5 in 8s: CUDA_OOM`.
#[must_use]
pub fn restarting(run: &Run, delay_ms: u64, code: &str) -> String {
    let wait_s = delay_ms.div_ceil(1000);
    format!("Restarting {}/{} in {wait_s}s: {code}", run.failures(), run.spec.policy.retry.max)
}

fn status(before: Status, run: &Run, reason: &str, message: &str, extra: Map<String, Value>) -> Value {
    let mut payload = Map::new();
    payload.insert("status".to_owned(), run.status.as_str().into());
    payload.insert("previous".to_owned(), before.as_str().into());
    payload.insert("reason".to_owned(), reason.into());
    payload.insert("message".to_owned(), message.into());
    payload.extend(extra);
    Value::Object(payload)
}

fn ended(record: &Record, before: Status, run: &Run) -> Value {
    let mut extra = Map::new();
    extra.insert(
        "duration_s".to_owned(),
        (record.at.unix_ms.saturating_sub(run.accepted_at.unix_ms) as f64 / 1000.0).into(),
    );
    if let Some(exit) = run.last_exit {
        extra.insert("exit".to_owned(), json!({"code": exit.code, "signal": exit.signal}));
    }
    if let Some(by) = run.stop.as_ref().and_then(|stop| stop.requested_by.as_deref()) {
        extra.insert("requested_by".to_owned(), by.into());
    }
    if let Some(complete) = &run.heard.complete {
        extra.insert("final".to_owned(), json!({"loss": complete.final_loss, "metrics": complete.metrics}));
    }
    let message = match run.phase {
        Phase::Failed => run.last_failure.as_ref().map_or("failed".to_owned(), |f| f.message.clone()),
        Phase::Cancelled => "cancelled by user".to_owned(),
        Phase::Done
        | Phase::Choosing
        | Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed
        | Phase::Waiting => run.heard.complete.as_ref().map_or(String::new(), |c| c.message.clone()),
    };
    status(before, run, &record.why.code(), &message, extra)
}

fn said(word: &Word, before: Status, run: &Run) -> (EventType, Source, Value) {
    let (kind, payload) = match word {
        // The worker's word changes its message; where the run is, is our word.
        Word::Status { message, .. } => {
            (EventType::Status, status(before, run, "WORKER_SAID", message, Map::new()))
        }
        Word::Error(error) => {
            let mut payload = json!({
                "error_code": error.error_code, "message": error.message,
                "is_retryable": error.is_retryable, "fatal": error.fatal, "target": error.target,
                "count": error.count,
            });
            insert(&mut payload, "details", error.details.clone());
            (EventType::Error, payload)
        }
        Word::StageChange { previous_stage, new_stage } => {
            (EventType::StageChange, json!({"previous_stage": previous_stage, "new_stage": new_stage}))
        }
        Word::TargetStart { target, target_index, total_targets } => (
            EventType::TargetStart,
            json!({"target": target, "target_index": target_index, "total_targets": total_targets}),
        ),
        Word::TargetComplete { target, status, metrics, best_auc, models_trained, duration_seconds } => {
            let mut payload = json!({"target": target, "status": status, "metrics": metrics});
            insert(&mut payload, "best_auc", *best_auc);
            insert(&mut payload, "models_trained", *models_trained);
            insert(&mut payload, "duration_seconds", *duration_seconds);
            (EventType::TargetComplete, payload)
        }
        Word::RunComplete { status, final_loss, metrics, message, duration_seconds, epochs_completed } => {
            let mut payload = json!({
                "status": status, "final_loss": final_loss, "metrics": metrics, "message": message,
            });
            insert(&mut payload, "duration_seconds", *duration_seconds);
            insert(&mut payload, "epochs_completed", *epochs_completed);
            (EventType::RunComplete, payload)
        }
        Word::CheckpointSaved(c) => (EventType::Checkpoint, checkpoint::saved(c)),
    };
    (kind, Source::Worker, payload)
}

/// An optional field: absent, not null.
fn insert(payload: &mut Value, field: &str, value: Option<impl Into<Value>>) {
    if let (Value::Object(payload), Some(value)) = (payload, value) {
        payload.insert(field.to_owned(), value.into());
    }
}

fn worker(event: &Event, run: &Run) -> Value {
    match event {
        Event::SpawnOrdered { from, lost } => {
            let action = if run.attempt.0 > 1 { "retried" } else { "ordered" };
            let from = from.as_ref().map(|c| c.checkpoint_id.as_str());
            json!({"action": action, "from_checkpoint": from, "lost_steps": lost})
        }
        Event::WorkerStarted(w) => {
            json!({"action": "started", "pid": w.pid, "start_ticks": w.start_ticks})
        }
        Event::StopBegun { cause, requested_by, rung } => {
            let cause = cause.as_str();
            json!({"action": "stopping", "cause": cause, "requested_by": requested_by, "signal_sent": sent(*rung)})
        }
        Event::Escalated { rung } => {
            let action = if *rung == Phase::Killed { "killed" } else { "signalled" };
            json!({"action": action, "signal_sent": sent(*rung)})
        }
        Event::StillAlive => json!({"action": "unkillable"}),
        Event::WorkerExited { exit, .. } => json!({"action": "exited", "exit": exit}),
        Event::Rebooted { boot_id } => json!({"action": "rebooted", "boot_id": boot_id}),
        Event::Adopted => json!({"action": "adopted", "pid": run.worker.as_ref().map(|w| w.pid)}),
        Event::OrderRepeated => json!({"action": "ordered", "reason": "no answer"}),
        Event::PauseEscalated { step } => {
            let signal = (*step == PauseStep::Freezing).then_some("SIGSTOP");
            json!({"action": "pausing", "step": step, "signal_sent": signal})
        }
        Event::Hung { what, silent_for_ms } => {
            json!({"action": "hung", "what": what, "silent_for_s": *silent_for_ms as f64 / 1000.0})
        }
        Event::WorkerSpoke => json!({"action": "ready", "reason": "speaks PULSE"}),
        Event::Accepted { .. }
        | Event::AttemptBegun { .. }
        | Event::CheckpointRefused(_)
        | Event::CheckpointVerified(_)
        | Event::CheckpointPruned { .. }
        | Event::CheckpointPinned { .. }
        | Event::CheckpointsDoubted { .. }
        | Event::WorkerReady { .. }
        | Event::CoolingBegun
        | Event::Said { .. }
        | Event::Failed(_)
        | Event::RetryScheduled { .. }
        | Event::PauseBegun { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::CheckpointRequested { .. }
        | Event::CheckpointUndelivered
        | Event::ErrorRateExceeded(_)
        | Event::Restored { .. }
        | Event::Configured { .. }
        | Event::OutputPruned { .. }
        | Event::Removed { .. }
        | Event::Ended { .. } => json!({"action": event.name()}),
    }
}

fn sent(rung: Phase) -> Option<&'static str> {
    match rung {
        Phase::Terminated => Some("SIGTERM"),
        Phase::Killed => Some("SIGKILL"),
        Phase::Asked
        | Phase::Choosing
        | Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Waiting
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => None,
    }
}
