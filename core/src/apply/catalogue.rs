//! What is remembered of checkpoints.

use crate::checkpoint::{Announcement, DoubtCause};
use crate::input::{CheckpointRef, CheckpointRefusal};
use crate::moment::Moment;
use crate::phase::Phase;
use crate::run::Run;
use crate::spec::Resume;

/// Most verified checkpoints remembered per run. Retention keeps far fewer; should it fail to
/// delete, the oldest are forgotten here and stay on the disk.
const VERIFIED_MAX: usize = 1000;

/// Most refusals remembered per run: what people see of them. The ledger has all.
const REFUSED_MAX: usize = 100;

/// Most candidates remembered per run: a worker that announces checkpoints faster than they
/// can be read back loses the oldest announcements, not memory. Their files stay.
const CANDIDATES_MAX: usize = 64;

/// A worker has saved a checkpoint. Whatever lay under its path before is not there any more, so that
/// nothing that was known of it counts; but what a user pinned is a path, and stays so.
pub(super) fn announce(run: &mut Run, checkpoint: &CheckpointRef) {
    let path = &checkpoint.path;
    if run.verified.iter().any(|c| c.path == *path) {
        run.overwritten.insert(path.clone());
    }
    run.verified.retain(|c| c.path != *path);
    run.set_aside.retain(|c| c.path != *path);
    run.candidates.retain(|c| c.path != *path);
    let announcement = Some(Announcement { attempt: run.attempt, upto: run.upto });
    run.candidates.push(CheckpointRef { announcement, ..checkpoint.clone() });
    if run.candidates.len() > CANDIDATES_MAX {
        run.candidates.remove(0);
    }
    point(run);
}

/// A checkpoint has been read back and is whole. One that was set aside stays so: only if it is
/// announced anew is it another one.
pub(super) fn verify(run: &mut Run, checkpoint: &CheckpointRef) {
    remember(run, checkpoint);
    run.candidates.retain(|c| c.path != checkpoint.path);
    if run.phase == Phase::Choosing {
        run.found_meanwhile.insert(checkpoint.path.clone());
    }
}

/// A checkpoint that was read back a moment ago: the last one of the catalogue.
pub(super) fn remember(run: &mut Run, checkpoint: &CheckpointRef) {
    let checkpoint = match run.known_checkpoint(&checkpoint.path) {
        Some(known) => checkpoint.clone().completed_by(known).settled(),
        None => checkpoint.clone().settled(),
    };
    run.verified.retain(|c| c.path != checkpoint.path);
    run.refused.retain(|refusal| refusal.checkpoint.path != checkpoint.path);
    run.verified.push(checkpoint);
    run.lost_checkpoints = 0;
    run.overwritten.clear();
    if run.verified.len() > VERIFIED_MAX {
        run.verified.remove(0);
    }
    point(run);
}

/// A checkpoint that may not be used.
pub(super) fn refuse(run: &mut Run, refusal: &CheckpointRefusal) {
    let path = &refusal.checkpoint.path;
    let may_be_missed = run.was_good(path) || refusal.moved_to.is_some();
    if may_be_missed && !run.is_set_aside(path) {
        run.lost_checkpoints = run.lost_checkpoints.saturating_add(1);
    }
    forget(run, path);
    run.refused.retain(|older| older.checkpoint.path != *path);
    run.refused.push(refusal.clone());
    if run.refused.len() > REFUSED_MAX {
        run.refused.remove(0);
    }
}

/// A checkpoint that is damaged or gone.
pub(super) fn forget(run: &mut Run, path: &str) {
    run.candidates.retain(|c| c.path != path);
    run.verified.retain(|c| c.path != path);
    run.set_aside.retain(|c| c.path != path);
    run.pinned.remove(path);
    run.overwritten.remove(path);
    run.found_meanwhile.remove(path);
    point(run);
}

/// Retention has deleted one. An order that was on its way when the others were doubted can have
/// taken the last that could be used: that is lost work, and none to begin anew for.
pub(super) fn pruned(run: &mut Run, path: &str) {
    let was_usable = run.usable().any(|c| c.path == path);
    forget(run, path);
    if was_usable && run.usable().next().is_none() {
        run.lost_checkpoints = run.lost_checkpoints.saturating_add(1);
    }
}

/// An older checkpoint is restored: these are newer, and belong to what the user turned away from, as
/// does what was set aside before.
pub(super) fn restore(run: &mut Run, restored: &CheckpointRef, newer: &[CheckpointRef]) {
    run.set_aside.retain(|c| c.path != restored.path);
    add_aside(run, newer.iter().cloned());
    run.candidates.retain(|c| !newer.iter().any(|aside| aside.path == c.path));
    point(run);
}

/// A user begins anew: everything there is belongs to what they turned away from.
pub(super) fn begin_anew(run: &mut Run, at: Moment) {
    run.anew_since_unix_ms = Some(at.unix_ms);
    let from = if let Resume::From(from) = &run.spec.resume { Some(from.in_short()) } else { None };
    let all: Vec<_> = run.verified.iter().chain(&run.candidates).map(CheckpointRef::in_short).collect();
    add_aside(run, all.into_iter().chain(from));
    run.candidates.clear();
    point(run);
}

/// These are not trusted any more, whole or not.
pub(super) fn doubt(run: &mut Run, checkpoints: &[CheckpointRef], cause: &DoubtCause) {
    add_aside(run, checkpoints.iter().cloned());
    run.candidates.retain(|c| !checkpoints.iter().any(|doubted| doubted.path == c.path));
    match cause {
        // What was saved after the loss had gone wrong is nothing to lose.
        DoubtCause::NanLoss { .. } => {}
        DoubtCause::CrashLoop { .. } => {
            if let Some(repeat) = &mut run.retry.repeat {
                repeat.went_back = true;
            }
        }
        DoubtCause::NotFinite => {
            let count = u32::try_from(checkpoints.len()).unwrap_or(u32::MAX);
            run.lost_checkpoints = run.lost_checkpoints.saturating_add(count);
        }
    }
    point(run);
}

pub(super) fn pin(run: &mut Run, path: &str, pinned: bool) {
    if pinned {
        run.pinned.insert(path.to_owned());
    } else {
        run.pinned.remove(path);
    }
}

fn add_aside(run: &mut Run, more: impl Iterator<Item = CheckpointRef>) {
    for checkpoint in more {
        if !run.is_set_aside(&checkpoint.path) {
            run.set_aside.push(checkpoint);
        }
    }
}

/// The pointer follows the catalogue.
fn point(run: &mut Run) {
    run.checkpoint = run.newest_usable().cloned();
}
