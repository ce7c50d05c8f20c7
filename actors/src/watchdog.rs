//! Deadlines: one per run, on the monotonic clock. It reports, it never kills.

use crate::clock;
use crate::directory::Directory;
use crate::doing::Summary;
use crate::supervisor::SupervisorMsg;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_core::ids::{Attempt, RunId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// A deadline is reported again after this if nothing came of it (the Supervisor may just have
/// been restarted).
const REPEAT: Duration = Duration::from_secs(1);

pub(crate) enum WatchdogMsg {
    /// The run's deadline is now this, or none.
    Set { run_id: RunId, attempt: Attempt, due_mono_ms: Option<u64> },
    /// The nearest deadline may have passed.
    Look,
}

pub(crate) struct WatchdogState {
    directory: Arc<Directory>,
    due: BTreeMap<RunId, (u64, Attempt)>,
    timer: Option<AbortHandle>,
}

pub(crate) struct Watchdog;

impl Actor for Watchdog {
    type Msg = WatchdogMsg;
    type State = WatchdogState;
    type Arguments = Arc<Directory>;

    async fn pre_start(
        &self,
        _myself: ActorRef<WatchdogMsg>,
        directory: Self::Arguments,
    ) -> Result<WatchdogState, ActorProcessingErr> {
        Ok(WatchdogState { directory, due: BTreeMap::new(), timer: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<WatchdogMsg>,
        message: WatchdogMsg,
        state: &mut WatchdogState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.watchdog.doing.begin(message.summary());
        let mut least = Duration::ZERO;
        match message {
            WatchdogMsg::Set { run_id, attempt, due_mono_ms } => {
                match due_mono_ms {
                    Some(due) => state.due.insert(run_id, (due, attempt)),
                    None => state.due.remove(&run_id),
                };
            }
            WatchdogMsg::Look => {
                least = report(state);
            }
        }
        wind(&myself, state, least);
        Ok(())
    }
}

/// Reports every deadline that has passed. They stay set until the Supervisor moves them, so
/// that none is lost with it; they are reported again after the returned time.
fn report(state: &WatchdogState) -> Duration {
    let now = clock::now().mono_ms;
    let mut least = Duration::ZERO;
    for (run_id, (_, attempt)) in state.due.iter().filter(|(_, (due, _))| *due <= now) {
        least = REPEAT;
        state
            .directory
            .supervisor
            .send(SupervisorMsg::DeadlinePassed { run_id: run_id.clone(), attempt: *attempt });
    }
    least
}

/// Sets the timer to the nearest deadline, but not before `least` has passed.
fn wind(myself: &ActorRef<WatchdogMsg>, state: &mut WatchdogState, least: Duration) {
    if let Some(timer) = state.timer.take() {
        timer.abort();
    }
    let Some(nearest) = state.due.values().map(|(due, _)| *due).min() else { return };
    let wait = Duration::from_millis(nearest.saturating_sub(clock::now().mono_ms)).max(least);
    let actor = myself.clone();
    let task = tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        let _gone = actor.cast(WatchdogMsg::Look);
    });
    state.timer = Some(task.abort_handle());
}
