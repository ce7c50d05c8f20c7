//! The grammar of run ids, checked before one becomes part of a path or a row.

/// Longest run id in bytes.
pub const RUN_ID_BYTES_MAX: usize = 64;

/// A run id that is not of the form `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("run id {shown:?} is not a letter or digit followed by at most 63 letters, digits, '_' or '-'")]
pub struct BadRunId {
    /// The text given, cut to its first 80 characters.
    pub shown: String,
}

/// Checks that `text` is a run id. Such a text is one path component and cannot name a parent
/// folder, so it needs no escaping anywhere in the state folder.
///
/// # Errors
/// [`BadRunId`] when the text does not match the grammar.
pub fn check(text: &str) -> Result<(), BadRunId> {
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let in_alphabet = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if starts_well && in_alphabet && text.len() <= RUN_ID_BYTES_MAX {
        Ok(())
    } else {
        Err(BadRunId { shown: text.chars().take(80).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_grammar_are_accepted() {
        for id in ["a", "0", "0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77", "A_b-C", &"x".repeat(64)] {
            assert_eq!(check(id), Ok(()), "{id}");
        }
    }

    #[test]
    fn anything_that_could_leave_the_folder_is_refused() {
        let long = "x".repeat(65);
        for id in ["", ".", "..", "../a", "a/b", "a\0b", "-a", "_a", "a b", "é", "a.b", "..%2f", "a\n", &long]
        {
            assert!(check(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn a_refusal_shows_a_bounded_part_of_the_text() {
        let refused = check(&"/".repeat(10_000)).expect_err("slashes are not ids");
        assert_eq!(refused.shown.len(), 80);
    }
}
