//! How long the workers have been silent: written by the readers of their events as they read,
//! looked at by the Watchdog. Apart from every actor, so that nothing is forgotten when one is
//! restarted, and a worker that says a million things a second fills no mailbox.

use crate::clock;
use resus_core::ids::{Attempt, RunId};
use resus_core::pulse::line::Telemetry;
use resus_core::watch::{Deadlines, Health, Limits, Silence};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

struct Watched {
    attempt: Attempt,
    deadlines: Deadlines,
    /// Bytes of the event file that the reader has not come to.
    behind: u64,
    progressed_mono_ms: Option<u64>,
    amount: Option<f64>,
}

impl Watched {
    fn new(attempt: Attempt, now_ms: u64) -> Self {
        Self { attempt, deadlines: Deadlines::new(now_ms), behind: 0, progressed_mono_ms: None, amount: None }
    }
}

/// What is known of a worker's life, for people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Life {
    pub(crate) health: Health,
    /// Since the amount done last changed, in milliseconds.
    pub(crate) progress_age_ms: Option<u64>,
    pub(crate) behind: u64,
}

/// A silence that is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TooLong {
    pub(crate) run_id: RunId,
    pub(crate) attempt: Attempt,
    pub(crate) what: Silence,
    pub(crate) for_ms: u64,
}

/// The silences of all workers of this daemon.
#[derive(Default)]
pub(crate) struct Silences {
    watched: Mutex<BTreeMap<RunId, Watched>>,
    /// A silence can become too long that could not before.
    armed: Notify,
}

impl Silences {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies `change` to what is known of an attempt; an older one changes nothing, a newer one
    /// is watched from now on.
    fn with(&self, run_id: &RunId, attempt: Attempt, change: impl FnOnce(&mut Watched, u64)) {
        let now_ms = clock::now().mono_ms;
        let mut all = self.lock();
        let watched = all.entry(run_id.clone()).or_insert_with(|| Watched::new(attempt, now_ms));
        if attempt < watched.attempt {
            return;
        }
        if attempt > watched.attempt {
            *watched = Watched::new(attempt, now_ms);
        }
        let could = watched.deadlines.next_due().is_some();
        change(watched, now_ms);
        if !could && watched.deadlines.next_due().is_some() {
            self.armed.notify_one();
        }
    }

    /// Returns when a silence can become too long that could not before: from then on the clock
    /// has to be looked at.
    pub(crate) async fn armed(&self) {
        self.armed.notified().await;
    }

    /// These limits apply from now on.
    pub(crate) fn set(&self, run_id: &RunId, attempt: Attempt, limits: Limits) {
        self.with(run_id, attempt, |watched, now_ms| watched.deadlines.set(limits, now_ms));
    }

    /// The worker said something for the ledger.
    pub(crate) fn word(&self, run_id: &RunId, attempt: Attempt) {
        self.with(run_id, attempt, |watched, now_ms| watched.deadlines.sign(now_ms));
    }

