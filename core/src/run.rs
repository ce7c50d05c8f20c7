//! A run: the fold of its events.

use crate::errors::ErrorWindow;
use crate::event::{Failure, StopCause, Why};
use crate::ids::{Attempt, CommandId, RunId};
use crate::input::{CheckpointRef, CheckpointRefusal, Exit, Reached, WorkerIdentity};
use crate::moment::Moment;
use crate::pause::{Pause, PauseStep};
use crate::phase::{Phase, Wanted};
use crate::pulse::told::Told;
use crate::pulse::v2::Status;
use crate::pulse::word::{Numbers, Outcome, WorkerError};
use crate::retry::RetryState;
use crate::spec::{Contract, Spec};
use crate::watch::Silence;
use std::collections::BTreeSet;
use std::sync::Arc;

/// State of one run. Only [`crate::apply::apply`] changes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Identity.
    pub id: RunId,
    /// The request as it was accepted, but for settings that a user has changed since.
    pub spec: Arc<Spec>,
    /// Its arguments as they may be shown.
    pub argv_shown: Arc<[String]>,
    /// The command that created it.
    pub command_id: Option<CommandId>,
    /// Boot in which `mono_ms` times count.
    pub boot_id: String,
    /// Where it is.
    pub phase: Phase,
    /// Where the user wants it to be.
    pub wanted: Wanted,
    /// The present or last attempt; 0 before the first.
    pub attempt: Attempt,
    /// Sequence number of the newest event.
    pub seq: u64,
    /// PULSE status after the newest event.
    pub status: Status,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// When the present phase began.
    pub phase_since: Moment,
    /// When the present worker was started.
    pub started_at: Option<Moment>,
    /// When the run ended.
    pub ended_at: Option<Moment>,
    /// Monotonic time at which [`crate::input::Input::DeadlinePassed`] is due.
    pub deadline_mono_ms: Option<u64>,
    /// The worker, from its start to its exit.
    pub worker: Option<WorkerIdentity>,
    /// Why the worker is being stopped, and until when its grace lasts.
    pub stop: Option<Stop>,
    /// What the worker of this attempt has said of itself.
    pub heard: Heard,
    /// Retries so far.
    pub retry: RetryState,
    /// The last failure, kept across retries.
    pub last_failure: Option<Failure>,
    /// How the last worker ended.
    pub last_exit: Option<Exit>,
    /// How far the last worker had come.
    pub reached: Option<Reached>,
    /// The newest checkpoint that the next attempt may begin from ([`Run::newest_usable`]).
    pub checkpoint: Option<CheckpointRef>,
    /// The checkpoint that the present attempt resumed from.
    pub resumed_from: Option<CheckpointRef>,
    /// All verified checkpoints that are still there, in the order of verification.
    pub verified: Vec<CheckpointRef>,
    /// The checkpoint that a user wants to go on from, until a worker is ordered to.
    pub restore: Option<CheckpointRef>,
    /// Not to be resumed from unless somebody restores them: newer than the checkpoint that was
    /// restored last, or not trusted any more.
    pub set_aside: Vec<CheckpointRef>,
    /// Paths of those that retention leaves alone because a user said so.
    pub pinned: BTreeSet<String>,
    /// The last ones that were refused, oldest first; one that verifies later leaves.
    pub refused: Vec<CheckpointRefusal>,
    /// Checkpoints that were lost to damage since one verified last, and since a worker was ordered
    /// last: work that nobody may throw away unasked.
    pub lost_checkpoints: u32,
    /// Paths of verified ones over which a worker has written since one verified last, and since a
    /// worker was ordered last: the old bytes are gone, and nobody has read the new ones yet.
    pub overwritten: BTreeSet<String>,
    /// Paths of those that were read back while a place to begin is looked for: the search may have
    /// passed them by.
    pub found_meanwhile: BTreeSet<String>,
    /// When a user wanted it to begin anew, Unix ms.
    pub anew_since_unix_ms: Option<u64>,
    /// Announced and not yet read back.
    pub candidates: Vec<CheckpointRef>,
    /// Offset in the attempt's event file up to which words are in the ledger.
    pub upto: u64,
    /// The machine was restarted since this attempt began.
    pub lost_to_reboot: bool,
    /// Why the run ended.
    pub ended_why: Option<Why>,
    /// What the workers of some attempts printed was deleted.
    pub output_pruned: Option<OutputPruned>,
    /// The run is gone: nothing changes it any more.
    pub removed: bool,
    /// The pause, from the wish for it to its end.
    pub pause: Option<Pause>,
    /// The worker of this attempt was held or frozen and told to go on: told so again at a
    /// take-over, because the order may have been lost.
    pub told_to_go_on: bool,
    /// The worker was asked for a checkpoint and has announced none since.
    pub checkpoint_asked: bool,
    /// The silence for which the present worker was declared hung.
    pub hung: Option<Hung>,
    /// Longest silence that the present worker was told of when its start was ordered, in
    /// milliseconds; 0 = it was told of none.
    pub heartbeat_told_ms: u64,
    /// Share of failed work.
    pub errors: ErrorWindow,
    /// What the world has been told: the fold of the events as they are on the wire.
    pub told: Told,
}

