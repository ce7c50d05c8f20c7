//! Facts that the shells report.

use super::{Decision, ending, heard, pause, restore};
use crate::codes::Code;
use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::ids::Attempt;
use crate::input::{CheckpointRef, CheckpointRefusal, Exit, Fact, Reached, WorkerIdentity};
use crate::moment::Moment;
use crate::phase::{Phase, Wanted};
use crate::run::Run;
use crate::spec::Contract;

pub(super) fn decide(run: &Run, attempt: Attempt, fact: &Fact, now: Moment) -> Decision {
    // Facts about checkpoint files outlive the attempt that made them.
    match fact {
        Fact::CheckpointChecked { checkpoint, refusal } => {
            return checked(run, checkpoint, refusal.as_deref());
        }
        Fact::CheckpointsPruned { paths } => return pruned(paths),
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
        Fact::CheckpointPicked { chosen, refused } => picked(run, chosen.as_ref(), refused),
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

fn picked(run: &Run, chosen: Option<&CheckpointRef>, refused: &[CheckpointRefusal]) -> Decision {
    // An answer to another question than the present one.
    if run.phase != Phase::Choosing || run.restore.is_some() {
        return nothing();
    }
    let mut events: Vec<_> = refused.iter().cloned().map(Event::CheckpointRefused).collect();
    let (ordered, spawn) = order(run, chosen);
    events.push(ordered);
    Decision::new(Why::CheckpointSearched, events, vec![spawn])
}

/// The order to start the worker, from `chosen` or from the beginning.
pub(super) fn order(run: &Run, chosen: Option<&CheckpointRef>) -> (Event, Effect) {
    let resumed_at = match chosen {
        Some(checkpoint) => checkpoint.step,
        None => Some(0.0),
    };
    let lost = match (run.reached, resumed_at) {
        (Some(reached), Some(at)) => Some((reached.done - at).max(0.0)),
        (None, _) | (_, None) => None,
    };
    let spawn = Effect::Spawn { attempt: run.attempt, resume_from: chosen.cloned() };
    (Event::SpawnOrdered { from: chosen.cloned(), lost }, spawn)
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

fn checked(run: &Run, checkpoint: &CheckpointRef, refusal: Option<&str>) -> Decision {
    if !run.candidates.iter().any(|c| c.path == checkpoint.path) {
        return Decision::nothing(Why::NothingToDo);
    }
    let (event, effects) = match refusal {
        None => {
            // What is being restored may be the oldest that is kept. The next one that verifies prunes.
            let prune = run.restore.is_none().then(|| prune(run, checkpoint));
            (Event::CheckpointVerified(checkpoint.clone()), prune.into_iter().collect())
        }
        Some(reason) => (
            Event::CheckpointRefused(CheckpointRefusal {
                checkpoint: checkpoint.clone(),
                reason: reason.to_owned(),
            }),
            Vec::new(),
        ),
    };
    Decision::new(Why::CheckpointChecked, vec![event], effects)
}

/// The order to delete what is superfluous now that `newest` has been read back.
fn prune(run: &Run, newest: &CheckpointRef) -> Effect {
    let is_aside = |c: &CheckpointRef| run.set_aside.iter().any(|aside| aside.path == c.path);
    let others = run.verified.iter().filter(|c| c.path != newest.path && !is_aside(c));
    let set_aside = run.set_aside.iter().filter(|c| c.path != newest.path);
    Effect::PruneCheckpoints {
        attempt: run.attempt,
        verified: others.chain([newest]).cloned().collect(),
        set_aside: set_aside.cloned().collect(),
        keep: run.spec.policy.keep_checkpoints,
        pinned: run.resumed_from.as_ref().map(|checkpoint| checkpoint.path.clone()),
    }
}

fn pruned(paths: &[String]) -> Decision {
    let events = paths.iter().map(|path| Event::CheckpointPruned { path: path.clone() }).collect();
    Decision::new(Why::Pruned, events, Vec::new())
}
