//! A crate that repeats the shared lints must not be milder than they are.

use crate::tree::{Tree, Violation};
use toml::{Table, Value};

/// Levels from mild to strict.
const LEVELS: [&str; 4] = ["allow", "warn", "deny", "forbid"];

/// Manifests that neither take the workspace's lints nor repeat all of them.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let Some(shared) = lints(tree, "Cargo.toml", |root| root.get("workspace")?.get("lints")) else {
        return vec![Violation::of("Cargo.toml", "has no [workspace.lints]")];
    };
    let manifests = tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    manifests
        .flat_map(|file| {
            let own = lints(tree, &file.path, |package| package.get("lints")).unwrap_or_default();
            if own.get("workspace") == Some(&Value::Boolean(true)) {
                return Vec::new();
            }
            milder(&shared, &own)
                .into_iter()
                .map(|lint| {
                    let what =
                        format!("milder than the workspace in {lint}: repeat it, or say workspace = true");
                    Violation::of(&file.path, what)
                })
                .collect()
        })
        .collect()
}

fn lints(tree: &Tree, path: &str, find: impl Fn(&Table) -> Option<&Value>) -> Option<Table> {
    let manifest = tree.get(path)?.text.parse::<Table>().ok()?;
    find(&manifest)?.as_table().cloned()
}

/// Lints of `shared` that are missing or weaker in `own`, as `tool::lint`.
fn milder(shared: &Table, own: &Table) -> Vec<String> {
    let level = |tools: &Table, tool: &str, lint: &str| {
        let entry = tools.get(tool)?.get(lint)?;
        let word = entry.as_str().or_else(|| entry.get("level")?.as_str())?;
        LEVELS.iter().position(|level| *level == word)
    };
    let names = shared.iter().filter_map(|(tool, lints)| Some((tool, lints.as_table()?)));
    names
        .flat_map(|(tool, lints)| lints.keys().map(move |lint| (tool, lint)))
        .filter(|(tool, lint)| level(own, tool, lint) < level(shared, tool, lint))
        .map(|(tool, lint)| format!("{tool}::{lint}"))
        .collect()
}

#[cfg(test)]
mod planted {
    use super::*;

    fn found(own: &str) -> Vec<Violation> {
        let root =
            "[workspace.lints.rust]\nunsafe_code = \"deny\"\n[workspace.lints.clippy]\ntodo = \"warn\"\n";
        check(&Tree::planted(&[("Cargo.toml", root), ("core/Cargo.toml", own)]))
    }

    #[test]
    fn a_crate_takes_the_lints_or_repeats_them_all() {
        assert_eq!(found("[lints]\nworkspace = true"), []);
        let strict = "[lints.rust]\nunsafe_code = \"forbid\"\n[lints.clippy]\ntodo = { level = \"warn\" }\n";
        assert_eq!(found(strict), []);
    }

    #[test]
    fn a_missing_or_milder_lint_is_found() {
        assert_eq!(found("").len(), 2);
        assert_eq!(found("[lints.rust]\nunsafe_code = \"warn\"\n[lints.clippy]\ntodo = \"deny\"\n").len(), 1);
        assert_eq!(found("[lints.rust]\nunsafe_code = \"deny\"\n").len(), 1);
    }
}
