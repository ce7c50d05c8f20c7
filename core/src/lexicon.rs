//! Every code that Resus shows, with its meaning: what `resus explain` tells, without a daemon.

mod exits;
mod phases;
mod problems;

use crate::codes::CLASSES;
use crate::event::Why;
use crate::exit::ExitCode;
use crate::phase::Phase;
use serde::Serialize;

pub use problems::PROBLEM_PREFIX;

/// What begins the codes that workloads define for themselves.
pub const APP_PREFIX: &str = "APP_";

/// The kinds of codes, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Why an attempt failed.
    Failure,
    /// Why something was decided.
    Reason,
    /// Where a run is.
    Phase,
    /// How a command ended.
    Exit,
    /// How the daemon refuses a request.
    Problem,
}

impl Group {
    /// Every group, in the order of listings.
    pub const ALL: [Self; 5] = [Self::Failure, Self::Reason, Self::Phase, Self::Exit, Self::Problem];

    /// The headline of the group.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Failure => "Failures of attempts",
            Self::Reason => "Reasons of decisions",
            Self::Phase => "Phases of a run",
            Self::Exit => "Exit codes of resus",
            Self::Problem => "Problems of requests",
        }
    }

    /// What stands before the code where the group has to be named: `exit 11`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Reason => "reason",
            Self::Phase => "phase",
            Self::Exit => "exit",
            Self::Problem => "problem",
        }
    }
}

/// One code and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What kind of code it is.
    pub group: Group,
    /// The code as it is shown, e.g. `CUDA_OOM` or `11`.
    pub code: String,
    /// What it means, as sentences.
    pub meaning: String,
    /// What usually causes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What Resus does about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Commands to type, `RUN` being the run.
    pub commands: Vec<String>,
}

impl Entry {
    fn new(group: Group, code: impl Into<String>, meaning: impl Into<String>) -> Self {
        let (code, meaning) = (code.into(), meaning.into());
        Self { group, code, meaning, cause: None, response: None, remedy: None, commands: Vec::new() }
    }

    fn with(mut self, remedy: &str, commands: &[&str]) -> Self {
        self.remedy = (!remedy.is_empty()).then(|| remedy.to_owned());
        self.commands = commands.iter().map(|&command| command.to_owned()).collect();
        self
    }
}

/// Every entry, group by group, each in the order of its table.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let failures = CLASSES.iter().map(|class| Entry {
        cause: Some(class.cause.to_owned()),
        response: Some(class.handling()),
        ..Entry::new(Group::Failure, class.code, class.advice).with(class.remedy, class.commands)
    });
    let reasons = Why::ALL.into_iter().map(|why| {
        let meaning = format!("{} It stands behind an event or an answer.", why.meaning());
        Entry::new(Group::Reason, why.code(), meaning).with("", &["resus why RUN", "resus events RUN"])
    });
    failures
        .chain(reasons)
        .chain(Phase::ALL.into_iter().map(phases::entry))
        .chain(phases::words())
        .chain(ExitCode::ALL.into_iter().map(exits::entry))
        .chain(problems::entries())
        .collect()
}

/// What was asked for, or what is near it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// These entries: a code may stand in more than one group.
    Entries(Vec<Entry>),
    /// A code that a workload defines.
    OfWorkload(String),
    /// Nothing.
    Nothing,
}

/// Looks up what somebody typed: `CUDA_OOM`, `cuda-oom`, `exit 11`, `11`, `phase running` or
/// `urn:resus:not-found`.
#[must_use]
pub fn look_up(words: &[String]) -> Found {
    let (group, text) = asked(words);
    let wanted = normal(&text);
    let found: Vec<Entry> = entries()
        .into_iter()
        .filter(|entry| group.is_none_or(|group| group == entry.group) && normal(&entry.code) == wanted)
        .collect();
    if !found.is_empty() {
        return Found::Entries(found);
    }
    let upper = wanted.to_uppercase().replace('-', "_");
    if group.is_none_or(|group| group == Group::Failure) && upper.starts_with(APP_PREFIX) {
        return Found::OfWorkload(upper);
    }
    Found::Nothing
}

/// The code that is meant, without the word of its group, in the form in which codes are compared.
#[must_use]
pub fn bare(words: &[String]) -> String {
    normal(&asked(words).1)
}

fn asked(words: &[String]) -> (Option<Group>, String) {
    if let [first, rest @ ..] = words
        && !rest.is_empty()
        && let Some(group) = Group::ALL.into_iter().find(|group| group.word() == first.to_lowercase())
    {
        // `exit code 11` as well as `exit 11`.
        let rest = rest.strip_prefix(["code".to_owned()].as_slice()).unwrap_or(rest);
        return (Some(group), rest.join("-"));
    }
    (None, words.join("-"))
}

/// The form in which codes are compared.
#[must_use]
pub fn normal(code: &str) -> String {
    let code = code.trim().to_lowercase().replace('_', "-");
    code.strip_prefix(PROBLEM_PREFIX).map(str::to_owned).unwrap_or(code)
}

#[cfg(test)]
mod tests;
