//! The files of checkpoints: which one to begin from, whether announced ones are whole, which ones go.
//!
//! Looking at files is blocking work and happens beside the actor: for one run in order, but for the
//! checks of other frameworks' checkpoints, which may have to wait until their writer is done, and hold
//! up nothing.

mod aside;
mod check;
mod files;
mod foreign;
mod jobs;
mod passing;
mod patience;
mod pick;
mod prsm;
pub(crate) mod prune;
mod restore;
mod waiting;

#[cfg(test)]
mod tests;

pub(crate) use self::jobs::Job;

use self::files::Files;
use self::jobs::Outcome;
use self::waiting::Waiting;
use crate::board::Board;
use crate::directory::Directory;
use crate::doing::Summary;
use crate::supervisor::{Observation, SupervisorMsg};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{CheckpointRef, Fact};
use resus_core::policy::RetentionPolicy;
use resus_disk::Real;
use resus_store::StateDir;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Jobs that may wait per run: a user may want the whole catalogue, which holds 1000, to be read once
/// more. A worker that announces checkpoints faster than they can be read back has the oldest
/// announcement dropped; the file itself stays and is looked at when a checkpoint is picked.
const JOBS_WAITING_MAX: usize = 1100;

pub(crate) enum CheckpointMsg {
    Do {
        run_id: RunId,
        attempt: Attempt,
        job: Job,
    },
    /// A job is done.
    Done {
        run_id: RunId,
        attempt: Attempt,
        outcome: Outcome,
    },
    /// The check of another framework's checkpoint is over.
    Checked {
        run_id: RunId,
        attempt: Attempt,
        serial: u64,
        fact: Option<Fact>,
    },
}

#[derive(Default)]
struct RunFiles {
    busy: bool,
    jobs: VecDeque<(Attempt, Job)>,
    foreign: Waiting,
    /// Path of the one that was read back last, and whole.
    read_last: Option<String>,
}

impl RunFiles {
    /// Takes a job in, in the place of an earlier one for the same that has not begun. What an attempt
    /// waits for goes first, and nothing is deleted before it: what was to be deleted may be chosen.
    fn queue(&mut self, run_id: &RunId, attempt: Attempt, job: Job) {
        match &job {
            Job::Verify(checkpoint) => {
                let is_same = |job: &Job| matches!(job, Job::Verify(other) if other.path == checkpoint.path);
                self.jobs.retain(|(_, waiting)| !is_same(waiting));
            }
            Job::Prune { .. } => self.jobs.retain(|(_, waiting)| !matches!(waiting, Job::Prune { .. })),
            Job::Pick { .. } | Job::Restore(_) => {
                self.jobs.retain(|(_, waiting)| matches!(waiting, Job::Verify(_)));
                return self.jobs.push_front((attempt, job));
            }
        }
        if self.jobs.len() >= JOBS_WAITING_MAX {
            let oldest = self.jobs.iter().position(|(_, job)| matches!(job, Job::Verify(_)));
            self.jobs.remove(oldest.unwrap_or(0));
            tracing::warn!(%run_id, "checkpoints are announced faster than they can be read back");
        }
        self.jobs.push_back((attempt, job));
    }

    /// Remembers which one was read back last.
    fn note(&mut self, fact: &Fact) {
        if let Fact::CheckpointChecked { checkpoint, refusal } = fact {
            self.read_last = refusal.is_none().then(|| checkpoint.path.clone());
        }
    }
}

pub(crate) struct CheckpointState {
    directory: Arc<Directory>,
    dirs: Arc<StateDir>,
    board: Arc<Board>,
    runs: BTreeMap<RunId, RunFiles>,
    /// Whoever reads a large checkpoint in the background holds it: one at a time leaves the disk and a
    /// core to those who train.
    reading: Arc<Semaphore>,
}

pub(crate) struct Checkpoint;

impl Actor for Checkpoint {
    type Msg = CheckpointMsg;
    type State = CheckpointState;
    type Arguments = (Arc<Directory>, Arc<StateDir>, Arc<Board>);

    async fn pre_start(
        &self,
        _myself: ActorRef<CheckpointMsg>,
        (directory, dirs, board): Self::Arguments,
    ) -> Result<CheckpointState, ActorProcessingErr> {
        let reading = Arc::new(Semaphore::new(1));
        Ok(CheckpointState { directory, dirs, board, runs: BTreeMap::new(), reading })
    }

