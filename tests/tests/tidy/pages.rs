//! What is written for people: READMEs, settings, the protocol page; and what must not be.

use std::collections::BTreeSet;

use crate::rust;
use crate::tree::{File, Tree, Violation};

/// Lines of a crate's README: one screen, read before the code.
const README_LINES_MAX: usize = 60;
/// Folders that exist on one machine only; in parts, so that this file does not contain them.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
/// The page that explains the protocol.
const PULSE_PAGE: &str = "docs/PULSE.md";
/// Files whose words are words of the protocol.
const PULSE_WORDS: [&str; 5] = [
    "core/src/pulse/v2.rs",
    "core/src/pulse/payload.rs",
    "core/src/pulse/line.rs",
    "core/src/codes.rs",
    "sdk/rust/src/environment.rs",
];

/// Every crate has a README that fits on a screen.
pub fn readmes(tree: &Tree) -> Vec<Violation> {
    let manifests = tree.files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
    manifests
        .filter_map(|folder| {
            let path = format!("{folder}/README.md");
            let Some(readme) = tree.get(&path) else {
                let what = "is missing: purpose, file tree, invariants, \"to add an X\"";
                return Some(Violation::of(&path, what));
            };
            let lines = readme.text.lines().count();
            let what = format!("{lines} lines, more than {README_LINES_MAX}: move details beside the code");
            (lines > README_LINES_MAX).then(|| Violation::of(&path, what))
        })
        .collect()
}

/// No path that exists on one machine only.
pub fn machine_paths(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.files {
        for (index, line) in file.text.lines().enumerate() {
            for path in MACHINE_PATHS {
                let begins = |at: usize| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || "._-/}*~>".contains(c))
                };
                if line.match_indices(path).any(|(at, _)| begins(at)) {
                    let what =
                        format!("names {path}, which exists on one machine: say it relative to something");
                    violations.push(Violation::at(&file.path, index + 1, what));
                }
            }
        }
    }
    violations
}

