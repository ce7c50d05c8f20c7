//! The sliding window over units processed.
//!
//! The axis is the work done over all attempts: an attempt begins at the amount it resumed from,
//! and each amount above the last one moves the axis on by the difference. A lower amount moves
//! nothing: what is done again after a resume is work, what a counter loses is not.
//!
//! The window is kept in [`BUCKETS`] buckets, so an error leaves it up to one bucket early, never
//! late: a share exactly at the limit is never taken for more.

use super::tally::Tally;
use super::{BUCKETS, Exceeded};
use crate::codes::Code;
use crate::policy::ErrorPolicy;
use crate::pulse::word::{Outcome, Word};

/// Share of failed units among the newest ones. A fold of the worker's words; its memory is
/// bounded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ErrorWindow {
    /// Whole buckets behind us, and the units done in the present one.
    bucket: u64,
    within: f64,
    /// Units in the window; at most its length.
    attempted: f64,
    /// Newest amount of this attempt; `None` while it is not known where it began.
    amount: Option<f64>,
    tally: Tally,
}

impl ErrorWindow {
    /// An attempt begins at this amount, where it is known.
    pub fn begin_attempt(&mut self, amount: Option<f64>) {
        self.amount = amount.filter(|amount| amount.is_finite());
    }

    /// The worker has done `amount` in all.
    pub fn advance(&mut self, policy: &ErrorPolicy, amount: f64) {
        if !amount.is_finite() {
            return;
        }
        let Some(before) = self.amount else {
            self.amount = Some(amount);
            return;
        };
        if amount <= before {
            return;
        }
        self.amount = Some(amount);
        // A leap of more than a window leaves nothing of the old one; how far does not matter.
        let length = policy.window as f64;
        let done = (amount - before).min(2.0 * length);
        self.attempted = (self.attempted + done).min(length);
        let width = length / BUCKETS as f64;
        let whole = ((self.within + done) / width).floor();
        self.bucket = self.bucket.saturating_add(whole as u64);
        self.within = (self.within + done - whole * width).clamp(0.0, width);
        self.tally.forget(self.newest());
    }

    /// The worker said `word` when it had done `at_units`.
    pub fn hear(&mut self, policy: &ErrorPolicy, word: &Word, at_units: Option<f64>) {
        if let Some(amount) = at_units {
            self.advance(policy, amount);
        }
        if let Some((code, message, count)) = failure(word) {
            self.tally.add(self.newest(), &code, message, count);
        }
    }

    /// What failed, if it is more than `policy` puts up with: more than its share of the units
    /// attempted in the window (or of the smallest sample, if that is more). A single failed
    /// unit is never too much.
    #[must_use]
    pub fn exceeded(&self, policy: &ErrorPolicy) -> Option<Exceeded> {
        let failed = self.tally.failed();
        let sample = self.attempted.max(policy.min_sample as f64);
        let limit = f64::from(policy.max_share_permille) * sample;
        let too_many = failed > 1 && failed as f64 * 1000.0 > limit;
        (policy.max_share_permille > 0 && too_many).then(|| Exceeded {
            failed,
            attempted: self.attempted.round() as u64,
            window: policy.window,
            pattern: self.tally.pattern(),
        })
    }

    /// Failed units in the window.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.tally.failed()
    }

    /// Attempted units in the window.
    #[must_use]
    pub fn attempted(&self) -> f64 {
        self.attempted
    }

    /// The user has seen what failed and wants the run to go on: counting begins afresh.
    pub fn clear(&mut self) {
        self.attempted = 0.0;
        self.tally = Tally::default();
    }

    /// The bucket of the newest unit. A unit belongs to the bucket in which it ends, so the one
    /// that fills a bucket is the last of it.
    fn newest(&self) -> u64 {
        if self.within > 0.0 { self.bucket } else { self.bucket.saturating_sub(1) }
    }
}

/// Whether a word says that the worker goes on without a unit: what, and how many. A fatal error
/// ends the attempt, which the retry budget judges.
#[must_use]
pub fn failure(word: &Word) -> Option<(Code, &str, u32)> {
    match word {
        Word::Error(error) => {
            (!error.fatal).then(|| (error.error_code.clone(), error.message.as_str(), error.count))
        }
        Word::TargetComplete { target, status, .. } => match status {
            Outcome::Failed => Some((Code::new("TARGET_FAILED"), target, 1)),
            Outcome::Skipped => Some((Code::new("TARGET_SKIPPED"), target, 1)),
            Outcome::Success | Outcome::Cancelled => None,
        },
        Word::Status { .. }
        | Word::StageChange { .. }
        | Word::TargetStart { .. }
        | Word::RunComplete { .. }
        | Word::CheckpointSaved(_) => None,
    }
}
