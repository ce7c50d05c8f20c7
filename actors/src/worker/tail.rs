//! Reads what a worker writes to its event file: words go to the Supervisor and wait for
//! their commit, telemetry goes to the board.

use super::source::{Piece, Source};
use super::{Surroundings, WorkerMsg};
use crate::board::Board;
use crate::directory::Directory;
use crate::ingest::{Found, Splitter};
use crate::limits::{EVENTS_READ_DEADLINE, RESCAN_INTERVAL, RESCAN_INTERVAL_WATCHED, WORDS_IN_FLIGHT};
use crate::supervisor::{Observation, SupervisorMsg};
use crate::telemetry::Heard;
use crate::watch::Watcher;
use ractor::ActorRef;
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{Fact, Reached};
use resus_core::pulse::line::{Line, Said, Telemetry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
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
    directory: Arc<Directory>,
    board: Arc<Board>,
    telemetry: Arc<crate::telemetry::Telemetry>,
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

#[derive(Default)]
struct Progressed {
    signed: bool,
    reached: Option<Reached>,
}

impl Tail {
    pub(crate) fn new(of: TailOf, around: &Surroundings) -> Self {
        let TailOf { run_id, attempt, path, worker } = of;
        let (directory, board) = (Arc::clone(&around.directory), Arc::clone(&around.board));
        let watcher = Arc::clone(&around.watcher);
        let telemetry = Arc::clone(&around.telemetry);
        let (woken, rescan) = waker(&watcher, &path);
        Self { run_id, attempt, path, worker, directory, board, telemetry, watcher, woken, rescan }
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
        let mut progressed = Progressed::default();
        let mut source = Source::new(self.path.clone());
        let mut failing_since: Option<Instant> = None;
        loop {
            // Asked before reading: what was written before the worker's end is then read.
            let last_round = *draining.borrow_and_update();
            let result;
            (source, result) = read_beside(source, splitter.offset(), splitter.line_start()).await;
            match result {
                Ok(piece) if piece.bytes.is_empty() && last_round => return progressed.reached,
                Ok(piece) if piece.bytes.is_empty() => self.wait(&mut draining, piece.absent).await,
                Ok(piece) => {
                    if piece.anew {
                        self.begin_anew(&mut splitter, &piece);
                    }
                    let found = splitter.feed(&piece.bytes);
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
                    self.wait(&mut draining, true).await;
                    continue;
                }
            }
            failing_since = None;
        }
    }

    /// Waits until there may be more. `unwatched`: nobody will tell.
    async fn wait(&self, draining: &mut watch::Receiver<bool>, unwatched: bool) {
        let rescan = if unwatched { self.rescan.min(RESCAN_INTERVAL) } else { self.rescan };
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
            let refused = self.board.refused_line(&self.run_id);
            tracing::warn!(run_id = %self.run_id, cut_off, refused, "the event file was cut within a line");
        }
        (self.woken, self.rescan) = waker(&self.watcher, &self.path);
        // Something may have been appended before it was watched.
        self.woken.notify_one();
    }

    /// Hands everything on to one Supervisor, and waits now and then until the words so far are
    /// on disk: that bounds what one run can have in flight, and a flood is simply read more
    /// slowly. Fails when that Supervisor is gone: the next one must hear them all again.
    async fn take(&self, found: Vec<Found>, progressed: &mut Progressed) -> Result<(), Gone> {
        let supervisor = self.directory.supervisor.get().ok_or(Gone)?;
        let mut in_flight = 0;
        let mut newest = None;
        let mut telemetry = Vec::new();
        for Found { upto, line } in found {
            match line {
                Ok(Line { said: Said::Word(word), unix_ms, .. }) => {
                    self.hear(&supervisor, std::mem::take(&mut telemetry), progressed).await?;
                    let fact = Fact::Said { word, said_unix_ms: unix_ms, upto };
                    newest = Some(self.observe(&supervisor, fact)?);
                    in_flight += 1;
                }
                Ok(Line { said: Said::Telemetry(said), unix_ms, .. }) => telemetry.push((said, unix_ms)),
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
        self.hear(&supervisor, telemetry, progressed).await?;
        committed(newest).await
    }

    async fn hear(
        &self,
        supervisor: &ActorRef<SupervisorMsg>,
        heard: Vec<Heard>,
        progressed: &mut Progressed,
    ) -> Result<(), Gone> {
        if heard.is_empty() {
            return Ok(());
        }
        if !progressed.signed {
            progressed.signed = true;
            drop(self.observe(supervisor, Fact::SignOfLife)?);
        }
        for (telemetry, _) in &heard {
            if let Telemetry::Progress(progress) = telemetry
                && let Some(done) = progress.amount()
            {
                progressed.reached = Some(Reached { done, total: progress.amount_total() });
            }
        }
        self.telemetry.hear(&self.run_id, self.attempt, heard).await;
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

/// Reads beside the runtime: a file system that hangs holds up this run's reader and nobody else.
async fn read_beside(mut source: Source, offset: u64, committed: u64) -> (Source, io::Result<Piece>) {
    let path = source.path().to_path_buf();
    let reading = tokio::task::spawn_blocking(move || {
        source.free(committed);
        let result = source.read(offset);
        (source, result)
    });
    reading.await.unwrap_or_else(|error| (Source::new(path), Err(io::Error::other(error))))
}

/// What wakes the reader of the file at `path`, and how often it looks by itself: seldom if the
/// kernel tells when the file grows.
fn waker(watcher: &Watcher, path: &Path) -> (Arc<Notify>, Duration) {
    match watcher.watch(path) {
        Ok(woken) => (woken, RESCAN_INTERVAL_WATCHED),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no change events; the file is re-read every second");
            (Arc::new(Notify::new()), RESCAN_INTERVAL)
        }
    }
}
