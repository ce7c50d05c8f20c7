//! Deadlines: when a wait, a rung of the stop ladder or a step of a pause is over.

use crate::event::StopCause;
use crate::moment::Moment;
use crate::pause::PauseStep;
use crate::phase::{Phase, Wanted};
use crate::run::{Run, Stop};
use crate::spec::Contract;

/// Looking for a checkpoint takes so long at most, before it is asked for again: reading back
/// the largest checkpoints takes minutes.
const CHOOSE_WAIT_MS: u64 = 600_000;

/// A shim starts a worker within this, or is asked what became of it.
const SPAWN_WAIT_MS: u64 = 60_000;

/// What a worker wrote while no daemon was there is read within this.
const CATCH_UP_MS: u64 = 30_000;

/// A shim freezes a worker within this, or is ordered to once more.
const FREEZE_WAIT_MS: u64 = 5_000;

pub(super) fn begin_stop(
    run: &mut Run,
    cause: StopCause,
    requested_by: Option<String>,
    rung: Phase,
    at: Moment,
) {
    let grace_ends_mono_ms = match &run.stop {
        Some(stop) => stop.grace_ends_mono_ms,
        None => {
            let policy = &run.spec.policy;
            let grace_ms = if cause == StopCause::Hung { policy.hang_grace_ms } else { policy.stop_grace_ms };
            at.mono_ms.saturating_add(grace_ms)
        }
    };
    run.stop = Some(Stop { cause, requested_by, grace_ends_mono_ms });
    if cause == StopCause::User {
        run.wanted = Wanted::Cancelled;
        run.pause = None;
    }
    if run.phase != rung {
        climb(run, rung, at);
    }
}

/// Sets the rung and its deadline. The grace as a whole was fixed when the stop began.
pub(super) fn climb(run: &mut Run, rung: Phase, at: Moment) {
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
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Waiting
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => None,
    };
}

/// When an order that was not answered is given again.
pub(super) fn order_deadline(phase: Phase, at: Moment) -> Option<u64> {
    let wait_ms = if phase == Phase::Choosing { CHOOSE_WAIT_MS } else { SPAWN_WAIT_MS };
    Some(at.mono_ms.saturating_add(wait_ms))
}

/// When a worker that starts has been silent for too long, counted from `at`; `None` = never.
pub(super) fn startup_deadline(run: &Run, at: Moment) -> Option<u64> {
    let timeout_ms = run.spec.policy.startup_timeout_ms;
    let is_limited = run.spec.contract == Contract::Pulse && timeout_ms > 0;
    is_limited.then(|| at.mono_ms.saturating_add(timeout_ms))
}

/// A new daemon watches the worker: what the worker said while nobody listened is heard first,
/// before a limit on its silence can count.
pub(super) fn catch_up(run: &mut Run, at: Moment) {
    if matches!(run.phase, Phase::Starting | Phase::Pausing | Phase::CoolingDown) {
        let earliest = at.mono_ms.saturating_add(CATCH_UP_MS);
        run.deadline_mono_ms = run.deadline_mono_ms.map(|due| due.max(earliest));
    }
}

/// After a reboot old monotonic times mean nothing: a wait is over, a grace too (the worker
/// is dead; should its end not be reported, the ladder goes on), other limits fall away.
pub(super) fn rebased_deadline(run: &Run, at: Moment) -> Option<u64> {
    match run.phase {
        Phase::Waiting => Some(at.mono_ms),
        Phase::Asked | Phase::Terminated | Phase::Killed => {
            Some(at.mono_ms.saturating_add(run.spec.policy.kill_wait_ms))
        }
        Phase::Choosing | Phase::Spawning => order_deadline(run.phase, at),
        Phase::Pausing => pause_deadline(run, at),
        Phase::Starting
        | Phase::Running
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => None,
    }
}

/// When the present step on the way to a pause is over.
pub(super) fn pause_deadline(run: &Run, at: Moment) -> Option<u64> {
    let policy = &run.spec.policy;
    let wait_ms = match run.pause_step()? {
        PauseStep::Asked => policy.pause_hold_ms,
        PauseStep::Freezing => FREEZE_WAIT_MS,
        PauseStep::Releasing => policy.pause_release_ms,
        PauseStep::Wanted | PauseStep::Held | PauseStep::Frozen | PauseStep::Released => return None,
    };
    Some(at.mono_ms.saturating_add(wait_ms))
}
