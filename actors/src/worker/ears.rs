//! What becomes of the lines of one attempt: words go to the Supervisor and wait for their commit,
//! telemetry goes to its lane, both count as signs of life.

use super::Surroundings;
use crate::board::Board;
use crate::clock;
use crate::directory::Directory;
use crate::ingest::Found;
use crate::limits::WORDS_IN_FLIGHT;
use crate::silences::Silences;
use crate::supervisor::{Observation, SupervisorMsg};
use crate::telemetry::{Heard, Telemetry as Lanes};
use ractor::ActorRef;
use resus_core::fold::{Folded, Folder, Key};
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{Fact, Reached};
use resus_core::pulse::line::{Line, Said, Telemetry};
use resus_core::pulse::word::{Word, WorkerError};
use resus_core::secret::Secrets;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The Supervisor that was spoken to is gone, and with it what it had not written.
#[derive(Debug)]
pub(super) struct Gone;

/// An error that may be one of many, with the worker's own time of it.
type HeldError = (WorkerError, Option<u64>, Option<f64>);

/// Hears one attempt.
pub(super) struct Ears {
    run_id: RunId,
    attempt: Attempt,
    directory: Arc<Directory>,
    board: Arc<Board>,
    lanes: Arc<Lanes>,
    silences: Arc<Silences>,
    folder: Folder<HeldError>,
    /// Everything that ends before this is on disk or on its way there.
    settled: u64,
    signed: bool,
    reached: Option<Reached>,
    /// Masked in all that is heard, before it goes anywhere.
    secrets: Secrets,
}

/// Words on their way to the disk.
struct Flight {
    supervisor: ActorRef<SupervisorMsg>,
    words: usize,
    newest: Option<oneshot::Receiver<()>>,
}

impl Flight {
    /// Waits until what was sent so far is on disk.
    async fn land(&mut self) -> Result<(), Gone> {
        self.words = 0;
        match self.newest.take() {
            Some(waiting) => waiting.await.map_err(|_| Gone),
            None => Ok(()),
        }
    }
}

impl Ears {
    pub(super) fn new(run_id: RunId, attempt: Attempt, around: &Surroundings) -> Self {
        Self {
            attempt,
            directory: Arc::clone(&around.directory),
            board: Arc::clone(&around.board),
            lanes: Arc::clone(&around.telemetry),
            silences: Arc::clone(&around.silences),
            folder: Folder::default(),
            settled: 0,
            signed: false,
            reached: None,
            secrets: around.board.secrets(&run_id),
            run_id,
        }
    }

    /// How far the attempt has come by its own word.
    pub(super) fn reached(&self) -> Option<Reached> {
        self.reached
    }

    /// Errors are held whose lines end behind this offset; it may not be forgotten.
    pub(super) fn held_from(&self) -> Option<u64> {
        self.folder.next_due().map(|_| self.settled)
    }

