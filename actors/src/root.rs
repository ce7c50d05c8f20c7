//! The root: starts the tree, restarts what dies, and gives up when that does not help.
//! (ractor reports deaths and restarts nothing; this is the part that does.)

use crate::board::Board;
use crate::checkpoint::Checkpoint;
use crate::directory::Directory;
use crate::disposal::Disposal;
use crate::gateway::Gateway;
use crate::intensity::Window;
use crate::limits::ACTOR_STOP_DEADLINE;
use crate::monitor::Monitor;
use crate::publisher::{Publisher, PublisherArgs};
use crate::slots::Slots;
use crate::store::Store;
use crate::supervisor::{Forgotten, Supervisor, SupervisorArgs, SupervisorMsg};
use crate::tree::{Peer, Row, Strategy, TREE};
use crate::watchdog::Watchdog;
use crate::worker::Surroundings;
use crate::workers::{Workers, WorkersMsg};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use resus_bus::local::Local;
use resus_core::ids::Slug;
use resus_store::{LostHistory, StateDir};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// All that the actors of the tree are started with, at the first start and at every restart.
pub(crate) struct Plan {
    pub(crate) directory: Arc<Directory>,
    pub(crate) board: Arc<Board>,
    pub(crate) disposal: Arc<Disposal>,
    pub(crate) state: Arc<StateDir>,
    pub(crate) around: Arc<Surroundings>,
    pub(crate) bus: Local,
    /// Place in the ledger up to which events have been published; 0 = not begun.
    pub(crate) published: Arc<AtomicU64>,
    pub(crate) slots: Arc<Slots>,
    /// The first free part of every address on the bus.
    pub(crate) namespace: Slug,
    pub(crate) node: Slug,
    pub(crate) boot_id: String,
    /// Only ever accepted at the first start, by an operator.
    pub(crate) lost: LostHistory,
    /// Set when the daemon has to end.
    pub(crate) stop: watch::Sender<bool>,
}

pub(crate) enum RootMsg {
    /// Stop everything, last started first, and tell when it is done.
    ShutDown { done: oneshot::Sender<()> },
    /// An actor has to be started again.
    Restart(Peer),
}

pub(crate) struct RootState {
    plan: Plan,
    children: BTreeMap<Peer, ActorCell>,
    windows: BTreeMap<Peer, Window>,
    supervisor_lives: u64,
    stopping: bool,
}

pub(crate) struct Root;

impl Actor for Root {
    type Msg = RootMsg;
    type State = RootState;
    type Arguments = Plan;

    async fn pre_start(
        &self,
        myself: ActorRef<RootMsg>,
        plan: Plan,
    ) -> Result<RootState, ActorProcessingErr> {
        let mut state = RootState {
            plan,
            children: BTreeMap::new(),
            windows: BTreeMap::new(),
            supervisor_lives: 0,
            stopping: false,
        };
        for row in TREE {
            start(&myself, &mut state, row.peer).await?;
        }
        state.plan.lost = LostHistory::Refuse;
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<RootMsg>,
        message: RootMsg,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMsg::ShutDown { done } => {
                shut_down(state).await;
                let _nobody_waits = done.send(());
            }
            RootMsg::Restart(peer) if !state.stopping => restart(&myself, state, peer).await,
            RootMsg::Restart(_) => {}
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMsg>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, reason) = match event {
            SupervisionEvent::ActorFailed(actor, error) => (actor, error.to_string()),
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                (actor, reason.unwrap_or_else(|| "ended".to_owned()))
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        let id = actor.get_id();
        let Some(peer) = state.children.iter().find(|(_, child)| child.get_id() == id).map(|(peer, _)| *peer)
        else {
            return Ok(());
        };
        if !state.stopping {
            state.children.remove(&peer);
            died(&myself, state, peer, &reason);
        }
        Ok(())
    }
}

