//! What is remembered of a worker's words.

use super::catalogue;
use crate::pulse::word::Word;
use crate::run::{Complete, Run};

pub(super) fn hear(run: &mut Run, word: &Word, at_units: Option<f64>) {
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
        Word::Error(error) => {
            run.heard.error = Some(error.clone());
            run.heard.error_at = at_units;
        }
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
            catalogue::announce(run, checkpoint);
        }
    }
}
