//! A daemon has replayed the ledger and takes charge. Effects of the last decisions may
//! have been lost with the daemon before: they are asked for again (they may be repeated).

use super::{Decision, look, pause};
use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::input::CheckpointRef;
use crate::phase::Phase;
use crate::run::Run;

/// All that may have been lost: the link to the worker, a request to the checkpoint files.
/// SIGTERM is not sent again: many programs take a second one as an order to leave at once. The
/// next rung of the ladder finds a worker that the first one did not reach.
pub(super) fn decide(run: &Run, boot_id: &str) -> Decision {
    let attempt = run.attempt;
    let mut effects = Vec::new();
    let attach = Effect::Attach { attempt, upto: run.upto };
    match run.phase {
        Phase::Spawning | Phase::Starting | Phase::Terminated => effects.push(attach),
        Phase::Running | Phase::CoolingDown => {
            effects.push(attach);
            if run.told_to_go_on {
                effects.extend(pause::go_on(run));
            }
            let ask = run.checkpoint_asked && run.phase == Phase::Running;
            effects.extend(ask.then_some(Effect::AskCheckpoint { attempt }));
        }
        Phase::Pausing => effects.extend([attach].into_iter().chain(pause::taken_over(run))),
        Phase::Paused => effects.extend(run.has_worker().then_some(attach)),
        Phase::Asked => effects.extend([attach, Effect::Ask { attempt }]),
        Phase::Killed => effects.extend([attach, Effect::Kill { attempt }]),
        Phase::Choosing | Phase::Waiting => {}
        Phase::Done | Phase::Failed | Phase::Cancelled => effects.push(Effect::Dismiss),
    }
    effects.extend(of_checkpoints(run));
    if run.phase.is_terminal() {
        return Decision::new(Why::TakenOver, Vec::new(), effects);
    }
    if run.boot_id != boot_id {
        let rebooted = Event::Rebooted { boot_id: boot_id.to_owned() };
        return Decision::new(Why::Rebooted, vec![rebooted], effects);
    }
    let events = if run.has_worker() { vec![Event::Adopted] } else { Vec::new() };
    Decision::new(Why::TakenOver, events, effects)
}

/// The requests to the checkpoint files were lost.
pub(super) fn checkpoints(run: &Run) -> Decision {
    Decision::new(Why::TakenOver, Vec::new(), of_checkpoints(run))
}

fn of_checkpoints(run: &Run) -> Vec<Effect> {
    let attempt = run.attempt;
    let look = (run.phase == Phase::Choosing).then(|| look(run, attempt));
    let verify =
        |checkpoint: &CheckpointRef| Effect::VerifyCheckpoint { attempt, checkpoint: checkpoint.clone() };
    look.into_iter().chain(run.candidates.iter().map(verify)).collect()
}
