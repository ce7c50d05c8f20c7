//! Facts that we recorded. A run is the fold of its events and nothing else.

use crate::codes::Code;
use crate::ids::{Attempt, CommandId, RunId};
use crate::input::{CheckpointRef, CheckpointRefusal, Exit, Reached, WorkerIdentity};
use crate::moment::Moment;
use crate::phase::Phase;
use crate::pulse::word::Word;
use crate::spec::Spec;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A fact about a run. Every variant is one row of the ledger and one class A PULSE event.
///
/// The serialised form is the ledger's format: variants and fields are only ever added
/// (`testdata/ledger-v1.jsonl` holds one row of each and must always load).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run exists.
    Accepted {
        /// What is to be run.
        spec: Box<Spec>,
        /// The command that created it; the same command again finds this run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_id: Option<CommandId>,
        /// Boot in which the monotonic times of this run count.
        boot_id: String,
    },
    /// A new attempt is planned.
    AttemptBegun {
        /// Set when a user's retry reopened the run or cut a wait short.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_by: Option<String>,
        /// Boot in which its monotonic times count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot_id: Option<String>,
    },
    /// A checkpoint was looked at for a resume and may not be used.
    CheckpointRefused(CheckpointRefusal),
    /// The start of a worker has been ordered: the intent, recorded before the act.
    SpawnOrdered {
        /// The checkpoint it resumes from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<CheckpointRef>,
        /// Work done by the attempt before and not in that checkpoint, in its unit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<f64>,
    },
    /// The worker process exists.
    WorkerStarted(WorkerIdentity),
    /// The worker is ready: it trains.
    WorkerReady {
        /// It is ready because it spoke PULSE (not because an opaque program merely runs).
        spoke: bool,
    },
    /// An opaque program turned out to speak PULSE: from now on its words count.
    WorkerSpoke,
    /// The worker said that it is complete; its exit is waited for.
    CoolingBegun,
    /// A word of the worker.
    Said {
        /// What it said.
        word: Word,
        /// When by its own clock, Unix ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said_unix_ms: Option<u64>,
        /// Offset in the attempt's event file just behind this word: with it the position
        /// of the reader and what it read become durable together.
        upto: u64,
    },
    /// A checkpoint has been read back and may be resumed from.
    CheckpointVerified(CheckpointRef),
    /// Retention has deleted a checkpoint.
    CheckpointPruned {
        /// Path of the file it was.
        path: String,
    },
    /// The run is to end before it is complete, or its worker has to go.
    StopBegun {
        /// Why.
        cause: StopCause,
        /// Who asked, for [`StopCause::User`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_by: Option<String>,
        /// The first rung: asked, terminated or killed.
        rung: Phase,
    },
    /// A further rung of the stop ladder.
    Escalated {
        /// The rung: terminated or killed.
        rung: Phase,
    },
    /// SIGKILL has been sent and the worker is still there.
    StillAlive,
    /// Every process of the attempt is gone.
    WorkerExited {
        /// How.
        exit: Exit,
        /// How far it had come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reached: Option<Reached>,
    },
    /// The attempt failed; what it was.
    Failed(Failure),
    /// Another attempt will be made.
    RetryScheduled {
        /// Wait, in milliseconds.
        delay_ms: u64,
        /// Whether it counts against the budget.
        counted: bool,
    },
    /// The run has ended.
    Ended {
        /// `done`, `failed` or `cancelled`.
        phase: Phase,
        /// Why.
        why: Why,
    },
    /// Another daemon watches the attempt now.
    Adopted,
    /// An order was not answered in time and is given again.
    OrderRepeated,
    /// The machine has been restarted: nothing that ran before is alive.
    Rebooted {
        /// Identity of the new boot.
        boot_id: String,
    },
}

impl Event {
    /// When it happened by the clock of the worker that said it, Unix ms.
    #[must_use]
    pub fn said_unix_ms(&self) -> Option<u64> {
        if let Self::Said { said_unix_ms, .. } = self { *said_unix_ms } else { None }
    }

