//! What a Worker actor does when it is ordered to.

use super::tail::STATUS_INBOX;
use super::watching::{attach, begin_watching, connect};
use super::{Order, WorkerMsg, WorkerState};
use crate::limits::EVIDENCE_DEADLINE;
use crate::workers::WorkersMsg;
use ractor::ActorRef;
use resus_core::codes::Code;
use resus_core::ids::Attempt;
use resus_core::input::{Ask, CheckpointRef, Fact};
use resus_core::spec::Spec;
use resus_shim::protocol::{Request, SignalName, SpawnOrder};
use resus_store::file::replace;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::Ordering;

/// The line on the control channel that asks for it.
fn line(ask: Ask) -> &'static str {
    match ask {
        Ask::Stop => r#"{"cmd":"stop"}"#,
        Ask::Hold => r#"{"cmd":"pause"}"#,
        Ask::Resume => r#"{"cmd":"resume"}"#,
        Ask::Release => r#"{"cmd":"pause","release":true}"#,
        Ask::Checkpoint => r#"{"cmd":"checkpoint"}"#,
    }
}

/// What is kept of a hung worker, in the attempt's folder.
const EVIDENCE_FILE: &str = "hang.txt";

pub(super) async fn carry_out(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, order: Order) {
    match order {
        Order::Spawn { attempt, spec, resume_from } => {
            spawn(myself, state, attempt, &spec, resume_from.as_deref()).await;
        }
        Order::Attach { attempt, upto } => attach(myself, state, attempt, upto).await,
        Order::Ask { attempt, ask: what } => {
            state.tries = 0;
            ask(state, attempt, what).await;
        }
        Order::Freeze { attempt } => freeze(myself, state, attempt).await,
        Order::Thaw { attempt } => {
            state.freezes = 0;
            reach(myself, state, attempt).await;
            match &state.adopted {
                Some(adopted) => log_failure(state, "thaw", adopted.thaw()),
                None => send(state, &Request::Thaw { attempt: attempt.0 }).await,
            }
        }
        Order::KeepEvidence { attempt } => keep_evidence(state, attempt).await,
        Order::Terminate { attempt } => {
            reach(myself, state, attempt).await;
            match &state.adopted {
                Some(adopted) => log_failure(state, "terminate", adopted.terminate()),
                None => send(state, &Request::Signal { attempt: attempt.0, signal: SignalName::Term }).await,
            }
        }
        Order::Kill { attempt } => {
            reach(myself, state, attempt).await;
            match &state.adopted {
                Some(adopted) => log_failure(state, "kill", adopted.kill()),
                None => send(state, &Request::KillTree { attempt: attempt.0 }).await,
            }
        }
        Order::Dismiss => dismiss(state).await,
    }
}

/// A signal must not be lost because the connection happens to be away.
async fn reach(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, attempt: Attempt) {
    if state.link.is_none() && state.adopted.is_none() {
        attach(myself, state, attempt, state.upto).await;
    }
}

fn log_failure(state: &WorkerState, what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(run_id = %state.run_id, what, %error, "an adopted worker could not be signalled");
    }
}

/// Sends a request on the present connection. A failure shows as a lost link soon after.
async fn send(state: &mut WorkerState, request: &Request) {
    let sent = match &mut state.link {
        Some(link) => link.send(request).await,
        None => return,
    };
    if let Err(error) = sent {
        tracing::warn!(run_id = %state.run_id, op = request.op(), %error, "request to the shim failed");
        state.link = None;
    }
}

async fn spawn(
    myself: &ActorRef<WorkerMsg>,
    state: &mut WorkerState,
    attempt: Attempt,
    spec: &Spec,
    resume_from: Option<&CheckpointRef>,
) {
    let refuse = |state: &WorkerState, message: String| {
        state.observe(attempt, Fact::SpawnRefused { code: Code::new("SPAWN_FAILED"), message });
    };
    let order = match prepare(state, attempt, spec, resume_from) {
        Ok(order) => order,
        Err(message) => return refuse(state, message),
    };
    if let Err(message) = connect(myself, state).await {
        return refuse(state, message);
    }
    begin_watching(state, attempt, 0);
    let sent = match &mut state.link {
        Some(link) => link.send(&Request::Spawn(order)).await.map_err(|error| error.to_string()),
        None => Err("the shim is gone".to_owned()),
    };
    if let Err(message) = sent {
        // Half a line may be on its way: this connection can't be used any more.
        state.link = None;
        refuse(state, message);
    }
}

