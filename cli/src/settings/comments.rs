//! What `default.toml` says beside its values: every key is explained by the comment above it.

use crate::settings::DEFAULT;
use crate::settings::keys::{KEYS, Key};

/// A line of `default.toml`.
#[derive(Clone, Copy)]
pub(crate) enum Line<'t> {
    /// `[section]`.
    Section(&'t str),
    /// A comment, without `# `.
    Comment(&'t str),
    /// A key of the section before it, with its whole line.
    Key(&'static Key, &'t str),
    /// Nothing.
    Empty,
}

/// The lines of `default.toml`. One that is none of these is left out; a test knows of none.
pub(crate) fn lines() -> impl Iterator<Item = Line<'static>> {
    let mut section = "";
    DEFAULT.lines().filter_map(move |line| {
        if line.trim().is_empty() {
            return Some(Line::Empty);
        }
        if let Some(comment) = line.strip_prefix('#') {
            return Some(Line::Comment(comment.trim()));
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            return Some(Line::Section(name));
        }
        let name = line.split('=').next().unwrap_or_default().trim();
        let key = KEYS.iter().find(|key| key.section() == section && key.last() == name)?;
        Some(Line::Key(key, line))
    })
}

/// What is said above `key`; empty = nothing.
pub(crate) fn of(key: &Key) -> String {
    let mut words: Vec<&str> = Vec::new();
    for line in lines() {
        match line {
            Line::Comment(text) => words.push(text),
            Line::Key(found, _) if found.name == key.name => return words.join(" "),
            Line::Section(_) | Line::Key(..) | Line::Empty => words.clear(),
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained_in_a_sentence_of_its_own() {
        for key in KEYS {
            let said = of(key);
            assert!(said.len() > 10 && said.ends_with('.'), "{}: {said:?}", key.name);
        }
    }

    #[test]
    fn every_line_is_understood_and_the_keys_stand_in_the_order_of_the_table() {
        assert_eq!(lines().count(), DEFAULT.lines().count());
        let keys =
            lines().filter_map(|line| if let Line::Key(key, _) = line { Some(key.name) } else { None });
        assert!(keys.eq(KEYS.iter().map(|key| key.name)));
    }
}
