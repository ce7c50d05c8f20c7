//! Runs that are gone: their ids are known for ever, and nothing of theirs is used any more.

use super::{Fleet, FleetError};
use crate::event::Event;
use crate::ids::{RunId, Slug};
use crate::moment::{Moment, rfc3339};
use crate::phase::Phase;
use crate::run::Run;
use crate::spec::Resume;
use crate::text::one_line;
use std::fmt;

/// Longest name of who removed a run that is kept, in bytes.
const BY_BYTES_MAX: usize = 64;

/// What is left of a run that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// What people called it.
    pub name: String,
    /// Kind of training.
    pub workload: Slug,
    /// When it was removed, Unix ms.
    pub at_unix_ms: u64,
    /// Who wanted it.
    pub by: String,
}

impl fmt::Display for Tombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = one_line(&self.by, BY_BYTES_MAX);
        write!(f, "({}) was removed on {} by {by}", self.name, rfc3339(self.at_unix_ms))
    }
}

impl Fleet {
    /// Runs that were removed, with what is left of them.
    pub fn removed(&self) -> impl Iterator<Item = (&RunId, &Tombstone)> {
        self.removed.iter()
    }

    /// Takes a run out if `event` is its removal; the run as it was.
    pub(super) fn bury(&mut self, run_id: &RunId, event: &Event, at: Moment) -> Option<Run> {
        let Event::Removed { requested_by, .. } = event else { return None };
        let run = self.runs.remove(run_id)?;
        let tombstone = Tombstone {
            name: run.spec.name.to_string(),
            workload: run.spec.workload.clone(),
            at_unix_ms: at.unix_ms,
            by: requested_by.clone(),
        };
        self.removed.insert(run_id.clone(), tombstone);
        Some(run)
    }

    /// # Errors
    /// [`FleetError::Removed`].
    pub(super) fn still_there(&self, run_id: &RunId) -> Result<(), FleetError> {
        match self.removed.get(run_id) {
            None => Ok(()),
            Some(tombstone) => {
                Err(FleetError::Removed { run_id: run_id.clone(), tombstone: tombstone.clone() })
            }
        }
    }

    /// The removed run in whose folder `path` lies.
    pub(super) fn removed_owner(&self, path: &str) -> Option<&RunId> {
        let lies_in = |run_id: &&RunId| lies_in_folder_of(path, run_id);
        self.removed.keys().find(lies_in)
    }

    /// # Errors
    /// [`FleetError::Needed`]: a run that lives begins from a checkpoint of this one.
    pub fn not_needed(&self, run_id: &RunId) -> Result<(), FleetError> {
        match needed_by(self.runs.values(), run_id) {
            None => Ok(()),
            Some(other) => Err(FleetError::Needed {
                run_id: run_id.clone(),
                needed_by: other.id.clone(),
                name: other.spec.name.to_string(),
            }),
        }
    }
}

/// The run among `runs` that has not ended and may still read a checkpoint in the folder of `run_id`.
pub fn needed_by<'a>(mut runs: impl Iterator<Item = &'a Run>, run_id: &RunId) -> Option<&'a Run> {
    runs.find(|other| other.id != *run_id && needs(other, run_id))
}

/// Whether `run`, which has not ended, may still read a checkpoint in the folder of `other`.
fn needs(run: &Run, other: &RunId) -> bool {
    if run.phase.is_terminal() {
        return false;
    }
    // Without a word of its own its worker may be reading the checkpoint that it was handed.
    let is_reading = matches!(run.phase, Phase::Spawning | Phase::Starting);
    let handed = run.resumed_from.as_ref().filter(|_| is_reading);
    let named = match &run.spec.resume {
        Resume::From(from) if run.usable().all(|own| own.path == from.path) => Some(&**from),
        Resume::From(_) | Resume::Auto | Resume::Never => None,
    };
    let all = [handed, named, run.restore.as_ref()];
    all.into_iter().flatten().any(|checkpoint| lies_in_folder_of(&checkpoint.path, other))
}

/// Whether a part of the path is the id: that is what the folder of a run is called, and ids are
/// unique enough for nothing else to be called so.
fn lies_in_folder_of(path: &str, run_id: &RunId) -> bool {
    path.split('/').any(|part| part == run_id.as_str())
}
