//! What is wrong with a text that people write, and where.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where; `None` = the whole of it.
    pub place: Option<Place>,
    /// What.
    pub message: String,
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{}:{}: ", place.line, place.column)?;
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(near) => write!(f, "; did you mean {near}?"),
            None => Ok(()),
        }
    }
}

/// A place in a text; both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Character in it.
    pub column: usize,
}

impl Place {
    /// The place of byte `offset` of `text`; what lies behind its end is the end.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let before = (0..=offset.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        Self { line: before.matches('\n').count() + 1, column: column + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_one_and_in_characters() {
        let text = "a = 1\nä = \"ö\"\n";
        let at = |needle: &str| {
            let place = Place::of(text, text.find(needle).unwrap());
            (place.line, place.column)
        };
        assert_eq!((at("a"), at("1"), at("\"ö")), ((1, 1), (1, 5), (2, 5)));
        assert_eq!(Place::of(text, 999), Place { line: 3, column: 1 });
        assert_eq!(Place::of("ä", 1), Place { line: 1, column: 1 }, "within a character");
    }

    #[test]
    fn a_fault_begins_with_its_place() {
        let fault = |nearest: Option<&str>| Fault {
            place: Some(Place { line: 2, column: 7 }),
            message: "unknown key nmae".to_owned(),
            nearest: nearest.map(str::to_owned),
        };
        assert_eq!(fault(None).to_string(), "2:7: unknown key nmae");
        assert_eq!(fault(Some("name")).to_string(), "2:7: unknown key nmae; did you mean name?");
        assert_eq!(Fault { place: None, ..fault(None) }.to_string(), "unknown key nmae");
    }
}
