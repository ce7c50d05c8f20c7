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

/// The loss was not finite. What was saved when it was told or later holds the same; and if the
/// next attempt would begin where this one began, that place is doubted, too, as long as there is
/// an older one: work is never thrown away altogether on a suspicion.
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
    let mut doubted: Vec<&CheckpointRef> =
        run.verified.iter().filter(|c| !run.is_set_aside(&c.path)).filter(is_later).collect();
    let left = run.usable().filter(|c| !doubted.iter().any(|doubted| doubted.path == c.path));
    let next = crate::catalogue::newest(left);
    let begins_there_again = next.filter(|c| Some(c.path.as_str()) == began_path);
    if let Some(again) = begins_there_again
        && !run.usable_before(&again.path).is_empty()
    {
        doubted.push(again);
    }
    (!doubted.is_empty()).then(|| event(&doubted, DoubtCause::NanLoss { at }))
}

/// The same failure came back: the checkpoint that this attempt resumed from is doubted, with all
/// that is newer. Nothing if there is none, or none before it.
pub(super) fn of_crash_loop(run: &Run, repeat: &Repeat) -> Option<Event> {
    let began_at = run.resumed_from.as_ref()?;
    let before = run.usable_before(&began_at.path);
    if before.is_empty() {
        return None;
    }
    let is_before = |c: &CheckpointRef| before.iter().any(|before| before.path == c.path);
    let doubted: Vec<_> = run.usable().filter(|c| !is_before(c)).collect();
    let cause = DoubtCause::CrashLoop { code: repeat.code.clone(), at: repeat.at, count: repeat.count };
    Some(event(&doubted, cause))
}
