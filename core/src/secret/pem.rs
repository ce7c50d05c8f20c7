//! Private keys as PEM has them (RFC 7468): lines of key material between two fences.

use super::MASK;
use std::ops::Range;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const FENCE: &str = "-----";
/// What the label of a key ends with: `RSA PRIVATE KEY`, `OPENSSH PRIVATE KEY`, `USER NKEY SEED`.
const LABELS: [&str; 3] = ["PRIVATE KEY", "NKEY SEED", "PRIVATE KEY BLOCK"];
/// Lines behind a first fence that may be key material. No key has more: a fence without an end
/// would hide the rest of a text.
const LINES_MAX: usize = 512;
/// Characters from which on a line of nothing but base64 is taken for key material.
const BODY_MIN: usize = 16;

/// The first fence in `text` that begins with `head`, and is one of a private key.
fn fence(text: &str, head: &str) -> Option<Range<usize>> {
    text.match_indices(head).find_map(|(at, _)| {
        let label = text.get(at + head.len()..)?.split(FENCE).next()?;
        let end = at + head.len() + label.len() + FENCE.len();
        let is_one = LABELS.iter().any(|known| label.ends_with(known)) && end <= text.len();
        is_one.then_some(at..end)
    })
}

/// The first private key in `text`; one without an end goes on to the end of the text.
pub(super) fn find(text: &str) -> Option<Range<usize>> {
    let begin = fence(text, BEGIN)?;
    let end = text.get(begin.end..).and_then(|rest| fence(rest, END));
    Some(begin.start..end.map_or(text.len(), |end| begin.end + end.end))
}

/// The lines of `text` with [`MASK`] for each that belongs to a private key over several; what is on
/// one line is left to [`mask_text`](super::mask_text). A key whose beginning was cut away is known
/// by its end.
#[must_use]
pub fn mask_key_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let headless = headless(&lines);
    // Lines of a key that may still come.
    let mut left = 0_usize;
    let mut masked = String::with_capacity(text.len());
    for (at, line) in lines.into_iter().enumerate() {
        let begin = fence(line, BEGIN).map_or(line.len(), |begin| begin.start);
        let opened = line.get(begin..).unwrap_or_default();
        if left == 0 && headless.contains(&at) {
            masked.push_str(MASK);
        } else if left == 0 && !opened.is_empty() && fence(opened, END).is_none() {
            left = LINES_MAX;
            masked.push_str(line.get(..begin).unwrap_or_default());
            masked.push_str(MASK);
        } else if left == 0 {
            masked.push_str(line);
        } else if let Some(end) = fence(line, END) {
            left = 0;
            masked.push_str(MASK);
            masked.push_str(line.get(end.end..).unwrap_or_default());
        } else {
            left -= 1;
            masked.push_str(MASK);
        }
        masked.push('\n');
    }
    masked
}

/// The lines of a key that ends in `lines` and begins before them.
fn headless(lines: &[&str]) -> Range<usize> {
    let Some(end) = lines.iter().position(|line| fence(line, END).is_some()) else { return 0..0 };
    let before = lines.get(..end).unwrap_or_default();
    let has_begun = before.iter().chain(lines.get(end)).any(|line| fence(line, BEGIN).is_some());
    let body = before.iter().rev().take_while(|line| is_body(line)).count();
    if has_begun { 0..0 } else { end - body..end }
}

fn is_body(line: &str) -> bool {
    let word = line.trim();
    let is_one = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    (word.len() >= BODY_MIN || word.ends_with('=')) && word.chars().all(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::mask_text;

    const BODY: [&str; 2] = ["MIIEvQIBADANBgkqhkiG9w0BAQEF", "AASCBKcwggSjAgEAAoIBAQC7"];

    #[test]
    fn a_key_in_a_text_is_masked_whole() {
        let [one, two] = BODY;
        for (text, masked) in [
            (
                format!("a -----BEGIN RSA PRIVATE KEY-----\n{one}\n{two}\n-----END RSA PRIVATE KEY----- b"),
                "a *** b",
            ),
            (format!("k: -----BEGIN PRIVATE KEY-----\\n{one}"), "k: ***"),
            ("-----BEGIN CERTIFICATE-----\nx".to_owned(), "-----BEGIN CERTIFICATE-----\nx"),
            ("-----BEGIN PRIVATE KEY".to_owned(), "-----BEGIN PRIVATE KEY"),
        ] {
            assert_eq!(mask_text(&text), masked);
        }
    }

    #[test]
    fn a_key_over_several_lines_is_masked_in_each() {
        let [one, two] = BODY;
        let text = format!(
            "before\nk: -----BEGIN OPENSSH PRIVATE KEY-----\n{one}\n{two}\nab==\n-----END OPENSSH PRIVATE KEY-----, so\nafter"
        );
        assert_eq!(mask_key_lines(&text), "before\nk: ***\n***\n***\n***\n***, so\nafter\n");
        let cut = format!("loss 0.1\n{one}\n{two}\n-----END PRIVATE KEY-----\nafter");
        assert_eq!(mask_key_lines(&cut), "loss 0.1\n***\n***\n-----END PRIVATE KEY-----\nafter\n");
        let open = mask_key_lines(&format!("-----BEGIN PRIVATE KEY-----\n{}", "x\n".repeat(LINES_MAX + 1)));
        let lines: Vec<_> = open.lines().collect();
        assert_eq!((lines[LINES_MAX], lines[LINES_MAX + 1]), (MASK, "x"));
        for plain in ["", "a\nb\n", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"] {
            assert_eq!(mask_key_lines(plain), plain);
        }
        let one_line =
            format!("{{\"key\": \"-----BEGIN PRIVATE KEY-----{one}-----END PRIVATE KEY-----\"}}\nx\n");
        assert_eq!(mask_key_lines(&one_line), one_line);
    }
}
