//! A text on a terminal that is drawn again in its place.

use crate::console::Console;
use crate::error::CliError;
use crate::text::columns::width;

/// What was drawn last.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    text: String,
    note: String,
    /// What of them was shown, if anything was.
    shown: Option<String>,
}

impl Canvas {
    /// Draws `text` with `note` below it, if that differs from what is there. Where the terminal has
    /// too few lines, the end of `text` is left out.
    ///
    /// # Errors
    /// [`CliError::Output`].
    pub(super) fn draw(&mut self, text: &str, note: &str, console: &Console) -> Result<(), CliError> {
        if self.shown.is_some() && self.text == text && self.note == note {
            return Ok(());
        }
        let (columns, rows) = (console.out_width(), console.out_height());
        let shown = fitting(text, note, columns, rows);
        // Measured now: the terminal may have been resized since it was drawn, and has then put its
        // lines elsewhere. None is above its first one.
        let up = self.shown.as_ref().map_or(0, |before| taken(before, columns)).min(rows.saturating_sub(1));
        console.redraw(up, &shown)?;
        (self.text, self.note, self.shown) = (text.to_owned(), note.to_owned(), Some(shown));
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
    use crate::console::{ColourChoice, capture};

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
    fn the_list_is_drawn_in_its_place_and_nothing_of_it_is_obeyed() {
        let console = Console::of_process(false, ColourChoice::Always);
        let mut canvas = Canvas::default();
        capture::begin();
        canvas.draw("RUN\na \x1b[31m●\x1b[0m \x1b[2J\n", "", &console).unwrap();
        canvas.note("! lost", &console).unwrap();
        canvas.note("! lost", &console).unwrap();
        // As if there were only as many columns now as make one line of it two.
        canvas.shown = Some("x".repeat(81) + "\n");
        canvas.draw("RUN\n", "", &console).unwrap();
        let (drawn, _) = capture::end();
        let expected = "\x1b[JRUN\na \x1b[31m●\x1b[0m \\u{1b}[2J\n\
            \x1b[2A\r\x1b[JRUN\na \x1b[31m●\x1b[0m \\u{1b}[2J\n! lost\n\
            \x1b[2A\r\x1b[JRUN\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_line_that_wraps_takes_more_than_one_and_colours_take_none() {
        assert_eq!(taken("\x1b[31m● ab\x1b[0m\n\n", 4), 2);
        assert_eq!(taken("abcde\n", 4), 2);
        assert_eq!(taken("", 4), 0);
    }
}
