//! Deletes the checkpoints that no rule keeps, and the manifests of what is gone.

use super::check::check;
use super::files::{Files, is_in, told};
use super::foreign;
use super::jobs::Outcome;
use resus_checkpoint::foreign::{discard, empty_trash, forget, kept, kept_since, recall};
use resus_checkpoint::retention::{self, Doomed, Entry, Extreme, Rules};
use resus_core::checkpoint::Health;
use resus_core::input::{CheckpointRef, Fact};
use resus_core::policy::RetentionPolicy;
use resus_core::retention::RetentionEntry;
use std::collections::BTreeSet;
use std::path::Path;

/// Tells which ones are gone. What could not be deleted is tried again the next time.
pub(super) fn prune(files: &Files, entries: &[RetentionEntry], rules: &RetentionPolicy) -> Option<Fact> {
    if let Err(error) = empty_trash(&*files.disk, &files.checkpoints) {
        tracing::warn!(error = told(&error), "what is left of deleted checkpoints can't be deleted");
    }
    let mut gone: Vec<String> = Vec::new();
    // One that is gone keeps nobody's place.
    let there = |entry: &&RetentionEntry| !files.is_gone(Path::new(&entry.checkpoint.path));
    let there: Vec<_> = entries.iter().filter(there).cloned().collect();
    let doomed = would_delete(&files.checkpoints, &there, rules);
    // Those that went the last time, when it could not be told.
    let before = would_delete(&files.checkpoints, entries, rules).into_iter().map(|doomed| doomed.id);
    gone.extend(before.filter(|path| files.is_gone(Path::new(path))));
    for doomed in doomed {
        match discard(&*files.disk, &files.checkpoints, Path::new(&doomed.id)) {
            Ok(()) => gone.push(doomed.id),
            Err(error) => tracing::warn!(error = told(&error), "a checkpoint can't be deleted"),
        }
    }
    // What lies elsewhere is never deleted by us, but its owner may have done so.
    let elsewhere = entries.iter().filter(|entry| !entry.protected).map(|entry| &entry.checkpoint.path);
    let elsewhere = elsewhere.filter(|path| !files.is_own(Path::new(path)));
    gone.extend(elsewhere.filter(|path| files.is_gone(Path::new(path))).cloned());
    drop_manifests(files, entries, &gone);
    (!gone.is_empty()).then_some(Fact::CheckpointsPruned { paths: gone })
}

/// The newest one that may be gone on from.
pub(super) fn newest(entries: &[RetentionEntry]) -> Option<&CheckpointRef> {
    let usable = entries.iter().filter(|entry| entry.verified && !entry.checkpoint.is_poisoned());
    let step = |entry: &RetentionEntry| entry.checkpoint.step.unwrap_or(f64::NEG_INFINITY);
    // Of equals the last, which was verified last.
    usable.max_by(|a, b| step(a).total_cmp(&step(b))).map(|entry| &entry.checkpoint)
}

/// Reads the newest one that stays, if others are to go because of it; what is wrong with it, in the
/// place of any deletion.
pub(super) fn damage_of_newest(
    files: &Files,
    entries: &[RetentionEntry],
    rules: &RetentionPolicy,
) -> Option<Outcome> {
    let newest = newest(entries)?;
    if would_delete(&files.checkpoints, entries, rules).is_empty() {
        return None;
    }
    let outcome = match check(files, newest.clone()) {
        Outcome::Foreign(newest) => Outcome::Told(foreign::compared_now(files, newest)),
        told @ Outcome::Told(_) => told,
    };
    let is_whole = matches!(&outcome, Outcome::Told(Some(Fact::CheckpointChecked { refusal: None, .. })));
    (!is_whole).then_some(outcome)
}

/// What [`prune`] would delete in the run's folder `checkpoints`, and why. Only what may be deleted there
/// counts as kept there.
pub(crate) fn would_delete(
    checkpoints: &Path,
    entries: &[RetentionEntry],
    rules: &RetentionPolicy,
) -> Vec<Doomed<String>> {
    let is_own = |entry: &RetentionEntry| is_in(checkpoints, Path::new(&entry.checkpoint.path));
    let own = entries.iter().enumerate().filter(|(_, entry)| is_own(entry));
    let own: Vec<_> = own.map(|(place, entry)| as_entry(place, entry, rules)).collect();
    retention::plan(&own, &in_short(rules))
}

/// An entry of the catalogue, which lists them in the order of their verification, as retention sees it.
fn as_entry(place: usize, entry: &RetentionEntry, rules: &RetentionPolicy) -> Entry<String> {
    let checkpoint = &entry.checkpoint;
    let metric = rules.best_metric.as_ref().and_then(|name| checkpoint.metrics.get(name).copied().flatten());
    Entry {
        id: checkpoint.path.clone(),
        step: checkpoint.step.unwrap_or(0.0) as u64,
        saved: place as u64,
        size_bytes: checkpoint.size_bytes.unwrap_or(0),
        verified: entry.verified,
        poisoned: checkpoint.health == Health::NotFinite,
        protected: entry.protected,
        metric,
    }
}

fn in_short(rules: &RetentionPolicy) -> Rules {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Rules {
        keep_last: count(rules.keep_last),
        keep_best: count(rules.keep_best),
        best_is: match rules.best_is {
            resus_core::policy::Extreme::Max => Extreme::Max,
            resus_core::policy::Extreme::Min => Extreme::Min,
        },
        keep_every: rules.keep_every,
        max_bytes: rules.max_bytes,
    }
}

/// Removes the manifests of what is `gone`, and those that a later one of the same checkpoint has taken
/// the place of. One that no entry names may just have been made.
fn drop_manifests(files: &Files, entries: &[RetentionEntry], gone: &[String]) {
    let disk = &*files.disk;
    let is_gone = |entry: &&RetentionEntry| gone.contains(&entry.checkpoint.path);
    let named = |entry: &RetentionEntry| entry.checkpoint.digest.clone();
    let in_use: BTreeSet<_> = entries.iter().filter(|entry| !is_gone(entry)).filter_map(named).collect();
    let useless = entries.iter().filter(is_gone).filter_map(named).filter(|digest| !in_use.contains(digest));
    let all = kept(disk, &files.manifests).unwrap_or_default();
    let all: BTreeSet<_> = all.into_iter().collect();
    let useless = useless.filter(|digest| all.contains(digest));
    let stale = all.iter().filter(|digest| !in_use.contains(*digest) && is_stale(files, entries, digest));
    for digest in useless.chain(stale.cloned()) {
        if let Err(error) = forget(disk, &files.manifests, &digest) {
            tracing::warn!(error = told(&error), "a manifest can't be deleted");
        }
    }
}

/// Whether the manifest that no entry names is of a checkpoint that is gone, or of which the catalogue
/// has a later one.
fn is_stale(files: &Files, entries: &[RetentionEntry], digest: &str) -> bool {
    let disk = &*files.disk;
    let since = |digest: &str| kept_since(disk, &files.manifests, digest).ok();
    let Ok(manifest) = recall(disk, &files.manifests, digest) else { return false };
    let is_of_it = |entry: &&RetentionEntry| Path::new(&entry.checkpoint.path) == manifest.root;
    let later =
        entries.iter().filter(is_of_it).filter_map(|entry| since(entry.checkpoint.digest.as_deref()?));
    let made = since(digest);
    files.is_gone(&manifest.root) || later.max().is_some_and(|later| made.is_some_and(|made| made < later))
}
