//! What the world hears when something of a run is deleted because a user wants it.

use super::status;
use crate::event::{Event, Record};
use crate::pulse::v2::Status;
use crate::run::Run;
use serde_json::{Map, Value};

/// The `reason` of a run's last event: it is gone. Its key in the bucket of states is gone by then.
pub const REMOVED: &str = "REMOVED";

/// A status event, though the status stays as it was: what is gone, and who wanted it so.
pub(super) fn status_of(record: &Record, before: Status, run: &Run) -> Value {
    let (code, what, by, reason) = match &record.event {
        Event::OutputPruned { requested_by, reason, .. } => {
            ("OUTPUT_PRUNED", "the output was deleted", requested_by, reason)
        }
        Event::Removed { requested_by, reason, .. } => (REMOVED, "the run was removed", requested_by, reason),
        Event::Accepted { .. }
        | Event::AttemptBegun { .. }
        | Event::CheckpointRefused(_)
        | Event::SpawnOrdered { .. }
        | Event::WorkerStarted(_)
        | Event::WorkerReady { .. }
        | Event::WorkerSpoke
        | Event::CoolingBegun
        | Event::Said { .. }
        | Event::CheckpointVerified(_)
        | Event::CheckpointPruned { .. }
        | Event::CheckpointPinned { .. }
        | Event::CheckpointsDoubted { .. }
        | Event::StopBegun { .. }
        | Event::Escalated { .. }
        | Event::StillAlive
        | Event::WorkerExited { .. }
        | Event::Failed(_)
        | Event::RetryScheduled { .. }
        | Event::Ended { .. }
        | Event::Adopted
        | Event::OrderRepeated
        | Event::Rebooted { .. }
        | Event::PauseBegun { .. }
        | Event::PauseEscalated { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::CheckpointRequested { .. }
        | Event::CheckpointUndelivered
        | Event::Hung { .. }
        | Event::Restored { .. }
        | Event::Configured { .. }
        | Event::ErrorRateExceeded(_) => return status(before, run, &record.why.code(), "", Map::new()),
    };
    let message = match reason {
        Some(reason) => format!("{what} by {by}: {reason}"),
        None => format!("{what} by {by}"),
    };
    let extra = Map::from_iter([("requested_by".to_owned(), by.as_str().into())]);
    status(before, run, code, &message, extra)
}
