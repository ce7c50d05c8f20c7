//! The last thing a text passes on its way to a stream: of what a terminal would obey, only our
//! own colours and the movements of the live line are left.
//!
//! Renderers make visible what strangers say ([`resus_core::text`]); here nothing depends on all of
//! them having thought of it. A text that holds anything else is shown with it made visible.

use resus_core::text::{is_hidden, visible};
use std::borrow::Cow;

/// Back to the start of the line: what is on it is written over.
const RETURN: &str = "\r";
/// Everything behind the cursor away.
const ERASE: &str = "\x1b[K";
/// No colour any more.
const PLAIN: &str = "\x1b[0m";
/// What our texts, and clap's, are painted with ([`crate::text::paint::Paint`]).
pub(crate) const PAINT: [&str; 11] = [
    PLAIN, "\x1b[1m", "\x1b[2m", "\x1b[4m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[35m",
    "\x1b[36m", "\x1b[39m",
];

/// `text` as it may be written. The live line begins with a return, and ends with an erasure;
/// neither is let through anywhere else.
pub(crate) fn pass(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_hidden(c)) {
        return Cow::Borrowed(text);
    }
    let mut passed = String::with_capacity(text.len());
    let mut rest = text;
    for head in [RETURN, ERASE] {
        if let Some(behind) = rest.strip_prefix(head) {
            passed.push_str(head);
            rest = behind;
        }
    }
    let (rest, tail) = rest.strip_suffix(ERASE).map_or((rest, ""), |rest| (rest, ERASE));
    line_by_line(rest, &mut passed);
    passed.push_str(tail);
    Cow::Owned(passed)
}

/// The lines of `text` that may be put on somebody's command line. What a terminal would obey, or
/// nobody see, is no candidate: made visible it would be another word.
pub(crate) fn candidates(text: &str) -> String {
    let harmless = |line: &&str| !line.chars().any(|c| c != '\t' && is_hidden(c));
    text.lines().filter(harmless).map(|line| format!("{line}\n")).collect()
}

fn line_by_line(mut rest: &str, passed: &mut String) {
    let mut painted = false;
    while let Some(c) = rest.chars().next() {
        if let Some(code) = PAINT.iter().find(|code| rest.starts_with(**code)) {
            painted = *code != PLAIN;
            passed.push_str(code);
            rest = rest.get(code.len()..).unwrap_or_default();
            continue;
        }
        let (head, behind) = rest.split_at(c.len_utf8());
        if c == '\n' && std::mem::take(&mut painted) {
            // No colour outlives its line, whoever began it.
            passed.push_str(PLAIN);
        }
        passed.push_str(&visible(head));
        rest = behind;
    }
    if painted {
        passed.push_str(PLAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_no_candidate() {
        let text = "plain:help\nwith\ttab\n\x1b[2Jx\nbidi\u{202e}\nlast";
        assert_eq!(candidates(text), "plain:help\nwith\ttab\nlast\n");
    }

    #[test]
    fn our_own_texts_pass_as_they_are() {
        for text in [
            "plain\n",
            "\r● running\x1b[K",
            "\r\x1b[K",
            "\r\x1b[Ksaid\n",
            "a\t\x1b[31mred\x1b[0m b\n",
            "",
            "\u{2026} 训练",
            "\x1b[1m\x1b[4mUsage:\x1b[0m x\n",
        ] {
            assert_eq!(pass(text), text, "{text:?}");
        }
    }

    #[test]
    fn nothing_else_is_obeyed() {
        for (text, shown) in [
            ("a\rb\n", "a\\u{d}b\n"),
            ("a\x1b[Kb", "a\\u{1b}[Kb"),
            ("\x1b]0;t\x07", "\\u{1b}]0;t\\u{7}"),
            ("\x1b[8mhidden", "\\u{1b}[8mhidden"),
            ("\x1b[31mred\nnext", "\x1b[31mred\x1b[0m\nnext"),
            ("\x1b[31mred", "\x1b[31mred\x1b[0m"),
            ("\u{9b}2J\u{202e}x\u{200b}", "\\u{9b}2J\\u{202e}x\\u{200b}"),
            ("\r\r\x1b[K\x1b[K", "\r\\u{d}\\u{1b}[K\x1b[K"),
        ] {
            assert_eq!(pass(text), shown, "{text:?}");
        }
    }
}
