//! The worker's own words of class A: facts that it asserts and that must not be lost.

use crate::codes::Code;
use crate::input::CheckpointRef;
use crate::pulse::v2::Status;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Named numbers; `None` stands for a value that was not finite.
pub type Numbers = BTreeMap<String, Option<f64>>;

/// A class A word of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub enum Word {
    /// Where the worker says it is.
    Status {
        /// Its status.
        status: Status,
        /// For people.
        #[serde(default)]
        message: String,
    },
    /// Something failed.
    Error(WorkerError),
    /// The work entered another stage.
    StageChange {
        /// The stage before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous_stage: Option<String>,
        /// The stage now.
        new_stage: String,
    },
    /// A part of the work began.
    TargetStart {
        /// Its name.
        target: String,
        /// 0-based.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target_index: Option<u64>,
        /// Of how many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_targets: Option<u64>,
    },
    /// A part of the work ended.
    TargetComplete {
        /// Its name.
        target: String,
        /// How it ended.
        status: Outcome,
        /// Named results.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        metrics: Numbers,
        /// Best area under the ROC curve.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        best_auc: Option<f64>,
        /// Models trained for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        models_trained: Option<u64>,
        /// Seconds it took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_seconds: Option<f64>,
    },
    /// The worker says that it is finished.
    RunComplete {
        /// How.
        status: Outcome,
        /// Last loss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        final_loss: Option<f64>,
        /// Named results.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        metrics: Numbers,
        /// For people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
        /// Seconds it took, by the worker's own account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_seconds: Option<f64>,
        /// Epochs it completed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epochs_completed: Option<f64>,
    },
    /// A checkpoint has been written; it is a candidate until it has been verified.
    CheckpointSaved(CheckpointRef),
}

/// How a piece of work ended, in the worker's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Success,
    /// Not well.
    Failed,
    /// It was left out.
    Skipped,
    /// Somebody asked it to stop.
    Cancelled,
}

/// An error as the worker reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerError {
    /// Class, e.g. `CUDA_OOM`.
    pub error_code: Code,
    /// For people, at most 1 KiB.
    pub message: String,
    /// The worker's own opinion whether another attempt makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_retryable: Option<bool>,
    /// The worker will end because of it.
    #[serde(default)]
    pub fatal: bool,
    /// The part of the work it struck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How often it happened: the worker (or the reader) folds repeats into one.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub count: u32,
    /// Further facts (exception, end of the traceback, …): a JSON object of at most
    /// [`DETAILS_BYTES_MAX`] bytes. Its texts are as the worker wrote them: make them
    /// [`crate::text::visible`] before a terminal sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// Most bytes of an error's details, rendered as JSON.
pub const DETAILS_BYTES_MAX: usize = 16 << 10;

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_once(count: &u32) -> bool {
    *count == 1
}
