//! Columns of a terminal: how wide a text is, cutting and padding it.

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

#[cfg(test)]
mod tests {
    use super::*;

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
