//! Workloads as they are listed, and what a submission would come to.

use crate::spec::{Contract, Resume};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The workloads that can be run by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WorkloadList {
    /// By name.
    pub workloads: Vec<WorkloadView>,
    /// Why some of the user's are not listed, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadView {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub origin: Origin,
    /// Absolute path of its folder, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// One sentence.
    #[serde(default)]
    pub summary: String,
    /// Program and first arguments, as the file has them.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Working folder, as the file has it; by default where the user is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// What its worker promises to say; none of one that is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
    /// Its parameters by name.
    #[serde(default)]
    pub params: BTreeMap<String, ParamView>,
    /// What exit codes of its own mean.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exit_codes: BTreeMap<u8, String>,
    /// Why it can't be run: everything that is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// Whose a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Part of the program.
    BuiltIn,
    /// In the folder of the user's workloads.
    User,
    /// Anywhere else, named by its path.
    Path,
}

/// A parameter of a workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParamView {
    /// Flag under which the worker takes it.
    pub flag: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: ParamKind,
    /// Smallest value of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest value of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The only texts that it takes; empty = any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The value that is handed in where none is given; without it the worker decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// One sentence.
    pub summary: String,
}

/// Kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamKind {
    /// A whole number.
    Integer,
    /// Any finite number.
    Number,
    /// Any text.
    Text,
    /// `true` gives the flag, `false` leaves it out.
    Switch,
}

impl ParamKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Integer, Self::Number, Self::Text, Self::Switch];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "text",
            Self::Switch => "switch",
        }
    }
}

/// What a submission would come to: the answer to a dry run. Nothing is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The kind of training.
    pub workload: String,
    /// What the run would be called.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Absolute working folder.
    pub cwd: String,
    /// How many variables the worker's environment would have, besides those of PULSE.
    pub env_count: usize,
    /// What its worker promises to say.
    pub contract: Contract,
    /// Where its attempts would begin.
    #[serde(default)]
    pub resume: Resume,
    /// Settings that differ from the defaults.
    pub settings: Vec<PlannedSetting>,
    /// What would probably not go well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A setting that differs from its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedSetting {
    /// Its key in the configuration, e.g. `retry.max`.
    pub key: String,
    /// Its value: times in milliseconds, shares in thousandths.
    pub value: Value,
    /// What it is by default.
    pub default: Value,
    /// Who says so.
    pub origin: SettingOrigin,
}

/// Who says what a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingOrigin {
    /// What was handed in.
    Submission,
    /// The daemon's configuration.
    Configuration,
}
