//! Documents that clients and the daemon exchange, the same on every door.

pub mod bus;
mod checkpoints;
pub mod control;
mod dry;
mod reach;
mod remove;
mod rerun;
mod settings;
mod workloads;

pub use checkpoints::{
    CheckpointList, CheckpointState, CheckpointView, PinBody, PruneBody, PruneReply, RecheckBody,
};
pub use dry::{Foretold, ForetoldEvent};
pub use reach::{Beyond, Reach, Wish};
pub use rerun::{EnvChanges, RerunBody, RerunReply};

pub use remove::{
    Obstacle, ObstacleKind, RemoveBody, RemoveReply, RunSize, SweepBody, SweepItem, SweepKind, SweepReply,
    SweepTarget,
};
pub use settings::{ReloadReply, SettingsRefusal, SettingsView};
pub use workloads::{
    Origin, ParamKind, ParamView, Plan, PlannedSetting, SettingOrigin, WorkloadList, WorkloadView,
};

use crate::exit::ExitCode;
use crate::ids::CommandId;
use crate::input::Verb;
pub use crate::policy::Overrides;
use crate::secret::{mask_argv, names_of};
use crate::spec::Resume;
use crate::view::RunView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// For fields that are left out where they say nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A request to run something: a registered workload with parameters, or any command.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Name of a registered workload; exclusive with `workload_path` and `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Absolute path of a workload's folder, or of the `workload.toml` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_path: Option<String>,
    /// Parameters of the workload, as text; checked against what it declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Program and arguments; exclusive with both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// What to call the run; by default the workload's or the program's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Absolute working folder.
    pub cwd: String,
    /// Complete environment of the worker.
    pub env: Vec<(String, String)>,
    /// Settings of this run that differ from the configuration.
    #[serde(default)]
    pub overrides: Overrides,
    /// Where its attempts begin.
    #[serde(default, skip_serializing_if = "Resume::is_auto")]
    pub resume: Resume,
    /// The same id again finds the run that it created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

impl fmt::Debug for Submission {
    /// Without what is secret: the command masked, of the environment the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, workload_path, params, command, name, cwd, env, overrides, resume, command_id } =
            self;
        f.debug_struct("Submission")
            .field("workload", workload)
            .field("workload_path", workload_path)
            .field("params", &params.keys())
            .field("command", &command.as_deref().map(mask_argv))
            .field("name", name)
            .field("cwd", cwd)
            .field("env", &names_of(env))
            .field("overrides", overrides)
            .field("resume", resume)
            .field("command_id", command_id)
            .finish()
    }
}

/// A command to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandBody {
    /// What is asked.
    pub verb: Verb,
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

/// A wish to go on from a checkpoint of one's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreBody {
    /// Its id, the unique beginning of one, `latest`, or `none` to begin anew.
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

/// A wish to change settings of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigureBody {
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

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandReply {
    /// Whether it changed anything, or would have; a run that is being stopped already is not stopped again.
    pub changed: bool,
    /// Reason code of the decision.
    pub why: String,
    /// The run after it.
    pub run: RunView,
    /// What it would have done, if that is all that was asked: nothing was recorded or done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Foretold>,
}

/// A list of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunList {
    /// Newest first.
    pub runs: Vec<RunView>,
    /// Runs that are left alone because their ledger is damaged, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<String, String>,
}

/// A part of a run's story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// In their order.
    pub lines: Vec<StoryLine>,
}

/// An event of the ledger, told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoryLine {
    /// What the ledger calls it ([`crate::event::Event::name`]).
    pub what: String,
    /// Reason code of the decision.
    pub why: String,
    /// What happened and why, for people ([`crate::explain::sentence`]).
    pub sentence: String,
    /// The PULSE envelope.
    pub event: Value,
}

impl StoryLine {
    /// Its place in the run's order; 0 if the envelope does not say.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.event.get("seq").and_then(Value::as_u64).unwrap_or(0)
    }

    /// A text of its payload, e.g. `checkpoint_id`.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.event.get("payload")?.get(field)?.as_str()
    }
}

/// A piece of a worker's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChunk {
    /// The attempt that wrote it.
    pub attempt: u32,
    /// Newest attempt of the run.
    pub newest_attempt: u32,
    /// Offset of the first byte in the attempt's output.
    pub offset: u64,
    /// Offset just behind the last byte: ask from here next.
    pub next_offset: u64,
    /// Length of the attempt's output now.
    pub length: u64,
    /// Nothing will be added to this attempt any more.
    pub complete: bool,
    /// The run has ended.
    pub run_ended: bool,
    /// When the output of this attempt was deleted because somebody wanted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned_at: Option<String>,
}

/// What the daemon says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DaemonView {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Its state folder.
    pub state_dir: String,
    /// Machine.
    pub node: String,
    /// When it was started.
    pub started_at: String,
    /// Seconds since then.
    pub uptime_s: f64,
    /// Runs that have not ended.
    pub runs_live: usize,
    /// All runs.
    pub runs_total: usize,
    /// Runs set aside because their ledger is damaged.
    pub runs_quarantined: usize,
    /// Why new attempts can't start now, e.g. because the ledger can't be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// Newest place in the ledger.
    pub ledger_pos: u64,
    /// Resident memory of the daemon in bytes.
    pub rss_bytes: u64,
    /// Restarts of actors since the start, by name.
    pub actor_restarts: BTreeMap<String, u32>,
    /// Its bus.
    #[serde(default)]
    pub bus: bus::BusView,
    /// Files of what was removed or pruned that are not deleted yet.
    #[serde(default)]
    pub deletions: DeletionsView,
    /// Where its settings are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsView>,
}

/// What waits for its deletion.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeletionsView {
    /// Runs whose files, or whose output, are still to be deleted.
    pub waiting: u32,
    /// Those of them that could not be deleted several times; it is tried again.
    pub failed: u32,
    /// Why, of one of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An error on the wire: RFC 9457 (`application/problem+json`) and what the command line needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable kind of the problem, e.g. `urn:resus:refused`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This occurrence in words.
    pub detail: String,
    /// What to do next, often a command to type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Exit code of a command that meets it.
    pub exit_code: ExitCode,
}
