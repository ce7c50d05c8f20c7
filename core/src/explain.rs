//! One sentence per event, with its why: what `resus why` and `resus events` print.
//!
//! Texts of workers and of the system pass through [`one_line`]: they are shown on terminals.

mod because;
mod checkpoints;
mod settings;

pub(crate) use settings::settings;

use crate::errors::Exceeded;
use crate::event::{Event, Failure, Record, StopCause, Why};
use crate::failure::signal_name;
use crate::ids::Attempt;
use crate::input::{CheckpointRef, Exit};
use crate::pause::{PauseCause, PauseStep};
use crate::phase::Phase;
use crate::pulse::payload::failures;
use crate::pulse::word::{Outcome, Word};
use crate::run::Run;
use crate::secret::shown_argv;
use crate::spec::{Resume, Spec};
use crate::text::one_line;
use because::because;

/// Longest foreign text within a sentence, in bytes.
const QUOTE_BYTES_MAX: usize = 200;

/// What happened and why, in one sentence without its full stop. `run` is the state after the
/// event.
#[must_use]
pub fn sentence(record: &Record, run: &Run) -> String {
    let attempt = record.attempt;
    match &record.event {
        Event::Accepted { spec, .. } => accepted(spec),
        Event::AttemptBegun { requested_by, restore, anew, .. } => {
            begun(record, requested_by.as_deref(), restore.as_deref(), *anew)
        }
        Event::CheckpointRefused(refusal) => checkpoints::refused(refusal),
        Event::SpawnOrdered { from, lost } => ordered(record, from.as_ref(), *lost, run),
        Event::WorkerStarted(worker) => {
            format!("the worker of attempt {attempt} was started (pid {})", worker.pid)
        }
        Event::WorkerReady { spoke } => ready(*spoke).to_owned(),
        Event::WorkerSpoke => "the worker speaks PULSE: from now on its words count".to_owned(),
        Event::CoolingBegun => "the worker said that it is complete; its exit is awaited".to_owned(),
        Event::Said { word, .. } => said(word),
        Event::CheckpointVerified(checkpoint) => checkpoints::verified(checkpoint),
        Event::CheckpointPruned { path } => checkpoints::pruned(path, record.why, run),
        Event::CheckpointPinned { checkpoint_id, pinned, requested_by, .. } => {
            checkpoints::pinned(checkpoint_id, *pinned, requested_by)
        }
        Event::CheckpointsDoubted { checkpoints, cause } => checkpoints::doubted(checkpoints, cause, run),
        Event::StopBegun { cause, requested_by, rung } => {
            stopped(record, *cause, requested_by.as_deref(), *rung, run)
        }
        Event::Escalated { rung } => escalated(*rung, record.why),
        Event::StillAlive => {
            "the worker survives SIGKILL: it hangs in the kernel; it was killed again".to_owned()
        }
        Event::WorkerExited { exit, .. } => format!("the worker of attempt {attempt} ended {}", how(exit)),
        Event::Failed(failure) => failed(record, failure),
        Event::RetryScheduled { delay_ms, counted } => retried(run, *delay_ms, *counted),
        Event::Ended { phase, why } => ended(*phase, *why, run),
        Event::Adopted => "another daemon watches the worker now".to_owned(),
        Event::OrderRepeated if record.why == Why::CheckpointSearched => {
            "a checkpoint was read back after the search for one: it is looked for once more".to_owned()
        }
        Event::OrderRepeated => "an order was not answered in time and was given again".to_owned(),
        Event::Rebooted { .. } => "the machine was restarted: nothing that ran before is alive".to_owned(),
        Event::PauseBegun { cause, requested_by, step, .. } => {
            let asked = paused_for(*cause, requested_by.as_deref());
            format!("the run is to pause: {asked}; {}", stepped(*step))
        }
        Event::PauseEscalated { step } => format!("{}: {}", stepped(*step), because(record.why)),
        Event::Paused { step } => format!("the run is paused: {}", stepped(*step)),
        Event::Resumed { requested_by } => format!("the run was resumed by {}", by(requested_by.as_deref())),
        Event::CheckpointRequested { requested_by } => {
            format!("the worker was asked for a checkpoint by {}", quote(requested_by))
        }
        Event::CheckpointUndelivered => {
            "the worker could not be asked for a checkpoint: it does not listen".to_owned()
        }
        Event::Hung { what, silent_for_ms } => {
            format!("attempt {attempt} hangs: no {} for {} s", what.as_str(), silent_for_ms / 1000)
        }
        Event::Restored { checkpoint, set_aside } => checkpoints::restored(checkpoint, set_aside.len()),
        Event::Configured { changes, requested_by } => {
            format!("{} changed settings: {}", by(Some(requested_by)), settings(changes))
        }
        Event::ErrorRateExceeded(exceeded) => too_much_failed(exceeded, run),
        Event::OutputPruned { upto, requested_by, reason } => {
            output_pruned(*upto, requested_by, reason.as_deref())
        }
        Event::Removed { requested_by, reason, .. } => removed(requested_by, reason.as_deref()),
    }
}

