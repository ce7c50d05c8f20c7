//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file can't be read.
    #[error("failed to read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file says something that makes no sense.
    #[error("the configuration {} is not valid", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong with it, in the order of its text. Never empty.
        faults: Vec<Fault>,
    },
    /// What the section `[bus]` names can't be used.
    #[error("the daemon can't speak on the bus as it is set up")]
    Bus {
        /// Everything that is wrong, each with the key or the variable that says so. Never empty.
        faults: Vec<String>,
    },
}

impl SettingsError {
    /// What exactly is wrong: one line per fault, each beginning with `file:line:column`.
    pub(crate) fn details(&self) -> Vec<String> {
        match self {
            Self::Read { source, .. } => vec![source.to_string()],
            Self::Invalid { path, faults } => {
                faults.iter().map(|fault| format!("{}:{fault}", path.display())).collect()
            }
            Self::Bus { faults } => faults.clone(),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.line, self.place.column, self.message)?;
        match &self.nearest {
            Some(near) => write!(f, "; did you mean {near}?"),
            None => Ok(()),
        }
    }
}

/// A place in a text; both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Line.
    pub line: usize,
    /// Character in it.
    pub column: usize,
}

impl Place {
    /// The place of byte `offset` of `text`; what lies behind its end is the end.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = (0..=offset.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        Self { line: before.matches('\n').count() + 1, column: column + 1 }
    }
}
