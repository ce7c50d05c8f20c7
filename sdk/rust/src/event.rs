//! What a worker can say: the payloads of PULSE, "Events", as plain structs.
//!
//! Amounts are absent rather than guessed: every `Option` left at `None` is left out of the line.
//! Seconds and bytes throughout.

use std::path::Path;

use serde_json::Value;

/// The name under which a loss may stand among the metrics.
const LOSS: &str = "loss";

/// Where the run is, in the worker's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the words of the protocol's status machine")]
pub enum Status {
    Idle,
    Preparing,
    Running,
    Paused,
    CoolingDown,
    Done,
    Error,
    Cancelled,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::CoolingDown => "cooling_down",
            Self::Done => "done",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What the run counts, i.e. what `done` and `total` are amounts of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the words of the protocol")]
pub enum Unit {
    Epoch,
    #[default]
    Step,
    Game,
    Target,
    Percent,
}

impl Unit {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Step => "step",
            Self::Game => "game",
            Self::Target => "target",
            Self::Percent => "percent",
        }
    }
}

/// How far the run is. Telemetry: only the newest one matters.
///
/// ```
/// # use resus_sdk::{Progress, Unit};
/// let progress = Progress { done: Some(1_200.0), total: Some(5_000.0), ..Progress::of(Unit::Game) };
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What `done`, `total` and `session_start` count.
    pub unit: Unit,
    /// Epochs finished; fractions allowed.
    pub epoch: Option<f64>,
    /// Epochs the run is going to have.
    pub total_epochs: Option<f64>,
    /// Optimiser steps finished.
    pub step: Option<u64>,
    /// Steps the run is going to have.
    pub total_steps: Option<u64>,
    /// Amount finished, in `unit`.
    pub done: Option<f64>,
    /// Amount the run is going to have, in `unit`.
    pub total: Option<f64>,
    /// Amount that was already done when this attempt began; makes the ETA right after a resume.
    pub session_start: Option<f64>,
    /// Training loss. A non-finite one is reported as a metric, and left out here.
    pub loss: Option<f64>,
    /// The stage the pipeline is in.
    pub stage: Option<String>,
    /// The target being worked on.
    pub current_target: Option<String>,
    /// One line for people.
    pub message: Option<String>,
}

impl Progress {
    /// An empty report that counts in `unit`.
    #[must_use]
    pub fn of(unit: Unit) -> Self {
        Self { unit, ..Self::default() }
    }
}

/// Something went wrong; whether the run can go on is said by `fatal` and `is_retryable`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorReport<'a> {
    /// A code of PULSE, "Error codes", or one of your own as `APP_…`.
    pub error_code: &'a str,
    /// What failed and why; longer than 1 KiB keeps its head and its tail.
    pub message: &'a str,
    /// Whether another attempt may succeed.
    pub is_retryable: bool,
    /// Whether this attempt cannot go on.
    pub fatal: bool,
    /// The target that failed, in a run over several.
    pub target: Option<&'a str>,
    /// `trace_id`, `exception`, `traceback_tail`, `rank`; strings are clipped at 8 KiB.
    pub details: Option<Value>,
}

/// How one target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the words of the protocol")]
pub enum TargetOutcome {
    Success,
    Failed,
    Skipped,
}

impl TargetOutcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// How the run ended, in the worker's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the words of the protocol")]
pub enum Outcome {
    Success,
    Failed,
    Cancelled,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One target of a run over several is finished.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetComplete<'a> {
    /// Its name.
    pub target: &'a str,
    /// Its place among the targets, from 0.
    pub target_index: u64,
    /// How many targets the run has.
    pub total_targets: u64,
    /// How it ended.
    pub status: TargetOutcome,
    /// Best area under the curve over its models.
    pub best_auc: Option<f64>,
    /// Models trained for it.
    pub models_trained: Option<u64>,
    /// How long it took.
    pub duration_seconds: Option<f64>,
    /// Final numbers by name.
    pub metrics: &'a [(&'a str, f64)],
}

/// Whether the numbers of a state are finite. A run goes on from one that is not only if somebody insists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All of them are.
    Finite,
    /// At least one is NaN or infinite.
    NotFinite,
}

impl Health {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Finite => "finite",
            Self::NotFinite => "not_finite",
        }
    }
}

/// A checkpoint lies complete under its final name and may be verified and catalogued.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckpointSaved<'a> {
    /// The name it is known by, unique within the run.
    pub checkpoint_id: &'a str,
    /// Where it is, a file or a folder of any format; a relative path is said as an absolute one.
    pub path: &'a Path,
    /// The step it was taken at.
    pub step: Option<u64>,
    /// The epoch it was taken at.
    pub epoch: Option<f64>,
    /// Its size on disk.
    pub size_bytes: Option<u64>,
    /// How long saving took.
    pub duration_s: Option<f64>,
    /// `<algorithm>:<hex>`, e.g. `crc32:9a0b11c2`.
    pub digest: Option<&'a str>,
    /// Whether its numbers are finite. Left at `None` it follows from the loss, if there is one; a loss
    /// that is not finite outweighs what is said here.
    pub health: Option<Health>,
    /// Training loss of the state; one that is not finite is said as such.
    pub loss: Option<f64>,
    /// Other figures of the state by name, by which the best checkpoints are told.
    pub metrics: &'a [(&'a str, f64)],
}

impl<'a> CheckpointSaved<'a> {
    /// The announcement of `path` with nothing else said of it.
    #[must_use]
    pub fn at(checkpoint_id: &'a str, path: &'a Path) -> Self {
        Self {
            checkpoint_id,
            path,
            step: None,
            epoch: None,
            size_bytes: None,
            duration_s: None,
            digest: None,
            health: None,
            loss: None,
            metrics: &[],
        }
    }

    /// What is said of its numbers: nothing where nobody looked and no loss tells.
    pub(crate) fn judged(&self) -> Option<Health> {
        let named = || self.metrics.iter().rev().find(|(name, _)| *name == LOSS).map(|(_, value)| *value);
        match self.loss.or_else(named) {
            Some(loss) if !loss.is_finite() => Some(Health::NotFinite),
            Some(_) => self.health.or(Some(Health::Finite)),
            None => self.health,
        }
    }
}

/// The worker's last word. An exit code 0 without it is taken for a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct RunComplete<'a> {
    /// How the run ended.
    pub status: Outcome,
    /// Epochs finished.
    pub epochs_completed: Option<f64>,
    /// Loss at the end.
    pub final_loss: Option<f64>,
    /// How long this attempt trained.
    pub duration_seconds: Option<f64>,
    /// Final numbers by name.
    pub metrics: &'a [(&'a str, f64)],
}

impl RunComplete<'_> {
    /// The bare word `status`.
    #[must_use]
    pub fn with(status: Outcome) -> Self {
        Self { status, epochs_completed: None, final_loss: None, duration_seconds: None, metrics: &[] }
    }
}
