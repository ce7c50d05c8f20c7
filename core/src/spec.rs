//! The immutable request to run a workload.

use crate::codes::Code;
use crate::errors::BUCKETS;
use crate::ids::Slug;
use crate::input::CheckpointRef;
use crate::policy::Policy;
use crate::retention::Best;
use crate::secret::{mask_argv, names_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Longest request, in bytes as the ledger writes it (JSON; a control character takes six).
/// The ledger takes rows of 1 MiB; a quarter is left for what else is in the row.
pub const COMMAND_BYTES_MAX: usize = 768 << 10;

/// Everything needed to run a workload, now and at every retry.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The kind of training: `othello`, `fake`, or `command` for any program.
    pub workload: Slug,
    /// What people call the run; `NAME@latest` finds the newest run of that name.
    pub name: Slug,
    /// Program and arguments. Never empty.
    pub argv: Vec<String>,
    /// Absolute working folder of the worker.
    pub cwd: String,
    /// Complete environment of the worker, recorded at submission so that a retry next
    /// week starts in the same one. The PULSE variables are added at each spawn.
    pub env: Vec<(String, String)>,
    /// What we may expect the worker to say.
    pub contract: Contract,
    /// What the run may do by itself.
    pub policy: Policy,
    /// Where the run comes from, copied to every event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// What exit codes of this worker mean, where that differs from the convention: the class
    /// of the failure by code. 0 is never one of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exit_codes: BTreeMap<u8, Code>,
    /// Where attempts begin.
    #[serde(default, skip_serializing_if = "Resume::is_auto")]
    pub resume: Resume,
    /// Absolute path of the folder of its workload, if that was named by its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_path: Option<String>,
}

impl fmt::Debug for Spec {
    /// Without what is secret: arguments masked, of the environment the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workload,
            name,
            argv,
            cwd,
            env,
            contract,
            policy,
            flow,
            exit_codes,
            resume,
            workload_path,
        } = self;
        f.debug_struct("Spec")
            .field("workload", workload)
            .field("name", name)
            .field("argv", &mask_argv(argv))
            .field("cwd", cwd)
            .field("env", &names_of(env))
            .field("contract", contract)
            .field("policy", policy)
            .field("flow", flow)
            .field("exit_codes", exit_codes)
            .field("resume", resume)
            .field("workload_path", workload_path)
            .finish()
    }
}

/// Where the attempts of a run begin, unless a user restores a checkpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// At the newest healthy checkpoint that verifies; at the beginning if there never was one.
    #[default]
    Auto,
    /// At the beginning: the worker is handed no checkpoint.
    Never,
    /// As `Auto`, but as long as the run has no checkpoint of its own, at this one.
    From(Box<CheckpointRef>),
}

impl Resume {
    /// As every run that does not say otherwise.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        matches!(self, Self::Auto)
    }
}

/// What a worker promises to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contract {
    /// It speaks PULSE: it is ready at its first word and done when it says `run_complete`.
    Pulse,
    /// Any program: ready as soon as it runs, done when it exits with 0. (Should it speak
    /// PULSE after all, its words count.)
    Opaque,
}

/// Link of a run to the flow step that started it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flow {
    /// Identity of this execution of the flow.
    pub flow_run_id: String,
    /// The flow's definition.
    pub flow_id: String,
    /// The step within it.
    pub flow_step_id: String,
}

/// Why a spec was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// There is no program to run.
    #[error("the command is empty")]
    NoCommand,
    /// A string holds a NUL byte, which no process can be given.
    #[error("{place} contains a NUL byte")]
    Nul {
        /// Which string.
        place: String,
    },
    /// An environment name is empty or holds `=`.
    #[error("environment name {name:?} is empty or contains '='")]
    EnvName {
        /// The name.
        name: String,
    },
    /// The working folder is not absolute.
    #[error("working folder {cwd:?} is not an absolute path")]
    Cwd {
        /// The folder given.
        cwd: String,
    },
    /// Command and environment together are too large to start a process with.
    #[error("command and environment take {bytes} bytes; at most {COMMAND_BYTES_MAX} are possible")]
    TooLarge {
        /// Their size.
        bytes: usize,
    },
    /// A number of the policy is outside its range.
    #[error("{key} = {value} is not between {min} and {max}")]
    Range {
        /// Name of the setting.
        key: &'static str,
        /// Value given.
        value: u64,
        /// Smallest legal value.
        min: u64,
        /// Largest legal value.
        max: u64,
    },
    /// A setting of the policy is no value of its kind, or lacks another one.
    #[error("{key}: {reason}")]
    Setting {
        /// Name of the setting.
        key: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// The checkpoint to begin from is not named by an absolute path.
    #[error("checkpoint {path:?} to begin from is not an absolute path")]
    ResumePath {
        /// The path given.
        path: String,
    },
}

