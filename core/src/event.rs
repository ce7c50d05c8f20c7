//! Facts that we recorded. A run is the fold of its events and nothing else.

mod why;

pub use why::Why;

use crate::checkpoint::DoubtCause;
use crate::codes::Code;
use crate::errors::Exceeded;
use crate::ids::{Attempt, CommandId, RunId};
use crate::input::{CheckpointRef, CheckpointRefusal, Exit, Reached, WorkerIdentity};
use crate::moment::Moment;
use crate::pause::{PauseCause, PauseStep};
use crate::phase::Phase;
use crate::policy::Overrides;
use crate::pulse::word::Word;
use crate::spec::Spec;
use crate::watch::Silence;
use serde::{Deserialize, Serialize};

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
        /// The checkpoint that it is to begin from and from no other, if a user chose one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restore: Option<Box<CheckpointRef>>,
        /// It is to begin without a checkpoint: what there is, is set aside.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        anew: bool,
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
        /// Amount done when it was said, in the unit of the worker's progress.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_units: Option<f64>,
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
    /// A user wants retention to leave a checkpoint alone, or no longer to.
    CheckpointPinned {
        /// Its id.
        checkpoint_id: String,
        /// Its path.
        path: String,
        /// Whether it is left alone.
        pinned: bool,
        /// Who asked.
        requested_by: String,
    },
    /// Checkpoints that verify are set aside: they are not trusted any more.
    CheckpointsDoubted {
        /// Which, in short; never empty.
        checkpoints: Vec<CheckpointRef>,
        /// Why.
        cause: DoubtCause,
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
    /// The run is to pause; or a pause under way goes further, to a release.
    PauseBegun {
        /// Why.
        cause: PauseCause,
        /// Who asked, for [`PauseCause::User`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_by: Option<String>,
        /// The worker is to leave, not only to hold.
        #[serde(default)]
        release: bool,
        /// The first step: wanted, asked, freezing or releasing.
        step: PauseStep,
    },
    /// A further step on the way to the pause.
    PauseEscalated {
        /// The step: asked, freezing or releasing.
        step: PauseStep,
    },
    /// The run is paused.
    Paused {
        /// How: held, frozen or released.
        step: PauseStep,
    },
    /// The pause is over, or is to be over as soon as the worker has left.
    Resumed {
        /// Who asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_by: Option<String>,
    },
    /// The worker has been asked for a checkpoint.
    CheckpointRequested {
        /// Who wants it.
        requested_by: String,
    },
    /// The worker does not listen, so it could not be asked for the checkpoint.
    CheckpointUndelivered,
    /// The worker lives and has been silent for too long.
    Hung {
        /// What is missing.
        what: Silence,
        /// For how long, in milliseconds.
        silent_for_ms: u64,
    },
    /// Too large a share of the work failed; what failed.
    ErrorRateExceeded(Exceeded),
    /// The checkpoint that a user chose has been read back: the run goes on from there.
    Restored {
        /// Which.
        checkpoint: CheckpointRef,
        /// Newer ones, which are not used any more unless somebody restores them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        set_aside: Vec<CheckpointRef>,
    },
    /// Settings of the run are others from now on.
    Configured {
        /// Which, and what they are now.
        changes: Overrides,
        /// Who asked.
        requested_by: String,
    },
    /// What the workers printed, and the evidence of their hangs, is deleted.
    OutputPruned {
        /// Of attempts up to this one.
        upto: Attempt,
        /// Who asked.
        requested_by: String,
        /// Why, where somebody said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The run is gone, and its files are deleted. Nothing follows it.
    Removed {
        /// Who asked.
        requested_by: String,
        /// Why, where somebody said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The command, where it had an id: the same once more is answered as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_id: Option<CommandId>,
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
            Self::CheckpointPinned { .. } => "checkpoint_pinned",
            Self::CheckpointsDoubted { .. } => "checkpoints_doubted",
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
            Self::PauseBegun { .. } => "pause_begun",
            Self::PauseEscalated { .. } => "pause_escalated",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::CheckpointRequested { .. } => "checkpoint_requested",
            Self::CheckpointUndelivered => "checkpoint_undelivered",
            Self::Hung { .. } => "hung",
            Self::ErrorRateExceeded(_) => "error_rate_exceeded",
            Self::Restored { .. } => "restored",
            Self::Configured { .. } => "configured",
            Self::OutputPruned { .. } => "output_pruned",
            Self::Removed { .. } => "removed",
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
    /// It was silent for too long.
    Hung,
    /// The run pauses, and the worker did not leave (or can't be asked to).
    Release,
}

impl StopCause {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::StartupTimeout => "startup_timeout",
            Self::CooldownTimeout => "cooldown_timeout",
            Self::Hung => "hung",
            Self::Release => "release",
        }
    }
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

impl Record {
    /// Time at the source: by the worker's clock if it told, else when it was decided. Unix ms.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        self.event.said_unix_ms().unwrap_or(self.at.unix_ms)
    }
}
