//! Error codes of PULSE and what each means for a retry.
//!
//! The set is open: workloads add `APP_…` codes, and a code nobody knows is treated as
//! [`UNKNOWN`](Code::unknown). One row here is one failure class: its default for retries
//! and its advice come from the row.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest error code kept, in bytes.
pub const CODE_BYTES_MAX: usize = 64;

/// What a failure class means for another attempt, before the run's own policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Trying again would fail again.
    Never,
    /// Try again within the retry budget.
    Budget,
    /// Try again, but only so many times since the last healthy progress.
    AtMost(u32),
    /// Try again; nobody's fault, so the budget is not touched.
    Free,
}

/// One failure class.
#[derive(Debug, Clone, Copy)]
pub struct Class {
    /// The code as it appears in events, e.g. `CUDA_OOM`.
    pub code: &'static str,
    /// Whether another attempt makes sense.
    pub rule: Rule,
    /// One sentence for the operator: what it means and what to look at.
    pub advice: &'static str,
}

const fn class(code: &'static str, rule: Rule, advice: &'static str) -> Class {
    Class { code, rule, advice }
}

/// Every class we know, in the order of the protocol page.
pub const CLASSES: &[Class] = &[
    class(
        "CONFIG_INVALID",
        Rule::Never,
        "The workload refused its parameters. Correct them and start again.",
    ),
    class("DATASET_NOT_FOUND", Rule::Never, "The data is not where the workload looks for it."),
    class("COMMAND_NOT_FOUND", Rule::Never, "The program to run does not exist or is not on the PATH."),
    class("COMMAND_NOT_EXECUTABLE", Rule::Never, "The program exists but may not be executed."),
    class("CWD_NOT_FOUND", Rule::Never, "The working folder of the run does not exist any more."),
    class("IMPORT_FAILED", Rule::Never, "The program could not load one of its modules."),
    class("PERMISSION_DENIED", Rule::Never, "The program was refused access to something it needs."),
    class("CHECKPOINT_NOT_FOUND", Rule::Never, "The checkpoint to resume from does not exist."),
    class(
        "CHECKPOINT_VERSION_MISMATCH",
        Rule::Never,
        "The checkpoint was written for other settings or by another version.",
    ),
    class("RESOURCE_UNAVAILABLE", Rule::Budget, "Something the run needs is busy or missing just now."),
    class("CUDA_OOM", Rule::Never, "The GPU's memory did not suffice. Lower the batch size."),
    class("HOST_OOM", Rule::AtMost(1), "The machine's memory did not suffice."),
    class(
        "NAN_LOSS",
        Rule::AtMost(2),
        "The loss became NaN or infinite. The run goes back to a checkpoint from before that.",
    ),
    class("LOSS_DIVERGED", Rule::Never, "The loss grows without bound. Lower the learning rate."),
    class("HUNG", Rule::Budget, "The worker lived but got nowhere."),
    class("WORKER_CRASHED", Rule::Budget, "The worker was ended by a signal."),
    class("EXIT_NONZERO", Rule::Budget, "The worker ended with an error code."),
    class(
        "EXIT_WITHOUT_DONE",
        Rule::Budget,
        "The worker ended with code 0 but never said that the training was complete.",
    ),
    class("EXIT_PERMANENT", Rule::Never, "The worker asked not to be tried again (exit code 125)."),
    class(
        "STARTUP_FAILED",
        Rule::AtMost(1),
        "The worker ended before it was ready. The end of its log says why.",
    ),
    class(
        "CRASH_LOOP",
        Rule::Never,
        "The same failure came back at the same step every time, and going back did not help.",
    ),
    class("NCCL_TIMEOUT", Rule::Budget, "A collective operation between GPUs timed out."),
    class("GPU_LOST", Rule::Budget, "A GPU stopped answering."),
    class("DISK_FULL", Rule::Never, "The disk is full. Free some space, then retry."),
    class("TIMEOUT", Rule::Never, "The run took longer than it was allowed to."),
    class(
        "ERROR_RATE_EXCEEDED",
        Rule::Never,
        "Too large a share of the units failed: the run pauses. See what failed, then resume it.",
    ),
    class("CHECKPOINT_SAVE_FAILED", Rule::Budget, "A checkpoint could not be written."),
    class(
        "CHECKPOINT_CORRUPT",
        Rule::Budget,
        "A checkpoint failed verification. An older one is used if there is one; else a user decides.",
    ),
    class("PREEMPTED", Rule::Free, "The machine was needed for something else."),
    class("NODE_LOST", Rule::Free, "The machine went away or was restarted."),
    class("LEASE_LOST", Rule::Free, "Another node took over the run."),
    class("TRAINING_LOST", Rule::Budget, "The worker is gone and nobody saw how it ended."),
    class(
        "BUS_UNAVAILABLE",
        Rule::Free,
        "The message bus could not be reached. The training is not affected.",
    ),
    class("SPAWN_FAILED", Rule::Budget, "The system refused to start the worker process."),
    class("RUN_LOCKED", Rule::Budget, "Something of an earlier attempt still holds the run's lock."),
    class("UNKNOWN", Rule::Budget, "No class fits this failure."),
];

/// An error code: upper-case letters, digits and `_`, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Code(String);

impl Code {
    /// Takes any text: what does not have the form of a code becomes `UNKNOWN`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let fits = !text.is_empty()
            && text.len() <= CODE_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if fits { Self(text.to_owned()) } else { Self::unknown() }
    }

    /// The code for what no class fits.
    #[must_use]
    pub fn unknown() -> Self {
        Self("UNKNOWN".to_owned())
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The class of this code; `None` for codes of others (`APP_…`).
    #[must_use]
    pub fn class(&self) -> Option<&'static Class> {
        CLASSES.iter().find(|class| class.code == self.0)
    }

    /// What the class says about another attempt; codes of others are retried within budget.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.class().map_or(Rule::Budget, |class| class.rule)
    }
}

impl From<String> for Code {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_has_its_own_well_formed_code() {
        let codes: BTreeSet<_> = CLASSES.iter().map(|c| c.code).collect();
        assert_eq!(codes.len(), CLASSES.len());
        for class in CLASSES {
            assert_eq!(Code::new(class.code).as_str(), class.code);
            assert!(class.advice.ends_with('.'));
        }
    }

    #[test]
    fn text_that_is_no_code_becomes_unknown() {
        for bad in ["", "cuda oom", "A-B", "ÄÖ", &"A".repeat(65)] {
            assert_eq!(Code::new(bad), Code::unknown());
        }
        assert_eq!(Code::new("APP_TOKENIZER").as_str(), "APP_TOKENIZER");
        assert_eq!(Code::new("APP_TOKENIZER").rule(), Rule::Budget);
    }
}
