//! How people name a run: any unique part of its id of four characters or more, its name where no
//! other run has it, `NAME@latest`, `NAME@2` (the second of that name, the oldest is the first), or
//! `@latest`.

use crate::fleet::Tombstone;
use crate::ids::RunId;
use crate::phase::Phase;

/// Shortest part of an id that is accepted, in characters.
const PART_MIN: usize = 4;
/// Most candidates listed when a name is ambiguous.
const LISTED_MAX: usize = 5;

/// A run as the selector sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'a> {
    /// Its id.
    pub id: &'a RunId,
    /// Its name.
    pub name: &'a str,
    /// When it was accepted, Unix ms.
    pub accepted_unix_ms: u64,
    /// Where it is.
    pub phase: Phase,
}

/// Why a text names no single run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// It names one that was removed.
    #[error("run {run_id} {tombstone}")]
    Removed {
        /// Its id.
        run_id: RunId,
        /// What is left of it.
        tombstone: Box<Tombstone>,
    },
    /// It names one whose ledger is damaged.
    #[error("run {run_id} is quarantined: {reason}")]
    Quarantined {
        /// Its id.
        run_id: RunId,
        /// What is wrong.
        reason: String,
    },
    /// No run fits.
    #[error("no run is called {text:?}{}", if text.len() < PART_MIN { "; parts of an id have four characters or more" } else { "" })]
    NotFound {
        /// What was asked for.
        text: String,
    },
    /// There are not so many of that name.
    #[error("{}", few(text, *count))]
    TooFew {
        /// What was asked for.
        text: String,
        /// Runs that have the name.
        count: usize,
    },
    /// Several runs fit.
    #[error("{text:?} could be {}{}", candidates.join(", "), more(*others))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Some that fit, newest first, each with its name, its phase and its age.
        candidates: Vec<String>,
        /// How many more fit.
        others: usize,
    },
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" and {others} more") }
}

fn few(text: &str, count: usize) -> String {
    let name = text.rsplit_once('@').map_or(text, |(name, _)| name);
    match count {
        1 => format!("only one run is called {name:?}; the first is {name}@1"),
        _ => format!("{count} runs are called {name:?}: {name}@1 (the oldest) to {name}@{count}"),
    }
}

/// An age, roughly: the largest unit that fits.
fn age(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")];
    let largest = units.into_iter().find(|(unit_ms, _)| ms >= *unit_ms);
    largest.map_or_else(|| format!("{}s", ms / 1000), |(unit_ms, word)| format!("{}{word}", ms / unit_ms))
}

/// The text after `@` of a name, as a place among the runs of that name, counted from 1.
fn place(text: &str) -> Option<(&str, usize)> {
    let (name, number) = text.rsplit_once('@')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // A number too large for us is larger than any count.
    (is_number && !name.is_empty()).then(|| (name, number.parse().unwrap_or(usize::MAX)))
}

/// Finds the run that `text` names: the whole id, a unique part of it of at least four
/// characters, `NAME@latest`, `NAME@N`, `@latest`, or a name that only one run has. A name is meant
/// before a part of an id. `now_unix_ms` is for the ages of candidates.
///
/// # Errors
/// [`SelectError`] when none or several fit.
pub fn select<'a>(text: &str, runs: &[Named<'a>], now_unix_ms: u64) -> Result<&'a RunId, SelectError> {
    if let Some(run) = runs.iter().find(|run| run.id.as_str() == text) {
        return Ok(run.id);
    }
    if let Some(name) = text.strip_suffix("@latest") {
        return runs
            .iter()
            .filter(|run| name.is_empty() || run.name == name)
            .max_by_key(|run| (run.accepted_unix_ms, run.id))
            .map(|run| run.id)
            .ok_or_else(|| SelectError::NotFound { text: text.to_owned() });
    }
    if let Some((name, place)) = place(text) {
        return nth(text, name, place, runs);
    }
    let mut found: Vec<_> = runs.iter().filter(|run| run.name == text).collect();
    if found.is_empty() {
        found = runs.iter().filter(|run| fits_part(text, run.id)).collect();
    }
    match found.as_slice() {
        [] => Err(SelectError::NotFound { text: text.to_owned() }),
        [one] => Ok(one.id),
        many => {
            let mut newest: Vec<_> = many.to_vec();
            newest.sort_by_key(|run| std::cmp::Reverse((run.accepted_unix_ms, run.id)));
            let candidate = |run: &&Named<'_>| {
                let age = age(now_unix_ms.saturating_sub(run.accepted_unix_ms));
                format!("{} ({}, {}, {age} old)", run.id.short(), run.name, run.phase)
            };
            let candidates = newest.iter().copied().take(LISTED_MAX).map(|run| candidate(&run)).collect();
            let others = many.len().saturating_sub(LISTED_MAX);
            Err(SelectError::Ambiguous { text: text.to_owned(), candidates, others })
        }
    }
}

