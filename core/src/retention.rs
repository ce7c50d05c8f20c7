//! Which checkpoints retention is told of, and which of them it may not touch.
//!
//! What it does with them is planned where the files are; the rules are the run's.

use crate::checkpoint::Health;
use crate::input::CheckpointRef;
use crate::run::Run;
use crate::spec::Resume;
use serde::{Deserialize, Serialize};

/// Longest name of a metric, in bytes.
const METRIC_BYTES_MAX: usize = 64;

/// Which checkpoints of a run stay. Each rule keeps some; what none keeps is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionPolicy {
    /// The newest so many verified ones, at least 1.
    pub keep_last: u32,
    /// So many of the best by `best_metric`; 0 = none.
    pub keep_best: u32,
    /// By which number the best ones are told.
    pub best_metric: Option<String>,
    /// Which end of that number is the good one.
    pub best_is: Extreme,
    /// The first one of every so many units of progress; 0 = none.
    pub keep_every: u64,
    /// Most bytes they may take, but for protected ones; 0 = no limit.
    pub max_bytes: u64,
}

impl RetentionPolicy {
    /// The newest verified checkpoint stays, and what is protected.
    #[must_use]
    pub fn only_newest() -> Self {
        Self {
            keep_last: 1,
            keep_best: 0,
            best_metric: None,
            best_is: Extreme::Min,
            keep_every: 0,
            max_bytes: 0,
        }
    }
}

/// The good end of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extreme {
    /// Large is good.
    Max,
    /// Small is good.
    Min,
}

/// A checkpoint as retention sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RetentionEntry {
    /// Which.
    pub checkpoint: CheckpointRef,
    /// It verified and may be resumed from: it takes a place. One that is set aside takes none, and
    /// goes once it is older than all that stay.
    pub verified: bool,
    /// It stays whatever the rules say.
    pub protected: bool,
}

/// By which metric the best checkpoints are told, as people write it: `NAME:min`, `NAME:max`, or
/// `NAME` alone, of which large is good unless it is `loss` or ends in `_loss`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Best {
    /// Name of the metric.
    pub metric: String,
    /// Its good end.
    pub is: Extreme,
}

/// A text that names no metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a metric's name, which may be followed by :min or :max")]
pub struct BestError {
    /// What was given.
    pub text: String,
}

impl Best {
    /// Reads what people write.
    ///
    /// # Errors
    /// [`BestError`] for a name that is empty, too long or not printable, and for an end that is
    /// neither `min` nor `max`.
    pub fn parse(text: &str) -> Result<Self, BestError> {
        let is_loss = text == "loss" || text.ends_with("_loss");
        let (metric, is) = match text.rsplit_once(':') {
            Some((metric, "min")) => (metric, Extreme::Min),
            Some((metric, "max")) => (metric, Extreme::Max),
            Some(_) => return Err(BestError { text: text.to_owned() }),
            None => (text, if is_loss { Extreme::Min } else { Extreme::Max }),
        };
        let fits = !metric.is_empty()
            && metric.len() <= METRIC_BYTES_MAX
            && !metric.chars().any(|c| c.is_control() || c.is_whitespace());
        if !fits {
            return Err(BestError { text: text.to_owned() });
        }
        Ok(Self { metric: metric.to_owned(), is })
    }
}

/// The catalogue of `run` as retention sees it; `newest` has been verified a moment ago and is
/// not in the run's fold yet.
///
/// Protected are: what a user pinned, what the present attempt resumed from (its worker may be
/// reading it), what is being restored, what the spec begins from, the newest verified one, and
/// the newest verified ones that are not known to be poisoned and that are known to be healthy.
#[must_use]
pub fn entries(run: &Run, newest: Option<&CheckpointRef>) -> Vec<RetentionEntry> {
    let is_newest = |c: &CheckpointRef| newest.is_some_and(|newest| newest.path == c.path);
    let verified: Vec<_> =
        run.verified.iter().filter(|c| !is_newest(c) && !run.is_set_aside(&c.path)).chain(newest).collect();
    let not_poisoned = verified.iter().copied().filter(|c| !c.is_poisoned());
    // One that says so is better than one of which nobody knows.
    let finite = verified.iter().copied().filter(|c| c.health == Health::Finite);
    let kept = [
        crate::catalogue::newest(verified.iter().copied()),
        crate::catalogue::newest(not_poisoned),
        crate::catalogue::newest(finite),
    ];
    let from = if let Resume::From(from) = &run.spec.resume { Some(&**from) } else { None };
    let in_use = [run.resumed_from.as_ref(), run.restore.as_ref(), from];
    let is_protected = |c: &CheckpointRef| {
        let is_it = |other: &CheckpointRef| other.path == c.path;
        run.pinned.contains(&c.path) || kept.into_iter().chain(in_use).flatten().any(is_it)
    };
    let entry = |c: &CheckpointRef, verified| RetentionEntry {
        checkpoint: c.clone(),
        verified,
        protected: is_protected(c),
    };
    let set_aside = run.set_aside.iter().filter(|c| !is_newest(c));
    let verified = verified.iter().map(|c| entry(c, true));
    verified.chain(set_aside.map(|c| entry(c, false))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_read_as_people_write_it() {
        let read = |text| Best::parse(text).map(|best| (best.metric, best.is)).ok();
        let of = |metric: &str, is| Some((metric.to_owned(), is));
        assert_eq!(read("auc"), of("auc", Extreme::Max));
        assert_eq!(read("loss"), of("loss", Extreme::Min));
        assert_eq!(read("val_loss"), of("val_loss", Extreme::Min));
        assert_eq!(read("val_loss:max"), of("val_loss", Extreme::Max));
        assert_eq!(read("a:b:min"), of("a:b", Extreme::Min));
        for bad in ["", ":min", "auc:maximum", "a b", "a\nb", "auc:", &"x".repeat(65)] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