/// Output that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPruned {
    /// Of attempts up to this one.
    pub upto: Attempt,
    /// When, Unix ms.
    pub at_unix_ms: u64,
    /// Who wanted it.
    pub by: String,
}

/// A silence that was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hung {
    /// What was missing.
    pub what: Silence,
    /// For how long, in milliseconds.
    pub silent_for_ms: u64,
}

/// A stop under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Why.
    pub cause: StopCause,
    /// Who asked.
    pub requested_by: Option<String>,
    /// Monotonic time at which the grace is over. Set once: asking again never moves it.
    pub grace_ends_mono_ms: u64,
}

/// What the worker of the present attempt has said of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heard {
    /// It has spoken PULSE: at least one valid line.
    pub spoke: bool,
    /// It said that it is finished.
    pub complete: Option<Complete>,
    /// Its last error.
    pub error: Option<WorkerError>,
    /// Amount done when it told of that error, where it is known.
    pub error_at: Option<f64>,
    /// It has said nothing for the ledger since that error, but that it is finished.
    pub error_was_last: bool,
    /// Stage of the work.
    pub stage: Option<String>,
    /// Its last message.
    pub message: String,
}

/// The worker's own word that it is finished.
#[derive(Debug, Clone, PartialEq)]
pub struct Complete {
    /// How, in its eyes.
    pub outcome: Outcome,
    /// Last loss.
    pub final_loss: Option<f64>,
    /// Named results.
    pub metrics: Numbers,
    /// For people.
    pub message: String,
}

impl Run {
    /// A worker process may exist, or its start has been ordered.
    #[must_use]
    pub fn has_worker(&self) -> bool {
        self.phase.has_worker() && !self.is_released()
    }

    /// Paused, and its worker has left.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.phase == Phase::Paused
            && self.pause.as_ref().is_none_or(|pause| pause.step == PauseStep::Released)
    }

    /// The worker speaks PULSE, so it may be asked over its control channel.
    #[must_use]
    pub fn can_be_asked(&self) -> bool {
        self.spec.contract == Contract::Pulse || self.heard.spoke
    }

    /// How far its pause has come.
    #[must_use]
    pub fn pause_step(&self) -> Option<PauseStep> {
        self.pause.as_ref().map(|pause| pause.step)
    }

    /// How far the attempt that ends now had come: by its own last progress, else where it began.
    /// `None` if no worker was started, or it never said.
    #[must_use]
    pub fn failed_at(&self, reached: Option<&Reached>) -> Option<f64> {
        let began_at = || self.resumed_from.as_ref().and_then(|checkpoint| checkpoint.step);
        self.started_at.and_then(|_| reached.map(|reached| reached.done).or_else(began_at))
    }

    /// Failures since the last healthy progress.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.retry.failures
    }

    /// Retries since then: the failure that ended a run was not retried.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retry.failures.saturating_sub(u32::from(self.phase == Phase::Failed))
    }
}
