//! What code may not contain.

use crate::rust::{self, Source};
use crate::tree::{File, Tree, Violation};

/// Where `unsafe` may be: the one module of raw process calls, and the engine's hot loops.
const MAY_BE_UNSAFE: [&str; 2] = ["shim/src/sys.rs", "workloads/othello/engine/"];
/// Where the NATS client may be named: the module that hides it, that module's own tests, and the
/// benchmark that has it as its baseline.
const MAY_NAME_NATS: [&str; 3] = ["bus/src/nats/", "bus/tests/", "benches/src/bus/"];
/// The one file that spells addresses on the bus.
const SUBJECTS: &str = "bus/src/subject.rs";
/// Those who look at the wire from outside spell addresses as users do.
const OUTSIDE: &str = "tests/tests/bus/";
/// How an address begins; in two parts, so that this file does not contain one.
const SUBJECT_START: &str = concat!("pulse", ".v");
/// Calls that end the process or the actor instead of saying what is wrong.
const ABRUPT: [&str; 6] = [".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!(", "unimplemented!("];
/// Abrupt ends on purpose: where, which, and why.
const ABRUPT_ON_PURPOSE: [(&str, &str, &str); 1] =
    [("workloads/fake/src/lib.rs", "panic!(", "a scripted panic is what the worker is asked for")];
/// Source files of other languages, in which addresses are looked for as well.
const OTHER_SOURCE: [&str; 6] = [".py", ".ts", ".js", ".svelte", ".toml", ".sh"];

/// Everything in code that is not allowed where it is.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let for_tests = files_for_tests(tree);
    for file in tree.rust() {
        let source = rust::parse(&file.text);
        unsafe_code(file, &source, &mut violations);
        attributes(file, &source, &mut violations);
        if is_product(&file.path) && !for_tests.iter().any(|start| file.path.starts_with(start)) {
            abrupt_ends(file, &source, &mut violations);
        }
        clients(file, &source, &mut violations);
        if file.path != SUBJECTS && !file.path.starts_with(OUTSIDE) {
            let spelled = source.strings.iter().filter(|(_, text)| text.contains(SUBJECT_START));
            violations.extend(spelled.map(|(line, _)| subject(file, *line)));
        }
    }
    for file in tree.files.iter().filter(|file| OTHER_SOURCE.iter().any(|end| file.path.ends_with(end))) {
        let lines = file.text.lines().enumerate().filter(|(_, line)| line.contains(SUBJECT_START));
        violations.extend(lines.map(|(index, _)| subject(file, index + 1)));
    }
    violations
}

/// Whether the file is part of a program; `tests/` supports tests, where a panic is the right end.
fn is_product(path: &str) -> bool {
    path.contains("/src/") && !path.starts_with("tests/")
}

/// Beginnings of the paths of modules that are compiled for tests only.
fn files_for_tests(tree: &Tree) -> Vec<String> {
    let modules = tree.rust().filter(|file| is_product(&file.path)).flat_map(|file| {
        let folder =
            ["/lib.rs", "/main.rs", "/mod.rs", ".rs"].iter().find_map(|end| file.path.strip_suffix(end));
        let names = rust::test_modules(&rust::parse(&file.text).code).into_iter();
        names.filter_map(move |name| Some([format!("{}/{name}.rs", folder?), format!("{}/{name}/", folder?)]))
    });
    modules.flatten().collect()
}

fn subject(file: &File, line: usize) -> Violation {
    let what = format!("spells an address of the bus: call a function of {SUBJECTS} (or add one there)");
    Violation::at(&file.path, line, what)
}

fn unsafe_code(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    if MAY_BE_UNSAFE.iter().any(|start| file.path.starts_with(start)) {
        return;
    }
    let found = rust::words(&source.code, "unsafe").map(|at| {
        let what =
            format!("`unsafe` may be only in {MAY_BE_UNSAFE:?}: use rustix, or extend shim/src/sys.rs");
        Violation::at(&file.path, rust::line_of(&source.code, at), what)
    });
    violations.extend(found);
}

fn attributes(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    let code = &source.code;
    let in_attribute = |at: usize| {
        let line = code[..at].rsplit('\n').next().unwrap_or_default();
        line.contains("#[") || line.contains("#![")
    };
    for at in rust::words(code, "allow").filter(|at| in_attribute(*at)) {
        let what = "`allow` stays when its cause is gone: write #[expect(lint, reason = \"…\")]";
        violations.push(Violation::at(&file.path, rust::line_of(code, at), what));
    }
    for at in rust::words(code, "expect").filter(|at| in_attribute(*at)) {
        let end = code[at..].find(']').map_or(code.len(), |offset| at + offset);
        if rust::words(&code[at..end], "reason").next().is_none() {
            let what = "#[expect] without a reason: add reason = \"…\"";
            violations.push(Violation::at(&file.path, rust::line_of(code, at), what));
        }
    }
}

