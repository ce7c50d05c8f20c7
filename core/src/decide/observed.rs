//! Facts that the shells report.

use super::{Decision, ending};
use crate::codes::Code;
use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::ids::Attempt;
use crate::input::{CheckpointRef, CheckpointRefusal, Exit, Fact, Reached, WorkerIdentity};
use crate::moment::Moment;
use crate::phase::Phase;
use crate::pulse::v2::Status;
use crate::pulse::word::Word;
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
        | Fact::Started(_)
        | Fact::SpawnRefused { .. }
        | Fact::NeverSpawned
        | Fact::AskUndelivered
        | Fact::SignOfLife
        | Fact::Said { .. }
        | Fact::Exited { .. } => {}
    }
    if attempt != run.attempt {
        return Decision::nothing(Why::StaleAttempt);
    }
    match fact {
        Fact::CheckpointPicked { chosen, refused } => picked(run, chosen.as_ref(), refused),
        Fact::CheckpointsUnknown { reason } if run.phase == Phase::Choosing => {
            let message = format!("the checkpoints can't be read: {reason}");
            ending::spawn_refused(run, &Code::new("RESOURCE_UNAVAILABLE"), &message, now)
        }
        Fact::Started(worker) => started(run, worker),
        Fact::SpawnRefused { code, message } if run.phase.has_worker() && run.worker.is_none() => {
            ending::spawn_refused(run, code, message, now)
        }
        Fact::NeverSpawned => never_spawned(run, now),
        Fact::AskUndelivered if run.phase == Phase::Asked => Decision::new(
            Why::CannotBeAsked,
            vec![Event::Escalated { rung: Phase::Terminated }],
            vec![Effect::Terminate { attempt }],
        ),
        Fact::SignOfLife => sign_of_life(run),
        Fact::Said { word, said_unix_ms, upto } => said(run, word, *said_unix_ms, *upto),
        Fact::Exited { exit, reached } => exited(run, exit, reached.as_ref(), now),
        Fact::CheckpointsUnknown { .. }
        | Fact::SpawnRefused { .. }
        | Fact::AskUndelivered
        | Fact::CheckpointChecked { .. }
        | Fact::CheckpointsPruned { .. } => Decision::nothing(Why::NothingToDo),
    }
}

/// The fact comes too late or too early for this phase.
fn nothing() -> Decision {
    Decision::nothing(Why::NothingToDo)
}

fn picked(run: &Run, chosen: Option<&CheckpointRef>, refused: &[CheckpointRefusal]) -> Decision {
    if run.phase != Phase::Choosing {
        return nothing();
    }
    let mut events: Vec<_> = refused.iter().cloned().map(Event::CheckpointRefused).collect();
    let resumed_at = match chosen {
        Some(checkpoint) => checkpoint.step,
        None => Some(0.0),
    };
    let lost = match (run.reached, resumed_at) {
        (Some(reached), Some(at)) => Some((reached.done - at).max(0.0)),
        (None, _) | (_, None) => None,
    };
    events.push(Event::SpawnOrdered { from: chosen.cloned(), lost });
    let spawn = Effect::Spawn { attempt: run.attempt, resume_from: chosen.cloned() };
    Decision::new(Why::CheckpointSearched, events, vec![spawn])
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
                let events = vec![recorded, Event::WorkerReady { spoke: false }];
                Decision::new(Why::OpaqueIsReady, events, Vec::new())
            }
        },
        Phase::Asked => Decision::new(Why::WorkerStarted, vec![recorded], vec![Effect::Ask { attempt }]),
        Phase::Terminated => {
            Decision::new(Why::WorkerStarted, vec![recorded], vec![Effect::Terminate { attempt }])
        }
        Phase::Killed => Decision::new(Why::WorkerStarted, vec![recorded], vec![Effect::Kill { attempt }]),
        // A worker that the run knows nothing of any more must not live on.
        Phase::Choosing | Phase::Waiting | Phase::Done | Phase::Failed | Phase::Cancelled => {
            Decision::new(Why::StaleAttempt, Vec::new(), vec![Effect::Kill { attempt }])
        }
        Phase::Starting | Phase::Running | Phase::CoolingDown => nothing(),
    }
}

