//! Which bus a daemon speaks on, and within which limits.

use crate::link::Link;
use resus_core::ids::Slug;
use std::path::PathBuf;
use std::time::Duration;

/// Which bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The one within the process.
    Local,
    /// A NATS server that somebody else runs.
    External(Link),
    /// A NATS server that the daemon runs.
    Managed(Managed),
}

/// The server that the daemon runs, on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// Path of `nats-server`; `None` = the one in `PATH`.
    pub program: Option<PathBuf>,
    /// Port for clients; 0 = any that is free.
    pub port: u16,
    /// Port for browsers (WebSocket); `None` = none, 0 = any that is free.
    pub websocket_port: Option<u16>,
}

/// The bus of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusSetup {
    /// Which.
    pub choice: Choice,
    /// The first free part of every address: a team, a project.
    pub namespace: Slug,
    /// Largest size of the stream of ledger events on the server, in bytes.
    pub ledger_bytes: u64,
    /// How long the stream keeps them.
    pub ledger_age: Duration,
    /// Largest size of the stream of telemetry, in bytes.
    pub telemetry_bytes: u64,
    /// An alarm is raised when more events than this wait for the server.
    pub outbox_alarm: u64,
    /// Whether commands other than registered workloads may be started through the bus.
    pub allow_commands: bool,
    /// Whether every run also gets a file of its events, `pulse.jsonl` in its folder.
    pub file: bool,
}

impl Default for BusSetup {
    fn default() -> Self {
        Self {
            choice: Choice::Local,
            namespace: Slug::nearest("default", "default"),
            ledger_bytes: 1 << 30,
            ledger_age: Duration::from_secs(30 * 86_400),
            telemetry_bytes: 256 << 20,
            outbox_alarm: 1_000_000,
            allow_commands: false,
            file: false,
        }
    }
}
