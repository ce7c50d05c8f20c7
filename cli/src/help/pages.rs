//! Manual pages: the same texts as `--help`, as roff.

use super::{EXAMPLES, Said, overview};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use resus_core::exit::ExitCode;
use std::io;

/// What the pages call the manual.
const MANUAL: &str = "Resus manual";
/// Sections 1: commands.
const SECTION: &str = "1";

/// A page and the file it belongs into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManualPage {
    /// E.g. `resus-run.1`.
    pub file: String,
    /// As roff.
    pub text: String,
}

/// The page of the command with these names, none being `resus` itself; `None` if there is no such
/// command.
///
/// # Errors
/// None in practice: pages are written into memory.
pub(crate) fn page(names: &[String]) -> io::Result<Option<ManualPage>> {
    let root = built();
    let mut command = &root;
    for name in names {
        match command.find_subcommand(name) {
            Some(found) => command = found,
            None => return Ok(None),
        }
    }
    let name = std::iter::once("resus").chain(names.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    write(command, &name).map(Some)
}

/// Every page, parents before their children.
///
/// # Errors
/// None in practice: pages are written into memory.
pub(crate) fn pages() -> io::Result<Vec<ManualPage>> {
    let mut pages = Vec::new();
    collect(&built(), "resus", &mut pages)?;
    Ok(pages)
}

fn built() -> Command {
    let mut root = super::command().disable_help_subcommand(true);
    root.build();
    root
}

fn collect(command: &Command, name: &str, pages: &mut Vec<ManualPage>) -> io::Result<()> {
    pages.push(write(command, name)?);
    for below in visible(command) {
        collect(below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

/// The commands below `command` that people are told of.
pub(crate) fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
}

fn write(command: &Command, name: &str) -> io::Result<ManualPage> {
    let is_first = name == "resus";
    let source = format!("resus {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(bare(command, is_first)).title(name).section(SECTION).source(source).manual(MANUAL);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    let mut roff = Roff::default();
    below(command, name, &mut roff);
    extra(command, &mut roff);
    // Exit codes and surroundings are the same for all: they stand on the first page.
    if is_first {
        exit_status(&mut roff);
        for (section, rows) in overview::surroundings() {
            heads(section, rows, &mut roff);
        }
    } else {
        roff.control("SH", ["EXIT STATUS"]);
        roff.text([bold("resus"), roman("(1) lists all exit codes, and the options of every command.")]);
        see_also(name, &mut roff);
    }
    roff.to_writer(&mut text)?;
    Ok(ManualPage { file: format!("{name}.{SECTION}"), text: String::from_utf8_lossy(&text).into_owned() })
}

/// `command` without what is told on the first page, if it is not that: the options of all commands.
fn bare(command: &Command, is_first: bool) -> Command {
    let bare = command.clone().before_help(None::<&str>).before_long_help(None::<&str>);
    bare.mut_args(|argument| {
        let is_told = is_first || !argument.is_global_set();
        // What is only left out of -h has no description on a page otherwise.
        argument.hide_short_help(false).hide(!is_told)
    })
}

fn below(command: &Command, name: &str, roff: &mut Roff) {
    let mut rows = visible(command).peekable();
    if rows.peek().is_none() {
        return;
    }
    roff.control("SH", ["COMMANDS"]);
    for row in rows {
        roff.control("TP", []);
        roff.text([bold(format!("{name}-{}", row.get_name())), roman("(1)")]);
        roff.text([roman(row.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
}

/// What stands behind the options: details, then examples.
fn extra(command: &Command, roff: &mut Roff) {
    let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    // The first page has tables of its own behind the examples.
    let text = text.split("\n\nExit codes:").next().unwrap_or_default().to_owned();
    let said = Said::of(&text);
    if !said.details.is_empty() || !said.remarks.is_empty() {
        roff.control("SH", ["DETAILS"]);
        for (at, paragraph) in said.details.iter().chain(&said.remarks).enumerate() {
            if at > 0 {
                roff.control("PP", []);
            }
            roff.text([roman(paragraph)]);
        }
    }
    if let Some(examples) = &said.examples {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in examples.lines().filter(|line| *line != EXAMPLES) {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for exit in ExitCode::ALL {
        roff.control("TP", []);
        roff.text([bold(exit.code().to_string())]);
        roff.text([roman(exit.meaning())]);
    }
}

fn heads(section: &str, rows: &[(&str, &str)], roff: &mut Roff) {
    roff.control("SH", [section]);
    for (head, text) in rows {
        roff.control("TP", []);
        roff.text([bold(*head)]);
        roff.text([roman(*text)]);
    }
}

/// The page above, and the first.
fn see_also(name: &str, roff: &mut Roff) {
    let above = name.rsplit_once('-').map_or("resus", |(above, _)| above);
    roff.control("SH", ["SEE ALSO"]);
    let mut text = vec![bold("resus"), roman("(1)")];
    if above != "resus" {
        text.extend([roman(", "), bold(above), roman("(1)")]);
    }
    roff.text(text);
}
