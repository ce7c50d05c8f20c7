//! Where the actors of the tree can be reached. An address changes when its actor is
//! restarted, so nobody keeps one: everyone asks here at each message.

use crate::checkpoint::CheckpointMsg;
use crate::doing::Doing;
use crate::gateway::GatewayMsg;
use crate::monitor::MonitorMsg;
use crate::publisher::PublisherMsg;
use crate::store::StoreMsg;
use crate::supervisor::SupervisorMsg;
use crate::tree::Peer;
use crate::watchdog::WatchdogMsg;
use crate::workers::WorkersMsg;
use ractor::{ActorRef, Message};
use std::sync::{PoisonError, RwLock};

/// The address of one actor, and what it is doing.
pub(crate) struct Slot<M> {
    address: RwLock<Option<ActorRef<M>>>,
    pub(crate) doing: Doing,
}

impl<M> Default for Slot<M> {
    fn default() -> Self {
        Self { address: RwLock::new(None), doing: Doing::default() }
    }
}

impl<M: Message> Slot<M> {
    pub(crate) fn set(&self, actor: Option<ActorRef<M>>) {
        *self.address.write().unwrap_or_else(PoisonError::into_inner) = actor;
    }

    pub(crate) fn get(&self) -> Option<ActorRef<M>> {
        self.address.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands a message over. A message to an actor that is just being restarted is lost. Orders
    /// to workers, requests to checkpoint files and deadlines are then asked for again by the
    /// Supervisor (`Forgotten`); a command's client is told that nobody answered.
    pub(crate) fn send(&self, message: M) {
        let delivered = self.get().is_some_and(|actor| actor.cast(message).is_ok());
        if !delivered {
            tracing::warn!(message = std::any::type_name::<M>(), "message to an actor that is not there");
        }
    }
}

/// The addresses of the tree.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) store: Slot<StoreMsg>,
    pub(crate) publisher: Slot<PublisherMsg>,
    pub(crate) checkpoint: Slot<CheckpointMsg>,
    pub(crate) watchdog: Slot<WatchdogMsg>,
    pub(crate) monitor: Slot<MonitorMsg>,
    pub(crate) workers: Slot<WorkersMsg>,
    pub(crate) supervisor: Slot<SupervisorMsg>,
    pub(crate) gateway: Slot<GatewayMsg>,
}

impl Directory {
    /// What an actor of the tree is doing.
    pub(crate) fn doing(&self, peer: Peer) -> &Doing {
        match peer {
            Peer::Store => &self.store.doing,
            Peer::Publisher => &self.publisher.doing,
            Peer::Checkpoint => &self.checkpoint.doing,
            Peer::Watchdog => &self.watchdog.doing,
            Peer::Monitor => &self.monitor.doing,
            Peer::Workers => &self.workers.doing,
            Peer::Supervisor => &self.supervisor.doing,
            Peer::Gateway => &self.gateway.doing,
        }
    }
}
