//! Columns of a terminal: how wide a text is; cutting, padding and wrapping it.

/// Columns that `text` takes. An approximation of UAX #11 that knows the wide ranges people use
/// (CJK, Hangul, full width forms, emoji) and the common combining marks; no escape sequences.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match c {
        '\u{0300}'..='\u{036f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// `text` if it fits into `columns`, else as much of it as does, ending with `…`.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let width = char_width(*c);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    if columns == 0 { String::new() } else { kept + "…" }
}

/// `text` and as many blanks as bring it to `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` in lines of at most `columns`, broken between words; a word that is wider stands
/// alone on its line, so that it can still be selected as a whole.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.trim_end().is_empty() && width(&line) + width(word) > columns {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        line.push_str(word);
        line.push(' ');
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// The same behind a head that `indent` columns are left for: the lines after the first are
/// moved in as far.
pub(crate) fn hang(text: &str, indent: usize, columns: usize) -> String {
    wrap(text, columns.saturating_sub(indent)).join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_only() {
        assert_eq!(wrap("one two three", 9), ["one two", "three"]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a /very/long/path b", 6), ["a", "/very/long/path", "b"]);
        assert_eq!(wrap("two  blanks", 80), ["two  blanks"], "what fits is left as it is");
        assert_eq!((wrap("", 5), wrap("x", 0)), (vec![String::new()], vec!["x".to_owned()]));
        assert_eq!(hang("one two three", 4, 11), "one two\n    three");
        assert_eq!(hang("one two three", 4, usize::MAX), "one two three");
    }

    #[test]
    fn no_word_is_lost_and_no_line_is_too_wide() {
        let text = "训练 mixed e\u{301} words of several lengths, one-that-is-wide";
        for columns in 0..60 {
            let lines = wrap(text, columns);
            assert_eq!(lines.join(" "), text);
            let fits = |line: &&String| width(line) <= columns || !line.contains(' ');
            assert!(lines.iter().all(|line| fits(&line)), "{columns}: {lines:?}");
        }
    }

    #[test]
    fn wide_and_combining_characters_are_measured() {
        for (text, columns) in [("", 0), ("abc", 3), ("训练", 4), ("e\u{301}", 1), ("●▌", 2), ("🚀", 2)]
        {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn a_cut_never_exceeds_its_columns() {
        for text in ["plain text", "训练训练训练", "mixed 训练 e\u{301}"] {
            for columns in 0..16 {
                let cut = cut(text, columns);
                assert!(width(&cut) <= columns, "{cut} in {columns}");
                assert!(cut == text || columns == 0 || cut.ends_with('…'), "{cut}");
            }
        }
        assert_eq!(pad("训", 4), "训  ");
    }
}
