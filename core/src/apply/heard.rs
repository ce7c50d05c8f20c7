//! What is remembered of a worker's words, and of checkpoints.

use crate::input::CheckpointRef;
use crate::pulse::word::Word;
use crate::run::{Complete, Run};

/// Most candidates remembered per run: a worker that announces checkpoints faster than they
/// can be read back loses the oldest announcements, not memory.
const CANDIDATES_MAX: usize = 16;

/// Most verified checkpoints remembered per run. Retention keeps far fewer; should it fail to
/// delete, the oldest are forgotten here and stay on the disk.
const VERIFIED_MAX: usize = 1000;

pub(super) fn hear(run: &mut Run, word: &Word) {
    run.heard.spoke = true;
    run.heard.error_was_last = match word {
        Word::Error(_) => true,
        Word::RunComplete { .. } => run.heard.error_was_last,
        Word::Status { .. }
        | Word::StageChange { .. }
        | Word::TargetStart { .. }
        | Word::TargetComplete { .. }
        | Word::CheckpointSaved(_) => false,
    };
    match word {
        Word::Status { message, .. } => run.heard.message.clone_from(message),
        Word::Error(error) => run.heard.error = Some(error.clone()),
        Word::StageChange { new_stage, .. } => run.heard.stage = Some(new_stage.clone()),
        Word::TargetStart { .. } | Word::TargetComplete { .. } => {}
        Word::RunComplete { status, final_loss, metrics, message, .. } => {
            run.heard.complete = Some(Complete {
                outcome: *status,
                final_loss: *final_loss,
                metrics: metrics.clone(),
                message: message.clone(),
            });
        }
        Word::CheckpointSaved(checkpoint) => {
            run.checkpoint_asked = false;
            run.candidates.retain(|c| c.path != checkpoint.path);
            run.candidates.push(checkpoint.clone());
            if run.candidates.len() > CANDIDATES_MAX {
                run.candidates.remove(0);
            }
        }
    }
}

/// A checkpoint that is damaged or gone.
pub(super) fn forget(run: &mut Run, path: &str) {
    run.candidates.retain(|c| c.path != path);
    run.verified.retain(|c| c.path != path);
    run.set_aside.retain(|c| c.path != path);
    if run.checkpoint.as_ref().is_some_and(|c| c.path == path) {
        let is_left = |c: &&CheckpointRef| !run.set_aside.iter().any(|aside| aside.path == c.path);
        run.checkpoint = run.verified.iter().rfind(is_left).cloned();
    }
}

/// An older checkpoint is restored: these are newer, and belong to what the user turned away from.
pub(super) fn set_aside(run: &mut Run, newer: &[CheckpointRef]) {
    run.set_aside = newer.to_vec();
    run.candidates.retain(|c| !newer.iter().any(|aside| aside.path == c.path));
}

/// A checkpoint that was read back a moment ago: the newest of the catalogue.
pub(super) fn remember(run: &mut Run, checkpoint: &CheckpointRef) {
    run.verified.retain(|c| c.path != checkpoint.path);
    run.verified.push(checkpoint.clone());
    if run.verified.len() > VERIFIED_MAX {
        run.verified.remove(0);
    }
    run.checkpoint = Some(checkpoint.clone());
}
