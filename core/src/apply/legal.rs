//! Which event is possible where: a ledger that says otherwise is damaged.

use crate::event::Event;
use crate::ids::Attempt;
use crate::phase::Phase;
use crate::run::Run;

/// Whether the event is possible where the run is.
pub(super) fn is_legal(run: &Run, event: &Event) -> bool {
    use Phase::{Asked, Choosing, CoolingDown, Running, Spawning, Starting, Terminated, Waiting};
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
        Event::WorkerSpoke => phase == Running && !run.heard.spoke,
        Event::CoolingBegun => phase == Running,
        Event::Said { upto, .. } => phase.has_worker() && *upto > run.upto,
        Event::StopBegun { rung, .. } => {
            rung.is_stopping() && phase.has_worker() && (!phase.is_stopping() || *rung >= phase)
        }
        Event::Escalated { rung } => {
            rung.is_stopping() && matches!(phase, Asked | Terminated) && *rung > phase
        }
        Event::StillAlive => phase == Phase::Killed,
        Event::WorkerExited { .. } => phase.has_worker(),
        // Choosing, Spawning: it could not be started; otherwise the worker has just exited.
        Event::Failed(_) | Event::RetryScheduled { .. } => {
            (phase.has_worker() || phase == Choosing) && run.worker.is_none()
        }
        Event::Ended { phase: end, .. } => {
            let may = match phase {
                Waiting => *end == Phase::Cancelled,
                Choosing => *end != Phase::Done,
                Spawning | Starting | Running | CoolingDown | Asked | Terminated | Phase::Killed => {
                    run.worker.is_none()
                }
                Phase::Done | Phase::Failed | Phase::Cancelled => false,
            };
            end.is_terminal() && may
        }
        Event::Adopted => phase.has_worker(),
        Event::OrderRepeated => matches!(phase, Choosing | Spawning),
        Event::Rebooted { .. } => !phase.is_terminal(),
        Event::CheckpointRefused(_) | Event::CheckpointVerified(_) | Event::CheckpointPruned { .. } => true,
    }
}
