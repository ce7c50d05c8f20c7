//! The same once more: a new run of an old one's spec.

use crate::ids::CommandId;
use crate::policy::Overrides;
use crate::secret::names_of;
use crate::view::RunView;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A wish for a new run of the spec of an old one. What is left out is as it was recorded.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RerunBody {
    /// What to call the new run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Parameters of the workload that are to be others, as text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// A complete environment in place of the recorded one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<(String, String)>>,
    /// Variables that are set in it, last.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set_env: BTreeMap<String, String>,
    /// Variables that are taken out of it, before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset_env: Vec<String>,
    /// Settings that are to be others.
    pub overrides: Overrides,
    /// The same id again finds the run that it created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// Only say what it would do.
    #[serde(skip_serializing_if = "super::is_false")]
    pub dry_run: bool,
}

impl fmt::Debug for RerunBody {
    /// Without what may be secret: of environments and parameters the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, params, env, set_env, unset_env, overrides, command_id, dry_run } = self;
        f.debug_struct("RerunBody")
            .field("name", name)
            .field("params", &params.keys())
            .field("env", &env.as_deref().map(names_of))
            .field("set_env", &set_env.keys())
            .field("unset_env", unset_env)
            .field("overrides", overrides)
            .field("command_id", command_id)
            .field("dry_run", dry_run)
            .finish()
    }
}

/// `rerun`: a new run of the spec of an old one, recorded environment and all. A fresh environment
/// is the small one of the daemon's, as for `start`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RerunRequest {
    /// The run, as people type it.
    pub run: String,
    /// What to call the new run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Parameters of the workload that are to be others, as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// The daemon's own environment in place of the recorded one.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub fresh_env: bool,
    /// Variables that are set in it, where the daemon's operator allows it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_env: BTreeMap<String, String>,
    /// Variables that are taken out of it, where the daemon's operator allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset_env: Vec<String>,
    /// Settings that are to be others.
    #[serde(default)]
    pub overrides: Overrides,
    /// The same id again finds the run that it created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// Only say what it would do.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub dry_run: bool,
}

impl fmt::Debug for RerunRequest {
    /// Without what may be secret: of variables and parameters the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, name, params, fresh_env, set_env, unset_env, overrides, command_id, dry_run } = self;
        f.debug_struct("RerunRequest")
            .field("run", run)
            .field("name", name)
            .field("params", &params.keys())
            .field("fresh_env", fresh_env)
            .field("set_env", &set_env.keys())
            .field("unset_env", unset_env)
            .field("overrides", overrides)
            .field("command_id", command_id)
            .field("dry_run", dry_run)
            .finish()
    }
}

impl RerunRequest {
    /// `body` for `run` on another machine, whose own environment is the fresh one there.
    #[must_use]
    pub fn of(run: &str, body: RerunBody) -> Self {
        let RerunBody { name, params, env, set_env, unset_env, overrides, command_id, dry_run } = body;
        let (run, fresh_env) = (run.to_owned(), env.is_some());
        Self { run, name, params, fresh_env, set_env, unset_env, overrides, command_id, dry_run }
    }
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RerunReply {
    /// The run whose spec it is.
    pub of: String,
    /// The new run; none if only what it would be was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunView>,
    /// What it is called.
    pub name: String,
    /// Kind of training.
    pub workload: String,
    /// Program and arguments, with secrets masked.
    pub argv: Vec<String>,
    /// Working folder.
    pub cwd: String,
    /// How its environment differs from the recorded one.
    pub env: EnvChanges,
}

/// How one environment differs from another: names only, for values may be secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvChanges {
    /// Not there before.
    pub added: Vec<String>,
    /// Not there any more.
    pub removed: Vec<String>,
    /// With another value.
    pub changed: Vec<String>,
}

impl EnvChanges {
    /// How `after` differs from `before`; each part by name.
    #[must_use]
    pub fn between(before: &[(String, String)], after: &[(String, String)]) -> Self {
        // Of a name that is there twice the last value is the one a process sees here.
        let map = |env: &[(String, String)]| env.iter().cloned().collect::<BTreeMap<_, _>>();
        let (before, after) = (map(before), map(after));
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let mut changes = Self::default();
        for name in names {
            let list = match (before.get(name), after.get(name)) {
                (None, Some(_)) => &mut changes.added,
                (Some(_), None) => &mut changes.removed,
                (Some(old), Some(new)) if old != new => &mut changes.changed,
                (Some(_), Some(_)) | (None, None) => continue,
            };
            list.push(name.clone());
        }
        changes
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_that_is_logged_tells_names_alone() {
        let pair = || BTreeMap::from([("NAME".to_owned(), "s3cret".to_owned())]);
        let body = RerunBody {
            params: pair(),
            env: Some(pair().into_iter().collect()),
            set_env: pair(),
            ..RerunBody::default()
        };
        for said in [format!("{body:?}"), format!("{:?}", RerunRequest::of("r", body))] {
            assert!(said.contains("NAME") && !said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn environments_are_compared_by_name_and_no_value_is_told() {
        let env = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let before = env(&[("PATH", "/bin"), ("TOKEN", "s3cret"), ("LR", "1"), ("LR", "2")]);
        let after = env(&[("LR", "2"), ("PATH", "/usr/bin"), ("NEW", "x")]);
        let changes = EnvChanges::between(&before, &after);
        let expected = r#"{"added":["NEW"],"removed":["TOKEN"],"changed":["PATH"]}"#;
        assert_eq!(serde_json::to_string(&changes).unwrap(), expected);
        assert!(EnvChanges::between(&before, &before).is_empty() && !changes.is_empty());
    }
}
