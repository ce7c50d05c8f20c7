//! Tidiness as tests: what reviews would otherwise have to find again and again.
//!
//! Each rule is a function from the files of the tree to what is wrong with them, tried on made-up
//! trees in the rule's own module (`planted`), so that we know that it can fail.

mod code;
mod coverage;
mod layers;
mod lints;
mod pages;
mod rust;
mod size;
mod streams;
mod tree;

use std::sync::LazyLock;

use tree::{Tree, Violation};

static TREE: LazyLock<Tree> = LazyLock::new(Tree::of_repository);

#[track_caller]
fn tidy(violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} places are not tidy:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn the_whole_tree_is_read() {
    for path in ["Cargo.toml", "core/src/decide.rs", "tests/tests/tidy/main.rs", "docs/PULSE.md"] {
        assert!(TREE.get(path).is_some(), "{path} is not among {} files", TREE.files.len());
    }
    assert!(!TREE.files.iter().any(|file| file.path.starts_with("target/")));
}

#[test]
fn dependencies_point_one_way() {
    tidy(&layers::check(&TREE));
}

#[test]
fn files_and_functions_are_short() {
    tidy(&size::check(&TREE, size::EXCEPTIONS));
}

#[test]
fn code_contains_nothing_it_must_not() {
    tidy(&code::check(&TREE));
}

#[test]
fn no_crate_is_milder_than_the_shared_lints() {
    tidy(&lints::check(&TREE));
}

#[test]
fn every_crate_has_a_readme_of_one_screen() {
    tidy(&pages::readmes(&TREE));
}

#[test]
fn every_setting_is_explained() {
    tidy(&pages::settings(&TREE));
}

#[test]
fn the_protocol_page_names_every_word() {
    tidy(&pages::protocol(&TREE));
}

#[test]
fn everything_that_is_told_passes_the_gate() {
    tidy(&streams::check(&TREE));
}

#[test]
fn no_path_of_one_machine_is_named() {
    tidy(&pages::machine_paths(&TREE));
}

#[test]
fn coverage_names_tests_that_exist() {
    tidy(&coverage::check(&TREE));
}
