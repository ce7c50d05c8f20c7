//! Names of things: runs, attempts, commands, workloads.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest run id in bytes (PULSE: `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`).
pub const ID_BYTES_MAX: usize = 64;
/// Longest slug in bytes (PULSE: `[a-z0-9-]{1,48}`), short enough for a NATS subject token.
pub const SLUG_BYTES_MAX: usize = 48;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is not of the form `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`.
    #[error("{what} {text:?} is not a letter or digit followed by at most 63 letters, digits, '_' or '-'")]
    Id {
        /// Which kind of name was expected.
        what: &'static str,
        /// What was given, shortened to 80 characters.
        text: String,
    },
    /// The text is not of the form `[a-z0-9-]{1,48}`.
    #[error("name {text:?} is not 1 to 48 lower-case letters, digits or '-'")]
    Slug {
        /// What was given, shortened to 80 characters.
        text: String,
    },
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

fn is_id(text: &str) -> bool {
    text.len() <= ID_BYTES_MAX
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the form and wraps the text.
            ///
            /// # Errors
            /// [`NameError::Id`] when the text is not `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                if is_id(&text) { Ok(Self(text)) } else { Err(NameError::Id { what: $what, text: shorten(&text) }) }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type!(
    /// Identity of a run: PULSE `training_id`. Ours are UUIDv7 in text form.
    RunId,
    "run id"
);
id_type!(
    /// Identity of a command given by a client; the same id twice is the same command.
    CommandId,
    "command id"
);

impl RunId {
    /// The last eight characters: what people see. (The first eight of a UUIDv7 are a clock,
    /// so runs started together share them.)
    #[must_use]
    pub fn short(&self) -> &str {
        let start = self.0.len().saturating_sub(8);
        self.0.get(start..).unwrap_or(&self.0)
    }
}

/// A workload, node or run name: `[a-z0-9-]{1,48}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

impl Slug {
    /// Checks the form and wraps the text.
    ///
    /// # Errors
    /// [`NameError::Slug`] when the text is not `[a-z0-9-]{1,48}`.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let fits = !text.is_empty()
            && text.len() <= SLUG_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text)) } else { Err(NameError::Slug { text: shorten(&text) }) }
    }

    /// The nearest slug to any text: lower case, other characters become `-`, runs of `-`
    /// collapse, at most 48 bytes; `fallback` when nothing is left.
    #[must_use]
    pub fn nearest(text: &str, fallback: &'static str) -> Self {
        let mut slug = String::new();
        for c in text.chars() {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() >= SLUG_BYTES_MAX {
                break;
            }
        }
        let slug = slug.trim_end_matches('-');
        Self(if slug.is_empty() { fallback } else { slug }.to_owned())
    }

    /// The slug as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> String {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of a worker's life within a run, and the fencing token: 0 before the first
/// worker, raised by every new one. Facts of a lower attempt are never believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The attempt after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_a_folder_are_refused() {
        for bad in ["", "..", "../x", "a/b", "-x", "_x", "a b", "a\0", "ä", &"x".repeat(65)] {
            assert!(RunId::new(bad).is_err(), "{bad:?}");
        }
        assert!(RunId::new("x".repeat(64)).is_ok());
        assert!(RunId::new("0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77").is_ok());
    }

    #[test]
    fn the_short_form_is_the_tail() {
        assert_eq!(RunId::new("0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77").unwrap().short(), "8c1d9e77");
        assert_eq!(RunId::new("abc").unwrap().short(), "abc");
    }

    #[test]
    fn any_text_has_a_nearest_slug() {
        assert_eq!(Slug::nearest("Train My_Model.py", "command").as_str(), "train-my-model-py");
        assert_eq!(Slug::nearest("¡!", "command").as_str(), "command");
        assert!(Slug::nearest(&"é x".repeat(99), "x").as_str().len() <= SLUG_BYTES_MAX);
    }
}
