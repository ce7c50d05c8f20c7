//! What `resus prune` deletes: a plan over all runs of a node, from what they take and when they
//! ended. Nothing here knows a file.

use crate::ids::RunId;
use crate::phase::Phase;
use crate::run::Run;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A failure of this class ends a run of which nobody knows how it ended.
const LOST: &str = "TRAINING_LOST";

/// How a run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedAs {
    /// Well.
    Done,
    /// In a failure.
    Failed,
    /// Because somebody wanted it to.
    Cancelled,
    /// Nobody knows how.
    Lost,
}

impl EndedAs {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Cancelled, Self::Lost];

    /// The word as typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// How `run` has ended, if it has.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        let lost = || run.last_failure.as_ref().is_some_and(|f| f.code.as_str() == LOST);
        match run.phase {
            Phase::Done => Some(Self::Done),
            Phase::Failed if lost() => Some(Self::Lost),
            Phase::Failed => Some(Self::Failed),
            Phase::Cancelled => Some(Self::Cancelled),
            Phase::Choosing
            | Phase::Spawning
            | Phase::Starting
            | Phase::Running
            | Phase::Pausing
            | Phase::Paused
            | Phase::CoolingDown
            | Phase::Asked
            | Phase::Terminated
            | Phase::Killed
            | Phase::Waiting => None,
        }
    }
}

/// A run as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub run_id: RunId,
    /// What people call it.
    pub name: String,
    /// How and when it ended, Unix ms; `None` while it lives.
    pub ended: Option<(EndedAs, u64)>,
    /// What goes with it, in bytes on the disk.
    pub bytes: u64,
    /// What there is of it; more than `bytes` if some of it stays.
    pub held_bytes: u64,
    /// It stays, whatever the criteria say.
    pub kept: bool,
}

/// Which of them may go. All that are given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Criteria {
    /// Those that ended at least so long ago, in milliseconds.
    pub older_than_ms: Option<u64>,
    /// The newest so many that have ended stay, of each name.
    pub keep: Option<u32>,
    /// No more of them than it takes until all runs together take at most so many bytes.
    pub max_bytes: Option<u64>,
    /// Those of this name.
    pub name: Option<String>,
    /// Those that ended so; empty = however.
    pub ended_as: Vec<EndedAs>,
}

impl Criteria {
    /// Whether nothing is given: then everything that has ended would go, and nobody means that.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is given, in words, as the reason of what goes.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut said = Vec::new();
        if let Some(age_ms) = self.older_than_ms {
            said.push(format!("older than {}", age(age_ms)));
        }
        if let Some(keep) = self.keep {
            said.push(format!("not among the newest {keep} of its name"));
        }
        if let Some(max_bytes) = self.max_bytes {
            said.push(format!("more than {max_bytes} bytes in all"));
        }
        if let Some(name) = &self.name {
            said.push(format!("called {name}"));
        }
        if !self.ended_as.is_empty() {
            let words: Vec<_> = self.ended_as.iter().map(|how| how.as_str()).collect();
            said.push(words.join(" or "));
        }
        format!("pruned: {}", said.join(", "))
    }
}

/// The runs that go, in the order in which they ended; those that ended at once in the order of
/// their ids.
///
/// A run that lives is never among them. With `max_bytes` runs that take nothing stay, and the plan
/// ends as soon as what is left is small enough.
#[must_use]
pub fn plan<'a>(candidates: &'a [Candidate], criteria: &Criteria, now_unix_ms: u64) -> Vec<&'a Candidate> {
    let mut ended: Vec<(u64, EndedAs, &Candidate)> = candidates
        .iter()
        .filter_map(|candidate| candidate.ended.map(|(how, at)| (at, how, candidate)))
        .collect();
    ended.sort_by_key(|(at, _, candidate)| (*at, &candidate.run_id));
    let mut newer: BTreeMap<&str, u32> = BTreeMap::new();
    let mut may_go = Vec::new();
    for (at, how, candidate) in ended.into_iter().rev() {
        let newer = newer.entry(candidate.name.as_str()).or_default();
        let stays = criteria.keep.is_some_and(|keep| *newer < keep);
        *newer = newer.saturating_add(1);
        let old_enough = criteria.older_than_ms.is_none_or(|age| now_unix_ms.saturating_sub(at) >= age);
        let named = criteria.name.as_ref().is_none_or(|name| *name == candidate.name);
        let fits = criteria.ended_as.is_empty() || criteria.ended_as.contains(&how);
        if !stays && !candidate.kept && old_enough && named && fits {
            may_go.push(candidate);
        }
    }
    may_go.reverse();
    let Some(max_bytes) = criteria.max_bytes else { return may_go };
    let mut left = total(candidates);
    may_go.retain(|candidate| {
        let goes = left > max_bytes && candidate.bytes > 0;
        if goes {
            left = left.saturating_sub(candidate.bytes);
        }
        goes
    });
    may_go
}

/// In the largest unit that it is a whole number of.
fn age(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.into_iter().find(|(unit_ms, _)| ms > 0 && ms.is_multiple_of(*unit_ms));
    whole.map_or_else(|| format!("{ms}ms"), |(unit_ms, unit)| format!("{}{unit}", ms / unit_ms))
}

/// What there is of all of them.
fn total(candidates: &[Candidate]) -> u64 {
    candidates.iter().fold(0, |sum, candidate| sum.saturating_add(candidate.held_bytes))
}

#[cfg(test)]
mod tests;
