//! The colours of a worker's output that may be shown.
//!
//! Letters in a colour of the sixteen, but neither black nor white, which are the ground of some
//! terminals: with another ground, concealed, dim, blinking or as dark as the ground, text could be
//! printed that nobody sees, or that looks like another's.

/// No colour any more.
pub(super) const PLAIN: &str = "\x1b[0m";

/// How letters look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Style {
    bold: bool,
    italic: bool,
    underlined: bool,
    /// 31 to 36, 91 to 96.
    colour: Option<u8>,
}

impl Style {
    /// This style after the parameters of an SGR sequence (ECMA-48, 8.3.117), as they stand between
    /// `ESC [` and `m`. What may not be shown changes nothing; one with `:` is none of ours.
    pub(super) fn then(self, parameters: &str) -> Self {
        let mut style = self;
        let mut rest = parameters.split(';');
        while let Some(parameter) = rest.next() {
            match parameter {
                "" | "0" | "00" => style = Self::default(),
                "1" | "01" => style.bold = true,
                "3" | "03" => style.italic = true,
                "4" | "04" => style.underlined = true,
                "22" => style.bold = false,
                "23" => style.italic = false,
                "24" => style.underlined = false,
                "39" => style.colour = None,
                // A colour of its own kind: `5;N` or `2;R;G;B` belong to it.
                "38" | "48" | "58" => {
                    let more = match rest.next() {
                        Some("5") => 1,
                        Some("2") => 3,
                        Some(_) | None => 0,
                    };
                    rest.by_ref().take(more).for_each(drop);
                }
                other => {
                    let colour = other.parse().ok().filter(|n| matches!(n, 31..=36 | 91..=96));
                    style.colour = colour.or(style.colour);
                }
            }
        }
        style
    }

    /// What makes a terminal show letters so, whatever it showed before.
    pub(super) fn sequence(self) -> String {
        let flags = [(self.bold, "1"), (self.italic, "3"), (self.underlined, "4")];
        let mut codes: Vec<String> =
            flags.iter().filter(|(is_on, _)| *is_on).map(|(_, code)| (*code).to_owned()).collect();
        codes.extend(self.colour.map(|colour| colour.to_string()));
        if codes.is_empty() { PLAIN.to_owned() } else { format!("{PLAIN}\x1b[{}m", codes.join(";")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(parameters: &str) -> String {
        Style::default().then(parameters).sequence().split_off(PLAIN.len())
    }

    #[test]
    fn only_plain_colours_of_letters_are_shown() {
        for (parameters, shown) in [
            ("1;31", "\x1b[1;31m"),
            ("4;3;92", "\x1b[3;4;92m"),
            ("31;0", ""),
            ("31;;1", "\x1b[1m"),
            ("01;32", "\x1b[1;32m"),
            ("8", ""),
            ("7", ""),
            ("2", ""),
            ("5", ""),
            ("30;40", ""),
            ("97", ""),
            ("41;33", "\x1b[33m"),
            ("38;5;31", ""),
            ("38;2;31;32;33;34", "\x1b[34m"),
            ("48;5;1;1", "\x1b[1m"),
            ("38", ""),
            ("31:8", ""),
            ("1001", ""),
        ] {
            assert_eq!(after(parameters), shown, "{parameters}");
        }
    }
}
