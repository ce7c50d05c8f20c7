//! What a run can be told: commands of users and observations of the world.

pub use crate::checkpoint::{CheckpointRef, CheckpointRefusal, Refused};
use crate::codes::Code;
use crate::ids::{Attempt, CommandId};
use crate::policy::Overrides;
use crate::pulse::word::Word;
use crate::watch::Silence;
use serde::{Deserialize, Serialize};

/// Something that reaches the decider. Observations carry the attempt they speak of, so
/// that facts about an older worker can be told apart and refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A user (or program) asks for something.
    Command {
        /// What is asked.
        verb: Verb,
        /// Who asks, as shown to people, e.g. `cli`.
        by: String,
    },
    /// A user wants the run to go on from a checkpoint of their choice.
    Restore {
        /// Id of the checkpoint, the unique beginning of one, its absolute path, `latest`, or `none`
        /// to begin anew.
        checkpoint: String,
        /// Who asks.
        by: String,
    },
    /// A user wants retention to leave a checkpoint alone, or no longer to.
    Pin {
        /// Id of the checkpoint, the unique beginning of one, its absolute path, or `latest`.
        checkpoint: String,
        /// Whether it is to be left alone.
        pinned: bool,
        /// Who asks.
        by: String,
    },
    /// A user wants retention to run now.
    Prune {
        /// Who asks.
        by: String,
        /// Of a run that has ended: only the newest verified checkpoint stays, whatever its rules say.
        only_newest: bool,
    },
    /// A user wants the run and all its files to be gone.
    Remove {
        /// Who asks.
        by: String,
        /// Why, as shown to people, where there is more to say than who asked.
        reason: Option<String>,
        /// Pinned checkpoints go along.
        with_pinned: bool,
        /// The command, where it has an id.
        command_id: Option<CommandId>,
    },
    /// A user wants what the workers of the run printed to be gone.
    DropOutput {
        /// Who asks.
        by: String,
        /// Why, as shown to people.
        reason: Option<String>,
    },
    /// A user wants verified checkpoints to be read back once more.
    Recheck {
        /// Id of one, the unique beginning of one, its absolute path, or `latest`; `None` = all.
        checkpoint: Option<String>,
        /// Who asks.
        by: String,
    },
    /// A user wants settings of the run to be others.
    Configure {
        /// Which.
        changes: Overrides,
        /// Who asks.
        by: String,
    },
    /// The shells report a fact about one attempt.
    Observed {
        /// The attempt it is a fact of.
        attempt: Attempt,
        /// The fact.
        fact: Fact,
    },
    /// The run's deadline (see [`crate::run::Run::deadline_mono_ms`]) has passed.
    DeadlinePassed {
        /// The attempt that the deadline was set for.
        attempt: Attempt,
    },
    /// A daemon has taken charge of the run by replaying the ledger.
    TakenOver {
        /// Identity of the machine's present boot.
        boot_id: String,
    },
    /// The one who looks after checkpoint files has forgotten what it was asked.
    CheckpointsForgotten,
}

/// What a user can ask of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Stop with a checkpoint if the worker can make one.
    Stop,
    /// Stop at once.
    Kill,
    /// Reopen a failed or cancelled run, or end the wait of one that waits for its retry.
    Retry,
    /// Hold the work; the worker stays in memory.
    Pause,
    /// Pause, and let the worker save a checkpoint and leave.
    Release,
    /// End a pause.
    Resume,
    /// Save a checkpoint now and go on.
    Checkpoint,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 7] =
        [Self::Stop, Self::Kill, Self::Retry, Self::Pause, Self::Release, Self::Resume, Self::Checkpoint];

    /// The verb as typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Release => "release",
            Self::Resume => "resume",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// A line on the worker's control channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Save a checkpoint and leave: the run ends ([`crate::effect::Effect::Ask`]).
    Stop,
    /// Save a checkpoint and hold ([`crate::effect::Effect::Hold`]).
    Hold,
    /// Go on ([`crate::effect::Effect::Unhold`]).
    Resume,
    /// Save a checkpoint and leave: the run pauses ([`crate::effect::Effect::AskRelease`]).
    Release,
    /// Save a checkpoint and go on ([`crate::effect::Effect::AskCheckpoint`]).
    Checkpoint,
}

