//! What clients say to let runs, their output or their checkpoints be gone.

use crate::ids::CommandId;
use crate::prune::{Criteria, EndedAs};
use crate::view::RunView;
use serde::{Deserialize, Serialize};

/// A wish that a run is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemoveBody {
    /// Only say what would go.
    pub dry_run: bool,
    /// Pinned checkpoints go along.
    pub with_pinned: bool,
    /// Who asks, as shown to people.
    pub by: String,
    /// The same id again is the same command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoveReply {
    /// The run is gone; its files are being deleted.
    pub removed: bool,
    /// The run as it was.
    pub run: RunView,
    /// What its files take.
    pub size: RunSize,
    /// Checkpoints that are known.
    pub checkpoints: u32,
    /// Those of them that somebody pinned.
    pub pinned: u32,
    /// What stands in the way of its removal now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<Obstacle>,
}

/// Something that stands in the way of a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// What it is.
    pub kind: ObstacleKind,
    /// The same in words.
    pub text: String,
    /// The run that needs it, by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<String>,
}

/// What can stand in the way of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObstacleKind {
    /// It has not ended.
    Phase,
    /// Somebody pinned checkpoints of it.
    Pinned,
    /// Another run would go on from a checkpoint of it, and has none of its own. Nothing waives this.
    Needed,
}

impl ObstacleKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Phase, Self::Pinned, Self::Needed];

    /// Its word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Pinned => "pinned",
            Self::Needed => "needed",
        }
    }
}

/// What the files of a run take on the disk, in bytes. Links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunSize {
    /// All of them.
    pub bytes: u64,
    /// What the workers printed, and the evidence of hangs.
    pub output_bytes: u64,
    /// The checkpoints.
    pub checkpoint_bytes: u64,
    /// Not all could be measured: it is at least so much.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// What can be swept away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepKind {
    /// Whole runs.
    Runs,
    /// What the workers of runs printed, and the evidence of hangs.
    Logs,
    /// The checkpoints of runs but for the newest verified one and pinned ones.
    Checkpoints,
}

impl SweepKind {
    /// The word as typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Logs => "logs",
            Self::Checkpoints => "checkpoints",
        }
    }
}

/// A wish that what fits these criteria is gone. Only runs that have ended are touched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SweepBody {
    /// What is swept away; empty = runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<SweepKind>,
    /// Of runs that ended at least so long ago, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_ms: Option<u64>,
    /// But for the newest so many that have ended, of each name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// The oldest first, until what there is of all runs takes at most so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Of runs of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of runs that ended so; empty = however.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<EndedAs>,
    /// Nothing else than this, as a dry run showed it; empty = all that fits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<SweepTarget>,
    /// Only say what would go.
    pub dry_run: bool,
    /// Who asks, as shown to people.
    pub by: String,
}

impl SweepBody {
    /// Which runs it is about.
    #[must_use]
    pub fn criteria(&self) -> Criteria {
        Criteria {
            older_than_ms: self.older_than_ms,
            keep: self.keep,
            max_bytes: self.max_bytes,
            name: self.name.clone(),
            ended_as: self.status.clone(),
        }
    }
}

/// Something that may go: what of which run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepTarget {
    /// What of the run.
    pub kind: SweepKind,
    /// The run, by id.
    pub run_id: String,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SweepReply {
    /// What goes, the oldest first; after a sweep what did not go comes before that.
    pub items: Vec<SweepItem>,
    /// What those that go take, in bytes on the disk.
    pub bytes: u64,
    /// How many went.
    #[serde(default)]
    pub gone: u32,
    /// How many did not.
    #[serde(default)]
    pub failed: u32,
    /// How many of those that were named are not there any more, or fit no more.
    #[serde(default)]
    pub missing: u32,
    /// Further ones that had no room in this answer.
    #[serde(default)]
    pub left_out: u32,
    /// It was only asked.
    #[serde(default)]
    pub dry_run: bool,
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepItem {
    /// What of the run.
    pub kind: SweepKind,
    /// The run.
    pub run_id: String,
    /// What people call it.
    pub name: String,
    /// How it ended.
    pub ended_as: EndedAs,
    /// When, RFC 3339.
    pub ended_at: String,
    /// What goes, in bytes on the disk.
    pub bytes: u64,
    /// Not all could be measured: it is at least so much.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// Why it did not go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
