//! Where a run is, and where the user wants it to be: two facts, never mixed.

use crate::pulse::v2::Status;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A new attempt is planned; the newest checkpoint that verifies is being looked for.
    Choosing,
    /// The intent to start a worker is recorded; the shim has been ordered to do it.
    Spawning,
    /// The worker lives but has not said that it is ready.
    Starting,
    /// Training.
    Running,
    /// On the way to a pause: the worker was asked to hold or to leave, or is being frozen.
    Pausing,
    /// Paused: the worker holds, is frozen, or has left.
    Paused,
    /// The worker said that the training is complete and has yet to exit.
    CoolingDown,
    /// Being stopped: asked over the control channel.
    Asked,
    /// Being stopped: SIGTERM has been sent to the worker's group.
    Terminated,
    /// Being stopped: SIGKILL has been sent to everything the worker started.
    Killed,
    /// A failed attempt will be retried when the backoff is over.
    Waiting,
    /// Ended well.
    Done,
    /// Ended in a failure that is not retried.
    Failed,
    /// Ended because somebody wanted it to.
    Cancelled,
}

impl Phase {
    /// Every phase, in the order of a run's life.
    pub const ALL: [Self; 14] = [
        Self::Choosing,
        Self::Spawning,
        Self::Starting,
        Self::Running,
        Self::Pausing,
        Self::Paused,
        Self::CoolingDown,
        Self::Asked,
        Self::Terminated,
        Self::Killed,
        Self::Waiting,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The run has ended; only a retry by the user reopens it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::Cancelled => true,
            Self::Choosing
            | Self::Spawning
            | Self::Starting
            | Self::Running
            | Self::Pausing
            | Self::Paused
            | Self::CoolingDown
            | Self::Asked
            | Self::Terminated
            | Self::Killed
            | Self::Waiting => false,
        }
    }

    /// A rung of the stop ladder.
    #[must_use]
    pub fn is_stopping(self) -> bool {
        matches!(self, Self::Asked | Self::Terminated | Self::Killed)
    }

    /// A worker process may exist (or its start has been ordered). A paused run may have let its
    /// worker go: [`crate::run::Run::has_worker`] knows.
    #[must_use]
    pub fn has_worker(self) -> bool {
        matches!(self, Self::Spawning | Self::Starting | Self::Running | Self::CoolingDown)
            || matches!(self, Self::Pausing | Self::Paused)
            || self.is_stopping()
    }

    /// The word shown to people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Choosing | Self::Spawning | Self::Starting => "preparing",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::CoolingDown => "cooling_down",
            Self::Asked | Self::Terminated | Self::Killed => "stopping",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The PULSE status of a run in this phase; `before` is the status it had, which a run
    /// that is being paused or stopped keeps until that is done.
    #[must_use]
    pub fn status(self, before: Status) -> Status {
        match self {
            Self::Choosing | Self::Spawning | Self::Starting | Self::Waiting => Status::Preparing,
            Self::Running => Status::Running,
            Self::Paused => Status::Paused,
            Self::CoolingDown => Status::CoolingDown,
            Self::Pausing | Self::Asked | Self::Terminated | Self::Killed => before,
            Self::Done => Status::Done,
            Self::Failed => Status::Error,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the user asked the run to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Run to its end.
    Finished,
    /// Be paused.
    Paused,
    /// Be stopped.
    Cancelled,
}
