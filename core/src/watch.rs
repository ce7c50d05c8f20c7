//! When a worker counts as hung: which limits apply, and how long it has been silent.
//!
//! Two silences are told apart. A worker that sends heartbeats has promised to give a sign of
//! life now and then; a worker that reports progress has promised that the amount changes. A
//! heartbeat is not progress: a worker that beats and does nothing is stuck.
//!
//! Silence is measured on a *believed* clock, which rests while we could not have heard anything:
//! a daemon that was stopped, or a machine that was suspended, accuses nobody.

use crate::phase::Phase;
use crate::run::Run;
use serde::{Deserialize, Serialize};

/// The watchdog looks this often, in milliseconds.
pub const TICK_MS: u64 = 1_000;
/// A look that comes later than this after it was due means that the daemon did not run
/// meanwhile, in milliseconds. Long enough for a busy machine.
pub const TICK_GAP_MS: u64 = 2_000;

/// A worker that was told no limit gives a sign of life every 10 s, and has two in which to give it.
const UNTOLD_MS: u64 = 20_000;

/// What is missing from a silent worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// Any sign of life, from a worker that sends heartbeats.
    Heartbeat,
    /// A change of the amount done, from a worker that reports progress.
    Progress,
}

impl Silence {
    /// The word in sentences and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Progress => "progress",
        }
    }
}

/// Longest silences that apply to a run right now, in milliseconds; `None` = no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Without a sign of life.
    pub heartbeat_ms: Option<u64>,
    /// Without progress.
    pub progress_ms: Option<u64>,
}

impl Limits {
    /// The limit on one kind of silence.
    #[must_use]
    pub fn of(&self, what: Silence) -> Option<u64> {
        match what {
            Silence::Heartbeat => self.heartbeat_ms,
            Silence::Progress => self.progress_ms,
        }
    }
}

/// The limits that apply to `run` right now. Only a worker that trains and speaks PULSE has any:
/// start, cooling down and stopping have deadlines of their own, and a paused worker may be
/// silent for as long as it likes.
///
/// A worker beats as often as the limit demands that it was told at its start. A shorter one that
/// was set since would accuse a healthy worker, so it waits for the next attempt; a longer one, or
/// none, applies at once.
#[must_use]
pub fn limits(run: &Run) -> Limits {
    if run.phase != Phase::Running || !run.can_be_asked() {
        return Limits::default();
    }
    let policy = &run.spec.policy;
    let limit = |ms: u64| (ms > 0).then_some(ms);
    let told_ms = limit(run.heartbeat_told_ms).unwrap_or(UNTOLD_MS);
    Limits {
        heartbeat_ms: limit(policy.heartbeat_timeout_ms).map(|ms| ms.max(told_ms)),
        progress_ms: limit(policy.progress_timeout_ms),
    }
}

/// What we know of a worker's life. Not a status: where a run is and what is known of it are two
/// facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Heard within half of every limit.
    Ok,
    /// Silent for more than half of a limit.
    Stale,
    /// Silent for longer than a limit.
    Hung,
    /// The link to it is gone.
    Lost,
    /// Nothing it has promised tells: it was never heard, no limit applies, or we are still
    /// reading what it wrote.
    Unknown,
}

/// Silence of one attempt's worker. All times are milliseconds of the daemon's monotonic clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Deadlines {
    limits: Limits,
    /// When the clock was last looked at, and what it is believed to show.
    seen_ms: u64,
    believed_ms: u64,
    /// Of the newest sign of life and the newest change of the amount, on the believed clock.
    life_ms: u64,
    progress_ms: u64,
    /// It sends heartbeats.
    beats: bool,
    amount: Option<f64>,
    heard: bool,
    stalled: bool,
    lost: bool,
}

