//! The Supervisor: the only one that changes runs. It asks core what follows from what it is
//! told, hands the events to the store, and lets the effects go when they are on disk.

mod acting;
mod dry;
mod replay;

use crate::board::Board;
use crate::clock;
use crate::directory::Directory;
use crate::disposal::Disposal;
use crate::doing::Summary;
use crate::limits::DECISIONS_WAITING_MAX;
use crate::newest::Newest;
use crate::silences::Silences;
use crate::store::StoreMsg;
use crate::watchdog::WatchdogMsg;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_core::effect::Effect;
use resus_core::event::{Event, Why};
use resus_core::fleet::{Fleet, FleetError, Recorded, Step};
use resus_core::ids::{Attempt, CommandId, RunId, Slug};
use resus_core::input::{Fact, Input, Verb};
use resus_core::release::Held;
use resus_core::run::Run;
use resus_core::spec::Spec;
use resus_core::watch::limits;
use resus_store::record::to_row;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Tickets of one life of the Supervisor; a later life begins above, so that answers meant
/// for the life before release nothing.
const TICKETS_PER_LIFE: u64 = 1 << 40;

/// A fact from a shell.
#[derive(Debug)]
pub(crate) struct Observation {
    pub(crate) run_id: RunId,
    pub(crate) attempt: Attempt,
    pub(crate) fact: Fact,
    /// Told when what followed from the fact is on disk.
    pub(crate) committed: Option<oneshot::Sender<()>>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error("too many decisions wait for the disk")]
    Busy,
    #[error("it could not be recorded: {0}")]
    NotRecorded(String),
}

/// What a command led to.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) run_id: RunId,
    pub(crate) changed: bool,
    pub(crate) why: Why,
}

pub(crate) type CommandReply = oneshot::Sender<Result<Accepted, CommandError>>;

pub(crate) enum SupervisorMsg {
    /// Read the ledger and take charge of every run.
    Begin,
    Submit {
        run_id: RunId,
        spec: Box<Spec>,
        command_id: Option<CommandId>,
        reply: CommandReply,
    },
    Command {
        run_id: RunId,
        input: Input,
        reply: CommandReply,
    },
    /// Only say what a command would do.
    Consider {
        run_id: RunId,
        input: Input,
        reply: dry::ConsiderReply,
    },
    /// Only say what stands in the way of the removal of a run.
    Obstacles {
        run_id: RunId,
        with_pinned: bool,
        reply: dry::ObstaclesReply,
    },
    Observed(Observation),
    DeadlinePassed {
        run_id: RunId,
        attempt: Attempt,
    },
    /// Everything up to this ticket is on disk.
    Committed {
        ticket: u64,
    },
    /// This ticket will never be on disk.
    NotCommitted {
        ticket: u64,
        reason: String,
    },
    /// Something was forgotten: ask again for what is still due of it.
    Resync(Forgotten),
}

/// What a restarted actor has forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// Everything about the worker of a run.
    Worker(RunId),
    /// Everything about every worker.
    Workers,
    /// What was asked of the checkpoint files.
    Checkpoints,
    /// Every deadline.
    Deadlines,
}

/// What follows once a batch is on disk.
struct Consequence {
    run: Arc<Run>,
    effects: Vec<Effect>,
    answer: Answer,
}

enum Answer {
    None,
    Command(CommandReply, Accepted),
    Observation(Option<oneshot::Sender<()>>),
}

/// What the Supervisor is started with.
pub(crate) struct SupervisorArgs {
    pub(crate) directory: Arc<Directory>,
    pub(crate) board: Arc<Board>,
    pub(crate) silences: Arc<Silences>,
    pub(crate) disposal: Arc<Disposal>,
    pub(crate) newest: Arc<Newest>,
    pub(crate) node: Slug,
    pub(crate) boot_id: String,
    /// Which life this is, from 1.
    pub(crate) life: u64,
}

pub(crate) struct SupervisorState {
    directory: Arc<Directory>,
    board: Arc<Board>,
    silences: Arc<Silences>,
    disposal: Arc<Disposal>,
    newest: Arc<Newest>,
    boot_id: String,
    fleet: Fleet,
    held: Held<Consequence>,
}

pub(crate) struct Supervisor;

