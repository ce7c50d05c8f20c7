//! Watching an attempt: connected to its shim, or to the worker itself when the shim is gone;
//! its events read, its end reported.

use super::tail::{Tail, TailOf};
use super::{WorkerMsg, WorkerState};
use crate::adopted::Adopted;
use crate::limits::{ATTACH_RETRY, GO_ON_RETRY, GO_ON_TRIES};
use ractor::ActorRef;
use resus_core::codes::Code;
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{Ask, Fact, WorkerIdentity};
use resus_shim::protocol::{Exit as ShimExit, Hello, Lost, RefusalCode, Refused, Reply, Started, State};
use std::os::unix::process::ExitStatusExt;

/// Makes sure that there is a connection, starting a shim if need be.
pub(super) async fn connect(
    myself: &ActorRef<WorkerMsg>,
    state: &mut WorkerState,
) -> Result<Option<Hello>, String> {
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

pub(super) async fn attach(
    myself: &ActorRef<WorkerMsg>,
    state: &mut WorkerState,
    attempt: Attempt,
    upto: u64,
) {
    // Should the attempt be watched already, only the Supervisor is new: its reader may wait
    // for a commit that nobody will report any more, so reading starts again behind what is
    // on disk.
    state.link = None;
    // What was asked on the old link gets no answer on the new one.
    for ask in std::mem::take(&mut state.asked) {
        undelivered(myself, state, attempt, ask);
    }
    begin_watching(state, attempt, upto);
    // The attempt's folder is made before its shim is asked for anything.
    if !state.has_attempt_folder() {
        return state.observe(attempt, Fact::NeverSpawned);
    }
    match connect(myself, state).await {
        // It waits for the run's lock: `started` or a refusal will come.
        Ok(Some(hello)) if hello.starting == Some(attempt.0) => start_tail(myself, state),
        Ok(Some(hello)) => resume(myself, state, attempt, hello.state),
        Ok(None) => {}
        Err(error) => {
            // Nothing can be said about the worker. The link is tried again by `link_lost`.
            tracing::warn!(run_id = %state.run_id, %error, "the shim can't be reached; trying again");
            attach_later(myself, attempt);
        }
    }
}

fn attach_later(myself: &ActorRef<WorkerMsg>, attempt: Attempt) {
    let actor = myself.clone();
    tokio::spawn(async move {
        tokio::time::sleep(ATTACH_RETRY).await;
        let _gone = actor.cast(WorkerMsg::AttachAgain { attempt });
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
        State::Lost(lost) if lost.attempt == attempt.0 && lost.watched => {
            watched_by_shim(state, attempt, &lost)
        }
        State::Lost(lost) if lost.attempt == attempt.0 => adopt(myself, state, attempt, &lost),
        State::Idle | State::Running(_) | State::Exited(_) | State::Lost(_) => {
            state.observe(attempt, Fact::NeverSpawned);
        }
    }
    start_tail(myself, state);
}

fn observe_started(state: &mut WorkerState, attempt: Attempt, started: &Started) {
    state.around.silences.link_lost(&state.run_id, attempt, false);
    state.pid = Some(started.pid);
    state.observe(
        attempt,
        Fact::Started(WorkerIdentity {
            pid: started.pid,
            start_ticks: started.start_ticks,
            boot_id: started.boot_id.clone(),
        }),
    );
}

/// Another shim started the attempt, but this one holds on to its worker and tells its end.
fn watched_by_shim(state: &mut WorkerState, attempt: Attempt, lost: &Lost) {
    begin_watching(state, attempt, state.upto);
    if let Some(started) = started_before(lost) {
        observe_started(state, attempt, &started);
        tracing::info!(run_id = %state.run_id, pid = started.pid, "worker adopted by another shim");
    }
}

/// What an earlier shim had started, as far as it is on record.
fn started_before(lost: &Lost) -> Option<Started> {
    let (worker, boot_id) = (lost.worker?, lost.boot_id.clone()?);
    Some(Started { attempt: lost.attempt, pid: worker.pid, start_ticks: worker.start_ticks, boot_id })
}

/// The shim that started the attempt is gone. Its worker may live.
fn adopt(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, attempt: Attempt, lost: &Lost) {
    begin_watching(state, attempt, state.upto);
    let (Some(worker), Some(started)) = (lost.worker, started_before(lost)) else {
        return end(state, unseen_exit());
    };
    observe_started(state, attempt, &started);
    match Adopted::take(worker, &started.boot_id) {
        Ok(Some(adopted)) => {
            let (actor, watched) = (myself.clone(), adopted.clone());
            tokio::spawn(async move {
                // Not being able to look is not the same as being gone.
                let message = match watched.gone().await {
                    Ok(()) => WorkerMsg::AdoptedGone { attempt },
                    Err(error) => {
                        tracing::error!(%error, "an adopted worker can't be watched; trying again");
                        tokio::time::sleep(ATTACH_RETRY).await;
                        WorkerMsg::AttachAgain { attempt }
                    }
                };
                let _gone = actor.cast(message);
            });
            tracing::info!(run_id = %state.run_id, pid = worker.pid, "worker adopted; its shim is gone");
            state.adopted = Some(adopted);
        }
        Ok(None) => end(state, unseen_exit()),
        Err(error) => {
            tracing::error!(run_id = %state.run_id, %error, "the worker can't be adopted; trying again");
            attach_later(myself, attempt);
        }
    }
}

/// How an adopted worker ended, as far as the kernel tells us, who are not its parent.
fn exit_of(run_id: &RunId, adopted: &Adopted) -> ShimExit {
    let status = adopted.ending().unwrap_or_else(|error| {
        tracing::warn!(%run_id, %error, "how an adopted worker ended can't be learnt");
        None
    });
    match status {
        Some(status) => ShimExit {
            code: status.code(),
            signal: status.signal(),
            core_dumped: status.core_dumped(),
            ..unseen_exit()
        },
        None => unseen_exit(),
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

pub(super) fn begin_watching(state: &mut WorkerState, attempt: Attempt, upto: u64) {
    state.attempt = attempt;
    state.upto = upto;
    // Nobody reads what it says until there is a reader again.
    state.around.silences.behind(&state.run_id, attempt, 1);
    state.pid = None;
    state.tail = None;
    state.adopted = None;
    state.ended = None;
}

/// Starts to read the attempt's events; if it has ended already, to the end.
fn start_tail(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState) {
    let Ok(dir) = state.around.state.attempt(state.run_id.as_str(), state.attempt.0) else { return };
    let path = dir.join("events.jsonl");
    let around = &state.around;
    let of = TailOf { run_id: state.run_id.clone(), attempt: state.attempt, path, worker: myself.clone() };
    let handle = Tail::new(of, around).start(state.upto);
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
        Reply::ControlResult { attempt, delivered } => {
            let asked = state.asked.pop_front();
            if let Some(ask) = asked.filter(|_| !delivered) {
                undelivered(myself, state, Attempt(attempt), ask);
            }
        }
        Reply::Done { op, attempt: Some(attempt), .. } if op == "freeze" => {
            state.freezes = 0;
            state.observe(Attempt(attempt), Fact::Frozen);
        }
        Reply::Hello(_) | Reply::Started(_) | Reply::Exited(_) | Reply::Done { .. } => {}
    }
}

/// Nobody of the worker listened. One that has to go on is told again a little later: its
/// connection may just be in the making.
fn undelivered(myself: &ActorRef<WorkerMsg>, state: &WorkerState, attempt: Attempt, ask: Ask) {
    if ask != Ask::Resume || state.tries >= GO_ON_TRIES {
        return state.observe(attempt, Fact::AskUndelivered { ask });
    }
    let (actor, tries) = (myself.clone(), state.tries + 1);
    tokio::spawn(async move {
        tokio::time::sleep(GO_ON_RETRY).await;
        let _gone = actor.cast(WorkerMsg::GoOnAgain { attempt, tries });
    });
}

fn refused_by_shim(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState, refused: Refused) {
    if refused.op != "spawn" || refused.attempt != Some(state.attempt.0) {
        tracing::info!(run_id = %state.run_id, op = refused.op, message = refused.message, "the shim refused");
        return;
    }
    if let Some(lost) = refused.lost {
        match lost.watched {
            true => watched_by_shim(state, state.attempt, &lost),
            false => adopt(myself, state, state.attempt, &lost),
        }
        return start_tail(myself, state);
    }
    let code = match refused.code {
        RefusalCode::CommandNotFound => "COMMAND_NOT_FOUND",
        RefusalCode::CommandNotExecutable => "COMMAND_NOT_EXECUTABLE",
        RefusalCode::CwdNotFound => "CWD_NOT_FOUND",
        RefusalCode::Locked | RefusalCode::Busy | RefusalCode::Dropped => "RUN_LOCKED",
        RefusalCode::Version
        | RefusalCode::BadRequest
        | RefusalCode::HelloFirst
        | RefusalCode::Stale
        | RefusalCode::Lost
        | RefusalCode::NotRunning
        | RefusalCode::SignalFailed
        | RefusalCode::FreezeFailed
        | RefusalCode::SpawnFailed
        | RefusalCode::EvidenceFailed
        | RefusalCode::Unknown => "SPAWN_FAILED",
    };
    state.observe(state.attempt, Fact::SpawnRefused { code: Code::new(code), message: refused.message });
}

/// The shim is gone although nobody dismissed it. A new one is asked what it knows, and reading
/// starts again where the ledger was when we began: what is heard twice counts once.
pub(super) async fn link_lost(myself: &ActorRef<WorkerMsg>, state: &mut WorkerState) {
    state.link = None;
    let attempt = state.attempt;
    for ask in std::mem::take(&mut state.asked) {
        undelivered(myself, state, attempt, ask);
    }
    if state.attempt == Attempt(0) || state.adopted.is_some() || state.ended.is_some() {
        return;
    }
    tracing::warn!(run_id = %state.run_id, "the shim is gone");
    state.around.silences.link_lost(&state.run_id, state.attempt, true);
    attach(myself, state, state.attempt, state.upto).await;
}

pub(super) fn adopted_gone(state: &mut WorkerState) {
    let Some(adopted) = state.adopted.take() else { return };
    if let Err(error) = adopted.kill_rest() {
        tracing::warn!(run_id = %state.run_id, %error, "what an adopted worker left can't be killed");
    }
    let exit = exit_of(&state.run_id, &adopted);
    end(state, exit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_that_nobody_saw_claims_nothing() {
        let exit = unseen_exit();
        assert_eq!((exit.code, exit.signal), (None, None));
    }
}
