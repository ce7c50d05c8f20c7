//! `docs/COMMANDS.md`, written from the command line itself.

use crate::golden;
use crate::help::tree::{Node, nodes};
use crate::help::{EVERYWHERE, Said, json, pages};
use clap::Arg;
use resus_core::exit::ExitCode;
use std::fmt::Write;

const HEAD: &str = "# Commands

Every command with its options and examples. This page is written from the command line itself
(`UPDATE=1 cargo test -p resus`); `resus COMMAND --help` and `resus man COMMAND` say the same.

With `--json` a command writes one document, or one object per line where it follows something; data goes to standard
output, what people are told to standard error. A failure is one object there, on standard error
([problem.json](schemas/problem.json)).

Colours are used on a terminal. `--color always` and `never` decide; else a `NO_COLOR` that is not empty turns them off,
then a `CLICOLOR_FORCE` that is neither empty nor `0` turns them on even into a pipe, then `TERM=dumb` turns them off.
A line that is written over is only used on a terminal that is not `dumb`.
";

#[test]
fn the_page_of_commands_is_what_the_command_line_is() {
    golden::check_document("docs/COMMANDS.md", &document(&nodes()));
}

fn document(nodes: &[Node]) -> String {
    let mut text = HEAD.to_owned();
    let root = &nodes[0];
    text.push_str("\n## Options of every command\n\n");
    text.push_str(&options(root.command.get_arguments().filter(|argument| argument.is_global_set())));
    text.push_str("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n");
    for exit in ExitCode::ALL {
        let _ = writeln!(text, "| {} | {} |", exit.code(), exit.meaning());
    }
    text.push_str("\n`resus explain exit CODE` says what to do about one.\n");
    for node in &nodes[1..] {
        text.push_str(&section(node));
    }
    text
}

fn section(node: &Node) -> String {
    let level = "#".repeat(2 + node.path.matches(' ').count());
    let about = node.command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = node.command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let mut text = format!("\n{level} resus {}\n\n{about}.\n\n```text\n{usage}\n```\n", node.path);
    for below in pages::visible(&node.command) {
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        let at = if text.ends_with("```\n") { "\n" } else { "" };
        let _ = writeln!(text, "{at}- `{} {}`: {about}", node.path, below.get_name());
    }
    let own = options(node.command.get_arguments().filter(|argument| !argument.is_global_set()));
    if !own.is_empty() {
        let _ = write!(text, "\n{own}");
    }
    let long = node.command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let said = Said::of(&long);
    let json = json::of(&node.path).map(|form| format!("With --json: {}", form.text()));
    let is_json =
        |paragraph: &&String| json.as_ref().is_some_and(|json| paragraph.starts_with(json.as_str()));
    let prose = said.details.iter().chain(&said.remarks).filter(|paragraph| !is_json(paragraph));
    for paragraph in prose.filter(|paragraph| *paragraph != EVERYWHERE) {
        let _ = write!(text, "\n{}\n", markdown(paragraph));
    }
    if let Some(form) = json::of(&node.path) {
        let link = form.schema().map(|path| {
            let path = path.trim_start_matches("docs/").to_owned();
            format!(" ([{path}]({path}))")
        });
        let _ = write!(text, "\nWith `--json`: {}{}.\n", form.what(), link.unwrap_or_default());
    }
    let examples: Vec<&str> = said.lines().collect();
    if !examples.is_empty() {
        let _ = write!(text, "\n```console\n{}\n```\n", examples.join("\n"));
    }
    text
}

/// One line for each argument.
fn options<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = String::new();
    for argument in arguments.filter(|argument| !argument.is_hide_set() && argument.get_id() != "help") {
        let help =
            argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let help = help.replacen("\n\n", ". ", 1).split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "- `{}`: {}", head(argument), markdown(&help));
    }
    text
}

fn head(argument: &Arg) -> String {
    let takes = argument.get_action().takes_values();
    let value = argument
        .get_value_names()
        .map(|names| names.join(" "))
        .unwrap_or_else(|| argument.get_id().as_str().to_uppercase());
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    match (names.is_empty(), takes) {
        (true, _) => value,
        (false, true) => format!("{} {value}", names.join(", ")),
        (false, false) => names.join(", "),
    }
}

/// Plain text, so that markdown takes nothing in it for its own.
fn markdown(text: &str) -> String {
    text.replace('<', "\\<").replace('*', "\\*").replace('_', "\\_").replace('|', "\\|")
}
