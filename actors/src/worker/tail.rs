//! Reads what a worker writes to its event file: words go to the Supervisor and wait for
//! their commit, telemetry goes to the board.

use super::WorkerMsg;
use crate::board::Board;
use crate::directory::Directory;
use crate::ingest::{Found, Splitter};
use crate::limits::{
    EVENTS_READ_BYTES, EVENTS_READ_DEADLINE, RESCAN_INTERVAL, RESCAN_INTERVAL_WATCHED, WORDS_IN_FLIGHT,
};
use crate::supervisor::{Observation, SupervisorMsg};
use ractor::ActorRef;
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{Fact, Reached};
use resus_core::pulse::line::{Line, Said, Telemetry};
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

/// Reads one attempt's event file from where the ledger left off.
pub(crate) struct Tail {
    pub(crate) run_id: RunId,
    pub(crate) attempt: Attempt,
    pub(crate) path: PathBuf,
    pub(crate) directory: Arc<Directory>,
    pub(crate) board: Arc<Board>,
    pub(crate) worker: ActorRef<WorkerMsg>,
    pub(crate) woken: Arc<Notify>,
    /// The file is looked at at least this often.
    pub(crate) rescan: Duration,
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
        let mut source = Source::new(self.path.clone());
        let mut failing_since: Option<Instant> = None;
        loop {
            // Asked before reading: what was written before the worker's end is then read.
            let last_round = *draining.borrow_and_update();
            let result;
            (source, result) = source.read(splitter.offset()).await;
            match result {
                Ok(piece) if piece.is_empty() && last_round => return progressed.reached,
                Ok(piece) if piece.is_empty() => self.wait(&mut draining).await,
                Ok(piece) => {
                    let found = splitter.feed(&piece);
                    drop(piece);
                    if self.take(found, &mut progressed).await.is_err() {
                        // The Supervisor died before these words were on disk. Reading on would
                        // leave them out; the next Supervisor asks for a new reader, which
                        // begins behind what is there.
                        std::future::pending::<()>().await;
                    }
                }
                Err(error) => {
                    tracing::warn!(run_id = %self.run_id, path = %self.path.display(), %error, "events can't be read");
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    let hopeless = since.elapsed() > EVENTS_READ_DEADLINE;
                    if last_round && (hopeless || error.kind() == io::ErrorKind::NotFound) {
                        tracing::error!(run_id = %self.run_id, "the last events of the worker could not be read");
                        return progressed.reached;
                    }
                    self.wait(&mut draining).await;
                    continue;
                }
            }
            failing_since = None;
        }
    }

    async fn wait(&self, draining: &mut watch::Receiver<bool>) {
        tokio::select! {
            () = self.woken.notified() => {}
            _ = draining.changed() => {}
            () = tokio::time::sleep(self.rescan) => {}
        }
    }

    /// Hands everything on to one Supervisor, and waits now and then until the words so far are
    /// on disk: that bounds what one run can have in flight, and a flood is simply read more
    /// slowly. Fails when that Supervisor is gone: the next one must hear them all again.
    async fn take(&self, found: Vec<Found>, progressed: &mut Progressed) -> Result<(), Gone> {
        let supervisor = self.directory.supervisor.get().ok_or(Gone)?;
        let mut in_flight = 0;
        let mut newest = None;
        for Found { upto, line } in found {
            match line {
                Ok(Line { said: Said::Word(word), unix_ms, .. }) => {
                    let fact = Fact::Said { word, said_unix_ms: unix_ms, upto };
                    newest = Some(self.observe(&supervisor, fact)?);
                    in_flight += 1;
                }
                Ok(Line { said: Said::Telemetry(telemetry), unix_ms, .. }) => {
                    self.measure(&supervisor, telemetry, unix_ms, progressed)?;
                }
                Err(error) => {
                    let refused = self.board.refused_line(&self.run_id);
                    if refused.is_power_of_two() {
                        tracing::warn!(run_id = %self.run_id, upto, %error, refused, "event line refused");
                    }
                }
            }
            if in_flight >= WORDS_IN_FLIGHT {
                in_flight = 0;
                committed(newest.take()).await?;
            }
        }
        committed(newest).await
    }

    fn measure(
        &self,
        supervisor: &ActorRef<SupervisorMsg>,
        telemetry: Telemetry,
        unix_ms: Option<u64>,
        progressed: &mut Progressed,
    ) -> Result<(), Gone> {
        if !progressed.signed {
            progressed.signed = true;
            drop(self.observe(supervisor, Fact::SignOfLife)?);
        }
        if let Telemetry::Progress(progress) = &telemetry
            && let Some(done) = progress.amount()
        {
            progressed.reached = Some(Reached { done, total: progress.amount_total() });
        }
        self.board.fold(&self.run_id, self.attempt, telemetry, unix_ms);
        Ok(())
    }

    fn observe(
        &self,
        supervisor: &ActorRef<SupervisorMsg>,
        fact: Fact,
    ) -> Result<oneshot::Receiver<()>, Gone> {
        let (committed, waiting) = oneshot::channel();
        let observation = Observation {
            run_id: self.run_id.clone(),
            attempt: self.attempt,
            fact,
            committed: Some(committed),
        };
        supervisor.cast(SupervisorMsg::Observed(observation)).map_err(|_| Gone)?;
        Ok(waiting)
    }
}

/// The Supervisor that was spoken to is gone, and with it what it had not written.
struct Gone;

async fn committed(newest: Option<oneshot::Receiver<()>>) -> Result<(), Gone> {
    match newest {
        Some(waiting) => waiting.await.map_err(|_| Gone),
        None => Ok(()),
    }
}

/// The event file, kept open, read beside the runtime: a file system that hangs holds up this
/// run's reader and nobody else.
struct Source {
    path: PathBuf,
    file: Option<File>,
}

thread_local! {
    /// Read into and copied from: a reader of its own for each run would be the largest thing
    /// that an idle run holds.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; EVENTS_READ_BYTES]);
}

impl Source {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// The next bytes from `offset` on; none at the end of the file.
    async fn read(self, offset: u64) -> (Self, io::Result<Vec<u8>>) {
        let path = self.path.clone();
        let mut source = self;
        let reading = tokio::task::spawn_blocking(move || {
            let result = source.read_now(offset);
            (source, result)
        });
        reading.await.unwrap_or_else(|error| (Self::new(path), Err(io::Error::other(error))))
    }

    fn read_now(&mut self, offset: u64) -> io::Result<Vec<u8>> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(File::open(&self.path)?),
        };
        BUFFER.with_borrow_mut(|buffer| {
            let read = file.read_at(buffer, offset)?;
            Ok(buffer.get(..read).unwrap_or_default().to_vec())
        })
    }
}

/// What wakes the reader of the file at `path`, and how often it looks by itself: seldom if the
/// kernel tells when the file grows.
pub(crate) fn waker(watcher: &crate::watch::Watcher, path: &std::path::Path) -> (Arc<Notify>, Duration) {
    match watcher.watch(path) {
        Ok(woken) => (woken, RESCAN_INTERVAL_WATCHED),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no change events; the file is re-read every second");
            (Arc::new(Notify::new()), RESCAN_INTERVAL)
        }
    }
}
