//! What a run knows of its checkpoints: which is the newest, which may be resumed from.

use crate::input::CheckpointRef;
use crate::run::Run;
use crate::spec::Resume;

/// The newest of some checkpoints in the order of their verification: the one that had come
/// farthest; of those that had come as far, the one that was verified last. One that does not say
/// how far it had come is older than any that does.
pub(crate) fn newest<'a>(all: impl IntoIterator<Item = &'a CheckpointRef>) -> Option<&'a CheckpointRef> {
    all.into_iter().max_by(|a, b| amount(a).total_cmp(&amount(b)))
}

/// The one that had come least far; of equals the first.
pub(crate) fn oldest<'a>(all: impl IntoIterator<Item = &'a CheckpointRef>) -> Option<&'a CheckpointRef> {
    all.into_iter().min_by(|a, b| amount(a).total_cmp(&amount(b)))
}

/// Amount done when it was taken.
fn amount(checkpoint: &CheckpointRef) -> f64 {
    checkpoint.step.filter(|step| !step.is_nan()).unwrap_or(f64::NEG_INFINITY)
}

impl Run {
    /// It is left behind: not resumed from unless somebody restores it.
    #[must_use]
    pub fn is_set_aside(&self, path: &str) -> bool {
        self.set_aside.iter().any(|aside| aside.path == path)
    }

    /// Those that the next attempt may begin from, in the order of their verification: verified,
    /// not set aside, and not known to hold numbers that are not finite.
    pub fn usable(&self) -> impl Iterator<Item = &CheckpointRef> + Clone {
        self.verified.iter().filter(|c| !c.is_poisoned() && !self.is_set_aside(&c.path))
    }

    /// The newest of those.
    #[must_use]
    pub fn newest_usable(&self) -> Option<&CheckpointRef> {
        newest(self.usable())
    }

    /// Those that may be used and are older than `than`, oldest first: those that come before it, or,
    /// if it is none that may be used, that had not come as far.
    pub(crate) fn usable_before(&self, than: &CheckpointRef) -> Vec<&CheckpointRef> {
        let mut before = self.usable_by_age();
        let place = before.iter().position(|c| c.path == than.path);
        before.truncate(place.unwrap_or_else(|| before.partition_point(|c| amount(c) < amount(than))));
        before
    }

    /// Those that may be used, oldest first.
    pub(crate) fn usable_by_age(&self) -> Vec<&CheckpointRef> {
        let mut all: Vec<_> = self.usable().collect();
        all.sort_by(|a, b| amount(a).total_cmp(&amount(b)));
        all
    }

    /// Those that were announced and are not in the catalogue yet.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &CheckpointRef> + Clone {
        self.candidates.iter().filter(|candidate| !self.is_verified(&candidate.path))
    }

    /// The newest of those, if it is further than the one that the run would go on from.
    #[must_use]
    pub fn newest_unread(&self) -> Option<&CheckpointRef> {
        let newest = newest(self.unread().filter(|unread| !self.is_set_aside(&unread.path)))?;
        let is_further = |known: &CheckpointRef| amount(newest) > amount(known);
        self.checkpoint.as_ref().is_none_or(is_further).then_some(newest)
    }

    /// It is in the catalogue: it was read back.
    pub(crate) fn is_verified(&self, path: &str) -> bool {
        self.verified.iter().any(|c| c.path == path)
    }

    /// What lay under `path` had been read back, so that it was work to lose.
    pub(crate) fn was_good(&self, path: &str) -> bool {
        self.is_verified(path) || self.overwritten.contains(path)
    }

    /// What is known of the checkpoint at `path`.
    #[must_use]
    pub fn known_checkpoint(&self, path: &str) -> Option<&CheckpointRef> {
        self.verified.iter().chain(&self.candidates).rfind(|c| c.path == path)
    }

    /// Where the run begins: what its spec names, as long as it has nothing of its own and nobody
    /// has turned away from it.
    #[must_use]
    pub fn begins_from(&self) -> Option<&CheckpointRef> {
        let Resume::From(from) = &self.spec.resume else { return None };
        let has_own = self.usable().any(|c| c.path != from.path);
        (!has_own && !self.is_set_aside(&from.path)).then_some(from)
    }
}
