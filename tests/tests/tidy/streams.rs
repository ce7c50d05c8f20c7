//! Who may write to the terminal: one door, through which everything passes a gate.

use crate::rust;
use crate::tree::{Tree, Violation};

/// The door.
const CONSOLE: &str = "cli/src/console.rs";
/// Ways past it.
const PAST: [&str; 6] = ["println!", "print!", "eprintln!", "eprint!", "stdout()", "stderr()"];
/// Those who only ask what a stream is, or speak of nothing but themselves.
const EXCEPTIONS: [(&str, &str); 5] = [
    (
        "cli/src/completion.rs",
        "the form in which a shell reads it has bytes of control; what is in it was told on one line",
    ),
    ("cli/src/confirm.rs", "it is only asked whether it is a terminal"),
    ("cli/src/daemon/serve.rs", "the daemon in the foreground tells its own path and process id"),
    ("cli/src/main.rs", "the usage of a built-in worker, in fixed words"),
    ("cli/src/progress.rs", "it is only asked whether it is a terminal"),
];

/// Every place of the command line that writes to a stream without the console.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let is_ours = |path: &str| path.starts_with("cli/src/") && path != CONSOLE;
    let is_exempt = |path: &str| EXCEPTIONS.iter().any(|(exempt, _)| *exempt == path);
    let mut violations = Vec::new();
    for file in tree.rust().filter(|file| is_ours(&file.path) && !is_exempt(&file.path)) {
        let source = rust::parse(&file.text);
        for past in PAST {
            for (at, _) in source.code.match_indices(past) {
                // `eprintln!` holds `println!`, which would be told twice.
                let before = source.code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let what = format!("{past} writes past {CONSOLE}: what strangers say must pass its gate");
                violations.push(Violation::at(&file.path, rust::line_of(&source.code, at), what));
            }
        }
    }
    violations
}

#[cfg(test)]
mod planted {
    use super::*;

    #[test]
    fn a_way_past_the_console_is_found() {
        let tree = Tree::planted(&[
            ("cli/src/render/ps.rs", "fn a() { eprintln!(\"x\"); }\n// println!\n"),
            ("cli/src/command/ps.rs", "fn a() { std::io::stdout().lock(); }\n"),
            ("cli/src/console.rs", "fn a() { io::stdout(); }\n"),
            ("shim/src/lib.rs", "fn a() { eprintln!(\"x\"); }\n"),
        ]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
