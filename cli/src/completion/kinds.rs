//! Which argument takes what. An argument is known by its name, wherever it occurs: a command that
//! takes a RUN completes runs.

use super::live::{Live, Which};
use crate::contexts;
use crate::settings::keys;
use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use resus_core::lexicon;
use resus_core::pulse::v2::EventType;
use resus_core::text::{is_hidden, one_line};
use std::ffi::OsStr;
use std::sync::Arc;

/// Longest text beside a candidate.
const HELP_BYTES_MAX: usize = 256;

/// What can stand for an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A run.
    Run,
    /// A run, or a file.
    RunOrFile,
    /// A checkpoint of the run that is named before.
    Checkpoint,
    /// A workload.
    Workload,
    /// A setting of a run, or a parameter of the workload that is named before.
    Setting,
    /// A setting or a section of settings.
    KeyOrSection,
    /// The name of a run.
    RunName,
    /// A context.
    Context,
    /// A type of event.
    EventType,
    /// What can be explained.
    Code,
    /// A command.
    Command,
    /// A phase, or what can be waited for.
    Phase,
}

/// `command` with what can stand for the arguments of all commands below it.
pub(super) fn attach(command: Command, live: &Arc<Live>) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let root = Arc::new(verbs(&command));
    names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |below| of_command(below, name, live, &root))
    })
}

fn of_command(mut command: Command, verb: &str, live: &Arc<Live>, verbs: &Arc<Vec<Vec<String>>>) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for name in &names {
        command = command.mut_subcommand(name, |below| of_command(below, verb, live, verbs));
    }
    let verb = verb.to_owned();
    command.mut_args(|argument| {
        let Some(kind) = kind(&verb, &argument) else { return argument };
        let (live, verbs, which) = (Arc::clone(live), Arc::clone(verbs), Which::of(&verb));
        argument.add(ArgValueCompleter::new(move |typed: &OsStr| {
            let mut found = found(kind, which, &live, &verbs);
            let typed_text = typed.to_string_lossy();
            found
                .retain(|candidate| candidate.get_value().to_string_lossy().starts_with(typed_text.as_ref()));
            // A bare word is a name; the files of a folder are offered to who begins a path.
            let is_path = typed_text.contains(['/', '.']);
            if kind == Kind::RunOrFile || (kind == Kind::Workload && is_path) {
                found.extend(PathCompleter::any().complete(typed));
            }
            harmless(&mut found);
            found
        }))
    })
}

/// Leaves out what a terminal would obey, or nobody see, and makes it visible in the help.
pub(super) fn harmless(found: &mut Vec<CompletionCandidate>) {
    found.retain(|candidate| !candidate.get_value().to_string_lossy().chars().any(is_hidden));
    let shown = std::mem::take(found).into_iter().map(|candidate| {
        let help = candidate.get_help().map(ToString::to_string);
        match help.filter(|help| help.chars().any(is_hidden)) {
            Some(help) => candidate.help(Some(one_line(&help, HELP_BYTES_MAX).into())),
            None => candidate,
        }
    });
    found.extend(shown);
}

fn kind(verb: &str, argument: &Arg) -> Option<Kind> {
    let takes = |name: &str| {
        argument.get_value_names().is_some_and(|names| names.iter().any(|known| known.as_str() == name))
    };
    match argument.get_id().as_str() {
        "run" | "runs" => Some(Kind::Run),
        "checkpoint" if argument.is_positional() => Some(Kind::Checkpoint),
        "workload" => Some(Kind::Workload),
        "set" => Some(Kind::Setting),
        "names" if verb == "config" => Some(Kind::KeyOrSection),
        "name" if verb == "prune" => Some(Kind::RunName),
        "types" => Some(Kind::EventType),
        "code" if verb == "explain" => Some(Kind::Code),
        "command" if verb == "man" => Some(Kind::Command),
        "name" if verb == "context" => Some(Kind::Context),
        "what" | "path" | "a" | "b" | "from" if verb == "checkpoints" => Some(Kind::RunOrFile),
        "for" | "until" if verb == "wait" => Some(Kind::Phase),
        _ if takes("RUN") => Some(Kind::Run),
        _ if takes("WORKLOAD") => Some(Kind::Workload),
        _ => None,
    }
}

fn found(kind: Kind, which: Which, live: &Live, verbs: &[Vec<String>]) -> Vec<CompletionCandidate> {
    let plain = |names: Vec<String>| names.into_iter().map(CompletionCandidate::new).collect();
    match kind {
        Kind::Run | Kind::RunOrFile => live.runs(which),
        Kind::Checkpoint => live.checkpoints(),
        Kind::Workload => live.workloads(),
        Kind::Setting => live.settings(),
        Kind::KeyOrSection => keys::names_and_sections().map(CompletionCandidate::new).collect(),
        Kind::RunName => live.run_names(Which::Ended),
        Kind::Context => plain(contexts::names().unwrap_or_default()),
        Kind::EventType => plain(EventType::ALL.map(word).to_vec()),
        Kind::Code => lexicon::entries()
            .into_iter()
            .map(|entry| CompletionCandidate::new(entry.code).help(Some(entry.meaning.into())))
            .collect(),
        Kind::Command => {
            let above = live.words_behind("man");
            let next = verbs.iter().filter_map(|path| path.strip_prefix(above)?.first().cloned());
            plain(next.collect())
        }
        Kind::Phase => {
            let phases = resus_core::phase::Phase::ALL.map(|phase| phase.as_str().to_owned());
            let mut names = phases.to_vec();
            names.dedup();
            plain(names)
        }
    }
}

fn word(kind: EventType) -> String {
    serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The names of every command below `command`.
fn verbs(command: &Command) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for below in crate::help::pages::visible(command) {
        paths.push(vec![below.get_name().to_owned()]);
        paths.extend(verbs(below).into_iter().map(|path| {
            let mut whole = vec![below.get_name().to_owned()];
            whole.extend(path);
            whole
        }));
    }
    paths
}
