//! Folding an event into a run: the only place where a run changes, live and at replay.

mod legal;

use crate::event::{Event, Record, StopCause};
use crate::ids::Attempt;
use crate::input::CheckpointRef;
use crate::moment::Moment;
use crate::phase::{Phase, Wanted};
use crate::pulse::v2::Status;
use crate::pulse::word::Word;
use crate::retry::RetryState;
use crate::run::{Complete, Heard, Run, Stop};
use crate::spec::Contract;
use std::sync::Arc;

/// Most candidates remembered per run: a worker that announces checkpoints faster than they
/// can be read back loses the oldest announcements, not memory.
const CANDIDATES_MAX: usize = 16;

/// Most verified checkpoints remembered per run. Retention keeps far fewer; should it fail to
/// delete, the oldest are forgotten here and stay on the disk.
const VERIFIED_MAX: usize = 1000;

/// Looking for a checkpoint takes so long at most, before it is asked for again: reading back
/// the largest checkpoints takes minutes.
const CHOOSE_WAIT_MS: u64 = 600_000;

/// A shim starts a worker within this, or is asked what became of it.
const SPAWN_WAIT_MS: u64 = 60_000;

/// What a worker wrote while no daemon was there is read within this.
const CATCH_UP_MS: u64 = 30_000;

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
    Ok(Run {
        id: record.run_id.clone(),
        spec: Arc::new((**spec).clone()),
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
        candidates: Vec::new(),
        upto: 0,
        lost_to_reboot: false,
        ended_why: None,
    })
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
    if !legal::is_legal(run, &record.event) {
        return Err(ApplyError::Illegal { seq: record.seq, event: record.event.name(), phase: run.phase });
    }
    let phase_before = run.phase;
    fold(run, &record.event, record.at);
    run.seq = record.seq;
    if run.phase != phase_before {
        run.phase_since = record.at;
    }
    run.status = run.phase.status(run.status);
    Ok(())
}

