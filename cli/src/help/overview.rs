//! What `resus -h` shows: the commands in groups, in the order in which they are needed.

use super::COLUMNS;
use clap::Command;
use resus_core::exit::ExitCode;

/// Columns of the groups' names.
const GROUP_WIDTH: usize = 8;
/// Columns of the commands.
const COMMAND_WIDTH: usize = 17;

/// A line of the overview.
pub(super) struct Row {
    pub group: &'static str,
    /// Commands that are told in one breath.
    pub commands: &'static [&'static str],
    /// What they do; none = what the command says of itself.
    pub text: Option<&'static str>,
}

const fn one(group: &'static str, command: &'static [&'static str]) -> Row {
    Row { group, commands: command, text: None }
}

const fn two(group: &'static str, commands: &'static [&'static str], text: &'static str) -> Row {
    Row { group, commands, text: Some(text) }
}

/// The overview. What the command line does not have is not shown.
pub(super) const ROWS: &[Row] = &[
    one("Run", &["run"]),
    two("Run", &["retry", "rerun"], "Start an ended run again; or a new one like it"),
    one("Run", &["workload"]),
    one("Run", &["adopt"]),
    one("Look", &["ps"]),
    one("Look", &["status"]),
    one("Look", &["logs"]),
    one("Look", &["why"]),
    one("Look", &["events"]),
    one("Look", &["watch"]),
    two("Look", &["wait", "attach"], "Wait until a run ends; or watch it as `run` does"),
    two("Steer", &["pause", "resume"], "Halt runs, with their memory; let them go on"),
    one("Steer", &["checkpoint"]),
    one("Steer", &["restore"]),
    one("Steer", &["configure"]),
    two("Steer", &["stop", "kill"], "Stop runs with a checkpoint; or at once"),
    one("Keep", &["checkpoints"]),
    two("Keep", &["rm", "prune"], "Delete ended runs, or what is old of them"),
    one("Machine", &["daemon"]),
    one("Machine", &["doctor"]),
    one("Machine", &["config"]),
    two("Machine", &["context", "nats"], "Other machines' daemons; the way to the NATS server"),
    one("Learn", &["explain"]),
    two("Learn", &["completion", "man"], "Complete commands in your shell; manual pages"),
];

const EXAMPLES: &str = "Examples:
  resus run -- python train.py       # any command: watched, restarted, resumed
  resus run othello -d               # a built-in workload, in the background
  resus ps; resus logs -f @latest    # what runs, and what the newest run prints";

const MORE: &str = "RUN: a unique part of an id (4 or more), NAME, NAME@2, NAME@latest, @latest.
More: resus COMMAND -h, resus --help, resus explain CODE, docs/COMMANDS.md";

const ENVIRONMENT: &[(&str, &str)] = &[
    ("RESUS_CONFIG", "The user's settings, instead of ~/.config/resus/config.toml"),
    ("RESUS_CONTEXT", "The context, where no --context is given"),
    ("RESUS_NATS", "The NATS server, where no --nats is given"),
    ("RESUS_NATS_PASSWORD", "The password of --nats-user"),
    ("XDG_STATE_HOME", "Runs are kept in its resus [default: ~/.local/state]"),
    ("XDG_CONFIG_HOME", "Settings and contexts are in its resus [default: ~/.config]"),
    ("NO_COLOR", "If it is not empty, no colours unless --color always"),
    ("CLICOLOR_FORCE", "If it is neither empty nor 0, colours even into a pipe"),
    ("TERM", "'dumb': no colours, and no line that is written over"),
];

/// Files, for those who look for them.
const FILES: &[(&str, &str)] = &[
    ("~/.local/state/resus", "The ledger, the daemon's log, and a folder per run"),
    ("~/.config/resus/config.toml", "Your settings; 'resus config defaults' explains every key"),
    ("~/.config/resus/contexts", "Daemons of other machines, by name"),
];

/// The root of the command line, with the overview in place of the list of its commands.
pub(super) fn lay_out(root: Command) -> Command {
    let overview = overview(&root);
    let short = format!("{EXAMPLES}\n\n{MORE}");
    let long = format!(
        "{EXAMPLES}\n\n{MORE}\n\nExit codes:\n{}\n\nEnvironment:\n{}\n\nFiles:\n{}",
        exit_codes(),
        table(ENVIRONMENT.iter().copied()),
        table(FILES.iter().copied())
    );
    root.term_width(COLUMNS)
        .help_template(
            "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}",
        )
        .before_help(overview.clone())
        .before_long_help(overview)
        .after_help(short)
        .after_long_help(long)
        .override_usage("resus [OPTIONS] <COMMAND>")
}

/// The commands, a line each, behind the names of their groups.
fn overview(root: &Command) -> String {
    let mut text = String::new();
    let mut last = "";
    for row in ROWS {
        let commands: Vec<&str> =
            row.commands.iter().copied().filter(|name| root.find_subcommand(name).is_some()).collect();
        let Some(first) = commands.first() else { continue };
        let about = || {
            let command = root.find_subcommand(first)?;
            Some(command.get_about()?.to_string())
        };
        let says = match row.text.filter(|_| commands.len() == row.commands.len()) {
            Some(text) => text.to_owned(),
            None => about().unwrap_or_default(),
        };
        let group = if row.group == last { "" } else { row.group };
        last = row.group;
        text.push_str(&format!("{group:GROUP_WIDTH$}{:COMMAND_WIDTH$}{says}\n", commands.join(", ")));
    }
    text.pop();
    text
}

pub(super) fn exit_codes() -> String {
    let rows: Vec<(String, &str)> =
        ExitCode::ALL.into_iter().map(|exit| (exit.code().to_string(), exit.meaning())).collect();
    table(rows.iter().map(|(code, meaning)| (code.as_str(), *meaning)))
}

/// Two columns, indented.
fn table<'t>(rows: impl Iterator<Item = (&'t str, &'t str)> + Clone) -> String {
    let width = rows.clone().map(|(first, _)| first.chars().count()).max().unwrap_or(0);
    rows.map(|(first, second)| format!("  {first:width$}  {second}")).collect::<Vec<_>>().join("\n")
}

/// The environment and the files, for manual pages.
pub(super) fn surroundings() -> [(&'static str, &'static [(&'static str, &'static str)]); 2] {
    [("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)]
}
