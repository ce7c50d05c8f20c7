//! What the machine asks of the server, and the ids they share.

use crate::protocol::{Reply, SignalName};

/// Milliseconds on a clock that never goes back.
pub(crate) type Millis = u64;

/// One connection of a client.
pub(crate) type ClientId = u64;

/// What the server has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Say this to one client.
    Send(ClientId, Reply),
    /// Hang up on a client.
    Close(ClientId),
    /// Try to start [`Machine::order`]; report by `on_started`, `on_lock_held` or `on_spawn_failed`.
    TrySpawn,
    /// Kill all descendants; there is no worker, so none of them should be.
    KillStrays,
    /// Find out who holds the run's lock; report by `on_spawn_failed`.
    GiveUpOnLock,
    /// Signal the worker's group, tell the client.
    Signal { client: ClientId, attempt: u32, signal: SignalName },
    /// Kill the worker and all of its tree.
    KillTree,
    /// Stop all of the worker's tree, tell the client when that is done or has failed.
    Freeze { client: ClientId, attempt: u32 },
    /// Continue all of the worker's tree, tell the client.
    Thaw { client: ClientId, attempt: u32 },
    /// Pass a line to the control connections, tell the client.
    Deliver { client: ClientId, attempt: u32, line: String },
    /// Start the daemon again.
    Revive,
    /// End this process.
    Leave,
}

/// What never changes during a shim's life.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) build: String,
    pub(crate) run_id: String,
    pub(crate) shim_pid: u32,
    pub(crate) boot_id: String,
}
