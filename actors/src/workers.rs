//! The root of the Worker actors: apart from the Supervisor, so that its death does not take
//! them along.

use crate::directory::Directory;
use crate::doing::{Doing, Summary};
use crate::supervisor::{Forgotten, SupervisorMsg};
use crate::worker::{Order, Surroundings, Worker, WorkerMsg};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use resus_core::ids::RunId;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) enum WorkersMsg {
    /// An order for the actor of a run, which is started if there is none.
    Order { run_id: RunId, order: Order },
    /// A run's actor has nothing left to do after so many orders.
    Finished { run_id: RunId, orders: u64 },
    /// The daemon stops on purpose.
    Bye,
}

/// A run's actor and how many orders it was given.
struct Given {
    actor: ActorRef<WorkerMsg>,
    doing: Arc<Doing>,
    orders: u64,
}

pub(crate) struct WorkersState {
    around: Arc<Surroundings>,
    directory: Arc<Directory>,
    actors: BTreeMap<RunId, Given>,
}

pub(crate) struct Workers;

impl Actor for Workers {
    type Msg = WorkersMsg;
    type State = WorkersState;
    type Arguments = Arc<Surroundings>;

    async fn pre_start(
        &self,
        _myself: ActorRef<WorkersMsg>,
        around: Self::Arguments,
    ) -> Result<WorkersState, ActorProcessingErr> {
        let directory = Arc::clone(&around.directory);
        Ok(WorkersState { around, directory, actors: BTreeMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<WorkersMsg>,
        message: WorkersMsg,
        state: &mut WorkersState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.workers.doing.begin(message.summary());
        match message {
            WorkersMsg::Order { run_id, order } => deliver(&myself, state, run_id, order).await,
            WorkersMsg::Finished { run_id, orders } => finished(state, &run_id, orders),
            WorkersMsg::Bye => {
                for given in state.actors.values() {
                    let _gone = given.actor.cast(WorkerMsg::Bye);
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<WorkersMsg>,
        event: SupervisionEvent,
        state: &mut WorkersState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                if let Some((run_id, given)) = forget(state, actor.get_id()) {
                    let doing = given.doing.last();
                    tracing::error!(%run_id, %error, doing, "a Worker actor failed; the worker itself goes on");
                    // The Supervisor asks again for what is due of this run's worker; the
                    // order starts a new actor.
                    state.directory.supervisor.send(SupervisorMsg::Resync(Forgotten::Worker(run_id)));
                }
            }
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                forget(state, actor.get_id());
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

fn forget(state: &mut WorkersState, actor: ActorId) -> Option<(RunId, Given)> {
    let run_id = state.actors.iter().find(|(_, given)| given.actor.get_id() == actor)?.0.clone();
    state.actors.remove_entry(&run_id)
}

/// Lets an actor go, unless an order reached it that it had not seen when it said that it had
/// nothing to do: an order to a stopped actor would be lost.
fn finished(state: &mut WorkersState, run_id: &RunId, orders: u64) {
    if state.actors.get(run_id).is_some_and(|given| given.orders == orders)
        && let Some(given) = state.actors.remove(run_id)
    {
        given.actor.stop(Some("run ended".to_owned()));
    }
}

async fn deliver(myself: &ActorRef<WorkersMsg>, state: &mut WorkersState, run_id: RunId, order: Order) {
    if let Some(given) = state.actors.get_mut(&run_id) {
        if given.actor.cast(WorkerMsg::Order(order.clone())).is_ok() {
            given.orders += 1;
            return;
        }
        state.actors.remove(&run_id);
    }
    let doing = Arc::new(Doing::default());
    let arguments = (run_id.clone(), Arc::clone(&state.around), Arc::clone(&doing));
    match Actor::spawn_linked(None, Worker, arguments, myself.get_cell()).await {
        Ok((actor, _task)) => {
            let _gone = actor.cast(WorkerMsg::Order(order));
            state.actors.insert(run_id, Given { actor, doing, orders: 1 });
        }
        Err(error) => tracing::error!(%run_id, %error, "a Worker actor could not be started"),
    }
}
