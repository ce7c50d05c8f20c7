//! Every run of this node, and the one way to change them: decide, number, apply.

mod removed;

pub use removed::{Tombstone, needers};

use crate::apply::{self, ApplyError};
use crate::decide::{Refusal, decide, look, order};
use crate::effect::Effect;
use crate::event::{Event, Record, Why};
use crate::ids::{Attempt, CommandId, RunId, Slug};
use crate::input::Input;
use crate::moment::Moment;
use crate::pulse::payload;
use crate::pulse::v2::{Envelope, Place, Status};
use crate::run::Run;
use crate::spec::{Resume, Spec, SpecError, policy_faults};
use std::collections::BTreeMap;

/// The runs of one node, by id.
#[derive(Debug, Clone)]
pub struct Fleet {
    node: Slug,
    boot_id: String,
    runs: BTreeMap<RunId, Run>,
    by_command: BTreeMap<CommandId, RunId>,
    quarantined: BTreeMap<RunId, String>,
    removed: BTreeMap<RunId, Tombstone>,
}

/// What one input led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Records to persist, in order; already applied in memory. May be empty.
    pub recorded: Vec<Recorded>,
    /// What to do once they are on disk.
    pub effects: Vec<Effect>,
    /// The reason.
    pub why: Why,
    /// The run as it was when this step removed it.
    pub removed: Option<Box<Run>>,
}

/// A record together with what the world will hear of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// For the ledger.
    pub record: Record,
    /// For the world.
    pub envelope: Envelope,
}

/// Why an input led to nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FleetError {
    /// No such run.
    #[error("run {run_id} is not known")]
    NotFound {
        /// The id asked for.
        run_id: RunId,
    },
    /// The run's ledger could not be replayed; it is left alone until somebody looks.
    #[error("run {run_id} is quarantined: {reason}")]
    Quarantined {
        /// The run.
        run_id: RunId,
        /// What was wrong with its ledger.
        reason: String,
    },
    /// It was there once.
    #[error("run {run_id} {tombstone}")]
    Removed {
        /// The run.
        run_id: RunId,
        /// What is left of it.
        tombstone: Box<Tombstone>,
    },
    /// Another run would go on from its checkpoint.
    #[error(
        "run {needed_by} ({name}) would go on from a checkpoint of run {run_id}, and has none of its own"
    )]
    Needed {
        /// The run.
        run_id: RunId,
        /// The other one.
        needed_by: RunId,
        /// What people call that one.
        name: String,
        /// That one has ended, and would need it if it were retried.
        has_ended: bool,
    },
    /// The command is not legal now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The spec does not fit.
    #[error("the request does not fit: {}", list(.0))]
    Invalid(Vec<SpecError>),
    /// A decision made an event that does not fit: a bug, caught before it reached the ledger.
    #[error("run {run_id}: {error}")]
    Bug {
        /// The run.
        run_id: RunId,
        /// What does not fit.
        error: ApplyError,
    },
}

