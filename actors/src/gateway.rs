//! Commands from outside, whichever door they came through: made into inputs, and carried out
//! once per command id.

use crate::board::Board;
use crate::directory::Directory;
use crate::doing::Summary;
use crate::limits::{COMMAND_DEADLINE, COMMANDS_REMEMBERED};
use crate::problem::{internal, of_command, of_selector, unwritable};
use crate::supervisor::{Accepted, CommandError, SupervisorMsg};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_core::api::Problem;
use resus_core::ids::{CommandId, RunId};
use resus_core::input::Input;
use resus_core::spec::Spec;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The answer to a command.
pub(crate) type Outcome = Result<Accepted, Problem>;

pub(crate) enum GatewayMsg {
    Submit {
        /// What was asked for. The same command again is answered as before, whatever has become of
        /// the file that its spec was read from.
        spec: Box<Result<Spec, Problem>>,
        command_id: Option<CommandId>,
        reply: oneshot::Sender<Outcome>,
    },
    Command {
        selector: String,
        /// What a user asks of the run.
        input: Box<Input>,
        command_id: Option<CommandId>,
        reply: oneshot::Sender<Outcome>,
    },
    /// A command with an id has been answered.
    Answered { key: Key, outcome: Box<Outcome> },
}

/// A command id within what it is a command to: the same id for another run is another command.
pub(crate) type Key = (CommandId, String);

pub(crate) struct GatewayState {
    directory: Arc<Directory>,
    board: Arc<Board>,
    /// Commands under way and who waits for their answers.
    under_way: BTreeMap<Key, Vec<oneshot::Sender<Outcome>>>,
    answered: BTreeMap<Key, Outcome>,
    oldest: VecDeque<Key>,
}

pub(crate) struct Gateway;

impl Actor for Gateway {
    type Msg = GatewayMsg;
    type State = GatewayState;
    type Arguments = (Arc<Directory>, Arc<Board>);

    async fn pre_start(
        &self,
        _myself: ActorRef<GatewayMsg>,
        (directory, board): Self::Arguments,
    ) -> Result<GatewayState, ActorProcessingErr> {
        Ok(GatewayState {
            directory,
            board,
            under_way: BTreeMap::new(),
            answered: BTreeMap::new(),
            oldest: VecDeque::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<GatewayMsg>,
        message: GatewayMsg,
        state: &mut GatewayState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.gateway.doing.begin(message.summary());
        match message {
            GatewayMsg::Submit { spec, command_id, reply } => {
                submit(&myself, state, *spec, command_id, reply);
            }
            GatewayMsg::Command { selector, input, command_id, reply } => {
                command(&myself, state, &selector, *input, command_id, reply);
            }
            GatewayMsg::Answered { key, outcome } => answered(state, key, *outcome),
        }
        Ok(())
    }
}

type Waiting = oneshot::Receiver<Result<Accepted, CommandError>>;

fn submit(
    myself: &ActorRef<GatewayMsg>,
    state: &mut GatewayState,
    spec: Result<Spec, Problem>,
    command_id: Option<CommandId>,
    reply: oneshot::Sender<Outcome>,
) {
    let key = command_id.clone().map(|id| (id, String::new()));
    let Some(reply) = join(state, key.as_ref(), reply) else { return };
    let spec = match spec {
        Ok(spec) => spec,
        Err(problem) => return settle(state, key, reply, Err(problem)),
    };
    let run_id = match RunId::new(uuid::Uuid::now_v7().to_string()) {
        Ok(run_id) => run_id,
        Err(error) => return settle(state, key, reply, Err(internal(error))),
    };
    let (answer, waiting) = oneshot::channel();
    let spec = Box::new(spec);
    state.directory.supervisor.send(SupervisorMsg::Submit { run_id, spec, command_id, reply: answer });
    wait(myself, state, key, reply, waiting);
}

fn command(
    myself: &ActorRef<GatewayMsg>,
    state: &mut GatewayState,
    selector: &str,
    input: Input,
    command_id: Option<CommandId>,
    reply: oneshot::Sender<Outcome>,
) {
    let run_id = match state.board.find(selector) {
        Ok(run) => run.id.clone(),
        Err(error) => return drop(reply.send(Err(of_selector(&error)))),
    };
    let key = command_id.map(|id| (id, run_id.to_string()));
    let Some(reply) = join(state, key.as_ref(), reply) else { return };
    let (answer, waiting) = oneshot::channel();
    state.directory.supervisor.send(SupervisorMsg::Command { run_id, input, reply: answer });
    wait(myself, state, key, reply, waiting);
}

/// Answers a command that was answered before, or joins one that is under way. Hands the
/// reply back if the command is new.
fn join(
    state: &mut GatewayState,
    key: Option<&Key>,
    reply: oneshot::Sender<Outcome>,
) -> Option<oneshot::Sender<Outcome>> {
    let Some(key) = key else { return Some(reply) };
    if let Some(outcome) = state.answered.get(key) {
        drop(reply.send(outcome.clone()));
        return None;
    }
    if let Some(waiting) = state.under_way.get_mut(key) {
        waiting.push(reply);
        return None;
    }
    Some(reply)
}

fn settle(state: &mut GatewayState, key: Option<Key>, reply: oneshot::Sender<Outcome>, outcome: Outcome) {
    if let Some(key) = key {
        state.under_way.insert(key.clone(), vec![reply]);
        answered(state, key, outcome);
    } else {
        drop(reply.send(outcome));
    }
}

/// Waits beside the actor for the Supervisor's answer, at most the deadline.
fn wait(
    myself: &ActorRef<GatewayMsg>,
    state: &mut GatewayState,
    key: Option<Key>,
    reply: oneshot::Sender<Outcome>,
    waiting: Waiting,
) {
    let answer = async move {
        match tokio::time::timeout(COMMAND_DEADLINE, waiting).await {
            Ok(Ok(Ok(accepted))) => Ok(accepted),
            Ok(Ok(Err(error))) => Err(of_command(&error)),
            Ok(Err(_dropped)) => Err(unwritable("the Supervisor was restarted; ask again")),
            Err(_late) => Err(unwritable("the decision could not be written in time")),
        }
    };
    match key {
        None => drop(tokio::spawn(async move { drop(reply.send(answer.await)) })),
        Some(key) => {
            state.under_way.insert(key.clone(), vec![reply]);
            let actor = myself.clone();
            tokio::spawn(async move {
                let outcome = Box::new(answer.await);
                let _gone = actor.cast(GatewayMsg::Answered { key, outcome });
            });
        }
    }
}

fn answered(state: &mut GatewayState, key: Key, outcome: Outcome) {
    for reply in state.under_way.remove(&key).unwrap_or_default() {
        drop(reply.send(outcome.clone()));
    }
    // What could not be written may be asked again with the same id.
    if outcome.as_ref().is_err_and(|problem| problem.status >= 500) {
        return;
    }
    state.answered.insert(key.clone(), outcome);
    state.oldest.push_back(key);
    while state.oldest.len() > COMMANDS_REMEMBERED {
        if let Some(key) = state.oldest.pop_front() {
            state.answered.remove(&key);
        }
    }
}
