//! The share of work that fails: when it is too large, the run pauses and says what failed.
//!
//! A worker that goes on after an error (it skips a sample, a game, a target) can waste days.
//! Failures are counted over a sliding window of *units processed*, not of time, so that a slow
//! run is judged like a fast one.

mod tally;
mod window;

#[cfg(test)]
mod tests;

pub use window::{ErrorWindow, failure};

use crate::codes::Code;
use serde::{Deserialize, Serialize};

/// Pieces of a window: the newest units are counted in so many pieces, which leave one by one.
pub const BUCKETS: u64 = 100;
/// Kinds of failures that a report names.
pub const PATTERN_MAX: usize = 5;

/// Too large a share failed: how much, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceeded {
    /// Failed units in the window.
    pub failed: u64,
    /// Attempted units in the window.
    pub attempted: u64,
    /// Length of the window in units.
    pub window: u64,
    /// The most frequent kinds, most frequent first, at most [`PATTERN_MAX`].
    pub pattern: Vec<Kind>,
}

/// One kind of failure in the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// Its class.
    pub code: Code,
    /// How many units failed of it.
    pub count: u64,
    /// The first message of its kind.
    pub message: String,
}
