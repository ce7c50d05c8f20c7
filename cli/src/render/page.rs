//! What a text is written on, and labelled rows on it.

use crate::text::columns::{hang, pad, width};
use crate::text::paint::{Colour, Paint};
use jiff::tz::TimeZone;

/// Columns before a label.
const INDENT: usize = 2;
/// Columns between the longest label and the values.
const GAP: usize = 2;

/// What a text is written on: a terminal, or something without edges.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Whether it has colours.
    pub paint: Paint,
    /// Columns before lines wrap; [`usize::MAX`] where nobody sees them wrap.
    pub columns: usize,
    /// The home folder, written `~`, where people rather than programs read.
    pub home: Option<String>,
    /// The time zone of who reads.
    pub zone: TimeZone,
}

impl Page {
    /// `path` with `~` for the home folder.
    pub(crate) fn path(&self, path: &str) -> String {
        let home = self.home.as_deref().map(|home| home.trim_end_matches('/'));
        match home.filter(|home| !home.is_empty()).and_then(|home| path.strip_prefix(home)) {
            Some(rest) if rest.starts_with('/') => format!("~{rest}"),
            _ => path.to_owned(),
        }
    }

    /// A sentence behind a glyph, or another short head: its further lines are indented.
    pub(crate) fn sentence(&self, text: &str) -> String {
        hang(text, INDENT, self.columns).trim_start().to_owned()
    }

    /// Labels and values, one row each; a value may have lines of its own. Labels are as wide
    /// as the widest and at least `label_width`.
    pub(crate) fn rows(&self, rows: &[(String, String)], label_width: usize) -> String {
        let widest = rows.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
        let label_width = widest.max(label_width) + GAP;
        let indent = INDENT + label_width;
        let mut text = String::new();
        for (label, value) in rows {
            let label = self.paint.on(Colour::Dim, &pad(label, label_width));
            let lines: Vec<_> = value.lines().map(|line| hang(line, indent, self.columns)).collect();
            let value = lines.join(&format!("\n{}", " ".repeat(indent)));
            text.push_str(&format!("{}{label}{value}\n", " ".repeat(INDENT)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;

    #[test]
    fn the_home_folder_is_a_tilde() {
        let at = |home: &str| Page { home: Some(home.to_owned()), ..page(80) };
        assert_eq!(at("/home/a").path("/home/a/x"), "~/x");
        assert_eq!(at("/home/a/").path("/home/a/x"), "~/x");
        assert_eq!(at("/home/a").path("/home/ab/x"), "/home/ab/x");
        assert_eq!(at("/").path("/x"), "/x");
        assert_eq!(page(80).path("/home/a/x"), "/home/a/x");
    }

    #[test]
    fn values_hang_behind_the_longest_label() {
        let rows = [("a", "one two three"), ("longest label", "x\ny")];
        let rows = rows.map(|(label, value)| (label.to_owned(), value.to_owned()));
        let expected = "  a              one two
                 three
  longest label  x
                 y
";
        assert_eq!(page(26).rows(&rows, 0), expected);
    }
}
