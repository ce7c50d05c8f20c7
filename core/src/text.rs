//! Text from strangers, made fit to keep and to show.

/// One line of at most `bytes_max` bytes: control characters, escape sequences' introducers
/// and bidirectional overrides become visible (`\u{1b}`), line breaks become ` · `, and a
/// cut is marked with `…`.
///
/// Everything that a worker says passes through here before it reaches a terminal: an
/// escape sequence in a log line must not be able to drive the operator's terminal (CWE-150).
#[must_use]
pub fn one_line(text: &str, bytes_max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(bytes_max));
    for c in text.trim().chars() {
        let mut piece = String::new();
        match c {
            '\n' | '\r' => {
                if !line.ends_with(" · ") {
                    piece.push_str(" · ");
                }
            }
            '\t' => piece.push(' '),
            c if c.is_control() || is_bidi(c) => piece.extend(c.escape_unicode()),
            c => piece.push(c),
        }
        if line.len() + piece.len() > bytes_max.saturating_sub('…'.len_utf8()) {
            line.push('…');
            break;
        }
        line.push_str(&piece);
    }
    line
}

/// The same as [`one_line`] without a cut and with line breaks and tabs kept: for logs.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && c != '\t' && (c.is_control() || is_bidi(c)) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_bidi_marks_become_visible() {
        assert_eq!(one_line("a\x1b[31mb\u{202e}c\x07", 256), "a\\u{1b}[31mb\\u{202e}c\\u{7}");
        assert_eq!(one_line("two\r\nlines\n", 256), "two · lines");
        assert_eq!(visible("a\x1b]52;c;x\x07\tb\n"), "a\\u{1b}]52;c;x\\u{7}\tb\n");
    }

    #[test]
    fn a_cut_falls_on_a_character_and_is_marked() {
        for max in 3..40 {
            let cut = one_line("häßliche Zeilenlänge überschritten", max);
            assert!(cut.len() <= max.max(3), "{max}: {cut}");
        }
        assert!(one_line(&"é".repeat(300), 256).ends_with('…'));
    }
}
