//! Which crate may know which.

use std::collections::BTreeMap;

use crate::tree::{Tree, Violation};
use toml::{Table, Value};

/// For each of our packages, those of ours that it may name. The picture of it is in
/// docs/ARCHITECTURE.md.
const MAY_USE: &[(&str, &[&str])] = &[
    ("resus-core", &[]),
    ("resus-disk", &[]),
    ("resus-store", &["resus-core", "resus-disk"]),
    ("resus-checkpoint", &["resus-disk"]),
    ("resus-bus", &["resus-core"]),
    ("resus-shim", &[]),
    ("resus-shim-image", &[]),
    (
        "resus-actors",
        &["resus-core", "resus-disk", "resus-store", "resus-checkpoint", "resus-bus", "resus-shim"],
    ),
    ("resus-panel", &["resus-core", "resus-bus", "resus-actors"]),
    (
        "resus",
        &[
            "resus-core",
            "resus-disk",
            "resus-store",
            "resus-checkpoint",
            "resus-bus",
            "resus-shim",
            "resus-shim-image",
            "resus-actors",
            "resus-panel",
            "resus-sdk",
            "othello-engine",
            "othello-trainer",
            "resus-fake-worker",
            "resus-v1-watcher",
        ],
    ),
    ("resus-sdk", &[]),
    ("othello-engine", &[]),
    ("othello-trainer", &["othello-engine", "resus-sdk", "resus-checkpoint", "resus-disk"]),
    ("resus-fake-worker", &["resus-sdk", "resus-checkpoint"]),
    ("resus-v1-watcher", &["resus-sdk", "resus-core"]),
    (
        "resus-tests",
        &["resus-core", "resus-store", "resus-checkpoint", "resus-bus", "resus-shim", "resus-sdk"],
    ),
    ("resus-bench", &["resus-core", "resus-store", "resus-checkpoint", "resus-bus", "othello-engine"]),
    ("xtask", &[]),
];

/// Packages with an async runtime. Everything else must be usable without one. The benchmarks need
/// one for the NATS client, which they measure by itself.
const MAY_USE_TOKIO: &[&str] = &["resus-bus", "resus-actors", "resus-panel", "resus", "resus-bench"];

/// What supports tests may be named by the tests of these, as a dev-dependency.
const TESTED_WITH_SERVERS: (&str, &[&str]) = ("resus-tests", &["resus-bus", "resus-actors", "resus"]);

/// The NATS client: one module of the bus names it, and the benchmarks, as the baseline of what the
/// bus adds to it.
const MAY_USE_NATS: &[&str] = &["resus-bus", "resus-bench"];

/// Dependencies against the allowed direction.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let packages = packages(tree, &mut violations);
    for (name, (path, uses)) in &packages {
        let Some((_, may)) = MAY_USE.iter().find(|(package, _)| package == name) else {
            let what = format!("{name} has no row in MAY_USE: say there which crates it may name");
            violations.push(Violation::of(path, what));
            continue;
        };
        for (used, dev) in uses {
            let ours = packages.contains_key(used);
            let (support, tested) = TESTED_WITH_SERVERS;
            let for_tests = *dev && used == support && tested.contains(&name.as_str());
            if ours && !for_tests && !may.contains(&used.as_str()) {
                let what =
                    format!("{name} must not know {used}: dependencies point one way (ARCHITECTURE.md)");
                violations.push(Violation::of(path, what));
            }
            for (outside, may) in [("tokio", MAY_USE_TOKIO), ("async-nats", MAY_USE_NATS)] {
                if used == outside && !may.contains(&name.as_str()) {
                    let what =
                        format!("{name} must not use {outside}: only {may:?} may; use a thread, or move it");
                    violations.push(Violation::of(path, what));
                }
            }
        }
    }
    violations
}

/// A package that is named, and whether for tests only.
type Use = (String, bool);

/// Package name → its manifest and every package it names, in whatever section.
fn packages(tree: &Tree, violations: &mut Vec<Violation>) -> BTreeMap<String, (String, Vec<Use>)> {
    let mut packages = BTreeMap::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        match file.text.parse::<Table>() {
            Ok(manifest) => {
                let name = manifest.get("package").and_then(|p| p.get("name")).and_then(Value::as_str);
                let uses = dependencies(&manifest);
                packages.insert(name.unwrap_or_default().to_owned(), (file.path.clone(), uses));
            }
            Err(error) => violations.push(Violation::of(&file.path, error.message())),
        }
    }
    packages
}

fn dependencies(manifest: &Table) -> Vec<Use> {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_table).into_iter();
    let tables = targets.flat_map(Table::values).filter_map(Value::as_table).chain([manifest]);
    let entries = tables
        .flat_map(|table| sections.iter().filter_map(|section| Some((*section, table.get(*section)?))))
        .filter_map(|(section, entries)| Some((section, entries.as_table()?)))
        .flat_map(|(section, entries)| entries.iter().map(move |(key, entry)| (section, key, entry)));
    let used = |(section, key, entry): (&str, &String, &Value)| {
        let name = entry.get("package").and_then(Value::as_str).map_or_else(|| key.clone(), str::to_owned);
        (name, section == "dev-dependencies")
    };
    entries.map(used).collect()
}

#[cfg(test)]
mod planted {
    use super::*;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}\n")
    }

    fn found(core: &str, store: &str) -> Vec<String> {
        let (core, store) = (manifest("resus-core", core), manifest("resus-store", store));
        let tree = Tree::planted(&[("core/Cargo.toml", &core), ("store/Cargo.toml", &store)]);
        check(&tree).into_iter().map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn the_allowed_direction_is_allowed() {
        let fine = found("[dependencies]\nserde = \"1\"", "[dependencies]\nresus-core.workspace = true");
        assert_eq!(fine, [""; 0]);
    }

    #[test]
    fn the_other_direction_is_found_in_every_section() {
        for section in
            ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"]
        {
            let violations = found(&format!("[{section}]\nresus-store = {{ path = \"../store\" }}"), "");
            assert!(violations[0].contains("resus-core must not know resus-store"), "{violations:?}");
        }
        let renamed =
            found("[dependencies]\nmemory = { package = \"resus-store\", path = \"../store\" }", "");
        assert_eq!(renamed.len(), 1, "{renamed:?}");
    }

    #[test]
    fn what_supports_tests_is_for_tests() {
        let found = |section: &str| {
            let bus = manifest("resus-bus", &format!("[{section}]\nresus-tests.workspace = true"));
            let tree = Tree::planted(&[
                ("bus/Cargo.toml", &bus),
                ("tests/Cargo.toml", &manifest("resus-tests", "")),
            ]);
            check(&tree).len()
        };
        assert_eq!((found("dev-dependencies"), found("dependencies")), (0, 1));
    }

    #[test]
    fn a_runtime_or_a_client_in_the_wrong_crate_is_found() {
        for (outside, word) in [("tokio", "tokio"), ("async-nats", "async-nats")] {
            let violations = found("", &format!("[dev-dependencies]\n{outside}.workspace = true"));
            assert!(violations[0].contains(word), "{violations:?}");
        }
    }

    #[test]
    fn a_new_package_needs_a_row_and_a_broken_manifest_is_told() {
        let tree =
            Tree::planted(&[("x/Cargo.toml", "[package]\nname = \"x\""), ("y/Cargo.toml", "[package")]);
        assert_eq!(check(&tree).len(), 2);
    }
}