fn ready(spoke: bool) -> &'static str {
    match spoke {
        true => "the worker is ready: it gave its first sign of life",
        false => "the worker is ready: any program is as soon as it runs",
    }
}

fn escalated(rung: Phase, why: Why) -> String {
    let killed = "everything the worker started was killed";
    let act = if rung == Phase::Killed { killed } else { "the worker was sent SIGTERM" };
    format!("{act}: {}", because(why))
}

fn output_pruned(upto: Attempt, requested_by: &str, reason: Option<&str>) -> String {
    let by = by(Some(requested_by));
    format!("the output of attempt {upto} and those before it was pruned by {by}{}", said_why(reason))
}

fn removed(requested_by: &str, reason: Option<&str>) -> String {
    format!("the run was removed by {}{}", by(Some(requested_by)), said_why(reason))
}

fn said_why(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {}", quote(reason)))
}

fn begun(record: &Record, requested_by: Option<&str>, restore: Option<&CheckpointRef>, anew: bool) -> String {
    let why = match (restore, requested_by) {
        (None, _) if anew => {
            format!("{} wants to begin anew; what was saved is set aside", by(requested_by))
        }
        (Some(checkpoint), _) => {
            format!("{} wants to go on from checkpoint {}", by(requested_by), id(checkpoint))
        }
        (None, Some(by)) => format!("{} asked for a retry", quote(by)),
        (None, None) => because(record.why).to_owned(),
    };
    format!("attempt {} was begun: {why}", record.attempt)
}

fn too_much_failed(exceeded: &Exceeded, run: &Run) -> String {
    let allowed = f64::from(run.spec.policy.errors.max_share_permille) / 10.0;
    format!("too much of the work failed (more than {allowed} %): {}", failures(exceeded))
}

fn paused_for(cause: PauseCause, requested_by: Option<&str>) -> String {
    match cause {
        PauseCause::User => format!("{} asked for it", by(requested_by)),
        PauseCause::ErrorRate => "too much of the work failed".to_owned(),
    }
}

fn accepted(spec: &Spec) -> String {
    format!("the run was accepted: {}", quote(&shown_argv(spec).join(" ")))
}

fn quote(text: &str) -> String {
    one_line(text, QUOTE_BYTES_MAX)
}

fn by(requested_by: Option<&str>) -> String {
    requested_by.filter(|by| !by.is_empty()).map_or_else(|| "somebody".to_owned(), quote)
}

fn id(checkpoint: &CheckpointRef) -> String {
    let id = quote(&checkpoint.checkpoint_id);
    checkpoint.step.map_or(id.clone(), |step| format!("{id} (at {step})"))
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{:.1} s", ms as f64 / 1000.0) }
}

fn ordered(record: &Record, from: Option<&CheckpointRef>, lost: Option<f64>, run: &Run) -> String {
    let attempt = record.attempt;
    let from = match from {
        Some(checkpoint) => format!("from checkpoint {}", id(checkpoint)),
        None if run.spec.resume == Resume::Never => {
            "from the beginning: the run is never to resume".to_owned()
        }
        None if run.verified.is_empty() => "from the beginning: there is no checkpoint".to_owned(),
        None => "from the beginning: no checkpoint is to be used".to_owned(),
    };
    let lost = match lost {
        Some(lost) if lost > 0.0 => format!("; {lost} units of work are lost"),
        Some(_) | None => String::new(),
    };
    format!("the worker of attempt {attempt} was ordered to start {from}{lost}")
}

