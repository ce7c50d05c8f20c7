//! What became of checkpoint files: which one an attempt begins from, which ones are whole, which
//! ones retention has deleted.

use super::begin::{look, order};
use super::{Decision, doubt};
use crate::apply::preview;
use crate::checkpoint::DoubtCause;
use crate::codes::Code;
use crate::effect::Effect;
use crate::event::{Event, Failure, Why};
use crate::input::{CheckpointRef, CheckpointRefusal, Refused};
use crate::moment::Moment;
use crate::phase::Phase;
use crate::retention;
use crate::run::Run;

/// The search for a place to begin is over.
pub(super) fn picked(
    run: &Run,
    chosen: Option<&CheckpointRef>,
    refused: &[CheckpointRefusal],
    now: Moment,
) -> Decision {
    // An answer to another question than the present one.
    if run.phase != Phase::Choosing || run.restore.is_some() {
        return found_by_the_way(run, refused);
    }
    let mut events: Vec<_> = refused.iter().cloned().map(Event::CheckpointRefused).collect();
    // One that is named as refused in the same breath is none.
    let chosen = chosen.filter(|c| !refused.iter().any(|refusal| refusal.checkpoint.path == c.path));
    let Some(chosen) = chosen else {
        return nothing_found(run, events, now);
    };
    if run.is_set_aside(&chosen.path) {
        // It was looked for before this one was set aside; another search is under way.
        return found_by_the_way(run, refused);
    }
    let chosen = match run.known_checkpoint(&chosen.path) {
        Some(known) => chosen.clone().completed_by(known),
        None => chosen.clone(),
    };
    if chosen.is_poisoned() {
        events.push(doubt::event(&[&chosen], DoubtCause::NotFinite));
        let look = look(&preview(run, &events, now), run.attempt);
        return Decision::new(Why::CheckpointSearched, events, vec![look]);
    }
    let (ordered, spawn) = order(run, run.attempt, Some(&chosen));
    events.push(ordered);
    Decision::new(Why::CheckpointSearched, events, vec![spawn])
}

/// The search has lost its purpose, but what it found damaged is so: of the catalogue, or moved out
/// of the way.
fn found_by_the_way(run: &Run, refused: &[CheckpointRefusal]) -> Decision {
    let matters = |refusal: &&CheckpointRefusal| {
        refusal.moved_to.is_some() || run.known_checkpoint(&refusal.checkpoint.path).is_some()
    };
    let is_new = |refusal: &&CheckpointRefusal| !run.refused.contains(refusal);
    let events: Vec<_> =
        refused.iter().filter(matters).filter(is_new).cloned().map(Event::CheckpointRefused).collect();
    let why = if events.is_empty() { Why::NothingToDo } else { Why::CheckpointChecked };
    Decision::new(why, events, Vec::new())
}

/// There is no checkpoint. A run that never had one begins at the beginning; one that has work to
/// lose ends instead: whether to throw that work away is a user's to say.
fn nothing_found(run: &Run, mut events: Vec<Event>, now: Moment) -> Decision {
    let after = preview(run, &events, now);
    let held = run.verified.iter().any(|c| !run.is_set_aside(&c.path)) || run.begins_from().is_some();
    let refused = after.lost_checkpoints.max(u32::try_from(events.len()).unwrap_or(u32::MAX));
    if !held && refused == 0 {
        let (ordered, spawn) = order(run, run.attempt, None);
        return Decision::new(Why::CheckpointSearched, vec![ordered], vec![spawn]);
    }
    let why = Why::NothingToResumeFrom;
    let id = &run.id;
    let how_many = match refused {
        0 => "none is left".to_owned(),
        1 => "1 was refused".to_owned(),
        refused => format!("{refused} were refused"),
    };
    let message = format!(
        "no checkpoint of the run can be used: {how_many}; `resus checkpoints {id}` shows them, \
         `resus restore {id} none` begins anew"
    );
    events.push(Event::Failed(Failure {
        code: Code::new("CHECKPOINT_CORRUPT"),
        message,
        worker_says_retryable: None,
        retried: false,
        was_healthy: false,
    }));
    events.push(Event::Ended { phase: Phase::Failed, why });
    Decision::new(why, events, vec![Effect::Dismiss])
}

/// A checkpoint has been read back: one that was announced, or once more one of the catalogue.
pub(super) fn checked(run: &Run, checkpoint: &CheckpointRef, refusal: Option<&Refused>) -> Decision {
    let is_candidate = run.candidates.iter().any(|c| c.path == checkpoint.path);
    let is_verified = run.verified.iter().any(|c| c.path == checkpoint.path);
    match refusal {
        Some(Refused { reason, moved_to }) if is_candidate || is_verified => {
            let refusal = CheckpointRefusal {
                checkpoint: checkpoint.clone(),
                reason: reason.clone(),
                moved_to: moved_to.clone(),
            };
            Decision::new(Why::CheckpointChecked, vec![Event::CheckpointRefused(refusal)], Vec::new())
        }
        None if is_candidate => {
            // What is looked for or restored may be the oldest that is kept: the next one that
            // verifies prunes.
            let may_prune = run.phase != Phase::Choosing && run.restore.is_none();
            let prune = may_prune.then(|| prune(run, Some(checkpoint)));
            let verified = Event::CheckpointVerified(checkpoint.clone());
            Decision::new(Why::CheckpointChecked, vec![verified], prune.into_iter().collect())
        }
        Some(_) | None => Decision::nothing(Why::NothingToDo),
    }
}

/// The order to delete what is superfluous, now that `newest` has been read back.
pub(super) fn prune(run: &Run, newest: Option<&CheckpointRef>) -> Effect {
    Effect::PruneCheckpoints {
        attempt: run.attempt,
        entries: retention::entries(run, newest),
        rules: run.spec.policy.retention(),
    }
}

pub(super) fn pruned(paths: &[String]) -> Decision {
    let events = paths.iter().map(|path| Event::CheckpointPruned { path: path.clone() }).collect();
    Decision::new(Why::Pruned, events, Vec::new())
}
