//! What a command writes to: standard output for data, standard error for people.
//!
//! Nothing else of the command line writes to them (a tidy test sees to that), so that whatever a
//! worker, a file or another machine says comes through the [`gate`].

pub(crate) mod gate;

use crate::error::CliError;
use crate::output::terminal::Harmless;
use crate::render::page::Page;
use crate::text::paint::{Colour, Paint};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use resus_core::text::visible_json;
use rustix::termios::tcgetwinsize;
use serde::Serialize;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always.
    Always,
}

/// Columns of a terminal that does not say how many it has.
const WIDTH_DEFAULT: usize = 80;
/// Everything below the cursor away.
const CLEAR_BELOW: &str = "\x1b[J";
/// Lines of one that does not say.
const HEIGHT_DEFAULT: usize = 24;

/// The two streams of a command, and what each can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    /// One JSON document instead of text.
    pub json: bool,
    /// Standard output is a terminal.
    pub out_is_terminal: bool,
    /// Standard output is a terminal that understands escape sequences.
    pub out_is_live: bool,
    /// Standard error is a terminal.
    pub err_is_terminal: bool,
    /// Standard error is a terminal that understands escape sequences.
    pub err_is_live: bool,
    /// Colours of standard output.
    pub out_paint: Paint,
    /// Colours of standard error.
    pub err_paint: Paint,
}

impl Console {
    /// The console of this process.
    pub(crate) fn of_process(json: bool, choice: ColourChoice) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let forced = env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
        let paint = |terminal| Paint(coloured(choice, Surroundings { terminal, dumb, no_colour, forced }));
        Self {
            json,
            out_is_terminal: out,
            out_is_live: out && !dumb,
            err_is_terminal: err,
            err_is_live: err && !dumb,
            out_paint: paint(out),
            err_paint: paint(err),
        }
    }

    /// Writes `text` to standard output; of what a terminal would obey, only our own colours.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(crate) fn out(&self, text: &str) -> Result<(), CliError> {
        self.out_bytes(gate::pass(text).as_bytes())
    }

    /// Writes `text` to standard output, a terminal, in the place of the last `up` lines and of
    /// everything below them. The movement is our own; what is drawn passes the gate.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(crate) fn redraw(&self, up: usize, text: &str) -> Result<(), CliError> {
        let back = if up > 0 { format!("\x1b[{up}A\r") } else { String::new() };
        // One write, so that nobody ever sees half of it.
        self.out_bytes(format!("{back}{CLEAR_BELOW}{}", gate::pass(text)).as_bytes())
    }

    /// Writes what a worker printed to a terminal.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(crate) fn out_harmless(&self, text: &Harmless) -> Result<(), CliError> {
        self.out_bytes(text.as_str().as_bytes())
    }

    /// Writes `bytes` as they are to standard output, which must be no terminal.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(crate) fn out_bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        #[cfg(test)]
        if capture::out(bytes) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(CliError::Output)
    }

    /// Writes a document to standard output, on one line. On a terminal whatever is hidden in it
    /// is escaped, beyond what JSON asks for.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(crate) fn out_json<T: Serialize>(&self, value: &T) -> Result<(), CliError> {
        let mut line = serde_json::to_string(value).map_err(|error| CliError::Output(error.into()))?;
        if self.out_is_terminal {
            line = visible_json(&line);
        }
        line.push('\n');
        self.out_bytes(line.as_bytes())
    }

    /// Hands `candidates`, one a line, to the shell that has asked for them.
    pub(crate) fn hand_out(candidates: &str) {
        let text = gate::candidates(candidates);
        let mut out = io::stdout().lock();
        // Nobody can be told that this failed, so nobody is.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Tells people something. Nobody can be told that this failed, so nobody is.
    pub(crate) fn tell(&self, text: &str) {
        say(&gate::pass(text));
    }

    /// The same as a document on one line, for programs.
    pub(crate) fn tell_json<T: Serialize>(&self, value: &T) {
        let line = serde_json::to_string(value).unwrap_or_default();
        say(&format!("{}\n", visible_json(&line)));
    }

    /// Columns of the terminal that standard error is; no limit where it is none.
    pub(crate) fn err_width(&self) -> usize {
        columns(io::stderr())
    }

    /// Columns that a table on standard output may take; no limit where nobody sees its lines
    /// wrap.
    pub(crate) fn out_width(&self) -> usize {
        columns(io::stdout())
    }

    /// Lines of the terminal that standard output is; no limit where it is none.
    pub(crate) fn out_height(&self) -> usize {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_row > 0 => usize::from(size.ws_row),
            Ok(_) => HEIGHT_DEFAULT,
            Err(_) => usize::MAX,
        }
    }

    /// What standard output is to somebody who reads it.
    pub(crate) fn out_page(&self) -> Page {
        #[cfg(test)]
        if capture::is_on() {
            let (paint, columns) = (self.out_paint, WIDTH_DEFAULT);
            return Page { paint, columns, home: None, zone: TimeZone::UTC };
        }
        let home = env::var("HOME").ok().filter(|_| self.out_is_terminal);
        Page { paint: self.out_paint, columns: self.out_width(), home, zone: TimeZone::system() }
    }

    /// What standard error is to somebody who reads it.
    pub(crate) fn err_page(&self) -> Page {
        // Nothing with a time or a path of its own is written there.
        Page { paint: self.err_paint, columns: self.err_width(), home: None, zone: TimeZone::UTC }
    }
}