impl Ask {
    /// Every line.
    pub const ALL: [Self; 5] = [Self::Stop, Self::Hold, Self::Resume, Self::Release, Self::Checkpoint];
}

/// A fact that the shells report.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// The search for a checkpoint to resume from is over.
    CheckpointPicked {
        /// The newest one that verified.
        chosen: Option<CheckpointRef>,
        /// Newer ones that did not, with the reason.
        refused: Vec<CheckpointRefusal>,
    },
    /// The checkpoints could not be looked at, so it is not known where to resume from.
    CheckpointsUnknown {
        /// What the system said.
        reason: String,
    },
    /// The checkpoint that a user wants to go on from has been read back.
    RestoreChecked {
        /// Which.
        checkpoint: CheckpointRef,
        /// Class and reason, if it may not be used.
        refusal: Option<(Code, String)>,
        /// Newer ones in its folder, whole or not.
        newer: Vec<CheckpointRef>,
    },
    /// The worker process exists.
    Started(WorkerIdentity),
    /// The worker could not be started.
    SpawnRefused {
        /// Class of the refusal, e.g. `COMMAND_NOT_FOUND`.
        code: Code,
        /// What the system said.
        message: String,
    },
    /// After a take-over: the shim has never heard of this attempt.
    NeverSpawned,
    /// The worker does not listen on its control channel, so it could not be asked.
    AskUndelivered {
        /// What it should have been asked.
        ask: Ask,
    },
    /// Every process of the attempt is stopped (SIGSTOP).
    Frozen,
    /// The worker has been silent for longer than it may.
    Silent {
        /// What is missing.
        what: Silence,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// First sign of life in telemetry (progress, metric or heartbeat).
    SignOfLife,
    /// A word of the worker that must not be lost.
    Said {
        /// What it said.
        word: Word,
        /// When, by the worker's own clock (Unix ms), where it said so.
        said_unix_ms: Option<u64>,
        /// Amount done when it was said, in the unit of the worker's progress.
        at_units: Option<f64>,
        /// Offset in the attempt's event file just behind this word.
        upto: u64,
    },
    /// Every process of the attempt is gone, and all it wrote has been read.
    Exited {
        /// How it ended.
        exit: Exit,
        /// How far it had come by its own last progress.
        reached: Option<Reached>,
    },
    /// A checkpoint that the worker announced, or one of the catalogue, has been read back.
    CheckpointChecked {
        /// Which.
        checkpoint: CheckpointRef,
        /// Why it may not be used, if so; [`crate::checkpoint::GONE`] if it is not there any more.
        refusal: Option<Refused>,
    },
    /// Retention has deleted checkpoints.
    CheckpointsPruned {
        /// Their paths.
        paths: Vec<String>,
    },
}

/// A process that can be told from any other that ever had or will have its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerIdentity {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
    /// Identity of the boot in which that clock counts.
    pub boot_id: String,
}

/// How an attempt's processes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, or `None` if a signal ended it or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Signal number, or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// CPU time of the worker and what it waited for, user + system, in milliseconds.
    #[serde(default)]
    pub cpu_ms: u64,
    /// Largest resident set of the worker in bytes.
    #[serde(default)]
    pub max_rss_bytes: u64,
    /// Descendants that outlived the worker and had to be killed.
    #[serde(default)]
    pub strays_killed: u32,
    /// When it ended by the wall clock, where somebody saw it, Unix ms. (A daemon that was away
    /// hears of it later.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix_ms: Option<u64>,
}

impl Exit {
    /// Ended with `code`.
    #[must_use]
    pub fn with_code(code: i32) -> Self {
        Self { code: Some(code), signal: None, cpu_ms: 0, max_rss_bytes: 0, strays_killed: 0, unix_ms: None }
    }

    /// Ended by signal number `signal`.
    #[must_use]
    pub fn by_signal(signal: i32) -> Self {
        Self {
            code: None,
            signal: Some(signal),
            cpu_ms: 0,
            max_rss_bytes: 0,
            strays_killed: 0,
            unix_ms: None,
        }
    }

    /// Nobody saw how it ended.
    #[must_use]
    pub fn unknown() -> Self {
        Self { code: None, signal: None, cpu_ms: 0, max_rss_bytes: 0, strays_killed: 0, unix_ms: None }
    }
}

/// How far an attempt had come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// Amount done in the unit of the worker's progress.
    pub done: f64,
    /// Amount in all, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
}
