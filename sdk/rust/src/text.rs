//! Texts within their limits, cut between characters, with the cut visible.

use std::borrow::Cow;

/// Stands where bytes were left out.
const GAP: &str = " … ";

/// `text` in at most `bytes_max` bytes: a longer one keeps its head and its tail.
pub(crate) fn clip(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let half = bytes_max.saturating_sub(GAP.len()) / 2;
    Cow::Owned(format!("{}{GAP}{}", head(text, half), tail(text, half)))
}

/// `text` in at most `bytes_max` bytes: a longer one keeps its tail.
pub(crate) fn clip_end(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{GAP}{}", tail(text, bytes_max.saturating_sub(GAP.len()))))
}

fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn tail(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_within_its_limit_is_untouched() {
        assert!(matches!(clip("short", 5), Cow::Borrowed("short")));
        assert!(matches!(clip_end("short", 5), Cow::Borrowed("short")));
    }

    #[test]
    fn a_longer_text_keeps_head_and_tail() {
        assert_eq!(clip("abcdefghijklmnop", 11), "abc … nop");
        assert_eq!(clip_end("abcdefghijklmnop", 9), " … mnop");
    }

    #[test]
    fn no_cut_splits_a_character_or_exceeds_the_limit() {
        let text = "aé漢🙂".repeat(9);
        for bytes_max in 8..text.len() {
            assert!(clip(&text, bytes_max).len() <= bytes_max);
            assert!(clip_end(&text, bytes_max).len() <= bytes_max);
        }
    }
}
