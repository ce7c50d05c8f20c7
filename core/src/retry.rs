//! Backoff, budget and the slate that healthy progress wipes.

use crate::codes::{Code, Rule};
use crate::hash::fnv1a;
use crate::ids::{Attempt, RunId};
use crate::policy::RetryPolicy;
use std::collections::BTreeMap;

mod repeat;

pub use repeat::{LOOP_FAILURES, Repeat};

/// What a run remembers of its retries. A fold of the ledger, so it outlives the daemon.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RetryState {
    /// Monotonic times of the retries that count against the budget, oldest first.
    pub spent_mono_ms: Vec<u64>,
    /// Failures in a row since the last healthy progress: the exponent of the backoff.
    /// (Apart from the attempt number, which never goes back.)
    pub failures: u32,
    /// Failures per code since the last healthy progress.
    pub by_code: BTreeMap<Code, u32>,
    /// The failure that comes back, if the last ones were the same. Healthy progress does not wipe
    /// it: an attempt may train for days to the step at which it always fails.
    pub repeat: Option<Repeat>,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try again after a wait.
    Retry {
        /// Milliseconds to wait.
        delay_ms: u64,
        /// Whether it counts against the budget.
        counted: bool,
    },
    /// The class of the failure forbids another attempt.
    NotRetryable,
    /// This class allows only so many, and they are used up.
    ClassSpent,
    /// The budget of the window is used up.
    BudgetSpent,
}

impl RetryState {
    /// Judges a failure at `now_mono_ms`. `self` does not yet contain it.
    ///
    /// `retryable` is the worker's own word where it gave one; it overrides the class, but
    /// not the budget. `ours` says that Resus itself gave the failure its class: nobody but us
    /// can say that a failure is nobody's fault.
    #[must_use]
    pub fn judge(
        &self,
        policy: &RetryPolicy,
        code: &Code,
        retryable: Option<bool>,
        ours: bool,
        now_mono_ms: u64,
        delay_ms: u64,
    ) -> Verdict {
        let rule = match (retryable, code.rule()) {
            (Some(false), _) => Rule::Never,
            (Some(true), Rule::Never) => Rule::Budget,
            (_, rule) => rule,
        };
        match rule {
            Rule::Never => return Verdict::NotRetryable,
            Rule::Free if ours => return Verdict::Retry { delay_ms, counted: false },
            Rule::AtMost(most) if self.by_code.get(code).copied().unwrap_or(0) >= most => {
                return Verdict::ClassSpent;
            }
            Rule::AtMost(_) | Rule::Budget | Rule::Free => {}
        }
        if self.spent_within(policy, now_mono_ms) >= policy.max {
            return Verdict::BudgetSpent;
        }
        Verdict::Retry { delay_ms, counted: true }
    }

    /// Retries that count against the budget in the window that ends now.
    #[must_use]
    pub fn spent_within(&self, policy: &RetryPolicy, now_mono_ms: u64) -> u32 {
        let from = now_mono_ms.saturating_sub(policy.window_ms);
        let spent = self.spent_mono_ms.iter().filter(|at| **at >= from).count();
        u32::try_from(spent).unwrap_or(u32::MAX)
    }

