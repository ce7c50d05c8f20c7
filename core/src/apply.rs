//! Folding an event into a run: the only place where a run changes, live and at replay.

mod catalogue;
mod deadlines;
mod heard;
mod legal;
mod pause;

use deadlines::{
    begin_stop, catch_up, climb, order_deadline, pause_deadline, rebased_deadline, startup_deadline,
};
use heard::hear;

use crate::errors::ErrorWindow;
use crate::event::{Event, Record};
use crate::ids::Attempt;
use crate::moment::Moment;
use crate::pause::Pause;
use crate::phase::{Phase, Wanted};
use crate::policy::Overrides;
use crate::pulse::payload;
use crate::pulse::told::{Stamp, Told};
use crate::pulse::v2::Status;
use crate::retry::RetryState;
use crate::run::{Heard, Hung, OutputPruned, Run};
use crate::secret::shown_argv;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A worker that survives SIGKILL gets another one, and is told of, this often.
const UNKILLABLE_REPEAT_MS: u64 = 60_000;

/// A record that does not fit the run it is for: the ledger is damaged or a decision is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A run must begin with its acceptance, and only begin with it.
    #[error("seq {seq}: a run begins with its acceptance and has only one")]
    Acceptance {
        /// Place of the record.
        seq: u64,
    },
    /// Sequence numbers must be contiguous.
    #[error("seq {seq} follows seq {after}")]
    Gap {
        /// Place of the record.
        seq: u64,
        /// Place of the one before.
        after: u64,
    },
    /// The record is about another attempt than the present one.
    #[error("seq {seq}: the record is about attempt {found}, but attempt {expected} was due")]
    WrongAttempt {
        /// Place of the record.
        seq: u64,
        /// Attempt in the record.
        found: Attempt,
        /// Attempt that was due.
        expected: Attempt,
    },
    /// Nothing follows the removal of a run.
    #[error("seq {seq}: {event} follows the removal of the run")]
    Removed {
        /// Place of the record.
        seq: u64,
        /// Name of the event.
        event: &'static str,
    },
    /// The event is not possible in this phase.
    #[error("seq {seq}: {event} is not possible in phase {phase:?}")]
    Illegal {
        /// Place of the record.
        seq: u64,
        /// Name of the event.
        event: &'static str,
        /// Where the run was.
        phase: Phase,
    },
}

/// Begins a run from its first record.
///
/// # Errors
/// [`ApplyError::Acceptance`] if the record is not an acceptance with sequence number 1 and
/// attempt 0.
pub fn begin(record: &Record) -> Result<Run, ApplyError> {
    let Event::Accepted { spec, command_id, boot_id } = &record.event else {
        return Err(ApplyError::Acceptance { seq: record.seq });
    };
    if record.seq != 1 || record.attempt != Attempt(0) {
        return Err(ApplyError::Acceptance { seq: record.seq });
    }
    let mut run = Run {
        id: record.run_id.clone(),
        spec: Arc::new((**spec).clone()),
        argv_shown: shown_argv(spec).into(),
        command_id: command_id.clone(),
        boot_id: boot_id.clone(),
        phase: Phase::Choosing,
        wanted: Wanted::Finished,
        attempt: Attempt(0),
        seq: 1,
        status: Status::Idle,
        accepted_at: record.at,
        phase_since: record.at,
        started_at: None,
        ended_at: None,
        deadline_mono_ms: None,
        worker: None,
        stop: None,
        heard: Heard::default(),
        retry: RetryState::default(),
        last_failure: None,
        last_exit: None,
        reached: None,
        checkpoint: None,
        resumed_from: None,
        verified: Vec::new(),
        restore: None,
        set_aside: Vec::new(),
        pinned: BTreeSet::new(),
        refused: Vec::new(),
        lost_checkpoints: 0,
        overwritten: BTreeSet::new(),
        found_meanwhile: BTreeSet::new(),
        anew_since_unix_ms: None,
        candidates: Vec::new(),
        upto: 0,
        lost_to_reboot: false,
        ended_why: None,
        output_pruned: None,
        removed: false,
        pause: None,
        told_to_go_on: false,
        checkpoint_asked: false,
        hung: None,
        heartbeat_told_ms: 0,
        errors: ErrorWindow::default(),
        told: Told::default(),
    };
    tell(&mut run, record, Status::Idle);
    Ok(run)
}

/// Keeps what the world hears of the record that was just folded in.
fn tell(run: &mut Run, record: &Record, before: Status) {
    let (event_type, _, payload) = payload::of(record, before, run);
    let stamp = Stamp { attempt: record.attempt, seq: record.seq, unix_ms: record.unix_ms() };
    run.told.hear(stamp, Some(event_type), &payload);
}

