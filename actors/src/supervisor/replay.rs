//! Taking charge: the ledger is read and every run asked for what is still due.

use super::{Forgotten, SupervisorState, tell, wind_watchdog};
use crate::disposal::Waste;
use crate::limits::REPLAY_DEADLINE;
use crate::store::StoreMsg;
use crate::watchdog::WatchdogMsg;
use ractor::ActorProcessingErr;
use resus_core::ids::{Attempt, RunId};
use resus_core::input::Input;
use resus_core::run::Run;
use resus_store::record::to_record;
use resus_store::{Replayed, Row};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Start-up is a replay of the ledger; there is no other way in.
pub(super) async fn begin(state: &mut SupervisorState) -> Result<(), ActorProcessingErr> {
    let (reply, replayed) = oneshot::channel();
    state.directory.store.send(StoreMsg::Replay { reply });
    let runs = tokio::time::timeout(REPLAY_DEADLINE, replayed).await???;
    for run in runs {
        match run {
            Replayed::Verified { run_id, rows } => replay(state, &run_id, &rows),
            Replayed::Damaged { run_id, at_seq, reason, .. } => {
                quarantine(state, &run_id, format!("its ledger is damaged at seq {at_seq}: {reason}"));
            }
        }
    }
    let kept = state.fleet.runs().map(|run| (run.id.clone(), run.phase.is_terminal())).collect();
    let newest = Arc::clone(&state.newest);
    tokio::task::spawn_blocking(move || newest.bring_back(kept)).await?;
    for run in state.fleet.runs() {
        state.board.publish(Arc::new(run.clone()));
    }
    for (run_id, tombstone) in state.fleet.removed() {
        state.board.remove(run_id.clone(), tombstone.clone());
    }
    go_on_deleting(state);
    state.board.set_ready();
    tracing::info!(runs = state.fleet.runs().count(), "ledger replayed");
    resync(state, Forgotten::Workers);
    Ok(())
}

/// A daemon that died in the middle of a deletion left the rest of it.
fn go_on_deleting(state: &SupervisorState) {
    state.disposal.look_for(state.fleet.removed().map(|(run_id, _)| run_id.clone()).collect());
    for run in state.fleet.runs() {
        if let Some(pruned) = &run.output_pruned {
            state.disposal.put(&run.id, Waste::Output { upto: pruned.upto.0 });
        }
    }
}

fn replay(state: &mut SupervisorState, run_id: &str, rows: &[Row]) {
    for row in rows {
        match to_record(row) {
            Ok(record) => state.fleet.replay(&record),
            Err(error) => return quarantine(state, run_id, error.to_string()),
        }
    }
    let reason = RunId::new(run_id).ok().and_then(|id| {
        state.fleet.quarantined().find(|(known, _)| **known == id).map(|(_, reason)| reason.to_owned())
    });
    if let Some(reason) = reason {
        quarantine(state, run_id, reason);
    }
}

pub(super) fn quarantine(state: &mut SupervisorState, run_id: &str, reason: String) {
    tracing::error!(run_id, reason, "run quarantined; its worker is left alone");
    if let Ok(run_id) = RunId::new(run_id) {
        state.fleet.quarantine(run_id.clone(), reason.clone());
        // Nothing is due of it any more.
        let (run, attempt) = (run_id.clone(), Attempt(0));
        state.directory.watchdog.send(WatchdogMsg::Set { run_id: run, attempt, due_mono_ms: None });
        state.board.quarantine(run_id, reason);
    }
}

/// Asks again for what is due of what was forgotten.
pub(super) fn resync(state: &mut SupervisorState, forgotten: Forgotten) {
    let taken_over = Input::TakenOver { boot_id: state.boot_id.clone() };
    let (runs, input) = match forgotten {
        Forgotten::Worker(run_id) => (vec![run_id], Some(taken_over)),
        Forgotten::Workers => (due(state), Some(taken_over)),
        Forgotten::Checkpoints => (due(state), Some(Input::CheckpointsForgotten)),
        Forgotten::Deadlines => (due(state), None),
    };
    for run_id in runs {
        if let Some(input) = &input {
            tell(state, &run_id, input);
        }
        wind_watchdog(state, &run_id);
    }
}

fn due(state: &SupervisorState) -> Vec<RunId> {
    state.fleet.runs().filter(|run| is_due(run)).map(|run| run.id.clone()).collect()
}

/// A run that has ended long ago asks for nothing: its shim leaves by itself.
fn is_due(run: &Run) -> bool {
    !run.phase.is_terminal() || !run.candidates.is_empty()
}
