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
}
