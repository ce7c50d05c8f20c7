//! What is wrong with a configuration, and where.

use resus_core::text::visible;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use resus_core::fault::{Fault, Place};

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
    /// What was said makes no sense.
    #[error("the configuration{} is not valid", only(documents))]
    Invalid {
        /// Every source with faults, the weakest layer first. Never empty, and none of them has none.
        documents: Vec<Judged>,
    },
    /// What the section `[bus]` names can't be used.
    #[error("the daemon can't speak on the bus as it is set up")]
    Bus {
        /// Everything that is wrong, each with the key or the variable that says so. Never empty.
        faults: Vec<String>,
    },
}

/// The name of the source, if there is only one.
fn only(documents: &[Judged]) -> String {
    match documents {
        [one] => format!(" {}", one.name),
        _ => String::new(),
    }
}

impl SettingsError {
    /// What exactly is wrong: one line per fault, each beginning with `file:line:column`.
    pub(crate) fn details(&self) -> Vec<String> {
        match self {
            Self::Read { source, .. } => vec![source.to_string()],
            Self::Invalid { documents } => documents.iter().flat_map(Judged::lines).collect(),
            Self::Bus { faults } => faults.clone(),
        }
    }
}

impl SettingsError {
    /// What to type next.
    pub(crate) fn next(&self) -> &'static str {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "the path of a file that is there; resus config init begins one"
            }
            Self::Read { .. } => "make it a file that you can read, or leave it out",
            Self::Invalid { .. } => {
                "correct that, then: resus config check (every key: resus config defaults)"
            }
            Self::Bus { .. } => "resus config show bus --origin",
        }
    }

    /// The same as a fault of the document at `path`, to be told beside others.
    pub(crate) fn as_document(&self, path: &Path) -> Judged {
        let faults = self.details().into_iter();
        let faults = faults.map(|message| Fault { place: None, message, nearest: None }).collect();
        Judged { name: path.display().to_string(), faults }
    }
}

/// A source of settings with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The file, or the argument.
    pub name: String,
    /// In the order of its text.
    pub faults: Vec<Fault>,
}

impl Judged {
    fn lines(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|fault| {
            let between = if fault.place.is_some() { ":" } else { ": " };
            // Names and keys are whatever somebody wrote into a file.
            let line = format!("{}{between}{fault}", self.name);
            visible(&without_password(&line)).replace(['\n', '\t'], " ")
        })
    }
}

/// The text without what stands before the `@` of an address: somebody may have given it to the
/// wrong key.
fn without_password(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        let end = behind.find([' ', '"', '\'']).unwrap_or(behind.len());
        let skipped = behind.get(..end).and_then(|address| address.rfind('@'));
        masked.extend([before, "://", if skipped.is_some() { "***" } else { "" }]);
        rest = behind.get(skipped.unwrap_or(0)..).unwrap_or_default();
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_wrong_place_is_not_shown() {
        for (text, shown) in [
            ("a \"nats://ann:s3cret@h:1\" b@c", "a \"nats://***@h:1\" b@c"),
            ("tls://x@y@z, http://h/ x", "tls://***@z, http://h/ x"),
            ("nothing: to hide", "nothing: to hide"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
