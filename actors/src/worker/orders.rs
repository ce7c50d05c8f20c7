//! What a Worker actor does when it is ordered to, and when its shim speaks.

use super::tail::{Tail, waker};
use super::{Order, WorkerMsg, WorkerState};
use crate::adopted::Adopted;
use ractor::ActorRef;
use resus_core::codes::Code;
use resus_core::ids::Attempt;
use resus_core::input::{CheckpointRef, Fact, WorkerIdentity};
use resus_core::spec::Spec;
use resus_shim::protocol::{
    Exit as ShimExit, Hello, Lost, RefusalCode, Refused, Reply, Request, SignalName, SpawnOrder, Started,
    State,
};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The line that asks a worker to save a checkpoint and leave.
const STOP_LINE: &str = r#"{"cmd":"stop"}"#;

pub(super) async fn carry_out(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, order: Order) {
    match order {
        Order::Spawn { attempt, spec, resume_from } => {
            spawn(myself, state, attempt, &spec, resume_from.as_ref()).await;
        }
        Order::Attach { attempt, upto } => attach(myself, state, attempt, upto).await,
        Order::Ask { attempt } => ask(state, attempt).await,
        Order::Terminate { attempt } => match &state.adopted {
            Some(adopted) => log_failure(state, "terminate", adopted.terminate()),
            None => send(state, &Request::Signal { attempt: attempt.0, signal: SignalName::Term }).await,
        },
        Order::Kill { attempt } => match &state.adopted {
            Some(adopted) => log_failure(state, "kill", adopted.kill()),
            None => send(state, &Request::KillTree { attempt: attempt.0 }).await,
        },
        Order::Dismiss => dismiss(myself, state).await,
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
    give("PULSE_STATUS", text(&dir.join("status.json"))?);
    give("PULSE_CONTROL", text(&state.place.control)?);
    give("PULSE_CHECKPOINT_DIR", text(&checkpoints)?);
    if let Some(checkpoint) = resume_from {
        give("PULSE_RESUME_FROM", checkpoint.path.clone());
    }
    Ok(SpawnOrder {
        attempt: attempt.0,
        argv: spec.argv.clone(),
        env,
        cwd: spec.cwd.clone(),
        dir: text(&dir)?,
    })
}

/// Variables that only we set: one inherited from an outer run would mislead the worker.
fn is_ours(name: &str) -> bool {
    name.starts_with("PULSE_") || name == "NOTIFY_SOCKET" || name == "WATCHDOG_USEC"
}

/// Makes sure that there is a connection, starting a shim if need be.
async fn connect(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState) -> Result<Option<Hello>, String> {
    if state.link.is_some() {
        return Ok(None);
    }
    let (link, replies, hello) = state.place.connect().await.map_err(|error| error.to_string())?;
    if hello.run_id != state.run_id.as_str() {
        return Err(format!("the socket belongs to the shim of run {}", hello.run_id));
    }
    state.use_link(myself, link, replies);
    Ok(Some(hello))
}

async fn attach(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, attempt: Attempt, upto: u64) {
    if state.attempt == attempt && (state.tail.is_some() || state.adopted.is_some()) {
        // Already watched: only the Supervisor is new. Its reader may wait for a commit that
        // nobody will report any more, so reading starts again behind what is on disk.
        state.upto = upto;
    }
    state.link = None;
    state.tail = None;
    state.adopted = None;
    state.upto = upto;
    state.attempt = attempt;
    match connect(myself, state).await {
        Ok(Some(hello)) => resume(myself, state, attempt, hello.state),
        Ok(None) => {}
        Err(error) => {
            // Nothing can be said about the worker. The link is tried again by `link_lost`.
            tracing::warn!(run_id = %state.run_id, %error, "the shim can't be reached; trying again");
            retry_attach(myself, attempt, upto);
        }
    }
}

fn retry_attach(myself: &ActorRef<WorkerMsg>, attempt: Attempt, upto: u64) {
    let actor = myself.clone();
    tokio::spawn(async move {
        tokio::time::sleep(crate::limits::PUBLISH_RETRY).await;
        let _gone = actor.cast(WorkerMsg::Order(Order::Attach { attempt, upto }));
    });
}

/// A shim says where the attempt is that we were told to look after.
fn resume(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, attempt: Attempt, shim: State) {
    match shim {
        State::Running(started) if started.attempt == attempt.0 => {
            begin_watching(state, attempt, state.upto);
            observe_started(state, attempt, &started);
        }
        State::Exited(exited) if exited.attempt == attempt.0 => {
            begin_watching(state, attempt, state.upto);
            end(state, exited.exit);
        }
        State::Lost(lost) if lost.attempt == attempt.0 => adopt(myself, state, attempt, &lost),
        State::Idle | State::Running(_) | State::Exited(_) | State::Lost(_) => {
            state.observe(attempt, Fact::NeverSpawned);
        }
    }
    start_tail(myself, state);
}

fn observe_started(state: &WorkerState, attempt: Attempt, started: &Started) {
    state.observe(
        attempt,
        Fact::Started(WorkerIdentity {
            pid: started.pid,
            start_ticks: started.start_ticks,
            boot_id: started.boot_id.clone(),
        }),
    );
}

/// The shim that started the attempt is gone. Its worker may live.
fn adopt(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, attempt: Attempt, lost: &Lost) {
    begin_watching(state, attempt, state.upto);
    let (Some(worker), Some(boot_id)) = (lost.worker, lost.boot_id.clone()) else {
        return end(state, unseen_exit());
    };
    let started = Started { attempt: attempt.0, pid: worker.pid, start_ticks: worker.start_ticks, boot_id };
    observe_started(state, attempt, &started);
    match Adopted::take(worker, &started.boot_id) {
        Ok(Some(adopted)) => {
            let (actor, watched) = (myself.clone(), adopted.clone());
            tokio::spawn(async move {
                if let Err(error) = watched.gone().await {
                    tracing::error!(%error, "an adopted worker can't be watched");
                }
                let _gone = actor.cast(WorkerMsg::AdoptedGone { attempt });
            });
            tracing::info!(run_id = %state.run_id, pid = worker.pid, "worker adopted; its shim is gone");
            state.adopted = Some(adopted);
        }
        Ok(None) => end(state, unseen_exit()),
        Err(error) => {
            tracing::error!(run_id = %state.run_id, %error, "the worker can't be adopted");
            end(state, unseen_exit());
        }
    }
}

fn unseen_exit() -> ShimExit {
    ShimExit {
        code: None,
        signal: None,
        core_dumped: false,
        user_ms: 0,
        sys_ms: 0,
        max_rss_bytes: 0,
        unix_ms: crate::clock::now().unix_ms,
        strays_killed: 0,
        unkillable: 0,
    }
}

fn begin_watching(state: &mut WorkerState, attempt: Attempt, upto: u64) {
    state.attempt = attempt;
    state.upto = upto;
    state.tail = None;
    state.adopted = None;
    state.ended = None;
}

/// Starts to read the attempt's events; if it has ended already, to the end.
fn start_tail(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState) {
    let Ok(dir) = state.around.state.attempt(state.run_id.as_str(), state.attempt.0) else { return };
    let path = dir.join("events.jsonl");
    let tail = Tail {
        run_id: state.run_id.clone(),
        attempt: state.attempt,
        woken: waker(&state.around.watcher, &path),
        path,
        directory: std::sync::Arc::clone(&state.around.directory),
        board: std::sync::Arc::clone(&state.around.board),
        worker: myself.clone(),
    };
    let handle = tail.start(state.upto);
    if state.ended.is_some() {
        handle.drain();
    }
    state.tail = Some(handle);
}

/// The attempt's processes are gone: read what it wrote, then report.
fn end(state: &mut WorkerState, exit: ShimExit) {
    state.ended = Some(exit);
    if let Some(tail) = &state.tail {
        tail.drain();
    }
}

async fn ask(state: &mut WorkerState, attempt: Attempt) {
    if state.link.is_none() {
        return state.observe(attempt, Fact::AskUndelivered);
    }
    send(state, &Request::Control { attempt: attempt.0, line: STOP_LINE.to_owned() }).await;
    if state.link.is_none() {
        state.observe(attempt, Fact::AskUndelivered);
    }
}

/// The run has ended: the shim may leave, and so may this actor.
async fn dismiss(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState) {
    if state.link.is_none()
        && let Some((link, replies, _)) = state.place.connect_if_there().await
    {
        state.use_link(myself, link, replies);
    }
    state.attempt = Attempt(0);
    state.tail = None;
    send(state, &Request::Quit).await;
    myself.stop(Some("run ended".to_owned()));
}

pub(super) async fn bye(state: &mut WorkerState) {
    send(state, &Request::Bye).await;
}

/// The shim speaks.
pub(super) fn hear(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, reply: Reply) {
    match reply {
        Reply::Started(started) if started.attempt == state.attempt.0 => {
            if state.tail.is_none() {
                observe_started(state, state.attempt, &started);
                start_tail(myself, state);
            }
        }
        Reply::Exited(exited) if exited.attempt == state.attempt.0 => {
            if let Some(reason) = &exited.unrecorded {
                tracing::warn!(run_id = %state.run_id, %reason, "the evidence of the exit could not be kept");
            }
            end(state, exited.exit);
            if state.tail.is_none() {
                start_tail(myself, state);
            }
        }
        Reply::Refused(refused) => refused_by_shim(myself, state, refused),
        Reply::ControlResult { attempt, delivered: false } => {
            state.observe(Attempt(attempt), Fact::AskUndelivered);
        }
        Reply::ControlResult { .. }
        | Reply::Hello(_)
        | Reply::Started(_)
        | Reply::Exited(_)
        | Reply::Done { .. } => {}
    }
}

fn refused_by_shim(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, refused: Refused) {
    if refused.op != "spawn" || refused.attempt != Some(state.attempt.0) {
        tracing::info!(run_id = %state.run_id, op = refused.op, message = refused.message, "the shim refused");
        return;
    }
    if let Some(lost) = refused.lost {
        adopt(myself, state, state.attempt, &lost);
        return start_tail(myself, state);
    }
    let code = match refused.code {
        RefusalCode::CommandNotFound => "COMMAND_NOT_FOUND",
        RefusalCode::CommandNotExecutable => "COMMAND_NOT_EXECUTABLE",
        RefusalCode::CwdNotFound => "CWD_NOT_FOUND",
        RefusalCode::Locked => "RUN_LOCKED",
        RefusalCode::Version
        | RefusalCode::BadRequest
        | RefusalCode::HelloFirst
        | RefusalCode::Busy
        | RefusalCode::Stale
        | RefusalCode::Lost
        | RefusalCode::NotRunning
        | RefusalCode::SignalFailed
        | RefusalCode::SpawnFailed
        | RefusalCode::EvidenceFailed
        | RefusalCode::Unknown => "SPAWN_FAILED",
    };
    state.observe(state.attempt, Fact::SpawnRefused { code: Code::new(code), message: refused.message });
}

/// The shim is gone although nobody dismissed it. A new one is asked what it knows.
pub(super) async fn link_lost(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState) {
    state.link = None;
    if state.attempt == Attempt(0) || state.adopted.is_some() || state.ended.is_some() {
        return;
    }
    tracing::warn!(run_id = %state.run_id, "the shim is gone");
    let attempt = state.attempt;
    match connect(myself, state).await {
        Ok(Some(hello)) => match hello.state {
            State::Lost(lost) if lost.attempt == attempt.0 => {
                // The reader goes on where it is; only the watch over the process is new.
                let tail = state.tail.take();
                adopt(myself, state, attempt, &lost);
                state.tail = tail;
                if state.ended.is_some() {
                    state.tail.iter().for_each(super::tail::TailHandle::drain);
                }
            }
            State::Exited(exited) if exited.attempt == attempt.0 => end(state, exited.exit),
            State::Running(_) => {}
            State::Idle | State::Exited(_) | State::Lost(_) => {
                state.observe(attempt, Fact::NeverSpawned);
            }
        },
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(run_id = %state.run_id, %error, "no new shim");
            retry_attach(myself, attempt, state.upto);
        }
    }
}

pub(super) fn adopted_gone(_myself: &ActorRef<WorkerMsg>, state: &mut WorkerState) {
    if state.adopted.take().is_some() {
        end(state, unseen_exit());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_an_outer_run_do_not_reach_the_worker() {
        assert!(is_ours("PULSE_EVENTS") && is_ours("NOTIFY_SOCKET"));
        assert!(!is_ours("PATH") && !is_ours("pulse_events"));
    }

    #[test]
    fn an_exit_that_nobody_saw_claims_nothing() {
        let exit = unseen_exit();
        assert_eq!((exit.code, exit.signal), (None, None));
    }
}
