//! What a command writes to: standard output for data, standard error for people.
//!
//! Nothing else of the command line writes to them (a tidy test sees to that), so that whatever a
//! worker, a file or another machine says comes through the [`gate`].

pub(crate) mod gate;

use crate::error::CliError;
use crate::output::terminal::Harmless;
use crate::render::page::Page;
use crate::text::paint::Paint;
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
/// Lines of one that does not say.
const HEIGHT_DEFAULT: usize = 24;

/// The two streams of a command, and what each can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    /// One JSON document instead of text.
    pub json: bool,
    /// Standard output is a terminal.
    pub out_is_terminal: bool,
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
        let paint = |terminal| Paint(coloured(choice, terminal, dumb, no_colour));
        Self {
            json,
            out_is_terminal: out,
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
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Help and what is wrong with arguments, as clap puts it. The arguments are quoted in it, and may
/// come from anywhere.
pub(crate) fn print_usage(error: &clap::Error) {
    let console = Console::of_process(false, ColourChoice::Auto);
    let text = error.render().to_string();
    if error.use_stderr() {
        console.tell(&text);
    } else {
        // A closed pipe is no reason to complain.
        let _ = console.out(&text);
    }
}

fn columns(stream: impl AsFd) -> usize {
    match tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        Ok(_) => WIDTH_DEFAULT,
        Err(_) => usize::MAX,
    }
}

fn coloured(choice: ColourChoice, terminal: bool, dumb: bool, no_colour: bool) -> bool {
    match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto => terminal && !dumb && !no_colour,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_only_if_they_are_wanted() {
        use ColourChoice::{Always, Auto, Never};
        assert!(coloured(Auto, true, false, false));
        assert!(!coloured(Auto, false, false, false), "a pipe");
        assert!(!coloured(Auto, true, true, false), "TERM=dumb");
        assert!(!coloured(Auto, true, false, true), "NO_COLOR");
        assert!(coloured(Always, false, true, true) && !coloured(Never, true, false, false));
    }
}