/// The run that is `place`-th of `name`, the oldest being the first.
fn nth<'a>(text: &str, name: &str, place: usize, runs: &[Named<'a>]) -> Result<&'a RunId, SelectError> {
    let mut oldest: Vec<_> = runs.iter().filter(|run| run.name == name).collect();
    oldest.sort_by_key(|run| (run.accepted_unix_ms, run.id));
    match (place.checked_sub(1).and_then(|index| oldest.get(index)), oldest.len()) {
        (Some(run), _) => Ok(run.id),
        (None, 0) => Err(SelectError::NotFound { text: text.to_owned() }),
        (None, count) => Err(SelectError::TooFew { text: text.to_owned(), count }),
    }
}

/// The id among `ids` that `text` is, or that it is a part of which no other has.
#[must_use]
pub fn by_id<'a>(text: &str, ids: impl Iterator<Item = &'a RunId>) -> Option<&'a RunId> {
    let mut found = ids.filter(|id| id.as_str() == text || fits_part(text, id));
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        (Some(_) | None, _) => None,
    }
}

fn fits_part(text: &str, id: &RunId) -> bool {
    text.len() >= PART_MIN && id.as_str().contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<(RunId, &'static str, u64)> {
        [("0193-aaaa-1111", "othello", 1), ("0193-bbbb-2222", "othello", 2), ("0194-cccc-1111", "resnet", 3)]
            .map(|(id, name, at)| (RunId::new(id).unwrap(), name, at))
            .to_vec()
    }

    fn found(text: &str) -> Result<String, SelectError> {
        let ids = ids();
        let runs: Vec<_> = ids
            .iter()
            .map(|(id, name, at)| Named { id, name, accepted_unix_ms: *at, phase: Phase::Done })
            .collect();
        select(text, &runs, 7_300_002).map(|id| id.as_str().to_owned())
    }

    #[test]
    fn unique_parts_and_names_find_their_run() {
        for (text, id) in [
            ("0193-bbbb-2222", "0193-bbbb-2222"),
            ("0194", "0194-cccc-1111"),
            ("2222", "0193-bbbb-2222"),
            ("cccc", "0194-cccc-1111"),
            ("resnet", "0194-cccc-1111"),
            ("othello@latest", "0193-bbbb-2222"),
            ("@latest", "0194-cccc-1111"),
            ("othello@1", "0193-aaaa-1111"),
            ("othello@2", "0193-bbbb-2222"),
            ("resnet@1", "0194-cccc-1111"),
        ] {
            assert_eq!(found(text).as_deref(), Ok(id), "{text}");
        }
    }

    #[test]
    fn an_id_that_is_no_runs_any_more_is_found_by_a_part_of_it_and_by_no_name() {
        let ids: Vec<_> = ids().into_iter().map(|(id, _, _)| id).collect();
        let found = |text| by_id(text, ids.iter()).map(RunId::as_str);
        assert_eq!(found("0193-aaaa-1111"), Some("0193-aaaa-1111"));
        assert_eq!(found("bbbb"), Some("0193-bbbb-2222"));
        for none in ["othello", "0193", "aa-1111x", "222"] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn none_and_several_are_told_apart() {
        assert!(matches!(found("nobody"), Err(SelectError::NotFound { .. })));
        assert!(matches!(found("222"), Err(SelectError::NotFound { .. })));
        assert!(matches!(found("nobody@latest"), Err(SelectError::NotFound { .. })));
        let Err(SelectError::Ambiguous { candidates, others: 0, .. }) = found("othello") else {
            panic!("ambiguous")
        };
        let expected = ["bbb-2222 (othello, done, 2h old)", "aaa-1111 (othello, done, 2h old)"];
        assert_eq!(candidates, expected);
        assert!(matches!(found("0193"), Err(SelectError::Ambiguous { .. })));
        assert!(matches!(found("nobody@1"), Err(SelectError::NotFound { .. })));
        for text in ["othello@0", "othello@3", "othello@99999999999999999999999"] {
            let error = found(text).unwrap_err();
            assert!(matches!(error, SelectError::TooFew { count: 2, .. }), "{text}");
            assert_eq!(
                error.to_string(),
                "2 runs are called \"othello\": othello@1 (the oldest) to othello@2"
            );
        }
        assert!(matches!(found("@1"), Err(SelectError::NotFound { .. })), "a number needs a name");
    }

    #[test]
    fn a_name_is_meant_before_a_part_of_an_id() {
        let [named, other] = ["0195-dddd-0000", "beef-0000-0000"].map(|id| RunId::new(id).unwrap());
        let run = |id, name| Named { id, name, accepted_unix_ms: 1, phase: Phase::Running };
        let runs = [run(&named, "beef"), run(&other, "resnet")];
        assert_eq!(select("beef", &runs, 1), Ok(&named));
        assert_eq!(select("beef-", &runs, 1), Ok(&other));
    }

    #[test]
    fn ages_are_rough() {
        for (ms, text) in
            [(0, "0s"), (59_999, "59s"), (60_000, "1min"), (7_200_000, "2h"), (90_000_000, "1d")]
        {
            assert_eq!(age(ms), text);
        }
    }
}
