//! Requests and replies of the control service on the bus: what HTTP says with an address and a
//! query, said in one document. Every reply fits into one message, so long ones come in pages.

mod start;

pub use crate::api::rerun::RerunRequest;
pub use start::StartRequest;

use crate::api::{Overrides, StoryLine, WorkloadView, is_false};
use crate::ids::CommandId;
use crate::pulse::state::StateSnapshot;
use crate::telemetry::history::Curves;
use crate::view::RunView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the control service is called on the bus.
pub const SERVICE: &str = "resus";
/// Key of the service's metadata with the machine it speaks for.
pub const NODE_KEY: &str = "node";
/// Key of the service's metadata with its namespace.
pub const NAMESPACE_KEY: &str = "namespace";
/// Key of the service's metadata with which daemon it is: two of one machine's name differ here.
pub const DAEMON_KEY: &str = "daemon";
/// Header of a reply to `logs`: an [`OutputChunk`](crate::api::OutputChunk) as JSON.
pub const OUTPUT_HEADER: &str = "Resus-Output";

/// `workloads`: those that can be run by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkloadsRequest {
    /// Those behind this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The answer to `workloads`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadsReply {
    /// By name.
    pub workloads: Vec<WorkloadView>,
    /// Why some of the user's are not listed, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// There is more behind this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `stop`, `kill`, `retry`, `release`, `resume`, `checkpoint`: a command to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The run, as people type it.
    pub run: String,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// Only say what it would do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// `restore`: go on from a checkpoint of one's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// The run, as people type it.
    pub run: String,
    /// The checkpoint's id, the unique beginning of one, `latest`, or `none` to begin anew.
    pub checkpoint: String,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// Only say what it would do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// `pin`: retention leaves a checkpoint alone, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    /// The run, as people type it.
    pub run: String,
    /// The checkpoint's id, the unique beginning of one, or `latest`.
    pub checkpoint: String,
    /// Whether it is left alone.
    pub pinned: bool,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// `prune`: retention runs now; its reply is a [`PruneReply`](crate::api::PruneReply).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneRequest {
    /// The run, as people type it.
    pub run: String,
    /// Only say what it would delete.
    #[serde(default)]
    pub dry_run: bool,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// `remove`: a run and all its files are gone; its reply is a
/// [`RemoveReply`](crate::api::RemoveReply).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveRequest {
    /// The run, as people type it.
    pub run: String,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
    /// Pinned checkpoints go along.
    #[serde(default)]
    pub with_pinned: bool,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// `recheck`: verified checkpoints are read back once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecheckRequest {
    /// The run, as people type it.
    pub run: String,
    /// One, by its id, the unique beginning of one, or `latest`; all if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// `configure`: change settings of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigureRequest {
    /// The run, as people type it.
    pub run: String,
    /// The settings that are to be others; at least one.
    pub changes: Overrides,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// Only say what it would do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// `checkpoints`: those of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointsRequest {
    /// The run, as people type it.
    pub run: String,
}

/// `pause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// The run, as people type it.
    pub run: String,
    /// Who asks, as shown to people.
    #[serde(default)]
    pub by: String,
    /// The same id again is the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The worker saves a checkpoint and leaves: what the verb `release` does.
    #[serde(default)]
    pub release: bool,
    /// Only say what it would do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// `state`: one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRequest {
    /// The run, as people type it.
    pub run: String,
    /// Answer once the version is above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// But after this many milliseconds at the latest.
    #[serde(default)]
    pub wait_ms: u64,
}

/// Reply to `state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateReply {
    /// The run.
    pub run: RunView,
    /// Its state for those who come late, as in the bucket `pulse_state`.
    pub snapshot: StateSnapshot,
    /// The version to wait from next.
    pub version: u64,
}

/// `list`: runs, newest first, and then those that are set aside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListRequest {
    /// Those behind this one: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// So many at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Reply to `list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ListReply {
    /// Newest first.
    pub runs: Vec<RunView>,
    /// Runs that are left alone because their ledger is damaged, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<String, String>,
    /// There is more behind this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `events` and `why`: a part of a run's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryRequest {
    /// The run, as people type it.
    pub run: String,
    /// Events after this sequence number.
    #[serde(default)]
    pub after: u64,
    /// So many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Reply to `events`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EventsReply {
    /// In their order, as PULSE envelopes.
    pub events: Vec<Value>,
    /// There may be more after this sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Reply to `why`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WhyReply {
    /// In their order.
    pub lines: Vec<StoryLine>,
    /// There may be more after this sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// `logs`: a piece of a worker's output. Its reply is the bytes themselves, described in the
/// header [`OUTPUT_HEADER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsRequest {
    /// The run, as people type it.
    pub run: String,
    /// Of this attempt; by default the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// From this byte on.
    #[serde(default)]
    pub offset: u64,
    /// So many bytes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Wait so many milliseconds for the first of them.
    #[serde(default)]
    pub wait_ms: u64,
}

/// `curves`: a run's metrics over all its attempts, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvesRequest {
    /// The run, as people type it.
    pub run: String,
    /// Metrics behind this name: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Reply to `curves`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CurvesReply {
    /// Points by metric, oldest first.
    pub curves: Curves,
    /// There is more behind this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `daemon`: what the daemon says of itself; its reply is a
/// [`DaemonView`](crate::api::DaemonView).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonRequest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_left_out_may_be_left_out_and_what_is_unknown_is_refused() {
        assert_eq!(serde_json::from_str::<ListRequest>("{}").unwrap(), ListRequest::default());
        assert!(serde_json::from_str::<StateRequest>(r#"{"run":"r"}"#).is_ok());
        assert!(serde_json::from_str::<StateRequest>(r#"{"run":"r","sinse":1}"#).is_err());
        assert!(serde_json::from_str::<RunRequest>(r#"{"run":"r","release":true}"#).is_err());
        assert!(serde_json::from_str::<PauseRequest>(r#"{"run":"r","release":true}"#).unwrap().release);
    }
}
