//! The beginning of an attempt: what looks for the place where it begins.

use super::Decision;
use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::ids::Attempt;
use crate::input::CheckpointRef;
use crate::run::Run;
use crate::spec::Resume;

/// What begins the next attempt of `run`, on behalf of `requested_by` if a user asked for it. A
/// run that never resumes needs not look anywhere: its worker is ordered at once.
pub(super) fn next(run: &Run, requested_by: Option<&str>) -> (Vec<Event>, Vec<Effect>) {
    let attempt = run.attempt.next();
    let begun = Event::AttemptBegun {
        requested_by: requested_by.map(str::to_owned),
        boot_id: None,
        restore: None,
        anew: false,
    };
    if run.spec.resume == Resume::Never {
        let (ordered, spawn) = order(run, attempt, None);
        return (vec![begun, ordered], vec![spawn]);
    }
    (vec![begun], vec![look(run, attempt)])
}

/// The next attempt begins without a checkpoint, as a user wants.
pub(super) fn anew(run: &Run, by: &str) -> (Vec<Event>, Vec<Effect>) {
    let begun =
        Event::AttemptBegun { requested_by: Some(by.to_owned()), boot_id: None, restore: None, anew: true };
    let (ordered, spawn) = order(run, run.attempt.next(), None);
    (vec![begun, ordered], vec![spawn])
}

/// The next attempt begins at once, and nobody asked for it.
pub(super) fn at_once(why: Why, run: &Run) -> Decision {
    let (events, effects) = next(run, None);
    Decision::new(why, events, effects)
}

/// What looks for the place where `attempt` of this run begins.
pub(crate) fn look(run: &Run, attempt: Attempt) -> Effect {
    if let Some(checkpoint) = &run.restore {
        return Effect::RestoreCheckpoint { attempt, checkpoint: checkpoint.clone() };
    }
    // What somebody named is taken whatever its numbers are.
    let from = run.begins_from().cloned();
    let is_named = |c: &CheckpointRef| from.as_ref().is_some_and(|from| from.path == c.path);
    let all = run.verified.iter().chain(run.unread());
    let poisoned = all.clone().filter(|c| c.is_poisoned() && !is_named(c));
    let mut set_aside: Vec<String> = run.set_aside.iter().chain(poisoned).map(|c| c.path.clone()).collect();
    set_aside.sort_unstable();
    set_aside.dedup();
    let known = all.filter(|c| !c.is_poisoned() && set_aside.binary_search(&c.path).is_err());
    let known = known.cloned().collect();
    Effect::PickCheckpoint { attempt, set_aside, known, from, anew_since_unix_ms: run.anew_since_unix_ms }
}

/// The order to start the worker of `attempt`, from `chosen` or from the beginning.
pub(crate) fn order(run: &Run, attempt: Attempt, chosen: Option<&CheckpointRef>) -> (Event, Effect) {
    let resumed_at = match chosen {
        Some(checkpoint) => checkpoint.step,
        None => Some(0.0),
    };
    let lost = match (run.reached, resumed_at) {
        (Some(reached), Some(at)) => Some((reached.done - at).max(0.0)),
        (None, _) | (_, None) => None,
    };
    let spawn = Effect::Spawn { attempt, resume_from: chosen.cloned() };
    (Event::SpawnOrdered { from: chosen.cloned(), lost }, spawn)
}
