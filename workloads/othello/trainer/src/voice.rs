//! What the trainer says: PULSE events for the supervisor, and lines for people.

use std::io::Write;
use std::time::{Duration, Instant};

use othello_engine::session::BatchReport;
use resus_checkpoint::background::{Report, Requested, SaveEnd};
use resus_sdk::{ErrorReport, Progress, Pulse, Unit};

use crate::failure::with_causes;

/// How often people get a line.
const LINE_INTERVAL: Duration = Duration::from_secs(2);
/// How long a speed is measured before it is shown: one batch alone is too noisy.
const SPEED_WINDOW: Duration = Duration::from_secs(1);

/// The stage in which games are played and learned from.
pub(crate) const SELFPLAY: &str = "selfplay";
/// The stage in which the result is measured.
pub(crate) const EVALUATION: &str = "evaluation";

/// Speaks for one attempt.
pub(crate) struct Voice<'a> {
    pulse: &'a Pulse,
    out: &'a mut dyn Write,
    /// Games in all.
    total: u64,
    /// Games that were done when the attempt began.
    session_start: u64,
    speed: Speed,
    last_line: Instant,
    loss: Option<f64>,
}

impl<'a> Voice<'a> {
    /// A voice for an attempt that begins after `session_start` of `total` games.
    pub(crate) fn new(pulse: &'a Pulse, out: &'a mut dyn Write, total: u64, session_start: u64) -> Self {
        let now = Instant::now();
        Self { pulse, out, total, session_start, speed: Speed::at(now), last_line: now, loss: None }
    }

    /// The loss of the latest batch: root mean squared error in discs.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.loss
    }

    /// A line for people. Nobody may be there to read it: that is not an error.
    pub(crate) fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    /// A batch was learned from; `games_done` games are done now.
    pub(crate) fn batch(&mut self, report: &BatchReport, games_done: u64) {
        let errors = &report.errors;
        if errors.non_finite > 0 || errors.reset_weights > 0 {
            self.not_a_number(report, games_done);
        }
        let loss = errors.rmse();
        self.loss = Some(loss);
        let speed = self.speed.add(report.games, Instant::now());
        let rate = f64::from(report.rate);
        let mut metrics = vec![("loss", loss), ("learning_rate", rate)];
        metrics.extend(speed.map(|speed| ("games_per_second", speed)));
        self.pulse.metrics(Some(games_done), &metrics);
        self.progress(games_done, SELFPLAY, None);
        if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            let speed = speed.unwrap_or(0.0);
            let left = (self.total.saturating_sub(games_done)) as f64 / speed.max(1.0);
            self.line(&format!(
                "games {games_done}/{} | error {loss:.3} discs | rate {rate:.4} | {speed:.0} games/s | {left:.0} s left",
                self.total
            ));
        }
    }

    /// How far the run is, with what is going on besides.
    pub(crate) fn progress(&mut self, games_done: u64, stage: &str, message: Option<String>) {
        self.pulse.progress(Progress {
            done: Some(games_done as f64),
            total: Some(self.total as f64),
            session_start: Some(self.session_start as f64),
            loss: self.loss,
            stage: Some(stage.to_owned()),
            message,
            ..Progress::of(Unit::Game)
        });
    }

    /// A save was asked for; only one that has to wait is worth a word.
    pub(crate) fn requested(&mut self, games: u64, requested: Requested) {
        match requested {
            Requested::Started => {}
            Requested::Coalesced { instead_of: None } => {
                self.line(&format!("checkpoint at {games} games waits for the one before it"));
            }
            Requested::Coalesced { instead_of: Some(older) } => self.line(&format!(
                "checkpoint at {games} games waits for the one before it, instead of that at {older}"
            )),
        }
    }

    /// A try to save is over. The saver has told PULSE; this is for people.
    pub(crate) fn saved(&mut self, report: &Report) {
        let games = report.games;
        match &report.end {
            SaveEnd::Saved(saved) => self.line(&format!(
                "saved {} ({:.1} MB in {:.0} ms, training stood still for {:.1} ms)",
                saved.path.display(),
                saved.size_bytes as f64 / 1e6,
                saved.duration.as_secs_f64() * 1e3,
                report.stall.as_secs_f64() * 1e3
            )),
            SaveEnd::Retried { error, delay } => self.line(&format!(
                "checkpoint at {games} games not saved, to be tried again in {:.0} s: {}",
                delay.as_secs_f64(),
                with_causes(error)
            )),
            SaveEnd::GivenUp { error } => {
                self.line(&format!("checkpoint at {games} games not saved: {}", with_causes(error)));
            }
        }
    }

    /// Time stood still (a hold): speeds are measured anew.
    pub(crate) fn restart_clock(&mut self) {
        self.speed = Speed::at(Instant::now());
    }

    fn not_a_number(&mut self, report: &BatchReport, games_done: u64) {
        let errors = &report.errors;
        let message = format!(
            "batch ending at {games_done} games: {} positions with an error that is no finite number were \
             skipped, {} weights that were none were set to zero",
            errors.non_finite, errors.reset_weights
        );
        self.pulse.error(&ErrorReport {
            error_code: "NAN_LOSS",
            message: &message,
            is_retryable: true,
            ..ErrorReport::default()
        });
        self.line(&message);
    }
}

/// Games per second over windows of at least [`SPEED_WINDOW`].
#[derive(Debug)]
struct Speed {
    since: Instant,
    games: u64,
    latest: Option<f64>,
}

impl Speed {
    fn at(now: Instant) -> Self {
        Self { since: now, games: 0, latest: None }
    }

    /// Counts games done by `now`; the speed of the last full window, `None` before its end.
    fn add(&mut self, games: u64, now: Instant) -> Option<f64> {
        self.games += games;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= SPEED_WINDOW {
            let latest = Some(self.games as f64 / elapsed.as_secs_f64());
            *self = Self { since: now, games: 0, latest };
        }
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_shown_once_a_window_is_full_and_kept_until_the_next_is() {
        let start = Instant::now();
        let mut speed = Speed::at(start);
        assert_eq!(speed.add(100, start + Duration::from_millis(500)), None);
        assert_eq!(speed.add(100, start + Duration::from_millis(2_000)), Some(100.0));
        assert_eq!(speed.add(900, start + Duration::from_millis(2_100)), Some(100.0));
        assert_eq!(speed.add(100, start + Duration::from_millis(4_000)), Some(500.0));
    }
}
