//! Going back further than to the newest checkpoint: when what is in it is itself the trouble.

use crate::checkpoint::DoubtCause;
use crate::event::Event;
use crate::input::{CheckpointRef, Reached};
use crate::retry::Repeat;
use crate::run::Run;

/// These are not trusted any more.
pub(super) fn event(checkpoints: &[&CheckpointRef], cause: DoubtCause) -> Event {
    let checkpoints = checkpoints.iter().map(|checkpoint| checkpoint.in_short()).collect();
    Event::CheckpointsDoubted { checkpoints, cause }
}

/// The loss was not finite. What was saved when it was told or later holds the same, read back or not;
/// and if the next attempt would begin where this one began, that place is doubted, too, as long as
/// there is an older one. Work is never thrown away altogether on a suspicion: should nothing be left,
/// the oldest stays. (The amount may be in another unit than that of the checkpoints.)
pub(super) fn of_nan_loss(run: &Run, reached: Option<&Reached>) -> Option<Event> {
    let began_at = run.resumed_from.as_ref();
    let began_step = began_at.and_then(|c| c.step);
    // An amount before the beginning counts something else than the checkpoints do.
    let at = run.heard.error_at.or(reached.map(|reached| reached.done));
    let at = at.filter(|at| began_step.is_none_or(|began| *at >= began));
    let began_path = began_at.map(|c| c.path.as_str());
    let is_later = |c: &&CheckpointRef| {
        let saved_after = matches!((c.step, at), (Some(step), Some(at)) if step >= at);
        saved_after && Some(c.path.as_str()) != began_path
    };
    let all = run.verified.iter().chain(run.unread());
    let mut doubted: Vec<&CheckpointRef> =
        all.filter(|c| !run.is_set_aside(&c.path)).filter(is_later).collect();
    let left = run.usable().filter(|c| !is_one_of(&doubted, c));
    let next = crate::catalogue::newest(left);
    let begins_there_again = next.filter(|c| Some(c.path.as_str()) == began_path);
    if let Some(again) = begins_there_again
        && !run.usable_before(again).is_empty()
    {
        doubted.push(again);
    }
    if let Some(last) = last_resort(run, &doubted) {
        doubted.retain(|c| c.path != last.path);
    }
    (!doubted.is_empty()).then(|| event(&doubted, DoubtCause::NanLoss { at }))
}

fn is_one_of(some: &[&CheckpointRef], checkpoint: &CheckpointRef) -> bool {
    some.iter().any(|c| c.path == checkpoint.path)
}

/// Which one must stay if these are doubted and nothing else is left to begin from: the oldest that may
/// be used, or of those that have not been read back if there is none.
fn last_resort<'a>(run: &'a Run, doubted: &[&CheckpointRef]) -> Option<&'a CheckpointRef> {
    let usable = run.usable_by_age();
    if usable.iter().any(|c| !is_one_of(doubted, c)) {
        return None;
    }
    let mut unread = run.unread().filter(|c| !c.is_poisoned());
    match usable.first() {
        Some(oldest) => Some(oldest),
        None if unread.clone().any(|c| !is_one_of(doubted, c)) => None,
        None => crate::catalogue::oldest(&mut unread),
    }
}

/// The same failure came back: the checkpoint that this attempt resumed from is doubted, with all
/// that is newer, and what was announced and is not known to be older. Nothing if there is none
/// before it.
pub(super) fn of_crash_loop(run: &Run, repeat: &Repeat) -> Option<Event> {
    let began_at = run.resumed_from.as_ref()?;
    let before = run.usable_before(began_at);
    if before.is_empty() {
        return None;
    }
    let is_older = |c: &CheckpointRef| matches!((c.step, began_at.step), (Some(c), Some(at)) if c < at);
    let usable = run.usable().filter(|c| !is_one_of(&before, c));
    let doubted: Vec<_> = usable.chain(run.unread().filter(|c| !is_older(c))).collect();
    if doubted.is_empty() {
        return None;
    }
    let cause = DoubtCause::CrashLoop { code: repeat.code.clone(), at: repeat.at, count: repeat.count };
    Some(event(&doubted, cause))
}
