//! A worker's bytes as text that can do a terminal no harm.

use super::colours::{PLAIN, Style};
use resus_core::text::visible;

/// Longest colour sequence taken for one: longer ones are shown, not obeyed.
const COLOUR_BYTES_MAX: usize = 32;
/// Back to the start of the line, and what is on it away.
const ERASE: &str = "\r\x1b[K";

/// A text that makes a terminal do nothing but what we want: only a [`Decoder`] makes one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Harmless(String);

impl Harmless {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Turns bytes into text for a terminal, piece by piece. What is not UTF-8 becomes `�`; a line
/// that is written again behind a carriage return (the way of progress bars) is shown as it was
/// written last; [colours](Style) pass or are left out, and none outlives its line or its piece;
/// every other control character becomes visible (`^G`).
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    colours: bool,
    /// A character that the last piece cut in two.
    half: Vec<u8>,
    /// What may become a colour sequence.
    escape: String,
    /// The last character was a carriage return.
    returned: bool,
    /// Something of the present line has been given out.
    shown: bool,
    /// How the program wants its letters to look.
    style: Style,
}

impl Decoder {
    /// A decoder that lets colours pass, or leaves them out.
    pub(crate) fn new(colours: bool) -> Self {
        Self { colours, ..Self::default() }
    }

    /// The text of the next piece.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Harmless {
        let mut all = std::mem::take(&mut self.half);
        all.extend_from_slice(bytes);
        let whole = all.len() - cut_character(&all);
        self.half = all.split_off(whole);
        let mut text = Text::default();
        for c in String::from_utf8_lossy(&all).chars() {
            self.take(c, &mut text);
        }
        self.shown |= !text.line.is_empty();
        text.end_style();
        Harmless(text.whole + &text.line)
    }

    /// What is left at the end: an unfinished sequence.
    pub(crate) fn finish(&mut self) -> Harmless {
        Harmless(caret(&std::mem::take(&mut self.escape)))
    }

    fn take(&mut self, c: char, text: &mut Text) {
        if !self.escape.is_empty() && self.took_escape(c, text) {
            return;
        }
        match c {
            '\n' => {
                text.end_style();
                self.style = Style::default();
                text.whole.push_str(&std::mem::take(&mut text.line));
                text.whole.push('\n');
                (self.returned, self.shown) = (false, false);
            }
            '\r' => self.returned = true,
            '\x1b' => self.escape.push(c),
            c => {
                self.write_again(text);
                self.put(&caret(c.encode_utf8(&mut [0; 4])), text);
            }
        }
    }

    /// Goes on with an escape sequence; whether `c` belonged to it.
    fn took_escape(&mut self, c: char, text: &mut Text) -> bool {
        let inside = match self.escape.len() {
            1 => c == '[',
            length => length < COLOUR_BYTES_MAX && (c.is_ascii_digit() || c == ';' || c == ':'),
        };
        if inside {
            self.escape.push(c);
            return true;
        }
        let sequence = std::mem::take(&mut self.escape);
        self.write_again(text);
        if let Some(parameters) = sequence.strip_prefix("\x1b[").filter(|_| c == 'm') {
            if self.colours {
                self.style = self.style.then(parameters);
            }
            return true;
        }
        self.put(&caret(&sequence), text);
        false
    }

    /// Adds letters, looking as the program wants them to.
    fn put(&self, letters: &str, text: &mut Text) {
        if text.style != self.style {
            text.line.push_str(&self.style.sequence());
            text.style = self.style;
        }
        text.line.push_str(letters);
    }

    /// Behind a carriage return the line begins anew.
    fn write_again(&mut self, text: &mut Text) {
        if std::mem::take(&mut self.returned) {
            text.line.clear();
            // A line and a piece begin without colours, and all of both is in there.
            text.style = Style::default();
            if self.shown {
                text.line.push_str(ERASE);
            }
        }
    }
}

/// A text in the making.
#[derive(Debug, Default)]
struct Text {
    /// Finished lines.
    whole: String,
    /// The line at work.
    line: String,
    /// How letters would look behind it.
    style: Style,
}

impl Text {
    fn end_style(&mut self) {
        if std::mem::take(&mut self.style) != Style::default() {
            self.line.push_str(PLAIN);
        }
    }
}

