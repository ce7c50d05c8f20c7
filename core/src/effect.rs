//! What a decision wants done in the world. Effects are released only when the events of
//! the same decision are on disk.

use crate::ids::Attempt;
use crate::input::CheckpointRef;
use crate::policy::RetentionPolicy;
use crate::retention::RetentionEntry;

/// One thing to do for a run. Effects may be repeated without harm (but `Terminate`, which is not,
/// because many programs take a second SIGTERM as an order to leave at once): after a crash one may be asked
/// for a second time.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Find the newest healthy checkpoint that verifies; answer with `CheckpointPicked`.
    PickCheckpoint {
        /// For this attempt.
        attempt: Attempt,
        /// Paths of those that must not be chosen.
        set_aside: Vec<String>,
        /// Verified ones and candidates of the catalogue that may be chosen.
        known: Vec<CheckpointRef>,
        /// Where the run begins as long as it has none of its own.
        from: Option<CheckpointRef>,
        /// When a user wanted the run to begin anew, Unix ms: files that the catalogue does not know
        /// count only if they were changed since.
        anew_since_unix_ms: Option<u64>,
    },
    /// Read back the checkpoint that a user wants to go on from, and look which ones are newer;
    /// answer with `RestoreChecked`.
    RestoreCheckpoint {
        /// For this attempt.
        attempt: Attempt,
        /// The checkpoint.
        checkpoint: CheckpointRef,
    },
    /// Start the worker of this attempt, unless the shim has done so already.
    Spawn {
        /// The attempt.
        attempt: Attempt,
        /// Checkpoint handed to the worker as `PULSE_RESUME_FROM`.
        resume_from: Option<CheckpointRef>,
    },
    /// Connect to the run's shim and report what it knows of this attempt; read the events
    /// that the worker wrote from `upto` on.
    Attach {
        /// The attempt.
        attempt: Attempt,
        /// Offset in its event file up to which words are in the ledger.
        upto: u64,
    },
    /// Ask the worker over its control channel to save a checkpoint and leave.
    Ask {
        /// The attempt.
        attempt: Attempt,
    },
    /// Ask the worker over its control channel to save a checkpoint and hold; it answers with the
    /// status `paused`.
    Hold {
        /// The attempt.
        attempt: Attempt,
    },
    /// Tell the worker over its control channel to go on.
    Unhold {
        /// The attempt.
        attempt: Attempt,
    },
    /// Ask the worker over its control channel to save a checkpoint and leave, because the run
    /// pauses (`{"cmd":"pause","release":true}`).
    AskRelease {
        /// The attempt.
        attempt: Attempt,
    },
    /// Ask the worker over its control channel to save a checkpoint and go on.
    AskCheckpoint {
        /// The attempt.
        attempt: Attempt,
    },
    /// SIGSTOP to everything the worker started; answer with `Frozen`.
    Freeze {
        /// The attempt.
        attempt: Attempt,
    },
    /// SIGCONT to everything the worker started.
    Thaw {
        /// The attempt.
        attempt: Attempt,
    },
    /// Keep what can be known of a hung worker; takes a second at most, before the next effect.
    KeepEvidence {
        /// The attempt.
        attempt: Attempt,
    },
    /// SIGTERM, then SIGCONT, to the worker's group.
    Terminate {
        /// The attempt.
        attempt: Attempt,
    },
    /// SIGKILL to everything the worker started.
    Kill {
        /// The attempt.
        attempt: Attempt,
    },
    /// Read a checkpoint back, one that was announced or one of the catalogue; answer with
    /// `CheckpointChecked`.
    VerifyCheckpoint {
        /// The attempt to report for.
        attempt: Attempt,
        /// The checkpoint.
        checkpoint: CheckpointRef,
    },
    /// Delete the checkpoints that no rule keeps; never a protected one. Answer with
    /// `CheckpointsPruned`.
    PruneCheckpoints {
        /// The attempt to report for.
        attempt: Attempt,
        /// The catalogue.
        entries: Vec<RetentionEntry>,
        /// Which of them stay.
        rules: RetentionPolicy,
    },
    /// The run has ended: its shim may leave.
    Dismiss,
    /// Delete what the workers printed, and the evidence of their hangs.
    DeleteOutput {
        /// Of attempts up to this one.
        upto: Attempt,
    },
    /// The run was removed: delete all its files, once nothing of it lives.
    DeleteRun,
}