fn never_spawned(run: &Run, now: Moment) -> Decision {
    match run.phase {
        Phase::Spawning => Decision::new(
            Why::OrderRepeated,
            Vec::new(),
            vec![Effect::Spawn { attempt: run.attempt, resume_from: run.resumed_from.clone() }],
        ),
        Phase::Asked | Phase::Terminated | Phase::Killed if run.worker.is_none() => ending::cancelled(),
        // We have seen it start, so it is gone together with all evidence of it.
        Phase::Starting
        | Phase::Running
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed => ending::exited(run, &Exit::unknown(), None, now),
        Phase::Choosing | Phase::Waiting | Phase::Done | Phase::Failed | Phase::Cancelled => nothing(),
    }
}

fn sign_of_life(run: &Run) -> Decision {
    match run.phase {
        Phase::Starting => {
            Decision::new(Why::FirstSignOfLife, vec![Event::WorkerReady { spoke: true }], Vec::new())
        }
        Phase::Running if !run.heard.spoke => {
            Decision::new(Why::FirstSignOfLife, vec![Event::WorkerSpoke], Vec::new())
        }
        Phase::Choosing
        | Phase::Spawning
        | Phase::Running
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed
        | Phase::Waiting
        | Phase::Done
        | Phase::Failed
        | Phase::Cancelled => nothing(),
    }
}

fn said(run: &Run, word: &Word, said_unix_ms: Option<u64>, upto: u64) -> Decision {
    // A reader that was restarted reads a piece twice: what is in the ledger stays there once.
    if upto <= run.upto {
        return Decision::nothing(Why::AlreadyHeard);
    }
    let said = Event::Said { word: word.clone(), said_unix_ms, upto };
    let mut events = Vec::new();
    match run.phase {
        Phase::Spawning | Phase::CoolingDown | Phase::Asked | Phase::Terminated | Phase::Killed => {
            events.push(said);
        }
        Phase::Starting => {
            if !still_preparing(word) {
                events.push(Event::WorkerReady { spoke: true });
            }
            events.push(said);
            events.extend(cooling(word));
        }
        Phase::Running => {
            events.push(said);
            events.extend(cooling(word));
        }
        Phase::Choosing | Phase::Waiting | Phase::Done | Phase::Failed | Phase::Cancelled => {
            return nothing();
        }
    }
    let mut effects = Vec::new();
    if let Word::CheckpointSaved(checkpoint) = word {
        effects.push(Effect::VerifyCheckpoint { attempt: run.attempt, checkpoint: checkpoint.clone() });
    }
    Decision::new(Why::WorkerSaid, events, effects)
}

/// A worker may talk while it still loads: that is a word, but not readiness.
fn still_preparing(word: &Word) -> bool {
    match word {
        Word::Status { status, .. } => matches!(status, Status::Idle | Status::Preparing),
        Word::Error(_)
        | Word::StageChange { .. }
        | Word::TargetStart { .. }
        | Word::TargetComplete { .. }
        | Word::RunComplete { .. }
        | Word::CheckpointSaved(_) => false,
    }
}

fn cooling(word: &Word) -> Option<Event> {
    match word {
        Word::RunComplete { .. } => Some(Event::CoolingBegun),
        Word::Status { .. }
        | Word::Error(_)
        | Word::StageChange { .. }
        | Word::TargetStart { .. }
        | Word::TargetComplete { .. }
        | Word::CheckpointSaved(_) => None,
    }
}

fn exited(run: &Run, exit: &Exit, reached: Option<&Reached>, now: Moment) -> Decision {
    match run.phase {
        Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed => ending::exited(run, exit, reached, now),
        Phase::Choosing | Phase::Waiting | Phase::Done | Phase::Failed | Phase::Cancelled => nothing(),
    }
}

fn checked(run: &Run, checkpoint: &CheckpointRef, refusal: Option<&str>) -> Decision {
    if !run.candidates.iter().any(|c| c.path == checkpoint.path) {
        return Decision::nothing(Why::NothingToDo);
    }
    let (event, effects) = match refusal {
        None => {
            let others = run.verified.iter().filter(|c| c.path != checkpoint.path);
            let prune = Effect::PruneCheckpoints {
                attempt: run.attempt,
                verified: others.chain([checkpoint]).cloned().collect(),
                keep: run.spec.policy.keep_checkpoints,
            };
            (Event::CheckpointVerified(checkpoint.clone()), vec![prune])
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

fn pruned(paths: &[String]) -> Decision {
    let events = paths.iter().map(|path| Event::CheckpointPruned { path: path.clone() }).collect();
    Decision::new(Why::Pruned, events, Vec::new())
}
