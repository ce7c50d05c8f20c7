//! The newest that every run said of its progress and its numbers, on disk beside its curves, so
//! that a new daemon shows what the old one showed. The ledger holds words, not telemetry.
//!
//! It is written before an event of the run is told, and when the daemon ends: of a daemon that is
//! killed, what a worker said since is read again from its events.

use crate::board::Board;
use resus_core::ids::RunId;
use resus_core::slot::Kept;
use resus_store::StateDir;
use resus_store::file::replace;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

const FILE: &str = "newest.json";

/// More than the longest event leaves of numbers and texts; what is longer is not ours.
const BYTES_MAX: u64 = 1 << 20;

/// The files with the newest of each run.
pub(crate) struct Newest {
    state: Arc<StateDir>,
    board: Arc<Board>,
    /// One file is written by one at a time.
    writing: Mutex<()>,
}

impl Newest {
    pub(crate) fn new(state: Arc<StateDir>, board: Arc<Board>) -> Self {
        Self { state, board, writing: Mutex::default() }
    }

    /// Shows what was written down of these runs, before they are published; with each, whether it
    /// has ended. Blocking.
    pub(crate) fn bring_back(&self, runs: Vec<(RunId, bool)>) {
        for (run_id, has_ended) in runs {
            let Some(mut kept) = self.read(&run_id) else { continue };
            if !has_ended {
                // Some of them are read again, and counted again.
                kept.refused_lines = 0;
            }
            self.board.bring_back(&run_id, kept.into());
        }
    }

    /// Writes down what a run said since it was last written down.
    pub(crate) async fn keep(self: &Arc<Self>, run_id: &RunId) {
        if !self.board.is_unsaved(run_id) {
            return;
        }
        let (newest, run_id) = (Arc::clone(self), run_id.clone());
        if tokio::task::spawn_blocking(move || newest.write(&run_id)).await.is_err() {
            tracing::error!("writing the newest of a run failed");
        }
    }

    /// Writes down what is new of every run. Blocking.
    pub(crate) fn save(&self) {
        for run_id in self.board.run_ids() {
            self.write(&run_id);
        }
    }

    fn write(&self, run_id: &RunId) {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = self.board.take_unsaved(run_id) else { return };
        let Some(path) = self.path(run_id) else { return };
        let written = serde_json::to_vec(&kept).map_err(io::Error::other);
        if let Err(error) = written.and_then(|bytes| replace(&path, &bytes, false)) {
            tracing::warn!(%run_id, %error, "the newest of a run can't be kept");
        }
    }

    /// What was written down of a run; nothing if that is not there or makes no sense.
    fn read(&self, run_id: &RunId) -> Option<Kept> {
        let file = File::open(self.path(run_id)?).ok()?;
        let mut text = Vec::new();
        let read = file.take(BYTES_MAX).read_to_end(&mut text);
        let kept = read.and_then(|_| serde_json::from_slice(&text).map_err(io::Error::other));
        kept.inspect_err(|error| {
            tracing::warn!(%run_id, %error, "the newest of a run can't be read; it is shown when it comes");
        })
        .ok()
    }

    fn path(&self, run_id: &RunId) -> Option<PathBuf> {
        self.state.run(run_id.as_str()).ok().map(|folder| folder.join(FILE))
    }
}
