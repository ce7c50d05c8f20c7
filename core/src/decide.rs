//! The decider: what follows from an input.
//!
//! [`decide`] is total: every phase has an answer to every input, found by exhaustive
//! `match`es without wildcards, and `testdata/table.txt` shows the whole table. It never
//! changes the run; the caller applies the events and releases the effects once the events
//! are on disk.

mod begin;
mod checkpoints;
mod command;
mod configure;
mod deadline;
mod doubt;
mod ending;
mod failing;
mod heard;
mod keep;
mod observed;
mod pause;
mod remove;
mod restore;
mod takeover;

use crate::effect::Effect;
use crate::event::{Event, Why};
use crate::input::{Input, Verb};
use crate::moment::Moment;
use crate::phase::Phase;
use crate::run::Run;

pub(crate) use begin::{look, order};
pub(crate) use remove::obstacles;

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
    pub asked: Asked,
    /// Where the run is.
    pub phase: Phase,
    /// What stands in the way.
    pub reason: Reason,
    /// What could be asked instead.
    pub legal: &'static [Verb],
}

/// A command, without what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// One that needs nothing else.
    Verb(Verb),
    /// To go on from a checkpoint.
    Restore,
    /// To change settings.
    Configure,
    /// That retention leaves a checkpoint alone.
    Pin,
    /// That it no longer does.
    Unpin,
    /// That retention runs now.
    Prune,
    /// To read checkpoints back once more.
    Recheck,
    /// That the run is gone.
    Remove,
    /// That its output is gone.
    DropOutput,
}

impl Asked {
    /// As typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verb(verb) => verb.as_str(),
            Self::Restore => "restore",
            Self::Configure => "configure",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Prune => "prune",
            Self::Recheck => "recheck",
            Self::Remove => "remove",
            Self::DropOutput => "prune",
        }
    }
}

/// What stands in the way of a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The phase of the run.
    Phase,
    /// The worker has never spoken PULSE, so it can't be asked.
    CannotBeAsked,
    /// No checkpoint that could be meant is called so.
    NoSuchCheckpoint {
        /// What was given.
        text: String,
    },
    /// More than one may be meant.
    AmbiguousCheckpoint {
        /// How the names of all begin.
        text: String,
        /// How many.
        count: usize,
        /// They are all called exactly so: only their paths tell them apart.
        same_name: bool,
    },
    /// Somebody wants to keep checkpoints of the run.
    Pinned {
        /// How many.
        count: usize,
    },
    /// The run is gone.
    Removed,
}

impl Refusal {
    /// The phase stands in the way.
    fn here(run: &Run, verb: Verb, legal: &'static [Verb]) -> Self {
        Self::because(run, Asked::Verb(verb), Reason::Phase, legal)
    }

    fn because(run: &Run, asked: Asked, reason: Reason, legal: &'static [Verb]) -> Self {
        Self { asked, phase: run.phase, reason, legal }
    }

    fn sentence(&self) -> String {
        let (phase, asked) = (self.phase, self.asked.as_str());
        match (&self.reason, self.asked) {
            (Reason::CannotBeAsked, _) => {
                format!("can't ask for a {asked}: the worker of this run does not speak PULSE")
            }
            (Reason::NoSuchCheckpoint { text }, Asked::Pin | Asked::Unpin) => {
                format!("no checkpoint of this run is called {text:?}")
            }
            (Reason::NoSuchCheckpoint { text }, _) => {
                format!("no verified checkpoint of this run is called {text:?}")
            }
            (Reason::AmbiguousCheckpoint { text, count, same_name: true }, _) => {
                format!("{count} checkpoints of this run are called {text:?}; give the path")
            }
            (Reason::AmbiguousCheckpoint { text, count, same_name: false }, _) => {
                format!("the names of {count} checkpoints of this run begin with {text:?}")
            }
            (Reason::Pinned { count: 1 }, _) => format!("can't {asked} a run with a pinned checkpoint"),
            (Reason::Pinned { count }, _) => format!("can't {asked} a run with {count} pinned checkpoints"),
            (Reason::Removed, _) => "the run was removed".to_owned(),
            (Reason::Phase, Asked::DropOutput) => {
                format!("can't {asked} the output of a run that is {phase}")
            }
            (Reason::Phase, Asked::Verb(Verb::Checkpoint)) => {
                format!("can't take a checkpoint of a run that is {phase}")
            }
            (Reason::Phase, Asked::Restore) => {
                format!("can't restore a checkpoint of a run that is {phase}")
            }
            (Reason::Phase, Asked::Pin | Asked::Unpin | Asked::Prune | Asked::Recheck) => {
                format!("can't {asked} checkpoints of a run that is {phase}")
            }
            (
                Reason::Phase,
                Asked::Configure
                | Asked::Remove
                | Asked::Verb(
                    Verb::Stop | Verb::Kill | Verb::Retry | Verb::Pause | Verb::Release | Verb::Resume,
                ),
            ) => format!("can't {asked} a run that is {phase}"),
        }
    }
}

/// Decides what follows from `input` at `now`.
///
/// # Errors
/// A [`Refusal`] for a command that is not legal in the run's phase. Observations are never
/// refused: one that no longer matters decides nothing and says why.
pub fn decide(run: &Run, input: &Input, now: Moment) -> Result<Decision, Refusal> {
    if run.removed {
        return remove::gone(run, input);
    }
    match input {
        Input::Command { verb, by } => command::decide(run, *verb, by),
        Input::Restore { checkpoint, by } => restore::decide(run, checkpoint, by),
        Input::Configure { changes, by } => configure::decide(run, changes, by),
        Input::Pin { checkpoint, pinned, by } => keep::pin(run, checkpoint, *pinned, by),
        Input::Prune { only_newest, .. } => keep::prune_now(run, *only_newest),
        Input::Remove { by, reason, with_pinned, command_id } => {
            remove::run(run, by, reason.as_deref(), *with_pinned, command_id.as_ref())
        }
        Input::DropOutput { by, reason } => remove::output(run, by, reason.as_deref()),
        Input::Recheck { checkpoint, .. } => keep::recheck(run, checkpoint.as_deref()),
        Input::Observed { attempt, fact } => Ok(observed::decide(run, *attempt, fact, now)),
        Input::DeadlinePassed { attempt } => Ok(deadline::decide(run, *attempt, now)),
        Input::TakenOver { boot_id } => Ok(takeover::decide(run, boot_id)),
        Input::CheckpointsForgotten => Ok(takeover::checkpoints(run)),
    }
}
