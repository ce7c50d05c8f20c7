//! In which order runs are listed.

use crate::command::ps::filter::{phases, unknown};
use crate::render::parts::share;
use resus_core::view::RunView;
use std::cmp::Ordering;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Age,
    Name,
    Progress,
    Phase,
    Loss,
    Eta,
}

impl Key {
    const ALL: [Self; 6] = [Self::Age, Self::Name, Self::Progress, Self::Phase, Self::Loss, Self::Eta];

    fn word(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Name => "name",
            Self::Progress => "progress",
            Self::Phase => "phase",
            Self::Loss => "loss",
            Self::Eta => "eta",
        }
    }

    /// The number that is compared; none if the run has none, or it is not one.
    fn number(self, run: &RunView) -> Option<f64> {
        let number = match self {
            Self::Age => Some(run.age_s),
            Self::Name => None,
            Self::Progress => share(&run.progress),
            Self::Phase => phases().iter().position(|word| *word == run.phase).map(|place| place as f64),
            Self::Loss => run.progress.loss,
            Self::Eta => run.progress.eta_s,
        };
        number.filter(|number| !number.is_nan())
    }
}

/// An order of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    key: Key,
    is_reversed: bool,
}

impl Order {
    /// Sorts `runs`. Those that lack what is compared come last either way, and those that are equal
    /// stay as they were.
    pub(crate) fn sort(self, runs: &mut [RunView]) {
        runs.sort_by(|a, b| self.compare(a, b));
    }

    fn compare(self, a: &RunView, b: &RunView) -> Ordering {
        let turn = |order: Ordering| if self.is_reversed { order.reverse() } else { order };
        if self.key == Key::Name {
            return turn(a.name.cmp(&b.name));
        }
        match (self.key.number(a), self.key.number(b)) {
            (Some(a), Some(b)) => turn(a.total_cmp(&b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
}

/// Reads `age` or `-age`.
///
/// # Errors
/// What is not known, and what is.
pub(crate) fn an_order(text: &str) -> Result<Order, String> {
    let (word, is_reversed) = text.strip_prefix('-').map_or((text, false), |word| (word, true));
    let key = Key::ALL.into_iter().find(|key| key.word() == word);
    let known = || Key::ALL.map(Key::word);
    key.map(|key| Order { key, is_reversed }).ok_or_else(|| unknown("key", word, &known()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::{Value, json};

    fn run(name: &str, phase: &str, age_s: f64, progress: Value) -> RunView {
        view(json!({"name": name, "phase": phase, "age_s": age_s, "progress": progress}))
    }

    #[test]
    fn runs_are_sorted_by_any_key_and_the_other_way_round() {
        let half = json!({"unit": "step", "done": 5.0, "total": 10.0, "loss": 0.5, "eta_s": 9.0});
        let most = json!({"unit": "step", "done": 90.0, "total": 100.0, "loss": 0.7, "eta_s": 3.0});
        let runs = [
            run("b", "running", 3.0, half),
            run("c", "failed", 1.0, json!({"unit": ""})),
            run("a", "waiting", 2.0, most),
        ];
        for (order, names) in [
            ("age", "cab"),
            ("-age", "bac"),
            ("name", "abc"),
            ("-name", "cba"),
            ("progress", "bac"),
            ("-progress", "abc"),
            ("phase", "bac"),
            ("-phase", "cab"),
            ("loss", "bac"),
            ("-loss", "abc"),
            ("eta", "abc"),
            ("-eta", "bac"),
        ] {
            let mut sorted = runs.to_vec();
            an_order(order).unwrap().sort(&mut sorted);
            let found: String = sorted.iter().map(|run| run.name.as_str()).collect();
            assert_eq!(found, names, "{order}");
        }
    }

    #[test]
    fn a_number_that_is_none_comes_last() {
        let [mut odd, plain] = [view(json!({"name": "odd"})), view(json!({"name": "plain"}))];
        odd.progress.loss = Some(f64::NAN);
        for order in ["loss", "-loss"] {
            let mut runs = [odd.clone(), plain.clone()];
            an_order(order).unwrap().sort(&mut runs);
            assert_eq!(runs[0].name, "plain", "{order}");
        }
    }

    #[test]
    fn an_unknown_key_is_told_with_those_that_are_known() {
        let error = an_order("-los").unwrap_err();
        assert!(error.contains("did you mean loss?") && error.contains("age, name, progress"), "{error}");
    }
}