fn say(text: &str) {
    #[cfg(test)]
    if capture::err(text.as_bytes()) {
        return;
    }
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Help and what is wrong with arguments, as clap puts it. The arguments are quoted in it, and may
/// come from anywhere.
/// `next` is what was probably meant.
pub(crate) fn print_usage(error: &clap::Error, next: Option<&str>) {
    let console = Console::of_process(false, ColourChoice::Auto);
    let mut text = error.render().to_string();
    if let Some(next) = next {
        text.push_str(&format!("  {} {next}\n", console.err_paint.on(Colour::Bold, "try:")));
    }
    if error.use_stderr() {
        console.tell(&text);
    } else {
        // A closed pipe is no reason to complain.
        let _ = console.out(&text);
    }
}

fn columns(stream: impl AsFd) -> usize {
    #[cfg(test)]
    if capture::is_on() {
        return WIDTH_DEFAULT;
    }
    match tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        Ok(_) => WIDTH_DEFAULT,
        Err(_) => usize::MAX,
    }
}

/// What speaks for colours and against them, where nobody has chosen.
#[derive(Debug, Clone, Copy)]
struct Surroundings {
    terminal: bool,
    /// `TERM=dumb`.
    dumb: bool,
    /// `NO_COLOR` is not empty (no-color.org).
    no_colour: bool,
    /// `CLICOLOR_FORCE` is neither empty nor 0 (bixense.com/clicolors).
    forced: bool,
}

/// Options come before the environment, and there the wish for none before the wish for some: who
/// can't bear colours meets them everywhere else, too.
fn coloured(choice: ColourChoice, around: Surroundings) -> bool {
    match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto if around.no_colour => false,
        ColourChoice::Auto => around.forced || (around.terminal && !around.dumb),
    }
}

#[cfg(test)]
pub(crate) mod capture;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_only_if_they_are_wanted() {
        use ColourChoice::{Always, Auto, Never};
        // Choice, terminal, TERM=dumb, NO_COLOR, CLICOLOR_FORCE; whether there are colours.
        for (choice, terminal, dumb, no_colour, forced, colours) in [
            (Auto, true, false, false, false, true),
            (Auto, false, false, false, false, false),
            (Auto, true, true, false, false, false),
            (Auto, true, false, true, false, false),
            (Auto, false, false, false, true, true),
            (Auto, true, true, false, true, true),
            (Auto, true, false, true, true, false),
            (Auto, false, true, true, true, false),
            (Always, false, true, true, false, true),
            (Always, true, false, false, false, true),
            (Never, true, false, false, true, false),
            (Never, false, false, false, false, false),
        ] {
            let around = Surroundings { terminal, dumb, no_colour, forced };
            assert_eq!(coloured(choice, around), colours, "{choice:?} {around:?}");
        }
    }
}
