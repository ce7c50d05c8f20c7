//! The way into a pause and out of it.

use super::deadlines::pause_deadline;
use crate::moment::Moment;
use crate::pause::{Pause, PauseCause, PauseStep};
use crate::phase::{Phase, Wanted};
use crate::run::Run;

/// A pause is wanted; or one under way is to go further.
pub(super) fn begin(run: &mut Run, wish: Pause, at: Moment) {
    // What began the pause stays its cause: a user who then wants the worker to leave did not
    // make the errors go away.
    let cause = run.pause.as_ref().map_or(wish.cause, |pause| pause.cause);
    // Asking again never extends a wait.
    let goes_on = run.pause_step() != Some(wish.step);
    run.wanted = Wanted::Paused;
    run.pause = Some(Pause { cause, ..wish });
    if goes_on && matches!(run.phase, Phase::Running | Phase::Pausing | Phase::Paused) {
        run.phase = Phase::Pausing;
        run.deadline_mono_ms = pause_deadline(run, at);
    }
}

/// A further step on the way.
pub(super) fn escalate(run: &mut Run, step: PauseStep, at: Moment) {
    if let Some(pause) = &mut run.pause {
        pause.asked_again |= run.phase == Phase::Paused;
        pause.step = step;
    }
    run.phase = Phase::Pausing;
    run.deadline_mono_ms = pause_deadline(run, at);
}

/// The pause is reached. A run that was resumed while its worker was leaving goes on at once.
pub(super) fn reach(run: &mut Run, step: PauseStep, at: Moment) {
    if run.wanted == Wanted::Finished {
        go_on_without_worker(run, at);
        return;
    }
    if let Some(pause) = &mut run.pause {
        pause.step = step;
    }
    run.phase = Phase::Paused;
    run.stop = None;
    run.deadline_mono_ms = None;
}

/// The pause is over.
pub(super) fn resume(run: &mut Run, at: Moment) {
    run.wanted = Wanted::Finished;
    let Some(pause) = &run.pause else { return };
    // The user has seen what failed.
    if pause.cause == PauseCause::ErrorRate {
        run.errors.clear();
    }
    match pause.step {
        PauseStep::Wanted => run.pause = None,
        // The worker is leaving: the pause is over when it has left.
        PauseStep::Releasing => {}
        PauseStep::Asked | PauseStep::Freezing | PauseStep::Held | PauseStep::Frozen => {
            run.pause = None;
            run.phase = Phase::Running;
            run.deadline_mono_ms = None;
            run.told_to_go_on = true;
        }
        PauseStep::Released => go_on_without_worker(run, at),
    }
}

/// The worker said that it is complete: there is nothing left to pause.
pub(super) fn drop_pause(run: &mut Run) {
    run.told_to_go_on |= matches!(run.phase, Phase::Pausing | Phase::Paused);
    run.pause = None;
    run.wanted = Wanted::Finished;
}

/// Another attempt is due at once, like a retry without a wait.
fn go_on_without_worker(run: &mut Run, at: Moment) {
    run.pause = None;
    run.stop = None;
    run.phase = Phase::Waiting;
    run.deadline_mono_ms = Some(at.mono_ms);
}
