//! What there is at this moment: runs, checkpoints, workloads. Asked when it is needed, once.

use crate::args::Global;
use crate::help;
use crate::render::parts::{said, short};
use crate::render::summary::outcome;
use crate::settings;
use crate::target::{CONTEXT_VAR, NATS_VAR, Scope, Target};
use crate::workloads::{is_path, registry, whole_path};
use clap::FromArgMatches;
use clap_complete::engine::CompletionCandidate;
use resus_actors::workload::Asked;
use resus_core::api::WorkloadView;
use resus_core::view::RunView;
use resus_store::StateDir;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::future::Future;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// Longest time that a daemon is waited for: somebody has pressed a key and looks.
const BUDGET: Duration = Duration::from_millis(80);
/// Most runs that are offered.
const RUNS_MAX: usize = 100;

/// Which runs make sense to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All.
    All,
    /// Those that live.
    Living,
    /// Those that have ended.
    Ended,
    /// Those that are paused, or are about to be.
    Paused,
}

impl Which {
    /// Those of a verb.
    pub(super) fn of(verb: &str) -> Self {
        match verb {
            "stop" | "kill" | "pause" | "checkpoint" | "configure" | "wait" | "attach" => Self::Living,
            "rm" | "prune" | "retry" => Self::Ended,
            "resume" => Self::Paused,
            _ => Self::All,
        }
    }

    fn takes(self, run: &RunView) -> bool {
        match self {
            Self::All => true,
            Self::Living => outcome(run).is_none(),
            Self::Ended => outcome(run).is_some(),
            Self::Paused => matches!(run.phase.as_str(), "paused" | "pausing"),
        }
    }
}

/// The line, and what it was found to be about.
#[derive(Debug)]
pub(super) struct Live {
    words: Vec<String>,
    runs: OnceLock<Vec<RunView>>,
}

impl Live {
    pub(super) fn new(words: &[OsString]) -> Self {
        let words = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Self { words, runs: OnceLock::new() }
    }

    /// The words between `verb` and the one that is completed.
    pub(super) fn words_behind(&self, verb: &str) -> &[String] {
        let end = self.words.len().saturating_sub(1);
        let begin = self.words.iter().position(|word| word == verb).map_or(end, |at| at + 1);
        self.words.get(begin..end).unwrap_or_default()
    }

    /// All runs.
    fn all(&self) -> &[RunView] {
        self.runs.get_or_init(|| {
            self.asked(|client| async move { client.runs().await.map(|list| list.runs).ok() })
                .unwrap_or_default()
        })
    }

    /// What runs are called.
    pub(super) fn run_names(&self, which: Which) -> Vec<CompletionCandidate> {
        let names: BTreeSet<_> =
            self.all().iter().filter(|run| which.takes(run)).map(|run| run.name.as_str()).collect();
        names.into_iter().map(CompletionCandidate::new).collect()
    }

    /// Runs by name and by id.
    pub(super) fn runs(&self, which: Which) -> Vec<CompletionCandidate> {
        let all = self.all();
        // 'rm --force' kills those that live.
        let is_forced = self.has("rm") && (self.has("--force") || self.has("-f"));
        let which = if is_forced { Which::All } else { which };
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        for run in all {
            *by_name.entry(&run.name).or_default() += 1;
        }
        let mut found = Vec::new();
        let mut named = BTreeSet::new();
        for run in all.iter().filter(|run| which.takes(run)).take(RUNS_MAX) {
            let help = format!("{} {}", run.name, run.phase);
            if named.insert(&run.name) {
                // A name that many runs have means none of them.
                let name = match by_name.get(run.name.as_str()) {
                    Some(1) => run.name.clone(),
                    Some(_) | None => format!("{}@latest", run.name),
                };
                found.push(CompletionCandidate::new(name).help(Some(help.clone().into())));
            }
            found.push(CompletionCandidate::new(short(&run.run_id)).help(Some(help.into())));
        }
        if !found.is_empty() {
            found.push(CompletionCandidate::new("@latest").help(Some("the newest run".into())));
        }
        found
    }

