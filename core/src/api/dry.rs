//! What a command would do, told beforehand.

use crate::apply::{ApplyError, apply};
use crate::explain::sentence;
use crate::fleet::{FleetError, Step};
use crate::run::Run;
use serde::{Deserialize, Serialize};

/// What a command would lead to at once. What the worker, the disk and time make of it afterwards
/// nobody knows beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Foretold {
    /// What would be recorded, in order.
    pub events: Vec<ForetoldEvent>,
    /// Phase of the run then.
    pub phase: String,
}

/// An event that would be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForetoldEvent {
    /// What the ledger would call it.
    pub what: String,
    /// Reason code of the decision.
    pub why: String,
    /// The event in words, for people.
    pub sentence: String,
}

impl Foretold {
    /// What `step`, considered for `before`, would lead to.
    ///
    /// # Errors
    /// [`FleetError::Bug`]: the records do not fit the run they were made for.
    pub fn of(before: &Run, step: &Step) -> Result<Self, FleetError> {
        let mut run = before.clone();
        let mut events = Vec::with_capacity(step.recorded.len());
        for recorded in &step.recorded {
            let record = &recorded.record;
            let bug = |error: ApplyError| FleetError::Bug { run_id: before.id.clone(), error };
            apply(&mut run, record).map_err(bug)?;
            events.push(ForetoldEvent {
                what: record.event.name().to_owned(),
                why: record.why.code(),
                sentence: sentence(record, &run),
            });
        }
        Ok(Self { events, phase: run.phase.as_str().to_owned() })
    }
}
