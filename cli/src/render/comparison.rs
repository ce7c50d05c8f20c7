//! How two checkpoints differ, section by section.

use crate::render::page::Page;
use crate::render::parts::{counted, said};
use crate::text::{number, table};
use resus_checkpoint::{Comparison, Differences, Outcome, SectionComparison};
use serde_json::{Value, json};

const HEAD: [&str; 7] = ["SECTION", "TYPE", "COUNT", "DIFFERENT", "LARGEST", "MEAN", "FIRST AT"];

/// For programs.
pub(crate) fn document(comparison: &Comparison) -> Value {
    let section = |section: &SectionComparison| {
        let mut found = match &section.outcome {
            Outcome::OnlyInFirst => json!({"only_in": "first"}),
            Outcome::OnlyInSecond => json!({"only_in": "second"}),
            Outcome::OtherElement { first, second } => {
                json!({"elements": [first.name(), second.name()]})
            }
            Outcome::Compared(found) => json!({
                "element": found.element.name(),
                "counts": [found.first_elements, found.second_elements],
                "differing": found.differing,
                "first_differing": found.first_differing,
                // Null where it is not finite.
                "max": found.max,
                "mean": found.mean,
                "not_numbers": found.not_numbers,
            }),
        };
        found["name"] = json!(section.name);
        found["is_same"] = json!(section.outcome.is_same());
        found
    };
    let sections: Vec<_> = comparison.sections.iter().map(section).collect();
    json!({"is_same": comparison.is_same(), "sections": sections})
}

/// For people.
pub(crate) fn text(comparison: &Comparison, page: &Page) -> String {
    let rows: Vec<_> = comparison.sections.iter().map(cells).collect();
    let mut text = table::lines(&HEAD, &rows, page.paint).concat();
    let all = comparison.sections.len();
    let different = comparison.sections.iter().filter(|section| !section.outcome.is_same()).count();
    let sections = counted(all as u64, "section");
    text.push_str(&match different {
        0 => format!("the same: {sections}\n"),
        different => format!("different: {different} of {sections}\n"),
    });
    text
}

fn cells(section: &SectionComparison) -> [String; HEAD.len()] {
    let name = said(&section.name);
    let bare = |kind: String, words: &str| {
        let empty = String::new;
        [name.clone(), kind, empty(), words.to_owned(), empty(), empty(), empty()]
    };
    match &section.outcome {
        Outcome::OnlyInFirst => bare("—".to_owned(), "only in the first"),
        Outcome::OnlyInSecond => bare("—".to_owned(), "only in the second"),
        Outcome::OtherElement { first, second } => {
            bare(format!("{}, {}", first.name(), second.name()), "other elements")
        }
        Outcome::Compared(found) => compared(name, found),
    }
}

fn compared(name: String, found: &Differences) -> [String; HEAD.len()] {
    let whole = |count: u64| number::amount(count as f64);
    let count = match found.first_elements == found.second_elements {
        true => whole(found.first_elements),
        false => format!("{}, {}", whole(found.first_elements), whole(found.second_elements)),
    };
    let is_same = found.differing == 0;
    let measured = |value: f64| match (is_same, value.is_finite()) {
        (true, _) => "—".to_owned(),
        (false, true) => number::value(value),
        (false, false) => "infinite".to_owned(),
    };
    let different = match (is_same, found.not_numbers) {
        (true, _) => "none".to_owned(),
        (false, 0) => whole(found.differing),
        (false, not_numbers) => format!("{}, {} NaN", whole(found.differing), whole(not_numbers)),
    };
    let first = found.first_differing.map_or_else(|| "—".to_owned(), whole);
    [
        name,
        found.element.name().to_owned(),
        count,
        different,
        measured(found.max),
        measured(found.mean),
        first,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;
    use resus_checkpoint::Element;

    fn found(differing: u64) -> Outcome {
        Outcome::Compared(Differences {
            element: Element::F32,
            first_elements: 14_000,
            second_elements: 14_000,
            differing,
            first_differing: (differing > 0).then_some(7),
            max: if differing > 1 { f64::INFINITY } else { 0.25 },
            mean: 0.000_125,
            not_numbers: differing / 2,
        })
    }

    fn comparison(outcomes: Vec<Outcome>) -> Comparison {
        let section = |(n, outcome): (usize, Outcome)| SectionComparison { name: format!("s{n}"), outcome };
        Comparison { sections: outcomes.into_iter().enumerate().map(section).collect() }
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let other = Outcome::OtherElement { first: Element::F32, second: Element::BF16 };
        let outcomes = vec![found(0), found(1), found(2), Outcome::OnlyInFirst, Outcome::OnlyInSecond, other];
        let expected = "\
SECTION  TYPE       COUNT   DIFFERENT           LARGEST   MEAN     FIRST AT
s0       f32        14,000  none                —         —        —
s1       f32        14,000  1                   0.250     0.00013  7
s2       f32        14,000  2, 1 NaN            infinite  0.00013  7
s3       —                  only in the first
s4       —                  only in the second
s5       f32, bf16          other elements
different: 5 of 6 sections
";
        let all = comparison(outcomes);
        assert_eq!(text(&all, &page(80)), expected);
        let json = document(&all);
        assert_eq!((&json["is_same"], &json["sections"][3]["only_in"]), (&json!(false), &json!("first")));
        assert_eq!(json["sections"][2]["max"], Value::Null, "infinity is no JSON");
    }

    #[test]
    fn what_is_the_same_is_called_so() {
        let same = comparison(vec![found(0)]);
        assert!(text(&same, &page(80)).ends_with("the same: 1 section\n"));
        assert_eq!(document(&same)["is_same"], json!(true));
    }
}
