//! Every command explains itself, on one screen.

use super::tree::{Node, nodes};
use super::*;
use crate::golden;
use std::collections::BTreeSet;

/// Lines of a screen.
const LINES: usize = 24;
/// Lines of the overview.
const OVERVIEW_LINES: usize = 40;

/// Commands whose `-h` is longer than a screen, and why.
const LONGER: &[(&str, usize, &str)] = &[
    ("run", 36, "the first command that anybody meets: what it can do is worth a look"),
    ("checkpoints", 30, "it is nine commands, and one by itself"),
];

fn limit(node: &Node) -> usize {
    match LONGER.iter().find(|(path, ..)| *path == node.path) {
        Some((_, lines, reason)) => {
            assert!(!reason.is_empty());
            *lines
        }
        None if node.path.is_empty() => OVERVIEW_LINES,
        None => LINES,
    }
}

#[test]
fn the_overview_fits_one_screen() {
    let help = nodes()[0].short_help();
    golden::check("help/resus.txt", &help);
    assert!(help.lines().count() <= OVERVIEW_LINES, "{}\n{help}", help.lines().count());
}

#[test]
fn every_command_fits_one_screen() {
    let mut wrong = Vec::new();
    for node in nodes() {
        let help = node.short_help();
        let lines = help.lines().count();
        if lines > limit(&node) {
            wrong.push(format!("resus {} -h: {lines} lines, more than {}\n{help}", node.path, limit(&node)));
        }
        for text in [help, node.long_help()] {
            let wide = text.lines().filter(|line| line.chars().count() > COLUMNS);
            wrong
                .extend(wide.map(|line| format!("resus {}: more than {COLUMNS} columns: {line}", node.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_exception_outlives_its_need() {
    let nodes = nodes();
    for (path, lines, _) in LONGER {
        let node = nodes.iter().find(|node| node.path == *path).expect(path);
        let is = node.short_help().lines().count();
        assert!(is > LINES && is <= *lines, "{path} has {is} lines");
    }
}

#[test]
fn every_command_says_what_it_is_and_what_its_arguments_are() {
    let mut wrong = Vec::new();
    for node in nodes() {
        let about = node.command.get_about().map(ToString::to_string).unwrap_or_default();
        if about.is_empty() || about.ends_with('.') || about.lines().count() != 1 {
            wrong.push(format!("resus {}: {about:?} is no line without a full stop", node.path));
        }
        for argument in node.command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            if help.is_empty() || help.ends_with('.') {
                wrong.push(format!("resus {}: {}: {help:?}", node.path, argument.get_id()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_that_takes_arguments_has_examples_that_parse() {
    let mut wrong = Vec::new();
    for node in nodes() {
        let said = node.said();
        let examples: Vec<&str> = said.lines().collect();
        if node.is_leaf() && node.takes_arguments() && examples.len() < 2 {
            wrong.push(format!("resus {}: {} examples, fewer than two", node.path, examples.len()));
        }
        for line in &examples {
            for words in typed(line) {
                if let Err(error) = parse(words.iter().map(OsString::from)) {
                    wrong.push(format!("resus {}: {line}\n{error}", node.path));
                }
            }
        }
        let is_about_it = node.path.split(' ').any(|verb| examples.iter().any(|line| line.contains(verb)));
        if !examples.is_empty() && !is_about_it {
            wrong.push(format!("resus {}: its examples are about something else", node.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_tells_what_it_writes_as_json() {
    let nodes = nodes();
    let leaves: BTreeSet<String> =
        nodes.iter().filter(|node| node.is_leaf()).map(|node| node.path.clone()).collect();
    let told: BTreeSet<String> = json::paths().map(|(path, _)| path.to_owned()).collect();
    let missing: Vec<_> = leaves.difference(&told).collect();
    assert!(missing.is_empty(), "a line in cli/src/help/json.rs for: {missing:?}");
    let stale: Vec<_> = told.iter().filter(|path| !nodes.iter().any(|node| node.path == **path)).collect();
    assert!(stale.is_empty(), "there is no such command: {stale:?}");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for schema in json::paths().filter_map(|(_, schema)| schema) {
        assert!(std::path::Path::new(root).join(&schema).exists(), "{schema}");
    }
}

#[test]
fn every_command_stands_in_the_overview_once() {
    let root = command();
    let mut told: Vec<&str> = overview::ROWS.iter().flat_map(|row| row.commands).copied().collect();
    for command in pages::visible(&root) {
        let name = command.get_name();
        assert_eq!(told.iter().filter(|told| **told == name).count(), 1, "{name}");
    }
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), overview::ROWS.iter().map(|row| row.commands.len()).sum::<usize>());
}

#[test]
fn help_wherever_it_is_asked_for_is_the_same() {
    let said = |line: &str| parse(line.split(' ').map(OsString::from)).expect_err(line).render().to_string();
    assert_eq!(said("resus logs --help"), said("resus help logs"));
    assert_eq!(said("resus checkpoints verify --help"), said("resus help checkpoints verify"));
    assert_eq!(said("resus"), said("resus -h"));
    assert!(said("resus logs -h").contains(EVERYWHERE));
    assert!(said("resus logs --help").contains("--state-dir"));
}

#[test]
fn a_manual_page_says_what_help_says() {
    let names = ["checkpoints".to_owned(), "verify".to_owned()];
    let page = pages::page(&names).unwrap().unwrap();
    assert_eq!(page.file, "resus-checkpoints-verify.1");
    golden::check("man/resus-checkpoints-verify.1", &page.text);
    assert_eq!(pages::page(&["nonsense".to_owned()]).unwrap(), None);
    let files: Vec<String> = pages::pages().unwrap().into_iter().map(|page| page.file).collect();
    assert_eq!(files.len(), nodes().len());
    assert_eq!(files[0], "resus.1");
    let first = pages::page(&[]).unwrap().unwrap().text;
    for section in ["EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
        assert!(
            first.contains(&format!(".SH {section}")) || first.contains(&format!(".SH \"{section}\"")),
            "{section}"
        );
    }
}

#[test]
fn paragraphs_are_told_apart() {
    let said = Said::of("One\ntwo.\n\nExamples:\n  resus ps\n  resus ps -a\n\nThree.");
    assert_eq!(said.details, ["One two."]);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["resus ps", "resus ps -a"]);
    assert_eq!(said.remarks, ["Three."]);
}

/// The `resus` commands in a line of shell, as words.
fn typed(line: &str) -> Vec<Vec<String>> {
    resus_tests::shell::commands(line, "resus")
}

mod documents;
mod markdown;