    /// The worker said these things.
    pub(crate) fn heard<'a>(
        &self,
        run_id: &RunId,
        attempt: Attempt,
        heard: impl IntoIterator<Item = &'a Telemetry>,
    ) {
        self.with(run_id, attempt, |watched, now_ms| {
            for telemetry in heard {
                match telemetry {
                    Telemetry::Heartbeat => watched.deadlines.heartbeat(now_ms),
                    Telemetry::Metric { .. } => watched.deadlines.sign(now_ms),
                    Telemetry::Progress(progress) => match progress.amount() {
                        Some(amount) => {
                            watched.deadlines.progress(amount, now_ms);
                            if watched.amount.replace(amount) != Some(amount) {
                                watched.progressed_mono_ms = Some(now_ms);
                            }
                        }
                        None => watched.deadlines.sign(now_ms),
                    },
                }
            }
        });
    }

    /// The reader has read so much that `behind` bytes are left.
    pub(crate) fn behind(&self, run_id: &RunId, attempt: Attempt, behind: u64) {
        self.with(run_id, attempt, |watched, now_ms| {
            if (watched.behind > 0) != (behind > 0) {
                watched.deadlines.stalled_reader(behind > 0, now_ms);
            }
            watched.behind = behind;
        });
    }

    /// The connection to the worker's shim is gone, or there again.
    pub(crate) fn link_lost(&self, run_id: &RunId, attempt: Attempt, lost: bool) {
        self.with(run_id, attempt, |watched, _| watched.deadlines.link_lost(lost));
    }

    /// Nobody is to be watched any more.
    pub(crate) fn forget(&self, run_id: &RunId) {
        self.lock().remove(run_id);
    }

    /// A look at the clock: what is silent for too long now.
    pub(crate) fn look(&self, now_ms: u64) -> Vec<TooLong> {
        let mut too_long = Vec::new();
        for (run_id, watched) in self.lock().iter_mut() {
            watched.deadlines.tick(now_ms);
            if let Some((what, for_ms)) = watched.deadlines.due(now_ms) {
                too_long.push(TooLong { run_id: run_id.clone(), attempt: watched.attempt, what, for_ms });
            }
        }
        too_long
    }

    /// When a silence may become too long at the earliest; `None` if none can.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.lock().values().filter_map(|watched| watched.deadlines.next_due()).min()
    }

    /// What is known of a worker's life.
    pub(crate) fn life(&self, run_id: &RunId, now_ms: u64) -> Option<Life> {
        let all = self.lock();
        let watched = all.get(run_id)?;
        Some(Life {
            health: watched.deadlines.health(now_ms),
            progress_age_ms: watched.progressed_mono_ms.map(|at| now_ms.saturating_sub(at)),
            behind: watched.behind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::pulse::line::Progress;

    const LIMITS: Limits = Limits { heartbeat_ms: Some(1_000), progress_ms: None };

    fn run() -> RunId {
        RunId::new("r").unwrap()
    }

    fn now_ms() -> u64 {
        clock::now().mono_ms
    }

    #[test]
    fn only_the_present_attempt_is_watched() {
        let silences = Silences::default();
        silences.set(&run(), Attempt(2), LIMITS);
        silences.heard(&run(), Attempt(1), [&Telemetry::Heartbeat]);
        assert_eq!(silences.next_due(), None, "an old attempt has promised nothing for this one");
        silences.heard(&run(), Attempt(2), [&Telemetry::Heartbeat]);
        let due = silences.next_due().unwrap();
        assert!(silences.look(due - 1).is_empty());
        let too_long = silences.look(due + 1);
        assert_eq!(
            (too_long.len(), too_long[0].attempt, too_long[0].what),
            (1, Attempt(2), Silence::Heartbeat)
        );
        silences.set(&run(), Attempt(3), LIMITS);
        assert!(silences.look(due + 2).is_empty());
        silences.forget(&run());
        assert_eq!(silences.life(&run(), now_ms()), None);
    }

    #[tokio::test]
    async fn the_first_promise_of_a_worker_wakes_whoever_looks_at_the_clock() {
        let silences = Silences::default();
        silences.set(&run(), Attempt(1), LIMITS);
        let armed = tokio::time::timeout(std::time::Duration::ZERO, silences.armed()).await;
        assert!(armed.is_err(), "it has promised nothing");
        silences.heard(&run(), Attempt(1), [&Telemetry::Heartbeat]);
        silences.armed().await;
        silences.heard(&run(), Attempt(1), [&Telemetry::Heartbeat]);
        let again = tokio::time::timeout(std::time::Duration::ZERO, silences.armed()).await;
        assert!(again.is_err(), "once is enough: the clock is looked at every second now");
    }

    #[test]
    fn a_reader_that_is_behind_accuses_nobody_and_says_by_how_much() {
        let silences = Silences::default();
        silences.set(&run(), Attempt(1), LIMITS);
        silences.heard(&run(), Attempt(1), [&Telemetry::Heartbeat]);
        silences.behind(&run(), Attempt(1), 4096);
        assert!(silences.look(now_ms() + 5_000).is_empty());
        assert_eq!(silences.life(&run(), now_ms()).map(|life| life.behind), Some(4096));
        silences.behind(&run(), Attempt(1), 0);
        assert!(silences.next_due().is_some());
    }

    #[test]
    fn the_age_of_progress_is_that_of_its_last_change() {
        let silences = Silences::default();
        let progress = |done| {
            Telemetry::Progress(Progress { unit: "step".into(), done: Some(done), ..Progress::default() })
        };
        silences.heard(&run(), Attempt(1), [&progress(1.0)]);
        let changed = now_ms();
        silences.heard(&run(), Attempt(1), [&progress(1.0), &Telemetry::Heartbeat]);
        let age = silences.life(&run(), changed + 500).unwrap().progress_age_ms.unwrap();
        assert!((500..=500 + (now_ms() - changed) + 10_000).contains(&age));
    }
}
