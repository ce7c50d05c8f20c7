//! Deletes the files of runs that were removed, and output that was pruned: beside the actors, since
//! it may take long, and only what the ledger says is to go. What is left undone when the daemon dies
//! is asked for again at its next start, by the replay of the ledger.

use crate::board::Board;
use crate::curves::Curves;
use crate::limits::{DISPOSAL_RETRY, DISPOSAL_RETRY_MAX};
use crate::telemetry::Telemetry;
use resus_core::ids::RunId;
use resus_disk::Real;
use resus_shim::evidence::{RUN_LOCK, SHIM_LOCK};
use resus_store::StateDir;
use resus_store::discard::{DiscardError, discard_output, discard_run};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
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
    woken: Notify,
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

    fn take(&self) -> Option<(RunId, Waste)> {
        self.lock().pop_first()
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
    // What could not be deleted, with how often that was tried.
    let mut again: BTreeMap<(RunId, Waste), u32> = BTreeMap::new();
    loop {
        while let Some((run_id, waste)) = grounds.disposal.take() {
            let tries = again.remove(&(run_id.clone(), waste)).unwrap_or(0);
            match grounds.delete(&run_id, waste).await {
                Ok(true) => tracing::info!(%run_id, ?waste, "files deleted"),
                Ok(false) => {}
                Err(delay) => {
                    if tries == 0 {
                        tracing::warn!(%run_id, ?waste, %delay, "files can't be deleted yet; it is tried again");
                    }
                    again.insert((run_id, waste), tries.saturating_add(1));
                }
            }
        }
        let wait = again.values().min().map(|tries| pause(*tries));
        tokio::select! {
            () = grounds.disposal.woken.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or(DISPOSAL_RETRY_MAX)) => {
                for (run_id, waste) in again.keys() {
                    grounds.disposal.put(run_id, *waste);
                }
            }
        }
    }
}

/// From tenths of a second, which a shim takes to leave, to minutes.
fn pause(tries: u32) -> Duration {
    DISPOSAL_RETRY.saturating_mul(1 << tries.min(16)).min(DISPOSAL_RETRY_MAX)
}

impl Grounds {
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
