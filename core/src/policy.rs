//! What a run may do by itself: retries, deadlines, retention. Part of the spec, so a
//! replay of the ledger decides the same, whatever the configuration says today.

pub use crate::overrides::Overrides;
pub use crate::retention::{Extreme, RetentionPolicy};

use crate::retention::Best;
use serde::{Deserialize, Serialize};

/// The policy of one run. All times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Retries of failed attempts.
    pub retry: RetryPolicy,
    /// Time a worker has from the first request to stop until it is killed.
    pub stop_grace_ms: u64,
    /// Part of the grace, at most half of it, in which a worker that listens on its control
    /// channel is only asked; then it also gets SIGTERM.
    pub ask_wait_ms: u64,
    /// Longest silence of a worker that is not ready yet; a word that it is still preparing
    /// renews it; 0 = no limit. Only for workloads
    /// that speak PULSE.
    pub startup_timeout_ms: u64,
    /// Time a worker has to exit after it said that the training is complete.
    pub cooldown_timeout_ms: u64,
    /// Time after SIGKILL before the operator is told that the worker can't be killed.
    pub kill_wait_ms: u64,
    /// Longest silence of a worker that sends heartbeats before it counts as hung; any sign of
    /// life ends a silence; 0 = no limit.
    pub heartbeat_timeout_ms: u64,
    /// Longest time without progress of a worker that speaks PULSE and has reported progress,
    /// before it counts as hung; 0 = no limit.
    pub progress_timeout_ms: u64,
    /// Time a hung worker gets after SIGTERM; 0 = it is killed at once.
    pub hang_grace_ms: u64,
    /// Time a worker that was asked to pause has to hold; then it is frozen.
    pub pause_hold_ms: u64,
    /// Time a worker that was asked to save and leave has for it; then it gets SIGTERM.
    pub pause_release_ms: u64,
    /// Share of failed work at which the run pauses.
    pub errors: ErrorPolicy,
    /// Verified checkpoints kept per run: the newest ones.
    pub keep_checkpoints: u32,
    /// Besides them so many of the best by `best_metric`.
    #[serde(skip_serializing_if = "is_zero_u32")]
    pub keep_best: u32,
    /// By which metric the best ones are told: `NAME`, `NAME:min` or `NAME:max`
    /// ([`retention::Best`](crate::retention::Best)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_metric: Option<String>,
    /// Besides them the first one of every so many units of progress; 0 = none.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub keep_every: u64,
    /// Most bytes that a run's checkpoints may take; 0 = no limit.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub max_checkpoint_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero_u32(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero_u64(number: &u64) -> bool {
    *number == 0
}

impl Policy {
    /// Which checkpoints stay. A metric that is no metric ranks nothing (no such spec is accepted).
    #[must_use]
    pub fn retention(&self) -> RetentionPolicy {
        let best = self.best_metric.as_deref().and_then(|text| Best::parse(text).ok());
        RetentionPolicy {
            keep_last: self.keep_checkpoints,
            keep_best: self.keep_best,
            best_is: best.as_ref().map_or(Extreme::Max, |best| best.is),
            best_metric: best.map(|best| best.metric),
            keep_every: self.keep_every,
            max_bytes: self.max_checkpoint_bytes,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            stop_grace_ms: 60_000,
            ask_wait_ms: 10_000,
            startup_timeout_ms: 600_000,
            cooldown_timeout_ms: 120_000,
            kill_wait_ms: 5_000,
            heartbeat_timeout_ms: 60_000,
            progress_timeout_ms: 1_800_000,
            hang_grace_ms: 0,
            pause_hold_ms: 5_000,
            pause_release_ms: 120_000,
            errors: ErrorPolicy::default(),
            keep_checkpoints: 5,
            keep_best: 0,
            best_metric: None,
            keep_every: 0,
            max_checkpoint_bytes: 0,
        }
    }
}

/// How often and how fast failed attempts are retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Retries allowed within the window; 0 = a failure ends the run.
    pub max: u32,
    /// Length of the sliding window in which retries are counted.
    pub window_ms: u64,
    /// Wait before the first retry.
    pub backoff_ms: u64,
    /// Each further retry waits this many times longer, in hundredths (200 = twice).
    pub backoff_factor_percent: u32,
    /// Longest wait.
    pub backoff_max_ms: u64,
    /// An attempt that made progress for this long wipes the slate: the next failure is
    /// counted as the first.
    pub healthy_after_ms: u64,
    /// An attempt that ends with an error code sooner than this, without a sign of
    /// progress, failed to start: it is retried once, not until the budget is spent.
    pub startup_window_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max: 5,
            window_ms: 3_600_000,
            backoff_ms: 1_000,
            backoff_factor_percent: 200,
            backoff_max_ms: 60_000,
            healthy_after_ms: 600_000,
            startup_window_ms: 10_000,
        }
    }
}

/// When failed units of work pause the run: more than a share of the newest units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ErrorPolicy {
    /// Length of the sliding window, in units of the worker's progress.
    pub window: u64,
    /// Largest share of failed units that is put up with, in thousandths; 0 = any.
    pub max_share_permille: u32,
    /// Fewer attempted units than this count as so many, so that a few early failures are not
    /// taken for a large share.
    pub min_sample: u64,
}

impl Default for ErrorPolicy {
    fn default() -> Self {
        Self { window: 10_000, max_share_permille: 10, min_sample: 1_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_an_older_version_keeps_what_it_kept() {
        let old = r#"{"keep_checkpoints":7}"#;
        let policy: Policy = serde_json::from_str(old).unwrap();
        let (last, best) = (policy.retention().keep_last, policy.retention().keep_best);
        assert_eq!((last, best, policy.retention().max_bytes), (7, 0, 0));
        assert!(!serde_json::to_string(&policy).unwrap().contains("keep_best"));
    }
}