fn list(faults: &[SpecError]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Fleet {
    /// An empty fleet on the node of this name, in this boot of the machine.
    #[must_use]
    pub fn new(node: Slug, boot_id: String) -> Self {
        Self {
            node,
            boot_id,
            runs: BTreeMap::new(),
            by_command: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            removed: BTreeMap::new(),
        }
    }

    /// All runs, by id.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// One run.
    #[must_use]
    pub fn get(&self, run_id: &RunId) -> Option<&Run> {
        self.runs.get(run_id)
    }

    /// Runs that are left alone because their ledger could not be replayed, with the reason.
    pub fn quarantined(&self) -> impl Iterator<Item = (&RunId, &str)> {
        self.quarantined.iter().map(|(id, reason)| (id, reason.as_str()))
    }

    /// The run that a command created, if it did so before.
    #[must_use]
    pub fn by_command(&self, command_id: &CommandId) -> Option<&RunId> {
        self.by_command.get(command_id)
    }

    /// Sets a run aside: it keeps its worker and takes no more inputs.
    pub fn quarantine(&mut self, run_id: RunId, reason: String) {
        self.runs.remove(&run_id);
        // A removal that could not be recorded is none.
        self.removed.remove(&run_id);
        self.quarantined.insert(run_id, reason);
    }

    /// Folds one record of the ledger at start-up. A record that does not fit quarantines its
    /// run; the others go on.
    pub fn replay(&mut self, record: &Record) {
        if self.quarantined.contains_key(&record.run_id) {
            return;
        }
        if let Err(error) = self.fold(record) {
            self.quarantine(record.run_id.clone(), error.to_string());
        }
    }

    fn fold(&mut self, record: &Record) -> Result<(), ApplyError> {
        if let Some(run) = self.runs.get_mut(&record.run_id) {
            apply::apply(run, record)?;
            self.bury(&record.run_id, &record.event, record.at);
            return Ok(());
        }
        if self.removed.contains_key(&record.run_id) {
            return Err(ApplyError::Removed { seq: record.seq, event: record.event.name() });
        }
        let run = apply::begin(record)?;
        if let Some(command_id) = &run.command_id {
            self.by_command.insert(command_id.clone(), run.id.clone());
        }
        self.runs.insert(run.id.clone(), run);
        Ok(())
    }

    /// Accepts a new run and plans its first attempt. The same command again finds the run it
    /// created before and changes nothing: then the step is empty.
    ///
    /// # Errors
    /// [`FleetError::Invalid`] with every fault of the spec.
    pub fn submit(
        &mut self,
        run_id: RunId,
        spec: Spec,
        command_id: Option<CommandId>,
        now: Moment,
    ) -> Result<(RunId, Step), FleetError> {
        if let Some(known) = command_id.as_ref().and_then(|id| self.by_command.get(id)) {
            self.still_there(known)?;
            let (recorded, effects) = (Vec::new(), Vec::new());
            let step = Step { recorded, effects, why: Why::NothingToDo, removed: None };
            return Ok((known.clone(), step));
        }
        if let Resume::From(checkpoint) = &spec.resume
            && let Some(owner) = self.removed_owner(&checkpoint.path)
        {
            self.still_there(owner)?;
        }
        spec.validate().map_err(FleetError::Invalid)?;
        let accepted = Event::Accepted { spec: Box::new(spec), command_id, boot_id: self.boot_id.clone() };
        let begun = Event::AttemptBegun { requested_by: None, boot_id: None, restore: None, anew: false };
        let mut recorded = self.record(&run_id, vec![accepted, begun], Why::NewRun, now)?;
        let run = self.runs.get(&run_id).ok_or_else(|| FleetError::NotFound { run_id: run_id.clone() })?;
        let effect = if run.spec.resume == Resume::Never {
            let (ordered, spawn) = order(run, run.attempt, None);
            recorded.extend(self.record(&run_id, vec![ordered], Why::NewRun, now)?);
            spawn
        } else {
            look(run, run.attempt)
        };
        Ok((run_id, Step { recorded, effects: vec![effect], why: Why::NewRun, removed: None }))
    }

    /// Tells a run something, and applies what it decides.
    ///
    /// # Errors
    /// A [`FleetError`]; nothing has changed then.
    pub fn step(&mut self, run_id: &RunId, input: &Input, now: Moment) -> Result<Step, FleetError> {
        let (mut step, after) = self.consider(run_id, input, now)?;
        self.keep(Some(after));
        let removed = step.recorded.iter().find_map(|r| self.bury(run_id, &r.record.event, now));
        step.removed = removed.map(Box::new);
        Ok(step)
    }

    /// What [`Fleet::step`] would do, and the run as it would be then. Nothing changes.
    ///
    /// # Errors
    /// Those of the real thing.
    pub fn consider(&self, run_id: &RunId, input: &Input, now: Moment) -> Result<(Step, Run), FleetError> {
        let run = self.present(run_id)?;
        if let Input::Configure { changes, .. } = input {
            let faults = policy_faults(&changes.over(run.spec.policy.clone()));
            if !faults.is_empty() {
                return Err(FleetError::Invalid(faults));
            }
        }
        let decision = decide(run, input, now)?;
        if matches!(input, Input::Remove { .. } | Input::Prune { only_newest: true, .. }) {
            self.not_needed(run_id)?;
        }
        let (recorded, after) = self.plan(run_id, decision.events, decision.why, now)?;
        let after = after.unwrap_or_else(|| run.clone());
        Ok((Step { recorded, effects: decision.effects, why: decision.why, removed: None }, after))
    }

    /// A run that can be told something.
    fn present(&self, run_id: &RunId) -> Result<&Run, FleetError> {
        if let Some(reason) = self.quarantined.get(run_id) {
            return Err(FleetError::Quarantined { run_id: run_id.clone(), reason: reason.clone() });
        }
        self.still_there(run_id)?;
        self.runs.get(run_id).ok_or_else(|| FleetError::NotFound { run_id: run_id.clone() })
    }

    /// Numbers and applies events. All or none: the run changes only if every event fits.
    fn record(
        &mut self,
        run_id: &RunId,
        events: Vec<Event>,
        why: Why,
        at: Moment,
    ) -> Result<Vec<Recorded>, FleetError> {
        let (recorded, after) = self.plan(run_id, events, why, at)?;
        self.keep(after);
        Ok(recorded)
    }

    fn keep(&mut self, after: Option<Run>) {
        if let Some(run) = after {
            if let Some(command_id) = &run.command_id {
                self.by_command.insert(command_id.clone(), run.id.clone());
            }
            self.runs.insert(run.id.clone(), run);
        }
    }

    /// The records that events make, and the run behind them.
    fn plan(
        &self,
        run_id: &RunId,
        events: Vec<Event>,
        why: Why,
        at: Moment,
    ) -> Result<(Vec<Recorded>, Option<Run>), FleetError> {
        let mut after = self.runs.get(run_id).cloned();
        let mut recorded = Vec::with_capacity(events.len());
        for mut event in events {
            // The decider knows no machine: which boot an attempt's times count in is stamped here.
            if let Event::AttemptBegun { boot_id, .. } = &mut event {
                *boot_id = Some(self.boot_id.clone());
            }
            let before = after.as_ref().map_or(Status::Idle, |run| run.status);
            let (seq, attempt) = after.as_ref().map_or((1, Attempt(0)), |run| {
                let begins = matches!(event, Event::AttemptBegun { .. });
                (run.seq.saturating_add(1), if begins { run.attempt.next() } else { run.attempt })
            });
            let record = Record { run_id: run_id.clone(), seq, attempt, at, why, event };
            let folded = match after {
                None => apply::begin(&record),
                Some(mut run) => apply::apply(&mut run, &record).map(|()| run),
            };
            let run = folded.map_err(|error| FleetError::Bug { run_id: run_id.clone(), error })?;
            let envelope = self.envelope(&record, before, &run);
            recorded.push(Recorded { record, envelope });
            after = Some(run);
        }
        Ok((recorded, after))
    }

    fn envelope(&self, record: &Record, before: Status, run: &Run) -> Envelope {
        let (event_type, source, payload) = payload::of(record, before, run);
        Envelope {
            event_type,
            place: Place::Ledger { seq: record.seq },
            training_id: record.run_id.clone(),
            attempt: record.attempt,
            unix_ms: record.unix_ms(),
            workload: run.spec.workload.clone(),
            node: self.node.clone(),
            source,
            flow: run.spec.flow.clone(),
            payload,
        }
    }
}