impl Deadlines {
    /// An attempt is watched from `now` on. No limit applies yet.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self {
            limits: Limits::default(),
            seen_ms: now_ms,
            believed_ms: 0,
            life_ms: 0,
            progress_ms: 0,
            beats: false,
            amount: None,
            heard: false,
            stalled: false,
            lost: false,
        }
    }

    /// These limits apply from `now` on. One that did not apply before begins to run now: a
    /// silence from before a resume is not held against the worker.
    pub fn set(&mut self, limits: Limits, now_ms: u64) {
        self.tick(now_ms);
        if self.limits.heartbeat_ms.is_none() && limits.heartbeat_ms.is_some() {
            self.life_ms = self.believed_ms;
        }
        if self.limits.progress_ms.is_none() && limits.progress_ms.is_some() {
            self.progress_ms = self.believed_ms;
        }
        self.limits = limits;
    }

    /// A sign of life that is neither heartbeat nor progress: a word, or metrics.
    pub fn sign(&mut self, now_ms: u64) {
        self.tick(now_ms);
        self.heard = true;
        self.life_ms = self.believed_ms;
    }

    /// A heartbeat: from now on the worker is expected to give signs of life.
    pub fn heartbeat(&mut self, now_ms: u64) {
        self.sign(now_ms);
        self.beats = true;
    }

    /// The worker reports the amount done. The first report, and one that differs from the last,
    /// is progress (a counter that goes back moves, too).
    pub fn progress(&mut self, amount: f64, now_ms: u64) {
        self.sign(now_ms);
        if self.amount != Some(amount) && amount.is_finite() {
            self.amount = Some(amount);
            self.progress_ms = self.believed_ms;
        }
    }

    /// A look at the clock, every [`TICK_MS`]. When the look comes more than [`TICK_GAP_MS`] late,
    /// the excess is not counted as silence: the daemon did not run, so it could not hear.
    pub fn tick(&mut self, now_ms: u64) {
        self.believed_ms = self.believed_at(now_ms);
        self.seen_ms = self.seen_ms.max(now_ms);
    }

    /// While the reader lags behind the worker's file, silence is not believed.
    pub fn stalled_reader(&mut self, stalled: bool, now_ms: u64) {
        self.tick(now_ms);
        self.stalled = stalled;
    }

    /// The link to the worker is gone, or back. Its file is still read, so the limits stay.
    pub fn link_lost(&mut self, lost: bool) {
        self.lost = lost;
    }

    /// The silence that is too long, and for how long it has lasted.
    #[must_use]
    pub fn due(&self, now_ms: u64) -> Option<(Silence, u64)> {
        [Silence::Heartbeat, Silence::Progress].into_iter().find_map(|what| {
            let (limit, silent) = self.silence(what, now_ms)?;
            (silent >= limit).then_some((what, silent))
        })
    }

    /// When a silence may become too long at the earliest, if nothing is heard until then.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        if self.stalled {
            return None;
        }
        let left = |what| {
            let (limit, silent) = self.silence(what, self.seen_ms)?;
            Some(self.seen_ms.saturating_add(limit.saturating_sub(silent)))
        };
        [Silence::Heartbeat, Silence::Progress].into_iter().filter_map(left).min()
    }

    /// What is known of the worker's life.
    #[must_use]
    pub fn health(&self, now_ms: u64) -> Health {
        if self.lost {
            return Health::Lost;
        }
        if !self.heard || self.stalled {
            return Health::Unknown;
        }
        let judge = |what| {
            let (limit, silent) = self.silence(what, now_ms)?;
            Some(match silent {
                silent if silent >= limit => Health::Hung,
                silent if silent > limit / 2 => Health::Stale,
                _ => Health::Ok,
            })
        };
        let worst = [Silence::Heartbeat, Silence::Progress].into_iter().filter_map(judge).max();
        worst.unwrap_or(Health::Unknown)
    }

    /// Limit and length of a silence, if the worker has promised to break it.
    fn silence(&self, what: Silence, now_ms: u64) -> Option<(u64, u64)> {
        let (promised, since_ms) = match what {
            Silence::Heartbeat => (self.beats, self.life_ms),
            Silence::Progress => (self.amount.is_some(), self.progress_ms),
        };
        let limit = self.limits.of(what).filter(|_| promised)?;
        Some((limit, self.believed_at(now_ms).saturating_sub(since_ms)))
    }

    fn believed_at(&self, now_ms: u64) -> u64 {
        let gap_ms = now_ms.saturating_sub(self.seen_ms);
        let counted_ms = match gap_ms {
            _ if self.stalled => 0,
            gap if gap > TICK_MS + TICK_GAP_MS => TICK_MS,
            gap => gap,
        };
        self.believed_ms.saturating_add(counted_ms)
    }
}

#[cfg(test)]
mod tests;
