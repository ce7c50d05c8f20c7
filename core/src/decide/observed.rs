//! Facts that the shells report.

use super::{Decision, checkpoints, ending, heard, pause, restore};
use crate::codes::Code;
use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::ids::Attempt;
use crate::input::{Exit, Fact, Reached, WorkerIdentity};
use crate::moment::Moment;
use crate::phase::{Phase, Wanted};
use crate::run::Run;
use crate::spec::Contract;

pub(super) fn decide(run: &Run, attempt: Attempt, fact: &Fact, now: Moment) -> Decision {
    // Facts about checkpoint files outlive the attempt that made them.
    match fact {
        Fact::CheckpointChecked { checkpoint, refusal } => {
            return checkpoints::checked(run, checkpoint, refusal.as_ref());
        }
        Fact::CheckpointsPruned { paths } => return checkpoints::pruned(paths),
        Fact::CheckpointPicked { .. }
        | Fact::CheckpointsUnknown { .. }
        | Fact::RestoreChecked { .. }
        | Fact::Started(_)
        | Fact::SpawnRefused { .. }
        | Fact::NeverSpawned
        | Fact::AskUndelivered { .. }
        | Fact::Frozen
        | Fact::Silent { .. }
        | Fact::SignOfLife
        | Fact::Said { .. }
        | Fact::Exited { .. } => {}
    }
    if attempt != run.attempt {
        return Decision::nothing(Why::StaleAttempt);
    }
    match fact {
        Fact::CheckpointPicked { chosen, refused } => checkpoints::picked(run, chosen.as_ref(), refused, now),
        Fact::CheckpointsUnknown { reason } if run.phase == Phase::Choosing && run.restore.is_none() => {
            let message = format!("the checkpoints can't be read: {reason}");
            ending::spawn_refused(run, &Code::new("RESOURCE_UNAVAILABLE"), &message, now)
        }
        Fact::RestoreChecked { checkpoint, refusal, newer } => {
            restore::checked(run, checkpoint, refusal.as_ref(), newer)
        }
        Fact::Started(worker) => started(run, worker),
        Fact::SpawnRefused { code, message } if run.has_worker() && run.worker.is_none() => {
            ending::spawn_refused(run, code, message, now)
        }
        Fact::NeverSpawned => never_spawned(run, now),
        Fact::AskUndelivered { ask } => pause::undelivered(run, *ask),
        Fact::Frozen => pause::frozen(run),
        Fact::Silent { what, for_ms } => heard::silent(run, *what, *for_ms, now),
        Fact::SignOfLife => heard::sign_of_life(run),
        Fact::Said { word, said_unix_ms, at_units, upto } => {
            heard::said(run, word, *said_unix_ms, *at_units, *upto)
        }
        Fact::Exited { exit, reached } => exited(run, exit, reached.as_ref(), now),
        Fact::CheckpointsUnknown { .. }
        | Fact::SpawnRefused { .. }
        | Fact::CheckpointChecked { .. }
        | Fact::CheckpointsPruned { .. } => Decision::nothing(Why::NothingToDo),
    }
}

/// The fact comes too late or too early for this phase.
fn nothing() -> Decision {
    Decision::nothing(Why::NothingToDo)
}

fn started(run: &Run, worker: &WorkerIdentity) -> Decision {
    let attempt = run.attempt;
    if run.worker.is_some() {
        return Decision::nothing(Why::NothingToDo);
    }
    let recorded = Event::WorkerStarted(worker.clone());
    match run.phase {
        Phase::Spawning => match run.spec.contract {
            Contract::Pulse => Decision::new(Why::WorkerStarted, vec![recorded], Vec::new()),
            Contract::Opaque => {
                let (wanted, effects) = pause::begin_wanted(run);
                let ready = Event::WorkerReady { spoke: false };
                let events = [recorded, ready].into_iter().chain(wanted).collect();
                Decision::new(Why::OpaqueIsReady, events, effects)
            }
        },
        Phase::Asked => Decision::new(Why::WorkerStarted, vec![recorded], vec![Effect::Ask { attempt }]),
        Phase::Terminated => {
            Decision::new(Why::WorkerStarted, vec![recorded], vec![Effect::Terminate { attempt }])
        }
        Phase::Killed => Decision::new(Why::WorkerStarted, vec![recorded], vec![Effect::Kill { attempt }]),
        // A worker that the run knows nothing of any more must not live on.
        Phase::Choosing | Phase::Paused | Phase::Waiting | Phase::Done | Phase::Failed | Phase::Cancelled => {
            Decision::new(Why::StaleAttempt, Vec::new(), vec![Effect::Kill { attempt }])
        }
        Phase::Starting | Phase::Running | Phase::Pausing | Phase::CoolingDown => nothing(),
    }
}

fn never_spawned(run: &Run, now: Moment) -> Decision {
    match run.phase {
        // There is nobody to pause: it need not be started first.
        Phase::Spawning if run.wanted == Wanted::Paused => ending::released(run),
        Phase::Spawning => Decision::new(
            Why::OrderRepeated,
            Vec::new(),
            vec![Effect::Spawn { attempt: run.attempt, resume_from: run.resumed_from.clone() }],
        ),
        Phase::Asked | Phase::Terminated | Phase::Killed if run.worker.is_none() => ending::cancelled(),
        // We have seen it start, so it is gone together with all evidence of it.
        Phase::Starting
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed
        | Phase::Choosing
        | Phase::Waiting
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => exited(run, &Exit::unknown(), None, now),
    }
}

fn exited(run: &Run, exit: &Exit, reached: Option<&Reached>, now: Moment) -> Decision {
    if run.has_worker() { ending::exited(run, exit, reached, now) } else { nothing() }
}
