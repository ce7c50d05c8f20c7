//! Reads what a worker writes to its event file: words go to the Supervisor and wait for
//! their commit, telemetry goes to the board.

use super::WorkerMsg;
use crate::board::Board;
use crate::directory::Directory;
use crate::ingest::{Found, Splitter};
use crate::limits::{EVENTS_READ_BYTES, RESCAN_INTERVAL};
use crate::supervisor::{Observation, SupervisorMsg};
use ractor::ActorRef;
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{Fact, Reached};
use resus_core::pulse::line::{Line, Said, Telemetry};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot, watch};

/// Reads one attempt's event file from where the ledger left off.
pub(crate) struct Tail {
    pub(crate) run_id: RunId,
    pub(crate) attempt: Attempt,
    pub(crate) path: PathBuf,
    pub(crate) directory: Arc<Directory>,
    pub(crate) board: Arc<Board>,
    pub(crate) worker: ActorRef<WorkerMsg>,
    pub(crate) woken: Arc<Notify>,
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

#[derive(Default)]
struct Progressed {
    signed: bool,
    reached: Option<Reached>,
}

impl Tail {
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

    async fn read(self, upto: u64, mut draining: watch::Receiver<bool>) -> Option<Reached> {
        let mut splitter = Splitter::at(upto);
        let mut progressed = Progressed::default();
        let mut buffer = vec![0; EVENTS_READ_BYTES];
        loop {
            // Asked before reading: what was written before the worker's end is then read.
            let last_round = *draining.borrow_and_update();
            match self.read_piece(&splitter, &mut buffer) {
                Ok(0) if last_round => return progressed.reached,
                Ok(0) => self.wait(&mut draining).await,
                Ok(read) => {
                    let found = splitter.feed(buffer.get(..read).unwrap_or_default());
                    self.take(found, &mut progressed).await;
                }
                Err(error) => {
                    tracing::warn!(run_id = %self.run_id, path = %self.path.display(), %error, "events can't be read");
                    if last_round {
                        return progressed.reached;
                    }
                    self.wait(&mut draining).await;
                }
            }
        }
    }

    fn read_piece(&self, splitter: &Splitter, buffer: &mut [u8]) -> io::Result<usize> {
        File::open(&self.path)?.read_at(buffer, splitter.offset())
    }

    async fn wait(&self, draining: &mut watch::Receiver<bool>) {
        tokio::select! {
            () = self.woken.notified() => {}
            _ = draining.changed() => {}
            () = tokio::time::sleep(RESCAN_INTERVAL) => {}
        }
    }

    /// Hands everything on, then waits until the words among it are on disk: that bounds what
    /// one run can have in flight, and a flood is simply read more slowly.
    async fn take(&self, found: Vec<Found>, progressed: &mut Progressed) {
        let mut committed = None;
        for Found { upto, line } in found {
            match line {
                Ok(Line { said: Said::Word(word), unix_ms, .. }) => {
                    let fact = Fact::Said { word, said_unix_ms: unix_ms, upto };
                    committed = Some(self.observe(fact));
                }
                Ok(Line { said: Said::Telemetry(telemetry), unix_ms, .. }) => {
                    self.measure(telemetry, unix_ms, progressed);
                }
                Err(error) => {
                    let refused = self.board.refused_line(&self.run_id);
                    if refused.is_power_of_two() {
                        tracing::warn!(run_id = %self.run_id, upto, %error, refused, "event line refused");
                    }
                }
            }
        }
        if let Some(committed) = committed
            && committed.await.is_err()
        {
            // The Supervisor died before these words were on disk. Reading on would leave them
            // out; the next Supervisor asks for a new reader, which begins behind what is there.
            std::future::pending::<()>().await;
        }
    }

    fn measure(&self, telemetry: Telemetry, unix_ms: Option<u64>, progressed: &mut Progressed) {
        if !progressed.signed {
            progressed.signed = true;
            drop(self.observe(Fact::SignOfLife));
        }
        if let Telemetry::Progress(progress) = &telemetry
            && let Some(done) = progress.amount()
        {
            progressed.reached = Some(Reached { done, total: progress.amount_total() });
        }
        self.board.fold(&self.run_id, self.attempt, telemetry, unix_ms);
    }

    fn observe(&self, fact: Fact) -> oneshot::Receiver<()> {
        let (committed, waiting) = oneshot::channel();
        self.directory.supervisor.send(SupervisorMsg::Observed(Observation {
            run_id: self.run_id.clone(),
            attempt: self.attempt,
            fact,
            committed: Some(committed),
        }));
        waiting
    }
}

/// Wakes up when the file at `path` grows. If the kernel can't tell, nothing wakes it and the
/// slow re-scan has to do.
pub(crate) fn waker(watcher: &crate::watch::Watcher, path: &std::path::Path) -> Arc<Notify> {
    watcher.watch(path).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "no change events; the file is re-read every second");
        Arc::new(Notify::new())
    })
}