    /// Checkpoints of the run that is named before the word that is completed.
    pub(super) fn checkpoints(&self) -> Vec<CompletionCandidate> {
        let before = self.words.len().checked_sub(2).and_then(|at| self.words.get(at));
        let Some(run) = before.filter(|word| !word.starts_with('-')).cloned() else { return Vec::new() };
        let list = self
            .asked(|client| async move { client.checkpoints(&run).await.ok() })
            .map(|list| list.checkpoints)
            .unwrap_or_default();
        let mut found: Vec<_> =
            list.into_iter().map(|view| CompletionCandidate::new(view.checkpoint.checkpoint_id)).collect();
        if !found.is_empty() {
            found.push(CompletionCandidate::new("latest"));
        }
        found
    }

    /// The built-in workloads and the user's: those that can be run, or all if it is for a look.
    pub(super) fn workloads(&self) -> Vec<CompletionCandidate> {
        let is_look = self.has("check") || self.has("show");
        let wanted = known().into_iter().filter(|view| is_look || view.faults.is_empty());
        wanted
            .map(|view| CompletionCandidate::new(view.name).help(Some(said(&view.summary).into())))
            .collect()
    }

    /// Whether `word` stands on the line.
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|other| other == word)
    }

    /// Workloads on the line: by name, by path, or, of 'rerun', as that of the run.
    fn workloads_on_line(&self) -> Vec<WorkloadView> {
        let by_path = || {
            let path = self.words.iter().skip(1).find(|word| is_path(word) && Path::new(word).exists())?;
            let path = whole_path(path).ok()?;
            registry().ok()?.view(Asked::Path(Path::new(&path))).ok()
        };
        if self.has("rerun") {
            let run = self.words_behind("rerun").iter().find(|word| !word.starts_with('-')).cloned();
            let asked = run.and_then(|run| {
                self.asked(|client| async move { client.run(&run).await.ok().map(|(view, _)| view.workload) })
            });
            return known().into_iter().filter(|view| asked.as_ref() == Some(&view.name)).collect();
        }
        if !self.has("run") {
            return Vec::new();
        }
        known().into_iter().filter(|view| self.has(&view.name)).chain(by_path()).collect()
    }

    /// Settings of a run, and parameters of the workload on the line.
    pub(super) fn settings(&self) -> Vec<CompletionCandidate> {
        let mut found: Vec<_> = settings::keys::names_of_runs()
            .map(|name| CompletionCandidate::new(format!("{name}=")))
            .collect();
        for (name, parameter) in self.workloads_on_line().into_iter().flat_map(|view| view.params) {
            let candidate = CompletionCandidate::new(format!("{name}="));
            found.push(candidate.help(Some(said(&parameter.summary).into())));
        }
        found
    }

    /// What the daemon that the line is about answers in time.
    fn asked<T, F>(&self, question: impl FnOnce(crate::client::Client) -> F) -> Option<T>
    where
        F: Future<Output = Option<T>>,
    {
        let target = self.target()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(async { tokio::time::timeout(BUDGET, question(target.client())).await.ok()? })
    }

    /// The daemon that the line is about. Where no state folder is, none is made.
    fn target(&self) -> Option<Target> {
        let mut command = help::command().ignore_errors(true);
        let words = self.words.split_last().map_or(&[][..], |(_, before)| before);
        let matches = command.try_get_matches_from_mut(words).ok()?;
        let global = Global::from_arg_matches(&matches).ok()?;
        let is_far = global.nats.is_some()
            || global.context.is_some()
            || env::var_os(NATS_VAR).is_some()
            || env::var_os(CONTEXT_VAR).is_some()
            || crate::contexts::in_use().is_ok_and(|name| name.is_some());
        let folder = global.state_dir.clone().or_else(|| StateDir::default_path().ok());
        if !is_far && !folder?.exists() {
            return None;
        }
        Target::of(&global, Scope::Anywhere).ok()
    }
}

/// The workloads as this process sees them.
fn known() -> Vec<WorkloadView> {
    registry().map(|registry| registry.list().workloads).unwrap_or_default()
}
