//! Which event is possible where: a ledger that says otherwise is damaged.

use crate::event::{Event, StopCause};
use crate::ids::Attempt;
use crate::pause::PauseStep;
use crate::phase::{Phase, Wanted};
use crate::run::Run;

/// Whether the event is possible where the run is.
pub(super) fn is_legal(run: &Run, event: &Event) -> bool {
    use Phase::{
        Asked, Choosing, CoolingDown, Paused, Pausing, Running, Spawning, Starting, Terminated, Waiting,
    };
    let phase = run.phase;
    match event {
        Event::Accepted { .. } => false,
        Event::AttemptBegun { .. } => {
            matches!(phase, Waiting | Phase::Failed | Phase::Cancelled)
                || (phase == Choosing && run.attempt == Attempt(0))
        }
        Event::SpawnOrdered { .. } => phase == Choosing && run.attempt > Attempt(0),
        Event::WorkerStarted(_) => run.worker.is_none() && (phase == Spawning || phase.is_stopping()),
        Event::WorkerReady { .. } => phase == Starting,
        Event::WorkerSpoke => is_at_work(run) && !run.heard.spoke,
        Event::CoolingBegun => is_at_work(run),
        Event::Said { upto, .. } => run.has_worker() && *upto > run.upto,
        Event::StopBegun { rung, .. } => {
            rung.is_stopping() && run.has_worker() && (!phase.is_stopping() || *rung >= phase)
        }
        Event::Escalated { rung } => {
            rung.is_stopping() && matches!(phase, Asked | Terminated) && *rung > phase
        }
        Event::StillAlive => phase == Phase::Killed,
        Event::WorkerExited { .. } => run.has_worker(),
        // Choosing, Spawning: it could not be started; otherwise the worker has just exited.
        Event::Failed(_) | Event::RetryScheduled { .. } => {
            (run.has_worker() || phase == Choosing) && run.worker.is_none()
        }
        Event::Ended { phase: end, .. } => {
            let may = match phase {
                Waiting => *end == Phase::Cancelled,
                Choosing => *end != Phase::Done,
                Paused if run.is_released() => *end == Phase::Cancelled,
                Spawning
                | Starting
                | Running
                | Pausing
                | Paused
                | CoolingDown
                | Asked
                | Terminated
                | Phase::Killed => run.worker.is_none(),
                Phase::Done | Phase::Failed | Phase::Cancelled => false,
            };
            end.is_terminal() && may
        }
        Event::Adopted => run.has_worker(),
        Event::OrderRepeated => matches!(phase, Choosing | Spawning | Pausing),
        Event::Rebooted { .. } => !phase.is_terminal(),
        Event::PauseBegun { step, .. } => may_begin_pause(run, *step),
        Event::PauseEscalated { step } => may_escalate_pause(run, *step),
        Event::Paused { step } => may_reach_pause(run, *step),
        Event::Resumed { .. } => run.wanted == Wanted::Paused,
        Event::CheckpointRequested { .. } | Event::Hung { .. } | Event::ErrorRateExceeded(_) => {
            phase == Running
        }
        Event::Restored { .. } => phase == Choosing && run.restore.is_some(),
        Event::Configured { .. } => !phase.is_terminal(),
        Event::CheckpointUndelivered => run.has_worker() && run.checkpoint_asked,
        Event::CheckpointsDoubted { checkpoints, .. } => !checkpoints.is_empty(),
        Event::OutputPruned { upto, .. } => phase.is_terminal() && *upto <= run.attempt,
        Event::Removed { .. } => phase.is_terminal(),
        Event::CheckpointRefused(_)
        | Event::CheckpointVerified(_)
        | Event::CheckpointPruned { .. }
        | Event::CheckpointPinned { .. } => true,
    }
}

/// The worker is ready and lives, paused or not.
fn is_at_work(run: &Run) -> bool {
    matches!(run.phase, Phase::Running | Phase::Pausing | Phase::Paused) && run.has_worker()
}

fn may_begin_pause(run: &Run, step: PauseStep) -> bool {
    match step {
        PauseStep::Wanted => {
            matches!(run.phase, Phase::Choosing | Phase::Waiting | Phase::Spawning | Phase::Starting)
        }
        PauseStep::Asked | PauseStep::Freezing => run.phase == Phase::Running,
        PauseStep::Releasing => {
            let leaving = run.stop.as_ref().is_some_and(|stop| stop.cause == StopCause::Release);
            is_at_work(run) || (run.phase.is_stopping() && leaving)
        }
        PauseStep::Held | PauseStep::Frozen | PauseStep::Released => false,
    }
}

fn may_escalate_pause(run: &Run, step: PauseStep) -> bool {
    let now = run.pause_step();
    let from = match step {
        PauseStep::Asked => now == Some(PauseStep::Held),
        PauseStep::Freezing => matches!(now, Some(PauseStep::Asked | PauseStep::Held)),
        PauseStep::Releasing => false,
        PauseStep::Wanted | PauseStep::Held | PauseStep::Frozen | PauseStep::Released => return false,
    };
    // A pause that was wanted begins when the worker is ready, with any step.
    run.wanted == Wanted::Paused && (from || run.phase == Phase::Running)
}

fn may_reach_pause(run: &Run, step: PauseStep) -> bool {
    let now = run.pause_step();
    match step {
        PauseStep::Held => run.phase == Phase::Pausing && now == Some(PauseStep::Asked),
        PauseStep::Frozen => run.phase == Phase::Pausing && now == Some(PauseStep::Freezing),
        PauseStep::Released => {
            now.is_some() && run.worker.is_none() && !run.phase.is_terminal() && !run.is_released()
        }
        PauseStep::Wanted | PauseStep::Asked | PauseStep::Freezing | PauseStep::Releasing => false,
    }
}