    /// Time until held errors are to be let go.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let now_ms = clock::now().mono_ms;
        self.folder.next_due().map(|due| Duration::from_millis(due.saturating_sub(now_ms)))
    }

    /// The reader has so many bytes before it.
    pub(super) fn behind(&self, bytes: u64) {
        self.silences.behind(&self.run_id, self.attempt, bytes);
    }

    /// A line could not be understood.
    pub(super) fn refused(&self, upto: u64, reason: &impl Display) {
        let refused = self.board.refused_line(&self.run_id);
        if refused.is_power_of_two() {
            let reason = reason.to_string();
            let reason = self.secrets.mask(&reason);
            tracing::warn!(run_id = %self.run_id, upto, %reason, refused, "event line refused");
        }
    }

    /// Hands everything on to one Supervisor, and waits now and then until the words so far are
    /// on disk: that bounds what one run can have in flight, and a flood is simply read more
    /// slowly. Fails when that Supervisor is gone: the next one must hear them all again.
    pub(super) async fn take(&mut self, found: Vec<Found>) -> Result<(), Gone> {
        let mut flight = self.flight()?;
        let mut telemetry = Vec::new();
        for Found { upto, line } in found {
            match line.map(|line| Line { said: self.secrets.mask_said(line.said), ..line }) {
                Ok(Line { said: Said::Word(word), unix_ms, .. }) => {
                    self.hear(&flight, std::mem::take(&mut telemetry)).await?;
                    self.word(&mut flight, word, unix_ms, upto)?;
                    self.silences.word(&self.run_id, self.attempt);
                }
                Ok(Line { said: Said::Telemetry(said), unix_ms, .. }) => telemetry.push((said, unix_ms)),
                Err(error) => self.refused(upto, &error),
            }
            if flight.words >= WORDS_IN_FLIGHT {
                flight.land().await?;
            }
        }
        self.hear(&flight, telemetry).await?;
        flight.land().await
    }

    /// Lets go of errors that have been held for long enough.
    pub(super) async fn pause_for_breath(&mut self) -> Result<(), Gone> {
        let due = self.folder.due(clock::now());
        self.let_go(due).await
    }

    /// Lets go of everything: the attempt says nothing more.
    pub(super) async fn finish(&mut self) -> Result<(), Gone> {
        let held = self.folder.flush();
        self.let_go(held).await
    }

    async fn let_go(&mut self, folded: Vec<Folded<HeldError>>) -> Result<(), Gone> {
        if folded.is_empty() {
            return Ok(());
        }
        let mut flight = self.flight()?;
        self.send_folded(&mut flight, folded)?;
        flight.land().await
    }

    fn flight(&self) -> Result<Flight, Gone> {
        let supervisor = self.directory.supervisor.get().ok_or(Gone)?;
        Ok(Flight { supervisor, words: 0, newest: None })
    }

    fn word(
        &mut self,
        flight: &mut Flight,
        word: Word,
        said_unix_ms: Option<u64>,
        upto: u64,
    ) -> Result<(), Gone> {
        let at_units = self.reached.map(|reached| reached.done);
        match word {
            Word::Error(error) if !error.fatal => {
                let key = Key::new(&error.error_code, error.target.as_deref(), &error.message);
                let held = (error, said_unix_ms, at_units);
                let released = self.folder.put(key, held, upto, clock::now());
                self.send_folded(flight, released)
            }
            word => {
                let held = self.folder.flush();
                self.send_folded(flight, held)?;
                self.send(flight, Fact::Said { word, said_unix_ms, at_units, upto })
            }
        }
    }

    fn send_folded(&mut self, flight: &mut Flight, folded: Vec<Folded<HeldError>>) -> Result<(), Gone> {
        for Folded { value: (error, said_unix_ms, at_units), count, upto, .. } in folded {
            let count = u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(error.count.max(1));
            let word = Word::Error(WorkerError { count, ..error });
            self.send(flight, Fact::Said { word, said_unix_ms, at_units, upto })?;
        }
        Ok(())
    }

    fn send(&mut self, flight: &mut Flight, fact: Fact) -> Result<(), Gone> {
        if let Fact::Said { upto, .. } = &fact {
            self.settled = self.settled.max(*upto);
        }
        let (committed, waiting) = oneshot::channel();
        let observation = Observation {
            run_id: self.run_id.clone(),
            attempt: self.attempt,
            fact,
            committed: Some(committed),
        };
        flight.supervisor.cast(SupervisorMsg::Observed(observation)).map_err(|_| Gone)?;
        flight.words += 1;
        flight.newest = Some(waiting);
        Ok(())
    }

    async fn hear(&mut self, flight: &Flight, heard: Vec<Heard>) -> Result<(), Gone> {
        if heard.is_empty() {
            return Ok(());
        }
        if !self.signed {
            self.signed = true;
            let fact = Fact::SignOfLife;
            let (run_id, attempt) = (self.run_id.clone(), self.attempt);
            let observation = Observation { run_id, attempt, fact, committed: None };
            flight.supervisor.cast(SupervisorMsg::Observed(observation)).map_err(|_| Gone)?;
        }
        for (telemetry, _) in &heard {
            if let Telemetry::Progress(progress) = telemetry
                && let Some(done) = progress.amount()
            {
                self.reached = Some(Reached { done, total: progress.amount_total() });
            }
        }
        self.silences.heard(&self.run_id, self.attempt, heard.iter().map(|(telemetry, _)| telemetry));
        self.lanes.hear(&self.run_id, self.attempt, heard).await;
        Ok(())
    }
}