/// Counts the death and plans the restart; too many deaths end the daemon.
fn died(myself: &ActorRef<RootMsg>, state: &mut RootState, peer: Peer, reason: &str) {
    let name = peer.name();
    let doing = state.plan.directory.doing(peer).last();
    tracing::error!(actor = name, reason, doing, "an actor died");
    let Some(row) = TREE.iter().find(|row| row.peer == peer) else { return };
    if !state.windows.entry(peer).or_default().allows(row.intensity, Instant::now()) {
        tracing::error!(actor = name, "it dies too often; the daemon gives up (workers go on)");
        state.plan.stop.send_replace(true);
        return;
    }
    state.plan.board.actor_restarted(name);
    // From a message of our own, so that a death during the restart is seen in between.
    let _gone = myself.cast(RootMsg::Restart(peer));
    if let Row { strategy: Strategy::WithSupervisor, .. } = row
        && let Some(supervisor) = state.children.remove(&Peer::Supervisor)
    {
        supervisor.kill();
        let _gone = myself.cast(RootMsg::Restart(Peer::Supervisor));
    }
}

async fn restart(myself: &ActorRef<RootMsg>, state: &mut RootState, peer: Peer) {
    if let Err(error) = start(myself, state, peer).await {
        return died(myself, state, peer, &format!("it could not be started: {error}"));
    }
    let forgotten = match peer {
        Peer::Workers => Forgotten::Workers,
        Peer::Checkpoint => Forgotten::Checkpoints,
        Peer::Watchdog => Forgotten::Deadlines,
        // Nobody asked these for anything that could have been lost, or the Supervisor starts
        // anew with them.
        Peer::Store | Peer::Publisher | Peer::Monitor | Peer::Supervisor | Peer::Gateway => return,
    };
    state.plan.directory.supervisor.send(SupervisorMsg::Resync(forgotten));
}

async fn start(myself: &ActorRef<RootMsg>, state: &mut RootState, peer: Peer) -> Result<(), SpawnErr> {
    let plan = &state.plan;
    let root = myself.get_cell();
    let directory = || Arc::clone(&plan.directory);
    let board = || Arc::clone(&plan.board);
    let dirs = || Arc::clone(&plan.state);
    macro_rules! spawn {
        ($slot:ident, $actor:expr, $arguments:expr) => {{
            let (actor, _task) = Actor::spawn_linked(None, $actor, $arguments, root).await?;
            plan.directory.$slot.set(Some(actor.clone()));
            actor.get_cell()
        }};
    }
    let cell = match peer {
        Peer::Store => spawn!(store, Store, (directory(), board(), dirs(), plan.lost)),
        Peer::Publisher => {
            let arguments = PublisherArgs {
                directory: directory(),
                dirs: dirs(),
                bus: plan.bus.clone(),
                published: Arc::clone(&plan.published),
                telemetry: Arc::clone(&plan.around.telemetry),
                slots: Arc::clone(&plan.slots),
                namespace: plan.namespace.clone(),
            };
            spawn!(publisher, Publisher, arguments)
        }
        Peer::Checkpoint => spawn!(checkpoint, Checkpoint, (directory(), dirs(), board())),
        Peer::Watchdog => {
            spawn!(watchdog, Watchdog, (directory(), Arc::clone(&plan.around.silences)))
        }
        Peer::Monitor => spawn!(monitor, Monitor, (directory(), board())),
        Peer::Workers => spawn!(workers, Workers, Arc::clone(&plan.around)),
        Peer::Supervisor => {
            state.supervisor_lives += 1;
            let arguments = SupervisorArgs {
                directory: directory(),
                board: board(),
                silences: Arc::clone(&plan.around.silences),
                disposal: Arc::clone(&plan.disposal),
                newest: plan.around.telemetry.newest(),
                node: plan.node.clone(),
                boot_id: plan.boot_id.clone(),
                life: state.supervisor_lives,
            };
            spawn!(supervisor, Supervisor, arguments)
        }
        Peer::Gateway => {
            let arguments = (directory(), board());
            spawn!(gateway, Gateway, arguments)
        }
    };
    state.children.insert(peer, cell);
    Ok(())
}

/// Leaf to root: nobody speaks to one that is gone already. The store is the last to stop
/// and writes what is queued.
async fn shut_down(state: &mut RootState) {
    state.stopping = true;
    state.plan.directory.workers.send(WorkersMsg::Bye);
    for row in TREE.iter().rev() {
        let Some(child) = state.children.remove(&row.peer) else { continue };
        let deadline = match row.peer {
            Peer::Store => crate::limits::STORE_CLOSE_DEADLINE + ACTOR_STOP_DEADLINE,
            _ => ACTOR_STOP_DEADLINE,
        };
        if let Err(error) = child.drain_and_wait(Some(deadline)).await {
            tracing::warn!(actor = row.peer.name(), %error, "it did not stop in time");
            child.kill();
        }
    }
}
