//! Text from strangers, made fit to keep and to show.

/// One line of at most `bytes_max` bytes: whatever is [hidden](is_hidden) becomes visible
/// (`\u{1b}`), line breaks become ` · `, and a cut is marked with `…`.
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
            c if is_hidden(c) => piece.extend(c.escape_unicode()),
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
        if c != '\n' && c != '\t' && is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A JSON document with everything [hidden](is_hidden) written as `\uXXXX`: the same document to
/// whoever parses it, and harmless to a terminal. JSON itself escapes only the control
/// characters below U+0020.
#[must_use]
pub fn visible_json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for c in document.chars() {
        // White space between values is no character of a text.
        if matches!(c, '\n' | '\t') || !is_hidden(c) {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            shown.push_str(&format!("\\u{unit:04x}"));
        }
    }
    shown
}

/// Whether a terminal would obey the character, show nothing, or show its neighbours in another
/// order: controls (C0, DEL, C1), bidirectional marks and overrides (UAX #9), and the invisible
/// format characters with which one text can be made to look like another. The joiners are among
/// them; the variation selectors that plain emoji need (U+FE00 to U+FE0F) are not.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    match c {
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{20}'..='\u{7e}' | '\u{fe00}'..='\u{fe0f}' => false,
        c => matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'),
    }
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
    fn what_cannot_be_seen_is_told() {
        let hidden = "\u{200b}\u{200d}\u{2028}\u{2066}\u{feff}\u{e0041}\u{ad}\u{9b}\u{7f}";
        let shown = visible(hidden);
        assert!(!shown.chars().any(is_hidden) && shown.starts_with("\\u{200b}\\u{200d}"), "{shown}");
        for plain in ["häßlich 训练 🚀 ⚠\u{fe0f} ‖ ● … ·", "e\u{301}", "\u{fffd}"] {
            assert_eq!(visible(plain), plain);
        }
    }

    #[test]
    fn json_stays_the_same_document() {
        let text: String = (0..0x3000).chain(0xe0000..0xe0080).filter_map(char::from_u32).collect();
        let document = serde_json::json!({ "text": text, "list": [1, "\u{202e}"] });
        let shown = visible_json(&serde_json::to_string_pretty(&document).unwrap());
        assert!(!shown.chars().any(|c| c != '\n' && is_hidden(c)));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), document);
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