/// Control characters as people know them: `^G`, `^[`; what else is invisible by its number.
fn caret(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push(c),
            '\0'..='\x1f' => {
                shown.push('^');
                shown.push(char::from(c as u8 ^ 0x40));
            }
            '\x7f' => shown.push_str("^?"),
            c if c.is_ascii() => shown.push(c),
            c => shown.push_str(&visible(c.encode_utf8(&mut [0; 4]))),
        }
    }
    shown
}

/// How many bytes at the end are the beginning of a character.
fn cut_character(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes.get(bytes.len() - back).copied().unwrap_or(0);
        let needed = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if back < needed { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(colours: bool, bytes: &[u8]) -> String {
        let mut decoder = Decoder::new(colours);
        decoder.decode(bytes).0 + decoder.finish().as_str()
    }

    /// What a terminal shows of `text`: only the last of what is erased stays.
    fn on_screen(text: &str) -> String {
        let lines = text.split('\n').map(|line| line.rsplit(ERASE).next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_text_decodes_the_same_however_it_is_cut() {
        let text = "plain ü 训练 🚀\r\nbar 1%\rbar 2%\r\nend \u{1b}[1;31mred\u{1b}[0m\u{7}\u{1b}]0;t\u{7}\n";
        let expected = "plain ü 训练 🚀\nbar 2%\nend \u{1b}[0m\u{1b}[1;31mred\u{1b}[0m^G^[]0;t^G\n";
        for size in 1..text.len() {
            let mut decoder = Decoder::new(true);
            let decoded: String = text.as_bytes().chunks(size).map(|piece| decoder.decode(piece).0).collect();
            // Each piece ends plain, and the next one begins as the last one looked.
            let decoded = decoded.replace("\x1b[0m\x1b[0m\x1b[1;31m", "");
            assert_eq!(on_screen(&decoded), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn progress_bars_are_shown_as_they_were_written_last() {
        for (printed, shown) in [
            ("1%\r2%\r3%", "3%"),
            ("1%\r2%\r3%\r", "3%"),
            ("\r1%\r\r2%\nnext", "2%\nnext"),
            ("a\r\nb\r\n", "a\nb\n"),
        ] {
            assert_eq!(decoded(false, printed.as_bytes()), shown, "{printed:?}");
        }
        let mut decoder = Decoder::new(false);
        assert_eq!(decoder.decode(b"10%").as_str(), "10%");
        assert_eq!(decoder.decode(b"\r20%\r30%").0, format!("{ERASE}30%"), "what was shown is taken back");
    }

    #[test]
    fn colours_pass_only_where_they_are_wanted_and_never_stay_on() {
        let red = b"a\x1b[31mb\nc\x1b[38;5;9md\n";
        assert_eq!(decoded(true, red), "a\u{1b}[0m\u{1b}[31mb\u{1b}[0m\ncd\n");
        assert_eq!(decoded(false, red), "ab\ncd\n");
        assert_eq!(decoded(true, b"\x1b[31mx\x1b[m"), "\u{1b}[0m\u{1b}[31mx\u{1b}[0m");
        assert_eq!(decoded(true, b"\x1b[32m1%\r2%\x1b[8m3"), "\u{1b}[0m\u{1b}[32m2%3\u{1b}[0m");
    }

    #[test]
    fn nothing_else_drives_the_terminal() {
        for (printed, shown) in [
            (&b"\x1b[2Jx"[..], "^[[2Jx"),
            (b"\x1b]52;c;eA==\x07", "^[]52;c;eA==^G"),
            (b"\x1b\x1b[31mx", "^[\u{1b}[0m\u{1b}[31mx\u{1b}[0m"),
            (b"\x1b[?25lx", "^[[?25lx"),
            (b"\x1bm\x08\x7f", "^[m^H^?"),
            (b"end\x1b[3", "end^[[3"),
            ("\u{9b}2J\u{202e}".as_bytes(), "\\u{9b}2J\\u{202e}"),
        ] {
            assert_eq!(decoded(true, printed), shown);
        }
        let endless = format!("\x1b[{}m", "1;".repeat(99));
        assert!(decoded(true, endless.as_bytes()).starts_with("^[[1;1;"), "too long for a colour");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"a\xffb\xc0c").0, "a\u{fffd}b\u{fffd}c");
        assert_eq!(decoder.decode(b"\xe2\x82").0, "", "the beginning of a character waits");
        assert_eq!(decoder.decode(b"x").0, "\u{fffd}x");
    }
}