    /// Its name, as in the ledger.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::AttemptBegun { .. } => "attempt_begun",
            Self::CheckpointRefused(_) => "checkpoint_refused",
            Self::SpawnOrdered { .. } => "spawn_ordered",
            Self::WorkerStarted(_) => "worker_started",
            Self::WorkerReady { .. } => "worker_ready",
            Self::WorkerSpoke => "worker_spoke",
            Self::CoolingBegun => "cooling_begun",
            Self::Said { .. } => "said",
            Self::CheckpointVerified(_) => "checkpoint_verified",
            Self::CheckpointPruned { .. } => "checkpoint_pruned",
            Self::StopBegun { .. } => "stop_begun",
            Self::Escalated { .. } => "escalated",
            Self::StillAlive => "still_alive",
            Self::WorkerExited { .. } => "worker_exited",
            Self::Failed(_) => "failed",
            Self::RetryScheduled { .. } => "retry_scheduled",
            Self::Ended { .. } => "ended",
            Self::Adopted => "adopted",
            Self::OrderRepeated => "order_repeated",
            Self::Rebooted { .. } => "rebooted",
        }
    }
}

/// Why a worker is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// A user asked for it.
    User,
    /// It did not become ready in time.
    StartupTimeout,
    /// It did not exit in time after saying that it is complete.
    CooldownTimeout,
}

/// A failure of the workload, as judged by us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Its class.
    pub code: Code,
    /// For people.
    pub message: String,
    /// The worker's own opinion on another attempt, where it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_says_retryable: Option<bool>,
    /// Whether another attempt will be made.
    pub retried: bool,
    /// The attempt had made progress for long enough to wipe the slate.
    #[serde(default)]
    pub was_healthy: bool,
}

/// The reason for a decision, recorded with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Why {
    /// A user asked for it.
    Requested,
    /// A new run begins.
    NewRun,
    /// The search for a checkpoint is over.
    CheckpointSearched,
    /// The shim reports that the worker runs.
    WorkerStarted,
    /// The worker gave its first sign of life.
    FirstSignOfLife,
    /// An opaque program counts as ready when it runs.
    OpaqueIsReady,
    /// The worker said something for the ledger.
    WorkerSaid,
    /// The worker said that it is complete and ended well.
    WorkerComplete,
    /// An opaque program ended with code 0.
    OpaqueExitedOk,
    /// The attempt failed and will be retried.
    FailureRetried,
    /// The class of the failure is not retried.
    NotRetryable,
    /// This class of failure has had its retries.
    ClassSpent,
    /// The retry budget of the window is used up.
    BudgetSpent,
    /// The backoff is over.
    BackoffOver,
    /// The grace of the present rung is over.
    GraceOver,
    /// The worker does not listen on its control channel.
    CannotBeAsked,
    /// The worker did not become ready in time.
    StartupTimeout,
    /// The worker did not exit in time after its completion.
    CooldownTimeout,
    /// The worker survived SIGKILL so far.
    Unkillable,
    /// A checkpoint was read back.
    CheckpointChecked,
    /// Retention did its work.
    Pruned,
    /// A daemon took the run over.
    TakenOver,
    /// The machine was restarted.
    Rebooted,
    /// An order was not answered in time.
    NoAnswer,
    /// The shim never got the order to spawn.
    OrderRepeated,
    /// A fact about an attempt that is over.
    StaleAttempt,
    /// The fact changes nothing in this phase.
    NothingToDo,
    /// The word is in the ledger already.
    AlreadyHeard,
    /// The run is being stopped already; the grace goes on unchanged.
    AlreadyStopping,
    /// The run has ended that way already.
    AlreadyEnded,
}

impl Why {
    /// The code as shown and recorded.
    #[must_use]
    pub fn code(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

/// An event in its place: what a row of the ledger holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The run.
    pub run_id: RunId,
    /// Place in the run's order, from 1 without gaps.
    pub seq: u64,
    /// The attempt it is about.
    pub attempt: Attempt,
    /// When it was decided.
    pub at: Moment,
    /// Why.
    pub why: Why,
    /// The fact.
    pub event: Event,
}
