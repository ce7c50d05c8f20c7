//! Deadlines of runs and silences of workers, on the monotonic clock. It reports, it never kills.

use crate::clock;
use crate::directory::Directory;
use crate::doing::Summary;
use crate::silences::{Silences, TooLong};
use crate::supervisor::{Observation, SupervisorMsg};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_core::ids::{Attempt, RunId};
use resus_core::input::Fact;
use resus_core::watch::TICK_MS;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// A deadline is reported again after this if nothing came of it (the Supervisor may just have
/// been restarted).
const REPEAT_MS: u64 = 1_000;

pub(crate) enum WatchdogMsg {
    /// The run's deadline is now this, or none.
    Set { run_id: RunId, attempt: Attempt, due_mono_ms: Option<u64> },
    /// A deadline may have passed, or a silence lasted too long.
    Look,
}

struct Due {
    mono_ms: u64,
    attempt: Attempt,
    /// It has been reported, and is not again before this.
    not_before_mono_ms: u64,
}

pub(crate) struct WatchdogState {
    directory: Arc<Directory>,
    silences: Arc<Silences>,
    due: BTreeMap<RunId, Due>,
    timer: Option<AbortHandle>,
}

pub(crate) struct Watchdog;

impl Actor for Watchdog {
    type Msg = WatchdogMsg;
    type State = WatchdogState;
    type Arguments = (Arc<Directory>, Arc<Silences>);

    async fn pre_start(
        &self,
        myself: ActorRef<WatchdogMsg>,
        (directory, silences): Self::Arguments,
    ) -> Result<WatchdogState, ActorProcessingErr> {
        myself.cast(WatchdogMsg::Look)?;
        Ok(WatchdogState { directory, silences, due: BTreeMap::new(), timer: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<WatchdogMsg>,
        message: WatchdogMsg,
        state: &mut WatchdogState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.watchdog.doing.begin(message.summary());
        match message {
            WatchdogMsg::Set { run_id, attempt, due_mono_ms } => set(state, run_id, attempt, due_mono_ms),
            WatchdogMsg::Look => {
                let now_ms = clock::now().mono_ms;
                report_deadlines(state, now_ms);
                report_silences(state, now_ms);
            }
        }
        wind(&myself, state);
        Ok(())
    }
}

fn set(state: &mut WatchdogState, run_id: RunId, attempt: Attempt, due_mono_ms: Option<u64>) {
    match due_mono_ms {
        None => drop(state.due.remove(&run_id)),
        Some(mono_ms) => {
            let known = state.due.get(&run_id);
            let same = known.filter(|due| due.mono_ms == mono_ms && due.attempt == attempt);
            let not_before_mono_ms = same.map_or(0, |due| due.not_before_mono_ms);
            state.due.insert(run_id, Due { mono_ms, attempt, not_before_mono_ms });
        }
    }
}

/// Reports every deadline that has passed. They stay set until the Supervisor moves them, so
/// that none is lost with it.
fn report_deadlines(state: &mut WatchdogState, now_ms: u64) {
    for (run_id, due) in &mut state.due {
        if due.mono_ms.max(due.not_before_mono_ms) <= now_ms {
            due.not_before_mono_ms = now_ms.saturating_add(REPEAT_MS);
            let message = SupervisorMsg::DeadlinePassed { run_id: run_id.clone(), attempt: due.attempt };
            state.directory.supervisor.send(message);
        }
    }
}

/// A silence is reported at each look for as long as it lasts.
fn report_silences(state: &WatchdogState, now_ms: u64) {
    for TooLong { run_id, attempt, what, for_ms } in state.silences.look(now_ms) {
        let fact = Fact::Silent { what, for_ms };
        let observation = Observation { run_id, attempt, fact, committed: None };
        state.directory.supervisor.send(SupervisorMsg::Observed(observation));
    }
}

/// Sets the timer to the nearest deadline. While a silence can become too long the clock is
/// looked at every second, for that is how a pause of our own is told from one of the worker.
fn wind(myself: &ActorRef<WatchdogMsg>, state: &mut WatchdogState) {
    if let Some(timer) = state.timer.take() {
        timer.abort();
    }
    let now_ms = clock::now().mono_ms;
    let deadline = state.due.values().map(|due| due.mono_ms.max(due.not_before_mono_ms)).min();
    // One that is too long already has been reported just now.
    let silence = state.silences.next_due().map(|due| if due <= now_ms { now_ms + TICK_MS } else { due });
    let silence = silence.map(|due| due.min(now_ms + TICK_MS));
    let Some(next) = deadline.into_iter().chain(silence).min() else { return };
    let wait = Duration::from_millis(next.saturating_sub(now_ms));
    let actor = myself.clone();
    let task = tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        let _gone = actor.cast(WatchdogMsg::Look);
    });
    state.timer = Some(task.abort_handle());
}
