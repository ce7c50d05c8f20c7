//! How people name a run: any unique part of its id of four characters or more, or `NAME@latest`, or `@latest`.

use crate::ids::RunId;

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
}

/// Why a text names no single run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No run fits.
    #[error("no run is called {text:?}{}", if text.len() < PART_MIN { "; parts of an id have four characters or more" } else { "" })]
    NotFound {
        /// What was asked for.
        text: String,
    },
    /// Several runs fit.
    #[error("{text:?} could be {}{}", candidates.join(", "), more(*others))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Some that fit, newest first.
        candidates: Vec<String>,
        /// How many more fit.
        others: usize,
    },
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" and {others} more") }
}

/// Finds the run that `text` names: the whole id, a unique part of it of at least four
/// characters, `NAME@latest`, `@latest`, or a name that only one run has.
///
/// # Errors
/// [`SelectError`] when none or several fit.
pub fn select<'a>(text: &str, runs: &[Named<'a>]) -> Result<&'a RunId, SelectError> {
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
    let part = text.len() >= PART_MIN;
    let fits = |run: &&Named<'_>| run.name == text || (part && run.id.as_str().contains(text));
    let found: Vec<_> = runs.iter().filter(fits).collect();
    match found.as_slice() {
        [] => Err(SelectError::NotFound { text: text.to_owned() }),
        [one] => Ok(one.id),
        many => {
            let mut newest: Vec<_> = many.to_vec();
            newest.sort_by_key(|run| std::cmp::Reverse(run.accepted_unix_ms));
            let candidates = newest
                .iter()
                .take(LISTED_MAX)
                .map(|run| format!("{} ({})", run.id.short(), run.name))
                .collect();
            let others = many.len().saturating_sub(LISTED_MAX);
            Err(SelectError::Ambiguous { text: text.to_owned(), candidates, others })
        }
    }
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
        let runs: Vec<_> =
            ids.iter().map(|(id, name, at)| Named { id, name, accepted_unix_ms: *at }).collect();
        select(text, &runs).map(|id| id.as_str().to_owned())
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
        ] {
            assert_eq!(found(text).as_deref(), Ok(id), "{text}");
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
        assert_eq!(candidates, ["bbb-2222 (othello)", "aaa-1111 (othello)"]);
        assert!(matches!(found("0193"), Err(SelectError::Ambiguous { .. })));
    }
}
