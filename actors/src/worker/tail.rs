//! Reads what a worker writes to its event file, from where the ledger left off to its end.

use super::ears::{Ears, Gone};
use super::inbox::Inbox;
use super::source::{Piece, Source};
use super::{Surroundings, WorkerMsg};
use crate::ingest::Splitter;
use crate::limits::{EVENTS_READ_DEADLINE, RESCAN_INTERVAL, RESCAN_INTERVAL_WATCHED};
use crate::watch::Watcher;
use ractor::ActorRef;
use resus_core::ids::{Attempt, RunId};
use resus_core::input::Reached;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Whose events are read, and who hears when all have been.
pub(crate) struct TailOf {
    pub(crate) run_id: RunId,
    pub(crate) attempt: Attempt,
    pub(crate) path: PathBuf,
    pub(crate) worker: ActorRef<WorkerMsg>,
}

/// Reads one attempt's event file from where the ledger left off.
pub(crate) struct Tail {
    run_id: RunId,
    attempt: Attempt,
    path: PathBuf,
    worker: ActorRef<WorkerMsg>,
    ears: Ears,
    watcher: Arc<Watcher>,
    woken: Arc<Notify>,
    /// The file is looked at at least this often.
    rescan: Duration,
}

/// Stops the reader: with `drain`, when everything has been read; by dropping, at once.
pub(crate) struct TailHandle {
    drain: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl TailHandle {
    /// No more will be written: read to the end, then report [`WorkerMsg::Drained`].
    pub(crate) fn drain(&self) {
        self.drain.send_replace(true);
    }
}

impl Drop for TailHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The v1 file that the worker may write, beside its event file.
pub(super) const STATUS_INBOX: &str = "status.json";

impl Tail {
    pub(crate) fn new(of: TailOf, around: &Surroundings) -> Self {
        let TailOf { run_id, attempt, path, worker } = of;
        let watcher = Arc::clone(&around.watcher);
        let (woken, rescan) = waker(&watcher, &path);
        let ears = Ears::new(run_id.clone(), attempt, around);
        Self { run_id, attempt, path, worker, ears, watcher, woken, rescan }
    }

    /// Begins to read at `upto`.
    pub(crate) fn start(self, upto: u64) -> TailHandle {
        let (drain, draining) = watch::channel(false);
        let task = tokio::spawn(async move {
            let (worker, attempt) = (self.worker.clone(), self.attempt);
            let reached = self.read(upto, draining).await;
            let _gone = worker.cast(WorkerMsg::Drained { attempt, reached });
        });
        TailHandle { drain, task }
    }

    async fn read(mut self, upto: u64, mut draining: watch::Receiver<bool>) -> Option<Reached> {
        let mut splitter = Splitter::at(upto);
        let mut inlet = Inlet::new(&self.path);
        let mut failing_since: Option<Instant> = None;
        loop {
            // Asked before reading: what was written before the worker's end is then read.
            let last_round = *draining.borrow_and_update();
            let result;
            let safe = self.ears.held_from().unwrap_or(u64::MAX).min(splitter.line_start());
            let look = Look { offset: splitter.offset(), committed: safe, last: last_round };
            (inlet, result) = look_beside(inlet, look).await;
            let inbox_due = inlet.inbox.next_look();
            if let Ok(piece) = &result
                && piece.anew
            {
                self.begin_anew(&mut splitter, piece);
            }
            let taken = match result {
                Ok(piece) if piece.bytes.is_empty() && last_round => {
                    // Held errors are let go: nothing will come that could be counted with them.
                    self.ears.finish().await.map(|()| true)
                }
                Ok(piece) if piece.bytes.is_empty() => {
                    self.ears.behind(0);
                    self.wait(&mut draining, piece.absent, inbox_due).await;
                    self.ears.pause_for_breath().await.map(|()| false)
                }
                Ok(piece) => {
                    // Until a read finds nothing more we may not have heard it all: the words of
                    // this piece wait for the disk, and behind them may be a sign of life.
                    self.ears.behind(piece.behind.max(1));
                    let found = splitter.feed(&piece.bytes);
                    drop(piece);
                    self.ears.take(found).await.map(|()| false)
                }
                Err(error) => {
                    self.ears.behind(1);
                    tracing::warn!(run_id = %self.run_id, path = %self.path.display(), %error, "events can't be read");
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    let hopeless = since.elapsed() > EVENTS_READ_DEADLINE;
                    if last_round && (hopeless || error.kind() == io::ErrorKind::NotFound) {
                        tracing::error!(run_id = %self.run_id, "the last events of the worker could not be read");
                        self.ears.finish().await.map(|()| true)
                    } else {
                        self.wait(&mut draining, true, inbox_due).await;
                        continue;
                    }
                }
            };
            failing_since = None;
            match taken {
                Ok(false) => {}
                Ok(true) => return self.ears.reached(),
                // The Supervisor died before these words were on disk. Reading on would leave
                // them out; the next Supervisor asks for a new reader, which begins behind what
                // is there.
                Err(Gone) => std::future::pending().await,
            }
        }
    }