fn abrupt_ends(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    let code = rust::without_tests(&source.code);
    let on_purpose =
        |call| ABRUPT_ON_PURPOSE.iter().any(|(path, c, _)| (*path, *c) == (file.path.as_str(), call));
    for call in ABRUPT.into_iter().filter(|call| !on_purpose(*call)) {
        for (at, _) in code.match_indices(call) {
            let what = format!("`{call}` outside tests: return an error that names what was being done");
            violations.push(Violation::at(&file.path, rust::line_of(&code, at), what));
        }
    }
}

fn clients(file: &File, source: &Source, violations: &mut Vec<Violation>) {
    if MAY_NAME_NATS.iter().any(|start| file.path.starts_with(start)) {
        return;
    }
    for at in rust::words(&source.code, "async_nats") {
        let what = "names the NATS client: speak to the bus through its Transport trait";
        violations.push(Violation::at(&file.path, rust::line_of(&source.code, at), what));
    }
}

#[cfg(test)]
mod planted {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<Violation> {
        check(&Tree::planted(&[(path, text)]))
    }

    #[test]
    fn unsafe_code_is_found_except_where_it_may_be() {
        let text = "fn f() { unsafe { g() } }";
        assert_eq!(found("store/src/x.rs", text).len(), 1);
        assert_eq!(found("shim/src/sys.rs", text), []);
        assert_eq!(
            found("store/src/x.rs", "// unsafe\n#![forbid(unsafe_code)]\nconst A: &str = \"unsafe\";"),
            []
        );
    }

    #[test]
    fn allow_is_found_and_expect_needs_a_reason() {
        for text in
            ["#[allow(dead_code)]", "#![allow(\n  dead_code\n)]", "#[cfg_attr(test, allow(dead_code))]"]
        {
            assert_eq!(found("a/src/x.rs", text).len(), 1, "{text}");
        }
        assert_eq!(found("a/src/x.rs", "#[expect(dead_code)]").len(), 1);
        assert_eq!(
            found("a/src/x.rs", "#[expect(\n dead_code,\n reason = \"why\"\n)]\nfn f() { allow(g) }"),
            []
        );
    }

    #[test]
    fn abrupt_ends_are_found_outside_tests_only() {
        for call in ABRUPT {
            let text = format!(
                "fn f() {{ x{call} }}\n#[cfg(test)]\nmod tests {{ fn t() {{ x{call} }} }}\n// {call}"
            );
            let violations = found("a/src/x.rs", &text);
            assert_eq!(violations.len(), 1, "{call}: {violations:?}");
            assert_eq!(violations[0].place, "a/src/x.rs:1");
            assert_eq!(found("a/tests/x.rs", &text), []);
        }
    }

    #[test]
    fn modules_for_tests_may_end_abruptly() {
        let abrupt = "fn f() { x.unwrap() }";
        let declares = "mod real;\n#[cfg(test)]\nmod sample;\n#[cfg(test)]\nmod tests;";
        let tree = Tree::planted(&[
            ("a/src/lib.rs", declares),
            ("a/src/real.rs", abrupt),
            ("a/src/tests.rs", abrupt),
            ("a/src/sample/part.rs", abrupt),
            ("b/src/x.rs", declares),
            ("b/src/x/sample.rs", abrupt),
            ("b/src/sample.rs", abrupt),
        ]);
        let places: Vec<_> = check(&tree).into_iter().map(|violation| violation.place).collect();
        assert_eq!(places, ["a/src/real.rs:1", "b/src/sample.rs:1"]);
    }

    #[test]
    fn what_ends_abruptly_on_purpose_says_why() {
        for (path, call, reason) in ABRUPT_ON_PURPOSE {
            assert!(!reason.is_empty());
            assert_eq!(found(path, &format!("fn f() {{ {call}); }}")), []);
            assert_eq!(found("a/src/x.rs", &format!("fn f() {{ {call}); }}")).len(), 1);
        }
    }

    #[test]
    fn an_address_is_found_wherever_it_is_spelled() {
        let literal = format!("const S: &str = \"{SUBJECT_START}2.ledger\";");
        assert_eq!(found("actors/src/x.rs", &literal).len(), 1);
        assert_eq!(found("actors/tests/x.rs", &literal).len(), 1);
        assert_eq!(found("sdk/python/x.py", &literal).len(), 1);
        assert_eq!(found(SUBJECTS, &literal), []);
        assert_eq!(found("docs/PULSE.md", &literal), []);
        assert_eq!(found("actors/src/x.rs", &format!("// {SUBJECT_START}2.ledger")), []);
    }

    #[test]
    fn the_nats_client_is_found() {
        assert_eq!(found("actors/src/x.rs", "use async_nats::Client;").len(), 1);
        assert_eq!(found("bus/src/nats/x.rs", "use async_nats::Client;"), []);
    }
}