/// Makes the attempt's folder and the order for the shim.
fn prepare(
    state: &WorkerState,
    attempt: Attempt,
    spec: &Spec,
    resume_from: Option<&CheckpointRef>,
) -> Result<SpawnOrder, String> {
    let around = &state.around;
    let run_id = state.run_id.as_str();
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| format!("path {} is not valid UTF-8", path.display()))
    };
    let dir = around.state.make_attempt(run_id, attempt.0).map_err(|e| e.to_string())?;
    let checkpoints = around.state.make_checkpoints(run_id).map_err(|e| e.to_string())?;
    let events = dir.join("events.jsonl");
    // The file exists before the worker does, so that there is something to watch.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&events)
        .map_err(|error| format!("{} can't be created: {error}", events.display()))?;
    let mut env: Vec<_> = spec.env.iter().filter(|(name, _)| !is_ours(name)).cloned().collect();
    let mut give = |name: &str, value: String| env.push((name.to_owned(), value));
    give("PULSE_TRAINING_ID", run_id.to_owned());
    give("PULSE_ATTEMPT", attempt.to_string());
    give("PULSE_EVENTS", text(&events)?);
    give("PULSE_STATUS", text(&dir.join(STATUS_INBOX))?);
    give("PULSE_CONTROL", text(&state.place.control)?);
    if let ms @ 1.. = spec.policy.heartbeat_timeout_ms {
        give("WATCHDOG_USEC", ms.saturating_mul(1000).to_string());
    }
    give("NOTIFY_SOCKET", text(&state.place.notify)?);
    give("PULSE_CHECKPOINT_DIR", text(&checkpoints)?);
    give("PULSE_DISK_SHARE", around.disk_share_percent.load(Ordering::Relaxed).to_string());
    if let Some(checkpoint) = resume_from {
        give("PULSE_RESUME_FROM", checkpoint.path.clone());
    }
    Ok(SpawnOrder {
        attempt: attempt.0,
        argv: spec.argv.clone(),
        env,
        cwd: spec.cwd.clone(),
        dir: text(&dir)?,
        events: Some(text(&events)?),
    })
}

/// Variables that only we set: one inherited from an outer run would mislead the worker.
fn is_ours(name: &str) -> bool {
    name.starts_with("PULSE_") || name == "NOTIFY_SOCKET" || name == "WATCHDOG_USEC"
}

/// A worker that was told to go on and did not hear it holds for ever: it is told again, unless
/// something else has been asked of it since.
pub(super) async fn go_on_again(state: &mut WorkerState, attempt: Attempt, tries: u32) {
    if state.newest_ask == Some(Ask::Resume) {
        state.tries = tries;
        ask(state, attempt, Ask::Resume).await;
    }
}

async fn ask(state: &mut WorkerState, attempt: Attempt, ask: Ask) {
    state.newest_ask = Some(ask);
    if state.link.is_some() {
        // Before it is sent: the answer can't come sooner.
        state.asked.push_back(ask);
        send(state, &Request::Control { attempt: attempt.0, line: line(ask).to_owned() }).await;
    }
    if state.link.is_none() {
        // No answer will come to what was asked on a link that is gone.
        for unanswered in state.asked.drain(..).chain([ask]).collect::<BTreeSet<_>>() {
            state.observe(attempt, Fact::AskUndelivered { ask: unanswered });
        }
    }
}

async fn freeze(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, attempt: Attempt) {
    state.freezes = state.freezes.saturating_add(1);
    if state.freezes > FREEZES_AT_ONCE && !state.freezes.is_multiple_of(FREEZES_SELDOM) {
        // Each try holds up the training for a moment; one that can't be frozen shall not be
        // stopped and started for ever.
        return;
    }
    reach(myself, state, attempt).await;
    match &state.adopted {
        Some(adopted) => match adopted.freeze() {
            Ok(()) => state.observe(attempt, Fact::Frozen),
            failed @ Err(_) => log_failure(state, "freeze", failed),
        },
        None => send(state, &Request::Freeze { attempt: attempt.0 }).await,
    }
}

/// So many orders to freeze are tried as they come, thereafter one in [`FREEZES_SELDOM`].
const FREEZES_AT_ONCE: u32 = 3;
/// With an order every few seconds, one about every minute.
const FREEZES_SELDOM: u32 = 16;

/// Writes down how the worker stands there, before it is killed for standing there.
async fn keep_evidence(state: &WorkerState, attempt: Attempt) {
    let (run_id, pid) = (&state.run_id, state.pid);
    let Ok(dir) = state.around.state.attempt(run_id.as_str(), attempt.0) else { return };
    let Some(pid) = pid.filter(|_| attempt == state.attempt) else { return };
    let path = dir.join(EVIDENCE_FILE);
    let secrets = state.around.board.secrets(run_id);
    let keep = move || replace(&path, secrets.mask(&crate::evidence::gather(pid)).as_bytes(), false);
    let keeping = tokio::task::spawn_blocking(keep);
    match tokio::time::timeout(EVIDENCE_DEADLINE, keeping).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%run_id, %error, "the evidence of a hang can't be written"),
        Ok(Err(error)) => tracing::error!(%run_id, %error, "gathering evidence failed"),
        Err(_late) => tracing::warn!(%run_id, "gathering evidence takes too long; the worker is killed"),
    }
}

/// The run has ended: the shim may leave, and so may this actor.
async fn dismiss(state: &mut WorkerState) {
    begin_watching(state, Attempt(0), 0);
    let (link, replies) = match state.link.take() {
        Some(link) => (Some(link), None),
        None => match state.place.connect_if_there().await {
            Some((link, replies, _)) => (Some(link), Some(replies)),
            None => (None, None),
        },
    };
    if let Some(mut link) = link
        && let Err(error) = link.send(&Request::Quit).await
    {
        tracing::debug!(run_id = %state.run_id, %error, "the shim is gone already");
    }
    drop(replies);
    let (run_id, orders) = (state.run_id.clone(), state.orders);
    state.around.directory.workers.send(WorkersMsg::Finished { run_id, orders });
}

pub(super) async fn bye(state: &mut WorkerState) {
    send(state, &Request::Bye).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_an_outer_run_do_not_reach_the_worker() {
        assert!(is_ours("PULSE_EVENTS") && is_ours("NOTIFY_SOCKET"));
        assert!(!is_ours("PATH") && !is_ours("pulse_events"));
    }
}