/// Folds one record into the run.
///
/// # Errors
/// An [`ApplyError`]; the run is unchanged then.
pub fn apply(run: &mut Run, record: &Record) -> Result<(), ApplyError> {
    if record.seq != run.seq.saturating_add(1) {
        return Err(ApplyError::Gap { seq: record.seq, after: run.seq });
    }
    let begins = matches!(record.event, Event::AttemptBegun { .. });
    let expected = if begins { run.attempt.next() } else { run.attempt };
    if record.attempt != expected {
        return Err(ApplyError::WrongAttempt { seq: record.seq, found: record.attempt, expected });
    }
    if run.removed || !legal::is_legal(run, &record.event) {
        return Err(ApplyError::Illegal { seq: record.seq, event: record.event.name(), phase: run.phase });
    }
    let (phase_before, status_before) = (run.phase, run.status);
    fold(run, &record.event, record.at);
    run.seq = record.seq;
    if run.phase != phase_before {
        run.phase_since = record.at;
    }
    run.status = run.phase.status(run.status);
    tell(run, record, status_before);
    Ok(())
}

/// The run as it will be once `events` of one decision are applied: for what is decided after them.
pub(crate) fn preview(run: &Run, events: &[Event], at: Moment) -> Run {
    let mut after = run.clone();
    for event in events {
        fold(&mut after, event, at);
    }
    after
}

fn fold(run: &mut Run, event: &Event, at: Moment) {
    let policy = &run.spec.policy;
    match event {
        Event::Accepted { .. } => {}
        Event::AttemptBegun { requested_by, boot_id, restore, anew } => {
            begin_attempt(run, requested_by.is_some(), at);
            if *anew {
                catalogue::begin_anew(run, at);
            }
            if let Some(checkpoint) = restore {
                run.restore = Some((**checkpoint).clone());
            }
            if let Some(boot_id) = boot_id {
                run.boot_id.clone_from(boot_id);
            }
        }
        Event::CheckpointRefused(refusal) => {
            catalogue::refuse(run, refusal);
        }
        Event::SpawnOrdered { from, .. } => {
            run.phase = Phase::Spawning;
            run.deadline_mono_ms = order_deadline(Phase::Spawning, at);
            run.resumed_from.clone_from(from);
            run.restore = None;
            run.lost_checkpoints = 0;
            run.overwritten.clear();
            run.found_meanwhile.clear();
            run.reached = None;
            run.heartbeat_told_ms = policy.heartbeat_timeout_ms;
            run.errors.begin_attempt(from.as_ref().map_or(Some(0.0), |checkpoint| checkpoint.step));
            if let Some(checkpoint) = from {
                catalogue::remember(run, checkpoint);
            }
        }
        Event::WorkerStarted(worker) => {
            if run.phase == Phase::Spawning {
                run.phase = Phase::Starting;
                run.deadline_mono_ms = startup_deadline(run, at);
            }
            run.lost_to_reboot &= worker.boot_id != run.boot_id;
            run.worker = Some(worker.clone());
            run.started_at = Some(at);
        }
        Event::WorkerReady { spoke } => {
            run.phase = Phase::Running;
            run.deadline_mono_ms = None;
            run.heard.spoke |= spoke;
        }
        Event::WorkerSpoke => run.heard.spoke = true,
        Event::CoolingBegun => {
            let timeout_ms = policy.cooldown_timeout_ms;
            pause::drop_pause(run);
            run.phase = Phase::CoolingDown;
            run.deadline_mono_ms = Some(at.mono_ms.saturating_add(timeout_ms));
        }
        Event::Said { word, upto, at_units, .. } => {
            run.upto = *upto;
            hear(run, word, *at_units);
            run.errors.hear(&run.spec.policy.errors, word, *at_units);
            // A worker that talks while it loads is not silent.
            if run.phase == Phase::Starting && run.deadline_mono_ms.is_some() {
                run.deadline_mono_ms = startup_deadline(run, at);
            }
        }
        Event::CheckpointVerified(checkpoint) => {
            catalogue::verify(run, checkpoint);
        }
        Event::CheckpointPruned { path } => catalogue::pruned(run, path),
        Event::CheckpointPinned { path, pinned, .. } => catalogue::pin(run, path, *pinned),
        Event::CheckpointsDoubted { checkpoints, cause } => catalogue::doubt(run, checkpoints, cause),
        Event::StopBegun { cause, requested_by, rung } => {
            begin_stop(run, *cause, requested_by.clone(), *rung, at);
        }
        Event::Escalated { rung } => climb(run, *rung, at),
        Event::StillAlive => run.deadline_mono_ms = Some(at.mono_ms.saturating_add(UNKILLABLE_REPEAT_MS)),
        Event::Adopted => catch_up(run, at),
        Event::OrderRepeated => {
            run.found_meanwhile.clear();
            let pausing = run.phase == Phase::Pausing;
            run.deadline_mono_ms =
                if pausing { pause_deadline(run, at) } else { order_deadline(run.phase, at) };
        }
        Event::WorkerExited { exit, reached } => {
            run.worker = None;
            run.deadline_mono_ms = None;
            run.last_exit = Some(*exit);
            run.checkpoint_asked = false;
            if let Some(reached) = reached {
                run.errors.advance(&run.spec.policy.errors, reached.done);
            }
            run.reached = *reached;
        }
        Event::Failed(failure) => {
            run.worker = None;
            let failed_at = run.failed_at(run.reached.as_ref());
            run.retry.note_failure(&failure.code, failed_at, failure.was_healthy);
            run.last_failure = Some(failure.clone());
        }
        Event::RetryScheduled { delay_ms, counted } => {
            if *counted {
                run.retry.note_retry(&policy.retry, at.mono_ms);
            }
            run.phase = Phase::Waiting;
            run.stop = None;
            run.deadline_mono_ms = Some(at.mono_ms.saturating_add(*delay_ms));
        }
        Event::Ended { phase, why } => {
            run.phase = *phase;
            run.worker = None;
            run.deadline_mono_ms = None;
            if run.wanted == Wanted::Paused {
                run.wanted = Wanted::Finished;
            }
            run.pause = None;
            run.restore = None;
            run.ended_at = Some(at);
            run.ended_why = Some(*why);
        }
        Event::Rebooted { boot_id } => {
            run.boot_id.clone_from(boot_id);
            run.lost_to_reboot = true;
            run.retry.rebase(at.mono_ms);
            run.deadline_mono_ms = rebased_deadline(run, at);
            if let Some(stop) = &mut run.stop {
                stop.grace_ends_mono_ms = stop.grace_ends_mono_ms.min(at.mono_ms);
            }
        }
        Event::PauseBegun { cause, requested_by, release, step } => {
            let (cause, release, step) = (*cause, *release, *step);
            let requested_by = requested_by.clone();
            pause::begin(run, Pause { cause, requested_by, release, step, asked_again: false }, at);
        }
        Event::PauseEscalated { step } => pause::escalate(run, *step, at),
        Event::Paused { step } => pause::reach(run, *step, at),
        Event::Resumed { .. } => pause::resume(run, at),
        Event::CheckpointRequested { .. } => run.checkpoint_asked = true,
        Event::CheckpointUndelivered => run.checkpoint_asked = false,
        Event::Hung { what, silent_for_ms } => {
            run.hung = Some(Hung { what: *what, silent_for_ms: *silent_for_ms });
        }
        Event::Restored { checkpoint, set_aside: newer } => catalogue::restore(run, checkpoint, newer),
        Event::Configured { changes, .. } => configure(run, changes, at),
        Event::OutputPruned { upto, requested_by, .. } => {
            let by = requested_by.clone();
            run.output_pruned = Some(OutputPruned { upto: *upto, at_unix_ms: at.unix_ms, by });
        }
        Event::Removed { .. } => run.removed = true,
        // What it leads to is an event of its own.
        Event::ErrorRateExceeded(_) => {}
    }
}

