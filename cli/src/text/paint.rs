//! Colour, and the glyph and word of every phase: never colour alone.

/// A colour of the sixteen that every terminal has, so that themes apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Wrong.
    Red,
    /// Well.
    Green,
    /// Look here.
    Yellow,
    /// On its way.
    Cyan,
    /// Of less importance.
    Dim,
    /// Of more importance.
    Bold,
}

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(pub bool);

impl Paint {
    /// `text` in `colour`, if colours are written.
    pub(crate) fn on(self, colour: Colour, text: &str) -> String {
        if !self.0 || text.is_empty() {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Cyan => "36",
            Colour::Dim => "2",
            Colour::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// How a phase is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PhaseLook {
    /// One column.
    pub glyph: &'static str,
    /// In words.
    pub word: &'static str,
    /// Its colour.
    pub colour: Colour,
}

/// How the phase called `phase` on the wire ([`resus_core::phase::Phase::as_str`]) is shown. A
/// phase of a newer daemon looks unknown rather than wrong.
pub(crate) fn phase(phase: &str) -> PhaseLook {
    let look = |glyph, word, colour| PhaseLook { glyph, word, colour };
    match phase {
        "preparing" => look("◌", "preparing", Colour::Cyan),
        "running" => look("●", "running", Colour::Green),
        "pausing" => look("◑", "pausing", Colour::Yellow),
        "paused" => look("‖", "paused", Colour::Yellow),
        "cooling_down" => look("◐", "finishing", Colour::Green),
        "stopping" => look("■", "stopping", Colour::Yellow),
        "waiting" => look("↻", "waiting", Colour::Yellow),
        "done" => look("✓", "done", Colour::Green),
        "failed" => look("✗", "failed", Colour::Red),
        "cancelled" => look("○", "cancelled", Colour::Dim),
        _ => look("?", "unknown", Colour::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::phase::Phase;

    #[test]
    fn every_phase_has_a_look_of_its_own() {
        let mut seen = std::collections::BTreeMap::new();
        for known in Phase::ALL {
            let look = phase(known.as_str());
            assert_ne!(look.word, "unknown", "{known}");
            assert_eq!(*seen.entry(look.glyph).or_insert(look.word), look.word);
        }
        assert_eq!(phase("hibernating").word, "unknown");
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        assert_eq!(Paint(false).on(Colour::Red, "x"), "x");
        assert_eq!(Paint(true).on(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Paint(true).on(Colour::Red, ""), "");
    }
}