/// Longest deadline accepted, in milliseconds: 400 days.
const DEADLINE_MS_MAX: u64 = 400 * 24 * 3_600_000;
/// Most checkpoints that may be asked to be kept.
const KEEP_MAX: u64 = 100_000;
/// Largest limit on the bytes of a run's checkpoints: 1 EiB.
const BYTES_MAX: u64 = 1 << 60;
/// Largest error window, sample and distance of checkpoints accepted, in units of progress.
const ERROR_UNITS_MAX: u64 = 1_000_000_000_000;

impl Spec {
    /// Checks everything that can be known without touching the machine and returns every
    /// fault at once.
    ///
    /// # Errors
    /// The list of faults, never empty.
    pub fn validate(&self) -> Result<(), Vec<SpecError>> {
        let mut faults = Vec::new();
        if self.argv.first().is_none_or(String::is_empty) {
            faults.push(SpecError::NoCommand);
        }
        for (index, arg) in self.argv.iter().enumerate() {
            if arg.contains('\0') {
                faults.push(SpecError::Nul { place: format!("argument {index}") });
            }
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains('=') {
                faults.push(SpecError::EnvName { name: name.clone() });
            }
            if name.contains('\0') || value.contains('\0') {
                faults.push(SpecError::Nul { place: format!("environment {name:?}") });
            }
        }
        if !self.cwd.starts_with('/') || self.cwd.contains('\0') {
            faults.push(SpecError::Cwd { cwd: self.cwd.clone() });
        }
        let bytes = serde_json::to_string(self).map_or(usize::MAX, |json| json.len());
        if bytes > COMMAND_BYTES_MAX {
            faults.push(SpecError::TooLarge { bytes });
        }
        if let Resume::From(checkpoint) = &self.resume
            && (!checkpoint.path.starts_with('/') || checkpoint.path.contains('\0'))
        {
            faults.push(SpecError::ResumePath { path: checkpoint.path.clone() });
        }
        faults.extend(policy_faults(&self.policy));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// The settings of a policy as the configuration calls them, with their values; times in
/// milliseconds, shares in thousandths. What is by default none is none here.
#[must_use]
pub fn settings(policy: &Policy) -> Vec<(&'static str, Value)> {
    let numbers = numbers(policy).into_iter().map(|(key, value, _, _)| (key, Value::from(value)));
    numbers.chain([("checkpoint.best_metric", Value::from(policy.best_metric.clone()))]).collect()
}

/// The numbers of a policy that are outside their range, and what does not go together in it.
pub fn policy_faults(p: &Policy) -> Vec<SpecError> {
    numbers(p)
        .into_iter()
        .filter(|(_, value, min, max)| value < min || value > max)
        .map(|(key, value, min, max)| SpecError::Range { key, value, min, max })
        .chain(best_fault(p))
        .collect()
}

/// The numbers of a policy: key, value, and the smallest and largest legal one.
fn numbers(p: &Policy) -> [(&'static str, u64, u64, u64); 24] {
    [
        ("retry.max", u64::from(p.retry.max), 0, 1_000_000),
        ("retry.window", p.retry.window_ms, 1, DEADLINE_MS_MAX),
        ("retry.backoff", p.retry.backoff_ms, 0, DEADLINE_MS_MAX),
        ("retry.backoff_factor", u64::from(p.retry.backoff_factor_percent), 100, 10_000),
        ("retry.backoff_max", p.retry.backoff_max_ms, 0, DEADLINE_MS_MAX),
        ("retry.healthy_after", p.retry.healthy_after_ms, 0, DEADLINE_MS_MAX),
        ("retry.startup_window", p.retry.startup_window_ms, 0, DEADLINE_MS_MAX),
        ("stop.grace", p.stop_grace_ms, 0, DEADLINE_MS_MAX),
        ("stop.ask_wait", p.ask_wait_ms, 0, DEADLINE_MS_MAX),
        ("stop.kill_wait", p.kill_wait_ms, 1, DEADLINE_MS_MAX),
        ("watchdog.startup_timeout", p.startup_timeout_ms, 0, DEADLINE_MS_MAX),
        ("watchdog.heartbeat_timeout", p.heartbeat_timeout_ms, 0, DEADLINE_MS_MAX),
        ("watchdog.progress_timeout", p.progress_timeout_ms, 0, DEADLINE_MS_MAX),
        ("watchdog.hang_grace", p.hang_grace_ms, 0, DEADLINE_MS_MAX),
        ("pause.hold_wait", p.pause_hold_ms, 0, DEADLINE_MS_MAX),
        ("pause.release_wait", p.pause_release_ms, 0, DEADLINE_MS_MAX),
        ("errors.window", p.errors.window, BUCKETS, ERROR_UNITS_MAX),
        ("errors.max_share", u64::from(p.errors.max_share_permille), 0, 1000),
        ("errors.min_sample", p.errors.min_sample, 1, ERROR_UNITS_MAX),
        ("watchdog.cooldown_timeout", p.cooldown_timeout_ms, 1, DEADLINE_MS_MAX),
        ("checkpoint.keep", u64::from(p.keep_checkpoints), 1, KEEP_MAX),
        ("checkpoint.keep_best", u64::from(p.keep_best), 0, KEEP_MAX),
        ("checkpoint.keep_every", p.keep_every, 0, ERROR_UNITS_MAX),
        ("checkpoint.max_bytes", p.max_checkpoint_bytes, 0, BYTES_MAX),
    ]
}

/// The best ones can only be kept by a metric.
fn best_fault(p: &Policy) -> Option<SpecError> {
    match &p.best_metric {
        Some(text) => {
            let reason = Best::parse(text).err()?.to_string();
            Some(SpecError::Setting { key: "checkpoint.best_metric", reason })
        }
        None if p.keep_best > 0 => {
            let reason = "needs checkpoint.best_metric: the best by which number?".to_owned();
            Some(SpecError::Setting { key: "checkpoint.keep_best", reason })
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(env: Vec<(String, String)>) -> Spec {
        Spec {
            workload: Slug::nearest("w", "w"),
            name: Slug::nearest("w", "w"),
            argv: vec!["train".into()],
            cwd: "/".into(),
            env,
            contract: Contract::Opaque,
            policy: Policy::default(),
            flow: None,
            exit_codes: BTreeMap::new(),
            resume: Resume::Auto,
            workload_path: None,
        }
    }

    #[test]
    fn what_the_ledger_could_not_hold_is_refused_at_once() {
        let escapes = "\u{1}".repeat(200 << 10);
        let faults = spec(vec![("A".into(), escapes)]).validate().unwrap_err();
        assert!(matches!(faults[..], [SpecError::TooLarge { .. }]), "{faults:?}");
        assert_eq!(spec(vec![("A".into(), "x".repeat(200 << 10))]).validate(), Ok(()));
    }

    #[test]
    fn limits_outside_their_range_are_named_by_their_setting() {
        let mut spec = spec(Vec::new());
        spec.policy.errors =
            crate::policy::ErrorPolicy { window: 99, max_share_permille: 1001, min_sample: 0 };
        spec.policy.pause_hold_ms = u64::MAX;
        spec.policy.pause_release_ms = u64::MAX;
        spec.policy.heartbeat_timeout_ms = u64::MAX;
        spec.policy.progress_timeout_ms = u64::MAX;
        spec.policy.hang_grace_ms = u64::MAX;
        let faults = spec.validate().unwrap_err();
        let keys: Vec<_> = faults
            .iter()
            .filter_map(|fault| if let SpecError::Range { key, .. } = fault { Some(*key) } else { None })
            .collect();
        let expected = [
            "watchdog.heartbeat_timeout",
            "watchdog.progress_timeout",
            "watchdog.hang_grace",
            "pause.hold_wait",
            "pause.release_wait",
            "errors.window",
            "errors.max_share",
            "errors.min_sample",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn the_best_are_kept_by_a_metric_or_not_at_all() {
        let faults = |keep_best, metric: Option<&str>| {
            let mut spec = spec(Vec::new());
            spec.policy = Policy { keep_best, best_metric: metric.map(str::to_owned), ..spec.policy };
            spec.validate().err().map(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!((faults(2, Some("auc:max")), faults(0, Some("auc")), faults(0, None)), (None, None, None));
        let reason = "checkpoint.keep_best: needs checkpoint.best_metric: the best by which number?";
        assert_eq!(faults(2, None), Some(vec![reason.to_owned()]));
        let bad = faults(1, Some("auc:high")).unwrap();
        assert!(bad[0].starts_with("checkpoint.best_metric: \"auc:high\" is not a metric's name"), "{bad:?}");
    }

    #[test]
    fn a_run_begins_only_from_an_absolute_path() {
        for (path, is_good) in [("/c/a.prsm", true), ("c/a.prsm", false), ("/c/\0", false), ("", false)] {
            let mut spec = spec(Vec::new());
            spec.resume = Resume::From(Box::new(CheckpointRef::at("a", path)));
            assert_eq!(spec.validate().is_ok(), is_good, "{path:?}");
        }
    }
}
