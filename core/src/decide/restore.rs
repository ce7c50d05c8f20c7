//! Going on from a checkpoint of the user's choice.
//!
//! The attempt that is begun for it starts from that checkpoint or not at all: should it not
//! verify, the run ends and says so. What was saved after it is set aside, or the next crash
//! would bring back what the user turned away from.

use super::{Asked, Decision, Reason, Refusal, begin};
use crate::codes::Code;
use crate::effect::Effect;
use crate::event::{Event, Failure, Why};
use crate::input::{CheckpointRef, CheckpointRefusal, Verb};
use crate::phase::Phase;
use crate::run::Run;

/// What stands for the newest checkpoint that may be used; no checkpoint can be meant by its name.
const LATEST: &str = "latest";
/// What stands for none: to begin anew. The same.
const NONE: &str = "none";

/// A user wants the run to go on from the checkpoint that `text` names.
pub(super) fn decide(run: &Run, text: &str, by: &str) -> Result<Decision, Refusal> {
    let refuse = |legal| Err(Refusal::because(run, Asked::Restore, Reason::Phase, legal));
    let begin = || begin(run, text, by);
    match run.phase {
        Phase::Waiting | Phase::Failed | Phase::Cancelled => begin(),
        Phase::Paused if run.is_released() => begin(),
        // The worker that is there has another past.
        Phase::Starting | Phase::Running | Phase::Paused => refuse(&[Verb::Release, Verb::Stop, Verb::Kill]),
        Phase::Spawning | Phase::Choosing => refuse(&[Verb::Pause, Verb::Stop, Verb::Kill]),
        Phase::Pausing => refuse(&[Verb::Release, Verb::Resume, Verb::Stop, Verb::Kill]),
        Phase::CoolingDown => refuse(&[Verb::Stop, Verb::Kill]),
        Phase::Asked | Phase::Terminated | Phase::Killed => refuse(&[Verb::Kill]),
        Phase::Done => refuse(&[]),
    }
}

fn begin(run: &Run, text: &str, by: &str) -> Result<Decision, Refusal> {
    let requested_by = Some(by.to_owned());
    let ends_pause = run.is_released().then(|| Event::Resumed { requested_by: requested_by.clone() });
    let (events, effects) = if text == NONE {
        begin::anew(run, by)
    } else {
        let chosen = named(run, text, Pool::Verified);
        let chosen = chosen.map_err(|reason| Refusal::because(run, Asked::Restore, reason, &[]))?;
        let restore = Some(Box::new(chosen.clone()));
        let begun = Event::AttemptBegun { requested_by, boot_id: None, restore, anew: false };
        let attempt = run.attempt.next();
        (vec![begun], vec![Effect::RestoreCheckpoint { attempt, checkpoint: chosen.clone() }])
    };
    Ok(Decision::new(Why::Requested, ends_pause.into_iter().chain(events).collect(), effects))
}

/// Among which checkpoints a name is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// Those that have been read back.
    Verified,
    /// Those, and those that wait for it.
    Known,
}

/// The checkpoint that `text` names: `latest`, by its absolute path, by its id, or by the unique
/// beginning of one.
pub(super) fn named<'a>(run: &'a Run, text: &str, pool: Pool) -> Result<&'a CheckpointRef, Reason> {
    let unknown = || Reason::NoSuchCheckpoint { text: text.to_owned() };
    match text {
        LATEST => return run.checkpoint.as_ref().ok_or_else(unknown),
        NONE | "" => return Err(unknown()),
        _ => {}
    }
    let all = || run.verified.iter().chain(run.unread().filter(|_| pool == Pool::Known));
    if let Some(there) = all().find(|c| c.path == text) {
        return Ok(there);
    }
    let exact: Vec<_> = all().filter(|c| c.checkpoint_id == text).collect();
    let meant =
        if exact.is_empty() { all().filter(|c| c.checkpoint_id.starts_with(text)).collect() } else { exact };
    match meant[..] {
        [] => Err(unknown()),
        [only] => Ok(only),
        [first, ..] => {
            let same_name = meant.iter().all(|c| c.checkpoint_id == first.checkpoint_id);
            let text = if same_name { &first.checkpoint_id } else { text };
            Err(Reason::AmbiguousCheckpoint { text: text.to_owned(), count: meant.len(), same_name })
        }
    }
}

/// The chosen checkpoint has been read back.
pub(super) fn checked(
    run: &Run,
    checkpoint: &CheckpointRef,
    refusal: Option<&(Code, String)>,
    newer: &[CheckpointRef],
) -> Decision {
    let is_awaited = run.restore.as_ref().is_some_and(|wanted| wanted.path == checkpoint.path);
    if run.phase != Phase::Choosing || !is_awaited {
        return Decision::nothing(Why::NothingToDo);
    }
    if let Some((code, reason)) = refusal {
        return refused(checkpoint, code, reason);
    }
    let set_aside = left_behind(run, checkpoint, newer);
    let restored = Event::Restored { checkpoint: checkpoint.clone(), set_aside };
    let (ordered, spawn) = begin::order(run, run.attempt, Some(checkpoint));
    Decision::new(Why::CheckpointSearched, vec![restored, ordered], vec![spawn])
}

/// What is newer than `checkpoint`: of the files in its folder, and of the catalogue, which knows
/// of others, too.
fn left_behind(run: &Run, checkpoint: &CheckpointRef, newer: &[CheckpointRef]) -> Vec<CheckpointRef> {
    let is_listed = |c: &CheckpointRef| newer.iter().any(|listed| listed.path == c.path);
    let place = run.verified.iter().position(|c| c.path == checkpoint.path);
    let verified = run.verified.iter().enumerate().map(|(at, c)| (c, place.is_some_and(|place| at > place)));
    let known = verified.chain(run.unread().map(|c| (c, true)));
    // One that does not say how far it had come is older than all that came after it.
    let is_newer = |(c, came_later): &(&CheckpointRef, bool)| match checkpoint.step {
        Some(_) => c.step > checkpoint.step,
        None => *came_later,
    };
    let further = known.filter(is_newer).map(|(c, _)| c);
    let further = further.filter(|c| c.path != checkpoint.path && !is_listed(c));
    newer.iter().cloned().chain(further.map(CheckpointRef::in_short)).collect()
}

/// No other checkpoint takes its place: which one that should be is the user's to say.
fn refused(checkpoint: &CheckpointRef, code: &Code, reason: &str) -> Decision {
    let why = Why::RestoreRefused;
    let is_useless = ["CHECKPOINT_CORRUPT", "CHECKPOINT_NOT_FOUND"].contains(&code.as_str());
    let useless = is_useless.then(|| {
        let reason = reason.to_owned();
        Event::CheckpointRefused(CheckpointRefusal { checkpoint: checkpoint.clone(), reason, moved_to: None })
    });
    let failed = Event::Failed(Failure {
        code: code.clone(),
        message: format!("checkpoint {} can't be restored: {reason}", checkpoint.checkpoint_id),
        worker_says_retryable: None,
        retried: false,
        was_healthy: false,
    });
    let ended = Event::Ended { phase: Phase::Failed, why };
    Decision::new(why, useless.into_iter().chain([failed, ended]).collect(), vec![Effect::Dismiss])
}
