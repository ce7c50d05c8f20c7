//! The decider: what follows from an input.
//!
//! [`decide`] is total: every phase has an answer to every input, found by exhaustive
//! `match`es without wildcards, and `testdata/table.txt` shows the whole table. It never
//! changes the run; the caller applies the events and releases the effects once the events
//! are on disk.

mod command;
mod deadline;
mod ending;
mod heard;
mod observed;
mod pause;
mod takeover;

use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::input::{Input, Verb};
use crate::moment::Moment;
use crate::phase::Phase;
use crate::run::Run;

/// What follows from an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Facts, to be applied and recorded in this order.
    pub events: Vec<Event>,
    /// What to do once they are on disk.
    pub effects: Vec<Effect>,
    /// The reason.
    pub why: Why,
}

impl Decision {
    fn new(why: Why, events: Vec<Event>, effects: Vec<Effect>) -> Self {
        Self { events, effects, why }
    }

    fn nothing(why: Why) -> Self {
        Self::new(why, Vec::new(), Vec::new())
    }
}

/// A command that is not legal now, and what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Refusal {
    /// What was asked.
    pub verb: Verb,
    /// Where the run is.
    pub phase: Phase,
    /// What stands in the way.
    pub reason: Reason,
    /// What could be asked instead.
    pub legal: &'static [Verb],
}

/// What stands in the way of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The phase of the run.
    Phase,
    /// The worker has never spoken PULSE, so it can't be asked.
    CannotBeAsked,
}

impl Refusal {
    /// The phase stands in the way.
    fn here(run: &Run, verb: Verb, legal: &'static [Verb]) -> Self {
        Self { verb, phase: run.phase, reason: Reason::Phase, legal }
    }

    fn sentence(&self) -> String {
        let phase = self.phase;
        match (self.reason, self.verb) {
            (Reason::CannotBeAsked, _) => {
                let verb = self.verb.as_str();
                format!("can't ask for a {verb}: the worker of this run does not speak PULSE")
            }
            (Reason::Phase, Verb::Checkpoint) => format!("can't take a checkpoint of a run that is {phase}"),
            (
                Reason::Phase,
                Verb::Stop | Verb::Kill | Verb::Retry | Verb::Pause | Verb::Release | Verb::Resume,
            ) => format!("can't {} a run that is {phase}", self.verb.as_str()),
        }
    }
}

/// Decides what follows from `input` at `now`.
///
/// # Errors
/// A [`Refusal`] for a command that is not legal in the run's phase. Observations are never
/// refused: one that no longer matters decides nothing and says why.
pub fn decide(run: &Run, input: &Input, now: Moment) -> Result<Decision, Refusal> {
    match input {
        Input::Command { verb, by } => command::decide(run, *verb, by),
        Input::Observed { attempt, fact } => Ok(observed::decide(run, *attempt, fact, now)),
        Input::DeadlinePassed { attempt } => Ok(deadline::decide(run, *attempt, now)),
        Input::TakenOver { boot_id } => Ok(takeover::decide(run, boot_id)),
        Input::CheckpointsForgotten => Ok(takeover::checkpoints(run)),
    }
}
