//! Deletes the files of runs that were removed, and output that was pruned: beside the actors, since
//! it may take long, and only what the ledger says is to go. What is left undone when the daemon dies
//! is asked for again at its next start, by the replay of the ledger.

use crate::board::Board;
use crate::curves::Curves;
use crate::limits::{DISPOSAL_RETRY, DISPOSAL_RETRY_MAX, DISPOSAL_TRIES_QUIET};
use crate::telemetry::Telemetry;
use resus_core::api::DeletionsView;
use resus_core::ids::RunId;
use resus_disk::Real;
use resus_shim::evidence::{RUN_LOCK, SHIM_LOCK};
use resus_store::StateDir;
use resus_store::discard::{DiscardError, discard_output, discard_run, is_left};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What is to be deleted of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waste {
    /// All files of a run that was removed.
    Run,
    /// What workers printed in attempts up to this one.
    Output { upto: u32 },
}

/// What waits for its deletion.
#[derive(Debug, Default)]
pub(crate) struct Disposal {
    waiting: Mutex<BTreeSet<(RunId, Waste)>>,
    /// Runs that were removed in an earlier life: it is looked whether anything of them is there.
    earlier: Mutex<Vec<RunId>>,
    /// What is being deleted, or could not be: how often that was tried, and why.
    trouble: Mutex<BTreeMap<(RunId, Waste), (u32, String)>>,
    woken: Notify,
    /// Held by whoever measures: the disk is there for the trainings.
    pub(crate) measuring: tokio::sync::Mutex<()>,
}

impl Disposal {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(RunId, Waste)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be deleted, which the ledger says already.
    pub(crate) fn put(&self, run_id: &RunId, waste: Waste) {
        self.lock().insert((run_id.clone(), waste));
        self.woken.notify_one();
    }

    /// These were removed in an earlier life: whatever is left of them is to be deleted.
    pub(crate) fn look_for(&self, removed: Vec<RunId>) {
        *self.earlier.lock().unwrap_or_else(PoisonError::into_inner) = removed;
    }

    /// What waits, and what is in the way.
    pub(crate) fn view(&self) -> DeletionsView {
        let trouble = self.trouble();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let waiting = self.lock().iter().filter(|waste| !trouble.contains_key(*waste)).count();
        let stuck = || trouble.iter().filter(|(_, (tries, _))| *tries >= DISPOSAL_TRIES_QUIET);
        let problem = stuck().next().map(|((run_id, _), (_, why))| format!("run {run_id}: {why}"));
        DeletionsView { waiting: count(waiting + trouble.len()), failed: count(stuck().count()), problem }
    }

    fn take(&self) -> Option<(RunId, Waste)> {
        self.lock().pop_first()
    }

