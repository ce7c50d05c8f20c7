//! Runs that are gone: their ids are known for ever, and nothing of theirs is used any more.

use super::{Fleet, FleetError};
use crate::api::{Obstacle, ObstacleKind};
use crate::decide::{Reason, Refusal, obstacles};
use crate::event::Event;
use crate::ids::{CommandId, RunId, Slug};
use crate::moment::{Moment, rfc3339};
use crate::phase::Phase;
use crate::run::Run;
use crate::spec::Resume;
use crate::text::one_line;
use std::fmt;

/// Longest name of who removed a run that is kept, in bytes.
const BY_BYTES_MAX: usize = 64;
/// Runs told that need the same one. Further ones still refuse its removal.
const NEEDERS_TOLD_MAX: usize = 32;

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
    /// The command that removed it, where it had an id.
    pub command_id: Option<CommandId>,
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

    /// What is left of a run, if it was removed.
    #[must_use]
    pub fn tombstone(&self, run_id: &RunId) -> Option<&Tombstone> {
        self.removed.get(run_id)
    }

    /// What stands in the way of the removal of a run: nothing means that it would go now.
    ///
    /// # Errors
    /// A [`FleetError`]: there is no such run to be removed.
    pub fn obstacles(&self, run_id: &RunId, with_pinned: bool) -> Result<Vec<Obstacle>, FleetError> {
        let run = self.present(run_id)?;
        let kind = |refusal: &Refusal| match matches!(refusal.reason, Reason::Pinned { .. }) {
            true => ObstacleKind::Pinned,
            false => ObstacleKind::Phase,
        };
        let own = obstacles(run, with_pinned);
        let own = own.iter().map(|refusal| (kind(refusal), refusal.to_string(), None));
        let others = needers(self.runs.values(), run_id).take(NEEDERS_TOLD_MAX).map(|other| {
            (ObstacleKind::Needed, needed(run_id, other).to_string(), Some(other.id.to_string()))
        });
        let all = own.chain(others);
        Ok(all.map(|(kind, text, needed_by)| Obstacle { kind, text, needed_by }).collect())
    }

    /// Takes a run out if `event` is its removal; the run as it was.
    pub(super) fn bury(&mut self, run_id: &RunId, event: &Event, at: Moment) -> Option<Run> {
        let Event::Removed { requested_by, command_id, .. } = event else { return None };
        let run = self.runs.remove(run_id)?;
        let tombstone = Tombstone {
            name: run.spec.name.to_string(),
            workload: run.spec.workload.clone(),
            at_unix_ms: at.unix_ms,
            by: requested_by.clone(),
            command_id: command_id.clone(),
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
                Err(FleetError::Removed { run_id: run_id.clone(), tombstone: Box::new(tombstone.clone()) })
            }
        }
    }

    /// The removed run in whose folder `path` lies.
    pub(super) fn removed_owner(&self, path: &str) -> Option<&RunId> {
        let owner = |part: &str| self.removed.get_key_value(&RunId::new(part).ok()?);
        path.split('/').find_map(owner).map(|(run_id, _)| run_id)
    }

    /// # Errors
    /// [`FleetError::Needed`]: another run would go on from a checkpoint of this one.
    pub fn not_needed(&self, run_id: &RunId) -> Result<(), FleetError> {
        needers(self.runs.values(), run_id).next().map_or(Ok(()), |other| Err(needed(run_id, other)))
    }
}

fn needed(run_id: &RunId, by: &Run) -> FleetError {
    FleetError::Needed {
        run_id: run_id.clone(),
        needed_by: by.id.clone(),
        name: by.spec.name.to_string(),
        has_ended: by.phase.is_terminal(),
    }
}

/// Those among `runs` that may still read a checkpoint in the folder of `run_id`.
pub fn needers<'a>(runs: impl Iterator<Item = &'a Run>, run_id: &RunId) -> impl Iterator<Item = &'a Run> {
    runs.filter(move |other| other.id != *run_id && needs(other, run_id))
}

/// Whether `run` may still read a checkpoint in the folder of `other`: now, or when it is retried.
fn needs(run: &Run, other: &RunId) -> bool {
    if run.phase == Phase::Done {
        return false;
    }
    // Without a word of its own its worker may be reading the checkpoint that it was handed.
    let is_reading = matches!(run.phase, Phase::Spawning | Phase::Starting);
    let handed = run.resumed_from.as_ref().filter(|_| is_reading);
    // What it would go on from, unless it has something of its own elsewhere.
    let is_safe = run.usable().any(|own| !lies_in_folder_of(&own.path, other));
    let named = match &run.spec.resume {
        Resume::From(from) => Some(&**from),
        Resume::Auto | Resume::Never => None,
    };
    let next = run.usable().chain(named).filter(|_| !is_safe);
    let mut all = handed.into_iter().chain(run.restore.as_ref()).chain(next);
    all.any(|checkpoint| lies_in_folder_of(&checkpoint.path, other))
}

/// Whether a part of the path is the id: that is what the folder of a run is called, and ids are
/// unique enough for nothing else to be called so.
fn lies_in_folder_of(path: &str, run_id: &RunId) -> bool {
    path.split('/').any(|part| part == run_id.as_str())
}
