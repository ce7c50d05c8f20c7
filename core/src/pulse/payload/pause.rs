//! What the world hears of a pause, and of what leads to one.

use super::status;
use crate::errors::Exceeded;
use crate::event::{Event, Record};
use crate::pause::PauseStep;
use crate::pulse::v2::Status;
use crate::run::Run;
use serde_json::{Map, Value, json};

/// A status event: where the run is, why, and who wants it so.
pub(super) fn status_of(record: &Record, before: Status, run: &Run) -> Value {
    let why = record.why.code();
    let (reason, message, by) = match &record.event {
        Event::PauseBegun { cause, requested_by, release, step } => {
            (cause.code().to_owned(), begun(*step, *release), requested_by.clone())
        }
        Event::Paused { step } => {
            let pause = run.pause.as_ref();
            let reason = pause.map_or(why, |pause| pause.cause.code().to_owned());
            (reason, reached(*step).to_owned(), pause.and_then(|pause| pause.requested_by.clone()))
        }
        Event::Resumed { requested_by } => ("RESUMED".to_owned(), "resumed".to_owned(), requested_by.clone()),
        Event::CheckpointRequested { requested_by } => {
            (why, "asked the worker for a checkpoint".to_owned(), Some(requested_by.clone()))
        }
        Event::CheckpointUndelivered => {
            (why, "the worker does not listen: it could not be asked for a checkpoint".to_owned(), None)
        }
        Event::Accepted { .. }
        | Event::AttemptBegun { .. }
        | Event::CheckpointRefused(_)
        | Event::SpawnOrdered { .. }
        | Event::WorkerStarted(_)
        | Event::WorkerReady { .. }
        | Event::WorkerSpoke
        | Event::CoolingBegun
        | Event::Said { .. }
        | Event::CheckpointVerified(_)
        | Event::CheckpointPruned { .. }
        | Event::CheckpointPinned { .. }
        | Event::CheckpointsDoubted { .. }
        | Event::StopBegun { .. }
        | Event::Escalated { .. }
        | Event::StillAlive
        | Event::WorkerExited { .. }
        | Event::Failed(_)
        | Event::RetryScheduled { .. }
        | Event::Ended { .. }
        | Event::Adopted
        | Event::OrderRepeated
        | Event::Rebooted { .. }
        | Event::PauseEscalated { .. }
        | Event::Hung { .. }
        | Event::Restored { .. }
        | Event::Configured { .. }
        | Event::OutputPruned { .. }
        | Event::Removed { .. }
        | Event::ErrorRateExceeded(_) => (why, String::new(), None),
    };
    let mut extra = Map::new();
    if let Some(by) = by {
        extra.insert("requested_by".to_owned(), by.into());
    }
    status(before, run, &reason, &message, extra)
}

fn begun(step: PauseStep, release: bool) -> String {
    let what = match step {
        PauseStep::Wanted if release => "pausing as soon as the worker is ready, which then leaves",
        PauseStep::Wanted => "pausing as soon as the worker is ready",
        PauseStep::Asked => "pausing: asked the worker to save a checkpoint and hold",
        PauseStep::Freezing => "pausing: freezing the worker",
        PauseStep::Releasing => "pausing: the worker is to save a checkpoint and leave",
        PauseStep::Held | PauseStep::Frozen | PauseStep::Released => reached(step),
    };
    what.to_owned()
}

fn reached(step: PauseStep) -> &'static str {
    match step {
        PauseStep::Held => "paused: the worker holds",
        PauseStep::Frozen => "paused: the worker is frozen",
        PauseStep::Released => "paused: without a worker",
        PauseStep::Wanted | PauseStep::Asked | PauseStep::Freezing | PauseStep::Releasing => "pausing",
    }
}

/// An error event of the supervisor: too much failed, and what.
pub(super) fn error_rate(exceeded: &Exceeded) -> Value {
    json!({
        "error_code": "ERROR_RATE_EXCEEDED", "message": failures(exceeded),
        "is_retryable": true, "fatal": false, "count": 1, "details": exceeded,
    })
}

/// What failed, e.g. `12 of the last 1000 units failed: 9 × CUDA_OOM, 3 × TARGET_FAILED`.
pub(crate) fn failures(exceeded: &Exceeded) -> String {
    let kinds: Vec<_> =
        exceeded.pattern.iter().map(|kind| format!("{} × {}", kind.count, kind.code)).collect();
    let kinds = kinds.join(", ");
    let Exceeded { failed, attempted, .. } = exceeded;
    // A worker that reports no progress, or less than fails, does not tell of how many.
    if attempted < failed {
        return format!("{failed} units failed: {kinds}");
    }
    format!("{failed} of the last {attempted} units failed: {kinds}")
}