    /// Records a failure, after a wipe if the attempt had been healthy.
    /// `at` is how far it had come, where that is known.
    pub fn note_failure(&mut self, code: &Code, at: Option<f64>, was_healthy: bool) {
        if was_healthy {
            self.forgive();
        }
        self.repeat = self.repeat_with(code, at);
        self.failures = self.failures.saturating_add(1);
        let count = self.by_code.entry(code.clone()).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// Records a retry that counts, and forgets those that have left the window.
    pub fn note_retry(&mut self, policy: &RetryPolicy, now_mono_ms: u64) {
        let from = now_mono_ms.saturating_sub(policy.window_ms);
        self.spent_mono_ms.retain(|at| *at >= from);
        self.spent_mono_ms.push(now_mono_ms);
    }

    /// Healthy progress: the budget is whole again.
    pub fn forgive(&mut self) {
        *self = Self { repeat: self.repeat.take(), ..Self::default() };
    }

    /// The user's own retry: a clean slate.
    pub fn wipe(&mut self) {
        *self = Self::default();
    }

    /// After a reboot the monotonic clock starts anew: what was spent is counted as spent
    /// now, which never gives a run more retries than it had.
    pub fn rebase(&mut self, now_mono_ms: u64) {
        for at in &mut self.spent_mono_ms {
            *at = now_mono_ms;
        }
    }
}

/// Wait before retry number `failures` (1 = the first), in milliseconds: exponential, capped,
/// with up to 20 % taken off by a hash of run and attempt, so that a hundred runs that failed
/// together do not come back together, and the same run always waits the same.
#[must_use]
pub fn backoff_ms(policy: &RetryPolicy, run: &RunId, attempt: Attempt, failures: u32) -> u64 {
    let factor = u128::from(policy.backoff_factor_percent.max(100));
    let cap = u128::from(policy.backoff_max_ms);
    let mut wait = u128::from(policy.backoff_ms).min(cap);
    for _ in 1..failures {
        wait = (wait * factor / 100).min(cap);
        if wait == cap {
            break;
        }
    }
    let wait = u64::try_from(wait).unwrap_or(policy.backoff_max_ms);
    let span = wait / 5;
    if span == 0 { wait } else { wait - spread(run, attempt) % (span + 1) }
}

/// Of run and attempt; the upper half goes into the lower one, which decides the remainder.
fn spread(run: &RunId, attempt: Attempt) -> u64 {
    let hash = fnv1a(run.as_str().bytes().chain(attempt.0.to_le_bytes()));
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunId {
        RunId::new("r1").unwrap()
    }

    #[test]
    fn waits_double_up_to_the_cap_and_never_exceed_it() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> = (1..10).map(|n| backoff_ms(&policy, &run(), Attempt(n), n)).collect();
        for (n, wait) in waits.iter().enumerate() {
            let full = (1000_u64 << n).min(60_000);
            assert!((full * 4 / 5..=full).contains(wait), "retry {n}: {wait} of {full}");
        }
        assert_eq!(backoff_ms(&policy, &run(), Attempt(3), 3), backoff_ms(&policy, &run(), Attempt(3), 3));
        assert!(backoff_ms(&policy, &run(), Attempt(9), u32::MAX) <= 60_000);
    }

    #[test]
    fn no_backoff_means_no_wait() {
        let policy = RetryPolicy { backoff_ms: 0, ..RetryPolicy::default() };
        assert_eq!(backoff_ms(&policy, &run(), Attempt(4), 4), 0);
    }

    #[test]
    fn runs_that_fail_together_come_back_apart() {
        let policy = RetryPolicy { backoff_ms: 60_000, ..RetryPolicy::default() };
        let mut waits: Vec<_> = (0..100)
            .map(|n| backoff_ms(&policy, &RunId::new(format!("run-{n}")).unwrap(), Attempt(1), 1))
            .collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 90, "only {} different waits", waits.len());
    }

    #[test]
    fn the_window_forgets_and_the_budget_holds() {
        let policy = RetryPolicy { max: 2, window_ms: 1_000, ..RetryPolicy::default() };
        let crashed = Code::new("WORKER_CRASHED");
        let mut state = RetryState::default();
        state.note_retry(&policy, 100);
        state.note_retry(&policy, 200);
        assert_eq!(state.judge(&policy, &crashed, None, true, 300, 5), Verdict::BudgetSpent);
        assert_eq!(
            state.judge(&policy, &crashed, None, true, 1_150, 5),
            Verdict::Retry { delay_ms: 5, counted: true }
        );
        let preempted = Code::new("PREEMPTED");
        let free = Verdict::Retry { delay_ms: 5, counted: false };
        assert_eq!(state.judge(&policy, &preempted, None, true, 300, 5), free);
        assert_eq!(
            state.judge(&policy, &preempted, None, false, 300, 5),
            Verdict::BudgetSpent,
            "its own word"
        );
    }

    #[test]
    fn the_class_limits_and_the_worker_overrides_the_class() {
        let policy = RetryPolicy::default();
        let startup = Code::new("STARTUP_FAILED");
        let mut state = RetryState::default();
        assert!(matches!(state.judge(&policy, &startup, None, true, 0, 0), Verdict::Retry { .. }));
        state.note_failure(&startup, None, false);
        assert_eq!(state.judge(&policy, &startup, None, true, 0, 0), Verdict::ClassSpent);
        let config = Code::new("CONFIG_INVALID");
        assert_eq!(state.judge(&policy, &config, None, true, 0, 0), Verdict::NotRetryable);
        assert!(matches!(state.judge(&policy, &config, Some(true), true, 0, 0), Verdict::Retry { .. }));
        assert_eq!(
            state.judge(&policy, &Code::new("EXIT_NONZERO"), Some(false), true, 0, 0),
            Verdict::NotRetryable
        );
    }

    #[test]
    fn healthy_progress_wipes_the_slate() {
        let mut state = RetryState::default();
        state.note_failure(&Code::new("HUNG"), None, false);
        state.note_failure(&Code::new("HUNG"), None, true);
        assert_eq!((state.failures, state.by_code.len()), (1, 1));
    }
}
