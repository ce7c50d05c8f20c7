//! The reason of a decision in words.

use crate::event::Why;

/// A clause that says why, without a capital letter and without a full stop.
pub(super) fn because(why: Why) -> &'static str {
    match why {
        Why::Requested => "a user asked for it",
        Why::NewRun => "a new run begins",
        Why::CheckpointSearched => "the search for a checkpoint is over",
        Why::WorkerStarted => "the shim reports that the worker runs",
        Why::FirstSignOfLife => "the worker gave its first sign of life",
        Why::OpaqueIsReady => "an opaque program counts as ready when it runs",
        Why::WorkerSaid => "the worker said something for the ledger",
        Why::WorkerComplete => "the worker said that it is complete and ended well",
        Why::OpaqueExitedOk => "an opaque program ended with code 0",
        Why::FailureRetried => "the attempt failed and will be retried",
        Why::NotRetryable => "the class of the failure is not retried",
        Why::ClassSpent => "this class of failure has had its retries",
        Why::BudgetSpent => "the retry budget of the window is used up",
        Why::BackoffOver => "the wait before the retry is over",
        Why::GraceOver => "it did not leave in time",
        Why::CannotBeAsked => "the worker does not listen on its control channel",
        Why::StartupTimeout => "the worker did not become ready in time",
        Why::CooldownTimeout => "the worker did not exit in time after its completion",
        Why::Unkillable => "the worker survived SIGKILL so far",
        Why::CheckpointChecked => "a checkpoint was read back",
        Why::Pruned => "retention did its work",
        Why::TakenOver => "a daemon took the run over",
        Why::Rebooted => "the machine was restarted",
        Why::NoAnswer => "an order was not answered in time",
        Why::OrderRepeated => "the shim never got the order to spawn",
        Why::StaleAttempt => "a fact about an attempt that is over",
        Why::NothingToDo => "the fact changes nothing in this phase",
        Why::AlreadyHeard => "the word is in the ledger already",
        Why::AlreadyStopping => "the run is being stopped already; the grace goes on unchanged",
        Why::AlreadyEnded => "the run has ended that way already",
        Why::AlreadyPaused => "the run is paused already, or on the way to it",
        Why::NotPaused => "there is no pause to end",
        Why::WorkerHolds => "the worker said that it holds",
        Why::WorkerFrozen => "every process of the worker is stopped",
        Why::HoldOverdue => "the worker did not hold in time",
        Why::ReleaseOverdue => "the worker did not leave in time for the pause",
        Why::WorkerReleased => "the worker has left for the pause",
        Why::HoldBroken => "the worker went on by itself while it was held",
        Why::RetryHeld => {
            "the attempt failed while the run was to be paused; it is retried when the run is resumed"
        }
        Why::Hung => "the worker was silent for too long",
        Why::RestoreRefused => "the checkpoint that was to be restored may not be used",
        Why::NothingToResumeFrom => "there is work to lose, and no checkpoint of it may be used",
        Why::CrashLoop => "the same failure came back at the same place every time",
        Why::AlreadySet => "the settings are so already",
        Why::ErrorRateExceeded => "too large a share of the work failed",
        Why::AlreadyRemoved => "the run is gone",
    }
}