/// Every key of the default settings is explained in the line above it.
pub fn settings(tree: &Tree) -> Vec<Violation> {
    const PATH: &str = "config/default.toml";
    let Some(file) = tree.get(PATH) else { return vec![Violation::of(PATH, "is missing")] };
    let mut violations = Vec::new();
    let mut above = "";
    let mut keys = 0;
    for (index, line) in file.text.lines().enumerate() {
        let is_key = line.split_once('=').is_some_and(|(key, _)| {
            !key.trim().is_empty() && key.trim().chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        if is_key {
            keys += 1;
            if !above.starts_with("# ") {
                let what =
                    "no comment above the key: say what it means and, if not obvious, why this default";
                violations.push(Violation::at(PATH, index + 1, what));
            }
        }
        above = line;
    }
    match file.text.parse::<toml::Table>() {
        Ok(table) if leaves(&table) == keys => {}
        Ok(table) => violations.push(Violation::of(
            PATH,
            format!("{} keys, but {keys} lines `key = value`: write one per line", leaves(&table)),
        )),
        Err(error) => violations.push(Violation::of(PATH, error.message())),
    }
    violations
}

fn leaves(table: &toml::Table) -> usize {
    table.values().map(|value| value.as_table().map_or(1, leaves)).sum()
}

/// The protocol page names every field, event, status, failure class and variable of the code.
pub fn protocol(tree: &Tree) -> Vec<Violation> {
    let page = tree.get(PULSE_PAGE).map_or("", |file| file.text.as_str());
    let named: BTreeSet<&str> = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let mut violations = Vec::new();
    for path in PULSE_WORDS {
        let words = tree.get(path).map(wire_words).unwrap_or_default();
        if words.is_empty() {
            let what = "no words of the protocol found: correct PULSE_WORDS";
            violations.push(Violation::of(path, what));
        }
        for (line, word) in words {
            if !named.contains(word.as_str()) {
                let what = format!("{word} is not on the page: explain it in {PULSE_PAGE}");
                violations.push(Violation::at(path, line, what));
            }
        }
    }
    violations
}

/// Literals outside tests and attributes that have the form of a word on the wire.
fn wire_words(file: &File) -> Vec<(usize, String)> {
    let source = rust::parse(&file.text);
    let code = rust::without_tests(&source.code);
    let lines: Vec<&str> = code.trim_end().lines().collect();
    let counts = |line: usize| lines.get(line - 1).is_some_and(|line| !line.trim().starts_with("#["));
    let all_of = |text: &str, case: fn(&char) -> bool| {
        text.len() > 2 && text.chars().all(|c| case(&c) || c == '_' || c.is_ascii_digit())
    };
    let is_word =
        |text: &str| all_of(text, char::is_ascii_lowercase) || all_of(text, char::is_ascii_uppercase);
    source.strings.into_iter().filter(|(line, text)| counts(*line) && is_word(text)).collect()
}

#[cfg(test)]
mod planted {
    use super::*;

    #[test]
    fn a_missing_and_a_long_readme_are_found() {
        let tree = Tree::planted(&[
            ("a/Cargo.toml", ""),
            ("b/Cargo.toml", ""),
            ("b/README.md", &"line\n".repeat(README_LINES_MAX + 1)),
            ("c/Cargo.toml", ""),
            ("c/README.md", &"line\n".repeat(README_LINES_MAX)),
            ("Cargo.toml", "[workspace]"),
        ]);
        let places: Vec<_> = readmes(&tree).into_iter().map(|v| v.place).collect();
        assert_eq!(places, ["a/README.md", "b/README.md"]);
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_file() {
        let path = format!("see \"{}main/x\"", MACHINE_PATHS[0]);
        let part = format!("actors/src{0}x and https://x.y{0}z", MACHINE_PATHS[0]);
        let tree = Tree::planted(&[("a.md", &format!("one\n{path}")), ("b.rs", &part)]);
        let places: Vec<_> = machine_paths(&tree).into_iter().map(|v| v.place).collect();
        assert_eq!(places, ["a.md:2"]);
    }

    #[test]
    fn a_key_without_a_comment_is_found() {
        let found = |text| settings(&Tree::planted(&[("config/default.toml", text)]));
        assert_eq!(found("[a]\n# What it is.\nkey = 1\n# Two lines,\n# see?\nother = \"x = y\"\n"), []);
        assert_eq!(found("# What it is.\nkey = 1\nother = 2\n")[0].place, "config/default.toml:3");
        assert_eq!(found("# What it is.\n\nkey = 1\n").len(), 1);
        assert_eq!(found("# What it is.\nkey = { a = 1, b = 2 }\n").len(), 1);
        assert_eq!(found("# What it is.\nkey = \n").len(), 1);
        assert_eq!(settings(&Tree::default()).len(), 1);
    }

    #[test]
    fn a_word_of_the_code_that_the_page_lacks_is_found() {
        let words = "#[serde(rename_all = \"snake_case\")]\nmatch x { A => \"stage_change\", _ => \"no word\" }\n\
                     #[cfg(test)]\nmod t { const X: &str = \"other\"; }";
        let code = "const C: &str = \"CUDA_OOM\";";
        let found = |page| {
            let mut files = vec![(PULSE_PAGE, page), (PULSE_WORDS[0], words)];
            files.extend(PULSE_WORDS[1..].iter().map(|path| (*path, code)));
            protocol(&Tree::planted(&files)).into_iter().map(|violation| violation.place).collect::<Vec<_>>()
        };
        assert_eq!(found("`stage_change`; CUDA_OOM."), [""; 0]);
        assert_eq!(found("`stage_changed`; CUDA_OOM."), [format!("{}:2", PULSE_WORDS[0])]);
        assert_eq!(found("`stage_change`").len(), PULSE_WORDS.len() - 1);
        assert_eq!(protocol(&Tree::default()).len(), PULSE_WORDS.len());
    }
}