    /// Waits until there may be more. `unwatched`: nobody will tell.
    async fn wait(&self, draining: &mut watch::Receiver<bool>, unwatched: bool, inbox_due: Option<Duration>) {
        let rescan = if unwatched { self.rescan.min(RESCAN_INTERVAL) } else { self.rescan };
        let rescan = self.ears.next_due().into_iter().chain(inbox_due).fold(rescan, Duration::min);
        tokio::select! {
            () = self.woken.notified() => {}
            _ = draining.changed() => {}
            () = tokio::time::sleep(rescan) => {}
        }
    }

    /// The worker cut or replaced its file: what follows continues no line, and the file that is
    /// there now is the one to be watched.
    fn begin_anew(&mut self, splitter: &mut Splitter, piece: &Piece) {
        let cut_off = splitter.begin_anew(piece.at, piece.within_line);
        if cut_off > 0 {
            self.ears.refused(splitter.offset(), &"the event file was cut within a line");
        }
        (self.woken, self.rescan) = waker(&self.watcher, &self.path);
        // Something may have been appended before it was watched.
        self.woken.notify_one();
    }
}

/// Where the words of one attempt come in.
struct Inlet {
    source: Source,
    inbox: Inbox,
}

impl Inlet {
    fn new(events: &Path) -> Self {
        let inbox = Inbox::new(events.with_file_name(STATUS_INBOX), events.to_path_buf());
        Self { source: Source::new(events.to_path_buf()), inbox }
    }
}

struct Look {
    offset: u64,
    committed: u64,
    /// Nothing will be written any more.
    last: bool,
}

/// Reads beside the runtime: a file system that hangs holds up this run's reader and nobody else.
async fn look_beside(mut inlet: Inlet, look: Look) -> (Inlet, io::Result<Piece>) {
    let path = inlet.source.path().to_path_buf();
    let reading = tokio::task::spawn_blocking(move || {
        if let Err(error) = inlet.inbox.look(look.last) {
            tracing::warn!(path = %inlet.source.path().display(), %error, "a status file can't be passed on");
        }
        inlet.source.free(look.committed);
        let result = inlet.source.read(look.offset);
        (inlet, result)
    });
    reading.await.unwrap_or_else(|error| (Inlet::new(&path), Err(io::Error::other(error))))
}

/// What wakes the reader of the file at `path`, and how often it looks by itself: seldom if the
/// kernel tells when the file grows.
fn waker(watcher: &Watcher, path: &Path) -> (Arc<Notify>, Duration) {
    // A worker that writes only its status file puts it into the same folder.
    let watched = watcher.watch(path).and_then(|woken| {
        path.parent().map_or(Ok(()), |folder| watcher.watch_folder(folder, &woken))?;
        Ok(woken)
    });
    match watched {
        Ok(woken) => (woken, RESCAN_INTERVAL_WATCHED),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no change events; the file is re-read every second");
            (Arc::new(Notify::new()), RESCAN_INTERVAL)
        }
    }
}