impl Actor for Supervisor {
    type Msg = SupervisorMsg;
    type State = SupervisorState;
    type Arguments = SupervisorArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMsg>,
        args: SupervisorArgs,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        // Sent to itself before anybody knows its address, so it is the first message.
        myself.cast(SupervisorMsg::Begin)?;
        Ok(SupervisorState {
            directory: args.directory,
            board: args.board,
            silences: args.silences,
            disposal: args.disposal,
            newest: args.newest,
            fleet: Fleet::new(args.node, args.boot_id.clone()),
            boot_id: args.boot_id,
            held: Held::new(args.life.saturating_mul(TICKETS_PER_LIFE)),
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SupervisorMsg>,
        message: SupervisorMsg,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.supervisor.doing.begin(message.summary());
        match message {
            SupervisorMsg::Begin => replay::begin(state).await?,
            SupervisorMsg::Submit { run_id, spec, command_id, reply } => {
                submit(state, run_id, *spec, command_id, reply);
            }
            SupervisorMsg::Command { run_id, input, reply } => command(state, run_id, &input, reply),
            SupervisorMsg::Consider { run_id, input, reply } => dry::consider(state, &run_id, &input, reply),
            SupervisorMsg::Obstacles { run_id, with_pinned, reply } => {
                drop(reply.send(state.fleet.obstacles(&run_id, with_pinned).map_err(CommandError::from)));
            }
            SupervisorMsg::Observed(observation) => observed(state, observation),
            SupervisorMsg::DeadlinePassed { run_id, attempt } => {
                tell(state, &run_id, &Input::DeadlinePassed { attempt });
            }
            SupervisorMsg::Committed { ticket } => {
                for consequence in state.held.release(ticket) {
                    act(state, consequence);
                }
            }
            SupervisorMsg::NotCommitted { ticket, reason } => not_committed(state, ticket, &reason),
            SupervisorMsg::Resync(forgotten) => replay::resync(state, forgotten),
        }
        Ok(())
    }
}

fn submit(
    state: &mut SupervisorState,
    run_id: RunId,
    spec: Spec,
    command_id: Option<CommandId>,
    reply: CommandReply,
) {
    if state.held.waiting() >= DECISIONS_WAITING_MAX {
        return drop(reply.send(Err(CommandError::Busy)));
    }
    match state.fleet.submit(run_id, spec, command_id, clock::now()) {
        Ok((run_id, step)) => {
            let accepted =
                Accepted { run_id: run_id.clone(), changed: !step.recorded.is_empty(), why: step.why };
            follow(state, &run_id, step, Answer::Command(reply, accepted));
        }
        Err(error) => drop(reply.send(Err(error.into()))),
    }
}

fn command(state: &mut SupervisorState, run_id: RunId, input: &Input, reply: CommandReply) {
    // A stop must always be heard.
    let can_wait = match input {
        Input::Command { verb, .. } => *verb == Verb::Retry,
        Input::Restore { .. }
        | Input::Configure { .. }
        | Input::Pin { .. }
        | Input::Prune { .. }
        | Input::Remove { .. }
        | Input::DropOutput { .. }
        | Input::Recheck { .. } => true,
        Input::Observed { .. }
        | Input::DeadlinePassed { .. }
        | Input::TakenOver { .. }
        | Input::CheckpointsForgotten => false,
    };
    if can_wait && state.held.waiting() >= DECISIONS_WAITING_MAX {
        return drop(reply.send(Err(CommandError::Busy)));
    }
    match state.fleet.step(&run_id, input, clock::now()) {
        Ok(step) => {
            let accepted =
                Accepted { run_id: run_id.clone(), changed: !step.recorded.is_empty(), why: step.why };
            follow(state, &run_id, step, Answer::Command(reply, accepted));
        }
        Err(error) => drop(reply.send(Err(error.into()))),
    }
}

fn observed(state: &mut SupervisorState, observation: Observation) {
    let Observation { run_id, attempt, fact, committed } = observation;
    let input = Input::Observed { attempt, fact };
    match state.fleet.step(&run_id, &input, clock::now()) {
        Ok(step) => follow(state, &run_id, step, Answer::Observation(committed)),
        Err(error) => failed(state, &run_id, &error),
    }
}

fn tell(state: &mut SupervisorState, run_id: &RunId, input: &Input) {
    match state.fleet.step(run_id, input, clock::now()) {
        Ok(step) => follow(state, run_id, step, Answer::None),
        Err(error) => failed(state, run_id, &error),
    }
}

/// An observation or a deadline is never refused, so an error here is a run that is gone or a
/// bug of ours; a bug sets the run aside rather than let it go on from a wrong state.
fn failed(state: &mut SupervisorState, run_id: &RunId, error: &FleetError) {
    match error {
        FleetError::Bug { .. } => replay::quarantine(state, run_id.as_str(), error.to_string()),
        FleetError::NotFound { .. }
        | FleetError::Removed { .. }
        | FleetError::Needed { .. }
        | FleetError::Quarantined { .. }
        | FleetError::Refused(_)
        | FleetError::Invalid(_) => tracing::debug!(%run_id, %error, "input without effect"),
    }
}

/// Persist, then act, then tell.
fn follow(state: &mut SupervisorState, run_id: &RunId, step: Step, answer: Answer) {
    let nobody_waits = matches!(answer, Answer::None | Answer::Observation(None));
    if step.recorded.is_empty() && step.effects.is_empty() && nobody_waits {
        return;
    }
    let Some(run) = step.removed.as_deref().or_else(|| state.fleet.get(run_id)) else { return };
    let consequence = Consequence { run: Arc::new(run.clone()), effects: step.effects, answer };
    if step.recorded.is_empty() {
        if let Some(consequence) = state.held.hold_behind(consequence) {
            act(state, consequence);
        }
        return;
    }
    log(&step.recorded);
    match step.recorded.iter().map(to_row).collect::<Result<Vec<_>, _>>() {
        Ok(rows) => {
            let ticket = state.held.hold(consequence);
            state.directory.store.send(StoreMsg::Append { ticket, rows });
        }
        Err(error) => replay::quarantine(state, run_id.as_str(), error.to_string()),
    }
}

fn log(recorded: &[Recorded]) {
    for Recorded { record, envelope } in recorded {
        let event = record.event.name();
        if matches!(record.event, Event::Said { .. }) {
            tracing::debug!(run_id = %record.run_id, seq = record.seq, event, "decided");
        } else {
            tracing::info!(
                run_id = %record.run_id, seq = record.seq, attempt = record.attempt.0, event,
                why = %record.why, pulse = %envelope.payload, "decided"
            );
        }
    }
}

/// The events are on disk: publish the run, answer, act.
fn act(state: &mut SupervisorState, consequence: Consequence) {
    let Consequence { run, effects, answer } = consequence;
    let run_id = run.id.clone();
    let spec = Arc::clone(&run.spec);
    if run.removed {
        acting::bury(state, &run_id);
    }
    // A run that was set aside since stays aside, and one that is to be gone is not brought back.
    if state.fleet.get(&run_id).is_some() {
        state.board.publish(run);
    }
    wind_watchdog(state, &run_id);
    for effect in effects {
        acting::carry_out(state, &run_id, &spec, effect);
    }
    match answer {
        Answer::None | Answer::Observation(None) => {}
        Answer::Observation(Some(committed)) => drop(committed.send(())),
        Answer::Command(reply, accepted) => drop(reply.send(Ok(accepted))),
    }
}

fn wind_watchdog(state: &SupervisorState, run_id: &RunId) {
    if let Some(run) = state.fleet.get(run_id) {
        match run.phase.is_terminal() {
            true => state.silences.forget(run_id),
            false => state.silences.set(run_id, run.attempt, limits(run)),
        }
        let (attempt, due_mono_ms) = (run.attempt, run.deadline_mono_ms);
        state.directory.watchdog.send(WatchdogMsg::Set { run_id: run_id.clone(), attempt, due_mono_ms });
    }
}

/// The ledger refused a batch for good, or was closed. What followed from it must not happen;
/// the run can't go on from a state that is not on disk.
fn not_committed(state: &mut SupervisorState, ticket: u64, reason: &str) {
    let (gone, free) = state.held.discard(ticket);
    for consequence in gone {
        replay::quarantine(state, consequence.run.id.as_str(), format!("it could not be recorded: {reason}"));
        if let Answer::Command(reply, _) = consequence.answer {
            drop(reply.send(Err(CommandError::NotRecorded(reason.to_owned()))));
        }
    }
    for consequence in free {
        act(state, consequence);
    }
}
