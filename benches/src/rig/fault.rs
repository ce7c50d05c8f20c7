//! Why something could not be measured.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system said no.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or program.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// There is no `resus` to measure.
    #[error("there is no program {}: build it first, or name another in RESUS_BIN", .0.display())]
    NoProgram(PathBuf),
    /// A command of `resus` failed.
    #[error("resus {command} ended with {code}: {stderr}")]
    Command {
        /// Its arguments.
        command: String,
        /// How it ended.
        code: String,
        /// What it said.
        stderr: String,
    },
    /// The daemon refused a request.
    #[error("{request} was answered with status {status}: {body}")]
    Refused {
        /// Method and target.
        request: String,
        /// HTTP status.
        status: u16,
        /// The answer.
        body: String,
    },
    /// Something did not happen in time.
    #[error("waited {waited_s} s in vain for {what}")]
    Late {
        /// For what.
        what: String,
        /// How long, in seconds.
        waited_s: u64,
    },
    /// Something is not as it must be for a figure to mean anything.
    #[error("{0}")]
    Wrong(String),
    /// Something failed, and this is what the daemon logged last.
    #[error("{cause}\nthe daemon's log ends with:\n{log}")]
    Logged {
        /// What failed.
        cause: Box<Fault>,
        /// Lines of the log.
        log: String,
    },
}

impl Fault {
    /// Makes a fault of an I/O error.
    pub fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.as_ref().to_owned(), source }
    }

    /// A fault in words.
    pub fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}
