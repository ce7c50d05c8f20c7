//! What follows from events that are on disk: orders to the other actors.

use super::SupervisorState;
use crate::checkpoint::{CheckpointMsg, Job};
use crate::disposal::Waste;
use crate::watchdog::WatchdogMsg;
use crate::worker::Order;
use crate::workers::WorkersMsg;
use resus_core::effect::Effect;
use resus_core::ids::{Attempt, RunId};
use resus_core::input::Ask;
use resus_core::spec::Spec;
use std::sync::Arc;

/// The removal of a run is on disk.
pub(super) fn bury(state: &SupervisorState, run_id: &RunId) {
    if let Some(tombstone) = state.fleet.tombstone(run_id) {
        state.board.remove(run_id.clone(), tombstone.clone());
    }
    state.silences.forget(run_id);
    let (run_id, attempt) = (run_id.clone(), Attempt(0));
    state.directory.watchdog.send(WatchdogMsg::Set { run_id, attempt, due_mono_ms: None });
}

/// Carries out one effect.
pub(super) fn carry_out(state: &SupervisorState, run_id: &RunId, spec: &Arc<Spec>, effect: Effect) {
    let directory = &state.directory;
    let order = |order| directory.workers.send(WorkersMsg::Order { run_id: run_id.clone(), order });
    let checkpoint = |attempt, job| {
        directory.checkpoint.send(CheckpointMsg::Do { run_id: run_id.clone(), attempt, job });
    };
    match effect {
        Effect::PickCheckpoint { attempt, set_aside, known, from, anew_since_unix_ms } => {
            checkpoint(attempt, Job::Pick { set_aside, known, from, anew_since_unix_ms });
        }
        Effect::RestoreCheckpoint { attempt, checkpoint: file } => checkpoint(attempt, Job::Restore(file)),
        Effect::VerifyCheckpoint { attempt, checkpoint: file } => checkpoint(attempt, Job::Verify(file)),
        Effect::PruneCheckpoints { attempt, entries, rules } => {
            checkpoint(attempt, Job::Prune { entries, rules, is_newest_read: false });
        }
        Effect::Spawn { attempt, resume_from } => {
            order(Order::Spawn { attempt, spec: Arc::clone(spec), resume_from: resume_from.map(Box::new) });
        }
        Effect::Attach { attempt, upto } => order(Order::Attach { attempt, upto }),
        Effect::Ask { attempt } => order(Order::Ask { attempt, ask: Ask::Stop }),
        Effect::Hold { attempt } => order(Order::Ask { attempt, ask: Ask::Hold }),
        Effect::Unhold { attempt } => order(Order::Ask { attempt, ask: Ask::Resume }),
        Effect::AskRelease { attempt } => order(Order::Ask { attempt, ask: Ask::Release }),
        Effect::AskCheckpoint { attempt } => order(Order::Ask { attempt, ask: Ask::Checkpoint }),
        Effect::Freeze { attempt } => order(Order::Freeze { attempt }),
        Effect::Thaw { attempt } => order(Order::Thaw { attempt }),
        Effect::KeepEvidence { attempt } => order(Order::KeepEvidence { attempt }),
        Effect::Terminate { attempt } => order(Order::Terminate { attempt }),
        Effect::Kill { attempt } => order(Order::Kill { attempt }),
        Effect::Dismiss => order(Order::Dismiss),
        Effect::DeleteOutput { upto } => state.disposal.put(run_id, Waste::Output { upto: upto.0 }),
        Effect::DeleteRun => state.disposal.put(run_id, Waste::Run),
    }
}
