//! The checkpoints of a run as clients see them, and what they can ask about them.

use crate::ids::CommandId;
use crate::input::{CheckpointRef, CheckpointRefusal};
use crate::phase::Phase;
use crate::retention::{self, RetentionPolicy};
use crate::run::Run;
use crate::spec::Resume;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The checkpoints of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointList {
    /// Those that are known: verified ones in the order of verification, those that are set aside
    /// without having been read back, those that wait for it, and the last ones that were refused.
    pub checkpoints: Vec<CheckpointView>,
    /// Which of them retention keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RetentionPolicy>,
}

/// A checkpoint as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointView {
    /// Which, with its health, its format and its metrics.
    pub checkpoint: CheckpointRef,
    /// Whether it may be resumed from.
    pub state: CheckpointState,
    /// The next attempt begins here, if nothing changes and it still verifies.
    pub is_resume_point: bool,
    /// A user wants retention to leave it alone.
    #[serde(default)]
    pub pinned: bool,
    /// Retention leaves it alone at present, pinned or not.
    #[serde(default)]
    pub protected: bool,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where what was damaged lies now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
}

/// What is known of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointState {
    /// The worker has announced it; it has not been read back.
    Candidate,
    /// It has been read back.
    Verified,
    /// It was left behind when an older one was restored, or is not trusted any more: it is used
    /// only if somebody restores it.
    SetAside,
    /// It was refused.
    Damaged,
}

impl CheckpointList {
    /// What `run` knows of its checkpoints.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let next = match run.spec.resume {
            Resume::Never => run.restore.as_ref(),
            Resume::Auto | Resume::From(_) => run.restore.as_ref().or(run.checkpoint.as_ref()),
        };
        // What is done goes on from nowhere.
        let next = next.filter(|_| run.phase != Phase::Done).map(|next| next.path.as_str());
        let entries = retention::entries(run, None);
        let protected: BTreeSet<&str> = entries
            .iter()
            .filter(|entry| entry.protected)
            .map(|entry| entry.checkpoint.path.as_str())
            .collect();
        let is_verified = |path: &str| run.verified.iter().any(|c| c.path == path);
        let verified = run.verified.iter().map(|checkpoint| {
            let is_aside = run.is_set_aside(&checkpoint.path);
            (checkpoint, if is_aside { CheckpointState::SetAside } else { CheckpointState::Verified })
        });
        let aside = run.set_aside.iter().filter(|c| !is_verified(&c.path));
        let candidates =
            run.candidates.iter().filter(|c| !is_verified(&c.path) && !run.is_set_aside(&c.path));
        let known = verified
            .chain(aside.map(|c| (c, CheckpointState::SetAside)))
            .chain(candidates.map(|c| (c, CheckpointState::Candidate)));
        let view = |(checkpoint, state): (&CheckpointRef, _)| CheckpointView {
            checkpoint: checkpoint.clone(),
            state,
            is_resume_point: state != CheckpointState::Candidate && next == Some(checkpoint.path.as_str()),
            pinned: run.pinned.contains(&checkpoint.path),
            protected: protected.contains(checkpoint.path.as_str()),
            reason: None,
            moved_to: None,
        };
        let is_again =
            |refusal: &&CheckpointRefusal| run.known_checkpoint(&refusal.checkpoint.path).is_none();
        let damaged = run.refused.iter().filter(is_again).map(|refusal| CheckpointView {
            reason: Some(refusal.reason.clone()),
            moved_to: refusal.moved_to.clone(),
            ..view((&refusal.checkpoint, CheckpointState::Damaged))
        });
        Self {
            checkpoints: known.map(view).chain(damaged).collect(),
            rules: Some(run.spec.policy.retention()),
        }
    }
}

/// A wish that retention leaves a checkpoint alone, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinBody {
    /// Its id, the unique beginning of one, or `latest`.
    pub checkpoint: String,
    /// Whether it is left alone.
    pub pinned: bool,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// A wish that retention runs now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PruneBody {
    /// Only say what it would delete.
    pub dry_run: bool,
    /// Who asks, as shown to people.
    pub by: String,
    /// The same id again is the same command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PruneReply {
    /// Of a dry run: what it would delete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_delete: Vec<CheckpointView>,
    /// Else: what is being deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<CheckpointView>,
    /// What those take, in bytes, where their size is known.
    pub bytes: u64,
}

/// A wish that verified checkpoints are read back once more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecheckBody {
    /// One, by its id, the unique beginning of one, or `latest`; all if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Who asks, as shown to people.
    pub by: String,
    /// The same id again is the same command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}
