//! How long files and functions may be.

use crate::rust;
use crate::tree::{Tree, Violation};

/// Lines of a file. Longer ones mix two ideas, mostly deciding and doing.
const FILE_LINES_MAX: usize = 400;
/// Lines of a function in `src/`: what fits on a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Something that may be longer, and why.
pub struct Exception {
    /// The file.
    pub path: &'static str,
    /// The function in it; none for the file as a whole.
    pub function: Option<&'static str>,
    /// Why it is better in one piece.
    pub reason: &'static str,
}

/// What may be longer than the rule says.
pub const EXCEPTIONS: &[Exception] = &[Exception {
    path: "core/src/apply.rs",
    function: Some("fold"),
    reason: "one arm per event in one exhaustive match: the table of what each event changes",
}];

/// Files and functions that are too long, and exceptions that nothing needs.
pub fn check(tree: &Tree, exceptions: &[Exception]) -> Vec<Violation> {
    let mut long = Vec::new();
    for file in tree.rust() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            let what = format!("{lines} lines, more than {FILE_LINES_MAX}: split it by idea");
            long.push((file.path.as_str(), None, Violation::of(&file.path, what)));
        }
        if !file.path.contains("/src/") {
            continue;
        }
        for function in rust::functions(&rust::parse(&file.text).code) {
            if function.lines > FUNCTION_LINES_MAX {
                let what = format!(
                    "fn {} has {} lines, more than {FUNCTION_LINES_MAX}: name its parts",
                    function.name, function.lines
                );
                let violation = Violation::at(&file.path, function.line, what);
                long.push((&file.path, Some(function.name), violation));
            }
        }
    }
    let excepts = |exception: &Exception, path: &str, function: Option<&str>| {
        !exception.reason.is_empty() && exception.path == path && exception.function == function
    };
    let stale = exceptions
        .iter()
        .filter(|e| !long.iter().any(|(path, function, _)| excepts(e, path, function.as_deref())))
        .map(|e| {
            Violation::of(e.path, format!("the exception for {:?} is not needed: remove it", e.function))
        });
    let mut violations: Vec<_> = stale.collect();
    for (path, function, violation) in &long {
        if !exceptions.iter().any(|e| excepts(e, path, function.as_deref())) {
            violations.push(violation.clone());
        }
    }
    violations
}

#[cfg(test)]
mod planted {
    use super::*;

    #[test]
    fn a_long_file_and_a_long_function_are_found() {
        let long_file = "// line\n".repeat(FILE_LINES_MAX + 1);
        let long_function = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_MAX - 1));
        let just_fits = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_MAX - 2));
        let tree = Tree::planted(&[
            ("a/src/x.rs", &long_file),
            ("a/src/y.rs", &long_function),
            ("a/src/z.rs", &just_fits),
            ("a/tests/y.rs", &long_function),
        ]);
        let places: Vec<_> = check(&tree, &[]).into_iter().map(|v| v.place).collect();
        assert_eq!(places, ["a/src/x.rs", "a/src/y.rs:1"]);
    }

    #[test]
    fn an_exception_has_to_be_needed() {
        let tree = Tree::planted(&[("a/src/x.rs", &"\n".repeat(FILE_LINES_MAX + 1))]);
        let exception = |path| Exception { path, function: None, reason: "one table" };
        assert_eq!(check(&tree, &[exception("a/src/x.rs")]), []);
        let stale = check(&tree, &[exception("a/src/x.rs"), exception("a/src/gone.rs")]);
        assert_eq!(stale.len(), 1, "{stale:?}");
    }
}