fn said(word: &Word) -> String {
    match word {
        Word::Status { status, message } if message.is_empty() => {
            format!("the worker says that it is {status}")
        }
        Word::Status { status, message } => {
            format!("the worker says that it is {status}: {}", quote(message))
        }
        Word::Error(error) => {
            let times = if error.count > 1 { format!(" ({} times)", error.count) } else { String::new() };
            format!("the worker reports {}{times}: {}", error.error_code, quote(&error.message))
        }
        Word::StageChange { new_stage, .. } => format!("the worker entered the stage {}", quote(new_stage)),
        Word::TargetStart { target, .. } => format!("the worker began the target {}", quote(target)),
        Word::TargetComplete { target, status, .. } => {
            format!("the worker finished the target {}: {}", quote(target), outcome(*status))
        }
        Word::RunComplete { status, .. } => {
            format!("the worker says that the training is over: {}", outcome(*status))
        }
        Word::CheckpointSaved(checkpoint) => format!("the worker saved checkpoint {}", id(checkpoint)),
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
        Outcome::Cancelled => "cancelled",
    }
}

fn stopped(record: &Record, cause: StopCause, requested_by: Option<&str>, rung: Phase, run: &Run) -> String {
    let attempt = record.attempt;
    let act = match rung {
        Phase::Killed => "was killed",
        Phase::Terminated if cause == StopCause::User && !run.can_be_asked() => {
            "can't be asked to leave and was sent SIGTERM"
        }
        Phase::Terminated => "was sent SIGTERM",
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
        | Phase::Cancelled => "was asked to save a checkpoint and leave",
    };
    let because = match (cause, run.hung) {
        (StopCause::User, _) => format!("{} wants the run to end", by(requested_by)),
        (StopCause::StartupTimeout, _) => {
            let limit = seconds(run.spec.policy.startup_timeout_ms);
            format!("it said nothing for {limit} while it was starting")
        }
        (StopCause::CooldownTimeout, _) => {
            let limit = seconds(run.spec.policy.cooldown_timeout_ms);
            format!("it did not exit within {limit} after it had said that it is complete")
        }
        (StopCause::Hung, Some(hung)) => {
            format!("no {} for {} s", hung.what.as_str(), hung.silent_for_ms / 1000)
        }
        (StopCause::Hung, None) => "it was silent for too long".to_owned(),
        (StopCause::Release, _) => "it did not leave for the pause, or can't be asked to".to_owned(),
    };
    format!("attempt {attempt} {act}: {because}")
}

fn how(exit: &Exit) -> String {
    match (exit.code, exit.signal) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(number)) => format!("by {}", signal_name(number)),
        (None, None) => "unseen: nobody knows how".to_owned(),
    }
}

fn failed(record: &Record, failure: &Failure) -> String {
    let attempt = record.attempt;
    let next = if failure.retried { "" } else { "; it is not retried" };
    format!("attempt {attempt} failed: {}: {}{next}", failure.code, quote(&failure.message))
}

fn retried(run: &Run, delay_ms: u64, counted: bool) -> String {
    let (failures, max) = (run.failures(), run.spec.policy.retry.max);
    let budget = if counted { format!("{failures} of {max}") } else { "free of the budget".to_owned() };
    let code = run.last_failure.as_ref().map_or("UNKNOWN", |failure| failure.code.as_str());
    format!("{code} is retried in {} ({budget})", seconds(delay_ms))
}

fn ended(phase: Phase, why: Why, run: &Run) -> String {
    let end = match phase {
        Phase::Done => "the run is done",
        Phase::Cancelled => "the run was cancelled",
        Phase::Failed
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
        | Phase::Waiting => "the run failed",
    };
    match run.stop.as_ref().and_then(|stop| stop.requested_by.as_deref()) {
        Some(who) if phase == Phase::Cancelled => format!("{end}: {} asked for it", by(Some(who))),
        Some(_) | None => format!("{end}: {}", because(why)),
    }
}

fn stepped(step: PauseStep) -> &'static str {
    match step {
        PauseStep::Wanted => "it begins when the worker is ready",
        PauseStep::Asked => "the worker was asked to save a checkpoint and hold",
        PauseStep::Freezing => "the worker is being frozen",
        PauseStep::Releasing => "the worker is to save a checkpoint and leave",
        PauseStep::Held => "the worker holds",
        PauseStep::Frozen => "the worker is frozen",
        PauseStep::Released => "there is no worker",
    }
}
