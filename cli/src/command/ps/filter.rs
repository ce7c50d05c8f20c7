//! Which runs are listed: `KEY=VALUE`, several values separated by commas.

use crate::render::summary::outcome;
use crate::text::nearest::nearest;
use crate::text::paint::phase;
use resus_core::exit::ExitCode;
use resus_core::phase::Phase;
use resus_core::pulse::v2::Status;
use resus_core::view::RunView;
use std::collections::BTreeSet;

/// A property of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Phase,
    Status,
    Name,
    Workload,
    Node,
}

impl Key {
    const ALL: [Self; 5] = [Self::Phase, Self::Status, Self::Name, Self::Workload, Self::Node];

    fn word(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Status => "status",
            Self::Name => "name",
            Self::Workload => "workload",
            Self::Node => "node",
        }
    }

    /// Every value that it can have, where that is known.
    fn values(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Phase => Some([&phases()[..], &[LIVING]].concat()),
            Self::Status => Some(statuses()),
            Self::Name | Self::Workload | Self::Node => None,
        }
    }

    /// Whether it is `value` for `run`.
    fn is(self, value: &str, run: &RunView) -> bool {
        match self {
            Self::Phase => value == run.phase || (value == LIVING && outcome(run).is_none()),
            Self::Status => {
                let is_lost = || outcome(run) == Some(ExitCode::RunLost);
                value == phase(&run.phase).word
                    || value == run.status.as_str()
                    || (value == LOST && is_lost())
            }
            Self::Name => value == run.name,
            Self::Workload => value == run.workload,
            Self::Node => value == run.node,
        }
    }
}

/// Every phase that is not an end.
const LIVING: &str = "living";
/// A failure of which nobody knows the cause.
const LOST: &str = "lost";

/// The words of the table's column, and those of PULSE, each once.
fn statuses() -> Vec<&'static str> {
    let shown = phases().into_iter().map(|known| phase(known).word).chain([LOST]);
    let mut seen = BTreeSet::new();
    shown.chain(Status::ALL.iter().map(|status| status.as_str())).filter(|word| seen.insert(*word)).collect()
}

/// The words for phases, each once, in the order in which a run goes through them.
pub(crate) fn phases() -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    Phase::ALL.iter().map(|phase| phase.as_str()).filter(|word| seen.insert(*word)).collect()
}

/// What a run must be to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    key: Key,
    /// It has one of these.
    values: Vec<String>,
}

impl Filter {
    /// Whether `run` is to be listed.
    pub(crate) fn fits(&self, run: &RunView) -> bool {
        self.values.iter().any(|value| self.key.is(value, run))
    }
}

/// Reads `phase=running,waiting`.
///
/// # Errors
/// What is not known, what is, and what was probably meant.
pub(crate) fn a_filter(text: &str) -> Result<Filter, String> {
    let keys = || Key::ALL.iter().map(|key| key.word());
    let Some((key, values)) = text.split_once('=') else {
        return Err(format!("it has the form KEY=VALUE; keys: {}", keys().collect::<Vec<_>>().join(", ")));
    };
    let known = Key::ALL.into_iter().find(|known| known.word() == key);
    let key = known.ok_or_else(|| unknown("key", key, &keys().collect::<Vec<_>>()))?;
    let values: Vec<_> = values.split(',').map(str::to_owned).collect();
    for value in &values {
        match key.values() {
            Some(known) if !known.contains(&value.as_str()) => {
                return Err(unknown(key.word(), value, &known));
            }
            None if value.is_empty() => return Err(format!("{}= needs a value", key.word())),
            Some(_) | None => {}
        }
    }
    Ok(Filter { key, values })
}

/// That there is no `kind` called `word`, which there are, and which was probably meant.
pub(crate) fn unknown(kind: &str, word: &str, known: &[&str]) -> String {
    let meant = nearest(word, known.iter().copied());
    let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("there is no {kind} {word:?}{meant} (one of: {})", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    #[test]
    fn runs_are_listed_by_what_they_are() {
        let run = view(json!({"phase": "waiting", "status": "preparing", "name": "nightly"}));
        for (text, fits) in [
            ("phase=waiting", true),
            ("phase=running,waiting", true),
            ("phase=running", false),
            ("phase=living", true),
            ("status=preparing", true),
            ("status=waiting", true),
            ("status=failed,done", false),
            ("name=nightly", true),
            ("name=night", false),
            ("workload=othello", true),
            ("node=gpu-a1,gpu-a2", true),
            ("node=gpu-a2", false),
        ] {
            let filter = a_filter(text);
            assert_eq!(filter.is_ok_and(|filter| filter.fits(&run)), fits, "{text}");
        }
    }

    #[test]
    fn the_words_of_the_table_are_understood_beside_those_of_pulse() {
        let failure = json!({"code": "TRAINING_LOST", "message": "", "retried": false});
        let lost = view(json!({"phase": "failed", "status": "error", "last_failure": failure}));
        let done = view(json!({"phase": "done", "status": "done"}));
        let finishing = view(json!({"phase": "cooling_down", "status": "cooling_down"}));
        let fits = |text: &str, run| a_filter(text).unwrap().fits(run);
        for word in ["failed", "lost", "error"] {
            assert!(
                fits(&format!("status={word}"), &lost) && !fits(&format!("status={word}"), &done),
                "{word}"
            );
        }
        assert!(fits("status=done", &done) && !fits("status=done", &lost));
        assert!(fits("status=finishing", &finishing) && fits("phase=living", &finishing));
        assert!(!fits("phase=living", &lost) && !fits("phase=living", &done));
    }

    #[test]
    fn what_is_not_known_is_told_with_what_is() {
        for (text, words) in [
            ("phse=running", &["there is no key \"phse\"; did you mean phase?", "workload, node"][..]),
            ("phase=runing", &["there is no phase \"runing\"; did you mean running?", "cooling_down"]),
            ("status=faild", &["there is no status \"faild\"; did you mean failed?", "finishing", "lost"]),
            ("phase=running,", &["there is no phase \"\" (one of"]),
            ("name=", &["name= needs a value"]),
            ("running", &["KEY=VALUE", "phase, status, name, workload, node"]),
        ] {
            let error = a_filter(text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }
}
