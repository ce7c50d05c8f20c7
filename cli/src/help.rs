//! The command line as people read it: the derived definition, laid out. Everything that shows or
//! parses the command line begins here: `-h`, the manual pages, completion, `docs/COMMANDS.md`.
//!
//! The text behind a command's options (`after_help`) is paragraphs. Those before `Examples:` are
//! for `--help`; the examples, and what stands behind them, are for `-h` as well.

mod json;
mod overview;
pub(crate) mod pages;

use crate::args::Cli;
use clap::{Command, CommandFactory, FromArgMatches};
use std::ffi::OsString;

/// What a screen has.
pub(crate) const COLUMNS: usize = 80;
/// What begins the paragraph of examples.
pub(crate) const EXAMPLES: &str = "Examples:";
/// What stands below every short help of a command.
const EVERYWHERE: &str = "More: --help; everywhere: --json --color --state-dir --nats --context";

/// Reads the command line.
///
/// # Errors
/// Help and version, too: they are told like refusals.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// The command line, laid out.
pub(crate) fn command() -> Command {
    let mut root = Cli::command();
    let names: Vec<String> = root.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in &names {
        root = root.mut_subcommand(name, |command| laid_out(command, name));
    }
    overview::lay_out(root)
}

/// `command`, whose names from the first verb on are `path`, with all below it.
fn laid_out(mut command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in &names {
        command = command.mut_subcommand(name, |below| laid_out(below, &format!("{path} {name}")));
    }
    let said = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let said = Said::of(&said);
    let json = json::of(path).map(|form| format!("With --json: {}.", form.text()));
    let long: Vec<&str> = said
        .details
        .iter()
        .chain(&said.remarks)
        .chain(&json)
        .map(String::as_str)
        .chain(said.examples.as_deref())
        .collect();
    let short: Vec<&str> =
        said.examples.iter().chain(&said.remarks).map(String::as_str).chain([EVERYWHERE]).collect();
    let (long, short) = (long.join("\n\n"), short.join("\n\n"));
    command.term_width(COLUMNS).after_help(short).after_long_help(long)
}

/// The paragraphs behind the options of a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Those before the examples.
    pub details: Vec<String>,
    /// The paragraph of examples, its head included.
    pub examples: Option<String>,
    /// Those behind them.
    pub remarks: Vec<String>,
}

impl Said {
    /// The paragraphs of `text`, prose without the ends of its lines: it is laid out anew.
    pub(crate) fn of(text: &str) -> Self {
        let mut said = Self::default();
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            if paragraph.starts_with(EXAMPLES) {
                said.examples = Some(paragraph.to_owned());
            } else if said.examples.is_none() {
                said.details.push(flowing(paragraph));
            } else {
                said.remarks.push(flowing(paragraph));
            }
        }
        said
    }

    /// The examples, one per line, as they are typed.
    #[cfg(test)]
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.examples.iter().flat_map(|text| text.lines().skip(1)).map(str::trim)
    }
}

/// A paragraph on one line, unless its lines are a table.
fn flowing(paragraph: &str) -> String {
    match paragraph.lines().any(|line| line.starts_with(' ')) {
        true => paragraph.to_owned(),
        false => paragraph.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
pub(crate) mod tree;

#[cfg(test)]
mod tests;
