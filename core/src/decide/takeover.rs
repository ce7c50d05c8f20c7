//! A daemon has replayed the ledger and takes charge. Effects of the last decisions may
//! have been lost with the daemon before: they are asked for again (all are idempotent).

use super::Decision;
use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::phase::Phase;
use crate::run::Run;

pub(super) fn decide(run: &Run, boot_id: &str) -> Decision {
    let attempt = run.attempt;
    let mut effects = Vec::new();
    let attach = Effect::Attach { attempt, upto: run.upto };
    match run.phase {
        Phase::Choosing => effects.push(Effect::PickCheckpoint { attempt }),
        Phase::Spawning | Phase::Starting | Phase::Running | Phase::CoolingDown => effects.push(attach),
        Phase::Asked => effects.extend([attach, Effect::Ask { attempt }]),
        Phase::Terminated => effects.extend([attach, Effect::Terminate { attempt }]),
        Phase::Killed => effects.extend([attach, Effect::Kill { attempt }]),
        Phase::Waiting => {}
        Phase::Done | Phase::Failed | Phase::Cancelled => effects.push(Effect::Dismiss),
    }
    effects.extend(
        run.candidates
            .iter()
            .map(|checkpoint| Effect::VerifyCheckpoint { attempt, checkpoint: checkpoint.clone() }),
    );
    if run.phase.is_terminal() || run.boot_id == boot_id {
        return Decision::new(Why::TakenOver, Vec::new(), effects);
    }
    Decision::new(Why::Rebooted, vec![Event::Rebooted { boot_id: boot_id.to_owned() }], effects)
}
