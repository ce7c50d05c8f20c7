//! A request to start a run.

use crate::api::{Overrides, Submission};
use crate::ids::CommandId;
use crate::secret::{mask_argv, names_of};
use crate::spec::Resume;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// `start`: a run from another machine. Unlike a [`Submission`] it has no folder and no
/// environment of its own unless a command is given: the sender's are those of another machine.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartRequest {
    /// Name of a registered workload; exclusive with `workload_path` and `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Absolute path of a workload's folder on the daemon's machine, where its operator allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_path: Option<String>,
    /// Parameters of the workload, as text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Program and arguments, where the daemon's operator allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// What to call the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Absolute working folder of a command on the daemon's machine; by default its home folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Complete environment of a command; by default a small one of the daemon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<(String, String)>>,
    /// Settings of this run that differ from the configuration.
    pub overrides: Overrides,
    /// Where its attempts begin; a checkpoint lies on the daemon's machine.
    #[serde(skip_serializing_if = "Resume::is_auto")]
    pub resume: Resume,
    /// The same id again finds the run that it created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

impl fmt::Debug for StartRequest {
    /// Without what is secret: the command masked, of the environment the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, workload_path, params, command, name, cwd, env, overrides, resume, command_id } =
            self;
        f.debug_struct("StartRequest")
            .field("workload", workload)
            .field("workload_path", workload_path)
            .field("params", &params.keys())
            .field("command", &command.as_deref().map(mask_argv))
            .field("name", name)
            .field("cwd", cwd)
            .field("env", &env.as_deref().map(names_of))
            .field("overrides", overrides)
            .field("resume", resume)
            .field("command_id", command_id)
            .finish()
    }
}

impl From<&Submission> for StartRequest {
    /// The same run on another machine: without this one's folder and environment.
    fn from(submission: &Submission) -> Self {
        let Submission {
            workload,
            workload_path,
            params,
            command,
            name,
            cwd: _,
            env: _,
            overrides,
            resume,
            command_id,
        } = submission.clone();
        let (cwd, env) = (None, None);
        Self { workload, workload_path, params, command, name, cwd, env, overrides, resume, command_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_started_elsewhere_takes_nothing_of_this_machine_along() {
        let submission = Submission {
            workload: Some("othello".into()),
            cwd: "/home/ann".into(),
            env: vec![("TOKEN".into(), "s3cret".into())],
            ..Submission::default()
        };
        let text = serde_json::to_string(&StartRequest::from(&submission)).unwrap();
        assert_eq!(text, r#"{"workload":"othello","overrides":{}}"#);
    }
}
