//! Reasons of decisions.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The reason for a decision, recorded with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Why {
    /// A user asked for it.
    Requested,
    /// A new run begins.
    NewRun,
    /// The search for a checkpoint is over.
    CheckpointSearched,
    /// The shim reports that the worker runs.
    WorkerStarted,
    /// The worker gave its first sign of life.
    FirstSignOfLife,
    /// An opaque program counts as ready when it runs.
    OpaqueIsReady,
    /// The worker said something for the ledger.
    WorkerSaid,
    /// The worker said that it is complete and ended well.
    WorkerComplete,
    /// An opaque program ended with code 0.
    OpaqueExitedOk,
    /// The attempt failed and will be retried.
    FailureRetried,
    /// The class of the failure is not retried.
    NotRetryable,
    /// This class of failure has had its retries.
    ClassSpent,
    /// The retry budget of the window is used up.
    BudgetSpent,
    /// The backoff is over.
    BackoffOver,
    /// The grace of the present rung is over.
    GraceOver,
    /// The worker does not listen on its control channel.
    CannotBeAsked,
    /// The worker did not become ready in time.
    StartupTimeout,
    /// The worker did not exit in time after its completion.
    CooldownTimeout,
    /// The worker survived SIGKILL so far.
    Unkillable,
    /// A checkpoint was read back.
    CheckpointChecked,
    /// Retention did its work.
    Pruned,
    /// A daemon took the run over.
    TakenOver,
    /// The machine was restarted.
    Rebooted,
    /// An order was not answered in time.
    NoAnswer,
    /// The shim never got the order to spawn.
    OrderRepeated,
    /// A fact about an attempt that is over.
    StaleAttempt,
    /// The fact changes nothing in this phase.
    NothingToDo,
    /// The word is in the ledger already.
    AlreadyHeard,
    /// The run is being stopped already; the grace goes on unchanged.
    AlreadyStopping,
    /// The run has ended that way already.
    AlreadyEnded,
    /// The run is paused already, or on the way to it.
    AlreadyPaused,
    /// There is no pause to end.
    NotPaused,
    /// The worker said that it holds.
    WorkerHolds,
    /// Every process of the worker is stopped.
    WorkerFrozen,
    /// The worker did not hold in time.
    HoldOverdue,
    /// The worker did not leave in time for the pause.
    ReleaseOverdue,
    /// The worker has left for the pause.
    WorkerReleased,
    /// The worker went on by itself while it was held.
    HoldBroken,
    /// The attempt failed while the run was to be paused; it is retried when the run is resumed.
    RetryHeld,
    /// The worker was silent for too long.
    Hung,
    /// Too large a share of the work failed.
    ErrorRateExceeded,
    /// The checkpoint that the user chose may not be used.
    RestoreRefused,
    /// There is work to lose, and no checkpoint of it may be used.
    NothingToResumeFrom,
    /// The same failure came back at the same amount of work every time.
    CrashLoop,
    /// The settings are so already.
    AlreadySet,
    /// The run is gone.
    AlreadyRemoved,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 46] = [
        Self::Requested,
        Self::NewRun,
        Self::CheckpointSearched,
        Self::WorkerStarted,
        Self::FirstSignOfLife,
        Self::OpaqueIsReady,
        Self::WorkerSaid,
        Self::WorkerComplete,
        Self::OpaqueExitedOk,
        Self::FailureRetried,
        Self::NotRetryable,
        Self::ClassSpent,
        Self::BudgetSpent,
        Self::BackoffOver,
        Self::GraceOver,
        Self::CannotBeAsked,
        Self::StartupTimeout,
        Self::CooldownTimeout,
        Self::Unkillable,
        Self::CheckpointChecked,
        Self::Pruned,
        Self::TakenOver,
        Self::Rebooted,
        Self::NoAnswer,
        Self::OrderRepeated,
        Self::StaleAttempt,
        Self::NothingToDo,
        Self::AlreadyHeard,
        Self::AlreadyStopping,
        Self::AlreadyEnded,
        Self::AlreadyPaused,
        Self::NotPaused,
        Self::WorkerHolds,
        Self::WorkerFrozen,
        Self::HoldOverdue,
        Self::ReleaseOverdue,
        Self::WorkerReleased,
        Self::HoldBroken,
        Self::RetryHeld,
        Self::Hung,
        Self::ErrorRateExceeded,
        Self::RestoreRefused,
        Self::NothingToResumeFrom,
        Self::CrashLoop,
        Self::AlreadySet,
        Self::AlreadyRemoved,
    ];

    /// What it means, as a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Requested => "A user asked for it.",
            Self::NewRun => "A new run begins.",
            Self::CheckpointSearched => "The search for a checkpoint is over.",
            Self::WorkerStarted => "The shim reports that the worker runs.",
            Self::FirstSignOfLife => "The worker gave its first sign of life.",
            Self::OpaqueIsReady => "An opaque program counts as ready when it runs.",
            Self::WorkerSaid => "The worker said something for the ledger.",
            Self::WorkerComplete => "The worker said that it is complete and ended well.",
            Self::OpaqueExitedOk => "An opaque program ended with code 0.",
            Self::FailureRetried => "The attempt failed and will be retried.",
            Self::NotRetryable => "The class of the failure is not retried.",
            Self::ClassSpent => "This class of failure has had its retries.",
            Self::BudgetSpent => "The retry budget of the window is used up.",
            Self::BackoffOver => "The backoff is over.",
            Self::GraceOver => "The grace of the present rung is over.",
            Self::CannotBeAsked => "The worker does not listen on its control channel.",
            Self::StartupTimeout => "The worker did not become ready in time.",
            Self::CooldownTimeout => "The worker did not exit in time after its completion.",
            Self::Unkillable => "The worker survived SIGKILL so far.",
            Self::CheckpointChecked => "A checkpoint was read back.",
            Self::Pruned => "Retention did its work.",
            Self::TakenOver => "A daemon took the run over.",
            Self::Rebooted => "The machine was restarted.",
            Self::NoAnswer => "An order was not answered in time.",
            Self::OrderRepeated => "The shim never got the order to spawn.",
            Self::StaleAttempt => "A fact about an attempt that is over.",
            Self::NothingToDo => "The fact changes nothing in this phase.",
            Self::AlreadyHeard => "The word is in the ledger already.",
            Self::AlreadyStopping => "The run is being stopped already; the grace goes on unchanged.",
            Self::AlreadyEnded => "The run has ended that way already.",
            Self::AlreadyPaused => "The run is paused already, or on the way to it.",
            Self::NotPaused => "There is no pause to end.",
            Self::WorkerHolds => "The worker said that it holds.",
            Self::WorkerFrozen => "Every process of the worker is stopped.",
            Self::HoldOverdue => "The worker did not hold in time.",
            Self::ReleaseOverdue => "The worker did not leave in time for the pause.",
            Self::WorkerReleased => "The worker has left for the pause.",
            Self::HoldBroken => "The worker went on by itself while it was held.",
            Self::RetryHeld => {
                "The attempt failed while the run was to be paused; it is retried when the run is resumed."
            }
            Self::Hung => "The worker was silent for too long.",
            Self::ErrorRateExceeded => "Too large a share of the work failed.",
            Self::RestoreRefused => "The checkpoint that the user chose may not be used.",
            Self::NothingToResumeFrom => "There is work to lose, and no checkpoint of it may be used.",
            Self::CrashLoop => "The same failure came back at the same amount of work every time.",
            Self::AlreadySet => "The settings are so already.",
            Self::AlreadyRemoved => "The run was removed already.",
        }
    }

    /// The code as shown and recorded.
    #[must_use]
    pub fn code(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed() {
        let refused = serde_json::from_str::<Why>("\"NO_SUCH_REASON\"").unwrap_err().to_string();
        for why in Why::ALL {
            assert!(refused.contains(&format!("`{why}`")), "{why}");
            assert!(why.meaning().ends_with('.'), "{why}");
        }
        // The name that is not known is quoted as well.
        assert_eq!(refused.matches('`').count(), 2 * (Why::ALL.len() + 1), "{refused}");
    }
}
