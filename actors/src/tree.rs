//! The tree, in one screen: who is there, in which order they start, and what happens when
//! one dies. They stop in the opposite order.

use crate::intensity::Intensity;
use std::time::Duration;

/// An actor of the tree. (Worker actors live under `Workers`, one per run.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Writes the ledger.
    Store,
    /// Reads the ledger and publishes.
    Publisher,
    /// Picks, verifies and prunes checkpoints.
    Checkpoint,
    /// Keeps deadlines.
    Watchdog,
    /// Measures the node.
    Monitor,
    /// Root of the Worker actors.
    Workers,
    /// Changes runs.
    Supervisor,
    /// Takes commands.
    Gateway,
}

/// What a death means for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Only it is restarted; the Supervisor then asks again for everything that is due.
    OneForOne,
    /// What the Supervisor has in memory may not be in the ledger: it starts anew as well.
    WithSupervisor,
}

/// One row of the tree.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The actor.
    pub peer: Peer,
    /// What its death means.
    pub strategy: Strategy,
    /// How many deaths are normal; one more ends the daemon, and the shims start it again.
    pub intensity: Intensity,
}

const fn row(peer: Peer, strategy: Strategy, restarts: usize) -> Row {
    Row { peer, strategy, intensity: Intensity { restarts, period: Duration::from_secs(60) } }
}

/// Start order.
pub const TREE: [Row; 8] = [
    row(Peer::Store, Strategy::WithSupervisor, 3),
    row(Peer::Publisher, Strategy::OneForOne, 10),
    row(Peer::Checkpoint, Strategy::OneForOne, 10),
    row(Peer::Watchdog, Strategy::OneForOne, 10),
    row(Peer::Monitor, Strategy::OneForOne, 10),
    row(Peer::Workers, Strategy::OneForOne, 5),
    row(Peer::Supervisor, Strategy::OneForOne, 5),
    row(Peer::Gateway, Strategy::OneForOne, 10),
];

impl Peer {
    /// Its name in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Publisher => "publisher",
            Self::Checkpoint => "checkpoint",
            Self::Watchdog => "watchdog",
            Self::Monitor => "monitor",
            Self::Workers => "workers",
            Self::Supervisor => "supervisor",
            Self::Gateway => "gateway",
        }
    }
}
