//! The v1 file of every run: `training_status.json` in its folder, kept by one task beside the
//! actors for whoever reads that and nothing else.

use crate::board::Board;
use crate::clock;
use resus_core::ids::RunId;
use resus_core::moment::Moment;
use resus_core::pulse::v1::SnapshotV1;
use resus_core::pulse::v1::parse::parse;
use resus_core::pulse::v1::writer::{Life, Plan, V1Writer};
use resus_store::StateDir;
use resus_store::file::replace;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The file's name in the run's folder.
const STATUS_FILE: &str = "training_status.json";

/// Shortest time between two looks at all runs: readers of the file look every two seconds, and
/// a busy node changes its view thousands of times in that time.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// When one file is written, those that are due within this are written with it, in milliseconds.
const TOGETHER_MS: u64 = 2_000;

/// Longest wait for a change. (A run that is there is looked at when its own time has come.)
const WAIT_MAX: Duration = Duration::from_secs(60);

/// One file that is to be written.
struct Job {
    run_id: RunId,
    path: PathBuf,
    snapshot: SnapshotV1,
    fsync: bool,
    ended: bool,
}

struct Files {
    board: Arc<Board>,
    state: Arc<StateDir>,
    writers: BTreeMap<RunId, V1Writer>,
    /// Runs that have ended and whose file says so.
    settled: BTreeSet<RunId>,
}

/// Keeps the files for ever.
pub(crate) async fn keep(board: Arc<Board>, state: Arc<StateDir>) {
    board.ready().await;
    let mut files = Files { board, state, writers: BTreeMap::new(), settled: BTreeSet::new() };
    loop {
        let version = files.board.version();
        let (jobs, next_mono_ms) = files.plan(clock::now());
        if !jobs.is_empty() {
            files.write(jobs).await;
            continue;
        }
        let until_next = next_mono_ms.map_or(WAIT_MAX, |due| {
            Duration::from_millis(due.saturating_sub(clock::now().mono_ms)).min(WAIT_MAX)
        });
        tokio::time::sleep(LOOK_INTERVAL.min(until_next)).await;
        files.board.changed(version, until_next.saturating_sub(LOOK_INTERVAL)).await;
    }
}

impl Files {
    /// What is to be written now, and when there is something next if nothing changes.
    fn plan(&mut self, now: Moment) -> (Vec<Job>, Option<u64>) {
        let (jobs, next) = self.plan_for(now, now.mono_ms);
        if jobs.is_empty() {
            return (jobs, next);
        }
        // A look at all runs for each of them would cost more than the writing: whatever is due
        // soon goes along.
        self.plan_for(now, now.mono_ms.saturating_add(TOGETHER_MS))
    }

    fn plan_for(&mut self, now: Moment, until_mono_ms: u64) -> (Vec<Job>, Option<u64>) {
        let (mut jobs, mut next) = (Vec::new(), None::<u64>);
        let snapshots = self.board.snapshots_v1(now);
        if self.settled.len() + self.writers.len() > snapshots.len() {
            // Some were removed.
            let present: BTreeSet<_> = snapshots.iter().map(|(run_id, _, _)| run_id).collect();
            self.settled.retain(|run_id| present.contains(run_id));
            self.writers.retain(|run_id, _| present.contains(run_id));
        }
        for (run_id, snapshot, life) in snapshots {
            if self.settled.contains(&run_id) {
                // A retry may have opened it again.
                if life == Life::Ended {
                    continue;
                }
                self.settled.remove(&run_id);
            }
            let writer = self.writers.entry(run_id.clone()).or_default();
            match writer.plan(&snapshot, life, until_mono_ms, now.unix_ms / 1000) {
                Plan::Wait { until_mono_ms } => {
                    next = next.into_iter().chain(until_mono_ms).min();
                }
                Plan::Write { snapshot, fsync } => {
                    let Ok(folder) = self.state.run(run_id.as_str()) else { continue };
                    let path = folder.join(STATUS_FILE);
                    jobs.push(Job { run_id, path, snapshot, fsync, ended: life == Life::Ended });
                }
            }
        }
        (jobs, next)
    }

    async fn write(&mut self, jobs: Vec<Job>) {
        let writing = tokio::task::spawn_blocking(move || {
            jobs.into_iter().map(|job| (write(&job), job)).collect::<Vec<_>>()
        });
        for (result, job) in writing.await.unwrap_or_default() {
            let now_ms = clock::now().mono_ms;
            let writer = self.writers.entry(job.run_id.clone()).or_default();
            match result {
                Ok(()) if job.ended => {
                    self.writers.remove(&job.run_id);
                    self.settled.insert(job.run_id);
                }
                Ok(()) => writer.written(job.snapshot, now_ms),
                // A run that was just accepted has no folder yet.
                Err(error) if error.kind() == io::ErrorKind::NotFound => writer.failed(now_ms),
                Err(error) => {
                    tracing::warn!(run_id = %job.run_id, path = %job.path.display(), %error, "the status file can't be written");
                    writer.failed(now_ms);
                }
            }
        }
    }
}

/// Replaces the file as a whole. The end of a run long ago is not written again.
fn write(job: &Job) -> io::Result<()> {
    if job.ended && says_so_already(&job.path, &job.snapshot) {
        return Ok(());
    }
    replace(&job.path, &job.snapshot.to_bytes(), job.fsync)
}

fn says_so_already(path: &Path, snapshot: &SnapshotV1) -> bool {
    let there = fs::read(path).ok().and_then(|bytes| parse(&bytes).ok());
    there.is_some_and(|there| there.snapshot.status == snapshot.status)
}
