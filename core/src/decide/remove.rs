//! Commands that let a run, or what its workers printed, be gone.

use super::{Asked, Decision, Reason, Refusal};
use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::ids::CommandId;
use crate::input::{Input, Verb};
use crate::phase::Phase;
use crate::run::Run;

/// A user wants the run to be gone. Only one that has ended may go, and what somebody pinned only
/// if that is said.
pub(super) fn run(
    run: &Run,
    by: &str,
    reason: Option<&str>,
    with_pinned: bool,
    command_id: Option<&CommandId>,
) -> Result<Decision, Refusal> {
    if let Some(refusal) = obstacles(run, with_pinned).into_iter().next() {
        return Err(refusal);
    }
    let (requested_by, reason, command_id) = (by.to_owned(), reason.map(str::to_owned), command_id.cloned());
    let removed = Event::Removed { requested_by, reason, command_id };
    // Its shim may be waiting for a retry, and holds the lock that the deletion waits for.
    Ok(Decision::new(Why::Requested, vec![removed], vec![Effect::Dismiss, Effect::DeleteRun]))
}

/// What of a run itself stands in the way of its removal, the worst first.
pub(crate) fn obstacles(run: &Run, with_pinned: bool) -> Vec<Refusal> {
    let pinned = || {
        let reason = Reason::Pinned { count: run.pinned.len() };
        (!with_pinned && !run.pinned.is_empty()).then(|| Refusal::because(run, Asked::Remove, reason, &[]))
    };
    must_have_ended(run, Asked::Remove).err().into_iter().chain(pinned()).collect()
}

/// A user wants what the workers printed to be gone. Whoever asks again after a retry means the
/// output of the attempts since.
pub(super) fn output(run: &Run, by: &str, reason: Option<&str>) -> Result<Decision, Refusal> {
    must_have_ended(run, Asked::DropOutput)?;
    let upto = run.attempt;
    if run.output_pruned.as_ref().is_some_and(|before| before.upto >= upto) {
        // It may be that the deletion failed: it does no harm twice.
        return Ok(Decision::new(Why::AlreadySet, Vec::new(), vec![Effect::DeleteOutput { upto }]));
    }
    let (requested_by, reason) = (by.to_owned(), reason.map(str::to_owned));
    let pruned = Event::OutputPruned { upto, requested_by, reason };
    Ok(Decision::new(Why::Requested, vec![pruned], vec![Effect::DeleteOutput { upto }]))
}

fn must_have_ended(run: &Run, asked: Asked) -> Result<(), Refusal> {
    let refuse = |legal| Err(Refusal::because(run, asked, Reason::Phase, legal));
    match run.phase {
        Phase::Done | Phase::Failed | Phase::Cancelled => Ok(()),
        Phase::Asked | Phase::Terminated | Phase::Killed => refuse(&[Verb::Kill]),
        Phase::Choosing
        | Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Waiting => refuse(&[Verb::Stop, Verb::Kill]),
    }
}

/// Nothing changes a run that was removed: commands are refused, and facts come too late.
pub(super) fn gone(run: &Run, input: &Input) -> Result<Decision, Refusal> {
    let asked = match input {
        Input::Command { verb, .. } => Asked::Verb(*verb),
        Input::Restore { .. } => Asked::Restore,
        Input::Configure { .. } => Asked::Configure,
        Input::Pin { pinned: true, .. } => Asked::Pin,
        Input::Pin { pinned: false, .. } => Asked::Unpin,
        Input::Prune { .. } => Asked::Prune,
        Input::Recheck { .. } => Asked::Recheck,
        Input::Remove { .. } => Asked::Remove,
        Input::DropOutput { .. } => Asked::DropOutput,
        Input::Observed { .. }
        | Input::DeadlinePassed { .. }
        | Input::TakenOver { .. }
        | Input::CheckpointsForgotten => return Ok(Decision::nothing(Why::AlreadyRemoved)),
    };
    Err(Refusal::because(run, asked, Reason::Removed, &[]))
}