fn configure(run: &mut Run, changes: &Overrides, at: Moment) {
    let spec = Arc::make_mut(&mut run.spec);
    spec.policy = changes.over(spec.policy.clone());
    if changes.error_window.is_some() {
        // What was counted was counted in pieces of another size.
        run.errors.clear();
    }
    if run.phase == Phase::Spawning {
        // Should the order be given again, the worker is told the new limit: it may know either.
        run.heartbeat_told_ms = run.heartbeat_told_ms.max(run.spec.policy.heartbeat_timeout_ms);
    }
    if run.phase == Phase::Starting && changes.startup_timeout_ms.is_some() {
        run.deadline_mono_ms = startup_deadline(run, at);
    }
}

/// Clears everything that was known of the worker before: what an old worker said must
/// never be held against a new one.
fn begin_attempt(run: &mut Run, by_user: bool, at: Moment) {
    if by_user {
        run.retry.wipe();
        run.errors.clear();
    }
    run.attempt = run.attempt.next();
    run.phase = Phase::Choosing;
    run.wanted = Wanted::Finished;
    run.deadline_mono_ms = order_deadline(Phase::Choosing, at);
    run.worker = None;
    run.started_at = None;
    run.ended_at = None;
    run.ended_why = None;
    run.stop = None;
    run.heard = Heard::default();
    run.upto = 0;
    run.lost_to_reboot = false;
    run.pause = None;
    run.told_to_go_on = false;
    run.checkpoint_asked = false;
    run.hung = None;
    run.found_meanwhile.clear();
}
