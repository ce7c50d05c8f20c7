//! One attempt at a training, from the first batch (or the one after a checkpoint) to the last word.

use std::io::Write;
use std::time::{Duration, Instant};

use othello_engine::arena::Tally;
use othello_engine::session::Session;
use rayon::ThreadPool;
use resus_checkpoint::background::{RequestError, SaveEnd};
use resus_sdk::{Command, Outcome, Pulse, RunComplete, Status, Verb};

use crate::evaluate::{Rival, metrics, parts, play_part, sentence};
use crate::failure::Failure;
use crate::saver::Saver;
use crate::voice::{EVALUATION, SELFPLAY, Voice};

/// How often a held attempt gives a sign of life.
const HOLD_SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// Whether to go on, after hearing the supervisor out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    GoOn,
    /// Say the last word and go.
    Stop,
    /// Give the place free: save, go, and come back from there later.
    Release,
}

/// How an attempt ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All games are played, and the result is measured.
    Done,
    /// Stopped on request.
    Stopped,
    /// Paused at a checkpoint, on request; another attempt goes on from there.
    Released,
}

/// Whether a pause is one that gives the place free.
fn is_release(pause: &Command) -> bool {
    pause.arguments.get("release").and_then(|value| value.as_bool()) == Some(true)
}

/// A training under way.
pub(crate) struct Attempt<'a> {
    session: Session,
    pool: ThreadPool,
    pulse: &'a Pulse,
    voice: Voice<'a>,
    saver: Saver,
    checkpoint_every: u64,
    /// Games done at the last snapshot that was handed to the saver.
    snapshot_at: Option<u64>,
    /// Games done in the newest checkpoint that is known to be whole.
    safe_at: Option<u64>,
    checkpoint_wanted: bool,
    started: Instant,
    session_start: u64,
}

impl<'a> Attempt<'a> {
    /// An attempt that goes on with `session`, of which `safe_at` games are in a checkpoint already.
    pub(crate) fn new(
        session: Session,
        safe_at: Option<u64>,
        pool: ThreadPool,
        pulse: &'a Pulse,
        out: &'a mut dyn Write,
        saver: Saver,
        checkpoint_every: u64,
    ) -> Self {
        let session_start = session.games_done();
        Self {
            voice: Voice::new(pulse, out, session.config().games, session_start),
            session,
            pool,
            pulse,
            saver,
            checkpoint_every,
            snapshot_at: safe_at,
            safe_at,
            checkpoint_wanted: false,
            started: Instant::now(),
            session_start,
        }
    }

    /// Trains, saves the result, measures it, and says how it ended. A stop is an ending like another; an
    /// attempt that is released says that it is paused, and no last word.
    pub(crate) fn run(mut self, eval_games: u64) -> Result<Ending, Failure> {
        self.pulse.status(Status::Running, "playing against itself");
        self.pulse.stage_change(None, SELFPLAY);
        self.voice.progress(self.session_start, SELFPLAY, None);
        let mut heard = self.train();
        let trained = self.started.elapsed();
        self.save_now()?;
        let mut results = Vec::new();
        if heard == Heard::GoOn {
            self.pulse.stage_change(Some(SELFPLAY), EVALUATION);
            heard = self.evaluate(eval_games, &mut results);
            // A checkpoint asked for meanwhile.
            self.finish_saving();
        }
        match heard {
            Heard::GoOn => {
                self.last_word(Outcome::Success, "done", trained, &results);
                Ok(Ending::Done)
            }
            Heard::Stop => {
                self.last_word(Outcome::Cancelled, "stopped on request", trained, &results);
                Ok(Ending::Stopped)
            }
            Heard::Release => {
                self.leave()?;
                Ok(Ending::Released)
            }
        }
    }

    /// Batch after batch, until all games are played or a stop is asked for.
    fn train(&mut self) -> Heard {
        while let Some(report) = self.pool.install(|| self.session.step()) {
            self.voice.batch(&report, self.session.games_done());
            self.collect();
            let heard = self.listen();
            if heard != Heard::GoOn {
                return heard;
            }
            // The last snapshot is taken, and waited for, when the games are over.
            if !self.session.is_finished() {
                self.save_if_due();
            }
        }
        Heard::GoOn
    }

    /// Measures the learned player; stops between a hundred games and the next when asked to.
    fn evaluate(&mut self, games: u64, results: &mut Vec<(Rival, Tally)>) -> Heard {
        for rival in Rival::ALL {
            let mut tally = Tally::default();
            for part in parts(games) {
                let (evaluator, seed) = (self.session.evaluator(), self.session.config().rules.seed);
                tally = tally.and(self.pool.install(|| play_part(evaluator, rival, seed, part)));
                let message = format!("evaluation, {} of {games} games: {}", tally.games(), rival.name());
                self.voice.progress(self.session.games_done(), EVALUATION, Some(message));
                let heard = self.listen();
                if heard != Heard::GoOn {
                    return heard;
                }
                self.save_if_due();
            }
            if tally.games() > 0 {
                self.pulse.metrics(Some(self.session.games_done()), &metrics(rival, tally));
                self.voice.line(&sentence(rival, tally));
                results.push((rival, tally));
            }
        }
        Heard::GoOn
    }