    async fn handle(
        &self,
        myself: ActorRef<CheckpointMsg>,
        message: CheckpointMsg,
        state: &mut CheckpointState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.checkpoint.doing.begin(message.summary());
        match message {
            CheckpointMsg::Do { run_id, attempt, job } => {
                state.runs.entry(run_id.clone()).or_default().queue(&run_id, attempt, job);
                start_next(&myself, state, run_id)
            }
            CheckpointMsg::Done { run_id, attempt, outcome } => {
                let run = state.runs.entry(run_id.clone()).or_default();
                run.busy = false;
                if let Outcome::Told(Some(fact)) = &outcome {
                    run.note(fact);
                }
                match outcome {
                    Outcome::Told(fact) => state.tell(&run_id, attempt, fact),
                    Outcome::Foreign(announced) => {
                        check_foreign(&myself, state, &run_id, attempt, announced)?
                    }
                }
                start_next(&myself, state, run_id)
            }
            CheckpointMsg::Checked { run_id, attempt, serial, fact } => {
                // One that was given up may have been over already.
                let run = state.runs.entry(run_id.clone()).or_default();
                if run.foreign.is_over(serial) {
                    if let Some(fact) = &fact {
                        run.note(fact);
                    }
                    state.tell(&run_id, attempt, fact);
                }
                Ok(())
            }
        }
    }
}

impl CheckpointState {
    fn tell(&self, run_id: &RunId, attempt: Attempt, fact: Option<Fact>) {
        let Some(fact) = fact else { return };
        let observation = Observation { run_id: run_id.clone(), attempt, fact, committed: None };
        self.directory.supervisor.send(SupervisorMsg::Observed(observation));
    }

    fn files(&self, run_id: &RunId) -> Result<Files, ActorProcessingErr> {
        let checkpoints = self.dirs.checkpoints(run_id.as_str())?;
        let manifests = self.dirs.manifests(run_id.as_str())?;
        Ok(Files { disk: Arc::new(Real), checkpoints, manifests })
    }
}

/// Starts the run's next job beside the actor.
fn start_next(
    myself: &ActorRef<CheckpointMsg>,
    state: &mut CheckpointState,
    run_id: RunId,
) -> Result<(), ActorProcessingErr> {
    let files = state.files(&run_id)?;
    let Some(run) = state.runs.get_mut(&run_id).filter(|run| !run.busy) else { return Ok(()) };
    let Some((attempt, mut job)) = run.jobs.pop_front() else { return Ok(()) };
    run.busy = true;
    if let Job::Prune { entries, rules, is_newest_read } = &mut job {
        // What was pinned, chosen or found damaged since the order was given counts.
        if let Some(now) = state.board.run(&run_id) {
            *entries = resus_core::retention::entries(&now, None);
            // One that was reopened meanwhile goes by its own rules again.
            if *rules != RetentionPolicy::only_newest() || !now.phase.is_terminal() {
                *rules = now.spec.policy.retention();
            }
        }
        let newest = prune::newest(entries).map(|newest| newest.path.as_str());
        *is_newest_read = newest.is_some() && newest == run.read_last.as_deref();
    }
    let actor = myself.clone();
    let (dirs, of_run) = (Arc::clone(&state.dirs), run_id.clone());
    let working = tokio::task::spawn_blocking(move || {
        // A run that never had an attempt has no folder yet, and may need one for a manifest.
        if matches!(&job, Job::Pick { from: Some(_), .. })
            && let Err(error) = dirs.make_checkpoints(of_run.as_str())
        {
            tracing::warn!(run_id = %of_run, %error, "the folder of a run can't be made");
        }
        jobs::carry_out(&files, job)
    });
    tokio::spawn(async move {
        // A job that panicked is over as well: the next one of this run must get its turn.
        let outcome = working.await.unwrap_or_else(|error| {
            tracing::error!(%run_id, %error, "a job with checkpoint files failed");
            Outcome::Told(None)
        });
        let _gone = actor.cast(CheckpointMsg::Done { run_id, attempt, outcome });
    });
    Ok(())
}

/// Starts to wait for another framework's checkpoint, and gives up an earlier wait for the same path:
/// what was announced then is what is announced now, or has been written over.
fn check_foreign(
    myself: &ActorRef<CheckpointMsg>,
    state: &mut CheckpointState,
    run_id: &RunId,
    attempt: Attempt,
    announced: CheckpointRef,
) -> Result<(), ActorProcessingErr> {
    let files = state.files(run_id)?;
    let reading = Arc::clone(&state.reading);
    let run = state.runs.entry(run_id.clone()).or_default();
    let (serial, cancel) = run.foreign.begin(&announced.path);
    let (actor, run_id) = (myself.clone(), run_id.clone());
    tokio::spawn(async move {
        let fact = foreign::check(files, announced, reading, cancel).await;
        let _gone = actor.cast(CheckpointMsg::Checked { run_id, attempt, serial, fact });
    });
    Ok(())
}