fn fold(run: &mut Run, event: &Event, at: Moment) {
    let policy = &run.spec.policy;
    match event {
        Event::Accepted { .. } => {}
        Event::AttemptBegun { requested_by, boot_id } => {
            begin_attempt(run, requested_by.is_some(), at);
            if let Some(boot_id) = boot_id {
                run.boot_id.clone_from(boot_id);
            }
        }
        Event::CheckpointRefused(refusal) => {
            forget(run, &refusal.checkpoint.path);
        }
        Event::SpawnOrdered { from, .. } => {
            run.phase = Phase::Spawning;
            run.deadline_mono_ms = Some(at.mono_ms.saturating_add(SPAWN_WAIT_MS));
            run.resumed_from.clone_from(from);
            run.reached = None;
            if let Some(checkpoint) = from {
                remember(run, checkpoint);
            }
        }
        Event::WorkerStarted(worker) => {
            if run.phase == Phase::Spawning {
                run.phase = Phase::Starting;
                let timeout_ms = policy.startup_timeout_ms;
                run.deadline_mono_ms = (run.spec.contract == Contract::Pulse && timeout_ms > 0)
                    .then(|| at.mono_ms.saturating_add(timeout_ms));
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
            run.phase = Phase::CoolingDown;
            run.deadline_mono_ms = Some(at.mono_ms.saturating_add(policy.cooldown_timeout_ms));
        }
        Event::Said { word, upto, .. } => {
            run.upto = *upto;
            hear(run, word);
            // A worker that talks while it loads is not silent.
            if run.phase == Phase::Starting && run.deadline_mono_ms.is_some() {
                run.deadline_mono_ms = Some(at.mono_ms.saturating_add(run.spec.policy.startup_timeout_ms));
            }
        }
        Event::CheckpointVerified(checkpoint) => {
            run.candidates.retain(|c| c.path != checkpoint.path);
            remember(run, checkpoint);
        }
        Event::CheckpointPruned { path } => forget(run, path),
        Event::StopBegun { cause, requested_by, rung } => {
            begin_stop(run, *cause, requested_by.clone(), *rung, at);
        }
        Event::Escalated { rung } => climb(run, *rung, at),
        Event::StillAlive => run.deadline_mono_ms = Some(at.mono_ms.saturating_add(UNKILLABLE_REPEAT_MS)),
        Event::Adopted => catch_up(run, at),
        Event::OrderRepeated => run.deadline_mono_ms = order_deadline(run.phase, at),
        Event::WorkerExited { exit, reached } => {
            run.worker = None;
            run.deadline_mono_ms = None;
            run.last_exit = Some(*exit);
            run.reached = *reached;
        }
        Event::Failed(failure) => {
            run.worker = None;
            run.retry.note_failure(&failure.code, failure.was_healthy);
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
    }
}

/// Clears everything that was known of the worker before: what an old worker said must
/// never be held against a new one.
fn begin_attempt(run: &mut Run, by_user: bool, at: Moment) {
    if by_user {
        run.retry.wipe();
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
}

fn begin_stop(run: &mut Run, cause: StopCause, requested_by: Option<String>, rung: Phase, at: Moment) {
    let grace_ends_mono_ms = match &run.stop {
        Some(stop) => stop.grace_ends_mono_ms,
        None => at.mono_ms.saturating_add(run.spec.policy.stop_grace_ms),
    };
    run.stop = Some(Stop { cause, requested_by, grace_ends_mono_ms });
    if cause == StopCause::User {
        run.wanted = Wanted::Cancelled;
    }
    if run.phase != rung {
        climb(run, rung, at);
    }
}

/// Sets the rung and its deadline. The grace as a whole was fixed when the stop began.
fn climb(run: &mut Run, rung: Phase, at: Moment) {
    let policy = &run.spec.policy;
    let grace_ends = run.stop.as_ref().map_or(at.mono_ms, |stop| stop.grace_ends_mono_ms);
    run.phase = rung;
    run.deadline_mono_ms = match rung {
        // At most half of what is left: SIGTERM must leave time to save, too.
        Phase::Asked => {
            let half_ms = grace_ends.saturating_sub(at.mono_ms) / 2;
            Some(at.mono_ms.saturating_add(policy.ask_wait_ms.min(half_ms)))
        }
        Phase::Terminated => Some(grace_ends),
        Phase::Killed => Some(at.mono_ms.saturating_add(policy.kill_wait_ms)),
        Phase::Choosing
        | Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::CoolingDown
        | Phase::Waiting
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => None,
    };
}

/// When an order that was not answered is given again.
fn order_deadline(phase: Phase, at: Moment) -> Option<u64> {
    let wait_ms = if phase == Phase::Choosing { CHOOSE_WAIT_MS } else { SPAWN_WAIT_MS };
    Some(at.mono_ms.saturating_add(wait_ms))
}

/// A new daemon watches the worker: what the worker said while nobody listened is heard first,
/// before a limit on its silence can count.
fn catch_up(run: &mut Run, at: Moment) {
    if matches!(run.phase, Phase::Starting | Phase::CoolingDown) {
        let earliest = at.mono_ms.saturating_add(CATCH_UP_MS);
        run.deadline_mono_ms = run.deadline_mono_ms.map(|due| due.max(earliest));
    }
}

/// A checkpoint that is damaged or gone.
fn forget(run: &mut Run, path: &str) {
    run.candidates.retain(|c| c.path != path);
    run.verified.retain(|c| c.path != path);
    if run.checkpoint.as_ref().is_some_and(|c| c.path == path) {
        run.checkpoint = run.verified.last().cloned();
    }
}

/// A checkpoint that was read back a moment ago: the newest of the catalogue.
fn remember(run: &mut Run, checkpoint: &CheckpointRef) {
    run.verified.retain(|c| c.path != checkpoint.path);
    run.verified.push(checkpoint.clone());
    if run.verified.len() > VERIFIED_MAX {
        run.verified.remove(0);
    }
    run.checkpoint = Some(checkpoint.clone());
}

/// After a reboot old monotonic times mean nothing: a wait is over, a grace too (the worker
/// is dead; should its end not be reported, the ladder goes on), other limits fall away.
fn rebased_deadline(run: &Run, at: Moment) -> Option<u64> {
    match run.phase {
        Phase::Waiting => Some(at.mono_ms),
        Phase::Asked | Phase::Terminated | Phase::Killed => {
            Some(at.mono_ms.saturating_add(run.spec.policy.kill_wait_ms))
        }
        Phase::Choosing | Phase::Spawning => order_deadline(run.phase, at),
        Phase::Starting
        | Phase::Running
        | Phase::CoolingDown
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => None,
    }
}

fn hear(run: &mut Run, word: &Word) {
    run.heard.spoke = true;
    run.heard.error_was_last = match word {
        Word::Error(_) => true,
        Word::RunComplete { .. } => run.heard.error_was_last,
        Word::Status { .. }
        | Word::StageChange { .. }
        | Word::TargetStart { .. }
        | Word::TargetComplete { .. }
        | Word::CheckpointSaved(_) => false,
    };
    match word {
        Word::Status { message, .. } => run.heard.message.clone_from(message),
        Word::Error(error) => run.heard.error = Some(error.clone()),
        Word::StageChange { new_stage, .. } => run.heard.stage = Some(new_stage.clone()),
        Word::TargetStart { .. } | Word::TargetComplete { .. } => {}
        Word::RunComplete { status, final_loss, metrics, message } => {
            run.heard.complete = Some(Complete {
                outcome: *status,
                final_loss: *final_loss,
                metrics: metrics.clone(),
                message: message.clone(),
            });
        }
        Word::CheckpointSaved(checkpoint) => {
            run.candidates.retain(|c| c.path != checkpoint.path);
            run.candidates.push(checkpoint.clone());
            if run.candidates.len() > CANDIDATES_MAX {
                run.candidates.remove(0);
            }
        }
    }
}