    /// Does what the supervisor has asked since the last look.
    fn listen(&mut self) -> Heard {
        while let Some(command) = self.pulse.take_command() {
            match command.verb {
                Verb::Stop => return Heard::Stop,
                Verb::Checkpoint => self.checkpoint_wanted = true,
                Verb::Pause if is_release(&command) => return self.stop_or(Heard::Release),
                Verb::Pause => {
                    let heard = self.hold();
                    if heard != Heard::GoOn {
                        return heard;
                    }
                }
                Verb::Resume => {}
                Verb::Configure => self.voice.line("ignored: settings cannot change while a run trains"),
            }
        }
        self.stop_or(Heard::GoOn)
    }

    /// A stop that was asked for, by a command or a signal, else this.
    fn stop_or(&self, heard: Heard) -> Heard {
        if self.pulse.stop_requested() { Heard::Stop } else { heard }
    }

    /// Saves a checkpoint, then waits to be told to go on.
    fn hold(&mut self) -> Heard {
        // A save that failed has been told, and is no reason to play on against a wish to pause.
        let _ = self.save_now();
        let message = format!("holding at {} games", self.session.games_done());
        self.pulse.status(Status::Paused, &message);
        self.voice.line(&message);
        loop {
            self.pulse.heartbeat();
            if let Some(command) = self.pulse.wait_command(HOLD_SIGN_INTERVAL) {
                match command.verb {
                    Verb::Stop => return Heard::Stop,
                    Verb::Resume => break,
                    Verb::Checkpoint => self.checkpoint_wanted = true,
                    Verb::Pause if is_release(&command) => return self.stop_or(Heard::Release),
                    Verb::Pause | Verb::Configure => {}
                }
            }
            if self.pulse.stop_requested() {
                return Heard::Stop;
            }
            self.save_if_due();
        }
        self.pulse.status(Status::Running, "going on");
        self.voice.line("going on");
        self.voice.restart_clock();
        Heard::GoOn
    }

    /// Has the session saved if that was asked for, or enough games were played since the last time.
    fn save_if_due(&mut self) {
        let every = self.checkpoint_every.max(1);
        let last = self.snapshot_at.unwrap_or(0);
        if self.session.games_done() / every > last / every || self.checkpoint_wanted {
            // A request that is not taken was told, and is no reason to stop.
            let _ = self.snapshot();
        }
    }

    /// Makes sure that the state as it is lies safe on disk.
    fn save_now(&mut self) -> Result<(), Failure> {
        self.finish_saving();
        if self.is_safe() && !self.checkpoint_wanted {
            return Ok(());
        }
        self.snapshot().map_err(Failure::LastRequest)?;
        match self.finish_saving() {
            Some(SaveEnd::Retried { error, .. } | SaveEnd::GivenUp { error }) => {
                Err(Failure::LastSave(error))
            }
            Some(SaveEnd::Saved(_)) => Ok(()),
            None => Err(Failure::LastRequest(RequestError::Gone)),
        }
    }

    /// Whether the state as it is lies on disk.
    fn is_safe(&self) -> bool {
        self.safe_at == Some(self.session.games_done())
    }

    fn snapshot(&mut self) -> Result<(), RequestError> {
        let games = self.session.games_done();
        self.snapshot_at = Some(games);
        self.checkpoint_wanted = false;
        let (saver, session, loss) = (&mut self.saver, &self.session, self.voice.loss());
        let requested = self.pool.install(|| saver.request(session, loss))?;
        self.voice.requested(games, requested);
        Ok(())
    }

    /// Waits until all that was asked for is saved or given up. How the last of it ended, if there was any.
    fn finish_saving(&mut self) -> Option<SaveEnd> {
        self.saver.finish();
        self.collect()
    }

    /// Hears how the saves went that are over by now. How the last of them ended, if there was any.
    fn collect(&mut self) -> Option<SaveEnd> {
        let mut last = None;
        for report in self.saver.reports() {
            if matches!(report.end, SaveEnd::Saved(_)) {
                self.safe_at = Some(report.games);
            }
            self.voice.saved(&report);
            last = Some(report.end);
        }
        last
    }

    /// Says that the run is paused at a checkpoint. Whoever leaves without one would lose its work, so a
    /// save that failed has ended the attempt before this.
    fn leave(&mut self) -> Result<(), Failure> {
        self.save_now()?;
        let message = format!("released at {} games", self.session.games_done());
        self.pulse.status(Status::Paused, &message);
        self.voice.line(&message);
        Ok(())
    }

    fn last_word(&mut self, status: Outcome, how: &str, trained: Duration, results: &[(Rival, Tally)]) {
        let (done, total) = (self.session.games_done(), self.session.config().games);
        let played = done.saturating_sub(self.session_start) as f64;
        let speed = played / trained.as_secs_f64().max(1e-9);
        let mut totals = vec![("games", done as f64), ("games_per_second", speed)];
        let seen = self.session.learner().entries_seen();
        totals.push(("entries_seen", seen as f64));
        totals.extend(results.iter().flat_map(|&(rival, tally)| metrics(rival, tally)));
        self.voice.line(&format!(
            "{how}: {done} of {total} games, {:.1} s of training, {speed:.0} games/s",
            trained.as_secs_f64()
        ));
        self.pulse.run_complete(&RunComplete {
            final_loss: self.voice.loss(),
            duration_seconds: Some(self.started.elapsed().as_secs_f64()),
            metrics: &totals,
            ..RunComplete::with(status)
        });
    }
}