    fn take_earlier(&self) -> Vec<RunId> {
        mem::take(&mut *self.earlier.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn trouble(&self) -> MutexGuard<'_, BTreeMap<(RunId, Waste), (u32, String)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It could not be deleted; how often now.
    fn failed(&self, run_id: &RunId, waste: Waste, why: &Delay) -> u32 {
        let mut trouble = self.trouble();
        let (tries, known) = trouble.entry((run_id.clone(), waste)).or_default();
        (*tries, *known) = (tries.saturating_add(1), why.to_string());
        *tries
    }
}

/// Why something can't be deleted yet.
#[derive(Debug, thiserror::Error)]
enum Delay {
    #[error("{} is held: something of the run still lives", path.display())]
    Alive { path: PathBuf },
    #[error("failed to look whether {} is held: {source}", path.display())]
    Lock { path: PathBuf, source: Errno },
    #[error(transparent)]
    Discard(#[from] DiscardError),
    #[error("{0}")]
    Panicked(String),
}

/// What the deletion needs to know.
pub(crate) struct Grounds {
    pub(crate) disposal: Arc<Disposal>,
    pub(crate) board: Arc<Board>,
    pub(crate) state: Arc<StateDir>,
    pub(crate) curves: Arc<Curves>,
    pub(crate) telemetry: Arc<Telemetry>,
}

/// Deletes for ever.
pub(crate) async fn keep(grounds: Grounds) {
    grounds.board.ready().await;
    grounds.find_what_is_left().await;
    let disposal = &grounds.disposal;
    loop {
        while let Some((run_id, waste)) = disposal.take() {
            match grounds.delete(&run_id, waste).await {
                Ok(was_there) => {
                    disposal.trouble().remove(&(run_id.clone(), waste));
                    if was_there {
                        tracing::info!(%run_id, ?waste, "files deleted");
                    }
                }
                Err(delay) => {
                    let tries = disposal.failed(&run_id, waste, &delay);
                    if tries == 1 || tries == DISPOSAL_TRIES_QUIET {
                        tracing::warn!(%run_id, ?waste, %delay, tries, "files can't be deleted yet; it is tried again");
                    }
                }
            }
        }
        let wait = disposal.trouble().values().map(|(tries, _)| pause(*tries)).min();
        tokio::select! {
            () = disposal.woken.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or(DISPOSAL_RETRY_MAX)) => {
                let again: Vec<_> = disposal.trouble().keys().cloned().collect();
                again.iter().for_each(|(run_id, waste)| disposal.put(run_id, *waste));
            }
        }
    }
}

/// From tenths of a second, which a shim takes to leave, to minutes.
fn pause(tries: u32) -> Duration {
    DISPOSAL_RETRY.saturating_mul(1 << tries.min(16)).min(DISPOSAL_RETRY_MAX)
}

impl Grounds {
    /// Of runs that were removed long ago nothing is there: they are not tried one by one.
    async fn find_what_is_left(&self) {
        let (removed, state) = (self.disposal.take_earlier(), Arc::clone(&self.state));
        let looking = move || {
            removed.into_iter().filter(|id| is_left(&Real, state.path(), id.as_str())).collect::<Vec<_>>()
        };
        match tokio::task::spawn_blocking(looking).await {
            Ok(left) => left.iter().for_each(|run_id| self.disposal.put(run_id, Waste::Run)),
            Err(error) => tracing::error!(%error, "what is left of removed runs was not looked for"),
        }
    }

    async fn delete(&self, run_id: &RunId, waste: Waste) -> Result<bool, Delay> {
        if waste == Waste::Run {
            // Said once more, where it counts: only what the ledger calls removed is touched.
            if self.board.tombstone(run_id).is_none() || self.board.run(run_id).is_some() {
                return Ok(false);
            }
            self.curves.forget(run_id);
            self.telemetry.forget(run_id);
        }
        let (state, id) = (Arc::clone(&self.state), run_id.clone());
        let deleting = tokio::task::spawn_blocking(move || match waste {
            Waste::Run => {
                let _held = nothing_lives(&state, &id)?;
                Ok(discard_run(&Real, state.path(), id.as_str())?)
            }
            Waste::Output { upto } => Ok(discard_output(&Real, state.path(), id.as_str(), upto)?),
        });
        deleting.await.unwrap_or_else(|error| Err(Delay::Panicked(error.to_string())))
    }
}

/// Takes the locks that the run's shim and its workers hold while they live, so that none begins to.
fn nothing_lives(state: &StateDir, run_id: &RunId) -> Result<Vec<OwnedFd>, Delay> {
    let folder = state.run(run_id.as_str()).map_err(DiscardError::BadRunId)?;
    let locks = [SHIM_LOCK, RUN_LOCK].map(|name| folder.join(name));
    let taken: Result<Vec<_>, Delay> = locks.iter().map(|path| take(path)).collect();
    Ok(taken?.into_iter().flatten().collect())
}

/// `None` if there is no such file: nobody has ever held it.
fn take(path: &Path) -> Result<Option<OwnedFd>, Delay> {
    let failed = |source| Delay::Lock { path: path.to_owned(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => file,
        // A link in its place is no lock of ours.
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Err(Delay::Alive { path: path.to_owned() }),
        Err(error) => Err(failed(error)),
    }
}
