//! docs/COVERAGE.md: rows of requirements, and the tests that show them.
//!
//! A row is `| ID | full or part | what is shown | tests |`; each test is a name in backticks,
//! by which `cargo xtask test NAME` runs it.

use std::collections::BTreeSet;

use crate::rust;
use crate::tree::{Tree, Violation};

/// The page.
const PAGE: &str = "docs/COVERAGE.md";
/// Families of requirements and how many rows each has.
const FAMILIES: &[(&str, &[(&str, u32)])] = &[
    (
        "SYS-",
        &[
            ("R1.", 10),
            ("R2.", 7),
            ("R3.", 10),
            ("R4.", 8),
            ("R5.", 8),
            ("R6.", 8),
            ("R7.", 8),
            ("R8.", 8),
            ("R9.", 8),
            ("R10.", 8),
            ("R11.", 8),
            ("R12.", 8),
            ("D", 2),
            ("V1.", 16),
            ("V2.", 19),
            ("F", 5),
            ("X", 20),
            ("J", 13),
        ],
    ),
    ("FLT-", &[("W", 20), ("S", 9), ("D", 16), ("B", 10), ("C", 9), ("O", 6), ("X", 12)]),
];

/// Rows that are malformed, stand twice, or name a test that there is not.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let Some(page) = tree.get(PAGE) else { return vec![Violation::of(PAGE, "is missing")] };
    let tests: BTreeSet<String> =
        tree.rust().flat_map(|file| rust::tests(&rust::parse(&file.text).code)).collect();
    let mut seen = BTreeSet::new();
    let mut violations = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let is_head = matches!(cells[0], "row" | "") || cells[0].starts_with("---");
        if !line.starts_with('|') || is_head {
            continue;
        }
        let mut wrong = |what: String| violations.push(Violation::at(PAGE, index + 1, what));
        let [id, extent, shown, names] = cells[..] else {
            wrong("not `| ID | full or part | what is shown | tests |`".to_owned());
            continue;
        };
        if !is_row_id(id) {
            wrong(format!("{id} is no row: write SYS-… or FLT-… with a number that exists"));
        }
        if !seen.insert(id) {
            wrong(format!("{id} stands here twice: make it one row"));
        }
        if !matches!(extent, "full" | "part") || shown.is_empty() {
            wrong(format!("{id}: say `full` or `part`, and what the tests show"));
        }
        let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            wrong(format!("{id} names no test: remove the row until there is one"));
        }
        for name in names.into_iter().filter(|name| !tests.contains(*name)) {
            wrong(format!("{id}: there is no test `{name}`: correct the name, or remove the claim"));
        }
    }
    violations
}

fn is_row_id(id: &str) -> bool {
    FAMILIES.iter().any(|(prefix, families)| {
        let Some(rest) = id.strip_prefix(prefix) else { return false };
        families.iter().any(|(family, rows)| {
            let number = rest.strip_prefix(family).filter(|n| !n.starts_with('0'));
            number.and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| (1..=*rows).contains(&n))
        })
    })
}

#[cfg(test)]
mod planted {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let tree =
            Tree::planted(&[(PAGE, page), ("a/tests/x.rs", "#[test]\nfn it_works() {}\nfn helper() {}")]);
        check(&tree).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn rows_are_found_and_their_tests_looked_up() {
        let head = "# Coverage\n\n| row | extent | shown | tests |\n| --- | --- | --- | --- |\n";
        assert_eq!(found(&format!("{head}| SYS-R9.4 | part | it works | `it_works` |\n")), [""; 0]);
        for (row, word) in [
            ("| SYS-R9.9 | full | it works | `it_works` |", "SYS-R9.9 is no row"),
            ("| FLT-W21 | full | it works | `it_works` |", "FLT-W21 is no row"),
            ("| SYS-R1.01 | full | it works | `it_works` |", "is no row"),
            ("| R9.4 | full | it works | `it_works` |", "R9.4 is no row"),
            ("| FLT-W1 | maybe | it works | `it_works` |", "say `full` or `part`"),
            ("| FLT-W1 | full | it works | `gone` |", "no test `gone`"),
            ("| FLT-W1 | full | it works | `helper` |", "no test `helper`"),
            ("| FLT-W1 | full | it works |  |", "names no test"),
            ("| FLT-W1 | full | `it_works` |", "not `| ID |"),
        ] {
            let violations = found(&format!("{head}{row}\n"));
            assert!(violations.len() == 1 && violations[0].contains(word), "{row}: {violations:?}");
        }
    }

    #[test]
    fn a_row_that_stands_twice_is_found() {
        let row = "| FLT-S1 | full | it works | `it_works` |\n";
        assert!(found(&row.repeat(2))[0].contains("twice"));
        assert_eq!(check(&Tree::default()).len(), 1);
    }
}
