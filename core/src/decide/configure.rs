//! Changing the settings of a run that has not ended.

use super::{Asked, Decision, Reason, Refusal};
use crate::event::{Event, Why};
use crate::input::Verb;
use crate::phase::Phase;
use crate::policy::Overrides;
use crate::run::Run;

/// A user wants settings to be others. A deadline that runs stays as it was set, but for the limit
/// on a start: that one counts anew.
pub(super) fn decide(run: &Run, changes: &Overrides, by: &str) -> Result<Decision, Refusal> {
    let refuse = |legal| Err(Refusal::because(run, Asked::Configure, Reason::Phase, legal));
    match run.phase {
        Phase::Failed | Phase::Cancelled => return refuse(&[Verb::Retry]),
        Phase::Done => return refuse(&[]),
        Phase::Choosing
        | Phase::Spawning
        | Phase::Starting
        | Phase::Running
        | Phase::Pausing
        | Phase::Paused
        | Phase::CoolingDown
        | Phase::Asked
        | Phase::Terminated
        | Phase::Killed
        | Phase::Waiting => {}
    }
    let changes = changes.unlike(&run.spec.policy);
    if changes == Overrides::default() {
        return Ok(Decision::nothing(Why::AlreadySet));
    }
    let configured = Event::Configured { changes, requested_by: by.to_owned() };
    Ok(Decision::new(Why::Requested, vec![configured], Vec::new()))
}
