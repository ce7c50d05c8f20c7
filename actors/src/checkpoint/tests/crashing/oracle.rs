//! What must be true of a run's folder, whatever happened before.

use super::scenes::{CHECKPOINTS, DAMAGED, KEPT, Stage, choose, entries, files, rules};
use crate::checkpoint::prune::would_delete;
use crate::checkpoint::tests::support::picked;
use resus_core::input::Fact;
use resus_disk::Disk;
use resus_disk::faulty::{Faulty, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A broken promise, with the name of the invariant first.
pub(super) type Broken = String;

type Content = BTreeMap<PathBuf, Vec<u8>>;

/// Whether a checkpoint of exactly these files and bytes lies at `path`.
fn lies_at(disk: &Faulty, path: &Path, content: &Content) -> bool {
    content.iter().all(|(inner, bytes)| {
        let file = if inner.as_os_str().is_empty() { path.to_owned() } else { path.join(inner) };
        disk.content(&file).is_ok_and(|found| found == *bytes)
    })
}

/// What may be gone because retention names it.
pub(super) fn may_go(stage: &Stage) -> BTreeSet<PathBuf> {
    let doomed = would_delete(Path::new(CHECKPOINTS), &entries(stage), &rules());
    doomed.into_iter().map(|doomed| PathBuf::from(doomed.id)).collect()
}

/// I4, I6 and I20 of what is found on a disk that is well.
pub(super) fn check(stage: &Stage, disk: &Faulty, may_go: &BTreeSet<PathBuf>) -> Result<(), Broken> {
    kept(stage, disk, may_go)?;
    damaged_is_kept(stage, disk)?;
    chosen(stage, disk)?;
    // The search sets aside as well.
    damaged_is_kept(stage, disk)?;
    kept(stage, disk, may_go)
}

/// I6: what retention does not name is there, and as many as it promises are whole.
fn kept(stage: &Stage, disk: &Faulty, may_go: &BTreeSet<PathBuf>) -> Result<(), Broken> {
    let is_there = |path: &Path, content: &Content| lies_at(disk, path, content);
    for (path, content) in stage.whole.iter().filter(|(path, _)| !may_go.contains(*path)) {
        if !is_there(path, content) {
            return Err(format!("I6: {} is whole and to be kept, and is gone", path.display()));
        }
    }
    let whole = stage.whole.iter().filter(|(path, content)| is_there(path, content)).count();
    let wanted = KEPT.min(stage.whole.len());
    if whole < wanted {
        Err(format!("I6: {whole} whole ones are left, {wanted} are to be kept"))
    } else {
        Ok(())
    }
}

/// I4 and I6: the next attempt begins from the newest that is whole, bit by bit.
fn chosen(stage: &Stage, disk: &Faulty) -> Result<(), Broken> {
    let (chosen, _) = picked(choose(stage, &files(Arc::new(disk.clone()))));
    let Some(chosen) = chosen else { return Err("I6: there is a whole one, none is chosen".to_owned()) };
    let path = Path::new(&chosen.path);
    let Some(content) = stage.whole.get(path).filter(|content| lies_at(disk, path, content)) else {
        return Err(format!("I4: {} is chosen and is not as it was saved", chosen.path));
    };
    let is_newer = |other: &&resus_core::input::CheckpointRef| other.step > chosen.step;
    let newer = stage.known.iter().filter(is_newer).map(|other| Path::new(&other.path));
    let mut passed =
        newer.filter(|path| stage.whole.get(*path).is_some_and(|content| lies_at(disk, path, content)));
    match passed.next_back() {
        Some(newer) => Err(format!("I6: {} is whole, {} is chosen", newer.display(), chosen.path)),
        None if content.is_empty() => Err("I4: nothing was compared".to_owned()),
        None => Ok(()),
    }
}

/// I20: everything damaged is where it was or among what was set aside, byte for byte.
fn damaged_is_kept(stage: &Stage, disk: &Faulty) -> Result<(), Broken> {
    let aside = disk.copy(Plan::default()).list(Path::new(DAMAGED), 1_000).unwrap_or_default();
    let aside: Vec<PathBuf> = aside.iter().map(|name| Path::new(DAMAGED).join(name)).collect();
    for (path, content) in &stage.damaged {
        let places = || std::iter::once(path).chain(&aside);
        if !places().any(|place| lies_at(disk, place, content)) {
            return Err(format!("I20: {} was damaged and is nowhere", path.display()));
        }
    }
    Ok(())
}

/// What is told is true of the disk as it was when it was told: nothing damaged passes for whole, what
/// was moved lies where it is said, and what is told as pruned is gone.
pub(super) fn told(stage: &Stage, disk: &Faulty, facts: &[Fact]) -> Result<(), Broken> {
    let whole = |path: &str| match stage.is_whole(path) {
        true => Ok(()),
        false => Err(format!("I4: {path} is told to be whole")),
    };
    let moved = |from: &str, to: &Option<String>| match (stage.damaged.get(Path::new(from)), to) {
        (_, None) => Ok(()),
        (Some(content), Some(to)) if lies_at(disk, Path::new(to), content) => Ok(()),
        (_, Some(to)) => Err(format!("I20: {from} is told to lie at {to}")),
    };
    for fact in facts {
        match fact {
            Fact::CheckpointChecked { checkpoint, refusal: None } => whole(&checkpoint.path)?,
            Fact::CheckpointChecked { checkpoint, refusal: Some(refused) } => {
                moved(&checkpoint.path, &refused.moved_to)?;
            }
            Fact::RestoreChecked { checkpoint, refusal: None, .. } => whole(&checkpoint.path)?,
            Fact::RestoreChecked { refusal: Some(_), .. } | Fact::CheckpointsUnknown { .. } => {}
            Fact::CheckpointPicked { chosen, refused } => {
                chosen.iter().try_for_each(|chosen| whole(&chosen.path))?;
                for refusal in refused {
                    moved(&refusal.checkpoint.path, &refusal.moved_to)?;
                }
            }
            Fact::CheckpointsPruned { paths } => {
                pruned_is_gone(disk, paths)?;
            }
            other => return Err(format!("nobody asked for {other:?}")),
        }
    }
    Ok(())
}

/// What was told as pruned does not come back.
pub(super) fn pruned_is_gone(disk: &Faulty, paths: &[String]) -> Result<(), Broken> {
    let well = disk.copy(Plan::default());
    match paths.iter().find(|path| well.look_at(Path::new(path)).is_ok()) {
        Some(path) => Err(format!("I6: {path} is told as pruned and is there")),
        None => Ok(()),
    }
}

/// The paths that were told as pruned.
pub(super) fn pruned(facts: &[Fact]) -> Vec<String> {
    let of = |fact: &Fact| match fact {
        Fact::CheckpointsPruned { paths } => paths.clone(),
        _ => Vec::new(),
    };
    facts.iter().flat_map(of).collect()
}
