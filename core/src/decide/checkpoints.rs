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
use crate::retention::{self, RetentionPolicy};
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
    let mut events: Vec<_> = of_search(run, refused).collect();
    // One that is named as refused in the same breath is none.
    let is_refused = |path: &str| refused.iter().any(|refusal| refusal.checkpoint.path == path);
    let chosen = chosen.filter(|c| !is_refused(&c.path));
    let after = preview(run, &events, now);
    let missed = after.newest_usable().filter(|c| after.found_meanwhile.contains(&c.path));
    if missed.is_some_and(|missed| chosen.is_none() || is_refused(&missed.path)) {
        events.push(Event::OrderRepeated);
        return Decision::new(Why::CheckpointSearched, events, vec![look(&after, run.attempt)]);
    }
    let Some(chosen) = chosen else {
        return nothing_found(run, events, &after);
    };
    if run.is_set_aside(&chosen.path) {
        // It was looked for before this one was set aside; another search is under way.
        return found_by_the_way(run, refused);
    }
    let chosen = match run.known_checkpoint(&chosen.path) {
        Some(known) => chosen.clone().completed_by(known).settled(),
        None => chosen.clone().settled(),
    };
    // What somebody named is taken whatever its numbers are.
    let is_named = run.begins_from().is_some_and(|from| from.path == chosen.path);
    if chosen.is_poisoned() && !is_named {
        events.push(doubt::event(&[&chosen], DoubtCause::NotFinite));
        let look = look(&preview(run, &events, now), run.attempt);
        return Decision::new(Why::CheckpointSearched, events, vec![look]);
    }
    let (ordered, spawn) = order(run, run.attempt, Some(&chosen));
    events.push(ordered);
    Decision::new(Why::CheckpointSearched, events, vec![spawn])
}

/// What is recorded of one that may not be used. Of one that is gone: that work is lost, if it had been
/// read back or somebody named it; that it is forgotten, if it was only announced, because then its
/// worker has removed it; nothing, if nobody knows it any more, because then retention has.
fn recorded(run: &Run, refusal: &CheckpointRefusal) -> Option<Event> {
    let path = &refusal.checkpoint.path;
    let is_named = run.begins_from().is_some_and(|from| from.path == *path);
    if !refusal.is_gone() || run.was_good(path) || is_named {
        let checkpoint = refusal.checkpoint.clone().settled();
        return Some(Event::CheckpointRefused(CheckpointRefusal { checkpoint, ..refusal.clone() }));
    }
    let is_known = run.known_checkpoint(path).is_some() || run.is_set_aside(path);
    is_known.then(|| Event::CheckpointPruned { path: path.clone() })
}

/// What is recorded of those that a search refused: nothing of one that was read back since it began
/// and still lies there, because the search saw it before.
fn of_search<'a>(
    run: &'a Run,
    refused: impl IntoIterator<Item = &'a CheckpointRefusal>,
) -> impl Iterator<Item = Event> {
    let is_outdated = |refusal: &&CheckpointRefusal| {
        refusal.moved_to.is_none() && run.found_meanwhile.contains(&refusal.checkpoint.path)
    };
    refused.into_iter().filter(move |refusal| !is_outdated(refusal)).filter_map(|c| recorded(run, c))
}

/// The search has lost its purpose, but what it found damaged is so: of the catalogue, or moved out
/// of the way.
fn found_by_the_way(run: &Run, refused: &[CheckpointRefusal]) -> Decision {
    let matters = |refusal: &&CheckpointRefusal| {
        refusal.moved_to.is_some() || run.known_checkpoint(&refusal.checkpoint.path).is_some()
    };
    let is_new =
        |event: &Event| !matches!(event, Event::CheckpointRefused(refusal) if run.refused.contains(refusal));
    let events: Vec<_> = of_search(run, refused.iter().filter(matters)).filter(is_new).collect();
    let why = if events.is_empty() { Why::NothingToDo } else { Why::CheckpointChecked };
    Decision::new(why, events, Vec::new())
}

/// There is no checkpoint. A run that never had one begins at the beginning; one that has work to
/// lose ends instead: whether to throw that work away is a user's to say. `after` is the run once
/// `events` are applied.
fn nothing_found(run: &Run, mut events: Vec<Event>, after: &Run) -> Decision {
    let is_held = run.verified.iter().any(|c| !run.is_set_aside(&c.path));
    let held = is_held || !run.overwritten.is_empty() || run.begins_from().is_some();
    let refused = events.iter().filter(|event| matches!(event, Event::CheckpointRefused(_))).count();
    let refused = after.lost_checkpoints.max(u32::try_from(refused).unwrap_or(u32::MAX));
    if !held && refused == 0 {
        let (ordered, spawn) = order(run, run.attempt, None);
        events.push(ordered);
        return Decision::new(Why::CheckpointSearched, events, vec![spawn]);
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

/// A checkpoint has been read back: one that was announced, or once more one of the catalogue. An
/// answer about what lay under its path before it was announced is about nothing.
pub(super) fn checked(run: &Run, checkpoint: &CheckpointRef, refusal: Option<&Refused>) -> Decision {
    let is_candidate = run.candidates.iter().any(|c| checkpoint.answers(c));
    let is_known = is_candidate || run.is_verified(&checkpoint.path);
    match refusal {
        Some(Refused { reason, moved_to }) if is_known || run.is_set_aside(&checkpoint.path) => {
            let refusal = CheckpointRefusal {
                checkpoint: checkpoint.clone(),
                reason: reason.clone(),
                moved_to: moved_to.clone(),
            };
            let matters = is_known || refusal.is_gone() || moved_to.is_some();
            let event = matters.then(|| recorded(run, &refusal)).flatten();
            let why = if event.is_some() { Why::CheckpointChecked } else { Why::NothingToDo };
            Decision::new(why, event.into_iter().collect(), Vec::new())
        }
        None if is_candidate => {
            // What is looked for or restored may be the oldest that is kept: the next one that
            // verifies prunes.
            let may_prune = run.phase != Phase::Choosing && run.restore.is_none();
            let prune = may_prune.then(|| prune(run, Some(checkpoint)));
            let verified = Event::CheckpointVerified(checkpoint.clone().settled());
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

/// The same for a run that has ended, of which its user wants no more than one to begin from.
pub(super) fn prune_to_newest(run: &Run) -> Effect {
    let rules = RetentionPolicy::only_newest();
    Effect::PruneCheckpoints { attempt: run.attempt, entries: retention::entries(run, None), rules }
}

pub(super) fn pruned(paths: &[String]) -> Decision {
    let events = paths.iter().map(|path| Event::CheckpointPruned { path: path.clone() }).collect();
    Decision::new(Why::Pruned, events, Vec::new())
}
