//! A text on a terminal that is drawn again in its place.

use crate::console::Console;
use crate::error::CliError;
use crate::text::columns::width;

/// Everything below the cursor away.
const CLEAR_BELOW: &str = "\x1b[J";

/// What was drawn last.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    text: String,
    note: String,
    /// Lines that the terminal took for it.
    lines: usize,
}

impl Canvas {
    /// Draws `text` with `note` below it, if that differs from what is there. Where the terminal has
    /// too few lines, the end of `text` is left out.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(super) fn draw(&mut self, text: &str, note: &str, console: &Console) -> Result<(), CliError> {
        if self.lines > 0 && self.text == text && self.note == note {
            return Ok(());
        }
        let (columns, rows) = (console.out_width(), console.out_height());
        let shown = fitting(text, note, columns, rows);
        // One write, so that nobody ever sees half of it.
        let up = if self.lines > 0 { format!("\x1b[{}A\r", self.lines) } else { String::new() };
        console.out(&format!("{up}{CLEAR_BELOW}{shown}"))?;
        self.lines = taken(&shown, columns);
        (self.text, self.note) = (text.to_owned(), note.to_owned());
        Ok(())
    }

    /// Draws what is there with `note` below it.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(super) fn note(&mut self, note: &str, console: &Console) -> Result<(), CliError> {
        let text = self.text.clone();
        self.draw(&text, note, console)
    }
}

/// As many lines of `text` as fit with `note` below them and a free line at the end.
fn fitting(text: &str, note: &str, columns: usize, rows: usize) -> String {
    let note = if note.is_empty() { String::new() } else { format!("{note}\n") };
    let room = rows.saturating_sub(1 + taken(&note, columns));
    if taken(text, columns) <= room {
        return text.to_owned() + &note;
    }
    let lines: Vec<_> = text.lines().collect();
    let mut kept = String::new();
    let mut count = 0;
    for line in &lines {
        if taken(&kept, columns) + rows_of(line, columns) > room.saturating_sub(1) {
            break;
        }
        kept.push_str(&format!("{line}\n"));
        count += 1;
    }
    format!("{kept}… {} more\n{note}", lines.len() - count)
}

/// Lines that a terminal takes for `text`, whose lines are all ended.
fn taken(text: &str, columns: usize) -> usize {
    text.lines().map(|line| rows_of(line, columns)).sum()
}

fn rows_of(line: &str, columns: usize) -> usize {
    width(&bare(line)).div_ceil(columns.max(1)).max(1)
}

/// `line` without colours.
fn bare(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |bare, part| bare + part.split_once('m').map_or(part, |(_, text)| text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let text = "HEAD\na\nb\nc\n";
        assert_eq!(fitting(text, "", 80, 5), text);
        assert_eq!(fitting(text, "", 80, 4), "HEAD\na\n… 2 more\n");
        assert_eq!(fitting(text, "! lost", 80, 6), format!("{text}! lost\n"));
        assert_eq!(fitting(text, "! lost", 80, 5), "HEAD\na\n… 2 more\n! lost\n");
        assert_eq!(fitting("long line\n", "", 4, 9), "long line\n");
    }

    #[test]
    fn a_line_that_wraps_takes_more_than_one_and_colours_take_none() {
        assert_eq!(taken("\x1b[31m● ab\x1b[0m\n\n", 4), 2);
        assert_eq!(taken("abcde\n", 4), 2);
        assert_eq!(taken("", 4), 0);
    }
}
