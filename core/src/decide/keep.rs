//! Commands about the checkpoints that are kept: to pin one, to prune them, to read them back once
//! more.

use super::checkpoints::{prune, prune_to_newest};
use super::restore::{Pool, named};
use super::{Asked, Decision, Reason, Refusal};
use crate::checkpoint::{Announcement, CheckpointRef};
use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::input::Verb;
use crate::phase::Phase;
use crate::run::Run;

/// A user wants retention to leave a checkpoint alone, or no longer to.
pub(super) fn pin(run: &Run, text: &str, pinned: bool, by: &str) -> Result<Decision, Refusal> {
    let asked = if pinned { Asked::Pin } else { Asked::Unpin };
    let checkpoint =
        named(run, text, Pool::Known).map_err(|reason| Refusal::because(run, asked, reason, &[]))?;
    if run.pinned.contains(&checkpoint.path) == pinned {
        return Ok(Decision::nothing(Why::AlreadySet));
    }
    let event = Event::CheckpointPinned {
        checkpoint_id: checkpoint.checkpoint_id.clone(),
        path: checkpoint.path.clone(),
        pinned,
        requested_by: by.to_owned(),
    };
    Ok(Decision::new(Why::Requested, vec![event], Vec::new()))
}

/// A user wants retention to run now. While a place to begin is looked for, or one that a user chose
/// waits to be read, it may not: that could be what it deletes.
///
/// With `only_newest` the run must have ended: of one that goes on, its rules say what stays.
pub(super) fn prune_now(run: &Run, only_newest: bool) -> Result<Decision, Refusal> {
    if only_newest && !run.phase.is_terminal() {
        let legal = &[Verb::Stop, Verb::Kill];
        return Err(Refusal::because(run, Asked::Prune, Reason::Phase, legal));
    }
    let refuse = |legal| Err(Refusal::because(run, Asked::Prune, Reason::Phase, legal));
    if run.phase == Phase::Choosing {
        return refuse(&[Verb::Pause, Verb::Stop, Verb::Kill]);
    }
    if run.restore.is_some() {
        return refuse(&[Verb::Resume, Verb::Stop, Verb::Kill]);
    }
    let effect = if only_newest { prune_to_newest(run) } else { prune(run, None) };
    Ok(Decision::new(Why::Requested, Vec::new(), vec![effect]))
}

/// A user wants verified checkpoints to be read back once more: one, or all.
pub(super) fn recheck(run: &Run, text: Option<&str>) -> Result<Decision, Refusal> {
    let attempt = run.attempt;
    let checkpoints = match text {
        Some(text) => {
            let refuse = |reason| Refusal::because(run, Asked::Recheck, reason, &[]);
            vec![named(run, text, Pool::Verified).map_err(refuse)?.clone()]
        }
        None => run.verified.clone(),
    };
    // It may be written over before the answer comes: then that is about the older one.
    let announcement = Some(Announcement::default());
    let verify = |checkpoint| Effect::VerifyCheckpoint {
        attempt,
        checkpoint: CheckpointRef { announcement, ..checkpoint },
    };
    let effects: Vec<_> = checkpoints.into_iter().map(verify).collect();
    let why = if effects.is_empty() { Why::NothingToDo } else { Why::Requested };
    Ok(Decision::new(why, Vec::new(), effects))
}
